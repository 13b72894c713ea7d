"""Secrets in a file that only their owner can read. It is not encrypted: a key beside it would be for show."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from genai_tui.errors import GenaiTuiError

_LARGEST = 100_000


class CredentialFile:
    """Secrets by name in one JSON object.

    Args:
        path: of the file; made, with mode 0600, when the first secret is kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Mapping[str, str]:
        """Every secret; none where there is no file.

        Raises:
            GenaiTuiError: others could read or replace it, so that it is not read; or it is damaged.
        """
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._refused(error.strerror or str(error), "see what is there") from error
        with os.fdopen(handle, "rb") as file:
            self._check(os.fstat(file.fileno()))
            text = file.read(_LARGEST)
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
            raise self._refused("it is not a JSON object of texts", "remove it and enter its secrets again")
        return data

    def _check(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise self._refused("it is no file", "see what is there")
        if found.st_uid != os.getuid():
            raise self._refused("it belongs to somebody else", "remove it")
        if found.st_mode & 0o077:
            raise self._refused("others may read it", f"chmod 600 {self.path}, and replace what it holds")

    def put(self, name: str, value: str) -> None:
        """Keep a secret.

        Raises:
            GenaiTuiError: what is there is not read (see `read`), or the directory cannot be written.
        """
        self._write({**self.read(), name: value})

    def remove(self, name: str) -> bool:
        """Forget a secret; whether there was one. The file goes with the last. Raises GenaiTuiError as `put`."""
        held = dict(self.read())
        if held.pop(name, None) is None:
            return False
        if held:
            self._write(held)
        else:
            self.path.unlink(missing_ok=True)
        return True

    def _write(self, held: Mapping[str, str]) -> None:
        beside = self.path.with_suffix(f".{os.getpid()}.tmp")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            beside.unlink(missing_ok=True)
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(held, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, self.path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            why = f"{self.path.parent}: {error.strerror or error}"
            raise GenaiTuiError(
                "the secret cannot be kept", why=why, next_step="free the disk, or see who may write"
            ) from error

    def _refused(self, why: str, next_step: str) -> GenaiTuiError:
        return GenaiTuiError(f"{self.path} is not read", why=why, next_step=next_step)
