"""Who may call a deployment, and the page that tells them how."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.deployment import Sharing, SharingMode
from genai_tui.domain.handover import handover
from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.rows import Ref
from genai_tui.domain.sharing import effect, may_call, shared_with, sharing_of
from tests.fakes.services import FakeServices
from tests.fakes.tour import CHAT, NOW

NAMES = st.sampled_from(["org-a", "org-b", "org-c", "org-d"])
REF = Ref("team-a", "chat")
KEYS = st.builds(
    KeyRecord,
    id=st.uuids().map(str),
    organization=NAMES,
    user=st.sampled_from(["alice", "bob"]),
    expires=st.none() | st.integers(-2, 2).map(lambda days: NOW + timedelta(days=days)),
    deployments=st.sampled_from([(), ("team-a/chat",), ("team-b/chat",)]),
)
SHARINGS = st.builds(sharing_of, st.sampled_from(SharingMode), st.sets(NAMES))


@given(SHARINGS, st.lists(KEYS, max_size=8))
def test_the_effect_counts_exactly_those_who_may_call(sharing: Sharing, keys: list[KeyRecord]) -> None:
    names = ["org-a", "org-b", "org-c"]
    told = effect(sharing, REF, names, keys, NOW)
    calling = [key for key in keys if may_call(sharing, REF, key) and not key.expired(NOW)]
    assert told.keys == len(calling)
    assert told.users == len({(key.organization, key.user) for key in calling})
    assert told.organizations == sum(shared_with(sharing, name) for name in names)
    if sharing.mode is SharingMode.NONE:
        assert (told.organizations, told.keys) == (0, 0)
    assert effect(sharing, REF, names, None, NOW).keys is None


@given(st.sampled_from(SharingMode), st.sets(NAMES))
def test_a_choice_is_always_a_valid_sharing(mode: SharingMode, names: set[str]) -> None:
    sharing = sharing_of(mode, names)
    assert Sharing.model_validate(sharing.model_dump()) == sharing
    assert set(sharing.organizations) == (names if mode is SharingMode.ORGANIZATIONS else set())


def test_the_page_has_all_that_is_needed_and_breaks_no_table() -> None:
    picture = FakeServices().picture
    detail = picture.deployment(CHAT)
    assert detail is not None
    assert detail.document is not None
    model = next(row.document for row in picture.models() if row.name == detail.row.model)
    assert model is not None
    model = model.model_copy(update={"spec": model.spec.model_copy(update={"description": "a | b\nc"})})
    endpoint = picture.endpoints()[0].document
    page = handover(detail, model, endpoint, [("curl", "curl -sS x"), ("python", "print(1)")], "recorded only")
    for text in (
        "# chat",
        "org-a, org-b",
        "llm.example.internal",
        "export API_KEY=...",
        "```sh\ncurl -sS x\n```",
        "a \\| b",
    ):
        assert text in page
    key = detail.document.spec.rate_limits.api_key
    asked = [f"{value:,}" if value else "not limited" for value in (key.tokens_per_minute, key.requests_per_minute)]
    assert f"| API key | {asked[0]} | {asked[1]} |" in page
    rows = [line for line in page.splitlines() if line.startswith("| ") and "---" not in line]
    assert all(line.endswith(" |") for line in rows)
    others = replace(detail, document=None, row=replace(detail.row, model=None, endpoint=None))
    assert "not known" in handover(others, None, None, (), "")
