"""`genai-tui meter` and `reconcile`: engine counters into the ledger, and what is attributed of them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence

from genai_tui.commands.named import IN_LEDGER, the_one
from genai_tui.commands.output import Format, Row, as_table, note, timestamp, write, wrote_stable
from genai_tui.commands.usage import before
from genai_tui.domain.counters import Count, EngineCounters, Reconciliation
from genai_tui.domain.problems import Problem
from genai_tui.errors import GenaiTuiError
from genai_tui.services import Services

_COLUMNS = ("deployment", "since", "until", "counted", "attributed", "unattributed", "no usage", "restarts")
_COUNTS = [f"{of}{kind}Tokens" for of in ("counted", "attributed", "unattributed") for kind in ("Prompt", "Completion")]
_ITEM = ("namespace", "deployment", "since", "until", *_COUNTS, "unreported", "restarts")
LOOK_EVERY_S = 1.0


async def meter(services: Services, *, once: bool) -> None:
    """Read counters until SIGTERM or SIGINT, or `once`.

    Raises:
        GenaiTuiError: with `once`, they could not be read or kept.
    """
    await services.settle()
    await services.counters.read_now()
    count = sum(1 for row in services.picture.deployments() if row.ready)
    if once:
        problem = services.counters.problem
        if problem is not None:
            raise GenaiTuiError(problem.what, why=problem.why, next_step=problem.next_step)
        write(f"read the engines of {_deployments(count)} with ready replicas")
        return
    write(f"metering {services.session.context}: {_deployments(count)} with ready replicas now; Ctrl-C ends it")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await _tell_problems(services.counters, stop)


async def _tell_problems(counters: EngineCounters, stop: asyncio.Event) -> None:
    """Say when the ledger takes nothing, and when it does again."""
    said: Problem | None = None
    while not stop.is_set():
        problem = counters.problem
        if problem is not None and problem != said:
            note(f"genai-tui: {problem.line}")
        elif problem is None and said is not None:
            note("genai-tui: counters are kept again")
        said = problem
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)


def _deployments(count: int) -> str:
    return f"{count} deployment{'' if count == 1 else 's'}"


async def reconcile(services: Services, name: str | None, namespace: str | None, since: str, form: Format) -> None:
    """Print tokens counted, attributed and left over, by deployment; the counters are read first.

    Raises:
        NotFound, BadInput: the ledger knows nothing, or more than one deployment, of that name.
    """
    start = before(services.clock(), since)
    await services.settle()
    await services.counters.read_now()
    known = await services.usage.deployments(services.session.server) if name is not None else ()
    only = the_one(name, namespace, known, IN_LEDGER) if name is not None else None
    found = await services.counters.reconcile(start, only=only)
    lines = [line for line in found if only is not None or namespace in (None, line.ref.namespace)]
    items = [line_item(line) for line in lines]
    if not wrote_stable({"items": items}, form, _ITEM):
        if items:
            write(as_table(_COLUMNS, [_cells(line) for line in lines]))
            _explain(lines)
        else:
            write("no engine was read yet; the console and `genai-tui meter` read them while they run")
    if services.counters.problem is not None:
        note(f"genai-tui: {services.counters.problem.line}")


def line_item(line: Reconciliation) -> Row:
    """One deployment as `reconcile -o json` promises it (docs/cli.md)."""
    rest = line.unattributed
    return {
        "namespace": line.ref.namespace,
        "deployment": line.ref.name,
        "since": timestamp(line.since),
        "until": timestamp(line.until),
        **_tokens("counted", line.counted),
        **_tokens("attributed", line.attributed),
        **_tokens("unattributed", rest),
        "unreported": line.unreported,
        "restarts": line.restarts,
    }


def _tokens(what: str, count: Count | None) -> Row:
    prompt, completion = (count.prompt, count.completion) if count is not None else (None, None)
    return {f"{what}PromptTokens": prompt, f"{what}CompletionTokens": completion}


def _cells(line: Reconciliation) -> tuple[object, ...]:
    rest = line.unattributed
    return (
        str(line.ref),
        timestamp(line.since),
        timestamp(line.until),
        line.counted.total if line.counted is not None else None,
        line.attributed.total,
        rest.total if rest is not None else None,
        line.unreported,
        line.restarts,
    )


def _explain(lines: Sequence[Reconciliation]) -> None:
    """What a remainder can be, where there is one."""
    if any(line.unattributed is not None and line.unattributed.total > 0 for line in lines):
        note("unattributed: asked past the gateway and the playground, still being answered, or without a usage")
    if any(line.unattributed is not None and line.unattributed.total < 0 for line in lines):
        note("below 0: engines that began again lost what they counted after the last reading")
