"""Deployments at gateways of the cluster: what of their objects counts as changed elsewhere, and what does not."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from genai_tui.commands.explain import explain
from genai_tui.domain.disputes import Dispute
from genai_tui.files import read_documents
from genai_tui.sandbox import registry
from genai_tui.services import Services
from tests.sandbox.serving import Served
from tests.test_enforcing import REF, document, endpoint, judged, opened, run_controllers, with_gateways

Json = dict[str, Any]
ROUTES = {
    "envoy-ai-gateway": ("aigateway.envoyproxy.io/v1beta1", "AIGatewayRoute"),
    "kuadrant": ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    None: ("gateway.networking.k8s.io/v1", "HTTPRoute"),
}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Served]:
    with with_gateways(tmp_path) as server:
        yield server


@pytest.fixture(params=[*ROUTES])
async def services(cluster: Served, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Services]:
    """With the deployment applied, and looked at by every controller."""
    found = await opened(cluster, tmp_path / "state", request.param)
    await found.operations.apply(document())
    while found.picture.deployment(REF) is None:
        await found.settle()
    run_controllers(cluster)
    yield found
    await found.close()


def edit(cluster: Served, api_version: str, kind: str, change: Callable[[Json], object]) -> None:
    """What `kubectl edit` does."""
    resource = registry.by_kind(api_version, kind)
    assert resource is not None

    def run() -> None:
        item = copy.deepcopy(cluster.api.get(resource, REF.namespace, REF.name))
        change(item)
        cluster.api.update(resource, REF.namespace, REF.name, item, manager="kubectl-edit")

    cluster.call(run)


async def changed(services: Services) -> list[Dispute]:
    return list((await services.operations.drift(REF)).fields)


async def explained(services: Services, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    await explain(services, REF.name, REF.namespace, "table")
    return capsys.readouterr().out


async def test_what_the_server_fills_into_items_of_lists_is_no_change(
    cluster: Served, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await services.diff_documents([document()]) == ""
    assert await changed(services) == []
    assert "changed" not in await explained(services, capsys)
    found = await judged(services, cluster)
    assert all(condition.good for condition in found.conditions), found.conditions


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda rules: rules[0]["backendRefs"][0].update(weight=7), id="a default that is another"),
        pytest.param(lambda rules: rules[0]["backendRefs"][0].update(name="other"), id="a value of ours"),
        pytest.param(lambda rules: rules.append(copy.deepcopy(rules[0])), id="one more"),
    ],
)
async def test_a_change_within_a_list_is_told_with_its_object(
    cluster: Served,
    services: Services,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[list[Json]], object],
    request: pytest.FixtureRequest,
) -> None:
    api_version, kind = ROUTES[request.node.callspec.params["services"]]
    edit(cluster, api_version, kind, lambda item: change(item["spec"]["rules"]))
    (found,) = await changed(services)
    assert (found.reference, found.path, found.manager) == (f"{kind} default/chat", ".spec.rules", "kubectl-edit")
    assert f"changed    {kind} default/chat .spec.rules: " in await explained(services, capsys)


@pytest.mark.parametrize("services", ["envoy-ai-gateway"], indirect=True)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda rules: rules.reverse(), id="another order"),
        pytest.param(lambda rules: rules.pop(), id="one less"),
        pytest.param(lambda rules: rules[0]["clientSelectors"][0]["headers"][0].update(invert=True), id="turned round"),
    ],
)
async def test_a_limit_that_was_changed_is_told(
    cluster: Served, services: Services, change: Callable[[list[Json]], object]
) -> None:
    def edited(item: Json) -> None:
        change(item["spec"]["rateLimit"]["global"]["rules"])

    edit(cluster, "gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy", edited)
    (found,) = await changed(services)
    assert (found.reference, found.manager) == ("BackendTrafficPolicy default/chat", "kubectl-edit")
    told = (await judged(services, cluster)).line
    assert "BackendTrafficPolicy default/chat: it differs from the deployment's spec" in told


@pytest.mark.parametrize("services", ["kuadrant"], indirect=True)
async def test_what_an_earlier_apply_made_otherwise_is_told(services: Services) -> None:
    """The endpoint is at another Gateway by now, and the deployment was not applied again."""
    moved = endpoint("kuadrant").replace("name: genai", "name: other")
    assert moved != endpoint("kuadrant")
    await services.apply_documents(read_documents(moved), False)
    while not any(
        row.name == "public"
        and row.document
        and row.document.spec.gateway
        and row.document.spec.gateway.name == "other"
        for row in services.picture.endpoints()
    ):
        await services.settle()
    found = {(one.reference, one.path): one.holder for one in await changed(services)}
    assert found["HTTPRoute default/chat", ".spec.parentRefs"] == "an earlier apply"
