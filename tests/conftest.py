"""What every test has: a home of its own, no network but loopback, and snapshots kept beside the sources.

Snapshots are written to `snapshots/<test file without suffix>/`. The plugin reads its extension class from its own
module, so that is where ours is put.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import pytest_textual_snapshot  # type: ignore[import-untyped]  # it has none
from syrupy.location import PyTestLocation
from textual.widgets import Input, TextArea

if TYPE_CHECKING:
    from tests.sandbox.serving import Served

ROOT = Path(__file__).resolve().parent.parent
_UNWANTED = (
    "NO_COLOR",
    "FORCE_COLOR",
    "KUBECONFIG",
    "COLORTERM",
    "XDG_",
    "KUBERNETES_",
    "TEXTUAL",
    "GENAI_TUI",
    "HF_",
    "HUGGING_FACE_",
    "NGC_",
)

# No test asserts how long something takes, on a busy machine least of all; neither do those that draw their inputs.
hypothesis.settings.register_profile(
    "patient",
    parent=hypothesis.settings(),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("patient")


class _Snapshots(pytest_textual_snapshot.SVGImageExtension):  # type: ignore[misc]  # a base without types
    file_extension = "svg"

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        """`snapshots/` at the top, in folders like those of the tests."""
        below = Path(test_location.filepath).resolve().relative_to(ROOT / "tests").with_suffix("")
        return str(ROOT / "snapshots" / below)


pytest_textual_snapshot.SVGImageExtension = _Snapshots


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes what belongs to the person who runs it."""
    for name in list(os.environ):
        if name.startswith(_UNWANTED) and not name.startswith("TEXTUAL_SNAPSHOT"):  # the plugin's own
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("KUBECONFIG", str(home / "no-kubeconfig"))
    for name, folder in (("STATE", "state"), ("CACHE", "cache"), ("CONFIG", "config"), ("DATA", "data")):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / folder))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Served]:
    """An API server on a socket of its own, with two namespaces and nothing in them."""
    from tests.sandbox.serving import served

    with served(tmp_path) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_blinking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture does not depend on the moment it is taken."""
    monkeypatch.setattr(Input, "_toggle_cursor", lambda self: None)
    monkeypatch.setattr(TextArea, "_toggle_cursor_blink_visible", lambda self: None)


@pytest.fixture(autouse=True)
def _loopback_only(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that wants to reach another machine is wrong, unless it was asked to use a real cluster."""
    if request.node.get_closest_marker("cluster") is None:
        connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

        def guarded(sock: socket.socket, address: Any) -> None:
            _refuse(address)
            connect(sock, address)

        def guarded_ex(sock: socket.socket, address: Any) -> int:
            _refuse(address)
            return connect_ex(sock, address)

        monkeypatch.setattr(socket.socket, "connect", guarded)
        monkeypatch.setattr(socket.socket, "connect_ex", guarded_ex)


def _refuse(address: Any) -> None:
    host = address[0] if isinstance(address, tuple) else "localhost"
    if host not in ("127.0.0.1", "::1", "localhost", "0.0.0.0"):
        raise AssertionError(f"a test tried to reach {host}; only loopback is allowed")
