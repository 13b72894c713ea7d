"""Requests that a gateway refused: who asked, what for, and why not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was refused alike within one minute.

    Attributes:
        first, last: when the first and the last of them came.
        count: how many there were.
        cluster: the API server's address.
        namespace, deployment: what was asked for; empty where it never came so far.
        organization, user, key: who asked; empty where no key was known.
        status: the HTTP status.
        code: OpenAI's `code`, such as `rate_limit_exceeded`.
        reason: what the last caller was told.
    """

    first: datetime
    last: datetime
    count: int
    cluster: str
    namespace: str
    deployment: str
    organization: str
    user: str
    key: str
    status: int
    code: str
    reason: str

    @property
    def who(self) -> str:
        """The caller in words."""
        return f"{self.user} ({self.organization})" if self.key else "no known key"
