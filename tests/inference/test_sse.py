"""A stream means the same however the network cuts it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.inference import sse
from genai_tui.inference.sse import SseParser
from tests.inference.engine_server import recorded

STREAMS = ["vllm-0.32/chat-stream", "vllm-0.32/chat-stream-continuous-usage", "llama.cpp/chat-stream-usage"]
ODD = (
    "\ufeff: a comment\r\n\r\nevent: x\r\ndata: one\r\ndata:two\r\n\r\nid: 7\rdata: größer 🙂\r\rdata\n\ndata: last\n\n"
).encode()


def parsed(stream: bytes, cuts: list[int]) -> list[str]:
    parser, found, places = SseParser(), [], [0, *sorted(cuts), len(stream)]
    for begin, end in pairwise(places):
        found += parser.feed(stream[begin:end])
    return found + parser.end()


def test_lines_may_end_in_every_way_and_data_may_have_several() -> None:
    assert parsed(ODD, []) == ["one\ntwo", "größer 🙂", "", "last"]


def test_every_single_cut_of_an_odd_stream_changes_nothing() -> None:
    for cut in range(len(ODD)):
        assert parsed(ODD, [cut]) == parsed(ODD, [])


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
@given(data=st.data())
def test_no_cuts_change_what_was_recorded(name: str, ending: bytes, data: st.DataObject) -> None:
    stream = recorded(name)[1].replace(b"\n", ending)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=40))
    found = parsed(stream, cuts)
    assert found == [line[6:].decode() for line in recorded(name)[1].split(b"\n") if line.startswith(b"data: ")]
    assert found[-1] == "[DONE]"


@given(st.lists(st.binary(max_size=30), max_size=30))
def test_any_bytes_are_read_without_an_error_and_alike(chunks: list[bytes]) -> None:
    parser = SseParser()
    found = [event for chunk in chunks for event in parser.feed(chunk)] + parser.end()
    assert found == parsed(b"".join(chunks), [])


def test_what_was_said_before_the_line_broke_is_kept() -> None:
    assert parsed(b'data: {"a": 1}', []) == ['{"a": 1}']


def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 1000)
    line = b"data: " + b"x" * 30 + b"\n"
    assert SseParser().feed(line * 10) == []
    with pytest.raises(ValueError, match="no end"):
        SseParser().feed(line * 100)
