"""Envoy AI Gateway with Authorino: routes by model, keys through ext_authz, six counters of the rate-limit service.

Sources: https://aigateway.envoyproxy.io/docs/capabilities/traffic/usage-based-ratelimiting ,
https://gateway.envoyproxy.io/docs/tasks/traffic/global-rate-limit ,
https://gateway.envoyproxy.io/docs/tasks/security/ext-auth , https://docs.kuadrant.io/latest/authorino/docs/features/
"""

from __future__ import annotations

from genai_tui.domain.deployment import DeploymentSpec
from genai_tui.domain.enforcement import (
    AI_BACKEND,
    AI_ROUTE,
    AUTH_CONFIG,
    BACKEND,
    HTTP_ROUTE,
    LEVELS,
    NAMESPACE_LABEL,
    SECURITY_POLICY,
    TRAFFIC_POLICY,
    ServiceAddress,
    label_claim,
    limits_by_level,
)
from genai_tui.engines.parts import PORT
from genai_tui.kube.manifests.parts import LONGEST_STREAM, Json, authentication, authorization, item, must_hold

MODEL_HEADER = "x-ai-eg-model"
"""Set by the gateway from the request's `model`."""
_COSTS = (("llm_total_token", "TotalToken"), ("llm_input_token", "InputToken"), ("llm_output_token", "OutputToken"))


def render(
    name: str,
    namespace: str,
    spec: DeploymentSpec,
    parent: Json,
    hostname: str,
    keys_in: str,
    authorino: ServiceAddress,
) -> tuple[Json, ...]:
    """Every object of one deployment; the AuthConfig beside the keys, in namespace `keys_in`."""
    address = {"fqdn": {"hostname": f"{name}.{namespace}.svc.cluster.local", "port": PORT}}
    to_engine = {"group": BACKEND.group, "kind": BACKEND.kind, "name": name}
    service: Json = {
        "schema": {"name": "OpenAI"},
        "backendRef": to_engine,
        # The engine has no use for its users' keys.
        "headerMutation": {"remove": ["authorization"]},
    }
    route: Json = {
        "parentRefs": [parent],
        "hostnames": [hostname],
        "rules": [
            {
                "matches": [{"headers": [{"type": "Exact", "name": MODEL_HEADER, "value": name}]}],
                "backendRefs": [{"name": name}],
                "timeouts": {"request": LONGEST_STREAM},
            }
        ],
        "llmRequestCosts": [{"metadataKey": key, "type": kind} for key, kind in _COSTS],
    }
    objects = [
        _auth_config(name, namespace, spec, keys_in),
        item(BACKEND, name, namespace, name, {"endpoints": [address]}),
        item(AI_BACKEND, name, namespace, name, service),
        item(AI_ROUTE, name, namespace, name, route),
        item(SECURITY_POLICY, name, namespace, name, _external_authorization(name, namespace, authorino)),
    ]
    rules = _rules(spec)
    if rules:
        limited = {"targetRefs": [_target(name)], "rateLimit": {"type": "Global", "global": {"rules": rules}}}
        objects.append(item(TRAFFIC_POLICY, name, namespace, name, limited))
    return tuple(objects)


def _target(name: str) -> Json:
    """The HTTPRoute which the gateway makes of an AIGatewayRoute has its name."""
    return {"group": HTTP_ROUTE.group, "kind": HTTP_ROUTE.kind, "name": name}


def lookup_key(name: str, namespace: str) -> str:
    """By what Authorino finds the AuthConfig; the SecurityPolicy sends it in place of the request's host."""
    return f"{name}.{namespace}"


def _auth_config(name: str, namespace: str, spec: DeploymentSpec, keys_in: str) -> Json:
    shorts = [short for _, short, _ in LEVELS]
    forged = " && ".join(f'!("x-genai-{short}" in request.headers)' for short in shorts)
    rules: Json = {
        "hosts": [lookup_key(name, namespace)],
        "authentication": authentication(),
        "authorization": {
            # Whether Envoy overwrites or appends the headers below is not known; who brings them along is refused.
            "no-forged-identity": must_hold(forged),
            **authorization(name, namespace, spec),
        },
        "response": {
            "success": {
                "headers": {
                    f"x-genai-{short}": {"plain": {"expression": label_claim(label)}} for _, short, label in LEVELS
                }
            }
        },
    }
    config = item(AUTH_CONFIG, f"{name}.{namespace}", keys_in, name, rules)
    config["metadata"]["labels"][NAMESPACE_LABEL] = namespace
    return config


def _external_authorization(name: str, namespace: str, authorino: ServiceAddress) -> Json:
    service: Json = {"name": authorino.name, "port": authorino.port}
    if authorino.namespace != namespace:
        service["namespace"] = authorino.namespace
    return {
        "targetRefs": [_target(name)],
        "extAuth": {
            "failOpen": False,
            "timeout": "1s",
            "contextExtensions": [{"name": "host", "type": "Value", "value": lookup_key(name, namespace)}],
            "grpc": {"backendRefs": [service]},
        },
    }


def _rules(spec: DeploymentSpec) -> list[Json]:
    """Requests of every level, then tokens: checked before the engine with nothing added, charged after the answer."""
    levels = limits_by_level(spec.rate_limits)
    requests = [_rule(short, limit) for short, limit, _ in levels if limit is not None]
    tokens = [_rule(short, limit) | {"cost": _token_cost()} for short, _, limit in levels if limit is not None]
    return requests + tokens


def _rule(short: str, limit: int) -> Json:
    selector = {"headers": [{"name": f"x-genai-{short}", "type": "Distinct"}]}
    return {"clientSelectors": [selector], "limit": {"requests": limit, "unit": "Minute"}}


def _token_cost() -> Json:
    total = {"namespace": "io.envoy.ai_gateway", "key": "llm_total_token"}
    return {"request": {"from": "Number", "number": 0}, "response": {"from": "Metadata", "metadata": total}}
