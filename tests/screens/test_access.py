"""The Access screen, used with keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input, Static

from genai_tui.domain.documents import Organization
from genai_tui.domain.usage import Source, UsageLine
from genai_tui.errors import NotPermitted, Unreachable
from screens.access import AccessScreen
from screens.catalogue.form import CatalogueFormScreen
from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.problem import ProblemDialog
from screens.keys.detail import KeyDialog
from screens.keys.new_key import NewKeyDialog, ShownOnceDialog
from tests.fakes.services import NOW, FakeServices, FakeUsage
from tests.screens.console import page, showing, wait_until

ALICE_ASKED = UsageLine("k-11111111", Source.GATEWAY, 3, 0, 0, 1, 1, 2, None, NOW - timedelta(hours=2))


class LockedLedger(FakeUsage):
    """Sums cannot be read."""

    async def usage(self, *asked: object, **how: object) -> tuple[UsageLine, ...]:
        raise Unreachable("the ledger is locked")


@asynccontextmanager
async def access(world: FakeServices | None = None) -> AsyncIterator[tuple[Pilot[Any], FakeServices]]:
    world = world or FakeServices()
    world.usage.lines = (ALICE_ASKED,)
    async with showing(world, None, size=(120, 24)) as pilot:
        await pilot.app.switch_mode("access")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, AccessScreen))
        await wait_until(pilot, lambda: "org-a" in page(pilot.app))
        yield pilot, world


def line_of(pilot: Pilot[Any], text: str) -> list[str]:
    found = next((line for line in page(pilot.app).splitlines() if line.strip().startswith(text)), "")
    return found.split()


async def list_of(pilot: Pilot[Any], view: str) -> None:
    await wait_until(pilot, lambda: isinstance(pilot.app.screen, AccessScreen))
    screen = pilot.app.screen
    assert isinstance(screen, AccessScreen)
    while screen.view != view:
        await pilot.press("v")


async def test_each_list_says_who_has_which_keys_and_when_they_were_used() -> None:
    async with access() as (pilot, _):
        await wait_until(pilot, lambda: line_of(pilot, "org-a")[-3:-1] == ["2", "2h"])
        await list_of(pilot, "users")
        await wait_until(pilot, lambda: line_of(pilot, "alice"))
        assert line_of(pilot, "alice") == ["alice", "org-a", "1", "2h"]
        await list_of(pilot, "keys")
        await wait_until(pilot, lambda: line_of(pilot, "k-3"))
        assert "expired" in " ".join(line_of(pilot, "k-33333333"))
        assert "team-a/chat" in line_of(pilot, "k-22222222")


async def test_a_key_is_made_for_whom_the_cursor_is_on_and_shown_once() -> None:
    async with access() as (pilot, world):
        await pilot.press("K")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, NewKeyDialog))
        await pilot.press(*"nobody", "ctrl+s")
        await wait_until(pilot, lambda: "'nobody' is no user of org-a" in page(pilot.app))
        assert world.keys.made == []
        pilot.app.screen.query_one("#key-user", Input).value = ""
        await pilot.press(*"alice", "enter", *"laptop", "enter", "ctrl+u", *"30d", "ctrl+s")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, ShownOnceDialog))
        assert "export API_KEY=sk-genai-shown-once-in-a-test" in page(pilot.app)
        await pilot.press("y")
        assert pilot.app.clipboard == "export API_KEY=sk-genai-shown-once-in-a-test"
        await pilot.press("enter")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, AccessScreen))
        assert "sk-genai" not in page(pilot.app)
        (made,) = world.keys.made
        assert (made.organization, made.user, made.name) == ("org-a", "alice", "laptop")
        assert made.expires == NOW + timedelta(days=30)


async def test_a_key_that_ends_says_where_nobody_looks_at_that() -> None:
    world, said = FakeServices(), "does not hold at public: no key is checked there"
    (row,) = (row for row in world.picture.endpoint_rows if row.name == "public")
    assert row.document is not None
    bare = row.document.model_copy(update={"spec": row.document.spec.model_copy(update={"enforcement": None})})
    world.picture.endpoint_rows = (replace(row, document=bare),)

    def note(pilot: Pilot[Any]) -> str:
        found = pilot.app.screen.query(".key--note").results(Static)
        return "".join(str(line.render()) for line in found)

    async with access(world) as (pilot, _):
        await pilot.press("K")
        await wait_until(pilot, lambda: said in note(pilot))
        pilot.app.screen.query_one("#key-expires", Input).value = ""
        await wait_until(pilot, lambda: said not in note(pilot))
        pilot.app.screen.query_one("#key-deployments", Input).value = "team-a/chat"
        await wait_until(pilot, lambda: said in note(pilot))


async def test_a_refused_key_keeps_what_was_typed() -> None:
    async with access() as (pilot, world):
        await pilot.press("K")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, NewKeyDialog))
        await pilot.press(*"alice")
        world.keys.failure = NotPermitted("you may not create secrets in namespace genai-tui")
        await pilot.press("ctrl+s")
        await wait_until(pilot, lambda: "may not create secrets" in page(pilot.app))
        assert pilot.app.screen.query_one("#key-user", Input).value == "alice"


async def test_revoking_asks_and_names_what_stops() -> None:
    async with access() as (pilot, world):
        await wait_until(pilot, lambda: line_of(pilot, "org-a")[-3:-1] == ["2", "2h"])
        await pilot.press("R")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
        assert "Revoke every key of org-a?" in page(pilot.app)
        assert "k-11111111  org-a/alice  alice laptop" in page(pilot.app)
        assert "Context: tour" in page(pilot.app)
        await pilot.press("n")
        await list_of(pilot, "keys")
        assert world.keys.revoked == []
        await pilot.press("x")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
        await pilot.press("y")
        await wait_until(pilot, lambda: world.keys.revoked == ["k-33333333"])
        await wait_until(pilot, lambda: not line_of(pilot, "k-33333333"))


async def test_enter_shows_the_keys_of_one_and_escape_all_again() -> None:
    async with access() as (pilot, _):
        await list_of(pilot, "users")
        await wait_until(pilot, lambda: line_of(pilot, "bob"))
        await pilot.press("down", "enter")
        await wait_until(pilot, lambda: line_of(pilot, "k-22222222"))
        assert not line_of(pilot, "k-11111111")
        await pilot.press("escape")
        await wait_until(pilot, lambda: line_of(pilot, "k-11111111"))


async def test_an_organization_is_made_by_keys_and_one_in_use_is_not_deleted() -> None:
    async with access() as (pilot, world):
        await pilot.press("ctrl+d")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, ProblemDialog))
        assert "2 keys of it would still be let in: k-11111111, k-22222222" in page(pilot.app)
        assert "team-a/chat" in page(pilot.app)
        await pilot.press("escape", "n")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, CatalogueFormScreen))
        await pilot.press(*"org-c", "tab", *"Third", "tab", *"dora", "enter", *"emil", "ctrl+s")
        await wait_until(pilot, lambda: world.operations.applied)
        (made,) = world.operations.applied
        assert isinstance(made, Organization)
        assert (made.metadata.name, made.spec.display_name, made.spec.users) == ("org-c", "Third", ("dora", "emil"))


async def test_what_may_not_be_read_or_done_is_said_so() -> None:
    world = FakeServices()
    world.keys.failure = NotPermitted("you may not list secrets in namespace genai-tui")
    async with access(world) as (pilot, _):
        await wait_until(pilot, lambda: "keys cannot be listed: you may not list secrets" in page(pilot.app))
        assert line_of(pilot, "org-a")[4] == "–"
    async with access(FakeServices(read_only=True)) as (pilot, world):
        await pilot.press("K", "n", "ctrl+d", "R")
        await pilot.pause()
        assert isinstance(pilot.app.screen, AccessScreen)


async def test_enter_on_a_key_tells_all_that_is_known_and_revokes_it() -> None:
    world = FakeServices()
    world.keys.keys[1] = replace(world.keys.keys[1], created_by="operator")
    async with access(world) as (pilot, world):
        await list_of(pilot, "keys")
        await wait_until(pilot, lambda: line_of(pilot, "k-22222222"))
        await pilot.press("d")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, KeyDialog))
        assert "2h ago, as seen here" in page(pilot.app)
        assert "not recorded" in page(pilot.app)
        await pilot.press("enter", "down", "enter")
        await wait_until(pilot, lambda: "API key k-22222222" in page(pilot.app))
        told = [" ".join(line.strip(" │").split()) for line in page(pilot.app).splitlines()]
        for line in ("name nightly job", "description evaluation", "organization org-a", "user bob",
                     "may call team-a/chat", "created by operator", "last used not seen here within 90 days"):  # fmt: skip
            assert any(line in said for said in told), line
        await pilot.press("ctrl+d")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
        await pilot.press("y")
        await wait_until(pilot, lambda: world.keys.revoked == ["k-22222222"])


async def test_a_ledger_that_cannot_be_read_is_not_taken_for_a_key_that_is_not_used() -> None:
    world = FakeServices()
    world.usage = LockedLedger()
    async with access(world) as (pilot, _):
        await list_of(pilot, "keys")
        await wait_until(pilot, lambda: line_of(pilot, "k-11111111"))
        await pilot.press("enter")
        await wait_until(pilot, lambda: "the ledger of this machine cannot be read" in page(pilot.app))


async def test_the_mouse_makes_a_key_and_is_told_which_users_there_are() -> None:
    async with access() as (pilot, world):
        await pilot.press("K")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, NewKeyDialog))
        assert "org-a has: alice, bob" in page(pilot.app)
        await pilot.click("#key-make")
        await wait_until(pilot, lambda: "User: choose a user of org-a: alice, bob" in page(pilot.app))
        await pilot.press(*"alice")
        pilot.app.screen.query_one("#key-expires", Input).value = "a while"
        await wait_until(pilot, lambda: "20m, 24h or 7d" in page(pilot.app))
        pilot.app.screen.query_one("#key-expires", Input).value = "7d"
        pilot.app.screen.query_one("#key-deployments", Input).value = "embed"
        await pilot.click("#key-make")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, ShownOnceDialog))
        await pilot.click("#key-done")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, AccessScreen))
        (made,) = world.keys.made
        assert made.deployments == ("search/embed",)


async def test_a_user_of_another_organization_is_refused_at_its_field() -> None:
    async with access() as (pilot, world):
        await pilot.press("n")
        await wait_until(pilot, lambda: isinstance(pilot.app.screen, CatalogueFormScreen))
        await pilot.press(*"org-c", "tab", *"Third", "tab", *"alice", "ctrl+s")
        await wait_until(pilot, lambda: "'alice' is a user of org-a already" in page(pilot.app))
        assert world.operations.applied == []


async def test_a_user_who_left_is_marked() -> None:
    world = FakeServices()
    world.keys.keys = [replace(world.keys.keys[0], user="zoe")]
    async with access(world) as (pilot, _):
        await list_of(pilot, "users")
        await wait_until(pilot, lambda: "zoe: no member any more" in page(pilot.app))
