"""What a look outside the cluster's API tells, asked of a real HTTP server and read from real certificates."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.catalogue import HubSource
from genai_tui.domain.model_shape import Files, ModelShape
from genai_tui.domain.needs import Gate
from genai_tui.looking import HubAnswer, ask_hub, certificate_of, hub_is_asked
from tests.inference.engine_server import Exchange, answer, serve

SOURCE = HubSource(type="huggingface", repository="org/model", revision="v/1")
LLAMA = {
    "architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "num_attention_heads": 32, "num_hidden_layers": 32,
    "num_key_value_heads": 8, "max_position_embeddings": 131072, "torch_dtype": "bfloat16",
}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "gate"),
    [
        ("200 OK", b'{"id": "org/model", "gated": false}', Gate.OPEN),
        ("200 OK", b'{"id": "org/model", "gated": "manual"}', Gate.GATED),
        ("200 OK", b'{"id": "org/model", "gated": "auto"}', Gate.GATED),
        ("401 Unauthorized", b'{"error": "Invalid username or password."}', Gate.HIDDEN),
        ("404 Not Found", b"", Gate.HIDDEN),
        ("503 Service Unavailable", b"", Gate.UNKNOWN),
        ("200 OK", b"<html>log in to the hotel</html>", Gate.UNKNOWN),
        ("200 OK", b"[]", Gate.UNKNOWN),
    ],
)
async def test_what_the_hub_says_of_a_repository(
    monkeypatch: pytest.MonkeyPatch, status: str, body: bytes, gate: Gate
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    with serve(*[answer(status, body)] * 2) as hub:
        monkeypatch.setenv("HF_ENDPOINT", f"{hub.url}/")
        answered = await ask_hub(SOURCE)
    assert answered == HubAnswer(gate, Files())
    asked = sorted(exchange.request.split(b" HTTP")[0] for exchange in hub.exchanges)
    assert asked == [b"GET /api/models/org/model/revision/v%2F1", b"GET /org/model/resolve/v%2F1/config.json"]
    assert not any(b"hf_mine" in exchange.request for exchange in hub.exchanges)


async def test_what_the_files_of_a_repository_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = {"parameters": {"BF16": 8_030_261_248}, "total": 8_030_261_248}
    repository = json.dumps({"id": "org/model", "gated": False, "safetensors": counted}).encode()
    config = json.dumps(LLAMA).encode()

    def by_path(exchange: Exchange) -> None:
        answer("200 OK", config if b"/resolve/" in exchange.request else repository)(exchange)

    with serve(by_path, by_path) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        found = await ask_hub(SOURCE)
    assert found == HubAnswer(Gate.OPEN, Files(ModelShape(32, 32, 8, 128), 8_030_261_248, 16_060_522_496, ""))


async def test_a_hub_that_cannot_be_reached_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for endpoint in ("http://127.0.0.1:1", "not an address"):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        assert (await ask_hub(SOURCE)).gate is Gate.UNKNOWN


def test_where_the_hub_is_off_it_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not hub_is_asked()
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert hub_is_asked()


def test_the_names_and_the_end_of_a_certificate() -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("*.llm.example", "chat.example", "10.0.0.1")
    chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
    read = certificate_of(chain)
    assert read is not None
    assert read.names == ("*.llm.example", "chat.example")
    assert read.until > datetime.now(UTC)
    nameless = certificate_of(authority.cert_pem.bytes())
    assert nameless is not None
    assert nameless.names == ()


@given(st.binary(max_size=60))
def test_what_is_no_certificate_is_none(odd: bytes) -> None:
    assert certificate_of(odd) is None
    assert certificate_of(b"-----BEGIN CERTIFICATE-----\n" + odd + b"\n-----END CERTIFICATE-----\n") is None
