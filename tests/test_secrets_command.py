"""Secrets and credentials by command, and writing to a production context by command."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_cli import Program, sandbox

TOKEN = "hf_typedOnStandardInput0123456789"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    home = tmp_path_factory.mktemp("secrets")
    with sandbox(home / "sandbox") as ready:
        yield Program(home, ready["kubeconfig"])


def held(program: Program, name: str) -> dict[str, str]:
    data = json.loads(program.kubectl("get", "secret", name, "-n", "team-b", "-o", "json"))["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def test_a_secret_is_made_from_standard_input(program: Program) -> None:
    create = ("secrets", "create", "hub", "-n", "team-b")
    assert program(*create, "--key", "token", stdin=f"{TOKEN}\n").out == "Secret team-b/hub created\n"
    assert held(program, "hub") == {"token": TOKEN}
    again = program(*create, "--key", "token", stdin="another-token")
    assert (again.code, held(program, "hub")) == (1, {"token": TOKEN})
    assert "Secret team-b/hub exists by now" in again.err
    nothing = program(*create, "--key", "token", stdin="")
    assert (nothing.code, nothing.err) == (2, "genai-tui: value: nothing is typed\n")
    pull = program("secrets", "create", "pull", "-n", "team-b", "--pull", "nvcr.io", stdin=TOKEN)
    assert pull.code == 0, pull.err
    (entry,) = json.loads(held(program, "pull")[".dockerconfigjson"])["auths"].items()
    assert (entry[0], entry[1]["username"], entry[1]["password"]) == ("nvcr.io", "$oauthtoken", TOKEN)
    other = program("secrets", "create", "other", "-n", "team-b", "--pull", "registry.example", stdin=TOKEN)
    assert (other.code, other.err) == (2, "genai-tui: user: a user is needed\n")
    simulated = program("secrets", "create", "mine", "-n", "team-b", "--key", "token", "--from", "hub-token")
    assert (simulated.code, "this machine has no Hub token" in simulated.err) == (2, True)
    assert TOKEN not in nothing.err + again.err + other.err
    assert "Secret team-b/hub" in program("audit").out


def test_a_credential_is_kept_listed_and_forgotten(program: Program) -> None:
    place = program.home / "state" / "genai-tui" / "credentials.json"
    refused = program("credentials", "set", "hub-token", "--in", "keyring", stdin=TOKEN)
    assert (refused.code, refused.err) == (
        2, "genai-tui: there is no keyring to use: no desktop keyring answers here; --in file keeps it unencrypted\n",
    )  # fmt: skip
    kept = program("credentials", "set", "hub-token", "--in", "file", stdin=f"{TOKEN}\n")
    assert kept.out == f"hub-token is kept; it comes from {place} (not encrypted)\n", kept.err
    hub, ngc, *_ = program("credentials", "list", "-o", "json").json["items"]
    assert (hub["name"], hub["from"], ngc["from"]) == ("hub-token", f"{place} (not encrypted)", None)
    doctor = program("doctor").out
    (line,) = [line.split() for line in doctor.splitlines() if "credential hub-token" in line]
    assert line == ["ok", "credential", "hub-token", "from", str(place), "(not", "encrypted)"]
    assert "none: no desktop keyring answers here" in doctor
    asked = program("credentials", "forget", "hub-token")
    assert (asked.code, place.exists()) == (2, True)
    forgotten = program("credentials", "forget", "hub-token", "--yes")
    assert (forgotten.out, place.exists()) == (f"hub-token forgotten: {place}\n", False)
    nothing = program("credentials", "forget", "hub-token", "--yes")
    assert (nothing.code, "no Hub token is kept by this program" in nothing.err) == (1, True)


def test_production_is_written_to_only_by_its_name(program: Program, tmp_path: Path) -> None:
    settings = program.home / ".config" / "genai-tui" / "settings.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text('production = ["*"]\n')
    context = program.kubectl("config", "current-context").strip()
    create = ("secrets", "create", "prod", "-n", "team-b", "--key", "token")
    try:
        refused = program(*create, stdin=TOKEN)
        assert refused.code == 2
        assert f"{context} is marked as production; add --confirm-context {context}" in refused.err
        wrong = program(*create, "--confirm-context", "another", stdin=TOKEN)
        assert (wrong.code, f"says another, and this is {context}" in wrong.err) == (2, True)
        assert "prod" not in program.kubectl("get", "secrets", "-n", "team-b", "-o", "name").split("secret/")
        assert program("get", "deployments").code == 0, "reading asks nothing"
        done = program(*create, "--confirm-context", context, stdin=TOKEN)
        assert (done.code, held(program, "prod")) == (0, {"token": TOKEN}), done.err
        assert TOKEN not in refused.err + wrong.err + done.err
    finally:
        settings.unlink()
