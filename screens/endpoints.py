"""The endpoints: where models are exposed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from genai_tui.domain.enforcement import kept_by
from genai_tui.domain.rows import DeploymentRow, EndpointRow
from screens.catalogue.form import CatalogueKind
from screens.catalogue.list_screen import CatalogueScreen, Entry, unreadable
from screens.format import MISSING, age
from screens.widgets.virtual_table import Cell, Cells, Column


class EndpointsScreen(CatalogueScreen):
    """The list of endpoints."""

    AREA = "endpoints"
    KIND: ClassVar[CatalogueKind] = "Endpoint"
    COLUMNS = (
        Column("name", "NAME", least=12, most=34),
        Column("exposure", "EXPOSURE", least=8, most=8),
        Column("hostname", "HOSTNAME", least=20, flexible=True),
        Column("gateway", "GATEWAY", least=7, most=30, rank=3),
        Column("limits", "LIMITS", least=6, most=16, rank=2),
        Column("deployments", "BOUND", least=5, most=5, right=True),
        Column("age", "AGE", least=3, most=4, right=True, rank=4),
    )
    EMPTY = """\
No endpoint yet

An endpoint says where models are reached: inside the cluster, or through a gateway that checks keys and limits.
A deployment is bound to one.

n   add the first endpoint
"""
    HELP = """\
# Endpoints

Where models are reached. `n` adds one, `enter` shows which deployments are bound to the one under the cursor.
An endpoint with deployments cannot be deleted.
"""

    def entries(self) -> Sequence[EndpointRow]:
        """The endpoints, by name."""
        return self.services.picture.endpoints()

    def cells(self, entry: Entry) -> Cells:
        """One line of the list."""
        if not isinstance(entry, EndpointRow) or entry.document is None:
            return unreadable(entry, len(self.COLUMNS), 2)
        spec = entry.document.spec
        gateway = f"{spec.gateway.namespace}/{spec.gateway.name}" if spec.gateway else MISSING
        return (
            Cell(entry.name, order=entry.name),
            Cell(spec.exposure, "quiet"),
            Cell(spec.hostname),
            Cell(gateway, "" if spec.gateway else "quiet"),
            Cell(spec.enforcement or "embedded gateway", "" if spec.enforcement else "quiet"),
            self.deployed(entry),
            Cell(
                age(entry.created, self.services.clock()), "quiet", -entry.created.timestamp() if entry.created else 0
            ),
        )

    def uses(self, deployment: DeploymentRow) -> str | None:
        """Which endpoint a deployment is bound to."""
        return deployment.endpoint

    def details(self, entry: Entry) -> Sequence[tuple[str, str]]:
        """What is known of an endpoint."""
        if not isinstance(entry, EndpointRow) or entry.document is None:
            return ()
        spec = entry.document.spec
        return (
            ("description", spec.description),
            ("hostname", spec.hostname),
            ("exposure", spec.exposure),
            ("gateway", f"{spec.gateway.namespace}/{spec.gateway.name}" if spec.gateway else ""),
            ("limits kept by", kept_by(spec)),
            ("TLS certificate", f"Secret {spec.tls_secret}" if spec.tls_secret else ""),
        )
