"""Organizations: whose a user is, and what is wrong with keys that exist."""

from __future__ import annotations

from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.organizations import in_the_way, key_doubts, user_problem

USERS = {"org-a": ("alice", "bob"), "org-b": ("carol",)}


def test_a_user_belongs_to_one_organization() -> None:
    assert user_problem("org-b", ["carol", "alice"], USERS).startswith("'alice' is a user of org-a already")
    assert user_problem("org-a", ["alice", "dora"], USERS) == ""


def test_keys_whose_limits_count_for_somebody_else_are_told_and_no_others() -> None:
    keys = [
        KeyRecord("k-1", "org-a", "alice"),
        KeyRecord("k-2", "org-a", "bob"),
        KeyRecord("k-3", "org-b", "bob"),
        KeyRecord("k-4", "org-a", "zoe"),
        KeyRecord("k-5", "org-x", "emil"),
        KeyRecord("k-6", "org-y", "fred"),
    ]
    doubts = key_doubts(keys, {**USERS, "org-y": None})
    assert list(doubts) == ["k-2", "k-3", "k-4", "k-5"]
    assert "bob is also in org-b" in doubts["k-2"]
    assert "bob is also in org-a" in doubts["k-3"]
    assert "zoe is no user of org-a any more" in doubts["k-4"]
    assert "there is no organization org-x" in doubts["k-5"]


def test_what_is_in_the_way_of_a_deletion_is_named_with_the_way_out() -> None:
    keys = [KeyRecord(f"k-{number}", "org-a", "alice") for number in range(7)]
    problem = in_the_way("org-a", keys, [None])
    assert problem is not None
    assert problem.why == "7 keys of it would still be let in: k-0, k-1, k-2, k-3, k-4 and 2 more"
    assert "genai-tui keys revoke --organization org-a" in problem.next_step
    assert in_the_way("org-b", keys, []) is None
