"""The deployment that a command means: `NAME` with `-n`, `NAMESPACE/NAME`, or `NAME` that only one namespace has."""

from __future__ import annotations

from collections.abc import Iterable

from genai_tui.domain.naming import did_you_mean
from genai_tui.domain.rows import Ref
from genai_tui.errors import BadInput, NotFound

IN_LEDGER = " in this machine's ledger"


def the_one(name: str, namespace: str | None, known: Iterable[Ref], where: str = "") -> Ref:
    """The deployment of a name among those that are known.

    Args:
        name: `NAME` or `NAMESPACE/NAME`.
        namespace: as given with `-n`; None: any. That in the name wins.
        known: what there is.
        where: as an error says it, such as `IN_LEDGER`.

    Raises:
        NotFound: nothing is called so; the nearest name is offered.
        BadInput: several namespaces have one; they are named.
    """
    if "/" in name:
        namespace, _, name = name.partition("/")
    refs = [ref for ref in known if namespace in (None, ref.namespace)]
    found = [ref for ref in refs if ref.name == name]
    if not found:
        inside = f" in namespace {namespace}" if namespace else ""
        hint = did_you_mean(name, [ref.name for ref in refs])
        raise NotFound(f"no deployment is called '{name}'{inside}{where}{hint}")
    if len(found) > 1:
        namespaces = ", ".join(sorted(ref.namespace or "(none)" for ref in found))
        raise BadInput(f"'{name}' exists in several namespaces", why=namespaces, next_step="say which one with -n")
    return found[0]
