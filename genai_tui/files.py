"""Files of documents: YAML with line numbers in, strict documents or one problem for each wrong field out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from genai_tui.domain.documents import (
    Endpoint,
    Model,
    ModelDeployment,
    Organization,
    field_problems,
    parse_document,
)
from genai_tui.domain.naming import API_VERSION
from genai_tui.domain.problems import FieldProblem
from genai_tui.errors import BadInput

AnyDocument = Model | Endpoint | Organization | ModelDeployment
MAX_CHARACTERS = 4_000_000
MAX_DEPTH = 60
_Lines = dict[tuple[str, ...], int]


def read_documents(text: str) -> tuple[AnyDocument, ...]:
    """Every document of the text, in order.

    Raises:
        BadInput: not YAML, or wrong fields; every problem of every document is reported, with its line.
    """
    if len(text) > MAX_CHARACTERS:
        raise BadInput(f"the file is larger than {MAX_CHARACTERS // 1_000_000} MB")
    documents: list[AnyDocument] = []
    problems: list[FieldProblem] = []
    for node in _nodes(text):
        read = _document(node)
        if isinstance(read, list):
            problems += read
        else:
            documents.append(read)
    if problems:
        raise BadInput(f"{len(problems)} field{'s are' if len(problems) > 1 else ' is'} wrong", fields=tuple(problems))
    if not documents:
        raise BadInput("the file holds no document", next_step="see docs/file-format.md for one to begin with")
    return tuple(documents)


def to_yaml(documents: Sequence[AnyDocument]) -> str:
    """The documents as a file, fields in the order of the format, defaults left out."""
    dumped = [_dump(document) for document in documents]
    return yaml.safe_dump_all(dumped, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120)


def _dump(document: AnyDocument) -> dict[str, Any]:
    head = {"apiVersion": API_VERSION, "kind": document.kind}
    metadata = document.metadata.model_dump(mode="json", exclude_none=True)
    return {**head, "metadata": metadata, "spec": document.spec.model_dump(mode="json", exclude_defaults=True)}


def _nodes(text: str) -> Iterator[yaml.Node]:
    try:
        for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
            if not (isinstance(node, yaml.ScalarNode) and node.value == ""):
                yield node
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        problem = FieldProblem("", f"not valid YAML: {error.problem or error.context}", line)
        raise BadInput("the file is not valid YAML", fields=(problem,)) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        first = str(error).strip().split("\n", 1)[0] or "nested too deeply"
        raise BadInput("the file is not valid YAML", fields=(FieldProblem("", f"not valid YAML: {first}"),)) from error


def _document(node: yaml.Node) -> AnyDocument | list[FieldProblem]:
    """One document, or its problems in the order of their lines."""
    lines: _Lines = {}
    try:
        data = _Reader(lines).value(node, ())
    except _Wrong as wrong:
        return [FieldProblem(".".join(wrong.path), wrong.message, wrong.line)]
    if not isinstance(data, dict):
        return [FieldProblem("", "a document must be a mapping with apiVersion, kind, metadata and spec", _line(node))]
    try:
        return parse_document(data)
    except ValidationError as error:
        found = [
            FieldProblem(problem.field, problem.message, _nearest_line(lines, problem.field, _line(node)))
            for problem in field_problems(error)
        ]
        return sorted(found, key=lambda problem: problem.line or 0)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _nearest_line(lines: _Lines, field: str, fallback: int) -> int:
    """The line of the field, or of the nearest parent that is there (a missing field has no line of its own)."""
    path = tuple(field.split(".")) if field else ()
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return fallback


class _Wrong(Exception):
    def __init__(self, message: str, path: tuple[str, ...], line: int) -> None:
        super().__init__(message)
        self.message, self.path, self.line = message, path, line


class _Reader:
    """Builds plain values from YAML nodes, remembers the line of each path, and refuses duplicate keys.

    Aliases are expanded; the total is bounded, since a few lines of aliases can stand for gigabytes.
    """

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self._left = 100_000
        self._scalars = yaml.SafeLoader("")

    def value(self, node: yaml.Node, path: tuple[str, ...]) -> object:
        self._left -= 1
        if self._left < 0 or len(path) > MAX_DEPTH:
            raise _Wrong("is too large: nested too deeply, or aliases that expand without end", path, _line(node))
        self._lines.setdefault(path, _line(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, str(i))) for i, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: tuple[str, ...]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None:
                raise _Wrong("a key must be text", path, _line(key_node))
            if key in found:
                raise _Wrong(f"'{key}' is given twice", (*path, key), _line(key_node))
            self._lines[*path, key] = _line(key_node)
            found[key] = self.value(value_node, (*path, key))
        return found

    def _scalar(self, node: yaml.Node, path: tuple[str, ...]) -> object:
        # YAML 1.1 reads 2026-01-01 as a date and 1:30 as 90; a person who wrote them meant text.
        if node.tag in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:binary") or (
            node.tag == "tag:yaml.org,2002:int" and ":" in node.value
        ):
            return node.value
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            raise _Wrong(f"cannot be read: {str(error).splitlines()[0]}", path, _line(node)) from error
