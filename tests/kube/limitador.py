"""A Limitador: limits as Kuadrant's operator writes them down from our policies, counters, and the HTTP API on a socket.

Shapes: https://github.com/Kuadrant/limitador/blob/main/limitador-server/src/http_api/request_types.rs , names of limits:
https://github.com/Kuadrant/kuadrant-operator/blob/main/internal/controller/limitador_limits_reconciler.go
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from genai_tui.sandbox import registry
from tests.manifests.crds import open_definition
from tests.sandbox.serving import Served

Json = dict[str, Any]
DEFINITION = open_definition("limitador.kuadrant.io", "v1alpha1", "Limitador", "limitadors")
KINDS = {"RateLimitPolicy": "limit", "TokenRateLimitPolicy": "tokenlimit"}


def compiled(objects: Iterable[Json]) -> list[Json]:
    """What the operator makes of the policies among these objects."""
    return [
        {
            "id": None,
            "namespace": f"{policy['metadata']['namespace']}/{policy['spec']['targetRef']['name']}",
            "max_value": limit["rates"][0]["limit"],
            "seconds": 60,
            "name": name,
            "conditions": [f'descriptors[0]["{key(policy, name)}"] == "1"'],
            "variables": [f'descriptors[0]["{counter["expression"]}"]' for counter in limit["counters"]],
        }
        for policy in objects
        if policy["kind"] in KINDS
        for name, limit in policy["spec"]["limits"].items()
    ]


def key(policy: Json, name: str) -> str:
    meta = policy["metadata"]
    mark = hashlib.sha256(f"{meta['namespace']}/{meta['name']}/{name}".encode()).digest()[:4].hex()
    return f"{KINDS[policy['kind']]}.{name.replace('-', '_')}__{mark}"


def counter(limit: Json, subject: str, used: int, left: int = 30) -> Json:
    """As it is told; what is left wraps around in 64 bits when more is used than there is."""
    remaining = (limit["max_value"] - used) % 2**64
    values = {limit["variables"][0]: subject}
    return {"limit": limit, "set_variables": values, "remaining": remaining, "expires_in_seconds": left}


@dataclass
class LimitadorDouble:
    """Answers what it is told to; `lines` are the requests as they came, `connections` how many carried them."""

    limits: list[Json] = field(default_factory=list)
    counters: list[Json] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    connections: int = 0
    status: int = 200
    garbles: bool = False
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answers.set()

    def count(self, name: str, subject: str, used: int, left: int = 30) -> None:
        """Let a limit have been used by somebody."""
        (limit,) = [limit for limit in self.limits if limit["name"] == name]
        self.counters.append(counter(limit, subject, used, left))

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, for `tests.kube.doubles.listening`."""
        self.connections += 1
        while head := (await reader.readuntil(b"\r\n\r\n")).decode():
            self.lines.append(head.split("\r\n")[0])
            what, namespace = self.lines[-1].split()[1].strip("/").split("/")
            await self.answers.wait()
            if self.garbles and what == "counters":
                writer.write(b"thread panicked\r\n\r\n")
                continue
            of = {"limits": self.limits, "counters": self.counters}[what]
            items = [one for one in of if one.get("limit", one)["namespace"] == unquote(namespace)]
            body = json.dumps(items).encode()
            writer.write(b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n%b" % (self.status, len(body), body))


def install(cluster: Served, namespace: str, *, pods: int = 1, storage: Json | None = None, port: int = 8080) -> None:
    """The resource, and its pods, ready; `DEFINITION` has to be served."""

    def put() -> None:
        kind = registry.by_kind("limitador.kuadrant.io/v1alpha1", "Limitador")
        assert kind is not None
        spec = {"storage": storage} if storage is not None else {}
        cluster.api.create(kind, namespace, {"metadata": {"name": "limitador"}, "spec": spec})
        for number in range(pods):
            name = f"limitador-limitador-{number}"
            ports = [{"name": "http", "containerPort": port}, {"name": "grpc", "containerPort": 8081}]
            containers = [{"name": "limitador", "image": "quay.io/kuadrant/limitador:v2.2.0", "ports": ports}]
            labels = {"app": "limitador", "limitador-resource": "limitador"}
            pod = {"metadata": {"name": name, "labels": labels}, "spec": {"containers": containers, "nodeName": "n"}}
            cluster.api.create(registry.PODS, namespace, pod)
            live = dict(cluster.api.get(registry.PODS, namespace, name))
            live["status"] = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}
            cluster.api.objects.put(registry.PODS, live)

    cluster.call(put)
