"""The program's own log: a file in the state directory, never the terminal, never a secret."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from genai_tui.known_secrets import hide


class Redacting(logging.Filter):
    """Takes the secrets of this process, and what has the form of one, out of every record, its traceback included."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; every record passes."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        record.msg, record.args = hide(text), ()
        return True


def log_to(directory: Path, level: int = logging.INFO) -> Path:
    """Send the log of this process to `directory`/genai-tui.log (0600, two old files kept); returns its path."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / "genai-tui.log"
    path.touch(mode=0o600)
    handler = RotatingFileHandler(path, maxBytes=2_000_000, backupCount=2, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    handler.addFilter(Redacting())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return path
