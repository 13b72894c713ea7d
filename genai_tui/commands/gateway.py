"""`genai-tui gateway serve`: the embedded gateway, in the foreground, until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading

from genai_tui.extras import require_extra
from genai_tui.settings import Settings


def serve(
    settings: Settings,
    host: str,
    port: int,
    grace_s: float,
    *,
    metrics_port: int | None = None,
    inherited_fd: int | None = None,
    tied: bool = False,
) -> None:
    """Run until SIGTERM or SIGINT; prints one JSON line when it answers.

    Args:
        settings: of this run.
        host: the address to listen on.
        port: the port; 0 for a free one.
        grace_s: how long streams may take to finish at the end.
        metrics_port: where metrics alone are served; None: on `port`, to this machine.
        inherited_fd: a listening socket the parent process left open, in place of host and port.
        tied: end with the parent process, which holds the other end of standard input.

    Raises:
        MissingTool: its packages are not installed.
        BadInput: the address is taken, or a gateway for this cluster runs already.
        NotPermitted, TimedOut: the keys and deployments cannot be read.
    """
    require_extra("gateway")
    from genai_tui.composition_gateway import Running, run_gateway
    from genai_tui.gateway.server import base_url, inherited, listen

    listener = listen(host, port) if inherited_fd is None else inherited(inherited_fd)
    metrics = None
    if metrics_port is not None:
        metrics = listen(host, metrics_port)
    if tied:
        threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()

    def announce() -> None:
        said: dict[str, object] = {"gateway": base_url(listener), "pid": os.getpid()}
        if metrics is not None:
            said["metrics"] = f"{base_url(metrics)}/metrics"
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()

    try:
        asyncio.run(run_gateway(settings, Running(listener, grace_s, announce, metrics)))
    finally:
        listener.close()
        if metrics is not None:
            metrics.close()


def _end_with_parent() -> None:
    """A parent that was killed cannot tell us: its end of the pipe closes."""
    import signal

    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
