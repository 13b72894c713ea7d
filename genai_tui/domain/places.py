"""Where the console can be: the contexts of the kubeconfig, and which of them are production."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class ContextEntry:
    """One context of the kubeconfig: its cluster by name, its own namespace, and whether it is marked as production."""

    name: str
    cluster: str
    namespace: str | None = None
    production: bool = False


def is_production(context: str, patterns: Iterable[str]) -> bool:
    """Whether a context's name is one of the names or shell patterns (`prod-*`)."""
    return any(fnmatchcase(context, pattern) for pattern in patterns)
