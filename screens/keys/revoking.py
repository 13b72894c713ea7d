"""Asking before keys are revoked: which ones, and what stops."""

from __future__ import annotations

from collections.abc import Sequence

from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.text import printable
from screens.dialogs.confirm import ConfirmDialog

_MOST_NAMED = 8


def revoke_dialog(title: str, keys: Sequence[KeyRecord], context: str) -> ConfirmDialog:
    """Names the keys, and says what follows for those who call with them."""
    lines = [f"{key.id}  {key.organization}/{key.user}  {key.name}".rstrip() for key in keys[:_MOST_NAMED]]
    lines += [f"and {len(keys) - _MOST_NAMED} more"] if len(keys) > _MOST_NAMED else []
    those = "it" if len(keys) == 1 else "them"
    lines += ["", f"Callers that use {those} are refused from then on. Context: {context}"]
    return ConfirmDialog(title, "\n".join(map(printable, lines)), yes=f"Revoke {len(keys)}", tone="danger")
