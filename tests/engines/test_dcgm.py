"""GPUs read from the DCGM exporter's text: with and without pod labels, MIG, other cases, broken text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.cluster import ContainerSpec, Meta, Pod, Service
from genai_tui.domain.monitoring import GpuReading
from genai_tui.engines.dcgm import exporters, parse_gpus
from genai_tui.engines.prometheus import parse

RECORDED = Path(__file__).parents[1] / "data/dcgm/sample.prom"
COUNTERS = Path(__file__).parents[2].parent / "shared/data/dcgm/default-counters.csv"
OWN = (
    'UUID="GPU-604ac76c",pci_bus_id="00000000:07:00.0",device="nvidia0",modelName="NVIDIA H100 80GB HBM3",hostname="h"'
)
WITH_PODS = "\n".join(
    f'{name}{{gpu="0",{OWN},container="engine",namespace="team-a",pod="chat-7d9f8-x7"}} {value}'
    for name, value in {
        "DCGM_FI_DEV_GPU_UTIL": "62",
        "DCGM_FI_DEV_FB_USED": "41000",
        "DCGM_FI_DEV_FB_FREE": "40000",
        "DCGM_FI_DEV_FB_RESERVED": "559",
        "DCGM_FI_DEV_GPU_TEMP": "71",
        "DCGM_FI_DEV_POWER_USAGE": "402.5",
        "DCGM_FI_DEV_XID_ERRORS": "79",
    }.items()
)
READ = GpuReading(
    index="0",
    uuid="GPU-604ac76c",
    product="NVIDIA H100 80GB HBM3",
    busy=0.62,
    memory_used=41000,
    memory_total=81559,
    celsius=71,
    watts=402.5,
    xid=79,
    namespace="team-a",
    pod="chat-7d9f8-x7",
)


def test_every_value_with_its_unit_and_who_has_the_gpu() -> None:
    assert parse_gpus(WITH_PODS) == (READ,)


def test_a_gpu_shared_in_time_is_held_by_each_of_its_pods() -> None:
    both = f"{WITH_PODS}\n{WITH_PODS.replace('team-a', 'team-b').replace('chat-7d9f8-x7', 'mail-1-a')}"
    (gpu,) = parse_gpus(both)
    assert gpu.held_by("team-a", "chat-7d9f8-x7")
    assert gpu.held_by("team-b", "mail-1-a")
    assert not gpu.held_by("team-a", "mail-1-a")


def test_what_an_exporter_was_recorded_to_say() -> None:
    """Its lines as they are, then as series we read: a value that DCGM marks as blank is missing, the GPU is there."""
    text = RECORDED.read_text()
    assert parse_gpus(text) == ()
    (gpu,) = parse_gpus(
        text.replace("DCGM_FI_DEV_MEMORY_TEMP", "DCGM_FI_DEV_GPU_TEMP").replace(
            "DCGM_FI_DEV_SM_CLOCK", "DCGM_FI_DEV_FB_USED"
        )
    )
    assert (gpu.uuid, gpu.product) == ("GPU-604ac76c-d9cf-fef3-62e9-d92044ab6e52", "NVIDIA H100 80GB HBM3")
    assert (gpu.memory_used, gpu.celsius) == (1980, None)
    assert (gpu.namespace, gpu.pod) == ("team-a", "chat-7d9f8-x7"), "one of its series names no pod"


# The list is the exporter's and no part of this repository; what is read of a sample is tested above without it.
@pytest.mark.skipif(not COUNTERS.exists(), reason="the exporter's own list of counters is not here")
def test_what_is_read_is_exported_by_default() -> None:
    """But for the share of time in which the graphics engine was active, which some enable instead of the other."""
    listed = {line.split(",")[0].strip() for line in COUNTERS.read_text().splitlines() if not line.startswith("#")}
    read = {name.partition("{")[0] for name in WITH_PODS.split("\n")}
    assert read <= listed


def test_names_in_lower_case_read_the_same() -> None:
    lower = "\n".join(line.partition("{")[0].lower() + line[line.index("{") :] for line in WITH_PODS.split("\n"))
    lower = lower.replace("UUID=", "uuid=").replace("modelName=", "modelname=")
    assert parse_gpus(lower) == (READ,)


def test_pod_labels_of_other_forms() -> None:
    for namespace, pod in (("pod_namespace", "pod_name"), ("exported_namespace", "exported_pod")):
        text = WITH_PODS.replace("namespace=", f"{namespace}=").replace(",pod=", f",{pod}=")
        assert parse_gpus(text) == (READ,)


def test_without_pod_labels_nobody_is_named() -> None:
    text = WITH_PODS.replace('"engine"', '""').replace('"team-a"', '""').replace('"chat-7d9f8-x7"', '""')
    (gpu,) = parse_gpus(text)
    assert (gpu.namespace, gpu.pod, gpu.busy) == ("", "", 0.62)


def test_a_blank_value_is_missing_and_not_a_number() -> None:
    for blank in ("9223372036854775794", "2147483632", "NaN", "-1", ""):
        (gpu,) = parse_gpus(WITH_PODS.replace("} 71", f"}} {blank}"))
        assert gpu.celsius is None
        assert gpu.busy == 0.62


def test_mig_instances_are_each_their_own_and_have_the_engine_activity_for_utilization() -> None:
    text = "\n".join(
        f'DCGM_FI_PROF_GR_ENGINE_ACTIVE{{gpu="{gpu}",UUID="GPU-{gpu}",GPU_I_PROFILE="1g.10gb",GPU_I_ID="{instance}"}} 0.5'
        for gpu, instance in ((10, 7), (2, 9), (2, 8))
    )
    assert [gpu.name for gpu in parse_gpus(text)] == ["2 1g.10gb/8", "2 1g.10gb/9", "10 1g.10gb/7"]
    assert {gpu.busy for gpu in parse_gpus(text)} == {0.5}


@given(st.integers(0, len(WITH_PODS)))
def test_cut_anywhere_only_loses_what_is_cut(at: int) -> None:
    found = parse_gpus(WITH_PODS[:at])
    assert len(found) <= 1
    for gpu in found:
        assert gpu.uuid == READ.uuid
        # A number cut short reads as a smaller one, never as another thing.
        assert (gpu.busy or 0.0) <= 0.62


@given(st.text() | st.text(alphabet='DCGM_FIl{}=",\\\n 09.e+-#'))
def test_no_text_raises(text: str) -> None:
    parse_gpus(text)
    parse_gpus(WITH_PODS + text)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True), st.text(st.characters(exclude_categories=["Cs"]))
    ),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_what_a_client_writes_is_read_back(labels: dict[str, str], value: float) -> None:
    def escaped(text: str) -> str:
        return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')

    own = ",".join(f'{name}="{escaped(text)}"' for name, text in labels.items())
    (series,) = parse(f"m{{{own}}} {value!r} 1764000000000", lambda name: name == "m")
    assert (dict(series.labels), series.value) == (labels, value)


def pod(name: str, node: str | None = "n", image: str = "x", port: int = 9400, **labels: str) -> Pod:
    container = ContainerSpec("c", image, ports=(port,))
    return Pod(Meta(name, "gpu-operator", labels=labels), "Running", node=node, containers=(container,))


def test_the_exporter_is_found_by_label_by_image_and_by_service() -> None:
    by_label = pod("a", "n1", app="nvidia-dcgm-exporter")
    by_image = pod("b", "n2", image="nvcr.io/nvidia/k8s/dcgm-exporter:4.4.1", port=9401)
    by_service = pod("c", "n3", role="metrics")
    service = Service(Meta("my-dcgm-exporter", "gpu-operator"), {"role": "metrics"})
    others = (pod("d", "n4", app="engine"), pod("e", None, app="nvidia-dcgm-exporter"))
    found = exporters([by_label, by_image, by_service, *others], [service])
    assert {node: (item.meta.name, port) for node, (item, port) in found.items()} == {
        "n1": ("a", 9400),
        "n2": ("b", 9401),
        "n3": ("c", 9400),
    }
