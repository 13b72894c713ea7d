"""docs/file-format.md names every field with its default, and nothing else; its examples are files that work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo

from genai_tui.domain.catalogue import EndpointSpec, ModelSpec, OrganizationSpec
from genai_tui.domain.deployment import AffinityTerms, DeploymentSpec, SecretKey
from genai_tui.domain.strict import Written
from genai_tui.files import read_documents

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "file-format.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([^`]+)` \| [^|]+ \| ([^|]+) \| .+ \|$", re.MULTILINE)
# A term of either direction is described once.
DESCRIBED_ELSEWHERE = ("advanced.podAffinity.podAffinity", "advanced.podAffinity.podAntiAffinity")


def section(title: str) -> dict[str, str]:
    """Defaults by field, from the table below a heading."""
    part = re.split(r"^#+ ", TEXT, flags=re.MULTILINE)
    body = next(text for text in part if text.startswith(f"{title}\n"))
    return {field: default.strip() for field, default in ROW.findall(body)}


def models_in(annotation: object) -> Iterator[type[Written]]:
    if isinstance(annotation, type) and issubclass(annotation, Written):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def origins(annotation: object) -> set[object]:
    return {get_origin(annotation), *(o for argument in get_args(annotation) for o in origins(argument))}


def shown(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default: Any = field.get_default(call_default_factory=True)
    if isinstance(default, Enum):
        default = default.value
    if isinstance(default, bool):
        return str(default).lower()
    return {"None": "–", "": '""', "()": "[]"}.get(str(default), str(default))


def fields_of(model: type[Written], path: str = "", defaults: Written | None = None) -> Iterator[tuple[str, str]]:
    """Every field that holds a value, with its default as the page writes it."""
    for name, field in model.model_fields.items():
        below = f"{path}{field.alias}"
        default = shown(field) if defaults is None else str(getattr(defaults, name))
        kinds = origins(field.annotation)
        children = list(models_in(field.annotation))
        if below in DESCRIBED_ELSEWHERE or (children and field.alias == "podAffinityTerm"):
            yield below, default
        elif children:
            own = field.default if isinstance(field.default, SecretKey) else None
            for child in children:
                yield from fields_of(child, f"{below}{'[]' if tuple in kinds else ''}.", own)
        elif dict in kinds:
            yield f"{below}.*", "–"
        else:
            yield below, default


@pytest.mark.parametrize(
    ("title", "model"),
    [
        ("Model", ModelSpec),
        ("Endpoint", EndpointSpec),
        ("Organization", OrganizationSpec),
        ("ModelDeployment", DeploymentSpec),
        ("Pod affinity", AffinityTerms),
    ],
)
def test_every_field_is_described_with_its_default(title: str, model: type[Written]) -> None:
    assert section(title) == dict(fields_of(model))


def test_the_examples_work() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
    whole, affinity = examples
    documents = read_documents(whole)
    assert [document.kind for document in documents] == ["Model", "Endpoint", "Organization", "ModelDeployment"]
    deployment = whole.split("---\n")[3]
    without = re.sub(r"  advanced:\n(?:    .*\n)+", "", deployment)
    (read,) = read_documents(without + "".join(f"  {line}\n" for line in affinity.splitlines()))
    assert "kubernetes.io/hostname" in read.model_dump_json()
