"""Applying documents to a served cluster: what is refused leaves nothing behind, what breaks halfway is named."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from genai_tui.composition import build_services
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.model_secrets import MissingSecret
from genai_tui.domain.naming import MANAGER, SPEC_ANNOTATION
from genai_tui.domain.preflight import Check, Level
from genai_tui.domain.rows import Ref
from genai_tui.errors import BadInput, Conflict, NotPermitted, PartlyApplied, Refused
from genai_tui.files import read_documents
from genai_tui.kube import ownership, writes
from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import resolve
from genai_tui.sandbox import registry
from genai_tui.sandbox.faults import Fault
from genai_tui.sandbox.nodes import H100, node
from genai_tui.sandbox.scenarios import CATALOGUE
from genai_tui.services import Services
from genai_tui.settings import Settings
from tests.inference.engine_server import Exchange, answer, serve
from tests.sandbox.serving import Served

DEPLOYMENT = {
    "apiVersion": "genai-tui.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "mine", "namespace": "default"},
    "spec": {
        "model": "smollm2-135m",
        "endpoint": "internal",
        "engine": {"type": "vllm", "image": "vllm/vllm-openai:v0.33.0", "replicas": 1, "contextLength": 4096},
        "resources": {"cpu": "2", "memory": "4Gi", "gpu": 1},
    },
}


async def connected(cluster: Served, role: str, state: Path) -> Services:
    services = build_services(Settings(kubeconfig=str(cluster.kubeconfig(role)), state=state))
    await services.start()
    return services


async def with_catalogue(cluster: Served, state: Path) -> Services:
    """The administrator's services once the models and endpoints of the sandbox are there and seen."""
    opened = await connected(cluster, "admin", state)
    await opened.apply_documents(read_documents(CATALOGUE), False)
    while not opened.picture.models() or not opened.picture.endpoints():
        await opened.settle()
    return opened


@pytest.fixture
async def services(cluster: Served, tmp_path: Path) -> AsyncIterator[Services]:
    opened = await with_catalogue(cluster, tmp_path / "state")
    yield opened
    await opened.close()


def document(**metadata: str) -> ModelDeployment:
    given: dict[str, Any] = DEPLOYMENT | {"metadata": DEPLOYMENT["metadata"] | metadata}  # type: ignore[operator]
    (found,) = read_documents(yaml.safe_dump(given))
    assert isinstance(found, ModelDeployment)
    return found


def written(cluster: Served) -> list[str]:
    kinds = (registry.DEPLOYMENTS, registry.SERVICES)
    return cluster.call(
        lambda: [f"{r.plural}/{o['metadata']['name']}" for r in kinds for o in cluster.api.objects.list(r)]
    )


async def test_an_apply_writes_everything_owned_by_the_deployment(cluster: Served, services: Services) -> None:
    done = await services.operations.apply(document())
    assert done.outcomes == {"Deployment default/mine": "created", "Service default/mine": "created"}
    service = cluster.call(lambda: cluster.api.get(registry.SERVICES, "default", "mine"))
    deployment = cluster.call(lambda: cluster.api.get(registry.DEPLOYMENTS, "default", "mine"))
    assert [owner["uid"] for owner in service["metadata"]["ownerReferences"]] == [deployment["metadata"]["uid"]]
    assert set((await services.operations.apply(document())).outcomes.values()) == {"unchanged"}


async def test_the_review_knows_from_the_hub_that_heads_cannot_be_split(
    cluster: Served, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "hidden_size": 576}

    def hub(exchange: Exchange) -> None:
        asked = config if b"/config.json " in exchange.request else {"id": "smollm2", "gated": False}
        answer("200 OK", json.dumps(asked).encode())(exchange)

    first = document()
    wanted = first.model_copy(
        update={"spec": first.spec.model_copy(update={"resources": first.spec.resources.model_copy(update={"gpu": 2})})}
    )
    with serve(hub, hub) as served_hub:
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setenv("HF_ENDPOINT", served_hub.url)
        for _ in range(2):
            checks = {check.about: check for check in (await services.operations.preview(wanted)).checks}
            assert checks["tensor parallel"].level is Level.STOP
            assert "9 attention heads cannot be split over 2 GPUs" in checks["tensor parallel"].text
            assert checks["hub token"].level is Level.OK
    assert len(served_hub.exchanges) == 2, "of one repository it is asked once"


async def test_auto_takes_free_gpus_where_pods_are_replaced_and_leaves_it_so_where_they_are_not(
    cluster: Served, services: Services
) -> None:
    def how() -> tuple[str, object]:
        strategy = live(cluster)["spec"]["strategy"]
        return strategy["type"], (strategy.get("rollingUpdate") or {}).get("maxSurge")

    async def seen(true: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not true():
                await services.settle()
                await asyncio.sleep(0.02)

    def hold(name: str, gpus: int) -> None:
        limits = {"limits": {"nvidia.com/gpu": str(gpus)}}
        spec = {"nodeName": "gpu-1", "containers": [{"name": "c", "image": "i", "resources": limits}]}
        pod = cluster.api.create(registry.PODS, "default", {"metadata": {"name": name}, "spec": spec})
        cluster.api.update_status(registry.PODS, "default", pod["metadata"]["name"], {"phase": "Running"})

    cluster.call(lambda: cluster.api.create(registry.NODES, "", node("gpu-1", H100, 2, "2026-11-24T10:00:00Z")))
    await seen(lambda: any(row.gpu_free == 2 for row in services.picture.nodes()))
    await services.operations.apply(with_engine(context_length=4096))
    assert how() == ("RollingUpdate", 1), "two are free, one is wanted"
    await seen(lambda: services.picture.deployment(Ref("default", "mine")))
    cluster.call(lambda: hold("of-others", 2))
    await seen(lambda: any(row.gpu_free == 0 for row in services.picture.nodes()))
    again = await services.operations.apply(with_engine(context_length=4096))
    assert set(again.outcomes.values()) == {"unchanged"}, "the pods stay, and so does how they would be replaced"
    assert (await services.operations.drift(Ref("default", "mine"))).fields == ()
    await services.operations.apply(with_engine(context_length=2048))
    assert how() == ("Recreate", None), "none is free: the old pod has to go first"
    await services.operations.scale(Ref("default", "mine"), 0)
    assert how() == ("Recreate", None)


async def test_a_refusal_of_the_last_object_leaves_nothing_behind(cluster: Served, services: Services) -> None:
    cluster.faults.add(Fault("PATCH .*/services/mine.*dryRun", status=500))
    with pytest.raises(Refused):
        await services.operations.apply(document())
    assert written(cluster) == []


async def test_what_breaks_halfway_is_named(cluster: Served, services: Services) -> None:
    cluster.faults.add(Fault(r"PATCH .*/services/mine\?(?!.*dryRun)", status=500))
    with pytest.raises(PartlyApplied) as caught:
        await services.operations.apply(document())
    assert caught.value.created == ("Deployment default/mine",)
    assert caught.value.missing == ("Service default/mine",)
    assert written(cluster) == ["deployments/mine"]
    done = await services.operations.apply(document())
    assert done.outcomes == {"Deployment default/mine": "unchanged", "Service default/mine": "created"}


async def test_a_namespace_that_does_not_exist_is_a_problem_of_its_field(cluster: Served, services: Services) -> None:
    with pytest.raises(BadInput, match="namespace 'defualt' does not exist; did you mean 'default'") as caught:
        await services.operations.apply(document(namespace="defualt"))
    assert caught.value.fields[0].field == "metadata.namespace"


async def test_who_may_not_write_is_told_what_is_missing(cluster: Served, services: Services, tmp_path: Path) -> None:
    viewer = await connected(cluster, "viewer", tmp_path / "viewer")
    try:
        await viewer.settle()
        with pytest.raises(NotPermitted, match=r"vera may not patch deployments.apps in namespace default"):
            await viewer.operations.apply(document())
    finally:
        await viewer.close()
    assert written(cluster) == []


def live(cluster: Served) -> Any:
    return cluster.call(lambda: cluster.api.get(registry.DEPLOYMENTS, "default", "mine"))


def with_engine(**changed: Any) -> ModelDeployment:
    first = document()
    engine = first.spec.engine.model_copy(update=changed)
    return first.model_copy(update={"spec": first.spec.model_copy(update={"engine": engine})})


async def test_a_stop_notes_how_many_replicas_there_were_and_a_pause_outlives_an_edit(
    cluster: Served, services: Services
) -> None:
    operations, ref = services.operations, Ref("default", "mine")
    await operations.apply(with_engine(replicas=3))
    await operations.scale(ref, 0)
    assert live(cluster)["spec"]["replicas"] == 0
    await until(lambda: stopped_from(services, ref) == 3)
    await operations.scale(ref, 3)
    await operations.pause(ref, paused=True)
    await operations.apply(with_engine(replicas=3, context_length=2048))
    assert live(cluster)["spec"]["paused"] is True
    before = live(cluster)["spec"]["template"]
    with pytest.raises(Refused, match="cannot be restarted") as caught:
        await operations.restart(ref)
    assert "resume it first" in (caught.value.problem.why or "")
    assert live(cluster)["spec"]["template"] == before
    await operations.pause(ref, paused=False)
    assert "paused" not in live(cluster)["spec"]


async def test_another_number_of_replicas_changes_nothing_that_another_version_rendered(
    cluster: Served, services: Services
) -> None:
    """An upgrade of the console renders a pod otherwise; to scale must not restart what runs."""
    operations, ref = services.operations, Ref("default", "mine")
    await operations.apply(document())
    older = ownership.applied(live(cluster), MANAGER)
    (engine,) = older["spec"]["template"]["spec"]["containers"]
    engine["args"] = [*engine["args"], "--made-by-another-version"]
    engine["env"] = [*(engine.get("env") or []), {"name": "OLDER", "value": "1"}]
    del older["spec"]["template"]["spec"]["enableServiceLinks"]
    async with Connection(resolve(str(cluster.kubeconfig("admin")), None)) as connection:
        await writes.apply(connection, older)
    before = live(cluster)
    await operations.scale(ref, 3)
    after = live(cluster)
    # How many may be missing during a rollout follows from the number; the pods are as they were.
    assert after["spec"] == before["spec"] | {"replicas": 3, "strategy": after["spec"]["strategy"]}
    annotations = after["metadata"]["annotations"]
    assert json.loads(annotations[SPEC_ANNOTATION])["engine"]["replicas"] == 3
    assert (
        ownership.applied(after, MANAGER)["spec"]["template"] == ownership.applied(before, MANAGER)["spec"]["template"]
    )
    await operations.scale(ref, 0)
    assert live(cluster)["spec"]["template"] == before["spec"]["template"]


def stopped_from(services: Services, ref: Ref) -> int | None:
    detail = services.picture.deployment(ref)
    return detail.workload.before_stop if detail is not None else None


async def until(true: Callable[[], bool]) -> None:
    """Wait for what the watch brings."""
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.02)


async def test_the_preflight_reads_what_a_deployment_needs(cluster: Served, services: Services, tmp_path: Path) -> None:
    secret = {"name": "HF_TOKEN", "secret": {"name": "hf", "key": "token"}}
    quota = {"hard": {"requests.nvidia.com/gpu": "0", "pods": "10"}}

    def stage() -> None:
        cluster.api.create(
            registry.SECRETS,
            "default",
            {"metadata": {"name": "hf"}, "data": {"other": "c3VycHJpc2U="}},
        )
        cluster.api.create(registry.QUOTAS, "default", {"metadata": {"name": "tight"}, "spec": quota})

    cluster.call(stage)
    given: dict[str, Any] = yaml.safe_load(yaml.safe_dump(DEPLOYMENT))
    given["spec"]["advanced"] = {"env": [secret], "cache": {"claim": "models"}}
    (wanted,) = read_documents(yaml.safe_dump(given))
    checks = {check.about: check for check in (await services.operations.preview(wanted)).checks}
    assert {about: str(check.level) for about, check in checks.items()} == {
        "placement": "unknown",
        "start-up": "ok",
        "secret hf": "stop",
        "volume claim models": "stop",
        "quota tight": "stop",
    }
    assert checks["secret hf"].text == "it has no key token, which HF_TOKEN needs"
    assert "surprise" not in repr(checks)
    assert "c3VycHJpc2U=" not in repr(checks)

    missing = checks["secret hf"].missing
    assert missing is not None
    assert missing.exists, "it is somebody's: a key is added, it is not made over"

    viewer = await connected(cluster, "viewer", tmp_path / "looking")
    try:
        await viewer.settle()
        ((found),) = (await viewer.operations.preflight([wanted])).values()
        (told,) = [check for check in found if check.about == "secret hf"]
        assert (str(told.level), told.text) == ("unknown", "you are not permitted to look")
    finally:
        await viewer.close()


async def test_a_missing_secret_is_made_and_the_preflight_is_content(
    cluster: Served,
    services: Services,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    value = "hf_planted0123456789planted"
    given: dict[str, Any] = yaml.safe_load(yaml.safe_dump(DEPLOYMENT))
    given["spec"]["advanced"] = {"env": [{"name": "HF_TOKEN", "secret": {"name": "hf", "key": "token"}}]}
    (wanted,) = read_documents(yaml.safe_dump(given))

    async def told() -> Check:
        return next(c for c in (await services.operations.preview(wanted)).checks if c.about == "secret hf")

    missing = MissingSecret("default", "hf", "token", "HF_TOKEN")
    assert (await told()).missing == missing
    with pytest.raises(BadInput, match="nothing is typed"):
        await services.secrets.make(missing, "")
    with pytest.raises(BadInput, match="line breaks"):
        await services.secrets.make(missing, "two words")
    monkeypatch.setenv("HF_TOKEN", value)
    assert await services.secrets.at_hand(missing) == "$HF_TOKEN"
    await services.secrets.make(missing, "")
    made = cluster.call(lambda: cluster.api.get(registry.SECRETS, "default", "hf"))
    assert base64.b64decode(made["data"]["token"]).decode() == value
    assert ((await told()).level, (await told()).missing) == (Level.OK, None)
    with pytest.raises(Conflict, match="Secret default/hf exists by now"):
        await services.secrets.make(missing, "another")
    assert base64.b64decode(cluster.call(lambda: cluster.api.get(registry.SECRETS, "default", "hf"))["data"]["token"])
    given["spec"]["advanced"]["env"][0]["secret"]["key"] = "hf_token"
    (wanted,) = read_documents(yaml.safe_dump(given))
    lacking = MissingSecret("default", "hf", "hf_token", "HF_TOKEN", exists=True)
    assert (await told()).missing == lacking
    await services.secrets.make(lacking, f"{value}-2")
    made = cluster.call(lambda: cluster.api.get(registry.SECRETS, "default", "hf"))
    assert {key: base64.b64decode(text).decode() for key, text in made["data"].items()} == {
        "token": value, "hf_token": f"{value}-2",
    }  # fmt: skip
    assert ((await told()).level, (await told()).missing) == (Level.OK, None)
    with pytest.raises(Conflict, match="has the key hf_token by now"):
        await services.secrets.make(lacking, "another")
    rows = await services.audit.writes(datetime(1970, 1, 1, tzinfo=UTC))
    assert [(row.reference, row.result) for row in rows if row.kind == "Secret"] == [
        ("Secret default/hf", "changed"), ("Secret default/hf", "refused"), ("Secret default/hf", "created"),
    ]  # fmt: skip
    written = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    for form in (value.encode(), base64.b64encode(value.encode())):
        assert form not in written
    assert value not in caplog.text

    viewer = await connected(cluster, "viewer", tmp_path / "viewer")
    try:
        await viewer.settle()
        await viewer.access.check("default")
        assert "may not create secrets in namespace default" in viewer.secrets.refusal(missing)
        with pytest.raises(NotPermitted, match="create secrets"):
            await viewer.secrets.make(missing, value)
    finally:
        await viewer.close()
