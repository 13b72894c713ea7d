"""API keys in the cluster: listed by their metadata, made, revoked. Implements `services.ApiKeys`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime

from genai_tui.domain.keys import (
    KIND,
    KeyRecord,
    KeyRequest,
    NewKey,
    from_secret,
    full_names,
    new_key,
    problems,
    to_secret,
)
from genai_tui.domain.naming import KIND_LABEL
from genai_tui.errors import BadInput, GenaiTuiError, NotFound, NotPermitted, PartlyApplied
from genai_tui.kube import writes
from genai_tui.kube.connection import Connection
from genai_tui.kube.journal import act
from genai_tui.services import ClusterPicture, Session

log = logging.getLogger(__name__)
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


async def listed_keys(connection: Connection, namespace: str) -> tuple[KeyRecord, ...]:
    """Every key in the Secrets of a namespace; the Secrets' data is not asked for."""
    path = f"/api/v1/namespaces/{namespace}/secrets"
    params = {"labelSelector": f"{KIND_LABEL}={KIND}"}
    response = await connection.request("GET", path, params=params, accept=_METADATA_ONLY)
    found: list[KeyRecord] = []
    for item in response.json().get("items") or ():
        try:
            found.append(from_secret(item))
        except ValueError as error:
            log.warning("an API key cannot be read and is not listed: %s", error)
    return tuple(sorted(found, key=lambda key: (key.organization, key.user, key.name, key.id)))


class ClusterKeys:
    """The keys in the Secrets of the system namespace.

    Args:
        connection: the cluster.
        picture: what organizations and deployments there are.
        session: where, and whether anything may be written.
        settled: waits until the picture is complete.
        clock: the time.
        who: who this is, as the cluster sees it; None where it does not say.
    """

    def __init__(
        self,
        connection: Connection,
        picture: ClusterPicture,
        session: Session,
        settled: Callable[[], Awaitable[None]],
        clock: Callable[[], datetime],
        who: Callable[[], Awaitable[str | None]],
    ) -> None:
        self._connection, self._picture, self._session = connection, picture, session
        self._settled, self._clock, self._who = settled, clock, who

    async def listed(self) -> tuple[KeyRecord, ...]:
        """Every key."""
        return await listed_keys(self._connection, self._session.system_namespace)

    async def create(self, request: KeyRequest) -> NewKey:
        """Make a key and store it; its text is in what is returned, and nowhere else but in the cluster."""
        self._may_write()
        await self._settled()
        organizations = [row.document for row in self._picture.organizations() if row.document is not None]
        deployments = {str(row.ref) for row in self._picture.deployments() if not row.foreign}
        request = replace(request, deployments=full_names(request.deployments, deployments))
        wrong = problems(request, organizations, deployments, self._clock())
        if wrong:
            raise BadInput("; ".join(f"{p.field}: {p.message}" for p in wrong), fields=wrong)
        key = new_key(request, self._clock(), await self._who() or "")
        try:
            await writes.create(self._connection, to_secret(key, self._session.system_namespace))
        except NotFound as error:
            where = self._session.system_namespace
            raise NotFound(
                f"namespace '{where}' does not exist",
                next_step="apply an organization first: its namespace is made with it",
            ) from error
        return key

    async def revoke(self, keys: Sequence[KeyRecord]) -> None:
        """Delete keys; one that is gone already is no failure."""
        self._may_write()
        with act():
            await self._revoke(keys)

    async def _revoke(self, keys: Sequence[KeyRecord]) -> None:
        done: list[str] = []
        for key in keys:
            try:
                await writes.delete(self._connection, "Secret", "v1", self._session.system_namespace, key.secret)
            except NotFound:
                log.info("key %s was revoked already", key.id)
            except GenaiTuiError as error:
                if not done:
                    raise
                missing = tuple(other.id for other in keys if other.id not in done)
                raise PartlyApplied(
                    f"key {key.id} could not be revoked", why=error.problem.line, created=tuple(done), missing=missing,
                    next_step="revoke the others again",
                ) from error  # fmt: skip
            done.append(key.id)

    def _may_write(self) -> None:
        if self._session.read_only:
            raise NotPermitted("this is a read-only session", next_step="start it without --read-only")
