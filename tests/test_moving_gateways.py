"""A deployment moves from one gateway of the cluster to another: a route is there afterwards, and nothing is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from genai_tui import enforcing
from genai_tui.domain.enforcement import AI_ROUTE, HTTP_ROUTE, Backend, ServedKind
from genai_tui.errors import Disputed, PartlyApplied
from genai_tui.files import read_documents
from genai_tui.sandbox import registry
from genai_tui.sandbox.objects import Change
from genai_tui.sandbox.policies import CONTROLLER
from genai_tui.services import Services
from tests.sandbox.serving import Served
from tests.test_enforcing import REF, document, endpoint, judged, opened, run_controllers, with_gateways

Json = dict[str, Any]
ENVOY, KUADRANT = "envoy-ai-gateway", "kuadrant"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Served]:
    """Its controllers act at once, as those of a real cluster do while an apply is going on."""
    with with_gateways(tmp_path) as server:

        def act(_: Change) -> None:
            asyncio.get_running_loop().call_soon(server.api.clock.advance, 0)

        server.call(lambda: server.api.objects.subscribe(act))
        yield server


@pytest.fixture(params=[ENVOY, KUADRANT])
async def services(cluster: Served, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Services]:
    """With the deployment at its first gateway."""
    found = await opened(cluster, tmp_path / "state", request.param)
    await found.operations.apply(document())
    before = await judged(found, cluster)
    assert all(condition.good for condition in before.conditions), before.conditions
    yield found
    await found.close()


def live(cluster: Served, kind: ServedKind, name: str = REF.name) -> Json | None:
    resource = registry.by_kind(kind.api_version, kind.kind)
    assert resource is not None
    return cluster.call(lambda: cluster.api.objects.get(resource, REF.namespace, name))


def put(cluster: Served, kind: ServedKind, item: Json, manager: str) -> None:
    resource = registry.by_kind(kind.api_version, kind.kind)
    assert resource is not None
    name = item["metadata"]["name"]
    there = live(cluster, kind, name) is not None
    cluster.call(
        lambda: (
            cluster.api.update(resource, REF.namespace, name, item, manager=manager)
            if there
            else cluster.api.create(resource, REF.namespace, item, manager=manager)
        )
    )


async def move(services: Services, enforcement: str | None) -> None:
    """The endpoint is at another gateway from now on."""
    await services.apply_documents(read_documents(endpoint(enforcement)), False)
    wanted = Backend(enforcement) if enforcement else None
    while not any(
        row.name == "public" and row.document is not None and row.document.spec.enforcement == wanted
        for row in services.picture.endpoints()
    ):
        await services.settle()


async def all_good(services: Services, cluster: Served, backend: Backend) -> None:
    found = await judged(services, cluster)
    assert found.line.startswith(f"{backend.label}: ")
    assert all(condition.good for condition in found.conditions), found.conditions
    assert any(condition.reference == "HTTPRoute default/chat" for condition in found.conditions)


@pytest.mark.parametrize("services", [KUADRANT], indirect=True)
async def test_from_kuadrant_to_envoy(cluster: Served, services: Services) -> None:
    await move(services, ENVOY)
    preview = await services.operations.preview(document())
    assert (preview.refusal, preview.disputes) == (None, ())
    assert preview.outcomes["AIGatewayRoute default/chat"] == "created"
    done = (await services.operations.apply(document())).outcomes
    assert done["AIGatewayRoute default/chat"] == "created"
    assert {name for name, outcome in done.items() if outcome == "removed"} == {
        "HTTPRoute default/chat", "AuthPolicy default/chat", "RateLimitPolicy default/chat",
        "TokenRateLimitPolicy default/chat",
    }  # fmt: skip
    await all_good(services, cluster, Backend.ENVOY)
    made = live(cluster, HTTP_ROUTE)
    assert made is not None
    assert [owner["kind"] for owner in made["metadata"]["ownerReferences"]] == ["AIGatewayRoute"]
    assert set((await services.operations.apply(document())).outcomes.values()) == {"unchanged"}
    await all_good(services, cluster, Backend.ENVOY)


@pytest.mark.parametrize("services", [ENVOY], indirect=True)
@pytest.mark.parametrize("to", [KUADRANT, None])
async def test_from_envoy_to_a_gateway_with_a_route_of_ours(
    cluster: Served, services: Services, to: str | None
) -> None:
    await move(services, to)
    preview = await services.operations.preview(document())
    assert (preview.refusal, preview.disputes) == (None, ())
    assert preview.outcomes["HTTPRoute default/chat"] == "created"
    assert preview.outcomes["AIGatewayRoute default/chat"] == "removed"
    text = await services.diff_documents([document()])
    assert "has [" not in text, "nobody holds what goes"
    assert "--- live AIGatewayRoute default/chat" in text
    done = (await services.operations.apply(document())).outcomes
    assert done["HTTPRoute default/chat"] == "created"
    assert done["AIGatewayRoute default/chat"] == "removed"
    run_controllers(cluster)
    assert live(cluster, AI_ROUTE) is None
    route = live(cluster, HTTP_ROUTE)
    assert route is not None
    assert [owner["kind"] for owner in route["metadata"]["ownerReferences"]] == ["Deployment"]
    if to is not None:
        await all_good(services, cluster, Backend.KUADRANT)
    assert set((await services.operations.apply(document())).outcomes.values()) == {"unchanged"}


@pytest.mark.parametrize("services", [KUADRANT], indirect=True)
async def test_there_and_back_again_through_files(cluster: Served, services: Services) -> None:
    """The endpoint and the deployment in one file, as `apply -f` gives them."""
    for enforcement, backend in ((ENVOY, Backend.ENVOY), (KUADRANT, Backend.KUADRANT), (ENVOY, Backend.ENVOY)):
        both = [*read_documents(endpoint(enforcement)), document()]
        await services.apply_documents(both, True)
        await services.apply_documents(both, False)
        await move(services, enforcement)
        await all_good(services, cluster, backend)


@pytest.mark.parametrize("services", [ENVOY], indirect=True)
async def test_the_route_that_a_controller_made_is_not_pruned(cluster: Served, services: Services) -> None:
    """It has our labels: the controller hands them on."""
    before = live(cluster, HTTP_ROUTE)
    assert before is not None
    assert before["metadata"]["labels"]["genai-tui.dev/deployment"] == REF.name
    done = (await services.operations.apply(document(rateLimits={}))).outcomes
    assert {name for name, outcome in done.items() if outcome == "removed"} == {"BackendTrafficPolicy default/chat"}
    after = live(cluster, HTTP_ROUTE)
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


@pytest.mark.parametrize("services", [ENVOY], indirect=True)
@pytest.mark.parametrize("lost", [False, True])
async def test_a_route_that_was_taken_over_before_is_made_anew(cluster: Served, services: Services, lost: bool) -> None:
    """As an earlier version left it: ours by its labels and owner, with a spec of the controller; or pruned then."""
    made = live(cluster, HTTP_ROUTE)
    assert made is not None
    deployment = cluster.call(lambda: cluster.api.get(registry.DEPLOYMENTS, REF.namespace, REF.name))
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": REF.name, "uid": deployment["metadata"]["uid"]}
    put(cluster, HTTP_ROUTE, made | {"metadata": made["metadata"] | {"ownerReferences": [owner]}}, CONTROLLER)
    if lost:
        routes = registry.by_kind(HTTP_ROUTE.api_version, HTTP_ROUTE.kind)
        assert routes is not None
        cluster.call(lambda: cluster.api.delete(routes, REF.namespace, REF.name))
        run_controllers(cluster)
        assert live(cluster, HTTP_ROUTE) is None
    done = (await services.operations.apply(document())).outcomes
    assert done["AIGatewayRoute default/chat"] == "created"
    assert lost or done["HTTPRoute default/chat"] == "removed"
    await all_good(services, cluster, Backend.ENVOY)


@pytest.mark.parametrize("services", [ENVOY], indirect=True)
async def test_a_route_of_others_is_asked_about_and_stays(cluster: Served, services: Services) -> None:
    """Made of an AIGatewayRoute that is not ours."""
    made, ours = live(cluster, HTTP_ROUTE), live(cluster, AI_ROUTE)
    assert made is not None
    assert ours is not None
    theirs = {"metadata": {"name": "theirs"}, "spec": ours["spec"]}
    put(cluster, AI_ROUTE, theirs, "kubectl")
    other = live(cluster, AI_ROUTE, "theirs")
    assert other is not None
    owner = made["metadata"]["ownerReferences"][0] | {"name": "theirs", "uid": other["metadata"]["uid"]}
    put(cluster, HTTP_ROUTE, made | {"metadata": made["metadata"] | {"ownerReferences": [owner]}}, CONTROLLER)
    await move(services, KUADRANT)
    with pytest.raises(Disputed) as caught:
        await services.operations.apply(document())
    assert {dispute.reference for dispute in caught.value.disputes} == {"HTTPRoute default/chat"}
    assert live(cluster, HTTP_ROUTE) is not None
    assert live(cluster, AI_ROUTE) is not None


@pytest.mark.parametrize("services", [ENVOY], indirect=True)
async def test_a_route_that_does_not_go_is_named(
    cluster: Served, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enforcing, "GONE_WITHIN_S", 0.3)
    ours = live(cluster, AI_ROUTE)
    assert ours is not None
    held = ours["metadata"] | {"finalizers": ["aigateway.envoyproxy.io/finalizer"]}
    put(cluster, AI_ROUTE, ours | {"metadata": held}, CONTROLLER)
    await move(services, KUADRANT)
    with pytest.raises(PartlyApplied) as caught:
        await services.operations.apply(document())
    text = f"{caught.value.problem.what} {caught.value.problem.why}"
    assert "AIGatewayRoute default/chat (finalizers: aigateway.envoyproxy.io/finalizer)" in text
    assert "HTTPRoute default/chat" in caught.value.missing
    # Its controller is back: applying again is all that is to be done.
    going = live(cluster, AI_ROUTE)
    assert going is not None
    put(cluster, AI_ROUTE, going | {"metadata": going["metadata"] | {"finalizers": []}}, CONTROLLER)
    await services.operations.apply(document())
    await all_good(services, cluster, Backend.KUADRANT)
