"""The operator's own secrets on this machine, each from the first of its sources that has it.

Environment, then the token file or the command of the settings, then the keyring, then our own file, then what was
typed in this session. A source that is set and fails is told; the next is not taken in its place, since that could be
another account's. A simulated session has nobody's accounts: what is typed there is kept in memory alone.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from genai_tui import children
from genai_tui.credential_file import CredentialFile
from genai_tui.domain.model_secrets import problem_of
from genai_tui.domain.own_credentials import CREDENTIALS, HUB_TOKEN, Credential, Found, Keep, Place
from genai_tui.domain.problems import FieldProblem
from genai_tui.errors import BadInput, GenaiTuiError
from genai_tui.keyrings import Keyring, NoKeyring
from genai_tui.known_secrets import remember
from genai_tui.paths import typed_path
from genai_tui.settings import TOKEN_SOURCES, Settings, TokenSource

COMMAND_LIMIT_S = 20.0
_LARGEST = 100_000
_HUB_FILE = "HF_TOKEN_PATH"
"""Names a file with the Hub token: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables"""


def own_credentials(settings: Settings, *, simulated: bool = False) -> OwnCredentials:
    """Those of a run."""
    sources = {name: getattr(settings, name.replace("-", "_")) for name in TOKEN_SOURCES}
    return OwnCredentials(sources, settings.state, simulated=simulated)


class OwnCredentials:
    """Implements `access_ports.Credentials`.

    Args:
        sources: the token file or command of the settings, by credential.
        state: the state directory.
        simulated: whether the session is on a sandbox.
        keyring: of the desktop.
    """

    def __init__(
        self,
        sources: Mapping[str, TokenSource | None],
        state: Path,
        *,
        simulated: bool = False,
        keyring: Keyring | None = None,
    ) -> None:
        self._sources, self._simulated = sources, simulated
        self._keyring, self._file = keyring or Keyring(), CredentialFile(state / "credentials.json")
        self._typed: dict[str, str] = {}

    async def listed(self) -> Sequence[Found]:
        """Where each comes from now."""
        return tuple([await self.find(known) for known in CREDENTIALS])

    async def find(self, wanted: Credential) -> Found:
        """Where one comes from now."""
        fixed = self._variable(wanted) is not None or self._source(wanted) is not None
        try:
            source, value = await self._look(wanted)
        except GenaiTuiError as error:
            return Found(wanted, problem=error.problem.line, fixed=fixed)
        return Found(wanted, source if value else "", fixed=fixed)

    async def value(self, wanted: Credential) -> str | None:
        """The secret itself; None where no source has it.

        Raises:
            GenaiTuiError: a source that should have it does not give it.
        """
        _, value = await self._look(wanted)
        return value or None

    async def places(self) -> Sequence[Place]:
        """Where what is typed can be kept, the safest first."""
        session = Place(Keep.MEMORY, "this session alone: it is asked for again next time")
        if self._simulated:
            refusal = "a simulated session keeps no secrets"
            return (
                session,
                Place(Keep.KEYRING, "keyring", refusal),
                Place(Keep.FILE, f"{self._file.path} (not encrypted)", refusal),
            )
        try:
            keyring = Place(Keep.KEYRING, f"keyring ({await self._keyring.name()})")
        except NoKeyring as error:
            keyring = Place(Keep.KEYRING, "keyring", error.problem.why)
        file = Place(Keep.FILE, f"{self._file.path}: not encrypted, readable by this user alone")
        return (keyring, file, session)

    async def keep(self, wanted: Credential, value: str, place: Keep) -> None:
        """Keep what was typed, and take it out of the other places, so that there is one.

        Raises:
            BadInput: it can be none. GenaiTuiError: that place did not take it, or another did not let the old one go.
        """
        value = value.strip()
        wrong = problem_of(value)
        if wrong:
            raise BadInput(wrong, fields=(FieldProblem("value", wrong),))
        remember(value)
        if self._simulated and place is not Keep.MEMORY:
            raise BadInput("a simulated session keeps no secrets")
        match place:
            case Keep.KEYRING:
                await self._keyring.put(wanted.name, value)
            case Keep.FILE:
                self._file.put(wanted.name, value)
            case Keep.MEMORY:
                self._typed[wanted.name] = value
        await self._forget(wanted, kept=place)

    async def forget(self, wanted: Credential) -> Sequence[str]:
        """Remove it from every place where this console keeps such; returns these places.

        Raises:
            GenaiTuiError: a place does not let it go.
        """
        return await self._forget(wanted)

    async def _forget(self, wanted: Credential, kept: Keep | None = None) -> Sequence[str]:
        left = []
        if kept is not Keep.MEMORY and self._typed.pop(wanted.name, None) is not None:
            left.append("this session")
        if self._simulated:
            return left
        if kept is not Keep.FILE and self._file.remove(wanted.name):
            left.append(str(self._file.path))
        if kept is not Keep.KEYRING:
            try:
                if await self._keyring.remove(wanted.name):
                    left.append("keyring")
            except NoKeyring:
                # Where none is used, none was kept.
                return left
        return left

    async def _look(self, wanted: Credential) -> tuple[str, str]:
        """The first source that has it, with the value; two empty texts for none."""
        variable, source = self._variable(wanted), self._source(wanted)
        if variable is not None:
            return f"${variable}", _told(os.environ[variable])
        if source is not None:
            return await self._configured(wanted, source)
        if not self._simulated:
            if (held := await self._in_keyring(wanted)) is not None:
                return held
            if value := self._file.read().get(wanted.name):
                return f"{self._file.path} (not encrypted)", _told(value)
        return ("this session", self._typed[wanted.name]) if wanted.name in self._typed else ("", "")

    def _variable(self, wanted: Credential) -> str | None:
        if self._simulated and wanted.account:
            return None
        return next((variable for variable in wanted.variables if os.environ.get(variable, "").strip()), None)

    def _source(self, wanted: Credential) -> TokenSource | None:
        return None if self._simulated else self._sources.get(wanted.name) or _hub_file(wanted)

    async def _in_keyring(self, wanted: Credential) -> tuple[str, str] | None:
        try:
            value = await self._keyring.get(wanted.name)
            return (f"keyring ({await self._keyring.name()})", _told(value)) if value else None
        except NoKeyring:
            return None

    async def _configured(self, wanted: Credential, source: TokenSource) -> tuple[str, str]:
        if source.file is not None:
            # It may be on a network, or a pipe that somebody has yet to fill.
            text = await asyncio.to_thread(_read, wanted, source.file)
        else:
            text = await _print(wanted, source.command)
        value = _told(text)
        wrong = problem_of(value)
        if wrong:
            raise GenaiTuiError(f"the {wanted.what} is not in {source}", why=wrong.replace("typed", "there"))
        return str(source), value


def _told(text: str) -> str:
    """A secret, kept out of what is said from now on."""
    value = text.strip()
    remember(value)
    return value


def _hub_file(wanted: Credential) -> TokenSource | None:
    """The token file that Hugging Face's own programs use, where there is one: `hf auth login` writes it."""
    if wanted is not HUB_TOKEN:
        return None
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    named = os.environ.get(_HUB_FILE)
    path = typed_path(named or os.path.join(home, "token"))
    return TokenSource(file=str(path)) if named or path.is_file() else None


def _read(wanted: Credential, path: str) -> str:
    try:
        with typed_path(path).open("rb") as file:
            return file.read(_LARGEST).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise GenaiTuiError(
            f"the {wanted.what} cannot be read from {path}",
            why=why,
            next_step="mend it, or remove it from the settings",
        ) from None


async def _print(wanted: Credential, words: Sequence[str]) -> str:
    shown = words[0]
    try:
        done = await children.run(words, COMMAND_LIMIT_S)
    except TimeoutError as error:
        raise GenaiTuiError(
            f"{shown} did not print the {wanted.what} in {COMMAND_LIMIT_S:.0f} s",
            next_step="run it in a shell once: it may wait for a passphrase",
        ) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise GenaiTuiError(f"{shown}, which should print the {wanted.what}, cannot be run", why=why) from error
    if done.code != 0:
        raise GenaiTuiError(
            f"{shown} did not print the {wanted.what}",
            why=done.lines[-1][:300],
            next_step="run it in a shell once: it may wait for a passphrase",
            detail="\n".join(done.lines)[-4000:],
        )
    return done.output.decode("utf-8", "replace")
