"""`genai-tui keys` as scripts use it, against a sandbox process; the key is nowhere but in its Secret."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_cli import Program, sandbox

ORGANIZATION = """\
apiVersion: genai-tui.dev/v1alpha1
kind: Organization
metadata: {name: org-d}
spec: {users: [dora]}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    home = tmp_path_factory.mktemp("keys")
    with sandbox(home / "sandbox") as ready:
        yield Program(home, ready["kubeconfig"])


def test_keys_of_users_that_an_organization_has_no_longer_are_named_when_it_is_applied(
    program: Program, tmp_path: Path
) -> None:
    file = tmp_path / "organization.yaml"
    file.write_text(ORGANIZATION.replace("org-d", "staff").replace("[dora]", "[erik, eva]"))
    assert program("apply", "-f", str(file)).err == ""
    made = program("keys", "create", "--organization", "staff", "--user", "erik", "-o", "json").json
    file.write_text(ORGANIZATION.replace("org-d", "staff").replace("[dora]", "[eva]"))
    for words in (("--dry-run",), ()):
        said = program("apply", "-f", str(file), *words).err
        assert (
            f"Organization staff: keys of users it has no longer are let in as before, until they are revoked: {made['id']}"
            in said
        )
    assert program("keys", "revoke", "--organization", "staff", "--yes").code == 0


def test_a_key_is_made_listed_and_revoked_and_written_nowhere_else(program: Program) -> None:
    made = program(
        "keys", "create", "--organization", "org-a", "--user", "alice", "--name", "alice laptop",
        "--expires", "30d", "--deployment", "chat", "-o", "json",
    )  # fmt: skip
    assert made.code == 0, made.err
    key = made.json
    assert set(key) == {"id", "key", "organization", "user", "expires"}
    assert key["key"].startswith("sk-genai-")

    (listed,) = program("keys", "list", "-o", "json").json["items"]
    assert (listed["id"], listed["organization"], listed["user"]) == (key["id"], "org-a", "alice")
    assert listed["expires"] == key["expires"]
    assert (listed["deployments"], listed["expired"]) == (["team-a/chat"], False)
    assert (listed["createdBy"], listed["lastUsed"]) == ("sandbox-admin", None)
    assert program("get", "keys", "-o", "json").json["items"] == [listed]
    table = program("keys", "list").out
    assert "MAY CALL" in table
    assert "team-a/chat" in table
    assert "not seen here" in table

    (secret,) = json.loads(
        program.kubectl("get", "secrets", "-n", "genai-tui", "-l", "genai-tui.dev/kind=api-key", "-o", "json")
    )["items"]
    assert base64.b64decode(secret["data"]["api_key"]).decode() == key["key"]
    assert secret["metadata"]["labels"] == {
        "authorino.kuadrant.io/managed-by": "authorino",
        "genai-tui.dev/kind": "api-key",
        "genai-tui.dev/org": "org-a",
        "genai-tui.dev/user": "alice",
        "genai-tui.dev/key": key["id"],
    }
    assert key["key"] not in json.dumps(secret["metadata"])
    for file in (program.home / "state").rglob("*"):
        assert not file.is_file() or key["key"].encode() not in file.read_bytes(), file

    shown = program("keys", "create", "--organization", "org-b", "--user", "carol")
    assert shown.out.startswith("export API_KEY=sk-genai-")
    assert "shown this once" in shown.err
    assert shown.out.strip().partition("=")[2] not in shown.err

    refused = program("keys", "revoke", key["id"])
    assert (refused.code, refused.out) == (2, "")
    assert "add --yes" in refused.err
    revoked = program("keys", "revoke", "--organization", "org-a", "--yes")
    assert revoked.out == f"key {key['id']} revoked\n"
    assert [item["user"] for item in program("keys", "list", "-o", "json").json["items"]] == ["carol"]


OPEN = """
apiVersion: genai-tui.dev/v1alpha1
kind: Endpoint
metadata: {name: wide-open}
spec: {hostname: open.example.com, exposure: gateway, gateway: {namespace: default, name: genai}}
"""


def test_a_key_that_ends_is_made_with_a_word_on_endpoints_that_check_none(program: Program) -> None:
    (program.home / "open.yaml").write_text(OPEN)
    assert program("apply", "-f", str(program.home / "open.yaml")).code == 0
    ending = program("keys", "create", "--organization", "org-b", "--user", "carol", "--expires", "1d")
    assert "until when, does not hold at wide-open: no key is checked there" in ending.err
    endless = program("keys", "create", "--organization", "org-b", "--user", "carol")
    assert "does not hold" not in endless.err


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("create", "--organization", "org-x", "--user", "alice"), 2, "no organization is called 'org-x'"),
        (("create", "--organization", "org-a", "--user", "alic"), 2, "did you mean 'alice'"),
        (("create", "--organization", "org-a", "--user", "alice", "--expires", "soon"), 2, "write it as"),
        (("create", "--organization", "org-a", "--user", "alice", "--expires", "0d"), 2, "lies in the past"),
        (("create", "--organization", "org-a", "--user", "alice", "--deployment", "talk"), 2, "there are search/"),
        (("create", "--user", "alice"), 2, "--organization"),
        (("revoke",), 2, "give an ID"),
        (("revoke", "k-none"), 1, "no key is meant"),
        ((), 2, "create|list|revoke"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_one_line_and_no_key(program: Program, arguments: tuple[str, ...], code: int, text: str) -> None:
    before = program.kubectl("get", "secrets", "-n", "genai-tui", "-o", "name")
    done = program("keys", *arguments)
    assert done.code == code
    assert text in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert program.kubectl("get", "secrets", "-n", "genai-tui", "-o", "name") == before


def test_who_may_not_is_told_so(program: Program) -> None:
    asked = ("create", "--organization", "org-a", "--user", "alice")
    viewer = program("--context", "sandbox-viewer", "keys", *asked)
    assert viewer.code == 3
    assert "may not create secrets" in viewer.err
    read_only = program("--read-only", "keys", *asked)
    assert read_only.code == 3
    assert "read-only" in read_only.err


def test_an_organization_with_keys_or_shared_deployments_is_not_deleted(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "org.yaml"
    file.write_text(ORGANIZATION, encoding="utf-8")
    assert program("apply", "-f", str(file)).code == 0
    key = program("keys", "create", "--organization", "org-d", "--user", "dora", "-o", "json").json
    refused = program("delete", "organization", "org-d", "--yes")
    assert (refused.code, refused.out) == (2, "")
    assert f"1 key of it would still be let in: {key['id']}" in refused.err
    assert "genai-tui keys revoke --organization org-d" in refused.err
    assert program("keys", "revoke", key["id"], "--yes").code == 0
    assert program("delete", "organization", "org-d", "--yes").out == "Organization org-d deleted\n"
    shared = program("delete", "organization", "org-b", "--yes")
    assert shared.code == 2
    assert "shared with it: team-" in shared.err
    gone = program("delete", "organization", "org-d", "--yes")
    assert (gone.code, gone.err) == (1, "genai-tui: no organization is called 'org-d'; did you mean 'org-b'?\n")


def test_a_user_of_another_organization_is_refused_from_a_file_and_keys_of_both_are_told(
    program: Program, tmp_path: Path
) -> None:
    file = tmp_path / "org.yaml"
    file.write_text(ORGANIZATION.replace("dora", "alice"), encoding="utf-8")
    refused = program("apply", "-f", str(file))
    assert refused.code == 2
    assert "spec.users" in refused.err
    assert "'alice' is a user of org-a already" in refused.err
    file.write_text(f"{ORGANIZATION}---\n{ORGANIZATION.replace('org-d', 'org-e')}", encoding="utf-8")
    assert "'dora' is a user of org-d already" in program("apply", "-f", str(file)).err
    assert "org-d" not in program("get", "organizations").out

    file.write_text(ORGANIZATION, encoding="utf-8")
    assert program("apply", "-f", str(file)).code == 0
    key = program("keys", "create", "--organization", "org-d", "--user", "dora", "-o", "json").json
    moved = ORGANIZATION.replace("dora", "emil") + "---\n" + ORGANIZATION.replace("org-d", "org-e")
    file.write_text(moved, encoding="utf-8")
    assert program("apply", "-f", str(file)).code == 0, "one that goes from one to the other in the same file"
    told = program("doctor")
    assert told.code == 1
    assert f"key {key['id']}" in told.out
    assert "dora is also in org-e: the limits of the user count both together" in told.out
