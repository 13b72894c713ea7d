"""`genai-tui credentials`: the operator's own secrets on this machine."""

from __future__ import annotations

import argparse

from genai_tui.commands.output import as_table, confirm, note, write, wrote_stable
from genai_tui.commands.secrets import typed
from genai_tui.domain.own_credentials import Credential, Keep, credential
from genai_tui.errors import BadInput, NotFound
from genai_tui.own_credentials import OwnCredentials, own_credentials
from genai_tui.settings import Settings


async def credentials(settings: Settings, options: argparse.Namespace) -> None:
    """List them with their sources, keep one, or forget one.

    Raises:
        BadInput: what was typed can be none. NotFound: there is none to forget. GenaiTuiError: it cannot be kept.
    """
    own = own_credentials(settings)
    if options.verb == "list":
        await _list(own, options.output)
        return
    wanted = credential(options.name)
    if wanted is None:
        raise BadInput(f"no credential is called '{options.name}'")
    if options.verb == "set":
        await _set(own, wanted, Keep(options.place))
    else:
        await _forget(own, wanted, yes=options.yes)


async def _list(own: OwnCredentials, form: str) -> None:
    found = await own.listed()
    items = [
        {
            "name": one.credential.name,
            "from": one.source or None,
            "usedFor": one.credential.used_for,
            "problem": one.problem or None,
        }
        for one in found
    ]
    if not wrote_stable({"items": items}, form):  # type: ignore[arg-type]
        write(as_table(("name", "from", "used for"), [(i["name"], i["from"], i["usedFor"]) for i in items]))
        for one in found:
            if one.problem:
                note(one.problem)


async def _set(own: OwnCredentials, wanted: Credential, place: Keep) -> None:
    refusal = next((one.refusal for one in await own.places() if one.keep is place), "")
    if refusal:
        raise BadInput("there is no keyring to use", why=refusal, next_step="--in file keeps it unencrypted")
    await own.keep(wanted, typed(wanted.what), place)
    found = await own.find(wanted)
    write(f"{wanted.name} is kept; it comes from {found.source or 'nowhere'}" if not found.problem else found.problem)


async def _forget(own: OwnCredentials, wanted: Credential, *, yes: bool) -> None:
    if not yes:
        confirm(f"Forget the {wanted.what} of this machine?", f"forgetting {wanted.name}")
    left = await own.forget(wanted)
    if not left:
        found = await own.find(wanted)
        elsewhere = f"it comes from {found.source}, which is yours to change" if found.source else ""
        raise NotFound(f"no {wanted.what} is kept by this program", why=elsewhere)
    write(f"{wanted.name} forgotten: {', '.join(left)}")
