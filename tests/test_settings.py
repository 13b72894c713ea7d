"""The settings file as an operator meets it: through commands, with what they print."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from genai_tui.cli import main


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """The program takes the root logger for its file; it is given back, and the file closed."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def file() -> Path:
    path = Path(os.environ["XDG_CONFIG_HOME"]) / "genai-tui" / "settings.toml"
    path.parent.mkdir(parents=True)
    return path


def settings(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, tuple[Any, str]]:
    assert main(["settings", "-o", "json", *options]) == 0
    return {item["name"]: (item["value"], item["from"]) for item in json.loads(capsys.readouterr().out)["items"]}


def test_an_option_wins_over_the_environment_over_the_file(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings(capsys) == {
        "system-namespace": ("genai-tui", "default"),
        "read-only": (False, "default"),
        "reach": ("auto", "default"),
        "production": ([], "default"),
        "gateway": ("", "default"),
        "keep-requests": ("", "default"),
        "hub-token": ("", "default"),
        "ngc-api-key": ("", "default"),
        "engine-key": ("", "default"),
        "api-key": ("", "default"),
    }
    file.write_text(
        'reach = "proxy"\nsystem-namespace = "models"\nproduction = ["prod-*", "live"]\nread-only = true\n'
        'hub-token = { file = "~/hf" }\nngc-api-key = { command = ["op", "read", "op://it/ngc"] }\n'
    )
    monkeypatch.setenv("GENAI_TUI_REACH", "auto")
    monkeypatch.setenv("GENAI_TUI_GATEWAY", "http://models:8090/v1")
    monkeypatch.setenv("GENAI_TUI_READ_ONLY", "no")
    monkeypatch.setenv("GENAI_TUI_KEEP_REQUESTS", "90d")
    assert settings(capsys, "--system-namespace", "mine") == {
        "system-namespace": ("mine", "option"),
        "read-only": (False, "$GENAI_TUI_READ_ONLY"),
        "reach": ("auto", "$GENAI_TUI_REACH"),
        "production": (["prod-*", "live"], str(file)),
        "gateway": ("http://models:8090", "$GENAI_TUI_GATEWAY"),
        "keep-requests": ("90d", "$GENAI_TUI_KEEP_REQUESTS"),
        "hub-token": ("~/hf", str(file)),
        "ngc-api-key": ("command op", str(file)),
        "engine-key": ("", "default"),
        "api-key": ("", "default"),
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('# ours\n\nreech = "proxy"\n', "line 3: reech: is no setting; did you mean reach?"),
        ('reach = "proxy"\nread-only = "yes"\n', "line 2: read-only: Input should be a valid boolean"),
        ('\nsystem-namespace = "Not A Name"\n', "line 2: system-namespace: "),
        ('production = ["ok", 3]\n', "line 1: production: "),
        ("reach = proxy\n", "line 1: "),
        ('reach = "proxy"\nreach = "auto"\n', "line 2: "),
        ('hub-token = "hf_inTheOpen"\n', "line 1: hub-token: is no place for the secret itself; write { file"),
        ('[hub-token]\nfile = "a"\ncommand = ["b"]\n', "line 1: hub-token: needs a file or a command; write"),
        ('keep-requests = "1h"\n', "line 1: keep-requests: is too short; keep at least 2d"),
        ('keep-requests = "long"\n', "line 1: keep-requests: 'long' is not a duration"),
        ('gateway = "models:8090"\n', "line 1: gateway: is no address; write it as http://host:8090"),
        ("engine-key = {}\n", "line 1: engine-key: needs a file or a command"),
        ('engine-key = { path = "x" }\n', "line 1: engine-key"),
        ("\n[production]\nprod = 1\n", "line 2: production: "),
    ],
)
def test_what_is_no_setting_is_told_with_its_line(
    file: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    file.write_text(text)
    assert main(["settings"]) == 2
    error = capsys.readouterr().err
    assert told in error, error
    assert str(file) in error
    assert "Traceback" not in error


def test_every_wrong_key_is_told_and_none_of_its_value(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text('token = "hf_aPastedTokenThatIsNoSetting"\nreach = "hf_aPastedTokenInTheWrongPlace"\n')
    assert main(["get", "models"]) == 2
    error = capsys.readouterr().err
    assert "line 1: token" in error
    assert "line 2: reach" in error
    assert "hf_" not in error


def test_a_wrong_variable_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENAI_TUI_READ_ONLY", "perhaps")
    assert main(["settings"]) == 2
    assert "in $GENAI_TUI_READ_ONLY" in capsys.readouterr().err


def test_a_file_that_cannot_be_read_is_no_default(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.mkdir()
    assert main(["settings"]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_the_schema_is_printed_beside_a_broken_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("nonsense")
    assert main(["settings", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    assert check.is_valid({"reach": "proxy", "production": ["prod-*"], "read-only": True})
    assert not check.is_valid({"reech": "proxy"})
    assert not check.is_valid({"reach": "by foot"})


def test_doctor_shows_where_each_value_comes_from(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text('production = ["prod-*"]\n')
    main(["doctor"])
    out = capsys.readouterr().out
    assert f"prod-* (from: {file})" in out
    assert "auto (from: default)" in out
