"""Events on their way through, cut anywhere."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from genai_tui.gateway.stream import Passage

RUNNING = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
CHUNKS: list[dict[str, Any]] = [
    {"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
    {"id": "c", "choices": [{"index": 0, "delta": {"content": "né\n\n"}, "finish_reason": None}], "usage": RUNNING},
    {"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0}]}, "finish_reason": "stop"}]},
    {"id": "c", "choices": [], "usage": RUNNING | {"completion_tokens": 2, "total_tokens": 7}},
]


@given(st.data(), st.sampled_from(["\n\n", "\r\n\r\n"]), st.booleans(), st.booleans())
def test_however_the_bytes_come_the_same_events_go_on(
    data: st.DataObject, end: str, asked: bool, running: bool
) -> None:
    lines = [": a comment", *(f"data: {json.dumps(chunk)}" for chunk in CHUNKS), "data: [DONE]", "data: not JSON"]
    whole = "".join(line + end for line in lines).encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=12)))
    passage = Passage(asked_usage=asked, asked_running=running)
    out = b"".join(passage.feed(whole[a:b]) for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True))
    out += passage.ended()
    found = [line[6:] for line in out.decode().splitlines() if line.startswith("data: {")]
    got = [json.loads(line) for line in found]
    assert passage.usage is not None
    assert (passage.usage.total, passage.pieces, passage.reason, passage.final) == (7, 2, "stop", True)
    assert out.startswith(b": a comment")
    assert b"data: [DONE]" in out
    if running:
        assert out == whole
        return
    assert len(got) == (4 if asked else 3)
    assert got[1].get("usage", "absent") == (None if asked else "absent")
    assert [chunk["choices"] for chunk in got] == [chunk["choices"] for chunk in CHUNKS[: len(got)]]
