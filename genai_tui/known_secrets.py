"""The secrets this process works with, so that none of them is ever said: not in an error, not in the log.

A secret has no form of its own: a cluster's token is often just random letters. So what is used as one is remembered
here when it is read, and taken out of every text that leaves the program, in whatever form it stands there.
"""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, unquote, urlsplit

from genai_tui.domain.redaction import HIDDEN, redacted_speech

_SHORTEST = 10
"""What is shorter stands in texts by chance, and hiding it would spoil them."""

_forms: dict[str, None] = {}
_ordered: tuple[str, ...] = ()


def remember(*secrets: str | None) -> None:
    """Keep these out of what is said from now on; what is too short to be told from a word is passed over."""
    global _ordered
    fresh = [form for secret in secrets if secret and len(secret) >= _SHORTEST for form in _written(secret)]
    if any(form not in _forms for form in fresh):
        _forms.update(dict.fromkeys(fresh))
        # The longest first: one form may hold another.
        _ordered = tuple(sorted(_forms, key=len, reverse=True))


def remember_url(url: str | None) -> None:
    """Keep the password of an address out of what is said."""
    try:
        password = urlsplit(url or "").password
    except ValueError:
        return
    if password:
        remember(password, unquote(password))


def hide(text: str) -> str:
    """The text without any secret that is known, by its value or by its form."""
    for form in _ordered:
        if form in text:
            text = text.replace(form, HIDDEN)
    return redacted_speech(text)


def _written(secret: str) -> set[str]:
    """The forms in which a secret stands in texts: as it is, URL-encoded, in JSON, in base64."""
    raw = secret.encode("utf-8", "surrogatepass")
    plain = {secret, quote(raw, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    encoded = {base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("=")}
    return plain | encoded
