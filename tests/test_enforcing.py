"""Deployments at gateways on a served cluster: applied, changed, pruned, read back and probed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from genai_tui.commands.apply import apply
from genai_tui.composition import build_services
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.enforcement import GATEWAY, OURS, ROUTE_KINDS, Claim, Enforcement
from genai_tui.domain.keys import from_secret
from genai_tui.domain.rows import Ref
from genai_tui.errors import BadInput
from genai_tui.files import read_documents, to_yaml
from genai_tui.hub_pages import page
from genai_tui.sandbox import registry
from genai_tui.sandbox.controllers import Controllers
from genai_tui.sandbox.events import Recorder
from genai_tui.sandbox.scenarios import CATALOGUE
from genai_tui.services import Services
from genai_tui.settings import Settings
from tests.manifests.crds import open_definition, published
from tests.sandbox.serving import Served, served

Json = dict[str, Any]
REF = Ref("default", "chat")
SPEC: Json = {
    "model": "smollm2-135m",
    "endpoint": "public",
    "engine": {"type": "vllm", "image": "vllm/vllm-openai:v0.33.0"},
    "resources": {"cpu": "2", "memory": "4Gi", "gpu": 0},
    "rateLimits": {
        "organization": {"tokensPerMinute": 300000, "requestsPerMinute": 600},
        "apiKey": {"requestsPerMinute": 60},
    },
    "sharing": {"mode": "organizations", "organizations": ["org-a"]},
}


def endpoint(enforcement: str | None) -> str:
    spec: Json = {
        "hostname": "llm.example.com",
        "exposure": "gateway",
        "gateway": {"namespace": "default", "name": "genai"},
    } | ({"enforcement": enforcement} if enforcement else {})
    return yaml.safe_dump(
        {"apiVersion": "genai-tui.dev/v1alpha1", "kind": "Endpoint", "metadata": {"name": "public"}, "spec": spec}
    )


def document(**changes: Any) -> ModelDeployment:
    data = {
        "apiVersion": "genai-tui.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": REF.name, "namespace": REF.namespace},
        "spec": SPEC | changes,
    }
    (found,) = read_documents(yaml.safe_dump(data))
    assert isinstance(found, ModelDeployment)
    return found


@contextlib.contextmanager
def with_gateways(tmp_path: Path) -> Iterator[Served]:
    """With Envoy AI Gateway's and Kuadrant's kinds, as published where those are at hand, and controllers that pretend."""
    own = [open_definition(k.group, k.version, k.kind, k.plural) for k in (*OURS, GATEWAY) if k.kind != "NetworkPolicy"]
    definitions = published() or own
    with served(tmp_path) as server:

        def install() -> None:
            Controllers(server.api, Recorder(server.api))
            for definition in definitions:
                server.api.create(registry.CRDS, "", definition)
            gateway = {
                "spec": {"gatewayClassName": "eg", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}
            }
            gateways = registry.by_kind("gateway.networking.k8s.io/v1", "Gateway")
            assert gateways is not None
            server.api.create(gateways, "default", gateway | {"metadata": {"name": "genai"}})
            image = "docker.io/envoyproxy/gateway:v1.8.3"
            pod = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
            spec = {"selector": {"matchLabels": {"a": "b"}}, "template": pod, "replicas": 0}
            labels = {"control-plane": "envoy-gateway"}
            server.api.create(
                registry.DEPLOYMENTS, "kube-system", {"metadata": {"name": "eg", "labels": labels}, "spec": spec}
            )

        server.call(install)
        yield server
        server.call(lambda: [server.api.objects.remove(registry.CRDS, "", d["metadata"]["name"]) for d in definitions])


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Served]:
    with with_gateways(tmp_path) as server:
        yield server


async def opened(cluster: Served, state: Path, enforcement: str | None) -> Services:
    services = build_services(Settings(kubeconfig=str(cluster.kubeconfig()), state=state))
    await services.start()
    await services.apply_documents([*read_documents(CATALOGUE), *read_documents(endpoint(enforcement))], False)
    while not any(row.name == "public" for row in services.picture.endpoints()):
        await services.settle()
    return services


@pytest.fixture(params=["envoy-ai-gateway"])
async def services(cluster: Served, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Services]:
    found = await opened(cluster, tmp_path / "state", request.param)
    yield found
    await found.close()


def run_controllers(cluster: Served) -> None:
    for _ in range(3):
        cluster.call(lambda: cluster.api.clock.advance(1))


def kinds_of(cluster: Served, label: str = "genai-tui.dev/deployment") -> set[str]:
    def find() -> set[str]:
        return {
            item["kind"]
            for resource in registry.resources()
            for item in cluster.api.objects.list(resource)
            if (item["metadata"].get("labels") or {}).get(label) == REF.name and resource.kind in ENVOY | KUADRANT
        }

    return cluster.call(find)


ENVOY = {
    "AuthConfig", "Backend", "AIServiceBackend", "AIGatewayRoute", "SecurityPolicy", "BackendTrafficPolicy",
    "NetworkPolicy",
}  # fmt: skip
KUADRANT = {"HTTPRoute", "AuthPolicy", "RateLimitPolicy", "TokenRateLimitPolicy", "NetworkPolicy"}


async def judged(services: Services, cluster: Served) -> Enforcement:
    while services.picture.deployment(REF) is None:
        await services.settle()
    run_controllers(cluster)
    return await services.operations.enforcement(REF)


async def test_objects_come_change_and_go_with_the_deployment(cluster: Served, services: Services) -> None:
    preview = await services.operations.preview(document())
    assert preview.problems == ()
    assert preview.refusal is None
    assert "limit" in preview.manifests[-2].yaml
    applied = await services.operations.apply(document())
    assert kinds_of(cluster) == ENVOY
    assert applied.outcomes["AuthConfig genai-tui/chat.default"] == "created"
    deployment = cluster.call(lambda: cluster.api.get(registry.DEPLOYMENTS, "default", "chat"))
    policy = cluster.call(lambda: cluster.api.get(registry.POLICIES, "default", "chat"))
    assert [owner["uid"] for owner in policy["metadata"]["ownerReferences"]] == [deployment["metadata"]["uid"]]
    configs = registry.by_kind("authorino.kuadrant.io/v1beta3", "AuthConfig")
    assert configs is not None
    config = cluster.call(lambda: cluster.api.get(configs, "genai-tui", "chat.default"))
    assert "ownerReferences" not in config["metadata"]
    again = await services.operations.apply(document())
    assert set(again.outcomes.values()) == {"unchanged"}
    # Without limits the policy goes; of another deployment of that name elsewhere nothing does.
    other = {"metadata": dict(config["metadata"]) | {"name": "chat.team-b"}, "spec": config["spec"]}
    other["metadata"]["labels"] = config["metadata"]["labels"] | {"genai-tui.dev/namespace": "team-b"}
    cluster.call(lambda: cluster.api.create(configs, "genai-tui", other))
    without = await services.operations.preview(document(rateLimits={}))
    assert without.outcomes["BackendTrafficPolicy default/chat"] == "removed"
    changed = await services.operations.apply(document(rateLimits={}))
    assert changed.outcomes["BackendTrafficPolicy default/chat"] == "removed"
    assert kinds_of(cluster) == ENVOY - {"BackendTrafficPolicy"}
    # Bound to an endpoint inside the cluster, nothing of a gateway is left.
    await services.operations.apply(document(endpoint="internal"))
    assert kinds_of(cluster) == {"AuthConfig"}
    assert cluster.call(lambda: [o["metadata"]["name"] for o in cluster.api.objects.list(configs)]) == ["chat.team-b"]


async def test_deleting_takes_the_policy_beside_the_keys_too(cluster: Served, services: Services) -> None:
    await services.operations.apply(document())
    while services.picture.deployment(REF) is None:
        await services.settle()
    gone = await services.operations.delete("ModelDeployment", "chat", "default")
    assert "AuthConfig genai-tui/chat.default" in gone
    run_controllers(cluster)
    assert kinds_of(cluster) == set()


@pytest.mark.parametrize("services", ["kuadrant"], indirect=True)
async def test_kuadrant_is_partly_enforced_and_says_why(cluster: Served, services: Services) -> None:
    preview = await services.operations.preview(document(rateLimits={"user": {"tokensPerMinute": 5}}))
    assert preview.problems == ()
    assert any("API keys are in namespace genai-tui" in warning for warning in preview.warnings)
    await services.operations.apply(document())
    assert kinds_of(cluster) == KUADRANT
    found = await judged(services, cluster)
    assert found.claim is Claim.NOT_PROVEN
    assert all(condition.good for condition in found.conditions), found.conditions


@pytest.mark.parametrize(("services", "said"), [
    ("kuadrant", "ModelDeployment chat: Kuadrant, partly enforced: "),
    (None, "ModelDeployment chat: endpoint public names no enforcement: anyone who reaches it may call"),
], indirect=["services"])  # fmt: skip
@pytest.mark.parametrize("dry_run", [True, False])
async def test_the_command_says_what_the_gateway_does_not_keep_and_what_does_not_follow(
    services: Services, said: str, dry_run: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "files.yaml"
    file.write_text(to_yaml([document()]))
    await apply(services, str(file), dry_run=dry_run, wait=False, timeout=1)
    assert said in capsys.readouterr().err
    while not dry_run and services.picture.deployment(REF) is None:
        await services.settle()
    moved = endpoint("kuadrant").replace("llm.example.com", "moved.example.com")
    file.write_text(moved)
    await apply(services, str(file), dry_run=True, wait=False, timeout=1)
    follow = "Endpoint public: apply again, so that their routes and policies follow: default/chat"
    assert (follow in capsys.readouterr().err) is not dry_run


async def test_nothing_is_claimed_of_conditions_that_are_missing_or_old(cluster: Served, services: Services) -> None:
    await services.operations.apply(document())
    while services.picture.deployment(REF) is None:
        await services.settle()
    early = await services.operations.enforcement(REF)
    assert early.claim is Claim.NOT_PROVEN
    assert any("no controller" in reason or "Authorino" in reason for reason in early.reasons)
    found = await judged(services, cluster)
    assert all(condition.good for condition in found.conditions), found.conditions
    assert found.reasons == ("the conditions are simulated: there is no gateway behind them",)
    # Somebody raises a limit by hand.
    policies = registry.by_kind("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy")
    assert policies is not None

    def raise_limit() -> None:
        body = [{"op": "replace", "path": "/spec/rateLimit/global/rules/0/limit/requests", "value": 10**6}]
        cluster.api.patch(policies, "default", "chat", body, "application/json-patch+json")

    cluster.call(raise_limit)
    drifted = await judged(services, cluster)
    assert drifted.claim is Claim.NOT_PROVEN
    assert "BackendTrafficPolicy default/chat: it differs from the deployment's spec" in drifted.line


async def test_a_hostname_belongs_to_one_deployment(cluster: Served, services: Services) -> None:
    await services.operations.apply(document())
    while services.picture.deployment(REF) is None:
        await services.settle()
    second = document().model_copy(
        update={"metadata": document().metadata.model_copy(update={"namespace": "kube-system"})}
    )
    with pytest.raises(BadInput, match=r"chat.llm.example.com is the hostname of default/chat already"):
        await services.operations.apply(second)


async def test_a_gateway_that_is_not_installed_is_a_problem_of_the_endpoint(tmp_path: Path) -> None:
    with served(tmp_path) as bare:
        services = await opened(bare, tmp_path / "state", "envoy-ai-gateway")
        try:
            preview = await services.operations.preview(document())
            assert preview.problems[0].field == "spec.endpoint"
            assert "needs Envoy AI Gateway, and the cluster does not serve Gateway" in preview.problems[0].message
            with pytest.raises(BadInput, match="the cluster does not serve"):
                await services.operations.apply(document())
            assert (await services.operations.gateways()).missing(None) == ROUTE_KINDS
        finally:
            await services.close()


# -- the probe ----------------------------------------------------------------------------------------------------


class FakeGateway:
    """A gateway on a real socket that keeps keys as it should.

    `lax` lets everybody in; `blind` lets keys in that are refused for what it names alone (`expires`, `deployments`).
    """

    def __init__(self, cluster: Served) -> None:
        self.cluster, self.lax, self.blind = cluster, False, ""
        self.hosts, self.seen = set[str](), list[str]()
        app = Starlette(routes=[Route("/v1/chat/completions", self.answer, methods=["POST"])])
        self._server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, log_config=None, lifespan="off"))

    async def answer(self, request: Request) -> JSONResponse:
        self.hosts.add(request.headers["host"])
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.seen.append(key)
        if self.lax:
            return JSONResponse({}, 200)
        secrets = await asyncio.to_thread(
            self.cluster.call, lambda: list(self.cluster.api.objects.list(registry.SECRETS, "genai-tui"))
        )
        known = {base64.b64decode(secret["data"]["api_key"]).decode(): from_secret(secret) for secret in secrets}
        if key not in known:
            return JSONResponse({}, 401)
        record = known[key]
        ended = record.expired(datetime.now(UTC)) and self.blind != "expires"
        elsewhere = not record.allows(REF.namespace, REF.name) and self.blind != "deployments"
        return JSONResponse({}, 403 if record.organization != "org-a" or ended or elsewhere else 200)

    async def __aenter__(self) -> FakeGateway:
        self._task = asyncio.create_task(self._server.serve())
        while not self._server.started:
            await asyncio.sleep(0.01)
        return self

    @property
    def port(self) -> int:
        found: int = self._server.servers[0].sockets[0].getsockname()[1]
        return found

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        await self._task


def point_gateway_at(cluster: Served, port: int) -> None:
    """The conditions of a real controller, and where its proxies listen."""
    gateways = registry.by_kind("gateway.networking.k8s.io/v1", "Gateway")
    assert gateways is not None

    def write() -> None:
        live = cluster.api.get(gateways, "default", "genai")
        spec = live["spec"] | {"listeners": [{"name": "http", "port": port, "protocol": "HTTP"}]}
        cluster.api.update(gateways, "default", "genai", {**live, "spec": spec})

    cluster.call(write)
    run_controllers(cluster)

    def real() -> None:
        for resource in registry.resources():
            for item in cluster.api.objects.list(resource):
                if "Simulated" in str(item.get("status")):
                    status = yaml.safe_load(yaml.safe_dump(item["status"]).replace("Simulated", "Accepted"))
                    if item["kind"] == "Gateway":
                        status["addresses"] = [{"type": "IPAddress", "value": "127.0.0.1"}]
                    meta = item["metadata"]
                    cluster.api.update_status(resource, meta["namespace"], meta["name"], status)

    cluster.call(real)


async def test_enforced_is_claimed_after_a_probe_and_only_of_the_same_spec(cluster: Served, services: Services) -> None:
    await services.operations.apply(document())
    await judged(services, cluster)
    async with FakeGateway(cluster) as gateway:
        point_gateway_at(cluster, gateway.port)
        before = await services.operations.enforcement(REF)
        assert before.line == "Envoy AI Gateway: not proven: its conditions are good; nobody has probed it yet"
        proven = await services.operations.prove(REF)
        assert proven.line == "Envoy AI Gateway: enforced"
        assert [probe.status for probe in proven.probes] == [401, 401, 403, 403, 403]
        assert gateway.hosts == {"chat.llm.example.com"}
        # The key nobody was given is gone, and was in no other object.
        assert cluster.call(lambda: list(cluster.api.objects.list(registry.SECRETS, "genai-tui"))) == []
        gateway.lax = True
        wrong = await services.operations.prove(REF)
        assert wrong.line == "Envoy AI Gateway: not proven: no key: expected 401, got 200"
        gateway.lax = False
        for blind, said in (("expires", "an expired key"), ("deployments", "a key confined to another deployment")):
            gateway.blind = blind
            open_ = await services.operations.prove(REF)
            assert open_.line == f"Envoy AI Gateway: not proven: {said}: expected 403, got 200"
        gateway.blind = ""
        assert (await services.operations.prove(REF)).claim is Claim.ENFORCED
        await services.operations.apply(document(rateLimits={}))
        point_gateway_at(cluster, gateway.port)
        while services.picture.deployment(REF).document.spec.rate_limits.api_key.requests_per_minute:  # type: ignore[union-attr]
            await services.settle()
            await asyncio.sleep(0.02)
        assert (await services.operations.enforcement(REF)).claim is Claim.NOT_PROVEN


async def test_the_certificates_that_the_gateway_shows_are_held_against_the_host(
    cluster: Served, services: Services
) -> None:
    gateways = registry.by_kind("gateway.networking.k8s.io/v1", "Gateway")
    assert gateways is not None

    async def told() -> list[tuple[str, str, str]]:
        checks = (await services.operations.preview(document())).checks
        return [(c.about, c.level, c.text) for c in checks if "Gateway" in c.about or "TLS" in c.about]

    ((about, level, text),) = await told()
    assert (about, level) == ("certificate of Gateway default/genai", "warning")
    assert "no HTTPS listener takes chat.llm.example.com" in text

    issued = trustme.CA().issue_cert("*.llm.example.com")
    data = {
        "tls.crt": base64.b64encode(b"".join(part.bytes() for part in issued.cert_chain_pems)).decode(),
        "tls.key": base64.b64encode(issued.private_key_pem.bytes()).decode(),
    }

    def listen() -> None:
        secret = {"metadata": {"name": "cert"}, "type": "kubernetes.io/tls", "data": data}
        cluster.api.create(registry.SECRETS, "default", secret)
        live = cluster.api.get(gateways, "default", "genai")
        listeners = [
            {"name": name, "port": 443, "protocol": "HTTPS", "hostname": host,
             "tls": {"certificateRefs": [{"name": secret}]}}
            for name, host, secret in (("ours", "*.example.com", "cert"), ("other", "other.example.com", "gone"))
        ]  # fmt: skip
        cluster.api.update(gateways, "default", "genai", live | {"spec": live["spec"] | {"listeners": listeners}})

    cluster.call(listen)
    ((about, level, text),) = await told()
    assert (about, level) == ("TLS secret default/cert", "ok")
    assert "its certificate names chat.llm.example.com, until " in text


HTTP: Json = {"name": "http", "port": 80, "protocol": "HTTP"}
HTTPS: Json = {"name": "https", "port": 8443, "protocol": "HTTPS", "hostname": "*.llm.example.com"}


@pytest.mark.parametrize(
    ("listeners", "address", "guessed"),
    [
        ([HTTP], "http://chat.llm.example.com", False),
        ([HTTP | {"port": 8080}], "http://chat.llm.example.com:8080", False),
        ([HTTP, HTTPS], "https://chat.llm.example.com:8443", False),
        ([HTTP, HTTPS | {"hostname": "*.example.org", "port": 443}], "http://chat.llm.example.com", False),
        ([HTTPS | {"hostname": "*.example.org"}], "https://chat.llm.example.com", True),
    ],
)
async def test_samples_and_pages_name_the_address_at_which_the_gateway_listens(
    cluster: Served, services: Services, listeners: list[Json], address: str, guessed: bool
) -> None:
    gateways = registry.by_kind("gateway.networking.k8s.io/v1", "Gateway")
    assert gateways is not None

    def listen() -> None:
        live = cluster.api.get(gateways, "default", "genai")
        cluster.api.update(gateways, "default", "genai", live | {"spec": live["spec"] | {"listeners": listeners}})

    cluster.call(listen)
    await services.operations.apply(document())
    while (detail := services.picture.deployment(REF)) is None or detail.document is None:
        await services.settle()
    code = await services.playground.sample_code(REF, "curl")
    assert f"curl -sS {address}/v1/chat/completions " in code
    assert ("is a guess" in code) == guessed
    assert await services.playground.public_address(REF) == address
    handed_over = await page(services, detail.row, None, None)
    assert f"| endpoint | {address} |" in handed_over
    assert f"curl -sS {address}/v1/" in handed_over
