"""Opening the ledger's file: private, journaled ahead, migrated, shared by every console of this user on this host.

Several processes read and write at once. Waiting for each other is SQLite's own (a busy timeout); migrations run
under the write lock, so that of two programs which start together one migrates and the other finds it done.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genai_tui.errors import GenaiTuiError

BUSY_LIMIT_S = 10.0
_making = threading.Lock()
"""The threads of one process open the file one after the other: none has it open while another makes it."""


def open_ledger(path: Path, busy_limit_s: float = BUSY_LIMIT_S) -> sqlite3.Connection:
    """Open the file, made and migrated as needed; only its owner may read it.

    Raises:
        GenaiTuiError: it cannot be used; says why and what to do.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make_private(path)
        connection = sqlite3.connect(path, timeout=busy_limit_s, check_same_thread=False, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            _journal_ahead(connection, busy_limit_s)
            # A row that was acknowledged survives a power cut, not only a crash.
            connection.execute("pragma synchronous = full")
            _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _make_private(path: Path) -> None:
    """SQLite gives its journal files the mode of the database, so this covers all three.

    A file that is there is not opened: whoever closes it lets go of every lock that this process has on it (close(2) in
    POSIX), those of SQLite too, and another program would take away the log that is still written to.
    """
    target = path.resolve()
    with _making:
        try:
            os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            if stat.S_IMODE(target.stat().st_mode) & 0o077:
                target.chmod(0o600)


def _journal_ahead(connection: sqlite3.Connection, busy_limit_s: float) -> None:
    """Switch to the write-ahead log. SQLite does not wait here when another program switches at the same moment."""
    deadline = time.monotonic() + busy_limit_s
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the tables up to date.

    Raises:
        GenaiTuiError: a newer version has been here.
    """
    # Imported here: a ledger that is never used costs a start nothing.
    from sqlite_utils import Database

    from genai_tui.metering.schema import NAMES, migrations

    db = Database(connection, execute_plugins=False)
    if migrations.pending(db):
        with transaction(connection):
            migrations.apply(db)
    newer = {migration.name for migration in migrations.applied(db)} - NAMES
    if newer:
        raise GenaiTuiError(
            f"the ledger {path} was written by a newer genai-tui",
            why=f"it has changes this version does not know: {', '.join(sorted(newer))}",
            next_step="update genai-tui on this machine",
        )


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, holding the write lock from the start: what is read inside still holds when it is written."""
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise
    connection.execute("commit")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite or the system says about the file into words.

    Raises:
        GenaiTuiError: in place of sqlite3.Error and OSError.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _in_words(path, error) from error
    except OSError as error:
        why = error.strerror or str(error)
        raise GenaiTuiError(
            f"the ledger {path} cannot be opened", why=why, next_step="set XDG_STATE_HOME to a directory you may write"
        ) from error


_KINDS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("SQLITE_FULL",), "the disk is full", "free space on its disk; nothing recorded so far is lost"),
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED"),
        "another program keeps it locked",
        "close the program that has it open (see: fuser {path})",
    ),
    (
        ("SQLITE_CORRUPT", "SQLITE_NOTADB"),
        "the file is damaged",
        "try: sqlite3 {path} .recover; or move it away and a new one is begun",
    ),
    (("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_CANTOPEN"), "it may not be written", "check who owns {path}"),
    (
        ("SQLITE_IOERR_WRITE", "SQLITE_IOERR_TRUNCATE", "SQLITE_IOERR_FSYNC"),
        "its disk takes no more: it fails, or a quota or limit is reached",
        "see the system log, `quota` and `ulimit -f`; nothing recorded so far is lost",
    ),
    (("SQLITE_IOERR",), "its disk fails", "see the system log"),
)


def _in_words(path: Path, error: sqlite3.Error) -> GenaiTuiError:
    code = str(getattr(error, "sqlite_errorname", ""))
    for names, why, step in _KINDS:
        if code.startswith(names):
            return GenaiTuiError(f"the ledger {path} failed", why=f"{why} ({error})", next_step=step.format(path=path))
    return GenaiTuiError(f"the ledger {path} failed", why=str(error))
