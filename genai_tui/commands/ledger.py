"""`genai-tui ledger check|backup|prune`: upkeep of this machine's ledger; no cluster is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from genai_tui.commands.output import confirm, note, write
from genai_tui.commands.usage import parse_duration
from genai_tui.errors import BadInput, GenaiTuiError, NotFound, NotPermitted
from genai_tui.metering import upkeep
from genai_tui.metering.ledger import Ledger
from genai_tui.paths import typed_path
from genai_tui.settings import LEAST_KEPT, Settings


async def ledger(settings: Settings, verb: str, *, file: str | None, before: str | None, yes: bool) -> None:
    """Do one of the three.

    Raises:
        NotFound: there is no ledger yet.
        BadInput: an option is missing or wrong, or nobody confirms.
        NotPermitted: pruning in a run that is read-only.
        GenaiTuiError: the file cannot be used, or is not sound.
    """
    path = settings.state / "ledger.db"
    if not path.exists():
        raise NotFound(f"there is no ledger at {path} yet", next_step="it begins with the first request or price")
    opened = Ledger(path)
    try:
        match verb:
            case "backup":
                await _backup(opened, path, file)
            case "prune":
                if settings.read_only:
                    raise NotPermitted(f"--read-only: nothing is pruned from {path}")
                await _prune(opened, path, before, yes=yes)
            case _:
                await _check(opened, path)
    finally:
        await opened.close()


async def _check(opened: Ledger, path: Path) -> None:
    note(f"reading all of {path} ({_size(path)})")
    found = await upkeep.check(opened)
    if found.problems:
        first, *others = found.problems
        more = f" and {len(others)} more" if others else ""
        raise GenaiTuiError(
            f"the ledger {path} is not sound",
            why=f"{first}{more}",
            next_step="keep a copy of it (genai-tui ledger backup FILE), then see: sqlite3 FILE .recover",
            detail="\n".join(found.problems),
        )
    sums = ", ".join(f"{number:,} by {unit[:-1]}" for unit, number in found.sums.items())
    since = f"; pruned before {found.pruned:%Y-%m-%d}" if found.pruned else ""
    write(f"sound: {found.requests:,} requests; sums equal them: {sums}{since}")


async def _backup(opened: Ledger, path: Path, file: str | None) -> None:
    if not file:
        raise BadInput("ledger backup needs a file", next_step="genai-tui ledger backup FILE")
    target = typed_path(file).absolute()
    note(f"copying {path} ({_size(path)})")
    await upkeep.backup(opened, target)
    write(f"{target} ({_size(target)})")


async def _prune(opened: Ledger, path: Path, before: str | None, *, yes: bool) -> None:
    if not before:
        raise BadInput("ledger prune needs --before", next_step="write it as --before 90d")
    age = parse_duration(before)
    if age < LEAST_KEPT:
        raise BadInput(f"--before {before} is too short", next_step=f"keep at least {LEAST_KEPT.days}d")
    now = datetime.now(UTC)
    try:
        limit = now - age
    except OverflowError as error:
        raise BadInput(f"'{before}' is longer than time is kept", next_step="write it as 90d") from error
    count = await upkeep.prunable(opened, limit)
    if not count:
        write(f"no requests before {limit:%Y-%m-%d} in {path}")
        return
    what = f"{count:,} request{'s' if count > 1 else ''} before {limit:%Y-%m-%d} from {path}"
    if not yes:
        stays = "Their sums by hour, day and week stay, the single rows do not."
        confirm(f"Prune {what}? {stays}", f"pruning {what}")
    gone = await upkeep.prune(opened, limit, now)
    write(f"pruned {gone:,} requests before {limit:%Y-%m-%d}; the file keeps its size and fills its gaps first")


def _size(path: Path) -> str:
    # What was recorded last is in the log beside the file until SQLite takes it over.
    log = path.with_name(f"{path.name}-wal")
    size = path.stat().st_size + (log.stat().st_size if log.exists() else 0)
    return f"{size / 2**20:,.1f} MiB" if size >= 2**20 else f"{size / 2**10:.0f} KiB"
