"""With what the wizard begins: which form, what is fixed in it, and which kept forms are offered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import uuid4

from genai_tui.domain.adoption import Adoption
from genai_tui.domain.deployment import DeploymentSpec
from genai_tui.domain.documents import ModelDeployment, NamespacedMetadata
from genai_tui.domain.drafts import BASE, DEPLOYMENT_FORM, draft_key, from_document
from genai_tui.domain.form_defaults import new_draft
from genai_tui.domain.form_facts import Facts
from genai_tui.domain.form_field import Draft
from genai_tui.domain.rows import Ref
from genai_tui.services import Drafts, SavedDraft, Services

_KIND = "ModelDeployment"
_NEW = draft_key(_KIND, None)


@dataclass(frozen=True, slots=True)
class Start:
    """A form to begin with.

    Attributes:
        title: what is done, in one line.
        key: under which key the form is kept.
        draft: the texts.
        before: the texts of what is live, while editing; else empty.
        typed: ids of fields whose text a person chose.
        locked: field id -> why it cannot be changed.
        refusal: why there is no form at all; empty when there is one.
        editing: what is edited.
        adopted: the deployment of others it was read from.
        document: what is live, while editing: what another saves meanwhile is not written over.
    """

    title: str
    key: str
    draft: Draft
    before: Draft = field(default_factory=dict)
    typed: frozenset[str] = frozenset()
    locked: dict[str, str] = field(default_factory=dict)
    refusal: str = ""
    editing: Ref | None = None
    document: ModelDeployment | None = None
    adopted: Adoption | None = None

    def on(self, live: ModelDeployment) -> Start:
        """The same form, on a newer version of what is edited."""
        namespace = self.editing.namespace if self.editing is not None else ""
        return replace(self, before={**from_document(live), "namespace": namespace}, document=live)

    def draft_title(self, draft: Draft) -> str:
        """What the kept form is called in a list."""
        if self.editing is not None:
            return f"changes to {self.editing}"
        name, model = draft.get("name") or "without a name", draft.get("model")
        return f"deployment {name}" + (f" of {model}" if model else "")


def start_of(services: Services, facts: Facts, model: str | None, edit: Ref | None, kept: SavedDraft | None) -> Start:
    """The form to begin with: an edited deployment, a kept form, or a new one."""
    if edit is not None:
        return _edit(services, edit, kept)
    fresh = new_draft(facts, namespace=services.session.namespace or "", model=model or "")
    title = f"New deployment of {model}" if model else "New deployment"
    locked = {"model": "fixed: opened from this model"} if model else {}
    if kept is None:
        return Start(title, f"{_NEW}/{uuid4().hex[:12]}", fresh, locked=locked)
    draft = {**DEPLOYMENT_FORM.blank(), **kept.fields, **({"model": model} if model else {})}
    typed = frozenset(key for key, text in draft.items() if text != fresh.get(key, ""))
    return Start(title, kept.key, draft, typed=typed, locked=locked)


def adopting(services: Services, facts: Facts, adoption: Adoption) -> Start:
    """The form of a new deployment with the settings of one of others."""
    fresh = new_draft(facts, namespace=adoption.ref.namespace)
    draft = {**fresh, **adoption.texts}
    typed = frozenset(key for key, text in draft.items() if text != fresh.get(key, ""))
    key = f"{_NEW}/{uuid4().hex[:12]}"
    return Start(f"Adopt {adoption.ref}", key, draft, typed=typed, adopted=adoption)


def _edit(services: Services, edit: Ref, kept: SavedDraft | None) -> Start:
    title, key = f"Edit {edit}", draft_key(_KIND, edit)
    detail = services.picture.deployment(edit)
    if detail is None:
        return Start(title, key, {}, refusal=f"{edit} does not exist any more", editing=edit)
    if detail.row.foreign:
        why = f"{edit} is managed by {detail.row.managed_by}: change it there"
        return Start(title, key, {}, refusal=why, editing=edit)
    if detail.document is None:
        why = f"what {edit} was made from cannot be read: its annotation genai-tui.dev/spec is missing or broken"
        return Start(title, key, {}, refusal=why, editing=edit)
    texts = dict(kept.fields) if kept is not None else {}
    base = _base_of(edit, texts.pop(BASE, "")) or detail.document
    live = {**from_document(base), "namespace": edit.namespace}
    draft = {**live, **texts, "name": edit.name, "namespace": edit.namespace}
    typed = frozenset(key for key, text in draft.items() if text != live.get(key, ""))
    locked = {"name": "cannot be changed", "namespace": "cannot be changed"}
    return Start(title, key, draft, before=live, typed=typed, locked=locked, editing=edit, document=base)


def based_on(document: ModelDeployment | None) -> dict[str, str]:
    """What a kept edit says of the version it was begun on."""
    return {BASE: document.spec.canonical_json()} if document is not None else {}


def _base_of(edit: Ref, text: str) -> ModelDeployment | None:
    """The version a kept edit was begun on; None where it does not say so."""
    try:
        spec = DeploymentSpec.model_validate_json(text, by_alias=True, by_name=False) if text else None
    except ValueError:
        return None
    metadata = NamespacedMetadata(name=edit.name, namespace=edit.namespace)
    return ModelDeployment(metadata=metadata, spec=spec) if spec is not None else None


def filled_in(drafts: Drafts, edit: Ref, fields: Mapping[str, str], now: datetime) -> SavedDraft:
    """The form of an edited deployment with some fields filled in, on top of what was typed before and is kept."""
    key = draft_key(_KIND, edit)
    kept = next((draft.fields for draft in drafts.saved() if draft.key == key), {})
    return SavedDraft(key, f"changes to {edit}", {**kept, **fields}, now)


def offered_drafts(drafts: Drafts, model: str | None, edit: Ref | None) -> tuple[SavedDraft, ...]:
    """The kept forms that continue what is being opened, newest first."""
    if edit is not None:
        return tuple(draft for draft in drafts.saved() if draft.key == draft_key(_KIND, edit))
    new = [draft for draft in drafts.saved() if draft.key.startswith(f"{_NEW}/")]
    return tuple(draft for draft in new if model is None or draft.fields.get("model") == model)
