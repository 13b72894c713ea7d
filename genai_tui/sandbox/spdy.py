"""SPDY/3.1 frames, as far as port-forwarding needs them: streams, data, pings; no flow control and no settings.

https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/ : frames in section 2, header compression and its
dictionary in section 2.6.10.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_VERSION = 3
SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY = 1, 2, 3, 6, 7
FIN = 1
_METHODS_AND_HEADERS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status"
)
_WORDS = (
    *_METHODS_AND_HEADERS.split(), "200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive",
    "origin",
)  # fmt: skip
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = b"".join(struct.pack(">I", len(word)) + word.encode() for word in _WORDS) + _TAIL.encode()


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame: `kind` is 0 for data, else the control type; `stream` is the ping's number for pings."""

    kind: int
    stream: int
    flags: int = 0
    payload: bytes = b""

    @property
    def ends(self) -> bool:
        """Whether the sender has no more for this stream."""
        return bool(self.flags & FIN)


class Reader:
    """Cuts a stream of bytes into frames, and unpacks headers."""

    def __init__(self) -> None:
        self._waiting = b""
        self._unpack = zlib.decompressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now."""
        self._waiting += data
        while len(self._waiting) >= 8:
            first, rest = struct.unpack(">II", self._waiting[:8])
            size = rest & 0xFFFFFF
            if len(self._waiting) < 8 + size:
                return
            payload, self._waiting = self._waiting[8 : 8 + size], self._waiting[8 + size :]
            if not first & 0x80000000:
                yield Frame(0, first, rest >> 24, payload)
                continue
            number = struct.unpack(">I", payload[:4])[0] & 0x7FFFFFFF if len(payload) >= 4 else 0
            yield Frame(first & 0xFFFF, number, rest >> 24, payload[4:])

    def headers(self, frame: Frame) -> dict[str, str]:
        """The headers of a SYN_STREAM; to be asked for each one, in order, as they share one compression.

        Raises:
            ValueError: when they are not what they should be.
        """
        try:
            data = self._unpack.decompress(frame.payload[6:])
            count, at = struct.unpack(">I", data[:4])[0], 4
            found = {}
            for _ in range(count):
                name, at = _text(data, at)
                found[name.lower()], at = _text(data, at)
        except (zlib.error, struct.error, UnicodeDecodeError) as error:
            raise ValueError("broken SPDY headers") from error
        return found


def _text(data: bytes, at: int) -> tuple[str, int]:
    size = struct.unpack(">I", data[at : at + 4])[0]
    return data[at + 4 : at + 4 + size].decode(), at + 4 + size


class Writer:
    """Packs frames; headers share one compression, so one Writer serves one connection."""

    def __init__(self) -> None:
        self._pack = zlib.compressobj(zdict=DICTIONARY)

    def reply(self, stream: int) -> bytes:
        """SYN_REPLY without headers: the stream is accepted."""
        block = self._pack.compress(struct.pack(">I", 0)) + self._pack.flush(zlib.Z_SYNC_FLUSH)
        return _control(SYN_REPLY, struct.pack(">I", stream) + block)

    def data(self, stream: int, payload: bytes, *, end: bool = False) -> bytes:
        """Data of a stream; `end` closes this side of it."""
        return struct.pack(">II", stream, (FIN << 24 if end else 0) | len(payload)) + payload

    def ping(self, number: int) -> bytes:
        """The answer to a ping."""
        return _control(PING, struct.pack(">I", number))


def _control(kind: int, payload: bytes) -> bytes:
    return struct.pack(">HHI", 0x8000 | _VERSION, kind, len(payload)) + payload
