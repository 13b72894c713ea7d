"""The currencies money can be in: ISO 4217, list one, as the package `iso4217` ships it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Currency:
    """An alphabetic code, its English name, and how many digits its minor unit has (2: cents; 0: yen have none)."""

    code: str
    name: str
    minor_digits: int


@cache
def currencies() -> Mapping[str, Currency]:
    """Money that is in use, by code.

    Left out are units of account of funds, metals, drawing rights and the codes for tests: nobody pays with them.
    Read at the first use, since most verbs of the command line never need it.
    """
    from iso4217 import raw_xml

    found: dict[str, Currency] = {}
    for entry in raw_xml.findall("CcyTbl/CcyNtry"):
        name, code, digits = (entry.find(tag) for tag in ("CcyNm", "Ccy", "CcyMnrUnts"))
        if name is None or code is None or digits is None or name.get("IsFund") == "true":
            continue
        # Where no minor unit applies the list says `N.A.`: gold, and money of account.
        if code.text and name.text and digits.text and digits.text.isdigit():
            found[code.text] = Currency(code.text, name.text.strip(), int(digits.text))
    return MappingProxyType(dict(sorted(found.items())))
