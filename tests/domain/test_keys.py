"""API keys and the Secret they are kept in."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.documents import Organization
from genai_tui.domain.keys import (
    KeyRecord,
    KeyRequest,
    Selection,
    from_secret,
    full_names,
    hash_of,
    new_key,
    problems,
    to_secret,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ORG = Organization.model_validate({"metadata": {"name": "org-a"}, "spec": {"users": ["alice", "bob"]}})
TEXTS = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=40)
NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
REQUESTS = st.builds(
    KeyRequest,
    NAMES,
    NAMES,
    TEXTS,
    TEXTS,
    st.none()
    | st.datetimes(NOW.replace(tzinfo=None), timezones=st.just(UTC)).map(lambda at: at.replace(microsecond=0)),
    st.lists(st.builds("{}/{}".format, NAMES, NAMES), max_size=3).map(tuple),
)


@given(REQUESTS)
def test_a_key_is_read_back_from_its_secret(request: KeyRequest) -> None:
    key = new_key(request, NOW, "operator@example.com")
    secret = to_secret(key, "genai-tui")
    secret["metadata"]["creationTimestamp"] = "2026-11-23T12:00:00Z"
    assert from_secret(secret) == key.record
    del secret["data"]
    assert from_secret(secret) == replace(key.record, hash="")


@given(REQUESTS)
def test_its_text_is_in_the_data_alone(request: KeyRequest) -> None:
    key = new_key(request, NOW)
    secret = to_secret(key, "genai-tui")
    data = secret.pop("data")
    assert base64.b64decode(data["api_key"]).decode() == key.text
    assert key.text not in f"{secret} {key!r} {key.record!r}"
    assert key.record.hash not in f"{secret} {key.record!r}"


def test_keys_are_long_and_never_the_same() -> None:
    keys = [new_key(KeyRequest("org-a", "alice"), NOW) for _ in range(50)]
    assert len({key.text for key in keys} | {key.record.id for key in keys}) == 100
    assert all(len(key.text) >= 50 and hash_of(key.text) == key.record.hash for key in keys)


@pytest.mark.parametrize(
    ("request_", "field", "text"),
    [
        (KeyRequest("orga", "alice"), "organization", "no organization is called 'orga'; did you mean 'org-a'"),
        (KeyRequest("org-a", "alic"), "user", "'alic' is no user of org-a; did you mean 'alice'"),
        (KeyRequest("", "alice"), "organization", "choose an organization: org-a"),
        (KeyRequest("org-a", ""), "user", "choose a user of org-a: alice, bob"),
        (KeyRequest("org-a", "nobody"), "user", "'nobody' is no user of org-a; its users are alice, bob"),
        (KeyRequest("org-a", "alice", deployments=("chatt",)), "deployments", "did you mean 'chat'"),
        (KeyRequest("org-a", "alice", deployments=("team-b/chat",)), "deployments", "there is team-a/chat"),
        (KeyRequest("org-a", "alice", deployments=("x",)), "deployments", "there are team-a/chat"),
        (KeyRequest("org-a", "alice", expires=NOW), "expires", "lies in the past"),
        (KeyRequest("org-a", "alice", name="a\nb"), "name", "printable"),
        (KeyRequest("org-a", "alice", deployments=("team-a/chatt",)), "deployments", "did you mean 'team-a/chat'"),
    ],
)
def test_a_wrong_request_is_told_at_its_field(request_: KeyRequest, field: str, text: str) -> None:
    (problem,) = problems(request_, [ORG], {"team-a/chat"}, NOW)
    assert problem.field == field
    assert text in problem.message


def test_a_bare_name_is_the_one_deployment_of_that_name_or_has_to_be_said_in_full() -> None:
    known = {"team-a/chat", "team-b/chat", "team-b/embed"}
    assert full_names(["embed", "team-b/embed", "chat"], known) == ("team-b/embed", "chat")
    (problem,) = problems(KeyRequest("org-a", "alice", deployments=("chat",)), [ORG], known, NOW)
    assert problem.message == "there are several deployments called chat: say which, team-a/chat, team-b/chat"


def test_no_key_is_made_for_a_user_of_two_organizations_or_where_there_is_none() -> None:
    other = ORG.model_copy(update={"metadata": ORG.metadata.model_copy(update={"name": "org-b"})})
    (problem,) = problems(KeyRequest("org-a", "alice"), [ORG, other], (), NOW)
    assert problem.message == "alice is also a user of org-b: limits would count both; rename one first"
    empty = Organization.model_validate({"metadata": {"name": "org-c"}, "spec": {}})
    (problem,) = problems(KeyRequest("org-c", ""), [empty], (), NOW)
    assert "org-c has no users yet" in problem.message


def test_a_right_request_has_no_problem() -> None:
    right = KeyRequest("org-a", "alice", "laptop", "", NOW + timedelta(days=30), ("team-a/chat",))
    assert problems(right, [ORG], {"team-a/chat"}, NOW) == ()


@pytest.mark.parametrize(
    "broken",
    [
        {"metadata": {"labels": {"genai-tui.dev/org": "org-a", "genai-tui.dev/user": "alice"}}},
        {"metadata": {}},
        {},
        {"metadata": {"annotations": {"genai-tui.dev/expires": "tomorrow"}}},
        {"metadata": {}, "data": {"api_key": "no base64!"}},
    ],
)
def test_a_secret_that_cannot_be_read_whole_is_no_key(broken: dict[str, object]) -> None:
    whole = to_secret(new_key(KeyRequest("org-a", "alice"), NOW), "genai-tui")
    meta = whole["metadata"] | broken.get("metadata", {}) if "metadata" in broken else {}
    if broken == {"metadata": {}}:
        meta = {}
    with pytest.raises(ValueError, match=r"lacks the label|Invalid isoformat|not base64"):
        from_secret({**whole, **broken, "metadata": meta})


def test_a_key_confined_to_deployments_allows_no_other() -> None:
    key = KeyRecord("k-1", "org-a", "alice", deployments=("team-a/chat",))
    assert key.allows("team-a", "chat")
    assert not key.allows("team-b", "chat")
    assert KeyRecord("k-1", "org-a", "alice").allows("team-b", "chat")


def test_a_selection_means_what_it_says_and_nothing_means_nothing() -> None:
    keys = [
        KeyRecord("k-1", "org-a", "alice"),
        KeyRecord("k-2", "org-a", "bob", expires=NOW - timedelta(seconds=1)),
        KeyRecord("k-3", "org-b", "alice", expires=NOW + timedelta(days=1)),
    ]

    def chosen(**how: object) -> list[str]:
        return [key.id for key in Selection(**how).of(keys, NOW)]  # type: ignore[arg-type]

    assert chosen() == []
    assert chosen(id="k-2") == ["k-2"]
    assert chosen(organization="org-a") == ["k-1", "k-2"]
    assert chosen(user="alice") == ["k-1", "k-3"]
    assert chosen(organization="org-a", user="alice") == ["k-1"]
    assert chosen(expired=True) == ["k-2"]
