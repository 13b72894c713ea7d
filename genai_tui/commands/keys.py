"""`genai-tui keys`: make API keys and revoke them."""

from __future__ import annotations

from genai_tui.commands.output import Format, as_json, as_yaml, confirm, note, timestamp, write
from genai_tui.commands.usage import parse_duration
from genai_tui.domain.enforcement import unheld
from genai_tui.domain.keys import KeyRecord, KeyRequest, Selection
from genai_tui.domain.naming import did_you_mean
from genai_tui.errors import BadInput, NotFound
from genai_tui.services import Services

_MOST_NAMED = 20


async def create(
    services: Services,
    organization: str,
    user: str,
    *,
    name: str,
    description: str,
    expires: str | None,
    deployments: tuple[str, ...],
    form: Format,
) -> None:
    """Make a key and print it, this once.

    Raises:
        BadInput: an unknown organization, user or deployment, or a time that is none.
    """
    ends = None
    if expires is not None:
        try:
            ends = services.clock() + parse_duration(expires)
        except OverflowError as error:
            raise BadInput(f"'{expires}' is longer than time is kept", next_step="write it as 30d") from error
    key = await services.keys.create(KeyRequest(organization, user, name, description, ends, deployments))
    record = key.record
    item = {
        "id": record.id,
        "key": key.text,
        "organization": record.organization,
        "user": record.user,
        "expires": timestamp(record.expires),
    }
    if form in ("json", "yaml"):
        write(as_json(item) if form == "json" else as_yaml(item))
        return
    write(f"export API_KEY={key.text}")
    until = f", until {timestamp(record.expires)}" if record.expires else ""
    note(f"key {record.id} of {record.user} in {record.organization}{until}; it is shown this once")
    bounded = record.expires or record.deployments
    if bounded and (where := unheld(services.picture.endpoints())):
        note(where)


async def revoke(services: Services, selection: Selection, *, yes: bool) -> None:
    """Show which keys would be deleted, ask, delete.

    Raises:
        BadInput: nothing is selected, or nobody is there to ask. NotFound: no key is meant.
    """
    if selection == Selection():
        raise BadInput("which keys?", next_step="give an ID, --user, --organization or --expired")
    keys = await services.keys.listed()
    chosen = selection.of(keys, services.clock())
    if not chosen:
        hint = did_you_mean(selection.id, [key.id for key in keys]) if selection.id else ""
        raise NotFound(f"no key is meant by that{hint}", next_step="see `genai-tui keys list`")
    if not yes:
        _ask(chosen, services.session.context)
    await services.keys.revoke(chosen)
    for key in chosen:
        write(f"key {key.id} revoked")


def _ask(keys: tuple[KeyRecord, ...], context: str) -> None:
    for key in keys[:_MOST_NAMED]:
        note(f"{key.id}  {key.organization}/{key.user}  {key.name}".rstrip())
    if len(keys) > _MOST_NAMED:
        note(f"and {len(keys) - _MOST_NAMED} more")
    what = f"key {keys[0].id}" if len(keys) == 1 else f"{len(keys)} keys"
    confirm(f"Revoke {what} in {context}? Callers that use them are refused from then on.", f"revoking {what}")
