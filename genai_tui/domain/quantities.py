"""Kubernetes quantities, parsed and written back.

Format: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from decimal import Decimal

_FORM = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"(?P<suffix>Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]{1,3}|[numkMGTPE])?"
)
_LONGEST = 40
LARGEST = Decimal(2**63 - 1)
"""What the API server can hold; it cuts larger numbers down without a word."""
_FACTOR = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50,
    "Ei": Decimal(2) ** 60,
}


def parse_quantity(text: str) -> Decimal:
    """The number a quantity stands for: cores for CPU, bytes for memory, a count for GPUs.

    Raises:
        ValueError: when the text is not a quantity.
    """
    match = _FORM.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError(f"'{text[:_LONGEST]}' is not a quantity such as 2, 500m or 16Gi")
    number, suffix = Decimal(match["number"]), match["suffix"] or ""
    exponent = suffix[:1] in ("e", "E") and suffix[1:] not in ("", "i")
    value = number.scaleb(int(suffix[1:])) if exponent else number * _FACTOR[suffix]
    if abs(value) > LARGEST:
        raise ValueError(f"'{text.strip()}' is more than Kubernetes can hold")
    return value


def format_bytes(amount: Decimal | int) -> str:
    """Bytes as a person reads them, in binary units with at most one decimal: `4 GiB`, `512 MiB`."""
    value = Decimal(amount)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(value) < 1024 or unit == "TiB":
            shown = f"{value:.1f}".rstrip("0").rstrip(".")
            return f"{shown} {unit}"
        value /= 1024
    raise AssertionError("unreachable: TiB always returns")
