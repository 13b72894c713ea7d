"""Making the Secrets that engines need, as `access_ports.ModelSecrets`; a value is sent once and kept nowhere."""

from __future__ import annotations

from genai_tui.access_ports import Credentials, Permissions
from genai_tui.domain.model_secrets import MissingSecret, problem_of, to_object
from genai_tui.domain.problems import FieldProblem
from genai_tui.errors import BadInput, Conflict, NotPermitted
from genai_tui.known_secrets import remember
from genai_tui.kube import writes
from genai_tui.kube.connection import Connection
from genai_tui.services import Session


class ClusterSecrets:
    """Writes them, without ever reading one."""

    def __init__(self, connection: Connection, access: Permissions, session: Session, credentials: Credentials) -> None:
        self._connection, self._access, self._session = connection, access, session
        self._credentials = credentials

    def refusal(self, missing: MissingSecret) -> str:
        """Why it cannot be made; empty where nothing speaks against it."""
        if self._session.read_only:
            return "this is a read-only session"
        verb = "patch" if missing.exists else "create"
        return self._access.permission(verb, "secrets", missing.namespace).reason

    async def at_hand(self, missing: MissingSecret) -> str:
        """Where this machine has the value, such as `$HF_TOKEN`; empty for nowhere."""
        return (await self._credentials.find(missing.own)).source if missing.own is not None else ""

    async def make(self, missing: MissingSecret, value: str, user: str = "") -> None:
        """Create it, or add the key it lacks. An empty value takes what is at hand."""
        refused = self.refusal(missing)
        if refused:
            raise NotPermitted(refused)
        if not value.strip() and missing.own is not None:
            value = await self._credentials.value(missing.own) or ""
        wrong = problem_of(value)
        if wrong:
            raise BadInput(wrong, fields=(FieldProblem("value", wrong),))
        if missing.wants_user and not user.strip():
            raise BadInput("a user is needed", fields=(FieldProblem("user", "a user is needed"),))
        remember(value.strip())
        item = dict(to_object(missing, value, user))
        if missing.exists:
            await writes.add_to_secret(self._connection, item)
            return
        try:
            await writes.create(self._connection, item)
        except Conflict as error:
            raise Conflict(
                f"Secret {missing.namespace}/{missing.name} exists by now",
                next_step="look again: it is left as it is",
            ) from error
