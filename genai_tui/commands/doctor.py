"""`genai-tui doctor`: what works here, what is missing, and how to fix it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec

from genai_tui.commands.output import write
from genai_tui.commands.settings import text_of
from genai_tui.composition import build_services
from genai_tui.domain.organizations import key_doubts
from genai_tui.domain.own_credentials import Keep
from genai_tui.domain.rows import Link
from genai_tui.errors import GenaiTuiError, explain
from genai_tui.own_credentials import own_credentials
from genai_tui.services import Services
from genai_tui.settings import Settings, listed


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what was found, and what to do about it."""

    name: str
    verdict: Verdict
    found: str
    fix: str = ""


async def doctor(settings: Settings) -> None:
    """Print one line a check.

    Raises:
        GenaiTuiError: when at least one check found a problem, so that scripts see it in the exit code.
    """
    checks = [*_local_checks(settings), *await _credentials(settings), *await _cluster_checks(settings)]
    width = max(len(check.name) for check in checks)
    for check in checks:
        line = f"{check.verdict.value:<8} {check.name:<{width}}   {check.found}"
        write(line + (f"\n{'':<{width + 12}}{check.fix}" if check.fix else ""))
    problems = sum(check.verdict is Verdict.PROBLEM for check in checks)
    if problems:
        raise GenaiTuiError(f"{problems} problem{'s' if problems > 1 else ''} found", next_step="see the lines above")


def _local_checks(settings: Settings) -> Iterator[Check]:
    python = ".".join(str(part) for part in sys.version_info[:3])
    yield Check("python", Verdict.OK, f"{python}, SQLite {sqlite3.sqlite_version}")
    yield _terminal()
    yield _writable(settings)
    for setting in listed(settings):
        yield Check(f"setting {setting.name}", Verdict.OK, f"{text_of(setting)} (from: {setting.source})")
    missing = [name for name in ("xllamacpp", "starlette", "uvicorn", "websockets", "trustme") if not find_spec(name)]
    if missing:
        install = "pipx install 'genai-tui[sandbox]'"
        yield Check(
            "sandbox",
            Verdict.NOTE,
            f"not installed: {', '.join(missing)}",
            f"{install} for a cluster without a cluster",
        )
    else:
        yield Check("sandbox", Verdict.OK, "its packages are installed; `genai-tui sandbox` opens it")
    kubectl = shutil.which("kubectl")
    yield Check("kubectl", Verdict.OK if kubectl else Verdict.NOTE, kubectl or "not on PATH (not needed)")


async def _credentials(settings: Settings) -> list[Check]:
    """Where the operator's own secrets come from. A program of theirs is asked for it, the values are dropped."""
    own = own_credentials(settings)
    checks = []
    for found in await own.listed():
        name = f"credential {found.credential.name}"
        if found.problem:
            checks.append(Check(name, Verdict.PROBLEM, found.problem))
        elif found.source:
            checks.append(Check(name, Verdict.OK, f"from {found.source}"))
        else:
            checks.append(Check(name, Verdict.OK, f"none here (for {found.credential.used_for})"))
    keyring = next(place for place in await own.places() if place.keep is Keep.KEYRING)
    if keyring.refusal:
        checks.append(Check("keyring", Verdict.NOTE, f"none: {keyring.refusal}"))
    else:
        checks.append(Check("keyring", Verdict.OK, keyring.about))
    return checks


def _terminal() -> Check:
    term, colour = os.environ.get("TERM", ""), os.environ.get("COLORTERM", "")
    if not sys.stdout.isatty():
        return Check("terminal", Verdict.NOTE, "standard output is not a terminal; commands work, the console does not")
    columns, rows = shutil.get_terminal_size()
    found = f"{term or 'TERM is not set'}, {columns}x{rows}, {colour or '256 colours or fewer'}"
    if columns < 80 or rows < 24:
        return Check("terminal", Verdict.PROBLEM, found, "the console needs 80x24")
    if not term or term == "dumb":
        return Check("terminal", Verdict.PROBLEM, found, "set TERM, e.g. xterm-256color")
    return Check("terminal", Verdict.OK, found)


def _writable(settings: Settings) -> Check:
    try:
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = settings.state / f".doctor-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return Check(
            "state",
            Verdict.PROBLEM,
            f"{settings.state}: {error.strerror}",
            "set XDG_STATE_HOME to a directory you may write",
        )
    return Check("state", Verdict.OK, f"{settings.state} (ledger, drafts, log)")


async def _cluster_checks(settings: Settings) -> list[Check]:
    try:
        services = build_services(settings)
    except GenaiTuiError as error:
        problem = error.problem
        return [Check("cluster", Verdict.PROBLEM, problem.what, problem.next_step or problem.why)]
    try:
        return await _connected(services)
    finally:
        await services.close()


async def _connected(services: Services) -> list[Check]:
    session = services.session
    checks = [Check("context", Verdict.OK, f"{session.context} at {session.server}")]
    if session.insecure:
        found = "the server's certificate is not verified (insecure-skip-tls-verify): who is between reads along"
        checks.append(Check("tls", Verdict.NOTE, found, "give the kubeconfig's cluster its certificate-authority"))
    try:
        await services.settle()
    except GenaiTuiError as error:
        problem = explain(error).problem
        return [*checks, Check("cluster", Verdict.PROBLEM, problem.line)]
    health = services.picture.health
    latency = f", {health.latency_ms:.0f} ms" if health.latency_ms is not None else ""
    verdict = Verdict.OK if health.link is Link.LIVE else Verdict.PROBLEM
    checks.append(Check("cluster", verdict, f"{health.link.value}{latency}"))
    for kind, sync in health.kinds:
        if sync.value not in ("live", "absent"):
            checks.append(Check(f"list {kind}", Verdict.NOTE, sync.value, f"ask for list and watch on {kind}"))
    checks += await _keys(services)
    namespace = session.namespace or "default"
    await services.access.check(namespace)
    checks += [_permission(services, verb, resource, namespace) for verb, resource in _WANTED]
    return checks


async def _keys(services: Services) -> list[Check]:
    """Keys that stand for somebody else than they seem to, or for nobody."""
    try:
        keys = await services.keys.listed()
    except GenaiTuiError as error:
        return [Check("keys", Verdict.NOTE, f"cannot be listed: {error.problem.line}")]
    organizations = services.picture.organizations()
    if services.picture.health.not_visible("ConfigMap"):
        return [Check("keys", Verdict.NOTE, "not compared with organizations, which are not visible to you")]
    doubts = key_doubts(keys, {row.name: row.document.spec.users if row.document else None for row in organizations})
    if not doubts:
        return [Check("keys", Verdict.OK, f"{len(keys)}, each of a user of one organization")]
    return [Check(f"key {id_}", Verdict.PROBLEM, text, _MEND.format(id_)) for id_, text in doubts.items()]


_MEND = "genai-tui keys revoke {}; a key of another user takes its place"
_WANTED = (
    ("patch", "apps/deployments"),
    ("patch", "services"),
    ("delete", "apps/deployments"),
    ("get", "pods/log"),
    ("create", "pods/portforward"),
)


def _permission(services: Services, verb: str, resource: str, namespace: str) -> Check:
    permission = services.access.permission(verb, resource, namespace)
    name = f"may {verb} {resource}"
    if permission.allowed:
        return Check(name, Verdict.OK, f"in {namespace}")
    return Check(name, Verdict.NOTE, permission.reason)
