"""`genai-tui limits NAME`: how far each limit is used up now, and whether a key would be refused."""

from __future__ import annotations

from genai_tui.commands.explain import find
from genai_tui.commands.output import Format, as_json, as_table, as_yaml, note, timestamp, write
from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.limit_use import Use
from genai_tui.domain.limits import whole_seconds
from genai_tui.domain.naming import did_you_mean
from genai_tui.domain.refusals import Refusal
from genai_tui.errors import NotFound
from genai_tui.limit_reading import LimitsNow, limits_now
from genai_tui.services import Services

_COLUMNS = ("level", "who", "unit", "used", "limit", "resets in")


async def limits(services: Services, name: str, namespace: str | None, *, key_id: str | None, form: Format) -> None:
    """Print the use of every limit, of one key or of all that may call, as the gateway that keeps them tells it.

    Raises:
        NotFound, BadInput: nothing, or more than one thing, is called so; the deployment was made by others.
    """
    await services.settle()
    ref = find(services, name, namespace).ref
    keys = await services.keys.listed()
    chosen = next((key for key in keys if key.id == key_id), None)
    if key_id is not None and chosen is None:
        hint = did_you_mean(key_id, [key.id for key in keys])
        raise NotFound(f"there is no key {key_id}{hint}", next_step="see `genai-tui keys list`")
    now = await limits_now(services, ref, keys, chosen)
    if form in ("json", "yaml"):
        document = _document(str(ref), now, chosen) | {
            "refused": [_refusal(one) for one in now.refused],
            "refusedWithoutKey": now.unknown,
        }
        write(as_json(document) if form == "json" else as_yaml(document))
        return
    if now.uses:
        write(as_table(_COLUMNS, [_cells(use) for use in now.uses]))
    else:
        write(f"{ref} has no limits\n" if now.callers else f"no key may call {ref}\n")
    said = now.said
    if chosen is not None and said is not None:
        word = "would be let in now" if said.admitted else f"would be refused with {said.status}: {said.reason}"
        write(f"key {chosen.id} {word}\n")
    if now.refused:
        rows = [(timestamp(one.last), one.who, one.key, one.status, one.count, one.reason) for one in now.refused]
        write("\n" + as_table(("refused last", "who", "key", "status", "times", "reason"), rows))
    elif now.nothing_refused:
        write(now.nothing_refused)
    if now.unknown:
        write(f"{now.unknown} requests came without a known key in the last hour, to whatever deployment")
    note(now.source)


def _cells(use: Use) -> tuple[str, ...]:
    resets = f"{whole_seconds(use.resets_in)} s" if use.resets_in is not None else "–"
    used = "–" if use.used is None else f"{use.used:,}{' spent' if use.spent else ''}"
    return (use.level.value, use.subject, use.unit.value, used, f"{use.limit:,}", resets)


def _refusal(refusal: Refusal) -> dict[str, object]:
    return {
        "first": timestamp(refusal.first),
        "last": timestamp(refusal.last),
        "count": refusal.count,
        "organization": refusal.organization or None,
        "user": refusal.user or None,
        "key": refusal.key or None,
        "status": refusal.status,
        "code": refusal.code or None,
        "reason": refusal.reason,
    }


def _document(ref: str, now: LimitsNow, key: KeyRecord | None) -> dict[str, object]:
    items = [
        {
            "level": use.level.value,
            "subject": use.subject,
            "unit": use.unit.value,
            "used": use.used,
            "limit": use.limit,
            "resetsInSeconds": whole_seconds(use.resets_in) if use.resets_in is not None else None,
        }
        for use in now.uses
    ]
    asked, said = None, now.said
    if key is not None and said is not None:
        asked = {"key": key.id, "admitted": said.admitted, "status": said.status, "reason": said.reason or None}
    since = timestamp(now.since) if now.since is not None else None
    return {
        "deployment": ref,
        "countedSince": since,
        "notKnown": now.not_known or None,
        "items": items,
        "verdict": asked,
    }
