"""Everything the console does to a cluster, as acts with a name and the least role that may do them.

Each is done through the ports that the screens and commands use. An act that returns has succeeded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

import yaml

from genai_tui.domain.chat import Answered, ChatRequest, Message
from genai_tui.domain.cluster import PICTURED, Sync
from genai_tui.domain.documents import Model, ModelDeployment
from genai_tui.domain.keys import KeyRequest
from genai_tui.domain.monitoring import EngineReport
from genai_tui.domain.rows import Phase, Ref
from genai_tui.errors import NotPermitted
from genai_tui.files import read_documents
from genai_tui.kube import reach
from genai_tui.services import Services

Role = Literal["viewer", "operator", "administrator"]
CHAT, THEIRS, CACHED, MADE = (Ref("team-a", name) for name in ("chat", "theirs", "cached", "made"))
_MADE = {
    "apiVersion": "genai-tui.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": MADE.name, "namespace": MADE.namespace},
    "spec": {
        "model": "smollm2-135m",
        "endpoint": "internal",
        "engine": {"type": "vllm", "image": "vllm/vllm-openai:v0.33.0", "replicas": 1, "contextLength": 4096},
        "resources": {"cpu": "2", "memory": "4Gi", "gpu": 1},
        "advanced": {
            "env": [{"name": "HF_TOKEN", "secret": {"name": "hf", "key": "token"}}],
            "cache": {"size": "10Gi"},
        },
    },
}


@dataclass(frozen=True)
class Act:
    name: str
    role: Role
    do: Callable[[Services], Awaitable[object]]


def document() -> ModelDeployment:
    (made,) = read_documents(yaml.safe_dump(_MADE))
    assert isinstance(made, ModelDeployment)
    return made


async def until(true: Callable[[], bool], limit: float = 20.0) -> None:
    deadline = asyncio.get_running_loop().time() + limit
    while not true():
        assert asyncio.get_running_loop().time() < deadline, "it did not come true in time"
        await asyncio.sleep(0.02)


async def _picture(services: Services) -> None:
    await until(lambda: any(row.ref == CHAT for row in services.picture.deployments()))
    await until(lambda: bool(services.picture.models() and services.picture.organizations()))
    kinds = dict(services.picture.health.kinds)
    assert len(kinds) == len(PICTURED)
    assert all(state in (Sync.LIVE, Sync.FORBIDDEN) for state in kinds.values()), kinds


async def _running(services: Services) -> None:
    """The engine's own word is what makes it Running."""
    await until(lambda: _phase(services, CHAT) is Phase.RUNNING)


def _phase(services: Services, ref: Ref) -> Phase | None:
    return next((row.assessment.phase for row in services.picture.deployments() if row.ref == ref), None)


async def _logs(services: Services) -> None:
    detail = services.picture.deployment(CHAT)
    assert detail is not None
    pod = detail.replicas[0].pod.meta.name
    async with aclosing(services.operations.logs(CHAT, pod, follow=False)) as lines:
        assert [line async for line in lines]


async def _metrics(services: Services) -> None:
    await services.monitor.gpus()
    report: EngineReport = await services.monitor.engine(CHAT)
    assert report is not None


async def _manifest(services: Services) -> None:
    assert "kind: Deployment" in await services.operations.live_manifest(CHAT)


async def _history(services: Services) -> None:
    assert await services.operations.revisions(CHAT)


async def _drift(services: Services) -> None:
    # The other one has a cache: its claim is looked at as well.
    await services.operations.drift(CHAT)
    await services.operations.drift(CACHED)


async def _preview(services: Services) -> None:
    preview = await services.operations.preview(document())
    if preview.refusal is not None:
        raise NotPermitted(preview.refusal)
    assert {str(check.level) for check in preview.checks if check.about == "secret hf"} == {"ok"}


async def _deploy(services: Services) -> None:
    await services.operations.apply(document(), create_only=True)
    await until(lambda: _phase(services, MADE) is not None)


async def _edit(services: Services) -> None:
    made = cached()
    spec = made.spec.model_copy(update={"description": "changed"})
    await services.operations.apply(made.model_copy(update={"spec": spec}), base=made)


async def _chat(services: Services, ref: Ref = CHAT) -> None:
    request = ChatRequest(ref, (Message("user", "hello"),))
    events = [event async for event in services.playground.ask(request)]
    assert isinstance(events[-1], Answered)


async def _forward(services: Services) -> None:
    """The way of a conversation that the proxy cannot carry, opened as `reaching` opens it."""
    detail = services.picture.deployment(CHAT)
    assert detail is not None
    connection = services.operations._connection  # type: ignore[attr-defined]
    pod = detail.replicas[0].pod.meta.name
    async with reach.by_port_forward(connection, CHAT.namespace, pod, 8000) as route:
        assert (await route.client.get("/v1/models")).is_success


async def _catalogue(services: Services) -> None:
    (model,) = [row.document for row in services.picture.models() if row.name == "smollm2-135m"]
    assert isinstance(model, Model)
    other = model.model_copy(update={"metadata": model.metadata.model_copy(update={"name": "other"})})
    await services.operations.apply(other, create_only=True)
    await until(lambda: "other" in [row.name for row in services.picture.models()])
    await services.operations.delete("Model", "other")


async def _keys(services: Services) -> None:
    made = await services.keys.create(KeyRequest("org-a", "alice"))
    listed = await services.keys.listed()
    assert made.record.id in [key.id for key in listed]
    await services.keys.revoke([made.record])


ACTS = (
    Act("follow the picture", "viewer", _picture),
    Act("see that an engine answers", "viewer", _running),
    Act("read a log", "viewer", _logs),
    Act("read what GPUs and engines report", "viewer", _metrics),
    Act("look at the live manifest", "viewer", _manifest),
    Act("list earlier revisions", "viewer", _history),
    Act("compare what is live with its spec", "viewer", _drift),
    Act("preview a deployment", "operator", _preview),
    Act("deploy", "operator", _deploy),
    Act("edit", "operator", _edit),
    Act("scale", "operator", lambda s: s.operations.scale(CHAT, 2)),
    Act("stop", "operator", lambda s: s.operations.scale(CACHED, 0)),
    Act("restart", "operator", lambda s: s.operations.restart(CHAT)),
    Act("pause a rollout", "operator", lambda s: s.operations.pause(CHAT, paused=True)),
    Act("delete", "operator", lambda s: s.operations.delete("ModelDeployment", CACHED.name, CACHED.namespace)),
    Act("chat", "operator", _chat),
    Act("chat with what others made", "operator", lambda s: _chat(s, THEIRS)),
    Act("open a port-forward to an engine", "operator", _forward),
    Act("change the catalogue", "administrator", _catalogue),
    Act("make, list and revoke an API key", "administrator", _keys),
)
RANK: dict[str, int] = {"viewer": 0, "operator": 1, "administrator": 2}


def cached() -> ModelDeployment:
    """One with a cache that is there from the beginning."""
    made = document()
    return made.model_copy(update={"metadata": made.metadata.model_copy(update={"name": CACHED.name})})
