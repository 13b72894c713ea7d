"""Which deployments are served, to whom, under which names: what a request's `model` means to its caller."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from genai_tui.domain.documents import Endpoint, ModelDeployment
from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.rows import Ref
from genai_tui.domain.sharing import may_call
from genai_tui.gateway.refusals import no_model, not_allowed, unknown_model


@dataclass(frozen=True, slots=True)
class Served:
    """A deployment the gateway is the front of."""

    ref: Ref
    document: ModelDeployment
    created: datetime | None = None

    @property
    def model(self) -> str:
        """The catalogue's name of its model; the engine serves it as an alias of the deployment's name."""
        return self.document.spec.model

    def open_to(self, key: KeyRecord) -> bool:
        """Whether a key may call it."""
        return may_call(self.document.spec.sharing, self.ref, key)


@dataclass(frozen=True, slots=True)
class Offer:
    """An entry of a caller's list of models: the `model` to ask for, and what it leads to."""

    name: str
    served: Served


class Directory:
    """Deployments by name and by alias.

    A deployment is served when its endpoint exists and leaves enforcement to the embedded gateway: behind another
    gateway it has that one's counters, and a second set would double every limit.
    """

    def __init__(self) -> None:
        self._deployments: dict[Ref, Served] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._by_name: dict[str, list[Served]] = {}
        self._by_alias: dict[str, list[Served]] = {}
        self._stale = False

    def put_deployment(self, ref: Ref, document: ModelDeployment | None, created: datetime | None = None) -> None:
        """A deployment as it is now, and when it was made; None when it is gone, or not ours."""
        served = Served(ref, document, created) if document is not None else None
        if self._deployments.get(ref) == served:
            return
        self._stale = True
        if served is None:
            self._deployments.pop(ref, None)
        else:
            self._deployments[ref] = served

    def put_endpoints(self, endpoints: Iterable[Endpoint]) -> None:
        """Every endpoint there is."""
        self._endpoints = {endpoint.metadata.name: endpoint for endpoint in endpoints}
        self._stale = True

    def route(self, model: str, key: KeyRecord) -> Served:
        """What a request for `model` with this key leads to.

        Raises:
            Refused: 404 for a name nothing is served under, or several things are; 403 where it is not shared.
        """
        self._index()
        namespace, slash, name = model.partition("/")
        if slash:
            found = [served for served in self._by_name.get(name, ()) if served.ref.namespace == namespace]
        else:
            found = self._by_name.get(model, [])
        shared = [served for served in found if served.open_to(key)]
        if not shared:
            aliased = self._by_alias.get(model, [])
            found = found or aliased
            shared = [served for served in aliased if served.open_to(key)]
        if len(shared) == 1:
            return shared[0]
        if shared:
            names = ", ".join(sorted(f"'{served.ref}'" for served in shared))
            raise no_model(f"'{model}' is the name of several deployments; ask for one of {names}.")
        if found:
            why = f"The model '{model}' is not shared with the organization or the API key that asks."
            raise not_allowed(why, found[0].ref if len(found) == 1 else None)
        raise unknown_model(model)

    def offers(self, key: KeyRecord) -> list[Offer]:
        """All that a key may call, each under the shortest name that leads to it; then the aliases that do."""
        self._index()
        found: list[Offer] = []
        for name, several in self._by_name.items():
            shared = [served for served in several if served.open_to(key)]
            found += [Offer(name if len(shared) == 1 else str(served.ref), served) for served in shared]
        taken = {offer.served.ref.name for offer in found}
        for alias, several in self._by_alias.items():
            shared = [served for served in several if served.open_to(key)]
            if len(shared) == 1 and alias not in taken:
                found.append(Offer(alias, shared[0]))
        return found

    def _index(self) -> None:
        if not self._stale:
            return
        self._stale = False
        self._by_name, self._by_alias = {}, {}
        for ref in sorted(self._deployments, key=str):
            served = self._deployments[ref]
            endpoint = self._endpoints.get(served.document.spec.endpoint)
            if endpoint is not None and endpoint.spec.enforcement is None:
                self._by_name.setdefault(ref.name, []).append(served)
                if served.model != ref.name:
                    self._by_alias.setdefault(served.model, []).append(served)
