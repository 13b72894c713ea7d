"""Kubernetes objects as people read them: YAML, and the difference between two, without the values of secrets."""

from __future__ import annotations

import contextlib
import difflib
import json
from typing import Any

import yaml

from genai_tui.domain.naming import SPEC_ANNOTATION
from genai_tui.domain.redaction import HIDDEN, names_secret, redacted
from genai_tui.kube import writes
from genai_tui.services import RenderedManifest

Json = dict[str, Any]
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def without_values(item: Json) -> Json:
    """An object without what may be secret in it; changes `item`.

    Plain values of variables that are named like secrets: someone else may have put one there. Of a Secret, every
    value. What `kubectl apply` keeps of the object would hold the same once more.
    """
    if item.get("kind") == "Secret":
        for part in ("data", "stringData"):
            item |= {part: dict.fromkeys(item[part], HIDDEN)} if item.get(part) else {}
    annotations = item.get("metadata", {}).get("annotations") or {}
    if _LAST_APPLIED in annotations:
        annotations[_LAST_APPLIED] = HIDDEN
    pod = item.get("spec", {}).get("template", {}).get("spec", {})
    for container in (*(pod.get("containers") or ()), *(pod.get("initContainers") or ())):
        for variable in container.get("env") or ():
            if variable.get("value") and names_secret(variable["name"]):
                variable["value"] = HIDDEN
    return item


def to_yaml(item: Json) -> str:
    """An object as YAML, fields in their own order."""
    text: str = yaml.safe_dump(item, sort_keys=False, allow_unicode=True, width=120)
    return text


def manifest_of(item: Json) -> RenderedManifest:
    """An object as it will be applied."""
    meta = item["metadata"]
    return RenderedManifest(item["kind"], meta.get("namespace", ""), meta["name"], to_yaml(item))


def difference(done: writes.Written, item: Json) -> str:
    """What an apply changed, or would, as a unified diff; empty when nothing."""
    if done.outcome == "unchanged":
        return ""
    return difference_of(writes.reference(item), done.before, done.after)


def difference_of(name: str, before: Json | None, after: Json | None) -> str:
    """Two states of an object as a unified diff; None is one in which it does not exist."""
    old, new = (_readable(item) if item is not None else "" for item in (before, after))
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), f"live {name}", f"applied {name}", n=3
    )
    return "".join(lines)


def _readable(item: Json) -> str:
    """An object line by line, also the spec in its annotation, which is one long line of JSON."""
    shown = without_values(writes.clean(item))
    annotations = shown.get("metadata", {}).get("annotations") or {}
    if SPEC_ANNOTATION in annotations:
        with contextlib.suppress(ValueError, RecursionError):
            annotations[SPEC_ANNOTATION] = json.loads(annotations[SPEC_ANNOTATION])
    return redacted(to_yaml(shown))
