"""Usage as a program reads it: the items of `usage -o json` and `-o csv`, and a file of them."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from genai_tui.domain.latency import Latencies
from genai_tui.domain.trends import UsagePoint
from genai_tui.domain.usage import Dimension, Source, UsageLine
from genai_tui.paths import typed_path

Row = Mapping[str, object]


def line_item(dimension: Dimension, line: UsageLine) -> Row:
    """One group as `usage -o json` promises it (docs/cli.md); `unreported` counts those answered without a usage."""
    return {dimension.value: line.group} | _sums(line)


def point_item(period: str, point: UsagePoint) -> Row:
    """One hour or day as `usage --by hour -o json` promises it: when it begins, RFC 3339 in UTC, then as a group."""
    return {period: point.start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")} | _sums(point)


def columns(by: str) -> tuple[str, ...]:
    """The names of an item, grouped by a dimension or a period, in their order."""
    nothing = UsagePoint(datetime.now(UTC), Source.CLI, 0, 0, 0, 0, 0, 0, None)
    return tuple({by: ""} | _sums(nothing))


def _sums(sums: UsageLine | UsagePoint) -> dict[str, object]:
    return {
        "requests": sums.requests,
        "promptTokens": sums.prompt_tokens,
        "cachedTokens": sums.cached_tokens,
        "completionTokens": sums.completion_tokens,
        "totalTokens": sums.total_tokens,
        "cost": sums.cost.text() if sums.cost else None,
        "currency": sums.cost.currency if sums.cost else None,
        "source": sums.source.value,
        "unreported": sums.unreported,
        "errors": sums.errors,
        **_percentiles("ttft", sums.waits.first_token if sums.waits else None),
        **_percentiles("total", sums.waits.answer if sums.waits else None),
    }


def _percentiles(of: str, took: Latencies | None) -> dict[str, float | None]:
    """Milliseconds, to within 5 %: `ttftP50Ms`, `ttftP95Ms`, `ttftP99Ms`; null where no request told."""
    return {f"{of}P{n}Ms": _rounded(took.percentile_ms(n / 100)) if took else None for n in (50, 95, 99)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def as_csv(rows: Sequence[Row], columns: Sequence[str] = ()) -> str:
    """CSV with a header, that of the rows, `columns` where there is none; a missing value is an empty cell."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0] if rows else columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def file_problem(name: str) -> str:
    """Why no file can be written there, as far as can be told before; empty if it can."""
    path = typed_path(name)
    if not name.strip():
        return "write the name of a file"
    if path.suffix not in (".csv", ".json"):
        return "end the name in .csv or .json"
    try:
        if path.exists():
            return "there is a file of that name already; write another name"
        if not path.parent.is_dir():
            return f"there is no directory {path.parent}"
    except OSError as error:
        return f"no file can be made there: {error.strerror}"
    return ""


def write_items(name: str, items: Sequence[Row]) -> Path:
    """Write items into a new file that its owner alone can read, CSV or JSON by the end of its name; returns where.

    Raises:
        OSError: it cannot be written, or is there already.
    """
    path = typed_path(name).absolute()
    text = as_csv(items) if path.suffix == ".csv" else json.dumps({"items": items}, indent=2, ensure_ascii=False) + "\n"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return path
