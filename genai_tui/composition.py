"""What stands behind each port: this module and `wiring` alone know every adapter.

Here is what the first paint shows. All else is loaded and wired when it is first used, which the console does right
after it: that takes a fifth of the start.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from genai_tui.domain.cluster import ContainerSpec
from genai_tui.domain.disputes import UNDECIDED, Resolution
from genai_tui.domain.places import ContextEntry, is_production
from genai_tui.draft_files import DraftFiles
from genai_tui.engines.failures import diagnose
from genai_tui.kube.access import Access
from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import contexts, resolve
from genai_tui.preferences import FilePreferences
from genai_tui.services import AnyDocument, Outcome, Services, Session
from genai_tui.settings import Settings
from genai_tui.store.deriving import Deriver, Engine
from genai_tui.store.picture import Entry, Picture

if TYPE_CHECKING:
    from genai_tui.domain.documents import ModelDeployment
    from genai_tui.wiring import Wiring

Port = TypeVar("Port")


def build_services(settings: Settings) -> Services:
    """Wire everything; nothing is sent before `start` or the first use.

    Raises:
        CredentialsRejected, BadInput: there is no usable kubeconfig.
    """
    target = resolve(settings.kubeconfig, settings.context)
    session = Session(
        context=target.context,
        server=target.server,
        namespace=settings.namespace or target.namespace,
        system_namespace=settings.system_namespace,
        read_only=settings.read_only,
        simulated=target.simulated,
        insecure=target.insecure,
        production=is_production(target.context, settings.production),
        gateway=settings.gateway or "",
    )
    connection = Connection(target)
    access = Access(connection, read_only=settings.read_only)
    picture = Picture(Deriver(_read_deployment, _identify, diagnose), _read_entry)

    def lend_terminal(lend: Callable[[], AbstractContextManager[None]]) -> None:
        connection.credentials.lend_terminal = lend

    def confirm_writes(ask: Callable[[str], Awaitable[bool]]) -> None:
        if session.production:
            connection.gate.ask = ask

    if sys.stdin.isatty() and sys.stderr.isatty():
        lend_terminal(contextlib.nullcontext)

    @cache
    def wiring() -> Wiring:
        from genai_tui.wiring import Wiring

        return Wiring(settings, session, connection, access, picture)

    def apply_documents(
        documents: Sequence[AnyDocument], dry_run: bool, resolution: Resolution = UNDECIDED
    ) -> Awaitable[Mapping[str, Outcome]]:
        return wiring().operations.apply_documents(documents, dry_run, resolution)

    return Services(
        session=session,
        picture=picture,
        access=access,
        operations=_later(lambda: wiring().operations),
        playground=_later(lambda: wiring().playground),
        usage=_later(lambda: wiring().usage),
        budgets=_later(lambda: wiring().budgets),
        gpu_accounts=_later(lambda: wiring().gpu_accounts),
        refusals=_later(lambda: wiring().refusals),
        windows=_later(lambda: wiring().windows),
        limitador=_later(lambda: wiring().limitador),
        drafts=DraftFiles(settings.state / "drafts"),
        conversations=_later(lambda: wiring().conversations),
        prompts=_later(lambda: wiring().prompts),
        questions=_later(lambda: wiring().questions),
        preferences=FilePreferences(settings.state),
        places=_Places(settings),
        clock=lambda: datetime.now(UTC),
        start=lambda: wiring().start(),
        settle=lambda: wiring().settle(),
        keys=_later(lambda: wiring().keys),
        secrets=_later(lambda: wiring().secrets),
        credentials=_later(lambda: wiring().credentials),
        audit=_later(lambda: wiring().audit),
        counters=_later(lambda: wiring().counters),
        monitor=_later(lambda: wiring().monitor),
        render_documents=lambda documents: wiring().render_documents(documents),
        apply_documents=apply_documents,
        diff_documents=lambda documents: wiring().operations.diff_documents(documents),
        retry=lambda: wiring().retry(),
        lend_terminal=lend_terminal,
        confirm_writes=confirm_writes,
        close=lambda: wiring().close(),
    )


class _Later:
    """Stands for a port until it is used."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> object:
        return getattr(self._make(), name)


def _later(make: Callable[[], Port]) -> Port:
    return cast("Port", _Later(make))


class _Places:
    """Implements `services.Places` for the settings of this run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def contexts(self) -> tuple[ContextEntry, ...]:
        return tuple(
            ContextEntry(name, cluster, namespace, is_production(name, self._settings.production))
            for name, cluster, namespace in contexts(self._settings.kubeconfig)
        )

    def open(self, context: str, namespace: str | None) -> Services:
        # In a pod there is no kubeconfig, and its one context has no name there.
        named = context if any(entry.name == context for entry in self.contexts()) else None
        return build_services(replace(self._settings, context=named, namespace=namespace))


def _read_deployment(name: str, namespace: str, annotations: Mapping[str, str]) -> ModelDeployment | None:
    from genai_tui.kube.manifests.deployment import read_deployment

    return read_deployment(name, namespace, annotations)


def _read_entry(labels: Mapping[str, str], data: Mapping[str, str], object_name: str) -> Entry | str:
    from genai_tui.kube.manifests.catalogue import read_entry

    return read_entry(labels, data, object_name)


def _identify(containers: tuple[ContainerSpec, ...]) -> Engine | None:
    from genai_tui.kube.manifests.foreign import identify

    found = identify(containers)
    return Engine(found.engine, found.model, found.served_names) if found is not None else None


def render_for_sandbox(text: str) -> list[dict[str, Any]]:
    """Documents as the objects an apply would write, for filling a new sandbox."""
    from genai_tui.domain.documents import Model, ModelDeployment
    from genai_tui.domain.naming import SYSTEM_NAMESPACE
    from genai_tui.files import read_documents
    from genai_tui.kube.manifests.catalogue import render_entry
    from genai_tui.kube.manifests.deployment import render_deployment

    documents = read_documents(text)
    models = {d.metadata.name: d.spec for d in documents if isinstance(d, Model)}
    found: list[dict[str, Any]] = []
    for document in documents:
        if isinstance(document, ModelDeployment):
            namespace = document.metadata.namespace or "default"
            found += render_deployment(document, models[document.spec.model], namespace)
        else:
            found.append(render_entry(document, SYSTEM_NAMESPACE))
    return found
