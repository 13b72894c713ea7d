"""Discovery and OpenAPI, generated from the registry and the schema."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from genai_tui.sandbox.kinds import CUSTOM, KINDS, schema_of
from genai_tui.sandbox.registry import Resource, groups
from genai_tui.sandbox.registry import resources as served
from genai_tui.sandbox.schema import Node

Json = dict[str, Any]
VERSION: Json = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2+genai-tui.sandbox",
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "2026-11-23T00:00:00Z",
    "goVersion": "go1.26.6",
    "compiler": "gc",
    "platform": "linux/amd64",
}
SUB_KINDS = {
    "scale": ("autoscaling", "v1", "Scale"),
    "eviction": ("policy", "v1", "Eviction"),
    "binding": ("", "v1", "Binding"),
}
SUB_VERBS = {
    "log": ["get"],
    "proxy": ["create", "delete", "get", "patch", "update"],
    "exec": ["create", "get"],
    "attach": ["create", "get"],
    "portforward": ["create", "get"],
    "eviction": ["create"],
    "binding": ["create"],
    "finalize": ["update"],
}
OPTIONS_KINDS = {"exec": "PodExecOptions", "attach": "PodAttachOptions", "portforward": "PodPortForwardOptions"}


def of_group(group: str, version: str) -> list[Resource]:
    """The resources of a group version."""
    return [r for r in served() if r.group == group and r.version == version]


def api_versions(address: str) -> Json:
    """GET /api."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def api_groups() -> Json:
    """GET /apis, the old form."""
    found = []
    for group, versions in _by_group(groups()).items():
        entries = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
        found.append({"name": group, "versions": entries, "preferredVersion": entries[0]})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def resource_list(group: str, version: str) -> Json:
    """GET /api/v1 and /apis/GROUP/VERSION."""
    resources: list[Json] = []
    for r in of_group(group, version):
        entry: Json = {
            "name": r.plural,
            "singularName": r.singular,
            "namespaced": r.namespaced,
            "kind": r.kind,
            "verbs": list(r.verbs),
        }
        if r.short_names:
            entry["shortNames"] = list(r.short_names)
        if r.categories:
            entry["categories"] = list(r.categories)
        if len(r.verbs) > 1:
            digest = hashlib.sha256(f"{group}/{version}/{r.kind}".encode()).digest()
            entry["storageVersionHash"] = base64.b64encode(digest[:8]).decode()
        resources.append(entry)
        resources += [_subresource(r, sub) for sub in r.subresources]
    group_version = f"{group}/{version}" if group else version
    head: Json = {"kind": "APIResourceList"} | ({"apiVersion": "v1"} if group else {})
    return head | {"groupVersion": group_version, "resources": resources}


def _subresource(resource: Resource, sub: str) -> Json:
    group, version, kind = SUB_KINDS.get(sub, ("", "", OPTIONS_KINDS.get(sub, resource.kind)))
    if sub == "proxy":
        kind = f"{resource.kind}ProxyOptions"
    entry: Json = {
        "name": f"{resource.plural}/{sub}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind,
        "verbs": SUB_VERBS.get(sub, ["get", "patch", "update"]),
    }
    return entry | ({"group": group, "version": version} if group else {})


def _by_group(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """The versions of each group."""
    found: dict[str, list[str]] = {}
    for group, version in pairs:
        found.setdefault(group, []).append(version)
    return found


def aggregated(pairs: Sequence[tuple[str, str]]) -> Json:
    """The aggregated form, apidiscovery.k8s.io/v2."""
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group} if group else {},
                "versions": [
                    {
                        "version": version,
                        "resources": [_discovered(r) for r in of_group(group, version)],
                        "freshness": "Current",
                    }
                    for version in versions
                ],
            }
            for group, versions in _by_group(pairs).items()
        ],
    }


def _discovered(resource: Resource) -> Json:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    entry: Json = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [_discovered_sub(resource, sub) for sub in resource.subresources]
    return entry


def _discovered_sub(resource: Resource, sub: str) -> Json:
    old = _subresource(resource, sub)
    kind = {
        "group": old.get("group", resource.group),
        "version": old.get("version", resource.version),
        "kind": old["kind"],
    }
    return {"subresource": sub, "responseKind": kind, "verbs": old["verbs"]}


def openapi_index() -> Json:
    """GET /openapi/v3."""
    paths = {}
    for group, version in [("", "v1"), *groups()]:
        path = f"apis/{group}/{version}" if group else f"api/{version}"
        digest = hashlib.sha256(path.encode()).hexdigest()[:32].upper()
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def openapi(group: str, version: str) -> Json:
    """GET /openapi/v3/...: schemas of the kinds, and for each the write operations kubectl looks at."""
    schemas: Json = {}
    paths: Json = {}
    prefix = f"/apis/{group}/{version}" if group else f"/api/{version}"
    for r in of_group(group, version):
        if len(r.verbs) == 1:
            continue
        name = f"io.k8s.api.{group.split('.')[0] or 'core'}.{version}.{r.kind}"
        identity = {"group": group, "kind": r.kind, "version": version}
        schemas[name] = _schema(schema_of(r.kind, r.api_version)) | {"x-kubernetes-group-version-kind": [identity]}
        if r.kind not in KINDS and (r.api_version, r.kind) not in CUSTOM:
            schemas[name]["x-kubernetes-preserve-unknown-fields"] = True
        where = f"{prefix}/namespaces/{{namespace}}/{r.plural}" if r.namespaced else f"{prefix}/{r.plural}"
        paths[where] = {
            "get": _operation("list", identity, name),
            "post": _operation("post", identity, name),
        }
        paths[f"{where}/{{name}}"] = {
            verb: _operation(verb, identity, name) for verb in ("get", "put", "patch", "delete")
        }
    info = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _operation(verb: str, identity: Json, schema: str) -> Json:
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for name in ("dryRun", "fieldManager", "fieldValidation")
    ]
    reference = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    return {
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "content": {"application/json": reference}}},
        "x-kubernetes-action": verb,
        "x-kubernetes-group-version-kind": identity,
    }


_TYPES: dict[str, Json] = {
    "str": {"type": "string"},
    "int": {"type": "integer", "format": "int32"},
    "bool": {"type": "boolean"},
    "number": {"type": "number"},
    "quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    "intorstr": {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}


def _schema(node: Node) -> Json:
    if node.type in ("obj", "openobj"):
        found: Json = {"type": "object", "properties": {name: _schema(child) for name, child in node.fields.items()}}
        if node.atomic:
            found["x-kubernetes-map-type"] = "atomic"
        if node.type == "openobj":
            found["x-kubernetes-preserve-unknown-fields"] = True
        return found
    if node.type == "map":
        return {"type": "object", "additionalProperties": _schema(node.item or Node("any"))}
    if node.type in ("list", "set"):
        found = {"type": "array", "items": _schema(node.item or Node("any"))}
        if node.keys:
            found |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(node.keys)}
            found |= {"x-kubernetes-patch-merge-key": node.merge_key, "x-kubernetes-patch-strategy": "merge"}
        else:
            found["x-kubernetes-list-type"] = "set" if node.type == "set" else "atomic"
        return found
    return dict(_TYPES[node.type])
