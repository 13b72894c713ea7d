"""The ports for what one may do and who may call: permissions, Secrets, credentials, API keys; parts of `Services`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # ports are types: to know them loads nothing
    from genai_tui.domain.keys import KeyRecord, KeyRequest, NewKey
    from genai_tui.domain.model_secrets import MissingSecret
    from genai_tui.domain.own_credentials import Credential, Found, Keep, Place


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether something may be done; `reason` names the missing verb, resource and namespace when not."""

    allowed: bool
    reason: str = ""


class Permissions(Protocol):
    """What this identity may do. Unknown counts as allowed: the server has the last word."""

    @property
    def identity(self) -> str | None:
        """The user as the cluster sees it; None until it has said so."""
        ...

    def permission(self, verb: str, resource: str, namespace: str) -> Permission:
        """What is known now, at once: allowed until the cluster has said otherwise (`check` asks).

        `resource` is `group/resource` or `resource`, e.g. `apps/deployments`, `pods/log`.
        """
        ...

    async def check(self, namespace: str) -> None:
        """Ask the cluster what this identity may do in `namespace`, so that `permission` knows."""


class ModelSecrets(Protocol):
    """Making the Secrets that engines need. A value is sent once; it is in no draft, log, audit or message."""

    def refusal(self, missing: MissingSecret) -> str:
        """Why it cannot be made here; empty where nothing speaks against it."""
        ...

    async def at_hand(self, missing: MissingSecret) -> str:
        """Where this machine has the value, such as `$HF_TOKEN`; empty for nowhere."""
        ...

    async def make(self, missing: MissingSecret, value: str, user: str = "") -> None:
        """Create it; an empty value takes what is at hand.

        Raises:
            BadInput: the value cannot be one. Conflict: it exists by now. NotPermitted.
        """


class Credentials(Protocol):
    """The operator's own secrets on this machine, such as a Hub token: where each comes from, and keeping one."""

    async def listed(self) -> Sequence[Found]:
        """Where each comes from now. May take as long as the operator's own program that prints one."""
        ...

    async def find(self, wanted: Credential) -> Found:
        """Where one comes from now."""
        ...

    async def value(self, wanted: Credential) -> str | None:
        """The secret itself; None where no source has it.

        Raises:
            GenaiTuiError: a source that should have it does not give it.
        """
        ...

    async def places(self) -> Sequence[Place]:
        """Where what is typed can be kept, the first being the safest."""
        ...

    async def keep(self, wanted: Credential, value: str, place: Keep) -> None:
        """Keep what was typed there and nowhere else.

        Raises:
            BadInput: it can be none. GenaiTuiError: that place did not take it.
        """
        ...

    async def forget(self, wanted: Credential) -> Sequence[str]:
        """Remove it from wherever this console keeps it; returns these places. Raises GenaiTuiError."""
        ...


class ApiKeys(Protocol):
    """Who may call: API keys, in Secrets of the system namespace."""

    async def listed(self) -> Sequence[KeyRecord]:
        """Every key by organization and user, without hashes: the keys themselves are not read."""
        ...

    async def create(self, request: KeyRequest) -> NewKey:
        """Make a key. Its text is returned once and cannot be read back here.

        Raises:
            BadInput: with a problem for each wrong field.
        """
        ...

    async def revoke(self, keys: Sequence[KeyRecord]) -> None:
        """Delete keys: from then on they are refused.

        Raises:
            PartlyApplied: some were deleted before one could not be; `created` are the ids that were.
        """
        ...
