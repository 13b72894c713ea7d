"""Forms as text, and the documents they stand for.

A `Draft` holds what was typed, field by field, whatever it is; `to_document` makes a document of it or says, per
field and line, why it cannot; `from_document` makes the draft that gives the same document back. Path of the data:
widgets -> Draft -> `read_form` -> Parsed values -> the strict models of `documents`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from pydantic import ValidationError

from genai_tui.domain.catalogue_fields import ENDPOINT_FIELDS, MODEL_FIELDS, ORGANIZATION_FIELDS
from genai_tui.domain.currencies import currencies
from genai_tui.domain.documents import Endpoint, Model, ModelDeployment, Organization, field_problems, parse_document
from genai_tui.domain.form_affinity import read_affinity, write_affinity
from genai_tui.domain.form_field import Draft, FieldKind, FormField
from genai_tui.domain.form_fields import DEPLOYMENT_FIELDS
from genai_tui.domain.form_lines import (
    Parsed,
    quote,
    read_annotations,
    read_arguments,
    read_env,
    read_labels,
    read_names,
    read_selector,
    read_tolerations,
    read_value,
    without_secrets,
    write_arguments,
    write_env,
    write_names,
    write_pairs,
    write_tolerations,
)
from genai_tui.domain.money import plain
from genai_tui.domain.naming import API_VERSION, did_you_mean
from genai_tui.domain.problems import FieldProblem
from genai_tui.domain.rows import Ref

D = TypeVar("D", bound=Model | Endpoint | Organization | ModelDeployment)
EMPTY: Final = "may not be empty"
BASE: Final = "(based on)"
"""Beside the fields of a kept edit: what was live when it was begun."""


@dataclass(frozen=True, slots=True)
class Reading(Generic[D]):
    """What a draft stands for: the document, or why there is none. `problems` is empty exactly when it is there."""

    document: D | None
    problems: tuple[FieldProblem, ...]


@dataclass(frozen=True, slots=True)
class Form(Generic[D]):
    """A kind of document as fields in the order in which they are filled in."""

    kind: type[D]
    fields: tuple[FormField, ...]

    def field(self, field_id: str) -> FormField:
        """The field of that id.

        Raises:
            KeyError: there is none.
        """
        for field in self.fields:
            if field.id == field_id:
                return field
        raise KeyError(field_id)

    def blank(self) -> dict[str, str]:
        """The draft of a new form."""
        return {field.id: field.initial for field in self.fields}

    def read(self, draft: Draft) -> Reading[D]:
        """The document a draft stands for, or one problem for each field and line that is wrong."""
        return _read(self, draft)

    def place(self, draft: Draft, problems: Iterable[FieldProblem]) -> tuple[FieldProblem, ...]:
        """Problems told by paths of the document or of its objects, each under the id of a field the form shows.

        Those that belong to no field are left out.
        """
        placed = (_placed(self, draft, problem) for problem in problems)
        return tuple(problem for problem in placed if problem is not None)

    def write(self, document: D) -> dict[str, str]:
        """The draft that reads as `document`."""
        return {
            field.id: _CODECS.get(field.id, _BY_KIND[field.kind]).write(_value(document, field))
            for field in self.fields
        }


def to_document(draft: Draft) -> Reading[ModelDeployment]:
    """The deployment a draft stands for, or one problem for each field and line that is wrong."""
    return DEPLOYMENT_FORM.read(draft)


def from_document(document: ModelDeployment) -> dict[str, str]:
    """The draft that reads as `document`."""
    return DEPLOYMENT_FORM.write(document)


def draft_key(kind: str, editing: Ref | str | None) -> str:
    """Under which key a form in the making is kept: one per edited object, one for a new one of each kind."""
    return f"{kind}/{editing}" if editing else f"{kind}/new"


_SECRET = re.compile(r"(?:hf_|nvapi-|sk-|ghp_)[A-Za-z0-9_-]{16,}")


def may_be_kept(draft: Draft) -> dict[str, str]:
    """The form as it may stand on disk: without what is known to be a secret, wherever it was typed."""
    kept = {**draft, "advanced.env": without_secrets(draft.get("advanced.env", ""))}
    return {field: _SECRET.sub("", text) for field, text in kept.items()}


# From text to values --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Codec:
    """How the text of a field becomes the value of the file format, and back."""

    read: Callable[[str], Parsed[Any]]
    write: Callable[[Any], str]


def _stripped(text: str) -> Parsed[Any]:
    return Parsed(text.strip())


def _plain(value: object) -> str:
    return "" if value is None else str(value)


def _read_free(text: str) -> Parsed[Any]:
    stripped = text.strip()
    if stripped == '""' or ("\\" in stripped and stripped[:1] == '"' and stripped[-1:] == '"'):
        try:
            return Parsed(read_value(stripped))
        except ValueError:
            return Parsed(stripped)
    return Parsed(stripped)


def _write_free(value: object) -> str:
    text = "" if value is None else str(value)
    if text and text.isprintable() and _read_free(text).value == text:
        return text
    if value is None:
        return ""
    quoted = quote(text)
    if text and "\\" not in quoted:
        return f'"\\u{ord(text[0]):04x}{quoted[2:]}'
    return quoted


_DIGITS = re.compile(r"[+-]?(?:[0-9]+|[0-9]{1,3}(?:[,_ ][0-9]{3})+)")


def _read_number(text: str) -> Parsed[Any]:
    stripped = text.strip()
    if not _DIGITS.fullmatch(stripped):
        return Parsed(None, ((None, f"must be a whole number, not '{stripped}'"),))
    try:
        return Parsed(int(re.sub(r"[,_ ]", "", stripped)))
    except ValueError:
        return Parsed(None, ((None, "has too many digits"),))


def _read_context(text: str) -> Parsed[Any]:
    if text.strip() == "auto":
        return Parsed("auto")
    number = _read_number(text)
    if number.problems:
        return Parsed(None, ((None, f"must be a number of tokens or auto, not '{text.strip()}'"),))
    return number


def _read_switch(text: str) -> Parsed[Any]:
    word = text.strip().lower()
    if word in ("on", "true", "yes"):
        return Parsed(True)
    if word in ("off", "false", "no"):
        return Parsed(False)
    return Parsed(None, ((None, f"must be on or off, not '{text.strip()}'"),))


def _read_generation(text: str) -> Parsed[Any]:
    word = text.strip()
    return Parsed(None) if word == "auto" else Parsed(int(word) if word in ("1", "2") else word)


def _read_currency(text: str) -> Parsed[Any]:
    code = text.strip()
    known = currencies()
    if code in known:
        return Parsed(code)
    hint = f"; did you mean '{code.upper()}'?" if code.upper() in known else did_you_mean(code.upper(), known)
    return Parsed(None, ((None, f"'{code}' is not an ISO 4217 currency code such as USD or EUR{hint}"),))


def _read_none(text: str) -> Parsed[Any]:
    return Parsed(None if text.strip() == "none" else text.strip())


_TEXT = _Codec(_stripped, _plain)
_FREE = _Codec(_read_free, lambda value: _write_free(value) if value else "")
_AMOUNT = _Codec(_stripped, lambda value: "" if value is None else plain(value))
_BY_KIND: Final[Mapping[FieldKind, _Codec]] = {
    FieldKind.TEXT: _TEXT,
    FieldKind.CHOICE: _TEXT,
    FieldKind.NUMBER: _Codec(_read_number, _plain),
    FieldKind.SWITCH: _Codec(_read_switch, lambda value: "on" if value else "off"),
    FieldKind.LINES: _TEXT,
}
_CODECS: Final[Mapping[str, _Codec]] = {
    "description": _FREE,
    "provider": _FREE,
    # Its default is not empty: an empty one has to be written.
    "source.revision": _Codec(_read_free, _write_free),
    "source.path": _FREE,
    "engine.contextLength": _Codec(_read_context, _plain),
    "engine.nimGeneration": _Codec(_read_generation, lambda value: "auto" if value is None else str(value)),
    "enforcement": _Codec(_read_none, lambda value: value or "none"),
    "advanced.env": _Codec(read_env, write_env),
    "advanced.labels": _Codec(read_labels, write_pairs),
    "advanced.annotations": _Codec(read_annotations, write_pairs),
    "advanced.tolerations": _Codec(read_tolerations, write_tolerations),
    "advanced.nodeSelector": _Codec(read_selector, write_pairs),
    "advanced.podAffinity": _Codec(read_affinity, write_affinity),
    "advanced.extraArgs": _Codec(read_arguments, write_arguments),
    "pricing.currency": _Codec(_read_currency, lambda value: value or "USD"),
    "pricing.inputPerMillion": _AMOUNT,
    "pricing.outputPerMillion": _AMOUNT,
    "pricing.cachedInputPerMillion": _AMOUNT,
    "sharing.organizations": _Codec(read_names, lambda value: write_names(value or ())),
    "displayName": _FREE,
    "users": _Codec(read_names, lambda value: write_names(value or ())),
}

# A part of the document that exists only when one of these fields says something.
_LED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "pricing": ("pricing.inputPerMillion", "pricing.outputPerMillion", "pricing.cachedInputPerMillion"),
}
# Where a problem of a part as a whole is shown.
_SHOWN_AT: Final[Mapping[str, str]] = {
    "advanced": "advanced.env",
    "advanced.cache": "advanced.cache.size",
    "sharing": "sharing.organizations",
    "source": "source.path",
    "spec": "gateway.name",
}


_OBJECT_FIELDS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(path), field)
    for path, field in (
        (r"spec\.storageClassName", "advanced.cache.storageClass"),
        (r"spec\.resources\b.*\bstorage", "advanced.cache.size"),
        (r"spec\.replicas", "engine.replicas"),
        (r"metadata\.labels", "advanced.labels"),
        (r"metadata\.annotations", "advanced.annotations"),
        (r"spec\.template\.metadata\.labels", "advanced.labels"),
        (r"spec\.template\.metadata\.annotations", "advanced.annotations"),
        (r"spec\.template\.spec\.nodeSelector", "advanced.nodeSelector"),
        (r"spec\.template\.spec\.tolerations", "advanced.tolerations"),
        (r"spec\.template\.spec\.affinity", "advanced.podAffinity"),
        (r"spec\.template\.spec\.runtimeClassName", "advanced.runtimeClass"),
        (r"spec\.template\.spec\.imagePullSecrets", "engine.ngc.pullSecret"),
        (r"spec\.template\.spec\.containers\[\d+\]\.image", "engine.image"),
        (r"spec\.template\.spec\.containers\[\d+\]\.env", "advanced.env"),
        (r"spec\.template\.spec\.containers\[\d+\]\.args", "advanced.extraArgs"),
        (r"spec\.template\.spec\.containers\[\d+\]\.resources\b.*\bcpu", "resources.cpu"),
        (r"spec\.template\.spec\.containers\[\d+\]\.resources\b.*\bmemory", "resources.memory"),
        (r"spec\.template\.spec\.containers\[\d+\]\.resources", "resources.gpu"),
    )
)
"""Which field of the form became which field of the Kubernetes objects, whose paths an API server refuses by."""


def _document_path(field_id: str) -> tuple[str, ...]:
    return ("metadata", field_id) if field_id in ("name", "namespace") else ("spec", *field_id.split("."))


def _read(form: Form[D], draft: Draft) -> Reading[D]:
    data: dict[str, Any] = {"apiVersion": API_VERSION, "kind": form.kind.__name__, "metadata": {}, "spec": {}}
    found: list[FieldProblem] = []
    for field in form.fields:
        text = draft.get(field.id, "")
        if not field.applies(draft):
            continue
        if not text.strip():
            if field.required:
                found.append(FieldProblem(field.id, EMPTY))
            continue
        parsed = _CODECS.get(field.id, _BY_KIND[field.kind]).read(text)
        found.extend(FieldProblem(field.id, message, line) for line, message in parsed.problems)
        if not parsed.problems and parsed.value is not None and _led(field.id, draft):
            _put(data, _document_path(field.id), parsed.value)
    document: D | None = None
    try:
        checked = parse_document(data)
        document = checked if isinstance(checked, form.kind) else None
    except ValidationError as error:
        known = {problem.field for problem in found}
        shown = (_in_form(form, draft, problem) for problem in field_problems(error))
        found.extend(problem for problem in shown if problem.field not in known)
    order = {field.id: at for at, field in enumerate(form.fields)}
    found.sort(key=lambda problem: (order[problem.field], problem.line or 0))
    return Reading(None if found else document, tuple(found))


def _led(field_id: str, draft: Draft) -> bool:
    leaders = _LED_BY.get(field_id.split(".")[0])
    return leaders is None or any(draft.get(leader, "").strip() for leader in leaders)


def _put(data: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for part in path[:-1]:
        data = data.setdefault(part, {})
    data[path[-1]] = value


def _in_form(form: Form[D], draft: Draft, problem: FieldProblem) -> FieldProblem:
    """The same problem under the id of a field the form shows: the first one where it belongs to none."""
    first = next(field for field in form.fields if field.applies(draft))
    return _placed(form, draft, problem) or FieldProblem(first.id, f"{problem.field}: {problem.message}")


def _placed(form: Form[D], draft: Draft, problem: FieldProblem) -> FieldProblem | None:
    """The same problem under the id of the field it belongs to; None where the form shows none."""
    path = problem.field.removeprefix("metadata.").removeprefix("spec.")
    shown = [field for field in form.fields if field.applies(draft)]
    if _SHOWN_AT.get(path) in {field.id for field in shown}:
        return FieldProblem(_SHOWN_AT[path], problem.message)
    for field in shown:
        if path == field.id or path.startswith(f"{field.id}."):
            missing = problem.message.endswith("is required") and not draft.get(field.id, "").strip()
            return FieldProblem(field.id, EMPTY if missing else problem.message)
    for field in shown:
        if field.id.startswith(f"{path}."):
            return FieldProblem(field.id, problem.message)
    of_object = next((field for pattern, field in _OBJECT_FIELDS if pattern.match(problem.field)), None)
    if of_object in {field.id for field in shown}:
        return FieldProblem(of_object, problem.message)
    return None


# From values to text --------------------------------------------------------------------------------------------------

_CAPITAL = re.compile(r"(?=[A-Z])")


def _value(document: object, field: FormField) -> object:
    """The value of a field in a document; None where the part that would hold it is absent."""
    node = document
    for part in _document_path(field.id):
        node = getattr(node, _CAPITAL.sub("_", part).lower(), None)
        if node is None:
            return None
    return node


MODEL_FORM: Final = Form(Model, MODEL_FIELDS)
ENDPOINT_FORM: Final = Form(Endpoint, ENDPOINT_FIELDS)
ORGANIZATION_FORM: Final = Form(Organization, ORGANIZATION_FIELDS)
DEPLOYMENT_FORM: Final = Form(ModelDeployment, DEPLOYMENT_FIELDS)
