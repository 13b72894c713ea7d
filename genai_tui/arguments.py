"""The command line as it is typed: every command with its options. What they do is in `cli`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from genai_tui.domain.own_credentials import CREDENTIALS
from genai_tui.errors import ExitCode

KINDS = ("deployments", "models", "endpoints", "organizations", "keys", "nodes")
SCENARIOS = ("tour", "empty", "scale")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, with the code for bad input."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where the help is."""
        self.exit(ExitCode.BAD_INPUT, f"genai-tui: {message}; see `{self.prog} --help`\n")


def parser() -> Parser:
    """Every command with its options."""
    top = Parser(
        prog="genai-tui",
        description="Run generative-AI models on Kubernetes from a terminal. Without a command: the console.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    _common(top, default=None)
    common = Parser(add_help=False, allow_abbrev=False)
    _common(common, default=argparse.SUPPRESS)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[common], allow_abbrev=False)

    _reading(add)
    _writing(add)
    _keys(add, common)
    _secrets(add, common)
    _local(add, common)
    return top


def _common(target: argparse.ArgumentParser, default: object) -> None:
    group = target.add_argument_group("cluster")
    group.add_argument("--kubeconfig", metavar="FILE", default=default, help="as for kubectl")
    group.add_argument("--context", metavar="NAME", default=default, help="context of the kubeconfig")
    group.add_argument("-n", "--namespace", metavar="NAME", default=default, help="work in this namespace")
    group.add_argument(
        "--system-namespace", metavar="NAME", default=default, help="where models and endpoints are kept (genai-tui)"
    )
    group.add_argument(
        "--reach",
        choices=("auto", "proxy", "port-forward", "public"),
        default=default,
        help="the way to engines (auto)",
    )
    group.add_argument("--read-only", action="store_true", default=default, help="refuse everything that writes")
    group.add_argument(
        "--confirm-context",
        metavar="NAME",
        default=default,
        help="write to this production context without being asked",
    )


Add = Callable[[str, str], argparse.ArgumentParser]


def _output(target: argparse.ArgumentParser, *forms: str) -> None:
    target.add_argument("-o", "--output", choices=forms, default="table", help="how to print (table)")


def _reading(add: Add) -> None:
    get = add("get", "List what the console lists.")
    get.add_argument("kind", choices=KINDS, metavar="|".join(KINDS))
    get.add_argument("name", nargs="?", metavar="NAME")
    get.add_argument("-A", "--all-namespaces", action="store_true", help="every namespace (the default without -n)")
    text = "nodes: run nvidia-smi also in pods that were not made here, where no DCGM exporter tells of their GPUs"
    get.add_argument("--ask-others", action="store_true", help=text)
    _output(get, "table", "wide", "json", "yaml")
    explain_ = add("explain", "Why a deployment is as it is: phase, cause, evidence, fix.")
    explain_.add_argument("name", metavar="NAME")
    _output(explain_, "table", "json", "yaml")
    history = add("history", "The revisions of a deployment that the cluster keeps.")
    history.add_argument("name", metavar="NAME")
    _output(history, "table", "json", "yaml")
    enforcement = add("enforcement", "Who keeps a deployment's limits and sharing, and what is proven of it.")
    enforcement.add_argument("name", metavar="NAME")
    enforcement.add_argument("--probe", action="store_true", help="send requests that must be refused")
    _output(enforcement, "table", "json", "yaml")
    hub = add("hub", "What developers need to call the deployments, as Markdown to hand over.")
    hub.add_argument("name", nargs="?", metavar="NAME", help="the page of this one (models and their deployments)")
    hub.add_argument("--organization", metavar="O", help="only what is shared with it")
    hub.add_argument("--gateway", metavar="URL", help="base URL of the embedded gateway callers use")
    limits = add("limits", "How far a deployment's limits are used up now, and whether a key would be refused.")
    limits.add_argument("name", metavar="NAME")
    limits.add_argument("--key", metavar="ID", help="of this key alone, and whether it would be let in")
    _output(limits, "table", "json", "yaml")
    _usage(add)
    prices = add("prices", "Every price of a deployment with the time from which it held, as this machine knows it.")
    prices.add_argument("name", metavar="NAME", help="[NAMESPACE/]NAME")
    _output(prices, "table", "json", "yaml", "csv")
    _budgeting(add)
    _ledger(add)
    reconcile = add("reconcile", "What engines counted against what the ledger attributes, and what is left over.")
    reconcile.add_argument("name", nargs="?", metavar="NAME", help="[NAMESPACE/]NAME")
    reconcile.add_argument("--since", default="24h", metavar="24h", help="how far back: 90s, 20m, 24h, 7d (24h)")
    _output(reconcile, "table", "json", "yaml", "csv")
    meter = add("meter", "Read the counters of the engines into the ledger, until SIGTERM; no console is needed.")
    meter.add_argument("--once", action="store_true", help="read them once and end")
    _asking(add)


def _usage(add: Add) -> None:
    usage = add("usage", "Tokens and cost, from the ledger of this machine.")
    usage.add_argument(
        "--since", default="24h", metavar="24h", help="from when: 90s, 24h, 7d ago, a day 2026-11-01, or a time (24h)"
    )
    usage.add_argument("--until", metavar="1h", help="until when, written alike; a day counts to its end in UTC (now)")
    groups = ("deployment", "model", "organization", "user", "key", "source")
    usage.add_argument("--by", choices=(*groups, "minute", "hour", "day"), default="deployment", help="grouped by")
    for group in groups:
        example = {"deployment": "[NAMESPACE/]NAME", "key": "ID"}.get(group, "NAME")
        usage.add_argument(f"--{group}", metavar=example, help=f"of this {group} alone")
    _output(usage, "table", "json", "yaml", "csv")


def _ledger(add: Add) -> None:
    ledger = add("ledger", "Upkeep of this machine's ledger: check it, copy it while it is in use, prune what is old.")
    ledger.add_argument("verb", choices=("check", "backup", "prune"))
    ledger.add_argument("file", nargs="?", metavar="FILE", help="backup: the new file")
    ledger.add_argument("--before", metavar="90d", help="prune: requests older than this; their sums stay")
    ledger.add_argument("--yes", action="store_true", help="prune: without asking")


def _budgeting(add: Add) -> None:
    gpus = add("gpu-costs", "What GPUs cost, idle ones too, against what their tokens brought in.")
    gpus.add_argument("verb", choices=("show", "prices", "set-price", "remove-price"))
    gpus.add_argument("node_type", nargs="?", metavar="NODE_TYPE", help="of set-price and remove-price")
    gpus.add_argument("--price", metavar="TEXT", help="'2.50 USD', or '2.50 USD from 2026-11-01' (UTC)")
    gpus.add_argument("--since", default="24h", metavar="24h", help="how far back (24h)")
    gpus.add_argument("--by", choices=("deployment", "node"), default="deployment", help="grouped by")
    _output(gpus, "table", "json", "yaml")
    budgets = add(
        "budgets", "What an organization, a user or a key may cost a month before Usage warns; nothing is refused."
    )
    budgets.add_argument("verb", choices=("list", "set", "remove"))
    of = budgets.add_mutually_exclusive_group()
    of.add_argument("--organization", metavar="O")
    of.add_argument("--user", metavar="U")
    of.add_argument("--key", metavar="ID")
    budgets.add_argument("--amount", metavar="250", help="a month")
    budgets.add_argument("--currency", default="USD", metavar="CODE", help="ISO 4217 (USD)")
    _output(budgets, "table", "json", "yaml")


def _asking(add: Add) -> None:
    chat = add("chat", "Ask a deployment; the answer streams.")
    chat.add_argument("name", metavar="NAME")
    chat.add_argument("-m", "--message", required=True, metavar="TEXT")
    chat.add_argument("--system", metavar="TEXT", help="system prompt")
    chat.add_argument("--max-tokens", type=int, metavar="N")
    chat.add_argument("--temperature", type=float, metavar="T")
    chat.add_argument("--top-p", type=float, metavar="P")
    chat.add_argument("--json", action="store_true", help="one JSON object at the end instead of text")
    load = add("load", "Ask a deployment many times, several at once, and print how fast it answered.")
    load.add_argument("name", metavar="NAME")
    load.add_argument("-m", "--message", required=True, metavar="TEXT")
    load.add_argument("--requests", type=int, default=32, metavar="N", help="questions in all (32)")
    load.add_argument("--concurrency", type=int, default=4, metavar="N", help="at once (4)")
    load.add_argument("--max-tokens", type=int, default=64, metavar="N", help="of each answer (64)")
    load.add_argument("-o", "--output", choices=("table", "json"), default="table")


def _writing(add: Add) -> None:
    render = add("render", "Print the manifests of a file; nothing is applied.")
    render.add_argument("-f", "--filename", required=True, metavar="FILE", help="- reads standard input")
    apply = add("apply", "Create or change what the file describes (server-side apply).")
    apply.add_argument("-f", "--filename", required=True, metavar="FILE", help="- reads standard input")
    apply.add_argument("--dry-run", action="store_true", help="ask the API server what it would do")
    apply.add_argument("--wait", action="store_true", help="show progress until Running")
    apply.add_argument("--force-conflicts", action="store_true", help="take the fields that others hold")
    apply.add_argument("--keep-theirs", action="append", default=[], metavar="FIELD",
                       help="leave this field as others have it, or all; can be given several times")  # fmt: skip
    apply.add_argument("--timeout", default="20m", metavar="20m", help="how long --wait waits")
    diff = add("diff", "Show what applying a file would change; exit code 1 when it would change something.")
    diff.add_argument("-f", "--filename", required=True, metavar="FILE", help="- reads standard input")
    export = add("export", "Print a deployment as the file it can be applied from.")
    export.add_argument("name", metavar="NAME")
    export.add_argument("--complete", action="store_true", help="with its model, its endpoint and its organizations")
    export.add_argument("--manifests", action="store_true", help="as Kubernetes objects instead")
    rollback = add("rollback", "Go back to an earlier revision of a deployment; shows what changes, and asks.")
    rollback.add_argument("name", metavar="NAME")
    rollback.add_argument("--to", type=int, metavar="REVISION", help="this one (the newest before the current one)")
    rollback.add_argument("--yes", action="store_true", help="do not ask")
    audit = add("audit", "What was written to the cluster from this machine: who, what, when, how it came out.")
    audit.add_argument("--since", default="7d", metavar="7d", help="how far back: 90s, 20m, 24h, 7d (7d)")
    audit.add_argument("--all-clusters", action="store_true", help="of every cluster, not of this one alone")
    audit.add_argument("--diff", action="store_true", help="with what each write changed")
    audit.add_argument("--limit", type=int, default=1_000, metavar="N", help="at most so many, the newest (1000)")
    _output(audit, "table", "json", "yaml")
    undo = add("undo", "Undo the last write to this cluster, after showing what that changes.")
    undo.add_argument("--yes", action="store_true", help="do not ask")
    adopt = add("adopt", "Print a deployment of others as a file of ours, for a new one beside it.")
    adopt.add_argument("name", metavar="NAME")
    delete = add(
        "delete", "Delete a deployment with what belongs to it, or a model, endpoint or organization that nothing uses."
    )
    delete.add_argument("kind", metavar="KIND")
    delete.add_argument("name", metavar="NAME")
    delete.add_argument("--yes", action="store_true", help="do not ask")


def _keys(add: Add, common: Parser) -> None:
    keys = add("keys", "API keys: make, list and revoke them.")
    verbs = keys.add_subparsers(dest="verb", metavar="create|list|revoke", parser_class=Parser, required=True)

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        return verbs.add_parser(name, help=text, description=text, parents=[common], allow_abbrev=False)

    create = verb("create", "Make a key; it is printed once.")
    create.add_argument("--organization", required=True, metavar="O")
    create.add_argument("--user", required=True, metavar="U")
    create.add_argument("--name", default="", metavar="N", help="what people call it, such as 'alice laptop'")
    create.add_argument("--description", default="", metavar="TEXT", help="what it is for")
    create.add_argument("--expires", metavar="30d", help="refuse it after that time (never)")
    create.add_argument("--deployment", action="append", default=[], metavar="[NAMESPACE/]NAME",
                        help="may call this one alone; can be given several times (all that are shared)")  # fmt: skip
    _output(create, "table", "json", "yaml")
    _output(verb("list", "List the keys, without the keys themselves."), "table", "wide", "json", "yaml")
    revoke = verb("revoke", "Delete a key, or all of a user, of an organization, or the expired ones.")
    revoke.add_argument("id", nargs="?", default="", metavar="ID")
    revoke.add_argument("--organization", default="", metavar="O", help="all keys of this organization")
    revoke.add_argument("--user", default="", metavar="U", help="all keys of this user")
    revoke.add_argument("--expired", action="store_true", help="only those that have expired")
    revoke.add_argument("--yes", action="store_true", help="do not ask")


def _secrets(add: Add, common: Parser) -> None:
    names = tuple(known.name for known in CREDENTIALS)
    secrets = add("secrets", "Make the Secrets that engines need.")
    verbs = secrets.add_subparsers(dest="verb", metavar="create", parser_class=Parser, required=True)
    text = "Make a Secret. Its value is read from standard input, or asked for; it is never an argument."
    create = verbs.add_parser("create", help=text, description=text, parents=[common], allow_abbrev=False)
    create.add_argument("name", metavar="NAME")
    holds = create.add_mutually_exclusive_group(required=True)
    holds.add_argument("--key", default="", metavar="KEY", help="under which the value is kept, such as token")
    holds.add_argument("--pull", default="", metavar="REGISTRY", help="credentials for pulling images from there")
    create.add_argument("--user", default="", metavar="U", help="of the registry ($oauthtoken at nvcr.io)")
    create.add_argument("--from", dest="source", choices=names, help="take the value that this machine has")
    credentials = add("credentials", "Your own secrets on this machine: where each comes from, keep one, forget one.")
    verbs = credentials.add_subparsers(dest="verb", metavar="list|set|forget", parser_class=Parser, required=True)

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        return verbs.add_parser(name, help=text, description=text, parents=[common], allow_abbrev=False)

    _output(verb("list", "Where each comes from, without the secrets themselves."), "table", "json", "yaml")
    keep = verb("set", "Keep one; it is read from standard input, or asked for.")
    keep.add_argument("name", choices=names, metavar="|".join(names))
    keep.add_argument("--in", dest="place", choices=("keyring", "file"), required=True,
                      help="the desktop's keyring, or a file of this user's that is not encrypted")  # fmt: skip
    forget = verb("forget", "Remove one from wherever this program keeps it.")
    forget.add_argument("name", choices=names, metavar="|".join(names))
    forget.add_argument("--yes", action="store_true", help="do not ask")


def _scenario(text: str) -> str:
    """A scenario; which failures can be staged is known where they are staged."""
    if text not in SCENARIOS and not text.startswith(("failure:", "scale:")):
        raise argparse.ArgumentTypeError(f"'{text}' is none of {', '.join(SCENARIOS)}, failure:NAME")
    return text


def _local(add: Add, common: Parser) -> None:
    sandbox = add("sandbox", "The console on a simulated cluster with a real small model.")
    verbs = sandbox.add_subparsers(dest="verb", metavar="serve|failures", parser_class=Parser)
    serve = verbs.add_parser("serve", help="the sandbox alone", description="The sandbox alone, until SIGTERM.")
    for target, default in ((sandbox, None), (serve, argparse.SUPPRESS)):
        suppressed = default is not None
        target.add_argument(
            "--scenario",
            type=_scenario,
            metavar="|".join((*SCENARIOS, "failure:NAME")),
            default=default if suppressed else "tour",
            help="what it begins with (tour)",
        )
        target.add_argument("--speed", type=float, default=default if suppressed else 1.0, help="of its clock (1)")
        target.add_argument("--dir", metavar="DIR", default=default, help="where its state is kept")
    serve.add_argument("--port", type=int, default=0, metavar="P", help="of the API server (a free one)")
    serve.add_argument("--kubeconfig-out", "--kubeconfig", dest="kubeconfig_out", metavar="FILE", help="write it there")
    failures = verbs.add_parser("failures", help="the failures it can stage", description="The failures it can stage.")
    failures.add_argument("-o", "--output", choices=("table", "json"), default="table")
    gateway = add("gateway", "The embedded gateway: keys, sharing and limits in front of the engines.")
    gateway_verbs = gateway.add_subparsers(dest="verb", metavar="serve", parser_class=Parser, required=True)
    text = "Serve every deployment whose endpoint names no other gateway, until SIGTERM."
    front = gateway_verbs.add_parser("serve", help=text, description=text, parents=[common], allow_abbrev=False)
    front.add_argument("--port", type=int, default=8090, metavar="P", help="to listen on; 0 for a free one (8090)")
    front.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="to listen on (127.0.0.1)")
    front.add_argument("--metrics-port", type=int, metavar="P", help="for /metrics alone (this machine, on --port)")
    front.add_argument("--grace", default="30s", metavar="30s", help="how long streams may take to finish at the end")
    front.add_argument("--inherited-fd", type=int, help=argparse.SUPPRESS)
    front.add_argument("--tied", action="store_true", help=argparse.SUPPRESS)
    settings = add("settings", "Every setting, its value, and where that comes from.")
    settings.add_argument("--schema", action="store_true", help="print the JSON Schema of the settings file instead")
    _output(settings, "table", "json", "yaml")
    add("doctor", "What works here, what is missing, and how to fix it.")


class _Version(argparse.Action):
    """Says the version; looking it up takes ten milliseconds, which only who asks for it shall wait."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        sys.stdout.write(f"genai-tui {version('genai-tui')}\n")
        parser.exit()
