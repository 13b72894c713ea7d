"""What may be a secret in what is shown or kept: by the name it has, or by its form."""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "[hidden]"
_WORDS: Final = ("TOKEN", "KEY", "SECRET", "PASSWORD", "CREDENTIAL")
_TOKENS: Final = re.compile(
    r"(?:\b(?:hf_|nvapi-|sk-|ghp_)[A-Za-z0-9_-]{8,})"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*)?"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
"""Keys of known makers, JSON web tokens, private keys in PEM."""
_PASSWORDS: Final = re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@'\"]*:)[^\s/@'\"]+(?=@)")
"""The password in an address."""
_NAMED: Final = re.compile(
    r"(?i)(\bbearer\s+|\bbasic\s+|\b(?:[a-z_-]*token|password|passwd|secret|api[_-]?key|client-key-data)"
    r"['\"]?\s*[:=]\s*['\"]?)(?=[^\s'\",;]*\d)[A-Za-z0-9._~+/=!@#%^&*-]{8,}"
)
"""A value after a word that says it is one. A digit tells it from the next word of a sentence."""
_ARGUMENTS: Final = re.compile(r"(--(?:api-key|hf-token)['\",]*[= \n-]+['\"]?)[^\s'\",\]]+")
"""Options of engines that hold a secret, in a shell's line, a JSON list or a YAML list."""


def names_secret(name: str) -> bool:
    """Whether a variable of this name may hold a secret."""
    return any(word in name.upper() for word in _WORDS)


def redacted(text: str) -> str:
    """A text without what is known to be a secret by its form, wherever it stands."""
    for pattern in (_PASSWORDS, _ARGUMENTS):
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return _TOKENS.sub(HIDDEN, text)


def redacted_speech(text: str) -> str:
    """What a program says, such as a line of a log: also without values that follow a word such as `token:`."""
    return _NAMED.sub(rf"\g<1>{HIDDEN}", redacted(text))
