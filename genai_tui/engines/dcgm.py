"""GPUs as NVIDIA's DCGM exporter reports them: names, units and labels of its default counters, in any case.

https://github.com/NVIDIA/dcgm-exporter/blob/main/etc/default-counters.csv
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from genai_tui.domain.cluster import Pod, Service
from genai_tui.domain.monitoring import GpuReading
from genai_tui.engines.prometheus import parse

PORT = 9400
_FIELDS = {
    "dcgm_fi_dev_gpu_util": "util",
    "dcgm_fi_prof_gr_engine_active": "active",
    "dcgm_fi_dev_fb_used": "used",
    "dcgm_fi_dev_fb_free": "free",
    "dcgm_fi_dev_fb_reserved": "reserved",
    "dcgm_fi_dev_gpu_temp": "celsius",
    "dcgm_fi_dev_power_usage": "watts",
    "dcgm_fi_dev_xid_errors": "xid",
}
_BLANK = 2**31 - 16
"""From here on DCGM writes values, in 32 or 64 bits, for `not supported`, `no permission` and such: dcgm_fields.h."""
_MARK = "dcgm-exporter"
_MARKED_LABELS = ("app", "app.kubernetes.io/name", "app.kubernetes.io/component", "k8s-app")


def parse_gpus(text: str) -> tuple[GpuReading, ...]:
    """The GPUs of one exporter, by index and MIG instance; a value it marks as blank is missing. Never raises."""
    values: dict[tuple[str, str], dict[str, float]] = {}
    labels: dict[tuple[str, str], dict[str, str]] = {}
    pods: dict[tuple[str, str], dict[tuple[str, str], None]] = {}
    for line in parse(text, lambda name: name.lower() in _FIELDS):
        own = {name.lower(): value for name, value in line.labels.items()}
        key = own.get("uuid") or own.get("gpu", ""), own.get("gpu_i_id", "")
        if not key[0]:
            continue
        # A GPU shared in time has a line for each of its pods; some series carry no pod although others do.
        holder = _holder(own)
        if holder[1]:
            pods.setdefault(key, {})[holder] = None
        labels[key] = {**own, **{name: value for name, value in labels.get(key, {}).items() if value}}
        if 0 <= line.value < _BLANK:
            values.setdefault(key, {}).setdefault(_FIELDS[line.name.lower()], line.value)
    found = [_reading(own, values.get(key, {}), [*pods.get(key, ())]) for key, own in labels.items()]
    return tuple(sorted(found, key=lambda gpu: (_number(gpu.index), _number(gpu.instance), gpu.uuid)))


def _reading(labels: Mapping[str, str], values: Mapping[str, float], pods: Sequence[tuple[str, str]]) -> GpuReading:
    namespace, pod = pods[0] if pods else ("", "")
    used, free = values.get("used"), values.get("free")
    busy = values["util"] / 100 if "util" in values else values.get("active")
    total = used + free + values.get("reserved", 0.0) if used is not None and free is not None else None
    return GpuReading(
        index=labels.get("gpu", ""),
        uuid=labels.get("uuid", ""),
        product=labels.get("modelname", ""),
        profile=labels.get("gpu_i_profile", ""),
        instance=labels.get("gpu_i_id", ""),
        busy=min(1.0, busy) if busy is not None else None,
        memory_used=used,
        memory_total=total,
        celsius=values.get("celsius"),
        watts=values.get("watts"),
        xid=int(values["xid"]) if "xid" in values else None,
        namespace=namespace,
        pod=pod,
        others=tuple(pods[1:]),
    )


def _holder(labels: Mapping[str, str]) -> tuple[str, str]:
    pod = _first(labels, "exported_pod", "pod", "pod_name")
    return _first(labels, "exported_namespace", "namespace", "pod_namespace"), pod


def _first(labels: Mapping[str, str], *names: str) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")


def _number(text: str) -> tuple[int, str]:
    return (int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1 << 30), text


def exporters(pods: Iterable[Pod], services: Iterable[Service]) -> dict[str, tuple[Pod, int]]:
    """The exporter's pod and port by node: by its labels or image, or because a Service named so selects it."""
    selectors = [(s.meta.namespace, s.selector.items()) for s in services if _MARK in s.meta.name and s.selector]
    found: dict[str, tuple[Pod, int]] = {}
    for pod in pods:
        if pod.node is None or pod.phase != "Running" or not _exports(pod, selectors):
            continue
        if pod.node not in found or pod.ready:
            ports = [port for container in pod.containers for port in container.ports]
            found[pod.node] = pod, PORT if PORT in ports or not ports else ports[0]
    return found


def _exports(pod: Pod, selectors: Iterable[tuple[str, Iterable[tuple[str, str]]]]) -> bool:
    labels = pod.meta.labels
    if any(_MARK in labels.get(name, "") for name in _MARKED_LABELS):
        return True
    if any(_MARK in container.image for container in pod.containers):
        return True
    return any(
        namespace == pod.meta.namespace and all(labels.get(name) == value for name, value in selector)
        for namespace, selector in selectors
    )
