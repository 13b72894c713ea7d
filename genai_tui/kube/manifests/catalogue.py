"""Models, endpoints and organizations as ConfigMaps of the system namespace, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from genai_tui.domain.documents import Endpoint, Model, Organization, field_problems, parse_document
from genai_tui.domain.naming import API_VERSION, KIND_LABEL, MANAGED_BY_LABEL, MANAGER

Entry = Model | Endpoint | Organization
KIND_VALUES: Mapping[str, str] = {"Model": "model", "Endpoint": "endpoint", "Organization": "organization"}
_KINDS = {value: kind for kind, value in KIND_VALUES.items()}


def config_map_name(kind: str, name: str) -> str:
    """The ConfigMap of a catalogue entry: the kind keeps a model and an endpoint of one name apart."""
    return f"{KIND_VALUES[kind]}-{name}"


def render_entry(document: Entry, system_namespace: str) -> dict[str, Any]:
    """The ConfigMap that holds the document."""
    spec = document.spec.model_dump(mode="json", exclude_none=True)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": config_map_name(document.kind, document.metadata.name),
            "namespace": system_namespace,
            "labels": {MANAGED_BY_LABEL: MANAGER, KIND_LABEL: KIND_VALUES[document.kind]},
        },
        "data": {
            "name": document.metadata.name,
            "spec": json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
        },
    }


def read_entry(labels: Mapping[str, str], data: Mapping[str, str], object_name: str) -> Entry | str:
    """The document in a labelled ConfigMap, or one sentence on why it cannot be read."""
    kind = _KINDS.get(labels.get(KIND_LABEL, ""))
    if kind is None:
        return f"label {KIND_LABEL} is not one of {', '.join(_KINDS)}"
    name = data.get("name") or object_name.removeprefix(f"{KIND_VALUES[kind]}-")
    try:
        spec = json.loads(data.get("spec", ""))
        document = parse_document({"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec})
    except ValidationError as error:
        first = field_problems(error)[0]
        return f"{first.field}: {first.message}"
    except (ValueError, RecursionError) as error:
        return f"data.spec is not JSON: {error}"
    if config_map_name(kind, name) != object_name:
        return f"it holds the {KIND_VALUES[kind]} '{name[:80]}', which belongs in {config_map_name(kind, name)[:80]}"
    if not isinstance(document, Model | Endpoint | Organization):
        raise AssertionError("only catalogue kinds are in the table")
    return document
