"""Small servers for what the sandbox does not do: client certificates and a proxy."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import trustme

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class CertificateServer:
    """A TLS server that asks for client certificates and answers who presented one, as a SelfSubjectReview."""

    authority: trustme.CA = field(default_factory=trustme.CA)
    url: str = ""

    def client(self, name: str) -> tuple[bytes, bytes]:
        """A certificate for a user, and its key."""
        issued = self.authority.issue_cert(f"{name}@example.org", common_name=name)
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        return chain, issued.private_key_pem.bytes()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.partition("content-length: ")[2].split("\r")[0] or 0))
        certificate = writer.get_extra_info("peercert") or {}
        subject = {key: value for part in certificate.get("subject", ()) for key, value in part}
        name = subject.get("commonName")
        review = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
        body = json.dumps(review | {"status": {"userInfo": {"username": name}}}).encode()
        writer.write(b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()
        with contextlib.suppress(ssl.SSLError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def certificate_server() -> AsyncIterator[CertificateServer]:
    double = CertificateServer()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_OPTIONAL
    double.authority.configure_trust(context)
    double.authority.issue_cert("127.0.0.1").configure_cert(context)
    async with listening(double.answer, context) as (_, port):
        double.url = f"https://127.0.0.1:{port}"
        yield double


@contextlib.asynccontextmanager
async def listening(handle: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, int]]:
    """A server on loopback; when the block ends so do its connections, at once."""
    tasks: list[asyncio.Task[None]] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await handle(reader, writer)
        finally:
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(carry(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


@dataclass
class Proxy:
    """What passed through an HTTP proxy: the targets, and the credentials it was given."""

    url: str = ""
    targets: list[str] = field(default_factory=list)
    authorized: list[str] = field(default_factory=list)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one CONNECT; whatever name is asked for leads to this machine."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        target = head[0].split()[1]
        self.targets.append(target)
        self.authorized += [line.partition(": ")[2] for line in head if line.lower().startswith("proxy-auth")]
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await both_ways((reader, writer), (far_reader, far_writer))


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def both_ways(near: Ends, far: Ends) -> None:
    """Carry bytes in both directions until one end is done."""
    ways = [asyncio.create_task(copy(near[0], far[1])), asyncio.create_task(copy(far[0], near[1]))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        far[1].transport.abort()


async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Until the source ends."""
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()


@contextlib.asynccontextmanager
async def http_proxy() -> AsyncIterator[Proxy]:
    double = Proxy()
    async with listening(double.carry) as (_, port):
        double.url = f"http://me:secret@127.0.0.1:{port}"
        yield double


async def _carry_socks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One CONNECT of SOCKS 5 (RFC 1928) without authentication; every name leads to this machine."""
    _, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    writer.write(b"\x05\x00")
    *_, kind = await reader.readexactly(4)
    length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
    await reader.readexactly(length)
    port = int.from_bytes(await reader.readexactly(2), "big")
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big"))
    await both_ways((reader, writer), (far_reader, far_writer))


@contextlib.asynccontextmanager
async def socks_proxy() -> AsyncIterator[str]:
    """The address of a SOCKS 5 proxy."""
    async with listening(_carry_socks) as (_, port):
        yield f"socks5://127.0.0.1:{port}"


@dataclass
class IdentityProvider:
    """An OpenID Connect provider whose tokens are all the same; `asked` are the refresh tokens it was given."""

    token: str
    authority: trustme.CA = field(default_factory=trustme.CA)
    url: str = ""
    asked: list[str] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer; the refresh token `revoked` is refused, any other gives `next`."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().partition("content-length: ")[2].split("\r")[0] or 0)
        form = parse_qs((await reader.readexactly(length)).decode())
        status, body = 200, {"issuer": self.url, "token_endpoint": f"{self.url}/token", "jwks_uri": f"{self.url}/keys"}
        if head.startswith("POST /token"):
            self.asked += form["refresh_token"]
            body = {"id_token": self.token, "access_token": "a", "token_type": "bearer", "refresh_token": "next"}
            if form["refresh_token"] == ["revoked"]:
                status, body = 400, {"error": "invalid_grant"}
        sent = json.dumps(body).encode()
        writer.write(b"HTTP/1.1 %d x\r\nConnection: close\r\nContent-Type: application/json\r\n" % status)
        writer.write(b"Content-Length: %d\r\n\r\n" % len(sent) + sent)
        await writer.drain()
        writer.close()
        with contextlib.suppress(ssl.SSLError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def identity_provider(token: str) -> AsyncIterator[IdentityProvider]:
    double = IdentityProvider(token)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    double.authority.issue_cert("127.0.0.1").configure_cert(context)
    async with listening(double.answer, context) as (_, port):
        double.url = f"https://127.0.0.1:{port}"
        yield double
