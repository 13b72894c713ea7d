"""What a running gateway tells the operator's console: where to ask, the secret to ask with, and the answer.

The gateway listens on a loopback port of its own and writes address and secret into a file beside its journal, which
only its own user can read: who can read it may know the counters.
"""

from __future__ import annotations

import hashlib
import os
from datetime import datetime
from pathlib import Path

import httpx
import msgspec

from genai_tui.domain.limit_use import Counters
from genai_tui.domain.limits import OpenWindow
from genai_tui.domain.rows import Ref
from genai_tui.errors import Unreachable

PATH = "/counters"
WAIT_S = 5.0
_FILE = "operators.json"
_START = "`genai-tui gateway serve` starts one"


class Telling(msgspec.Struct):
    """Where a gateway tells its counters, and the secret to ask with."""

    url: str
    secret: str


class Told(msgspec.Struct):
    """Its answer: since when it counts, and the windows that are open."""

    since: datetime
    open: tuple[OpenWindow, ...]


def own_directory(state: Path, server: str) -> Path:
    """Where the gateway of a cluster, known by its API server's address, keeps its journal."""
    return state / "gateway" / hashlib.sha256(server.encode()).hexdigest()[:12]


def publish(directory: Path, telling: Telling) -> Path:
    """Write it for this user alone, whole or not at all. Raises OSError."""
    path, new = directory / _FILE, directory / f"{_FILE}.next"
    new.unlink(missing_ok=True)
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "wb") as out:
        out.write(msgspec.json.encode(telling))
    new.replace(path)
    return path


class ToldCounters:
    """Implements `usage_ports.GatewayWindows` by asking the gateway.

    Args:
        state: the state directory of this run.
        server: the API server's address.
    """

    def __init__(self, state: Path, server: str) -> None:
        self._file = own_directory(state, server) / _FILE

    async def of(self, ref: Ref) -> Counters:
        """As the port says."""
        telling = self._telling()
        headers = {"Authorization": f"Bearer {telling.secret}"}
        try:
            # It is on this machine: no proxy of the environment leads there.
            async with httpx.AsyncClient(base_url=telling.url, trust_env=False, timeout=WAIT_S) as client:
                answer = await client.get(PATH, params={"deployment": str(ref)}, headers=headers)
                answer.raise_for_status()
                told = msgspec.json.decode(answer.content, type=Told)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            why = "the embedded gateway that ran on this machine does not answer any more"
            raise Unreachable(why, next_step=_START) from error
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError) as error:
            raise Unreachable("the embedded gateway did not tell its counters", why=str(error)) from error
        return Counters(told.since, told.open)

    def _telling(self) -> Telling:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Telling)
        except FileNotFoundError as error:
            why = "no embedded gateway of this cluster runs on this machine with this state directory"
            raise Unreachable(why, next_step="ask where it runs") from error
        except (OSError, msgspec.MsgspecError) as error:
            raise Unreachable("the embedded gateway's counters may not be read here", why=str(error)) from error
