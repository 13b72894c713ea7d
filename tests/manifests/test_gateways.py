"""Objects for gateways: what real API servers take, what the examples say, and what must never be missing or leak."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from hypothesis import given, settings

from genai_tui.domain.catalogue import EndpointSpec, GatewayReference
from genai_tui.domain.deployment import RateLimits, Sharing, SharingMode
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.enforcement import AUTHORINO, LARGEST_LIMIT, OURS
from genai_tui.errors import BadInput
from genai_tui.files import read_documents
from genai_tui.kube.manifests.gateways import render_gateway
from tests.manifests.crds import folder, open_definition, published, serving, wrong
from tests.strategies import DEPLOYMENTS

Json = dict[str, Any]
GOLDEN = Path(__file__).resolve().parent.parent / "golden"
BACKENDS = ("envoy-ai-gateway", "kuadrant")
GATEWAY = GatewayReference(namespace="genai", name="genai")
EXAMPLE = """
apiVersion: genai-tui.dev/v1alpha1
kind: ModelDeployment
metadata: {name: llama-31-8b, namespace: genai}
spec:
  model: llama-3.1-8b
  endpoint: public
  engine: {type: vllm, image: "vllm/vllm-openai:v0.33.0"}
  resources: {cpu: "2", memory: 4Gi}
  rateLimits:
    organization: {tokensPerMinute: 300000, requestsPerMinute: 600}
    user: {tokensPerMinute: 60000, requestsPerMinute: 120}
    apiKey: {tokensPerMinute: 20000, requestsPerMinute: 60}
  sharing: {mode: organizations, organizations: [org-a, org-b]}
"""


def example() -> ModelDeployment:
    (document,) = read_documents(EXAMPLE)
    assert isinstance(document, ModelDeployment)
    return document


def endpoint(enforcement: str | None) -> EndpointSpec:
    given_: Json = {"hostname": "genai.example.com", "exposure": "gateway", "gateway": GATEWAY}
    return EndpointSpec.model_validate(given_ | {"enforcement": enforcement})


def render(document: ModelDeployment, enforcement: str | None, namespace: str = "genai") -> tuple[Json, ...]:
    return render_gateway(document, endpoint(enforcement), namespace, "genai-keys", AUTHORINO)


def with_limits(document: ModelDeployment, limits: RateLimits) -> ModelDeployment:
    return document.model_copy(update={"spec": document.spec.model_copy(update={"rate_limits": limits})})


@pytest.fixture(scope="module", autouse=True)
def kinds() -> Iterator[None]:
    """The published kinds where they are at hand; else kinds of these names that take anything."""
    own = [open_definition(k.group, k.version, k.kind, k.plural) for k in OURS if k.kind != "NetworkPolicy"]
    with serving(published() or own):
        yield


needs_definitions = pytest.mark.skipif(folder() is None, reason="the published definitions are not beside this clone")


@pytest.mark.parametrize("enforcement", [*BACKENDS, None])
def test_objects_are_as_they_were_reviewed(enforcement: str | None) -> None:
    text = yaml.safe_dump_all(render(example(), enforcement), sort_keys=False, width=110)
    kept = GOLDEN / f"gateway-{enforcement or 'only'}.manifests.yaml"
    if os.environ.get("REWRITE_GOLDEN"):
        kept.write_text(text, encoding="utf-8")
    assert kept.read_text(encoding="utf-8") == text


def test_the_example_numbers_give_the_examples() -> None:
    """All but the rule `key`, which the examples do not have: their keys neither end nor are confined."""
    examples = list(yaml.safe_load_all((GOLDEN / "gateway-examples.yaml").read_text(encoding="utf-8")))
    compared = []
    for backend in BACKENDS:
        for item in render(example(), backend):
            if item["kind"] == "NetworkPolicy":
                continue
            (expected,) = [e for e in examples if (e["apiVersion"], e["kind"]) == (item["apiVersion"], item["kind"])]
            if item["kind"] in ("AuthConfig", "AuthPolicy"):
                assert len(authorization(item).pop("key")["patternMatching"]["patterns"]) == 2
            assert item["spec"] == expected["spec"], item["kind"]
            compared.append(item["kind"])
    assert len(compared) == len(examples) == 10


@given(DEPLOYMENTS)
@settings(max_examples=60)
def test_what_is_rendered_is_valid(document: ModelDeployment) -> None:
    for enforcement in (*BACKENDS, None):
        try:
            objects = render(document, enforcement, "team-a")
        except BadInput:
            limits = document.spec.rate_limits.model_dump()
            assert any(n and n > LARGEST_LIMIT for level in limits.values() for n in level.values())
            continue
        for item in objects:
            if item["kind"] == "NetworkPolicy":
                kubernetes_validate.validate(item, "1.36", strict=True)
            else:
                assert wrong(copy.deepcopy(item)) == [], item["kind"]


def numbers(objects: tuple[Json, ...], *kinds_: str) -> list[int]:
    """Every limit in the policies, in any order."""
    text = json.dumps([item for item in objects if item["kind"] in kinds_])
    pattern = r'"requests": (\d+)' if "BackendTrafficPolicy" in kinds_ else r'"limit": (\d+)'
    return sorted(int(number) for number in re.findall(pattern, text))


@given(DEPLOYMENTS)
@settings(max_examples=60)
def test_every_limit_is_there_once_and_nothing_else(document: ModelDeployment) -> None:
    written = document.spec.rate_limits.model_dump()
    wanted = sorted(n for level in written.values() for n in level.values() if n is not None)
    if any(n > LARGEST_LIMIT for n in wanted):
        return
    policies = {"envoy-ai-gateway": ["BackendTrafficPolicy"], "kuadrant": ["RateLimitPolicy", "TokenRateLimitPolicy"]}
    for enforcement, kinds_ in policies.items():
        objects = render(document, enforcement)
        assert numbers(objects, *kinds_) == wanted
        # Without any limit there is no policy that says nothing.
        if not wanted:
            assert not {item["kind"] for item in objects} & set(kinds_)
        none = render(with_limits(document, RateLimits()), enforcement)
        assert not {item["kind"] for item in none} & set(kinds_)


@given(DEPLOYMENTS)
@settings(max_examples=60)
def test_what_is_rendered_is_labelled_and_holds_no_secret(document: ModelDeployment) -> None:
    for enforcement in BACKENDS:
        if any((n or 0) > LARGEST_LIMIT for lv in document.spec.rate_limits.model_dump().values() for n in lv.values()):
            return
        objects = render(document, enforcement, "team-a")
        name = document.metadata.name
        for item in objects:
            labels = item["metadata"]["labels"]
            assert labels["app.kubernetes.io/managed-by"] == "genai-tui"
            assert labels["genai-tui.dev/deployment"] == name
            # What nothing can own says whose it is.
            outside = item["metadata"]["namespace"] != "team-a"
            assert outside == (item["kind"] == "AuthConfig") == ("genai-tui.dev/namespace" in labels)
        assert "Secret" not in {item["kind"] for item in objects}
        values = [v.value for v in document.spec.advanced.env if v.value and len(v.value) > 8]
        text = json.dumps(objects, ensure_ascii=False)
        assert not [value for value in values if value in text]


def authorization(item: Json) -> Json:
    """The rules of an AuthConfig or an AuthPolicy that say who may call."""
    found: Json = item["spec"].get("rules", item["spec"])["authorization"]
    return found


def predicates(document: ModelDeployment, enforcement: str) -> list[str]:
    """Every CEL expression a request must meet at this gateway, once its key is known."""
    (holder,) = [i for i in render(document, enforcement) if i["kind"] in ("AuthConfig", "AuthPolicy")]
    rules = authorization(holder).values()
    return [pattern["predicate"] for rule in rules for pattern in rule["patternMatching"]["patterns"]]


@pytest.mark.parametrize("mode", ["none", "all"])
@pytest.mark.parametrize("enforcement", BACKENDS)
def test_sharing_decides_who_may_call(enforcement: str, mode: str) -> None:
    spec = example().spec
    changed = spec.model_copy(update={"sharing": Sharing(mode=SharingMode(mode))})
    objects = render(example().model_copy(update={"spec": changed}), enforcement)
    (holder,) = [item for item in objects if item["kind"] in ("AuthConfig", "AuthPolicy")]
    rules = authorization(holder)["sharing"]["patternMatching"]["patterns"]
    assert len(rules) == (2 if mode == "none" else 1)
    assert (rules[-1] == {"predicate": "false"}) == (mode == "none")


def test_only_the_gateway_and_prometheus_reach_the_engine() -> None:
    policy = render(example(), "envoy-ai-gateway")[-1]
    assert policy["kind"] == "NetworkPolicy"
    assert policy["spec"]["podSelector"] == {"matchLabels": {"genai-tui.dev/deployment": "llama-31-8b"}}
    (rule,) = policy["spec"]["ingress"]
    for peer in rule["from"]:
        assert peer["podSelector"]["matchLabels"]
        assert peer["namespaceSelector"]["matchExpressions"][0]["values"]


# -- against what is published ------------------------------------------------------------------------------------


BREAKS: list[tuple[str, str, Any]] = [
    ("AIGatewayRoute", "spec.rules.0.backendRefs.0.weigth", 1),
    ("AIGatewayRoute", "spec.llmRequestCosts.0.type", "Tokens"),
    ("AIServiceBackend", "spec.schema.name", "OpenAPI"),
    ("Backend", "spec.endpoints.0.fqdn.port", 70000),
    ("SecurityPolicy", "spec.extAuth.failOpen", "no"),
    ("SecurityPolicy", "spec.targetRefs.0.kind", None),
    ("BackendTrafficPolicy", "spec.rateLimit.global.rules.0.limit.unit", "Minutes"),
    ("BackendTrafficPolicy", "spec.rateLimit.global.rules.0.limit.requests", 0),
    ("AuthConfig", "spec.authentication.api-key.apiKey.selector.matchLabel", {}),
    ("HTTPRoute", "spec.rules.0.matches.0.path.type", "Prefix"),
    ("HTTPRoute", "spec.rules.0.timeouts.request", "ten minutes"),
    ("AuthPolicy", "spec.targetRef.name", None),
    ("RateLimitPolicy", "spec.limits.org-rpm.rates.0.window", "60 seconds"),
    ("TokenRateLimitPolicy", "spec.limits.a-org-tpm.rates.0.limit", "many"),
]


def broken(item: Json, path: str, value: Any) -> Json:
    found = copy.deepcopy(item)
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = found
    for part in way:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return found


@needs_definitions
@pytest.mark.parametrize(("kind", "path", "value"), BREAKS)
def test_a_broken_object_is_refused(kind: str, path: str, value: Any) -> None:
    objects = [item for backend in BACKENDS for item in render(example(), backend)]
    item = next(item for item in objects if item["kind"] == kind)
    assert wrong(copy.deepcopy(item)) == []
    (refused,) = wrong(broken(item, path, value))
    assert path.split(".")[-1] in refused


def _closed(schema: Any) -> Any:
    """A CRD's schema for a JSON Schema validator, with unknown fields refused."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _closed(value) for name, value in schema.items() if name != "format"}
    plain = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if plain and not schema.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    return found


@needs_definitions
@pytest.mark.parametrize(("kind", "path", "value"), [*BREAKS, ("SecurityPolicy", "", None), ("AuthPolicy", "", None)])
def test_another_validator_agrees(kind: str, path: str, value: Any) -> None:
    objects = [item for backend in BACKENDS for item in render(example(), backend)]
    item = next(item for item in objects if item["kind"] == kind)
    item = broken(item, path, value) if path else item
    definition = next(
        d for d in published() if d["spec"]["names"]["kind"] == kind and d["spec"]["group"] in item["apiVersion"]
    )
    version = next(v for v in definition["spec"]["versions"] if v.get("storage"))
    schema = _closed(version["schema"]["openAPIV3Schema"])
    schema["properties"] |= {"metadata": {"type": "object"}}
    errors = [error.message for error in jsonschema.Draft4Validator(schema).iter_errors(item)]
    assert bool(errors) == bool(path), errors
