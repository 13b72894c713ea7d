"""The record of every write to the cluster, made where the write is made, without the values of secrets."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from genai_tui.domain.audit import Write
from genai_tui.domain.naming import KIND_LABEL, SPEC_ANNOTATION
from genai_tui.domain.redaction import redacted
from genai_tui.errors import GenaiTuiError
from genai_tui.kube.access import Access
from genai_tui.kube.journal import ObjectWrite
from genai_tui.metering.audit import AuditRows
from genai_tui.object_texts import difference_of
from genai_tui.services import Session

log = logging.getLogger(__name__)
Json = dict[str, Any]
IDENTIFY_LIMIT_S = 3.0
LONGEST_DIFF = 200_000


class Recorder:
    """Implements `kube.journal.Journal`: a row for each write.

    Args:
        rows: where they are kept.
        session: of which cluster.
        access: who this is.
        clock: the time.

    Attributes:
        problem: why the last write could not be recorded; empty where it was.
    """

    def __init__(self, rows: AuditRows, session: Session, access: Access, clock: Callable[[], datetime]) -> None:
        self._rows, self._session, self._access, self._clock = rows, session, access, clock
        self.problem = ""

    async def wrote(self, write: ObjectWrite) -> None:
        """Keep it. What cannot be kept is told, and stays written."""
        at = self._clock()
        reference = f"{write.kind} {write.namespace}/{write.name}" if write.namespace else f"{write.kind} {write.name}"
        try:
            await self._rows.add(
                Write(
                    uuid.uuid4().hex,
                    write.act,
                    at,
                    await self.who(),
                    self._session.server,
                    self._session.context,
                    write.verb,
                    write.kind,
                    write.api_version,
                    write.namespace,
                    write.name,
                    write.result,
                    redacted(write.detail),
                    _diff(reference, write),
                    spec_of(write.before),
                    spec_of(write.after),
                )
            )
            self.problem = ""
        except GenaiTuiError as error:
            self.problem = f"{write.verb} of {reference} is not in the audit: {error.problem.line}"
            log.warning("%s", self.problem)

    async def who(self) -> str | None:
        """The user as the cluster sees it, asked once where that is not known yet."""
        if self._access.identity is None:
            try:
                async with asyncio.timeout(IDENTIFY_LIMIT_S):
                    await self._access.identify()
            except (GenaiTuiError, TimeoutError) as error:
                log.info("who writes is not known: %s", error)
        return self._access.identity


def _diff(reference: str, write: ObjectWrite) -> str:
    if write.result in ("refused", "not known"):
        return ""
    text = difference_of(reference, write.before, write.after)
    return text if len(text) <= LONGEST_DIFF else f"{text[:LONGEST_DIFF]}\n(cut here)\n"


def spec_of(item: Json | None) -> str | None:
    """What of ours an object holds: the spec in a Deployment's annotation, or a catalogue entry. Never a secret."""
    if item is None:
        return None
    meta = item.get("metadata") or {}
    if item.get("kind") == "Deployment":
        text: str | None = (meta.get("annotations") or {}).get(SPEC_ANNOTATION)
        return text
    if item.get("kind") == "ConfigMap" and KIND_LABEL in (meta.get("labels") or {}):
        entry: str | None = (item.get("data") or {}).get("spec")
        return entry
    return None
