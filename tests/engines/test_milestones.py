"""How far a start is, from the log lines of a real one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.rows import Phase
from genai_tui.engines.milestones import Milestone, milestone

LOG = Path(__file__).resolve().parent.parent / "data" / "engines" / "vllm-0.32" / "serve.log"
ORDER = [Phase.DOWNLOADING, Phase.LOADING, Phase.WARMING_UP, Phase.RUNNING]


def test_a_real_start_goes_through_the_stages_in_order_and_stays_running() -> None:
    found = [mark.phase for line in LOG.read_text(encoding="utf-8").splitlines() if (mark := milestone(line))]
    assert list(dict.fromkeys(found)) == [Phase.LOADING, Phase.WARMING_UP, Phase.RUNNING]
    assert found == sorted(found, key=ORDER.index)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("Downloading shards:  87%|████", Milestone(Phase.DOWNLOADING, 0.87)),
        ("Fetching 12 files:   0%|", Milestone(Phase.DOWNLOADING, 0.0)),
        ("(Worker pid=1) INFO Time spent downloading weights for x: 12.1 seconds", Milestone(Phase.DOWNLOADING)),
        ("Loading safetensors checkpoint shards: 20% Completed | 1/5 [00:01<00:04]", Milestone(Phase.LOADING, 0.2)),
        ("Loading safetensors checkpoint shards: 100% Completed | 5/5", Milestone(Phase.LOADING, 1.0)),
        ("INFO [gpu_worker.py:298] Available KV cache memory: 36.20 GiB", Milestone(Phase.WARMING_UP)),
        ("INFO [kv_cache_utils.py] GPU KV cache size: 175,856 tokens", Milestone(Phase.WARMING_UP)),
        ("Capturing CUDA graphs (decode, FULL):  45%|", Milestone(Phase.WARMING_UP, 0.45)),
        ('{"level": "INFO", "message": "Application startup complete."}', Milestone(Phase.RUNNING)),
        ("Downloading 999%", Milestone(Phase.DOWNLOADING)),
        ("Engine 000: GPU KV cache usage: 3.1%, Prefix cache hit rate: 50.0%", None),
        ("INFO: 127.0.0.1:1 - GET /health HTTP/1.1 200 OK", None),
        ("", None),
    ],
)
def test_lines(line: str, wanted: Milestone | None) -> None:
    assert milestone(line) == wanted


@given(st.text(max_size=200))
def test_progress_is_a_share(line: str) -> None:
    found = milestone(f"Downloading {line}%")
    assert found is not None
    assert found.progress is None or 0 <= found.progress <= 1
