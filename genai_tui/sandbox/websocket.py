"""The WebSocket protocol the server runs with: uvicorn's, for subprotocol names a strict reading does not allow."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Leaves subprotocols to the application.

    kubectl asks for `SPDY/3.1+portforward.k8s.io`; the slash makes it no token of RFC 6455, and `websockets` refuses
    the handshake for it, though uvicorn passes the application's choice on by itself.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.conn.process_subprotocol = lambda headers: None  # type: ignore[method-assign]
