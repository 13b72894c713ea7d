"""The optional role for Kuadrant's Limitador: enough to read its counters, and nothing in it is too much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from genai_tui.composition import build_services
from genai_tui.domain.rows import Ref
from genai_tui.errors import NotPermitted
from genai_tui.sandbox import registry
from genai_tui.sandbox.authz import Attributes
from tests.kube.doubles import listening
from tests.kube.limitador import DEFINITION, LimitadorDouble, install
from tests.manifests.crds import serving
from tests.rbac.test_roles import DOCS, Noted, bind, settings, world
from tests.sandbox.serving import Served

__all__ = ["world"]
WANTED = {
    ("get", "limitadors", "limitador"),
    ("list", "pods", ""),
    ("get", "pods/portforward", "limitador-limitador-0"),
    ("create", "pods/portforward", "limitador-limitador-0"),
}


def optional(server: Served, group: str) -> None:
    """Bind the file as it is, to this group."""

    def put() -> None:
        for item in yaml.safe_load_all((DOCS / "optional" / "limitador.yaml").read_text(encoding="utf-8")):
            if item["kind"] == "RoleBinding":
                item["subjects"][0]["name"] = group
            resource = registry.by_kind(item["apiVersion"], item["kind"])
            assert resource is not None
            server.api.create(resource, item["metadata"]["namespace"], item)

    server.call(put)


@pytest.mark.parametrize(("scope", "group"), [("namespace", "team-a-viewers"), ("cluster", "genai-tui-viewers")])
async def test_limitador_is_asked_only_with_the_optional_role_which_holds_nothing_else(
    scope: str, group: str, world: tuple[Served, Noted], tmp_path: Path
) -> None:
    server, noted = world
    bind(server, scope)

    async def read(state: str) -> tuple[set[tuple[str, str, str]], Any]:
        services = build_services(settings(server, scope, "viewer", tmp_path / state))
        try:
            noted.granted, noted.refused = set(), set()
            told: Any = await services.limitador.of(Ref("team-a", "chat"))
        except NotPermitted as error:
            told = error
        finally:
            await services.close()
        return {(one.verb, one.resource, one.name) for one in noted.granted if system(one)}, told

    with serving([DEFINITION]):
        install(server, "genai-tui")
        async with listening(LimitadorDouble().handle) as address:
            server.agent.listening = {8080: address}
            asked, refused = await read("without")
            assert isinstance(refused, NotPermitted)
            assert "may not get limitadors.limitador.kuadrant.io in namespace genai-tui" in refused.problem.line
            optional(server, group)
            asked, told = await read("with")
    assert (asked, told.open, told.kept) == (WANTED, (), frozenset())


def system(asked: Attributes) -> bool:
    return asked.namespace == "genai-tui"
