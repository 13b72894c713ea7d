"""Custom resource definitions to judge rendered objects by: the published ones where they lie beside the repository."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from genai_tui.sandbox import custom, registry

Json = dict[str, Any]
PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "data" / "crds"
FOLDERS = ("gateway-api", "envoy-gateway", "envoy-ai-gateway", "authorino", "kuadrant")


def folder() -> Path | None:
    return PUBLISHED if PUBLISHED.is_dir() else None


@functools.cache
def published() -> Sequence[Json]:
    """Every definition of the gateways; empty where they are not at hand."""
    found: list[Json] = []
    place = folder()
    for name in FOLDERS if place is not None else ():
        assert place is not None
        for path in sorted((place / name).rglob("*.yaml")):
            loaded = yaml.load_all(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
            found += [item for item in loaded if item and item["kind"] == "CustomResourceDefinition"]
    return tuple(found)


def _items(**fields: Json) -> Json:
    return {"type": "array", "items": _any(**fields)}


def _any(**fields: Json) -> Json:
    return {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": fields}


def _text(default: str) -> Json:
    return {"type": "string", "default": default}


_WEIGHT: Json = {"type": "integer", "default": 1}
_TO_SERVICE = {"group": _text(""), "kind": _text("Service")}
DEFAULTS: dict[str, Json] = {
    "HTTPRoute": {"rules": _items(backendRefs=_items(weight=_WEIGHT, **_TO_SERVICE))},
    "AIGatewayRoute": {
        "rules": _items(
            modelsOwnedBy=_text("Envoy AI Gateway"),
            backendRefs=_items(weight=_WEIGHT, priority={"type": "integer", "default": 0}),
        )
    },
    "SecurityPolicy": {"extAuth": _any(grpc=_any(backendRefs=_items(**_TO_SERVICE)))},
    "BackendTrafficPolicy": {
        "rateLimit": _any(
            **{
                "global": _any(
                    rules=_items(clientSelectors=_items(headers=_items(invert={"type": "boolean", "default": False})))
                )
            }
        )
    },
}
"""What the published definitions fill into items of lists, by kind."""


def open_definition(group: str, version: str, kind: str, plural: str) -> Json:
    """A definition that takes any spec: enough to store, to watch, and to be filled in where items of lists are."""
    body = _any(**DEFAULTS.get(kind, {}))
    schema = {"type": "object", "properties": {"spec": body, "status": body}}
    served = {"name": version, "served": True, "storage": True, "subresources": {"status": {}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [served | {"schema": {"openAPIV3Schema": schema}}],
        },
    }


@contextlib.contextmanager
def serving(definitions: Sequence[Json]) -> Iterator[None]:
    """Serve them for the length of a test: the registry is the process's."""
    for definition in definitions:
        assert custom.serve(definition) is not None
    try:
        yield
    finally:
        for definition in definitions:
            custom.withdraw(definition)


def wrong(item: Json) -> list[str]:
    """What the API server would refuse: unknown fields, types, values."""
    from genai_tui.sandbox.validation import check_object, check_shape

    resource = registry.by_kind(item["apiVersion"], item["kind"])
    if resource is None:
        return [f"no kind {item['kind']}"]
    try:
        check_shape(resource, item, "Strict")
        check_object(resource, item, None)
    except Exception as error:
        return [str(error)]
    return []
