"""What the operator chose for this machine: a small JSON file in the state directory."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)


class FilePreferences:
    """Implements `services.Preferences`. An unreadable file counts as empty and is replaced at the next `set`."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "preferences.json"

    def get(self, name: str) -> str | None:
        """The stored value, or None."""
        return self._read().get(name)

    def set(self, name: str, value: str) -> None:
        """Store it; the file is replaced in one step."""
        values = self._read() | {name: value}
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(values, indent=2, sort_keys=True), encoding="utf-8")
        temporary.replace(self._path)

    def _read(self) -> dict[str, str]:
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            log.warning("preferences in %s cannot be read: %s", self._path, error)
            return {}
        return {k: v for k, v in data.items() if isinstance(v, str)} if isinstance(data, dict) else {}
