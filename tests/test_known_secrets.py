"""What is used as a secret is said nowhere: not in errors, not in the log, in no form."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui import known_secrets
from genai_tui.domain.redaction import HIDDEN, redacted
from genai_tui.errors import CredentialsRejected, explain
from genai_tui.logs import log_to


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests' texts are not about these."""
    monkeypatch.setattr(known_secrets, "_forms", {})
    monkeypatch.setattr(known_secrets, "_ordered", ())


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield log_to(tmp_path)
    root.handlers[0].close()
    root.handlers[:] = handlers
    root.setLevel(level)


@given(st.text(min_size=10, max_size=60), st.sampled_from(["plain", "url", "json", "base64", "repr"]))
def test_a_known_secret_is_hidden_in_every_form(secret: str, form: str) -> None:
    raw = secret.encode("utf-8", "surrogatepass")
    written = {
        "plain": secret,
        "url": quote(raw, safe=""),
        "json": json.dumps(secret)[1:-1],
        "base64": base64.b64encode(raw).decode().rstrip("="),
        "repr": repr(secret)[1:-1],
    }[form]
    known_secrets.remember(secret)
    # What stands before and after cannot be read as a part of it.
    assert written not in known_secrets.hide(f"said <{written}> twice <{written}>").replace(HIDDEN, "")


def test_an_error_and_its_trace_say_no_secret(log: Path) -> None:
    secret = "zVq7-nobody-knows-this-form"
    known_secrets.remember(secret)
    known_secrets.remember_url("http://me:pass%2Fword-of-proxy@proxy:3128")
    error = CredentialsRejected("the plugin failed", why=f"it said {secret}", detail=f"pass/word-of-proxy\n{secret}")
    assert error.problem.why == f"it said {HIDDEN}"
    assert error.problem.detail == f"{HIDDEN}\n{HIDDEN}"
    try:
        raise ValueError(f"defect beside {secret} and pass%2Fword-of-proxy")
    except ValueError as defect:
        told = explain(defect).problem.line
        logging.getLogger("genai_tui").exception("failed with %s", secret)
    text = log.read_text()
    assert secret not in told
    assert "Traceback" in text
    assert "defect beside" in text
    assert secret not in text
    assert "word-of-proxy" not in text
    assert log.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("proxy http://me:s3cret-w@proxy:3128 is gone", f"proxy http://me:{HIDDEN}@proxy:3128 is gone"),
        ("key\n-----BEGIN EC PRIVATE KEY-----\nabc\ndef\n-----END EC PRIVATE KEY-----\nend", f"key\n{HIDDEN}\nend"),
        ("got eyJhbGciOiJSUzI1.eyJzdWIiOiJvbGdh.c2lnbmF0dXJl today", f"got {HIDDEN} today"),
        ("Authorization: Bearer abcdefgh1234", f"Authorization: Bearer {HIDDEN}"),
        ('{"access_token": "abc123def456"}', f'{{"access_token": "{HIDDEN}"}}'),
        ("invalid token: authentication failed", "invalid token: authentication failed"),
        ("tokens: 300000 a minute", "tokens: 300000 a minute"),
        ("a task-risk-assessment by team-sk", "a task-risk-assessment by team-sk"),
    ],
)
def test_secrets_of_a_known_form_are_hidden_and_words_are_not(text: str, kept: str) -> None:
    assert known_secrets.hide(text) == kept


def test_a_manifest_keeps_its_fields(log: Path) -> None:
    text = "secretKeyRef:\n  name: hf\n  key: token1234\npassword: see1234567\n"
    assert redacted(text) == text
