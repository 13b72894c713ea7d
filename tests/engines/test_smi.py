"""What nvidia-smi prints, whole, cut and hostile."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.monitoring import GpuReading
from genai_tui.engines.smi import COMMAND, parse_smi

TEXT = """0, GPU-5a3f, NVIDIA H100 80GB HBM3, 71, 70312, 81559, 64, 512.33
1, GPU-77b0, NVIDIA H100 80GB HBM3, [N/A], [Not Supported], 81559, [Unknown Error], [N/A]
"""
READ = GpuReading(
    "0", "GPU-5a3f", "NVIDIA H100 80GB HBM3", "", "", 0.71, 70312, 81559, 64, 512.33, None, "team-a", "chat-1"
)


def test_each_line_is_a_gpu_and_what_is_not_a_number_is_missing() -> None:
    first, second = parse_smi(TEXT, "team-a", "chat-1")
    assert first == READ
    assert (second.index, second.memory_total) == ("1", 81559)
    assert (second.busy, second.memory_used, second.celsius, second.watts, second.xid) == (None,) * 5


def test_what_is_asked_is_what_is_read() -> None:
    assert COMMAND[1].count(",") + 1 == TEXT.splitlines()[0].count(",") + 1


@given(st.integers(0, len(TEXT)), st.text(max_size=40))
def test_a_cut_or_hostile_text_gives_fewer_gpus_and_never_an_error(at: int, odd: str) -> None:
    whole = parse_smi(TEXT, "team-a", "chat-1")
    cut = parse_smi(TEXT[:at], "team-a", "chat-1")
    assert cut == whole[: TEXT[:at].count("\n")]
    for gpu in parse_smi(f"{odd}\n{TEXT}{odd}\n", "team-a", "chat-1"):
        assert gpu.index.isdecimal()
        assert gpu.busy is None or 0 <= gpu.busy <= 1
    assert READ in parse_smi(f"No devices were found\n{TEXT}", "team-a", "chat-1")
