"""What a look outside the cluster's API tells, asked of a real HTTP server and read from real certificates."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.needs import Gate
from genai_tui.looking import certificate_of, gate_of, hub_is_asked
from tests.inference.engine_server import answer, serve


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
    with serve(answer(status, body)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", f"{hub.url}/")
        assert await gate_of("org/model") is gate
    (exchange,) = hub.exchanges
    assert exchange.request.startswith(b"GET /api/models/org/model ")
    assert b"hf_mine" not in exchange.request


async def test_a_hub_that_cannot_be_reached_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for endpoint in ("http://127.0.0.1:1", "not an address"):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        assert await gate_of("org/model") is Gate.UNKNOWN


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
