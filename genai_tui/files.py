"""Files of documents: YAML with line numbers in, strict documents or one problem for each wrong field out.

Path of the data: text -> YAML nodes (with their lines) -> plain values -> the strict models of `domain.documents`.
Nothing in a file is ever executed, and whatever is in it, the only error is `BadInput`.
"""

from __future__ import annotations

import re
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
from genai_tui.domain.text import printable
from genai_tui.errors import BadInput

AnyDocument = Model | Endpoint | Organization | ModelDeployment
MAX_CHARACTERS = 2_000_000
MAX_VALUES = 100_000
MAX_DEPTH = 60
_LONGEST_NUMBER = 60
_Lines = dict[str, int]
_TAG = "tag:yaml.org,2002:"


def read_documents(text: str) -> tuple[AnyDocument, ...]:
    """Every document of the text, in order.

    Raises:
        BadInput: not YAML, or wrong fields; every problem of every document is reported, with its line.
    """
    if len(text) > MAX_CHARACTERS:
        raise BadInput(f"the file is larger than {MAX_CHARACTERS // 1_000_000} MB")
    documents: list[AnyDocument] = []
    problems: list[FieldProblem] = []
    first_lines: dict[tuple[str, ...], int] = {}
    try:
        for node in _nodes(text):
            read = _document(node)
            if isinstance(read, list):
                problems += read
                continue
            line = first_lines.setdefault(_identity(read), _line(node))
            if line != _line(node):
                message = f"{read.kind} '{read.metadata.name}' is given twice; the first is on line {line}"
                problems.append(FieldProblem("metadata.name", message, _line(node)))
            documents.append(read)
    except BadInput as error:
        raise BadInput(error.problem.what, fields=(*problems, *error.fields)) from error
    if problems:
        raise BadInput(f"{len(problems)} field{'s are' if len(problems) > 1 else ' is'} wrong", fields=tuple(problems))
    if not documents:
        raise BadInput("the file holds no document", next_step="see docs/file-format.md for one to begin with")
    return tuple(documents)


def to_yaml(documents: Sequence[AnyDocument]) -> str:
    """The documents as a file, fields in the order of the format, defaults left out."""
    dumped = [_dump(document) for document in documents]
    return yaml.dump_all(
        dumped, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120
    )


class _Dumper(yaml.SafeDumper):
    """Writes equal parts out instead of pointing back to the first."""

    def ignore_aliases(self, data: object) -> bool:
        """Always: a file is for reading."""
        return True


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    """Text with characters that YAML takes for line breaks, or nobody sees, is written with escapes."""
    style = None if text.replace("\n", "").isprintable() else '"'
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)


_Dumper.add_representer(str, _text)


def _dump(document: AnyDocument) -> dict[str, Any]:
    head = {"apiVersion": API_VERSION, "kind": document.kind}
    metadata = document.metadata.model_dump(mode="json", exclude_none=True)
    return {**head, "metadata": metadata, "spec": document.spec.model_dump(mode="json", exclude_defaults=True)}


def _identity(document: AnyDocument) -> tuple[str, ...]:
    namespace = document.metadata.namespace or "" if isinstance(document, ModelDeployment) else ""
    return document.kind, namespace, document.metadata.name


def _nodes(text: str) -> Iterator[yaml.Node]:
    try:
        for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
            if not (isinstance(node, yaml.ScalarNode) and node.value == ""):
                yield node
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _not_yaml(error.problem or error.context or "", mark.line + 1 if mark else None) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _not_yaml(f"the character {error.character!r} is not allowed", line) from error
    except RecursionError as error:
        raise _not_yaml("nested too deeply", None) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise _not_yaml((str(error).splitlines() or [""])[0], None) from error


def _not_yaml(why: str, line: int | None) -> BadInput:
    problem = FieldProblem("", f"not valid YAML: {printable(why)[:200]}", line)
    return BadInput("the file is not valid YAML", fields=(problem,))


def _document(node: yaml.Node) -> AnyDocument | list[FieldProblem]:
    """One document, or its problems in the order of their lines."""
    reader = _Reader()
    try:
        data = reader.read(node)
    except _TooLarge as error:
        return [FieldProblem("", "is too large: nested too deeply, or aliases that expand without end", error.line)]
    if not isinstance(data, dict):
        return [FieldProblem("", "a document must be a mapping with apiVersion, kind, metadata and spec", _line(node))]
    found = list(reader.problems)
    if "apiVersion" not in data:
        found.append(FieldProblem("apiVersion", f"apiVersion is required: {API_VERSION}", _line(node)))
    try:
        document = parse_document(data)
        if not found:
            return document
    except ValidationError as error:
        told = {problem.field for problem in found}
        found += [
            FieldProblem(problem.field, problem.message, reader.nearest_line(problem.field))
            for problem in field_problems(error)
            if problem.field not in told
        ]
    return sorted(found, key=lambda problem: problem.line or 0)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


class _TooLarge(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


_MERGE = f"{_TAG}merge"
_TEXT_TAGS = (f"{_TAG}str", f"{_TAG}timestamp", f"{_TAG}value", _MERGE)
_OTHER_TAGS = (f"{_TAG}null", f"{_TAG}bool", f"{_TAG}int", f"{_TAG}float")
_OCTAL = re.compile(r"[-+]?0[0-9_]+")


class _Reader:
    """Builds plain values from YAML nodes, remembers the line of each path, and collects what is wrong.

    Aliases are expanded; the total is bounded, since a few lines of aliases can stand for gigabytes.
    """

    def __init__(self) -> None:
        self.problems: list[FieldProblem] = []
        self._lines: _Lines = {}
        self._left = MAX_VALUES
        self._depth = 0
        self._scalars = yaml.SafeLoader("")

    def read(self, node: yaml.Node) -> object:
        """The value of a whole document.

        Raises:
            _TooLarge: it holds more, or deeper, values than any real file.
        """
        self._lines[""] = _line(node)
        return self._value(node, "")

    def nearest_line(self, field: str) -> int:
        """The line of a field, or of the nearest parent that is there (a missing field has no line of its own)."""
        while field not in self._lines:
            field = field.rpartition(".")[0]
        return self._lines[field]

    def _value(self, node: yaml.Node, path: str) -> object:
        self._left -= 1
        if self._left < 0 or self._depth > MAX_DEPTH:
            raise _TooLarge(_line(node))
        self._depth += 1
        try:
            if isinstance(node, yaml.MappingNode):
                self._expect(node, path, (f"{_TAG}map",))
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                self._expect(node, path, (f"{_TAG}seq",))
                return [self._item(child, _join(path, str(i))) for i, child in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._depth -= 1

    def _item(self, node: yaml.Node, path: str) -> object:
        self._lines[path] = _line(node)
        return self._value(node, path)

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, object]:
        found: dict[str, object] = {}
        entries = [(key, value) for key, value in node.value if key.tag != _MERGE]
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                found = self._merged(value_node, path) | found
        own: set[str] = set()
        for key_node, value_node in entries:
            if not isinstance(key_node, yaml.ScalarNode):
                self._wrong("a key must be text", path, key_node)
                continue
            key = str(key_node.value)
            below = _join(path, key)
            if key in own:
                self._wrong(f"'{key}' is given twice", below, key_node)
                continue
            own.add(key)
            self._lines[below] = _line(key_node)
            found[key] = self._value(value_node, below)
        return found

    def _merged(self, node: yaml.Node, path: str) -> dict[str, object]:
        """What `<<` brings in: a mapping, or several of which the first wins."""
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[str, object] = {}
        for part in parts:
            value = self._value(part, path) if isinstance(part, yaml.MappingNode) else None
            if isinstance(value, dict):
                found = value | found
            else:
                self._wrong("<< needs a mapping, such as an alias of one", path, part)
        return found

    def _scalar(self, node: yaml.Node, path: str) -> object:
        text = str(node.value)
        self._expect(node, path, (*_TEXT_TAGS, *_OTHER_TAGS))
        # YAML 1.1 reads 2026-01-01 as a date, 1:30 as 90 and 010 as 8; a person who wrote the first two meant text.
        if node.tag not in _OTHER_TAGS or (node.tag in (f"{_TAG}int", f"{_TAG}float") and ":" in text):
            return text
        if node.tag == f"{_TAG}int" and _OCTAL.fullmatch(text):
            self._wrong(f"'{text[:40]}': write a number without a leading 0, or text between quotes", path, node)
            return text
        if node.tag in (f"{_TAG}int", f"{_TAG}float") and len(text) > _LONGEST_NUMBER:
            self._wrong("is a number with too many digits", path, node)
            return text
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError, KeyError) as error:
            self._wrong(f"cannot be read: {(str(error).splitlines() or [''])[0]}", path, node)
            return text

    def _expect(self, node: yaml.Node, path: str, tags: tuple[str, ...]) -> None:
        if node.tag not in tags:
            self._wrong(f"the tag {node.tag} is not used here; write the plain value", path, node)

    def _wrong(self, message: str, path: str, node: yaml.Node) -> None:
        self.problems.append(FieldProblem(printable(path[:200]), printable(message[:300]), _line(node)))


def _join(path: str, part: str) -> str:
    return f"{path}.{part}" if path else part
