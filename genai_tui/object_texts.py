"""Kubernetes objects as people read them: YAML, and the difference between two, without the values of secrets."""

from __future__ import annotations

import difflib
from typing import Any

import yaml

from genai_tui.kube import writes
from genai_tui.services import RenderedManifest

Json = dict[str, Any]
_SECRET_WORDS = ("TOKEN", "KEY", "SECRET", "PASSWORD", "CREDENTIAL")


def without_values(item: Json) -> Json:
    """Plain values of variables that are named like secrets are not shown: someone else may have put one there."""
    for container in item.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or ():
        for variable in container.get("env") or ():
            if variable.get("value") and any(word in variable["name"].upper() for word in _SECRET_WORDS):
                variable["value"] = "[hidden]"
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
    before = to_yaml(without_values(writes.clean(done.before))) if done.before is not None else ""
    after = to_yaml(without_values(writes.clean(done.after)))
    name = writes.reference(item)
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"live {name}", f"applied {name}", n=3
    )
    return "".join(lines)
