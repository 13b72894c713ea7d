"""Reading a large cluster: our lists and watches beside `kubectl get` and the typed Kubernetes client, in one run.

Each reader is a process of its own against the same local server, which only sends bytes it made before. Run it with
`python -m benchmarks.cluster_reads [--pods 10000] [--events 10000]`; it prints times and their ratios to ours.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.kubernetes_server import Feed, serve
from genai_tui.domain.cluster import Kind
from genai_tui.domain.watching import Listed, Upserted
from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import resolve
from genai_tui.kube.reads import watch

Figures = dict[str, float]


def peak_mb() -> float:
    """The largest resident size of this program so far, in MB (ru_maxrss would count the parent's as well)."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu() -> float:
    """CPU seconds of this process and the children it waited for: what is left of the noise of a busy machine."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


async def ours(kubeconfig: str, events: int) -> Figures:
    """Our reader, from the first byte to frozen domain values."""
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - began - 0.001)

    async with Connection(resolve(kubeconfig, None)) as connection:
        ticker = asyncio.create_task(tick())
        began, spent = time.perf_counter(), cpu()
        listed = listed_block = listed_cpu = 0.0
        seen = 0
        kept: dict[str, object] = {}
        async with contextlib.aclosing(watch(connection, Kind.POD)) as batches:
            async for batch in batches:
                for event in batch:
                    if isinstance(event, Listed):
                        kept = {item.meta.name: item for item in event.objects}
                        listed, listed_block, longest = time.perf_counter() - began, longest, 0.0
                        listed_cpu = cpu() - spent
                    elif isinstance(event, Upserted):
                        kept[event.object.meta.name] = event.object
                        seen += 1
                if seen >= events:
                    break
        watched = time.perf_counter() - began - listed
        ticker.cancel()
    return {
        "list": listed,
        "watch": watched,
        "list_cpu": listed_cpu,
        "watch_cpu": cpu() - spent - listed_cpu,
        "list_block": listed_block,
        "watch_block": longest,
        "objects": len(kept),
        "mb": peak_mb(),
    }


def typed(kubeconfig: str, events: int) -> Figures:
    """The official client's typed list and watch."""
    from kubernetes import client, config
    from kubernetes import watch as typed_watch

    load: Callable[[str], None] = config.load_kube_config
    make: Callable[[], Any] = typed_watch.Watch
    load(kubeconfig)
    api: Any = client.CoreV1Api()
    began, spent = time.perf_counter(), cpu()
    pods = api.list_pod_for_all_namespaces()
    listed, listed_cpu = time.perf_counter() - began, cpu() - spent
    began, spent = time.perf_counter(), cpu()
    stream = make()
    version = pods.metadata.resource_version
    for seen, _ in enumerate(stream.stream(api.list_pod_for_all_namespaces, resource_version=version), 1):
        if seen >= events:
            stream.stop()
    return {
        "list": listed,
        "watch": time.perf_counter() - began,
        "list_cpu": listed_cpu,
        "watch_cpu": cpu() - spent,
        "objects": len(pods.items),
        "mb": peak_mb(),
    }


def kubectl(kubeconfig: str, events: int) -> Figures:
    """`kubectl get pods -A`, and `kubectl get pods -A --watch-only` until the last event is printed."""
    program = shutil.which("kubectl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        return {}
    command = [program, "--kubeconfig", kubeconfig, "get", "pods", "-A", "--no-headers"]
    began, spent = time.perf_counter(), cpu()
    done = subprocess.run(command, capture_output=True, check=True)
    listed, listed_cpu = time.perf_counter() - began, cpu() - spent
    began, spent = time.perf_counter(), cpu()
    with subprocess.Popen([*command, "--watch-only"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for seen, _ in enumerate(process.stdout, 1):
            if seen >= events:
                break
        watched = time.perf_counter() - began
        process.kill()
    return {
        "list": listed,
        "watch": watched,
        "list_cpu": listed_cpu,
        "watch_cpu": cpu() - spent,
        "objects": done.stdout.count(b"\n"),
        "mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


READERS = {"genai-tui": "ours", "kubectl": "kubectl", "kubernetes (typed)": "typed"}


def measure(reader: str, kubeconfig: str, events: int) -> Figures:
    """Run one reader in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.cluster_reads", "--reader", reader, "--events", str(events)]
    done = subprocess.run([*command, "--kubeconfig", kubeconfig], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{reader} failed:\n{done.stderr}")
    found: Figures = json.loads(done.stdout)
    return found


@contextlib.contextmanager
def kubeconfig_for(port: int) -> Iterator[str]:
    """A kubeconfig that leads to the local server."""
    data = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "clusters": [{"name": "bench", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": ""}}],
    }
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "kubeconfig"
        path.write_text(yaml.safe_dump(data), encoding="utf-8")
        yield str(path)


def table(found: dict[str, Figures], events: int) -> str:
    """The figures, each with its ratio to ours."""
    base = found["genai-tui"]
    head = f"{'':20}{'list s':>14}{'list cpu s':>14}{'watch s':>14}{'watch cpu s':>14}{'events/s':>10}{'peak MB':>9}"
    lines = [head]
    for name, figures in found.items():
        if figures:
            cells = [
                f"{figures[key]:6.2f} ({figures[key] / base[key]:4.1f}x)"
                for key in ("list", "list_cpu", "watch", "watch_cpu")
            ]
            rate = events / figures["watch"]
            lines.append(f"{name:20}{''.join(f'{cell:>14}' for cell in cells)}{rate:10,.0f}{figures['mb']:9.0f}")
    blocks = f"list {base['list_block'] * 1000:.0f} ms, watch {base['watch_block'] * 1000:.0f} ms"
    return "\n".join([*lines, f"longest our event loop was blocked: {blocks}"])


def main() -> None:
    """Measure all, or one reader when called by itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--reader", choices=READERS.values())
    parser.add_argument("--kubeconfig", default="")
    options = parser.parse_args()
    if options.reader == "ours":
        print(json.dumps(asyncio.run(ours(options.kubeconfig, options.events))))
    elif options.reader:
        reader = typed if options.reader == "typed" else kubectl
        print(json.dumps(reader(options.kubeconfig, options.events)))
    else:
        feed = Feed(options.pods, options.events)
        print(f"{options.pods:,} pods of {feed.pod_bytes / 1000:.1f} kB, {options.events:,} watch events")
        with serve(feed) as port, kubeconfig_for(port) as path:
            found = {name: measure(reader, path, options.events) for name, reader in READERS.items()}
        short = [name for name, figures in found.items() if figures and figures["objects"] != options.pods]
        if short:
            raise SystemExit(f"{', '.join(short)} did not read every pod")
        print(table(found, options.events))


if __name__ == "__main__":
    main()
