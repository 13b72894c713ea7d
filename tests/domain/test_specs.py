"""Rules of the specs that no single field can tell: each says what is wrong and what would be right, at its place."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from genai_tui.domain.documents import ModelDeployment, field_problems, parse_document

Json = dict[str, Any]
HEAD: Json = {"apiVersion": "genai-tui.dev/v1alpha1", "metadata": {"name": "a"}}
SPEC: Json = {
    "model": "m",
    "endpoint": "e",
    "engine": {"type": "vllm", "image": "vllm/vllm-openai:v0.33.0"},
    "resources": {"cpu": "1", "memory": "1Gi"},
}


def problems(kind: str, spec: Json) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        parse_document({**HEAD, "kind": kind, "spec": spec})
    return {problem.field: problem.message for problem in field_problems(caught.value)}


def term(**term: Any) -> Json:
    return {"podAffinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


@pytest.mark.parametrize(
    ("advanced", "field", "message"),
    [
        ({"cache": {}}, "cache", "needs either claim"),
        ({"cache": {"claim": "a", "size": "1Gi"}}, "cache", "not both"),
        ({"cache": {"claim": "a", "storageClass": "b"}}, "cache", "belongs to size"),
        ({"cache": {"size": "0"}}, "cache.size", "must be more than 0"),
        ({"env": [{"name": "A"}]}, "env.0", "needs either value or secret"),
        ({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}, "env", "the variable A is set twice"),
        ({"env": [{"name": "A", "value": "hf_0123456789abcdef"}]}, "env.0", "A holds a secret"),
        ({"tolerations": [{"operator": "Equal"}]}, "tolerations.0", "without a key the operator must be Exists"),
        ({"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}, "tolerations.0", "takes no value"),
        ({"tolerations": [{"key": "a", "tolerationSeconds": 5}]}, "tolerations.0", "needs effect NoExecute"),
        ({"annotations": {"app.kubernetes.io/managed-by": "x"}}, "annotations", "set by genai-tui itself"),
        (
            term(labelSelector={}),
            "podAffinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution.0.topologyKey",
            "topologyKey is required",
        ),
        (
            term(topologyKey="a", labelSelector={"matchExpressions": [{"key": "a", "operator": "In"}]}),
            "podAffinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution.0.labelSelector.matchExpressions.0",
            "In and NotIn need values",
        ),
    ],
)  # fmt: skip
def test_advanced_settings_that_contradict_themselves(advanced: Json, field: str, message: str) -> None:
    found = problems("ModelDeployment", {**SPEC, "advanced": advanced})
    assert list(found) == [f"spec.advanced.{field}"]
    assert message in found[f"spec.advanced.{field}"]


@pytest.mark.parametrize(
    ("part", "field", "message"),
    [
        ({"engine": {**SPEC["engine"], "ngc": {}}}, "engine", "belong to engine type nim"),
        ({"engine": {**SPEC["engine"], "nimGeneration": 2}}, "engine", "belong to engine type nim"),
        ({"resources": {"cpu": "-1", "memory": "1Gi"}}, "resources.cpu", "must be more than 0"),
        ({"sharing": {"mode": "organizations"}}, "sharing", "needs a list of organizations"),
        ({"pricing": {"inputPerMillion": "1"}}, "pricing.outputPerMillion", "is required"),
        ({"pricing": {"inputPerMillion": "1", "outputPerMillion": "0.0000000001"}}, "pricing.outputPerMillion", "nine"),
        ({"rateLimits": {"user": {"tokensPerMinute": 0}}}, "rateLimits.user.tokensPerMinute", "more than 0"),
    ],
)
def test_deployments_that_contradict_themselves(part: Json, field: str, message: str) -> None:
    found = problems("ModelDeployment", {**SPEC, **part})
    assert list(found) == [f"spec.{field}"]
    assert message in found[f"spec.{field}"]


@pytest.mark.parametrize(
    ("kind", "spec", "field", "message"),
    [
        ("Endpoint", {"hostname": "a.b", "exposure": "gateway"}, "spec", "needs gateway: {namespace, name}"),
        ("Endpoint", {"hostname": "a.b", "tlsSecret": "x"}, "spec", "belong to exposure 'gateway'"),
        ("Endpoint", {"hostname": "A b"}, "spec.hostname", "DNS name"),
        ("Model", {"source": {"type": "storage", "claim": "a", "path": "../b"}}, "spec.source", "may not contain '..'"),
        ("Model", {"source": {"type": "storage", "claim": "a", "path": "/b"}}, "spec.source", "relative to the claim"),
        ("Model", {"source": {"type": "huggingface", "repository": "a"}}, "spec.source.repository", "not a repository"),
        (
            "Model",
            {"source": {"type": "huggingface", "repository": "a/b", "revision": "--x"}},
            "spec.source.revision",
            "not a branch",
        ),
        ("Model", {"source": {"type": "ngc", "image": "A"}}, "spec.source.image", "not an image reference"),
        (
            "Model",
            {"source": {"type": "ngc", "image": "a"}, "parameters": "8 billion"},
            "spec.parameters",
            "not a parameter count",
        ),
        ("Organization", {"users": ["Alice"]}, "spec.users.0", "lower-case"),
    ],
)
def test_catalogue_entries_that_cannot_be(kind: str, spec: Json, field: str, message: str) -> None:
    found = problems(kind, spec)
    assert list(found) == [field]
    assert message in found[field]


def test_equal_specs_are_equal_text() -> None:
    def text(**more: Any) -> str:
        document = parse_document({**HEAD, "kind": "ModelDeployment", "spec": {**SPEC, **more}})
        assert isinstance(document, ModelDeployment)
        return document.spec.canonical_json()

    written = {
        "pricing": {"inputPerMillion": "0.20", "outputPerMillion": 1},
        "advanced": {"labels": {"b": "1", "a": "2"}},
    }
    other = {
        "advanced": {"labels": {"a": "2", "b": "1"}},
        "pricing": {"outputPerMillion": "1.0", "inputPerMillion": "0.2"},
    }
    assert text(**written) == text(**other)
    assert text() != text(description="x")


def test_what_was_typed_is_not_in_the_error_of_the_validator() -> None:
    with pytest.raises(ValidationError) as caught:
        parse_document({**HEAD, "kind": "ModelDeployment", "spec": {**SPEC, "resources": {"cpu": "typed-secret"}}})
    assert "typed-secret" not in str(caught.value).replace("'typed-secret' is not a quantity", "")
