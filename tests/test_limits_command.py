"""`genai-tui limits` where Kuadrant keeps the limits: its counters, or why they are not known."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from genai_tui.commands.limits import limits
from genai_tui.domain.keys import KeyRequest
from genai_tui.domain.limit_use import Counters
from genai_tui.errors import Unreachable
from genai_tui.sandbox import registry
from tests.fakes.services import FakeServices
from tests.kube.doubles import listening
from tests.kube.limitador import DEFINITION, LimitadorDouble, compiled, install
from tests.manifests.crds import serving
from tests.rbac.acts import until
from tests.sandbox.serving import Served
from tests.screens.test_limits import at_gateway, counted
from tests.test_enforcing import REF, cluster, document, opened

__all__ = ["cluster"]


def kuadrant() -> FakeServices:
    world = FakeServices()
    at_gateway(world, "kuadrant")
    world.limitador.counters = Counters(open=tuple(counted("alice", "k-11111111", 119, 60_000)))
    return world


async def told(world: FakeServices, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    await limits(world.build(), "chat", None, key_id="k-11111111", form="json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


async def test_its_counters_are_told_without_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    found = await told(kuadrant(), capsys)
    assert (found["notKnown"], found["countedSince"]) == (None, None)
    assert {(item["unit"], item["used"], item["resetsInSeconds"]) for item in found["items"]} == {
        ("requests", 119, 30), ("tokens", 60_000, 31)
    }  # fmt: skip
    assert (found["verdict"]["status"], "tokens per minute" in found["verdict"]["reason"]) == (429, True)
    await limits(kuadrant().build(), "chat", None, key_id=None, form="table")
    captured = capsys.readouterr()
    assert "60,000 spent" in captured.out
    assert "what was refused is not known here: Kuadrant does not tell" in captured.out
    assert "as Kuadrant's Limitador counts\n" in captured.err


async def test_what_is_not_known_is_null_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    world = kuadrant()
    world.limitador.failure = Unreachable("Limitador runs 2 replicas that count apart")
    found = await told(world, capsys)
    assert found["notKnown"] == "Limitador runs 2 replicas that count apart"
    assert found["verdict"] is None
    assert {item["used"] for item in found["items"]} == {None}


def policies(cluster: Served) -> list[dict[str, Any]]:
    """As they stand in the cluster."""
    kinds = [resource for resource in registry.resources() if "RateLimitPolicy" in resource.kind]
    return cluster.call(lambda: [dict(item) for kind in kinds for item in cluster.api.objects.list(kind)])


async def test_what_was_applied_is_what_is_counted(
    cluster: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the policies in the cluster, over a port-forward, to what the command says."""
    double = LimitadorDouble()
    with serving([DEFINITION]):
        async with listening(double.handle) as address:
            cluster.agent.listening[8080] = address
            services = await opened(cluster, tmp_path, "kuadrant")
            install(cluster, "genai-tui")
            try:
                await services.operations.apply(document())
                while services.picture.deployment(REF) is None:
                    await services.settle()
                made = await services.keys.create(KeyRequest("org-a", "alice"))
                double.limits = compiled(policies(cluster))
                assert [limit["name"] for limit in double.limits] == ["org-rpm", "key-rpm", "a-org-tpm"]
                double.count("org-rpm", "org-a", 61, 12)
                double.count("key-rpm", made.record.id, 60, 48)
                capsys.readouterr()
                await limits(services, "chat", "default", key_id=made.record.id, form="json")
            finally:
                await services.close()
            await until(lambda: not any("port forward" in thread.name for thread in threading.enumerate()))
    found = json.loads(capsys.readouterr().out)
    assert found["notKnown"] is None
    assert [(item["level"], item["unit"], item["used"], item["resetsInSeconds"]) for item in found["items"]] == [
        ("organization", "requests", 61, 12),
        ("organization", "tokens", 0, None),
        ("API key", "requests", 60, 48),
    ]
    assert (found["verdict"]["admitted"], found["verdict"]["status"]) == (False, 429)
