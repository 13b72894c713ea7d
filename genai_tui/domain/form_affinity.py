"""Pod affinity as lines a person can read and type.

    near  app=web on kubernetes.io/hostname
    apart app=web,tier in (a,b) on topology.kubernetes.io/zone in team-a,team-b (prefer 50)

`near` is podAffinity, `apart` is podAntiAffinity. The selector is written as in `kubectl -l` (`key=value`,
`key in (a,b)`, `key notin (a,b)`, `key`, `!key`), `*` for every pod. `in` names namespaces other than the
deployment's own. `(prefer N)` makes a term a preference of weight N from 1 to 100; without it the term is required.
What these lines cannot say is written as the JSON of Kubernetes, which is read here too.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import ValidationError

from genai_tui.domain.deployment import (
    AffinityTerm,
    AffinityTerms,
    LabelSelector,
    PodAffinity,
    Requirement,
    WeightedAffinityTerm,
)
from genai_tui.domain.form_lines import Parsed, each_line
from genai_tui.domain.naming import check_label_key, check_label_name, check_label_value

_LINE = re.compile(
    r"(?P<way>near|apart)\s+(?P<selector>.+?)\s+on\s+(?P<key>\S+)"
    r"(?:\s+in\s+(?P<namespaces>[^()]+?))?(?:\s*\(\s*prefer\s+(?P<weight>\d+)\s*\))?",
    re.ASCII,
)
_EXAMPLE = "near app=web on kubernetes.io/hostname"
_SET = re.compile(r"(?P<key>\S+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)")
_PARTS = re.compile(r",(?![^(]*\))")

_Term = AffinityTerm | WeightedAffinityTerm


def read_affinity(text: str) -> Parsed[PodAffinity]:
    """Lines as in the module's docstring, or one JSON object with podAffinity and podAntiAffinity."""
    if text.strip().startswith("{"):
        return _read_json(text)
    good, bad = each_line(text, _read_line)
    ways: dict[str, tuple[list[AffinityTerm], list[WeightedAffinityTerm]]] = {"near": ([], []), "apart": ([], [])}
    for _, (way, term) in good:
        if isinstance(term, WeightedAffinityTerm):
            ways[way][1].append(term)
        else:
            ways[way][0].append(term)
    return Parsed(PodAffinity(pod_affinity=_terms(*ways["near"]), pod_anti_affinity=_terms(*ways["apart"])), tuple(bad))


def _terms(required: list[AffinityTerm], preferred: list[WeightedAffinityTerm]) -> AffinityTerms | None:
    if not required and not preferred:
        return None
    return AffinityTerms(
        required_during_scheduling_ignored_during_execution=tuple(required),
        preferred_during_scheduling_ignored_during_execution=tuple(preferred),
    )


def _read_json(text: str) -> Parsed[PodAffinity]:
    try:
        data: Any = json.loads(text)
    except json.JSONDecodeError as error:
        return Parsed(PodAffinity(), ((error.lineno, f"is not valid JSON: {error.msg}"),))
    try:
        return Parsed(PodAffinity.model_validate(data))
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in detail["loc"])
        return Parsed(PodAffinity(), ((None, f"{where}: {detail['msg']}" if where else str(detail["msg"])),))


def _read_line(line: str) -> tuple[str, _Term]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"write near or apart, pods, and on what, such as: {_EXAMPLE}")
    term = AffinityTerm(
        label_selector=_read_selector(match["selector"]),
        topology_key=check_label_key(match["key"]),
        namespaces=tuple(
            check_label_name(name) for name in re.split(r"[\s,]+", (match["namespaces"] or "").strip()) if name
        ),
    )
    if match["weight"] is None:
        return match["way"], term
    weight = int(match["weight"])
    if not 1 <= weight <= 100:
        raise ValueError(f"a preference weighs from 1 to 100, not {weight}")
    return match["way"], WeightedAffinityTerm(weight=weight, pod_affinity_term=term)


def _read_selector(text: str) -> LabelSelector:
    labels: dict[str, str] = {}
    expressions: list[Requirement] = []
    for part in () if text.strip() == "*" else _PARTS.split(text):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if equals and "(" not in part:
            if key in labels:
                raise ValueError(f"{key} is given twice")
            labels[check_label_key(key)] = check_label_value(value)
        else:
            expressions.append(_read_expression(part.strip()))
    return LabelSelector(match_labels=labels, match_expressions=tuple(expressions))


def _read_expression(part: str) -> Requirement:
    match = _SET.fullmatch(part)
    if match is not None:
        values = tuple(check_label_value(value.strip()) for value in match["values"].split(","))
        key = check_label_key(match["key"])
        if match["operator"] == "in":
            return Requirement(key=key, operator="In", values=values)
        return Requirement(key=key, operator="NotIn", values=values)
    if part.startswith("!"):
        return Requirement(key=check_label_key(part[1:].strip()), operator="DoesNotExist")
    return Requirement(key=check_label_key(part), operator="Exists")


def write_affinity(affinity: PodAffinity) -> str:
    """The text that `read_affinity` reads as `affinity`: lines where they can say it, else JSON."""
    lines = [*_write_way("near", affinity.pod_affinity), *_write_way("apart", affinity.pod_anti_affinity)]
    text = "\n".join(lines)
    if read_affinity(text) == Parsed(affinity):
        return text
    return json.dumps(affinity.model_dump(mode="json", exclude_none=True), indent=2)


def _write_way(way: str, terms: AffinityTerms | None) -> list[str]:
    if terms is None:
        return []
    required = terms.required_during_scheduling_ignored_during_execution
    preferred = terms.preferred_during_scheduling_ignored_during_execution
    lines = [f"{way} {_write_term(term)}" for term in required]
    return lines + [f"{way} {_write_term(term.pod_affinity_term)} (prefer {term.weight})" for term in preferred]


def _write_term(term: AffinityTerm) -> str:
    text = f"{_write_selector(term.label_selector)} on {term.topology_key}"
    return f"{text} in {','.join(term.namespaces)}" if term.namespaces else text


def _write_selector(selector: LabelSelector) -> str:
    parts = [f"{key}={value}" for key, value in selector.match_labels.items()]
    for requirement in selector.match_expressions:
        values = ",".join(requirement.values)
        match requirement.operator:
            case "In":
                parts.append(f"{requirement.key} in ({values})")
            case "NotIn":
                parts.append(f"{requirement.key} notin ({values})")
            case "Exists":
                parts.append(requirement.key)
            case "DoesNotExist":
                parts.append(f"!{requirement.key}")
    return ",".join(parts) or "*"
