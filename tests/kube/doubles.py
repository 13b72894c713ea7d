"""Small servers for what the sandbox does not do: client certificates and a proxy."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import trustme


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
        body = json.dumps({"status": {"userInfo": {"username": subject.get("commonName")}}}).encode()
        writer.write(b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def certificate_server() -> AsyncIterator[CertificateServer]:
    double = CertificateServer()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_OPTIONAL
    double.authority.configure_trust(context)
    double.authority.issue_cert("127.0.0.1").configure_cert(context)
    server = await asyncio.start_server(double.answer, "127.0.0.1", 0, ssl=context)
    double.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield double


@dataclass
class Proxy:
    """What passed through an HTTP proxy: the targets, and the credentials it was given."""

    url: str = ""
    targets: list[str] = field(default_factory=list)
    authorized: list[str] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one CONNECT; whatever name is asked for leads to this machine."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        target = head[0].split()[1]
        self.targets.append(target)
        self.authorized += [line.partition(": ")[2] for line in head if line.lower().startswith("proxy-auth")]
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        ways = [asyncio.create_task(copy(reader, far_writer)), asyncio.create_task(copy(far_reader, writer))]
        self.tasks += ways


async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Until the source ends."""
    try:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
    finally:
        sink.transport.abort()


@contextlib.asynccontextmanager
async def http_proxy() -> AsyncIterator[Proxy]:
    double = Proxy()
    server = await asyncio.start_server(double.carry, "127.0.0.1", 0)
    double.url = f"http://me:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield double
        for task in double.tasks:
            task.cancel()
        await asyncio.gather(*double.tasks, return_exceptions=True)
        await asyncio.sleep(0)
