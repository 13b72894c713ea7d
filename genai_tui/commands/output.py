"""Writing results: tables for people, JSON and YAML for programs; errors as one line on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, cast

from genai_tui.domain.text import printable, printable_lines
from genai_tui.errors import BadInput
from genai_tui.usage_files import as_csv

Format = Literal["table", "wide", "json", "yaml", "csv"]
Row = Mapping[str, object]
MISSING = "–"


def timestamp(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, whole seconds."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def age(moment: datetime | None, now: datetime) -> str:
    """The time since `moment` in its largest unit, as kubectl shows it short: 45s, 3m, 5h, 12d."""
    if moment is None:
        return MISSING
    seconds = max(0, int((now - moment).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def write(text: str) -> None:
    """Write to stdout with one newline at the end; a terminal is given nothing that it would act on."""
    shown = printable_lines(text) if sys.stdout.isatty() else text
    sys.stdout.write(shown if shown.endswith("\n") else shown + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Write one line to stderr."""
    sys.stderr.write(printable(" ".join(text.split())) + "\n")
    sys.stderr.flush()


def as_json(value: object) -> str:
    """Stable JSON: the order of keys is the documented order."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def as_yaml(value: object) -> str:
    """YAML in the documented order of keys."""
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)


def wrote_stable(document: Mapping[str, object], form: Format, columns: Sequence[str] = ()) -> bool:
    """Print a document as JSON or YAML, its `items` alone as CSV; False where `form` is one for people.

    `columns` is the header of a CSV without items.
    """
    if form == "json":
        write(as_json(document))
    elif form == "yaml":
        write(as_yaml(document))
    elif form == "csv":
        write(as_csv(cast(Sequence[Row], document["items"]), columns))
    else:
        return False
    return True


def as_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns under upper-case heads, three spaces apart; numbers to the right, None as a dash."""
    texts = [[MISSING if cell is None or cell == "" else printable(str(cell)) for cell in row] for row in rows]
    numeric = [
        bool(rows) and all(isinstance(row[i], int | float) or row[i] is None for row in rows)
        for i in range(len(columns))
    ]
    widths = [max(len(column), *(len(row[i]) for row in texts), 0) for i, column in enumerate(columns)]
    lines = []
    for cells in [[column.upper() for column in columns], *texts]:
        parts = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, numeric, strict=True)
        ]
        lines.append("   ".join(parts).rstrip())
    return "\n".join(lines)


async def confirm_context(context: str, confirmed: str | None, what: str) -> bool:
    """Ask for the name of a production context before anything is written there.

    Args:
        context: its name.
        confirmed: what was given as --confirm-context.
        what: what is about to be written.

    Raises:
        BadInput: nobody is there to ask, or another context was confirmed.
    """
    if confirmed is not None and confirmed != context:
        raise BadInput(f"--confirm-context says {confirmed}, and this is {context}", why="nothing was written")
    if confirmed is None and not sys.stdin.isatty():
        raise BadInput(
            f"nobody is there to confirm: {what}",
            why=f"{context} is marked as production",
            next_step=f"add --confirm-context {context}",
        )
    if confirmed is None:
        sys.stderr.write(f"{context} is marked as production. To {what}, type its name: ")
        sys.stderr.flush()
        return sys.stdin.readline().strip() == context
    return True


def confirm(question: str, doing: str) -> None:
    """Ask on the terminal before something that cannot be taken back.

    Args:
        question: what is asked, naming object and context.
        doing: what it is about, as in "deleting Model tiny".

    Raises:
        BadInput: nobody is there to ask, or the answer is not yes.
    """
    if not sys.stdin.isatty():
        raise BadInput(f"nobody is there to confirm {doing}", next_step="add --yes")
    sys.stderr.write(f"{question} Type yes: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != "yes":
        raise BadInput(f"{doing} was given up", why="the answer was not yes")
