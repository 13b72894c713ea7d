"""An HTTP server on a real socket that plays back what engines were recorded to say: whole, cut, or without end."""

from __future__ import annotations

import json
import select
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parents[1] / "data/engines"
Script = Callable[["Exchange"], None]


def recorded(name: str) -> tuple[bytes, bytes]:
    """A recorded response as its head and its body; e.g. `vllm-0.32/chat-stream`."""
    head, _, body = (RECORDED / f"{name}.http").read_bytes().partition(b"\r\n\r\n")
    return head, body


def events(name: str) -> list[bytes]:
    """The events of a recorded stream, each with the blank line that ends it."""
    return [event + b"\n\n" for event in recorded(name)[1].split(b"\n\n") if event.strip()]


@dataclass
class Exchange:
    """One request as it arrived, and the socket to answer on."""

    request: bytes
    body: dict[str, Any]
    connection: socket.socket
    hung_up: threading.Event

    def head(self, status: str = "200 OK", kind: str = "text/event-stream", *more: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close", *more]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n")

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def wait_for_hang_up(self) -> None:
        """Until the client closes its side."""
        select.select([self.connection], [], [], 15)
        if self.connection.recv(1) == b"":
            self.hung_up.set()


@dataclass
class Engine:
    """The running server: its address, what it was asked, and whether a client hung up."""

    url: str
    exchanges: list[Exchange] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)


def replay(name: str, *more: str) -> Script:
    """Answer as was recorded, the connection closed at the end; `more` are further header lines."""

    def play(exchange: Exchange) -> None:
        head, body = recorded(name)
        status, *headers = head.decode().split("\r\n")
        kept = [
            line for line in headers if not line.lower().startswith(("transfer-encoding", "keep-alive", "connection"))
        ]
        exchange.send("\r\n".join([status, *kept, "Connection: close", *more]).encode() + b"\r\n\r\n" + body)

    return play


def answer(status: str, body: bytes, kind: str = "application/json", *more: str) -> Script:
    """Answer with a body of our own."""

    def play(exchange: Exchange) -> None:
        exchange.head(status, kind, f"Content-Length: {len(body)}", *more)
        exchange.send(body)

    return play


def cut_after(name: str, count: int, *, reset: bool = False) -> Script:
    """Send so many events of a recorded stream, promise more (chunked), and close or reset the connection."""

    def play(exchange: Exchange) -> None:
        more = ("Transfer-Encoding: chunked",) if reset else ()
        exchange.head("200 OK", "text/event-stream", *more)
        for event in events(name)[:count]:
            exchange.send(f"{len(event):x}\r\n".encode() + event + b"\r\n" if reset else event)

    return play


def endless(name: str, count: int) -> Script:
    """Send so many events, then generate nothing more until the client hangs up."""

    def play(exchange: Exchange) -> None:
        exchange.head()
        for event in events(name)[:count]:
            exchange.send(event)
        exchange.wait_for_hang_up()

    return play


def silent(exchange: Exchange) -> None:
    """Accept the request and say nothing until the client gives up."""
    exchange.wait_for_hang_up()


@contextmanager
def serve(*scripts: Script) -> Iterator[Engine]:
    """Serve on loopback: one script a request, the last one for all that follow."""
    engine = Engine("")

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            request = b""
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                request += line
            sizes = [line.split(b":")[1] for line in request.splitlines() if line.lower().startswith(b"content-length")]
            body = self.rfile.read(int(sizes[0])) if sizes else b""
            exchange = Exchange(request, json.loads(body) if body else {}, self.connection, engine.hung_up)
            engine.exchanges.append(exchange)
            engine.asked.set()
            scripts[min(len(engine.exchanges), len(scripts)) - 1](exchange)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        engine.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield engine
        finally:
            server.shutdown()
            thread.join()
