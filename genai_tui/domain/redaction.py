"""What may be a secret in what is shown or kept: by the name it has, or by its form."""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "[hidden]"
_WORDS: Final = ("TOKEN", "KEY", "SECRET", "PASSWORD", "CREDENTIAL")
_TOKENS: Final = re.compile(r"(?:hf_|nvapi-|sk-|ghp_)[A-Za-z0-9_-]{8,}")
_ARGUMENTS: Final = re.compile(r"(--(?:api-key|hf-token)['\",]*[= \n-]+['\"]?)[^\s'\",\]]+")
"""Options of engines that hold a secret, in a shell's line, a JSON list or a YAML list."""


def names_secret(name: str) -> bool:
    """Whether a variable of this name may hold a secret."""
    return any(word in name.upper() for word in _WORDS)


def redacted(text: str) -> str:
    """A text without what is known to be a secret by its form, wherever it stands."""
    return _ARGUMENTS.sub(rf"\g<1>{HIDDEN}", _TOKENS.sub(HIDDEN, text))
