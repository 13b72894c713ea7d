"""Others write to the same deployment: nothing of theirs is lost, and nothing is taken without a decision."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from genai_tui.domain.disputes import Stand, all_of
from genai_tui.domain.documents import ModelDeployment, Organization
from genai_tui.domain.drafts import ORGANIZATION_FORM
from genai_tui.domain.merging import merge
from genai_tui.domain.naming import BEFORE_STOP_ANNOTATION
from genai_tui.domain.rows import Ref
from genai_tui.errors import ChangedMeanwhile, Disputed
from genai_tui.kube.manifests.deployment import read_deployment
from genai_tui.sandbox import registry
from genai_tui.services import Services
from tests.sandbox.serving import Served
from tests.test_operations import connected, document, with_catalogue

Json = dict[str, Any]
MINE = Ref("default", "mine")
IMAGE = '.spec.template.spec.containers[name="engine"].image'


@pytest.fixture
async def services(cluster: Served, tmp_path: Path) -> AsyncIterator[Services]:
    opened = await with_catalogue(cluster, tmp_path / "state")
    await opened.operations.apply(with_variable("VLLM_LOGGING_LEVEL", "INFO"))
    yield opened
    await opened.close()


def with_variable(name: str, value: str, **engine: object) -> ModelDeployment:
    given = document().model_dump(mode="json")
    given["spec"]["advanced"]["env"] = [{"name": name, "value": value}]
    given["spec"]["engine"] |= engine
    return ModelDeployment.model_validate(given)


def edit(cluster: Served, change: Callable[[Json], object], manager: str = "kubectl-edit") -> None:
    """What `kubectl edit` does: the whole object, changed, by another manager."""

    def run() -> None:
        live = cluster.api.get(registry.DEPLOYMENTS, "default", "mine")
        item = copy.deepcopy(live)
        change(item)
        cluster.api.update(registry.DEPLOYMENTS, "default", "mine", item, manager=manager)

    cluster.call(run)


def engine_of(item: Json) -> Json:
    container: Json = item["spec"]["template"]["spec"]["containers"][0]
    return container


def live(cluster: Served) -> Json:
    return cluster.call(lambda: cluster.api.get(registry.DEPLOYMENTS, "default", "mine"))


def kept_document(cluster: Served) -> ModelDeployment:
    item = live(cluster)
    found = read_deployment("mine", "default", item["metadata"]["annotations"])
    assert found is not None
    return found


async def disputed(services: Services, wanted: ModelDeployment) -> Disputed:
    with pytest.raises(Disputed) as caught:
        await services.operations.apply(wanted)
    return caught.value


async def test_a_field_of_another_is_named_and_nothing_is_written(cluster: Served, services: Services) -> None:
    edit(cluster, lambda item: engine_of(item).update(image="vllm/vllm-openai:v0.34.0"))
    before = live(cluster)
    error = await disputed(services, with_variable("VLLM_LOGGING_LEVEL", "DEBUG"))
    (found,) = error.disputes
    assert (found.reference, found.path, found.manager, found.field) == (
        "Deployment default/mine", IMAGE, "kubectl-edit", "engine.image"
    )  # fmt: skip
    assert (found.theirs, found.ours) == ("vllm/vllm-openai:v0.34.0", "vllm/vllm-openai:v0.33.0")
    assert "kubectl-edit" in error.problem.line
    assert live(cluster) == before


async def test_theirs_is_kept_in_the_cluster_and_in_the_spec(cluster: Served, services: Services) -> None:
    edit(cluster, lambda item: engine_of(item).update(image="vllm/vllm-openai:v0.34.0"))
    wanted = with_variable("VLLM_LOGGING_LEVEL", "DEBUG")
    error = await disputed(services, wanted)
    await services.operations.apply(wanted, resolution=all_of(error.disputes, Stand.THEIRS))
    assert engine_of(live(cluster))["image"] == "vllm/vllm-openai:v0.34.0"
    assert engine_of(live(cluster))["env"] == [{"name": "VLLM_LOGGING_LEVEL", "value": "DEBUG"}]
    assert kept_document(cluster).spec.engine.image == "vllm/vllm-openai:v0.34.0"
    # Agreed upon: nobody is asked again.
    again = kept_document(cluster)
    assert set((await services.operations.apply(again)).outcomes.values()) == {"unchanged"}


async def test_ours_is_taken_where_it_was_decided_and_only_there(cluster: Served, services: Services) -> None:
    def change(item: Json) -> None:
        engine_of(item).update(image="vllm/vllm-openai:v0.34.0")
        engine_of(item)["livenessProbe"]["failureThreshold"] = 99

    edit(cluster, change)
    wanted = with_variable("VLLM_LOGGING_LEVEL", "INFO")
    error = await disputed(services, wanted)
    assert {dispute.path.rsplit(".", 1)[1] for dispute in error.disputes} == {"image", "failureThreshold"}
    decisions = {d.key: Stand.OURS if d.path == IMAGE else Stand.THEIRS for d in error.disputes}
    await services.operations.apply(wanted, resolution=decisions)
    engine = engine_of(live(cluster))
    assert (engine["image"], engine["livenessProbe"]["failureThreshold"]) == ("vllm/vllm-openai:v0.33.0", 99)


async def test_what_another_removed_is_asked_about_too(cluster: Served, services: Services) -> None:
    """Nobody owns a field that is gone: the server would let it come back without a word."""
    edit(cluster, lambda item: engine_of(item).pop("env"))
    wanted = with_variable("VLLM_LOGGING_LEVEL", "INFO", replicas=2)
    (found,) = (await disputed(services, wanted)).disputes
    assert (found.theirs, found.ours, found.manager) == (None, "INFO", "")
    await services.operations.apply(wanted, resolution={found.key: Stand.THEIRS})
    assert "env" not in engine_of(live(cluster))
    assert kept_document(cluster).spec.advanced.env == ()
    assert kept_document(cluster).spec.engine.replicas == 2


async def test_what_others_add_stays_without_a_question(cluster: Served, services: Services) -> None:
    edit(cluster, lambda item: item["metadata"]["labels"].update(team="search"))
    await services.operations.apply(with_variable("VLLM_LOGGING_LEVEL", "DEBUG"))
    assert live(cluster)["metadata"]["labels"]["team"] == "search"


async def test_what_another_console_saved_is_not_written_over(
    cluster: Served, services: Services, tmp_path: Path
) -> None:
    base = kept_document(cluster)
    other = await connected(cluster, "operator", tmp_path / "other")
    try:
        await other.settle()
        await other.operations.apply(with_variable("VLLM_LOGGING_LEVEL", "INFO", contextLength=2048), base=base)
    finally:
        await other.close()
    before = live(cluster)
    with pytest.raises(ChangedMeanwhile) as caught:
        await services.operations.apply(with_variable("VLLM_LOGGING_LEVEL", "DEBUG"), base=base)
    assert isinstance(caught.value.live, ModelDeployment)
    assert caught.value.live.spec.engine.context_length == 2048
    assert live(cluster) == before


async def test_a_status_that_moves_on_is_no_change(cluster: Served, services: Services) -> None:
    base = kept_document(cluster)

    def churn(round_: int) -> None:
        status = {"observedGeneration": round_}
        cluster.call(lambda: cluster.api.update_status(registry.DEPLOYMENTS, "default", "mine", status))

    async def churning() -> None:
        for round_ in range(3):
            await asyncio.to_thread(churn, round_ + 1)

    moving = asyncio.create_task(churning())
    await services.operations.apply(with_variable("VLLM_LOGGING_LEVEL", "DEBUG"), base=base)
    await moving
    assert engine_of(live(cluster))["env"][0]["value"] == "DEBUG"


async def test_scaling_keeps_what_another_console_saved(cluster: Served, services: Services) -> None:
    """The picture may be behind: what is live is scaled, not what was seen."""
    edit_spec = with_variable("VLLM_LOGGING_LEVEL", "INFO", contextLength=2048)
    await services.operations.apply(edit_spec)
    await services.operations.scale(MINE, 3)
    assert kept_document(cluster).spec.engine.context_length == 2048
    assert live(cluster)["spec"]["replicas"] == 3
    edit(cluster, lambda item: item["spec"].update(replicas=5), manager="kubectl")
    with pytest.raises(Disputed) as caught:
        await services.operations.scale(MINE, 4)
    assert [(d.path, d.theirs, d.ours) for d in caught.value.disputes] == [(".spec.replicas", "5", "4")]
    version = live(cluster)["metadata"]["resourceVersion"]
    with pytest.raises(Disputed) as stopping:
        await services.operations.scale(MINE, 0)
    assert live(cluster)["metadata"]["resourceVersion"] == version
    await services.operations.scale(MINE, 0, all_of(stopping.value.disputes, Stand.OURS))
    assert live(cluster)["spec"]["replicas"] == 0
    assert live(cluster)["metadata"]["annotations"][BEFORE_STOP_ANNOTATION] == "5"


async def test_drift_is_told_field_by_field_taken_or_put_back(cluster: Served, services: Services) -> None:
    assert (await services.operations.drift(MINE)).fields == ()

    def change(item: Json) -> None:
        engine_of(item).update(image="vllm/vllm-openai:v0.34.0")
        engine_of(item)["args"] = [*engine_of(item)["args"], "--gpu-memory-utilization=0.8"]
        engine_of(item)["livenessProbe"]["failureThreshold"] = 99
        item["spec"]["replicas"] = 3

    edit(cluster, change)
    drift = await services.operations.drift(MINE)
    assert {(found.path.rsplit(".", 1)[1], found.manager) for found in drift.fields} == {
        ("image", "kubectl-edit"), ("args", "kubectl-edit"), ("failureThreshold", "kubectl-edit"),
        ("replicas", "kubectl-edit"),
    }  # fmt: skip
    assert drift.texts == {
        "engine.image": "vllm/vllm-openai:v0.34.0",
        "engine.replicas": "3",
        "advanced.extraArgs": "--gpu-memory-utilization=0.8",
    }, "the form holds these; the probe it does not"
    base = kept_document(cluster)
    await services.operations.apply(base, base=base, resolution=all_of(drift.fields, Stand.OURS))
    assert (await services.operations.drift(MINE)).fields == ()
    assert engine_of(live(cluster))["image"] == "vllm/vllm-openai:v0.33.0"
    edit(cluster, lambda item: engine_of(item)["resources"]["requests"].update(cpu="2000m"))
    assert (await services.operations.drift(MINE)).fields == (), "2000m is 2"
    edit(cluster, lambda item: engine_of(item)["env"].append({"name": "DEBUG", "value": "1"}), "kubectl-set")
    added = await services.operations.drift(MINE)
    assert [(found.theirs, found.ours, found.manager) for found in added.fields] == [("1", None, "kubectl-set")]
    assert added.texts == {"advanced.env": "VLLM_LOGGING_LEVEL=INFO\nDEBUG=1"}
    assert added.restorable == (), "an apply leaves what others add"
    edit(cluster, lambda item: engine_of(item)["env"].pop())
    cluster.call(lambda: cluster.api.delete(registry.SERVICES, "default", "mine"))
    (gone,) = (await services.operations.drift(MINE)).fields
    assert (gone.reference, gone.theirs) == ("Service default/mine", None)


async def test_two_edits_of_one_organization_do_not_lose_a_user(cluster: Served, services: Services) -> None:
    (base,) = [row.document for row in services.picture.organizations() if row.name == "org-a" and row.document]

    def with_user(name: str) -> Organization:
        return base.model_copy(update={"spec": base.spec.model_copy(update={"users": (*base.spec.users, name)})})

    await services.operations.apply(with_user("dora"), base=base)
    with pytest.raises(ChangedMeanwhile) as caught:
        await services.operations.apply(with_user("emil"), base=base)
    live = caught.value.live
    assert isinstance(live, Organization)
    assert "dora" in live.spec.users
    texts = [ORGANIZATION_FORM.write(found) for found in (base, live, with_user("emil"))]
    merged = merge(ORGANIZATION_FORM.fields, *texts)
    assert merged.disputes == ()
    both = ORGANIZATION_FORM.read(merged.draft).document
    assert both is not None
    assert set(both.spec.users) == {*base.spec.users, "dora", "emil"}
    await services.operations.apply(both, base=live)


async def test_a_part_that_was_removed_whole_is_one_question(cluster: Served, services: Services) -> None:
    def change(item: Json) -> None:
        engine_of(item).pop("livenessProbe")
        item["spec"]["minReadySeconds"] = 3

    edit(cluster, change)
    (found, added) = (await services.operations.drift(MINE)).fields
    assert (found.path, found.theirs) == ('.spec.template.spec.containers[name="engine"].livenessProbe', None)
    assert (found.manager, found.holder) == ("", "kubectl-edit?"), "who removed it is not kept anywhere"
    assert (added.path, added.ours) == (".spec.minReadySeconds", None)
    wanted = with_variable("VLLM_LOGGING_LEVEL", "DEBUG")
    error = await disputed(services, wanted)
    await services.operations.apply(wanted, resolution=all_of(error.disputes, Stand.THEIRS))
    assert "livenessProbe" not in engine_of(live(cluster))
    error = await disputed(services, wanted)
    await services.operations.apply(wanted, resolution=all_of(error.disputes, Stand.OURS))
    assert engine_of(live(cluster))["livenessProbe"]["failureThreshold"] == 10


async def test_a_secret_that_others_put_there_is_not_shown(cluster: Served, services: Services) -> None:
    def plant(item: Json) -> None:
        engine_of(item)["env"].append({"name": "MY_PASSWORD", "value": "hunter2"})
        engine_of(item)["args"] = [*engine_of(item)["args"], "--api-key", "hunter3", "--api-key=hunter4"]
        engine_of(item)["image"] = "vllm/vllm-openai:hf_plantedplanted"

    edit(cluster, plant)
    error = await disputed(services, with_variable("VLLM_LOGGING_LEVEL", "DEBUG"))
    drift = await services.operations.drift(MINE)
    told = repr(error.disputes) + repr(drift.fields) + error.problem.detail
    for secret in ("hunter2", "hunter3", "hunter4", "hf_planted"):
        assert secret not in told, secret
    assert "MY_PASSWORD" in told
