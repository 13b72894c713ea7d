"""The operator's own secrets: where they come from, in which order, and how they are kept on a machine."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import keyring.backend
import pytest

from genai_tui import keyrings, own_credentials
from genai_tui.credential_file import CredentialFile
from genai_tui.domain.own_credentials import ENGINE_KEY, HUB_TOKEN, NGC_API_KEY, Keep
from genai_tui.errors import BadInput, GenaiTuiError
from genai_tui.known_secrets import hide
from genai_tui.own_credentials import OwnCredentials
from genai_tui.settings import TokenSource

SECRET = "hf_of-the-operator-0123456789"


class InMemory(keyring.backend.KeyringBackend):
    """A keyring that an operator could name: it keeps what it is given."""

    priority = 1  # pyright: ignore[reportAssignmentType]  # a property of the class there
    held: ClassVar[dict[tuple[str, str], str]] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.held[service, username]


class Forgetful(InMemory):
    """Takes a secret and has it no more."""

    def set_password(self, service: str, username: str, password: str) -> None:
        return


class Locked(InMemory):
    """Waits for somebody to unlock it on a screen far away."""

    def get_password(self, service: str, username: str) -> str | None:
        time.sleep(0.5)
        return None


@contextmanager
def refused(words: str) -> Iterator[None]:
    """An error that says `words` in its one line."""
    with pytest.raises(GenaiTuiError) as caught:
        yield
    assert words in caught.value.problem.line


def use_keyring(monkeypatch: pytest.MonkeyPatch, kind: type[InMemory]) -> None:
    kind.held = {}
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", f"{__name__}.{kind.__name__}")


def own(state: Path, *, simulated: bool = False, **sources: TokenSource) -> OwnCredentials:
    return OwnCredentials({k.replace("_", "-"): v for k, v in sources.items()}, state, simulated=simulated)


async def test_the_first_source_that_has_it_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_keyring(monkeypatch, InMemory)
    state, file = tmp_path / "state", tmp_path / "token"
    assert (await own(state).find(HUB_TOKEN)).source == ""
    assert await own(state).value(HUB_TOKEN) is None

    session = own(state)
    await session.keep(HUB_TOKEN, f"  {SECRET}-typed \n", Keep.MEMORY)
    assert (await session.find(HUB_TOKEN)).source == "this session"
    assert await session.value(HUB_TOKEN) == f"{SECRET}-typed"
    assert await own(state).value(HUB_TOKEN) is None, "another session has its own memory"

    await session.keep(HUB_TOKEN, f"{SECRET}-file", Keep.FILE)
    assert (await session.find(HUB_TOKEN)).source == f"{state / 'credentials.json'} (not encrypted)"
    await session.keep(HUB_TOKEN, f"{SECRET}-ring", Keep.KEYRING)
    assert not (state / "credentials.json").exists(), "there is one place"
    assert (await own(state).find(HUB_TOKEN)).source == "keyring (test_own_credentials)"

    hub = Path(os.environ["XDG_CACHE_HOME"]) / "huggingface" / "token"
    hub.parent.mkdir(parents=True)
    hub.write_text(f"{SECRET}-of-hf-auth-login\n")
    assert (await own(state).find(HUB_TOKEN)).source == str(hub)
    file.write_text(f"{SECRET}-configured\n")
    configured = own(state, hub_token=TokenSource(file=str(file)))
    assert await configured.value(HUB_TOKEN) == f"{SECRET}-configured"
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", f"{SECRET}-older-name")
    assert (await configured.find(HUB_TOKEN)).source == "$HUGGING_FACE_HUB_TOKEN"
    monkeypatch.setenv("HF_TOKEN", f"{SECRET}-variable")
    assert (await configured.find(HUB_TOKEN)).source == "$HF_TOKEN"
    for end in ("typed", "file", "ring", "of-hf-auth-login", "configured", "older-name"):
        assert f"{SECRET}-{end}" not in hide(f"said: {SECRET}-{end}")


async def test_a_program_prints_it(tmp_path: Path) -> None:
    program = tmp_path / "store"
    program.write_text(f"#!/bin/sh\ntest -t 0 && exit 3\necho '{SECRET}'\necho chatter >&2\n")
    program.chmod(0o700)
    assert await own(tmp_path, ngc_api_key=TokenSource(command=(str(program), "show"))).value(NGC_API_KEY) == SECRET


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'gpg: decryption failed' >&2; exit 2", "did not print the Hub token: gpg: decryption failed"),
        ("exit 2", "did not print the Hub token: exit code 2"),
        ("sleep 5", "did not print the Hub token in"),
        ("true", "the Hub token is not in command"),
        (f"echo {SECRET}; echo two", "the Hub token is not in command"),
    ],
)
async def test_a_source_that_fails_is_told_and_no_other_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    monkeypatch.setattr(own_credentials, "COMMAND_LIMIT_S", 0.5)
    program = tmp_path / "store"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    chosen = own(tmp_path / "state", hub_token=TokenSource(command=(str(program),)))
    CredentialFile(tmp_path / "state" / "credentials.json").put("hub-token", "of another account")
    assert told in (await chosen.find(HUB_TOKEN)).problem
    with refused("Hub token"):
        await chosen.value(HUB_TOKEN)


async def test_a_missing_file_or_program_is_named(tmp_path: Path) -> None:
    chosen = own(
        tmp_path,
        hub_token=TokenSource(file=str(tmp_path / "no-file")),
        ngc_api_key=TokenSource(command=("no-such-program-anywhere",)),
    )
    hub, ngc, engine, _ = await chosen.listed()
    assert f"cannot be read from {tmp_path / 'no-file'}: No such file" in hub.problem
    assert "no-such-program-anywhere, which should print the NGC API key, cannot be run" in ngc.problem
    assert (engine.credential, engine.problem) == (ENGINE_KEY, "")


@pytest.mark.parametrize(
    ("backend", "why"),
    [
        ("keyring.backends.fail.Keyring", "no desktop keyring answers here"),
        ("keyring.backends.null.Keyring", "keeps nothing safe"),
        (f"{__name__}.Locked", "it did not answer in"),
    ],
)
async def test_a_keyring_that_keeps_nothing_or_hangs_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, why: str
) -> None:
    monkeypatch.setattr(keyrings, "LIMIT_S", 0.1)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", backend)
    session = own(tmp_path)
    assert await session.value(HUB_TOKEN) is None
    if "Locked" in backend:
        began = time.monotonic()
        assert await session.value(NGC_API_KEY) is None, "it is not asked again"
        assert time.monotonic() - began < keyrings.LIMIT_S
    ring, file, _ = await session.places()
    assert why in ring.refusal
    assert "not encrypted" in file.about
    with pytest.raises(GenaiTuiError):
        await session.keep(HUB_TOKEN, SECRET, Keep.KEYRING)
    await session.keep(HUB_TOKEN, SECRET, Keep.FILE)
    assert await session.value(HUB_TOKEN) == SECRET


async def test_a_keyring_that_loses_what_it_takes_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_keyring(monkeypatch, Forgetful)
    session = own(tmp_path)
    await session.keep(HUB_TOKEN, SECRET, Keep.FILE)
    with refused("does not have it"):
        await session.keep(HUB_TOKEN, f"{SECRET}-new", Keep.KEYRING)
    assert await session.value(HUB_TOKEN) == SECRET, "what was kept before is still there"


async def test_forgetting_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_keyring(monkeypatch, InMemory)
    session = own(tmp_path)
    await session.keep(HUB_TOKEN, SECRET, Keep.FILE)
    await session.keep(NGC_API_KEY, f"{SECRET}-ngc", Keep.FILE)
    assert list(await session.forget(HUB_TOKEN)) == [str(tmp_path / "credentials.json")]
    assert SECRET.encode() + b'"' not in (tmp_path / "credentials.json").read_bytes()
    await session.keep(NGC_API_KEY, SECRET, Keep.KEYRING)
    assert list(await session.forget(NGC_API_KEY)) == ["keyring"]
    assert InMemory.held == {}
    assert list(await session.forget(NGC_API_KEY)) == []
    with pytest.raises(BadInput, match="no spaces"):
        await session.keep(HUB_TOKEN, "two words", Keep.FILE)
    assert not (tmp_path / "credentials.json").exists()


async def test_a_simulated_session_uses_nobodys_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setenv("GENAI_TUI_ENGINE_KEY", f"{SECRET}-engine")
    await own(tmp_path).keep(NGC_API_KEY, SECRET, Keep.FILE)
    session = own(tmp_path, simulated=True)
    assert [found.source for found in await session.listed()] == ["", "", "$GENAI_TUI_ENGINE_KEY", ""]
    assert [place.keep for place in await session.places() if not place.refusal] == [Keep.MEMORY]
    with pytest.raises(BadInput, match="keeps no secrets"):
        await session.keep(HUB_TOKEN, SECRET, Keep.FILE)
    assert list(await session.forget(NGC_API_KEY)) == []
    assert await own(tmp_path).value(NGC_API_KEY) == SECRET


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    path = tmp_path / "state" / "credentials.json"
    file = CredentialFile(path)
    file.put("hub-token", SECRET)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    path.chmod(0o640)
    with refused("others may read it"):
        file.read()
    with refused("others may read it"):
        file.put("ngc-api-key", SECRET)
    path.chmod(0o600)
    assert file.read() == {"hub-token": SECRET}
    elsewhere = tmp_path / "elsewhere.json"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with refused("is not read"):
        file.read()


@pytest.mark.parametrize("content", ["", "[]", '{"hub-token": 3}', "{" * 3000, '{"hub-token": "x"'], ids=range(5))
def test_a_damaged_file_is_told_and_left(tmp_path: Path, content: str) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(content)
    path.chmod(0o600)
    with refused("is not read: it is not a JSON object of texts"):
        CredentialFile(path).put("hub-token", SECRET)
    assert path.read_text() == content


def test_a_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = CredentialFile(tmp_path / "credentials.json")
    file.put("hub-token", SECRET)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with refused("No space left on device"):
        file.put("ngc-api-key", SECRET)
    assert file.read() == {"hub-token": SECRET}
    assert [path.name for path in tmp_path.iterdir()] == ["credentials.json"]
