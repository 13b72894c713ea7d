"""`genai-tui secrets`: make a Secret that engines need."""

from __future__ import annotations

import getpass
import sys

from genai_tui.commands.output import note, write
from genai_tui.domain.model_secrets import MissingSecret
from genai_tui.domain.own_credentials import credential
from genai_tui.errors import BadInput
from genai_tui.services import Services

_LARGEST = 100_000


async def create_secret(
    services: Services, name: str, namespace: str | None, *, key: str, registry: str, user: str, source: str | None
) -> None:
    """Make it, with what standard input, the operator, or this machine (`source`) has.

    Raises:
        BadInput: there is no value, or none that can be one. Conflict: it exists. NotPermitted.
    """
    where = namespace or services.session.namespace or "default"
    wanted = MissingSecret(where, name, key, registry=registry)
    own = credential(source) if source is not None else None
    value = typed(wanted.what) if own is None else await services.credentials.value(own) or ""
    if own is not None and not value:
        raise BadInput(f"this machine has no {own.what}", next_step=f"genai-tui credentials set {own.name}")
    await services.access.check(where)
    await services.secrets.make(wanted, value, user)
    write(f"Secret {where}/{name} created")
    if own is not None:
        note(f"with this machine's {own.what}")


def typed(what: str) -> str:
    """A secret from standard input, or from the terminal without an echo; as text without its line end."""
    if sys.stdin.isatty():
        return getpass.getpass(f"{what}: ").strip()
    return sys.stdin.read(_LARGEST).strip()
