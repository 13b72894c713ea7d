"""How far a start has come, from the engine's own log lines."""

from __future__ import annotations

import re
from dataclasses import dataclass

from genai_tui.domain.rows import Phase


@dataclass(frozen=True, slots=True)
class Milestone:
    """A stage and, where the line says so, the share of it that is done (0 to 1)."""

    phase: Phase
    progress: float | None = None


# "Starting to load model" is no mark: a download may still come between it and the load.
_PERCENT = re.compile(r"(\d{1,3})%")
_MARKS: tuple[tuple[re.Pattern[str], Phase], ...] = (
    (re.compile(r"Application startup complete"), Phase.RUNNING),
    (
        re.compile(r"Capturing (?:the model for )?CUDA graph|Graph capturing|KV cache size|init engine \("),
        Phase.WARMING_UP,
    ),
    (re.compile(r"Available KV cache memory|Starting vLLM server|Maximum concurrency"), Phase.WARMING_UP),
    (
        re.compile(r"Dynamo bytecode transform|torch\.compile (?:takes|took)|'s torch\.compile|Compiling a graph"),
        Phase.WARMING_UP,
    ),
    (
        re.compile(r"Loading safetensors|Loading (?:model )?weights|Model loading took|Initializing model took"),
        Phase.LOADING,
    ),
    (re.compile(r"Downloading|Fetching \d+ files|Time spent downloading"), Phase.DOWNLOADING),
)


def milestone(line: str) -> Milestone | None:
    """The stage a log line shows; None for lines that show none. Never raises."""
    for pattern, phase in _MARKS:
        if pattern.search(line):
            percent = _PERCENT.search(line)
            share = int(percent[1]) / 100 if percent and int(percent[1]) <= 100 else None
            return Milestone(phase, share)
    return None
