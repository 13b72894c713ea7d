"""The command line: arguments become settings, settings become services, a verb uses them (docs/cli.md)."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

from genai_tui.arguments import parser
from genai_tui.domain.naming import SYSTEM_NAMESPACE
from genai_tui.domain.own_credentials import CREDENTIALS
from genai_tui.errors import BadInput, CredentialsRejected, ExitCode, explain
from genai_tui.garbage import collect_seldom
from genai_tui.known_secrets import hide, remember
from genai_tui.logs import log_to
from genai_tui.settings import Settings, resolve, state_directory

if TYPE_CHECKING:
    from genai_tui.services import Services


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Errors are one line on stderr."""
    collect_seldom()
    leave_out_httpx_command()
    options = parser().parse_args(arguments)
    try:
        remember(*(os.environ.get(variable) for known in CREDENTIALS for variable in known.variables))
        log_to(state_directory())
        if options.command == "settings" and options.schema:  # also beside a file that is to be mended with it
            from genai_tui.commands.settings import schema

            schema()
            return ExitCode.DONE
        return _run(options, _settings(options))
    except BrokenPipeError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        return _report(error)


def leave_out_httpx_command() -> None:
    """Keep httpx from importing its own command line, which costs a twentieth of the start and is used by nobody here.

    None in `sys.modules` is an import that fails (https://docs.python.org/3/reference/import.html#the-module-cache),
    and httpx goes on without it, as where `click` is not installed.
    """
    sys.modules.setdefault("httpx._main", cast(ModuleType, None))


def _report(error: Exception) -> int:
    """Print the error, one line a wrong field, and log what nobody expected."""
    import logging

    explained = explain(error)
    logging.getLogger(__name__).info("failed: %s", explained.problem.line, exc_info=error)
    fields = error.fields if isinstance(error, BadInput) else ()
    if fields:
        for problem in fields:
            place = f"line {problem.line}: " if problem.line else ""
            field = f"{problem.field}: " if problem.field else ""
            sys.stderr.write(" ".join(hide(f"genai-tui: {place}{field}{problem.message}").split()) + "\n")
    else:
        sys.stderr.write(f"genai-tui: {explained.problem.line}\n")
    return explained.exit_code


def _settings(options: argparse.Namespace) -> Settings:
    base = Settings(
        kubeconfig=options.kubeconfig,
        context=options.context,
        namespace=options.namespace,
        all_namespaces=getattr(options, "all_namespaces", False),
    )
    given = {"system-namespace": options.system_namespace, "read-only": options.read_only or None}
    return resolve(base, given | {"reach": options.reach})


def _run(options: argparse.Namespace, settings: Settings) -> int:
    match options.command:
        case None:
            _console(settings)
        case "sandbox":
            _sandbox(options, settings)
        case "gateway":
            from genai_tui.commands.gateway import serve
            from genai_tui.commands.usage import parse_duration

            grace = parse_duration(options.grace).total_seconds()
            serve(
                settings,
                options.host,
                options.port,
                grace,
                metrics_port=options.metrics_port,
                inherited_fd=options.inherited_fd,
                tied=options.tied,
            )
        case "ledger":
            from genai_tui.commands.ledger import ledger

            asyncio.run(ledger(settings, options.verb, file=options.file, before=options.before, yes=options.yes))
        case "credentials":
            from genai_tui.commands.credentials import credentials

            asyncio.run(credentials(settings, options))
        case "doctor":
            from genai_tui.commands.doctor import doctor

            asyncio.run(doctor(settings))
        case "settings":
            from genai_tui.commands.settings import show

            show(settings, options.output)
        case _:
            return (
                asyncio.run(_with_services(settings, _verb(options, settings), options.confirm_context))
                or ExitCode.DONE
            )
    return ExitCode.DONE


def _console(settings: Settings) -> None:
    from genai_tui.commands.console import offer_sandbox, run_console

    try:
        run_console(settings)
    except CredentialsRejected as error:
        if not offer_sandbox(error):
            raise
        _on_sandbox("tour", 1.0, settings.state / "sandbox", settings)


def _sandbox(options: argparse.Namespace, settings: Settings) -> None:
    directory = Path(options.dir) if options.dir else settings.state / "sandbox"
    if options.verb == "failures":
        from genai_tui.commands.sandbox import list_failures

        list_failures(options.output)
        return
    if options.speed <= 0:
        raise BadInput(f"--speed must be more than 0, not {options.speed:g}")
    if options.verb != "serve":
        _on_sandbox(options.scenario, options.speed, directory, settings)
        return
    from genai_tui.extras import require_extra

    require_extra("sandbox")
    from genai_tui.sandbox.server import serve

    kubeconfig = Path(options.kubeconfig_out) if options.kubeconfig_out else None
    from genai_tui.composition import render_for_sandbox

    serve(options.port, directory, kubeconfig, options.scenario, options.speed, render_for_sandbox, settings.cache)


def _on_sandbox(scenario: str, speed: float, directory: Path, settings: Settings) -> None:
    from dataclasses import replace

    from genai_tui.commands.console import run_console
    from genai_tui.commands.sandbox import started

    with started(scenario, speed, directory) as sandbox:
        # Its catalogue is in the namespace that is the default, whatever the operator's clusters use.
        here = replace(settings, kubeconfig=sandbox.kubeconfig, system_namespace=SYSTEM_NAMESPACE)
        run_console(replace(here, gateway=sandbox.gateway))


if TYPE_CHECKING:
    Verb = Callable[[Services], Awaitable[int | None]]


async def _with_services(settings: Settings, verb: Verb, confirmed: str | None) -> int | None:
    from genai_tui.commands.output import confirm_context
    from genai_tui.composition import build_services

    services = build_services(settings)
    services.confirm_writes(partial(confirm_context, services.session.context, confirmed))
    try:
        return await verb(services)
    finally:
        if services.audit.problem:
            sys.stderr.write(f"genai-tui: {services.audit.problem}\n")
        await services.close()


def _verb(options: argparse.Namespace, settings: Settings) -> Verb:
    namespace = settings.namespace
    match options.command:
        case "get":
            from genai_tui.commands.get import get

            only = None if options.all_namespaces else namespace
            return lambda s: get(s, options.kind, options.name, only, options.output, ask_others=options.ask_others)
        case "explain":
            from genai_tui.commands.explain import explain as explain_

            return lambda s: explain_(s, options.name, namespace, options.output)
        case "history":
            from genai_tui.commands.history import history

            return lambda s: history(s, options.name, namespace, options.output)
        case "enforcement":
            from genai_tui.commands.enforcement import enforcement

            return lambda s: enforcement(s, options.name, namespace, probe=options.probe, form=options.output)
        case "hub":
            from genai_tui.commands.hub import hub

            return lambda s: hub(s, options.name, namespace, organization=options.organization, gateway=options.gateway)
        case "limits":
            from genai_tui.commands.limits import limits

            return lambda s: limits(s, options.name, namespace, key_id=options.key, form=options.output)
        case "usage" | "prices" | "budgets" | "gpu-costs" | "reconcile" | "meter":
            return _counting_verb(options, namespace)
        case "audit":
            from genai_tui.commands.audit import audit

            return lambda s: audit(
                s, options.since, options.output, everywhere=options.all_clusters, diffs=options.diff,
                limit=options.limit,
            )  # fmt: skip
        case "undo":
            from genai_tui.commands.audit import undo

            return lambda s: undo(s, yes=options.yes)
        case "chat" | "load":
            return _asking_verb(options, namespace)
        case "keys" | "secrets":
            return _access_verb(options, namespace)
        case _:
            return _writing_verb(options, namespace)


def _asking_verb(options: argparse.Namespace, namespace: str | None) -> Verb:
    if options.command == "load":
        from genai_tui.commands.load import load
        from genai_tui.domain.load import LoadPlan

        plan = LoadPlan(options.requests, options.concurrency, options.max_tokens)
        return lambda s: load(s, options.name, namespace, options.message, plan, options.output)
    from genai_tui.commands.chat import chat
    from genai_tui.domain.chat import Sampling

    sampling = Sampling(options.temperature, options.top_p, options.max_tokens)
    return lambda s: chat(
        s, options.name, namespace, options.message, system=options.system, sampling=sampling,
        json_output=options.json,
    )  # fmt: skip


def _counting_verb(options: argparse.Namespace, namespace: str | None) -> Verb:
    from genai_tui.commands.meter import meter, reconcile
    from genai_tui.commands.usage import SELECTABLE, usage

    match options.command:
        case "budgets":
            return _budgets_verb(options)
        case "gpu-costs":
            return _gpu_costs_verb(options)
        case "prices":
            from genai_tui.commands.prices import prices

            return lambda s: prices(s, options.name, namespace, options.output)
        case "usage":
            only = {by: getattr(options, by) for by in SELECTABLE if getattr(options, by) is not None}
            return lambda s: usage(s, options.since, options.until, options.by, only, options.output, namespace)
        case "reconcile":
            return lambda s: reconcile(s, options.name, namespace, options.since, options.output)
        case _:
            return lambda s: meter(s, once=options.once)


def _gpu_costs_verb(options: argparse.Namespace) -> Verb:
    from genai_tui.commands.gpu_costs import list_prices, remove_price, set_price, show

    match options.verb:
        case "prices":
            return lambda s: list_prices(s, options.output)
        case "set-price":
            if not options.node_type or not options.price:
                step = "genai-tui gpu-costs set-price NODE_TYPE --price '2.50 USD'"
                raise BadInput("gpu-costs set-price needs a node type and --price", next_step=step)
            return lambda s: set_price(s, options.node_type, options.price)
        case "remove-price":
            if not options.node_type:
                step = "genai-tui gpu-costs remove-price NODE_TYPE [--price '2.50 USD']"
                raise BadInput("gpu-costs remove-price needs a node type", next_step=step)
            return lambda s: remove_price(s, options.node_type, options.price)
        case _:
            return lambda s: show(s, options.since, options.by, options.output)


def _budgets_verb(options: argparse.Namespace) -> Verb:
    from genai_tui.commands.budgets import list_budgets, remove_budget, set_budget

    scopes = {"organization": options.organization, "user": options.user, "key": options.key}
    scope, name = next(((scope, name) for scope, name in scopes.items() if name), ("", ""))
    if options.verb == "list":
        return lambda s: list_budgets(s, options.output)
    if not name:
        raise BadInput(f"budgets {options.verb} needs whose it is", next_step="add --organization, --user or --key")
    if options.verb == "remove":
        return lambda s: remove_budget(s, scope, name)
    if not options.amount:
        raise BadInput("budgets set needs --amount", next_step="write it as --amount 250")
    return lambda s: set_budget(s, scope, name, options.amount, options.currency)


def _access_verb(options: argparse.Namespace, namespace: str | None) -> Verb:
    if options.command == "secrets":
        from genai_tui.commands.secrets import create_secret

        return lambda s: create_secret(
            s, options.name, namespace, key=options.key, registry=options.pull, user=options.user,
            source=options.source,
        )  # fmt: skip
    from genai_tui.commands.keys import create, revoke

    match options.verb:
        case "create":
            return lambda s: create(
                s, options.organization, options.user, name=options.name, description=options.description,
                expires=options.expires, deployments=tuple(options.deployment), form=options.output,
            )  # fmt: skip
        case "revoke":
            from genai_tui.domain.keys import Selection

            selection = Selection(options.id, options.organization, options.user, options.expired)
            return lambda s: revoke(s, selection, yes=options.yes)
        case _:
            from genai_tui.commands.get import get

            return lambda s: get(s, "keys", None, None, options.output)


def _writing_verb(options: argparse.Namespace, namespace: str | None) -> Verb:
    from genai_tui.commands.apply import apply, delete, render
    from genai_tui.commands.usage import parse_duration

    match options.command:
        case "render":
            return lambda s: render(s, options.filename)
        case "apply":
            limit = parse_duration(options.timeout).total_seconds()
            return lambda s: apply(
                s,
                options.filename,
                dry_run=options.dry_run,
                wait=options.wait,
                timeout=limit,
                force=options.force_conflicts,
                theirs=options.keep_theirs,
            )
        case "diff":
            from genai_tui.commands.gitops import diff

            return lambda s: diff(s, options.filename)
        case "adopt":
            from genai_tui.commands.gitops import adopt

            return lambda s: adopt(s, options.name, namespace)
        case "export":
            from genai_tui.commands.gitops import export

            how = {"complete": options.complete, "manifests": options.manifests}
            return lambda s: export(s, options.name, namespace, **how)
        case "rollback":
            from genai_tui.commands.history import rollback

            return lambda s: rollback(s, options.name, namespace, options.to, yes=options.yes)
        case "delete":
            return lambda s: delete(s, options.kind, options.name, namespace, yes=options.yes)
        case unknown:
            raise BadInput(f"no command is called '{unknown}'")
