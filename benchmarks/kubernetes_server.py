"""A server of pods for benchmarks: bytes made beforehand, so that its own work does not count.

It speaks what `kubectl get`, the typed client and our reader ask for: discovery, pages, tables and watches of pods.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
VERSION = 1_000_000
PAGE_DEFAULT = 500


def encode(value: object) -> bytes:
    """Compact JSON, as the API server writes it."""
    return json.dumps(value, separators=(",", ":")).encode()


def fields(value: object) -> object:
    """A fieldsV1 tree over a value: managedFields are nearly half of what a real list carries."""
    if isinstance(value, dict):
        return {f"f:{key}": fields(inner) for key, inner in value.items()}
    if isinstance(value, list):
        named = [item for item in value if isinstance(item, dict)]
        return {f'k:{{"name":"{item.get("name", i)}"}}': fields(item) for i, item in enumerate(named)}
    return {}


def make_pod(number: int, version: int, restarts: int = 0) -> Json:
    """A pod as a model deployment has them: one engine container with GPUs, a sidecar, an init container."""
    owner = number // 5
    name, namespace = f"model-{owner:05d}-7d68655b78-{number:05x}", f"team-{owner % 40:02d}"
    stamp = f"2026-11-23T08:{number % 60:02d}:{number * 7 % 60:02d}Z"
    labels = {"genai-tui.dev/deployment": f"model-{owner:05d}", "pod-template-hash": "7d68655b78"}
    env = [{"name": f"SETTING_{i}", "value": f"value-{i}-of-the-engine"} for i in range(12)]
    mounts = [{"name": n, "mountPath": f"/mnt/{n}"} for n in ("cache", "shm", "config", "kube-api-access-x7k2p")]
    probe = {"httpGet": {"path": "/health", "port": 8000, "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 5}
    amounts = {"cpu": "16", "memory": "192Gi", "nvidia.com/gpu": "4"}
    engine = {
        "name": "engine",
        "image": "vllm/vllm-openai:v0.32.0",
        "command": ["vllm", "serve"],
        "args": [
            "/models/llama",
            "--served-model-name",
            labels["genai-tui.dev/deployment"],
            "--tensor-parallel-size",
            "4",
            "--max-model-len",
            "32768",
        ],
        "ports": [{"name": "http", "containerPort": 8000, "protocol": "TCP"}],
        "env": env,
        "resources": {"limits": amounts, "requests": amounts},
        "volumeMounts": mounts,
        "startupProbe": probe | {"failureThreshold": 60},
        "livenessProbe": probe | {"failureThreshold": 3},
        "readinessProbe": probe | {"failureThreshold": 2},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "imagePullPolicy": "IfNotPresent",
    }
    small = {"limits": {"cpu": "1", "memory": "1Gi"}}
    sidecar = {"name": "relay", "image": "relay:1.4", "env": env[:4], "resources": small, "volumeMounts": mounts[2:]}
    spec = {
        "volumes": [{"name": mount["name"], "emptyDir": {}} for mount in mounts],
        "initContainers": [{"name": "fetch", "image": "fetch:2", "volumeMounts": mounts[:1], "resources": small}],
        "containers": [engine, sidecar],
        "nodeName": f"gpu-node-{number % 500:03d}",
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 60,
        "serviceAccountName": "default",
        "schedulerName": "default-scheduler",
        "enableServiceLinks": False,
    }
    types = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    running = {"state": {"running": {"startedAt": stamp}}, "lastState": {}, "ready": True, "started": True}
    statuses = [
        {"name": c, "image": f"{c}:1", "imageID": f"{c}@sha256:{'0' * 64}", "restartCount": restarts, **running}
        for c in ("engine", "relay")
    ]
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    status = {
        "phase": "Running",
        "conditions": [
            {"type": t, "status": "True", "lastProbeTime": None, "lastTransitionTime": stamp} for t in types
        ],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": stamp,
        "containerStatuses": statuses,
        "qosClass": "Burstable",
    }
    managed = [
        {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1", "time": stamp,
         "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": fields({"labels": labels}), "f:spec": fields(spec)}},
        {"manager": "kubelet", "operation": "Update", "apiVersion": "v1", "time": stamp, "subresource": "status",
         "fieldsType": "FieldsV1", "fieldsV1": {"f:status": fields(status)}},
    ]  # fmt: skip
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"00000000-0000-4000-8000-{number:012d}",
        "resourceVersion": str(version),
        "creationTimestamp": stamp,
        "labels": labels,
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": f"rs-{owner}",
                "uid": f"rs-{owner}",
                "controller": True,
            }
        ],
        "managedFields": managed,
    }
    return {"metadata": metadata, "spec": spec, "status": status}


COLUMNS = [
    {"name": name, "type": "string", "format": "", "description": "", "priority": 0}
    for name in ("Name", "Ready", "Status", "Restarts", "Age")
]


def row(pod: Json) -> Json:
    """The line `kubectl get` prints, with the metadata it carries along."""
    metadata = pod["metadata"]
    cells = [metadata["name"], "2/2", "Running", str(pod["status"]["containerStatuses"][0]["restartCount"]), "3d"]
    return {
        "cells": cells,
        "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata},
    }


class Feed:
    """All the bytes that will be sent."""

    def __init__(self, pods: int, events: int) -> None:
        made = [make_pod(number, VERSION - pods + number) for number in range(pods)]
        self.pods, self.rows = [encode(pod) for pod in made], [encode(row(pod)) for pod in made]
        self.pod_bytes = sum(map(len, self.pods)) // pods
        changed = [make_pod(n % pods, VERSION + 1 + n, restarts=n % 5) for n in range(events)]
        typed = {"kind": "Pod", "apiVersion": "v1"}
        self.events = [encode({"type": "MODIFIED", "object": typed | pod}) + b"\n" for pod in changed]
        heads: list[object] = [COLUMNS, *[None] * (events - 1)]
        self.row_events = [
            encode({"type": "MODIFIED", "object": self._table([row(pod)], str(VERSION), columns)}) + b"\n"
            for pod, columns in zip(changed, heads, strict=True)
        ]

    @staticmethod
    def _table(rows: list[Json], version: str, columns: object) -> Json:
        metadata = {"resourceVersion": version}
        kind = {"kind": "Table", "apiVersion": "meta.k8s.io/v1"}
        return {**kind, "metadata": metadata, "columnDefinitions": columns, "rows": rows}

    def page(self, query: dict[str, list[str]], *, as_table: bool) -> bytes:
        """A page of the list, from `continue` on."""
        begin, limit = int(query.get("continue", ["0"])[0]), int(query.get("limit", ["0"])[0])
        source = self.rows if as_table else self.pods
        end = begin + limit if limit else len(source)
        metadata = {"resourceVersion": str(VERSION)} | ({"continue": str(end)} if end < len(source) else {})
        head: Json = {"kind": "PodList", "apiVersion": "v1", "metadata": metadata}
        if as_table:
            head = {**self._table([], str(VERSION), COLUMNS), "metadata": metadata}
            del head["rows"]
        name = b"rows" if as_table else b"items"
        return encode(head)[:-1] + b',"' + name + b'":[' + b",".join(source[begin:end]) + b"]}"


_RESOURCE = {
    "name": "pods",
    "singularName": "pod",
    "namespaced": True,
    "kind": "Pod",
    "verbs": ["get", "list", "watch"],
}
DISCOVERY: dict[str, Json] = {
    "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [_RESOURCE]},
}


class _Server:
    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                await self._answer(head, writer)
        writer.close()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        url = urlsplit(head.split(" ", 2)[1])
        query = parse_qs(url.query)
        as_table = "as=Table" in head
        if url.path == "/api/v1/pods" and query.get("watch", ["0"])[0] in ("1", "true", "True"):
            await self._watch(writer, self._feed.row_events if as_table else self._feed.events)
            return
        found = self._feed.page(query, as_table=as_table) if url.path == "/api/v1/pods" else None
        body = found if found is not None else encode(DISCOVERY.get(url.path, {}))
        status = b"200 OK" if found is not None or url.path in DISCOVERY else b"404 Not Found"
        writer.write(
            b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        )
        writer.write(body)
        await writer.drain()

    async def _watch(self, writer: asyncio.StreamWriter, events: list[bytes]) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        for event in events:
            writer.write(b"%x\r\n%s\r\n" % (len(event), event))
            await writer.drain()
        await asyncio.Event().wait()


@contextlib.contextmanager
def serve(feed: Feed) -> Iterator[int]:
    """Serve on loopback in a thread; yields the port."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(_Server(feed).serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()


async def _end() -> None:
    """End every connection."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
