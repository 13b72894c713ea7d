"""The models of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from genai_tui.domain.catalogue import HubSource, NgcSource, Source, parameter_count
from genai_tui.domain.rows import DeploymentRow, ModelRow
from screens.catalogue.form import CatalogueKind
from screens.catalogue.list_screen import CatalogueScreen, Entry, unreadable
from screens.format import MISSING, age, count
from screens.widgets.virtual_table import Cell, Cells, Column


class ModelsScreen(CatalogueScreen):
    """The list of models."""

    AREA = "models"
    KIND: ClassVar[CatalogueKind] = "Model"
    DEPLOYABLE = True
    COLUMNS = (
        Column("name", "NAME", least=12, most=34),
        Column("use", "USE", least=4, most=10, rank=2),
        Column("size", "SIZE", least=4, most=7, right=True),
        Column("context", "CONTEXT", least=7, most=9, right=True, rank=3),
        Column("source", "SOURCE", least=34, flexible=True, rank=1),
        Column("deployments", "DEPLOYED", least=8, most=8, right=True),
        Column("age", "AGE", least=3, most=4, right=True, rank=4),
    )
    EMPTY = """\
No model yet

A model says where the files are: a repository of the public hub, an image of NVIDIA NGC, or a volume.
A deployment then runs it.

n   add the first model
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "D,shift+n,N",
            "deploy",
            "New deployment",
            id="models.deploy",
            key_display="D",
            tooltip="Make a deployment of the model under the cursor",
        ),
    ]
    HELP = """\
# Models

What can be deployed, and where its files are. `n` adds one, `D` makes a deployment of the one under the cursor, `enter`
shows which deployments run it. A model that a deployment runs cannot be deleted.
"""

    def entries(self) -> Sequence[ModelRow]:
        """The models, by name."""
        return self.services.picture.models()

    def cells(self, entry: Entry) -> Cells:
        """One line of the list."""
        if not isinstance(entry, ModelRow) or entry.document is None:
            return unreadable(entry, len(self.COLUMNS), 4)
        spec = entry.document.spec
        size = parameter_count(spec.parameters) if spec.parameters else -1
        return (
            Cell(entry.name, order=entry.name),
            Cell(spec.use_case.value, "quiet"),
            Cell(spec.parameters or MISSING, order=size),
            Cell(count(spec.context_length), order=spec.context_length or -1),
            Cell(_source(spec.source)),
            self.deployed(entry),
            Cell(
                age(entry.created, self.services.clock()), "quiet", -entry.created.timestamp() if entry.created else 0
            ),
        )

    def uses(self, deployment: DeploymentRow) -> str | None:
        """Which model a deployment runs."""
        return deployment.model

    def details(self, entry: Entry) -> Sequence[tuple[str, str]]:
        """What is known of a model."""
        if not isinstance(entry, ModelRow) or entry.document is None:
            return ()
        spec = entry.document.spec
        context = f"{spec.context_length:,} tokens" if spec.context_length is not None else ""
        return (
            ("description", spec.description),
            ("use case", spec.use_case.value),
            ("provider", spec.provider),
            ("source", _source(spec.source)),
            ("parameters", spec.parameters or ""),
            ("context length", context),
        )

    def action_deploy(self) -> None:
        """Make a deployment of the model under the cursor."""
        entry = self._entry()
        if entry is not None and entry.document is not None:
            self.app.open_wizard(model=entry.name)


def _source(source: Source) -> str:
    if isinstance(source, HubSource):
        return source.repository if source.revision == "main" else f"{source.repository} at {source.revision}"
    if isinstance(source, NgcSource):
        return source.image
    return f"volume {source.claim}/{source.path}".rstrip("/")
