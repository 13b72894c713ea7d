"""The desktop's keyring, where there is a real one. Whatever it does, it is waited for three seconds and no longer.

A keyring can wait for ever for somebody to unlock it on a screen far away, accept a secret and lose it, or write it
to a file in plain text without a word (https://keyring.readthedocs.io/en/latest/, about headless systems).
So a backend counts only when it is a desktop's own, or one the operator named (PYTHON_KEYRING_BACKEND) that keeps what
it is given out of plain sight; and it is asked in a thread that nobody waits for at the end.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from genai_tui.errors import GenaiTuiError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "genai-tui"
LIMIT_S = 3.0
_DESKTOP = tuple(f"keyring.backends.{name}" for name in ("SecretService", "kwallet", "libsecret", "macOS", "Windows"))
_KEEPS_NOTHING_SAFE = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt", "keyrings.cryptfile")
Answer = TypeVar("Answer")


class NoKeyring(GenaiTuiError):
    """There is no keyring to use here; says why."""


class Keyring:
    """Secrets by name, in the keyring of the desktop."""

    def __init__(self) -> None:
        self._why_not = ""

    async def name(self) -> str:
        """What the keyring is called.

        Raises:
            NoKeyring: there is none that can be used.
        """
        return await self._ask(lambda backend: _called(backend))

    async def get(self, name: str) -> str | None:
        """A secret; None when there is none of that name. Raises NoKeyring."""
        return await self._ask(lambda backend: backend.get_password(SERVICE, name))

    async def put(self, name: str, value: str) -> None:
        """Keep a secret, and see that it is kept.

        Raises:
            NoKeyring: there is none, or it did not keep it.
        """

        def keep(backend: KeyringBackend) -> bool:
            backend.set_password(SERVICE, name, value)
            return backend.get_password(SERVICE, name) == value

        if not await self._ask(keep):
            raise NoKeyring("the keyring took the secret and does not have it")

    async def remove(self, name: str) -> bool:
        """Forget a secret; whether there was one. Raises NoKeyring."""

        def forget(backend: KeyringBackend) -> bool:
            had = backend.get_password(SERVICE, name) is not None
            if had:
                backend.delete_password(SERVICE, name)
            return had

        return await self._ask(forget)

    async def _ask(self, question: Callable[[KeyringBackend], Answer]) -> Answer:
        if self._why_not:
            raise NoKeyring("there is no keyring to use", why=self._why_not)
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer] = loop.create_future()

        def tell(answer: Answer | None, error: Exception | None) -> None:
            if answered.done():
                return
            if error is not None:
                answered.set_exception(error)
            else:
                answered.set_result(answer)  # type: ignore[arg-type]

        def ask() -> None:
            answer, failed = None, None
            try:
                answer = question(_backend())
            except Exception as error:  # a backend raises what its desktop raises: D-Bus errors have no common root
                failed = error
            try:
                loop.call_soon_threadsafe(tell, answer, failed)
            except RuntimeError:  # nobody waits any more: the loop has ended
                return

        threading.Thread(target=ask, name="keyring", daemon=True).start()
        try:
            return await asyncio.wait_for(answered, LIMIT_S)
        except NoKeyring as error:
            self._why_not = error.problem.why
            raise
        except TimeoutError as error:
            self._why_not = f"it did not answer in {LIMIT_S:.0f} s: it may wait to be unlocked"
            raise NoKeyring("there is no keyring to use", why=self._why_not) from error
        except Exception as error:
            raise NoKeyring("the keyring failed", why=str(error) or type(error).__name__) from error


def _backend() -> KeyringBackend:
    """The backend to use. Loading it takes a tenth of a second, so it is done in the thread that asks."""
    import keyring
    from keyring.backends.chainer import ChainerBackend
    from keyring.core import load_config, load_env

    named = load_env() or load_config()
    chosen = named or keyring.get_keyring()
    candidates = list(chosen.backends) if isinstance(chosen, ChainerBackend) else [chosen]
    for backend in candidates:
        module = type(backend).__module__
        if module.startswith(_DESKTOP) or (named is not None and not module.startswith(_KEEPS_NOTHING_SAFE)):
            return backend
    told = ", ".join(sorted({type(backend).__module__ for backend in candidates})) or "none"
    why = "no desktop keyring answers here" if told == "keyring.backends.fail" else f"{told} keeps nothing safe"
    raise NoKeyring("there is no keyring to use", why=why)


def _called(backend: KeyringBackend) -> str:
    return type(backend).__module__.rpartition(".")[2]
