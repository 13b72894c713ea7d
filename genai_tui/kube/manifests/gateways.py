"""What a deployment needs at its endpoint's gateway: routes, policies and who may reach the engine at all.

One hostname for each deployment (`NAME.ENDPOINT-HOSTNAME`): with a shared one gateways choose the policy of another
deployment (docs/gateways.md). Everything is owned by the Deployment but what must live beside the API keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genai_tui.domain.catalogue import EndpointSpec
from genai_tui.domain.deployment import DeploymentSpec
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.enforcement import (
    HTTP_ROUTE,
    LARGEST_LIMIT,
    LEVELS,
    NETWORK_POLICY,
    Backend,
    ServiceAddress,
    hostname_of,
    limits_by_level,
)
from genai_tui.domain.problems import FieldProblem
from genai_tui.engines.parts import PORT
from genai_tui.errors import BadInput
from genai_tui.kube.manifests import envoy_ai_gateway, kuadrant
from genai_tui.kube.manifests.parts import Json, item, route_rule

MONITORING_NAMESPACES = ("monitoring", "openshift-monitoring", "openshift-user-workload-monitoring", "prometheus")


def render_gateway(
    document: ModelDeployment, endpoint: EndpointSpec, namespace: str, keys_in: str, authorino: ServiceAddress
) -> tuple[Json, ...]:
    """The objects for this endpoint; none when it is not exposed through a gateway.

    Raises:
        BadInput: a limit the gateways' counters cannot hold, or a hostname that becomes too long.
    """
    gateway = endpoint.gateway
    if endpoint.exposure != "gateway" or gateway is None:
        return ()
    name, spec = document.metadata.name, document.spec
    hostname = hostname_of(name, endpoint.hostname)
    _check(spec, hostname)
    parent: Json = {"group": HTTP_ROUTE.group, "kind": "Gateway", "name": gateway.name}
    if gateway.namespace != namespace:
        parent["namespace"] = gateway.namespace
    if endpoint.enforcement is None:
        route = {"parentRefs": [parent], "hostnames": [hostname], "rules": [route_rule(name, keep_key=True)]}
        return (item(HTTP_ROUTE, name, namespace, name, route),)
    backend = Backend(endpoint.enforcement)
    if backend is Backend.ENVOY:
        objects = envoy_ai_gateway.render(name, namespace, spec, parent, hostname, keys_in, authorino)
    else:
        objects = kuadrant.render(name, namespace, spec, parent, hostname)
    return (*objects, network_policy(name, namespace, backend, gateway.namespace, gateway.name))


def _check(spec: DeploymentSpec, hostname: str) -> None:
    problems: list[FieldProblem] = []
    if len(hostname) > 253:
        problems.append(FieldProblem("spec.endpoint", f"the hostname {hostname[:40]}... has more than 253 characters"))
    fields = {short: field for field, short, _ in LEVELS}
    for short, requests, tokens in limits_by_level(spec.rate_limits):
        level = "apiKey" if fields[short] == "api_key" else fields[short]
        for unit, value in (("requestsPerMinute", requests), ("tokensPerMinute", tokens)):
            if value is not None and value > LARGEST_LIMIT:
                text = f"gateways count up to {LARGEST_LIMIT}; leave it empty for no limit"
                problems.append(FieldProblem(f"spec.rateLimits.{level}.{unit}", text))
    if problems:
        raise BadInput(problems[0].message, fields=tuple(problems))


def network_policy(name: str, namespace: str, backend: Backend, gateway_namespace: str, gateway: str) -> Json:
    """Only the gateway's proxies, and Prometheus for the metrics, may open a connection to the engine.

    Envoy Gateway labels its proxies with the Gateway that owns them and runs them in its own namespace or the
    Gateway's; Istio, which Kuadrant also stands on, runs them in the Gateway's namespace. Kubelet and port-forwards
    come from the node itself, which network policies do not stop.
    """
    owning = {
        "gateway.envoyproxy.io/owning-gateway-name": gateway,
        "gateway.envoyproxy.io/owning-gateway-namespace": gateway_namespace,
    }
    proxies = [_peer([*dict.fromkeys(("envoy-gateway-system", gateway_namespace))], owning)]
    if backend is Backend.KUADRANT:
        proxies.append(_peer([gateway_namespace], {"gateway.networking.k8s.io/gateway-name": gateway}))
    prometheus = _peer(MONITORING_NAMESPACES, {"app.kubernetes.io/name": "prometheus"})
    spec = {
        "podSelector": {"matchLabels": {"genai-tui.dev/deployment": name}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [*proxies, prometheus], "ports": [{"port": PORT, "protocol": "TCP"}]}],
    }
    return item(NETWORK_POLICY, name, namespace, name, spec)


def _peer(namespaces: Sequence[str], labels: dict[str, str]) -> dict[str, Any]:
    expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": list(namespaces)}
    return {"namespaceSelector": {"matchExpressions": [expression]}, "podSelector": {"matchLabels": labels}}
