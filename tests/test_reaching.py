"""The way to an engine: the proxy where it serves, a port-forward where it cannot, and what an operator insists on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from genai_tui.composition import build_services
from genai_tui.domain.deployment import EnvVar, SecretKey
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.rows import DeploymentDetail, Ref
from genai_tui.errors import EngineRefused, EngineSilent, GenaiTuiError, NotFound
from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import resolve
from genai_tui.public_ways import PublicWays
from genai_tui.reaching import Ways
from genai_tui.sandbox import registry
from genai_tui.settings import Settings, Way
from tests.fakes import tour
from tests.fakes.services import FakeAccess, FakePicture, FakeServices
from tests.kube.doubles import listening
from tests.sandbox.serving import Served

REF = Ref("team-a", "chat")


class OneDeployment(FakePicture):
    """A picture of one deployment, as a test wants it."""

    def __init__(self, detail: DeploymentDetail) -> None:
        super().__init__((detail.row,))
        self.detail = detail

    def deployment(self, ref: Ref) -> DeploymentDetail | None:
        return self.detail if ref == self.detail.row.ref else None


def deployed(*, endpoint: str = "internal", args: tuple[str, ...] = (), env: tuple[EnvVar, ...] = ()) -> OneDeployment:
    detail = tour.detail(replace(tour.chat_row(), endpoint=endpoint))
    containers = tuple(replace(each, args=(*each.args, *args)) for each in detail.workload.containers)
    document = detail.document
    assert isinstance(document, ModelDeployment)
    advanced = document.spec.advanced.model_copy(update={"env": env})
    document = document.model_copy(update={"spec": document.spec.model_copy(update={"advanced": advanced})})
    return OneDeployment(replace(detail, workload=replace(detail.workload, containers=containers), document=document))


KEY_FROM_SECRET = EnvVar(name="VLLM_API_KEY", secret=SecretKey(name="engine", key="key"))


@pytest.mark.parametrize(
    ("picture", "way"),
    [
        (deployed(), "the API server's proxy"),
        (deployed(endpoint="public"), "port-forward: a network policy lets only its gateway in"),
        (deployed(args=("--api-key", "x")), "port-forward: the engine wants a key"),
        (deployed(env=(KEY_FROM_SECRET,)), "port-forward: the engine wants a key"),
    ],
)
async def test_the_way_follows_from_what_stands_in_it(cluster: Served, picture: OneDeployment, way: str) -> None:
    async with Connection(resolve(str(cluster.kubeconfig()), None)) as connection:
        assert Ways(connection, picture).describe(REF).startswith(way)
        assert Ways(connection, picture, "port-forward").describe(REF) == "port-forward, as asked for"
        assert Ways(connection, picture, "proxy").describe(REF).startswith("the API server's proxy, as asked for")
        assert Ways(connection, picture).describe(Ref("team-a", "none")) == ""


async def not_known(gateway: tuple[str, str], tls: str | None, hostname: str) -> None:
    """A Gateway that cannot be asked."""


@pytest.mark.parametrize(
    ("endpoint", "gateway", "address"),
    [
        ("internal", "http://models:8090", "http://models:8090"),
        ("internal", "", ""),
        ("public", "http://models:8090", "https://chat.llm.example.com"),
    ],
)
async def test_the_public_address_is_the_way_where_the_clusters_own_are_not_permitted(
    cluster: Served, endpoint: str, gateway: str, address: str
) -> None:
    picture, access = deployed(endpoint=endpoint), FakeAccess()
    session = replace(FakeServices().session, gateway=gateway)

    def described(wanted: Way = "auto") -> str:
        return Ways(connection, picture, wanted, PublicWays(picture, session, access, wanted, not_known)).describe(REF)

    async with Connection(resolve(str(cluster.kubeconfig()), None)) as connection:
        access.refused = {("create", "services/proxy", "")}
        assert "public address" not in described(), "a port-forward is permitted"
        assert described("public").startswith(
            f"its public address {address or '(not known)'}, with an API key: as asked"
        )
        access.refused = {("create", "services/proxy", ""), ("create", "pods/portforward", "")}
        assert described().startswith(
            f"its public address {address}, with an API key: operator may not create"
        ) == bool(address)
        assert "public address" not in described("proxy")


async def test_an_address_that_is_not_known_is_said_with_what_to_do() -> None:
    ways = PublicWays(deployed(), FakeServices().session, FakeAccess(), "public", not_known)
    with pytest.raises(NotFound) as caught:
        ways.target(REF, ways.address(REF), "sk-genai-x")
    assert "no public address of team-a/chat is known; set `gateway`" in caught.value.problem.line


async def engine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while head := (await reader.readuntil(b"\r\n\r\n")).decode():
        path = head.split()[1]
        found = path == "/v1/models"
        writer.write(f"HTTP/1.1 {200 if found else 404} X\r\nContent-Length: 2\r\n\r\nok".encode())


async def test_a_forward_is_opened_kept_and_closed(cluster: Served) -> None:
    picture = deployed(endpoint="public")
    pod = picture.detail.replicas[0].pod.meta.name

    def fill() -> None:
        cluster.api.create(registry.NAMESPACES, "", {"metadata": {"name": REF.namespace}})
        spec: Any = {"containers": [{"name": "main", "image": "nginx:1"}], "nodeName": "n"}
        cluster.api.create(registry.PODS, REF.namespace, {"metadata": {"name": pod}, "spec": spec})

    cluster.call(fill)
    async with (
        listening(engine) as address,
        Connection(resolve(str(cluster.kubeconfig()), None)) as connection,
    ):
        cluster.agent.listening[8000] = address
        ways = Ways(connection, picture)
        try:
            # A question of the sampler, before and after a conversation keeps one open.
            assert await ways.fetch(picture.detail.row, "/v1/models", None) == b"ok"
            route = await ways.to(REF)
            assert "port-forward" in route.how
            assert (await ways.to(REF)) is route
            assert await ways.fetch(picture.detail.row, "/v1/models", pod) == b"ok"
            with pytest.raises(EngineRefused, match="answered HTTP 404 for /metrics"):
                await ways.fetch(picture.detail.row, "/metrics", pod)
        finally:
            await ways.close()
        assert route.client.is_closed
        picture.detail = replace(picture.detail, replicas=())
        with pytest.raises(NotFound, match="has no ready pod"):
            await ways.to(REF)


@pytest.mark.parametrize("way", ["proxy", "port-forward"])
async def test_a_pod_that_does_not_answer_is_told_apart_from_a_cluster_that_does_not(
    cluster: Served, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = deployed()
    pod = picture.detail.replicas[0].pod.meta.name

    def fill() -> None:
        cluster.api.create(registry.NAMESPACES, "", {"metadata": {"name": REF.namespace}})
        spec: Any = {"containers": [{"name": "main", "image": "nginx:1"}], "nodeName": "n"}
        cluster.api.create(registry.PODS, REF.namespace, {"metadata": {"name": pod}, "spec": spec})

    cluster.call(fill)
    monkeypatch.setattr(cluster.agent, "http_app", lambda *_: None)
    async with Connection(resolve(str(cluster.kubeconfig()), None)) as connection:
        ways = Ways(connection, picture, way)
        with pytest.raises(EngineSilent):
            await ways.fetch(picture.detail.row, "/v1/models", pod)
        cluster.vanish()
        with pytest.raises(GenaiTuiError) as caught:
            await ways.fetch(picture.detail.row, "/v1/models", pod)
        assert not isinstance(caught.value, EngineSilent | EngineRefused)


async def test_a_kubeconfig_that_skips_verification_is_said_so(cluster: Served, tmp_path: Path) -> None:
    config = yaml.safe_load(cluster.kubeconfig().read_text(encoding="utf-8"))
    trusting = config["clusters"][0]["cluster"]
    del trusting["certificate-authority-data"]
    trusting["insecure-skip-tls-verify"] = True
    path = tmp_path / "insecure"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    for kubeconfig, insecure in ((path, True), (cluster.kubeconfig(), False)):
        services = build_services(Settings(kubeconfig=str(kubeconfig), state=tmp_path / "state"))
        try:
            assert services.session.insecure == insecure
        finally:
            await services.close()
