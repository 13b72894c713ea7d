"""Every write to a cluster is recorded, without a secret, and the last one can be undone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from genai_tui.domain.audit import Write
from genai_tui.domain.documents import Model
from genai_tui.domain.keys import KeyRequest
from genai_tui.domain.naming import SPEC_ANNOTATION
from genai_tui.domain.rows import Ref
from genai_tui.errors import BadInput, ChangedMeanwhile, NotFound, PartlyApplied
from genai_tui.files import read_documents
from genai_tui.kube.manifests.deployment import read_deployment
from genai_tui.sandbox import registry
from genai_tui.sandbox.faults import Fault
from genai_tui.sandbox.scenarios import CATALOGUE
from genai_tui.services import Services
from tests.sandbox.serving import Served
from tests.test_disputes import edit, engine_of, kept_document, live, with_variable
from tests.test_operations import connected, document, with_catalogue

EVER = datetime(1970, 1, 1, tzinfo=UTC)
MINE = Ref("default", "mine")
SECRET = "hf_plantedplantedplantedplanted"


@pytest.fixture
async def services(cluster: Served, tmp_path: Path) -> AsyncIterator[Services]:
    opened = await with_catalogue(cluster, tmp_path / "state")
    yield opened
    await opened.close()


async def written(services: Services) -> list[Write]:
    """Newest first."""
    return list(await services.audit.writes(EVER))


async def until_seen(services: Services, ref: Ref, *, there: bool = True) -> None:
    while (services.picture.deployment(ref) is not None) != there:
        await services.settle()


async def test_who_wrote_what_where_and_how_it_came_out(cluster: Served, services: Services) -> None:
    await services.operations.apply(document())
    await until_seen(services, MINE)
    await services.operations.scale(MINE, 2)
    await services.operations.apply(kept_document(cluster))
    await services.operations.restart(MINE)
    await services.operations.delete("ModelDeployment", "mine", "default")
    told = [(row.verb.value, row.reference, row.result) for row in await written(services)]
    assert told[:5] == [
        ("delete", "Deployment default/mine", "deleted"),
        ("patch", "Deployment default/mine", "changed"),
        ("apply", "Deployment default/mine", "changed"),
        ("apply", "Service default/mine", "created"),
        ("apply", "Deployment default/mine", "created"),
    ], "what changes nothing is no write"
    scaled = (await written(services))[2]
    assert (scaled.who, scaled.context, scaled.cluster) == ("admin", "c", services.session.server)
    assert "-  replicas: 1" in scaled.diff
    assert "+  replicas: 2" in scaled.diff
    created, service = (await written(services))[4], (await written(services))[3]
    assert created.act == service.act != scaled.act


async def test_a_refused_write_is_recorded_with_the_reason(cluster: Served, services: Services) -> None:
    cluster.faults.add(Fault(r"PATCH .*/services/mine\?(?!.*dryRun)", status=500))
    with pytest.raises(PartlyApplied):
        await services.operations.apply(document())
    refused, done = (await written(services))[:2]
    assert (refused.reference, refused.result) == ("Service default/mine", "refused")
    assert "cannot do this now" in refused.detail
    assert (done.reference, done.result) == ("Deployment default/mine", "created")


async def test_every_request_that_writes_is_in_the_audit(cluster: Served, services: Services, tmp_path: Path) -> None:
    """Counted at the server: whatever changed an object there is a row here."""
    versions = cluster.call(lambda: cluster.api.objects.version)
    before = len(await written(services))
    await services.operations.apply(document())
    await until_seen(services, MINE)
    await services.operations.scale(MINE, 0)
    key = await services.keys.create(KeyRequest("org-a", "alice"))
    await services.keys.revoke([key.record])
    await services.operations.delete("Organization", "org-b")
    changes = cluster.call(lambda: cluster.api.objects.version) - versions
    assert len(await written(services)) - before == changes == 7


async def test_no_secret_is_kept(cluster: Served, services: Services, tmp_path: Path) -> None:
    await services.operations.apply(document())

    def plant(item: dict[str, Any]) -> None:
        engine_of(item)["env"] = [{"name": "HF_TOKEN", "value": "hunter2"}, {"name": "PLAIN", "value": SECRET}]
        engine_of(item)["args"] = [*engine_of(item)["args"], "--api-key", "hunter3"]
        last = json.dumps({"spec": {"env": "hunter4"}})
        item["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = last

    edit(cluster, plant)
    await until_seen(services, MINE)
    await services.operations.restart(MINE)
    key = await services.keys.create(KeyRequest("org-a", "alice"))
    await services.keys.revoke([key.record])
    await services.operations.delete("ModelDeployment", "mine", "default")
    shown = (await written(services))[-1].diff + "".join(row.diff for row in await written(services))
    assert "HF_TOKEN" in shown
    with closing(sqlite3.connect(tmp_path / "state" / "ledger.db")) as database:
        kept = "\n".join(database.iterdump())
    for secret in ("hunter2", "hunter3", "hunter4", SECRET, key.text):
        assert secret not in kept, secret
    assert "alice" in kept


async def test_a_change_is_undone_to_what_was_before(cluster: Served, services: Services) -> None:
    await services.operations.apply(with_variable("VLLM_LOGGING_LEVEL", "INFO"))
    await services.operations.apply(with_variable("VLLM_LOGGING_LEVEL", "DEBUG", replicas=3))
    plan = await services.audit.last()
    assert (plan.what, plan.refusal) == ("apply Deployment default/mine as it was before", "")
    assert "-  replicas: 3" in plan.diff
    assert "+  replicas: 1" in plan.diff
    await services.audit.undo(plan)
    assert kept_document(cluster).spec.engine.replicas == 1
    assert live(cluster)["spec"]["replicas"] == 1
    # The undo is a write like any other, and can be undone in turn.
    await services.audit.undo(await services.audit.last())
    assert live(cluster)["spec"]["replicas"] == 3
    with pytest.raises(BadInput, match="another write came after"):
        await services.audit.undo(plan)


async def test_what_was_made_is_deleted_and_what_was_deleted_is_made_again(cluster: Served, services: Services) -> None:
    await services.operations.apply(document())
    await until_seen(services, MINE)
    made = await services.audit.last()
    assert made.what == "delete Deployment default/mine with what belongs to it"
    await services.audit.undo(made)
    await until_seen(services, MINE, there=False)
    deleted = await services.audit.last()
    assert deleted.what == "make Deployment default/mine again"
    assert "pods start anew" in deleted.remark
    await services.audit.undo(deleted)
    found = read_deployment("mine", "default", live(cluster)["metadata"]["annotations"])
    assert found == document()


async def test_what_another_changed_since_is_not_undone(cluster: Served, services: Services, tmp_path: Path) -> None:
    await services.operations.apply(document())
    await services.operations.apply(with_variable("A", "1"))
    other = await connected(cluster, "operator", tmp_path / "other")
    try:
        await other.settle()
        await other.operations.apply(with_variable("A", "2"))
    finally:
        await other.close()
    plan = await services.audit.last()
    with pytest.raises(ChangedMeanwhile):
        await services.audit.undo(plan)
    assert engine_of(live(cluster))["env"] == [{"name": "A", "value": "2"}]


async def test_a_number_of_replicas_is_undone_alone_and_not_over_what_came_after(
    cluster: Served, services: Services
) -> None:
    await services.operations.apply(document())
    template = live(cluster)["spec"]["template"]
    await services.operations.scale(MINE, 3)
    plan = await services.audit.last()
    assert (plan.what, plan.refusal) == ("scale Deployment default/mine back to 1", "")
    assert "+  replicas: 3" in plan.diff
    await services.audit.undo(plan)
    assert (live(cluster)["spec"]["replicas"], live(cluster)["spec"]["template"]) == (1, template)
    await services.operations.scale(MINE, 2)
    plan = await services.audit.last()

    def other_console(item: dict[str, Any]) -> None:
        spec = json.loads(item["metadata"]["annotations"][SPEC_ANNOTATION])
        spec["engine"]["contextLength"] = 1024
        item["metadata"]["annotations"][SPEC_ANNOTATION] = json.dumps(spec)

    edit(cluster, other_console)
    with pytest.raises(ChangedMeanwhile):
        await services.audit.undo(plan)
    assert live(cluster)["spec"]["replicas"] == 2


async def test_what_cannot_be_undone_says_why(cluster: Served, services: Services) -> None:
    await services.operations.apply(document())
    await until_seen(services, MINE)
    await services.operations.restart(MINE)
    assert "pods that were replaced do not come back" in (await services.audit.last()).refusal
    await services.operations.pause(MINE, paused=True)
    assert "was paused or resumed: P on the deployment turns that round" in (await services.audit.last()).refusal
    key = await services.keys.create(KeyRequest("org-a", "alice"))
    assert "revoking it" in (await services.audit.last()).refusal
    await services.keys.revoke([key.record])
    plan = await services.audit.last()
    assert "kept nowhere" in plan.refusal
    with pytest.raises(BadInput, match="cannot be undone"):
        await services.audit.undo(plan)


async def test_a_catalogue_entry_is_undone_too(cluster: Served, services: Services) -> None:
    (model,) = [row.document for row in services.picture.models() if row.document is not None][:1]
    assert isinstance(model, Model)
    changed = model.model_copy(update={"spec": model.spec.model_copy(update={"description": "other words"})})
    await services.operations.apply(changed)
    await services.audit.undo(await services.audit.last())
    name = f"model-{model.metadata.name}"
    item = cluster.call(lambda: cluster.api.get(registry.CONFIGMAPS, "genai-tui", name))
    assert json.loads(item["data"]["spec"])["description"] == model.spec.description


async def test_an_empty_record_and_a_ledger_that_fails_are_told(cluster: Served, tmp_path: Path) -> None:
    fresh = await connected(cluster, "admin", tmp_path / "fresh")
    try:
        await fresh.settle()
        with pytest.raises(NotFound, match="nothing was written"):
            await fresh.audit.last()
    finally:
        await fresh.close()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "ledger.db").write_bytes(b"this is no database" * 100)
    broken = await connected(cluster, "admin", tmp_path / "broken")
    try:
        await broken.apply_documents(read_documents(CATALOGUE), False)
        await broken.settle()
        assert "is not in the audit: the ledger" in broken.audit.problem
    finally:
        await broken.close()
