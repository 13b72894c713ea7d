"""Making the Secrets that engines need. Implements `services.ModelSecrets`; a value is sent once and kept nowhere."""

from __future__ import annotations

import os

from genai_tui.access_ports import Permissions
from genai_tui.domain.model_secrets import MissingSecret, problem_of, to_object
from genai_tui.domain.problems import FieldProblem
from genai_tui.errors import BadInput, Conflict, NotPermitted
from genai_tui.known_secrets import remember
from genai_tui.kube import writes
from genai_tui.kube.connection import Connection
from genai_tui.services import Session


class ClusterSecrets:
    """Writes them, without ever reading one."""

    def __init__(self, connection: Connection, access: Permissions, session: Session) -> None:
        self._connection, self._access, self._session = connection, access, session

    def refusal(self, missing: MissingSecret) -> str:
        """Why it cannot be made; empty where nothing speaks against it."""
        if self._session.read_only:
            return "this is a read-only session"
        return self._access.permission("create", "secrets", missing.namespace).reason

    def at_hand(self, missing: MissingSecret) -> str:
        """Where this machine has the value, such as `$HF_TOKEN`; empty for nowhere."""
        return f"${missing.variable}" if missing.variable and os.environ.get(missing.variable) else ""

    async def make(self, missing: MissingSecret, value: str, user: str = "") -> None:
        """Create it. An empty value takes what is at hand."""
        refused = self.refusal(missing)
        if refused:
            raise NotPermitted(refused)
        if not value and self.at_hand(missing):
            value = os.environ[missing.variable]
        wrong = problem_of(value)
        if wrong:
            raise BadInput(wrong, fields=(FieldProblem("value", wrong),))
        if missing.wants_user and not user.strip():
            raise BadInput("a user is needed", fields=(FieldProblem("user", "a user is needed"),))
        remember(value.strip())
        try:
            await writes.create(self._connection, dict(to_object(missing, value, user)))
        except Conflict as error:
            raise Conflict(
                f"Secret {missing.namespace}/{missing.name} exists by now",
                next_step="look again: it is left as it is",
            ) from error
