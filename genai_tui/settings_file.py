"""The settings file: TOML with a strict schema. A misspelt key is an error with its line and the nearest name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    ValidationError,
)

from genai_tui.domain.durations import parse_duration
from genai_tui.domain.naming import SYSTEM_NAMESPACE, nearest
from genai_tui.domain.problems import FieldProblem
from genai_tui.domain.strict import Name
from genai_tui.domain.text import is_address, printable
from genai_tui.errors import BadInput
from genai_tui.settings import LEAST_KEPT, TokenSource, Way

_LARGEST = 100_000
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def _pattern(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


def _address(text: str) -> str:
    if not is_address(text):
        raise ValueError("is no address; write it as http://host:8090")
    return text.rstrip("/").removesuffix("/v1")


def _age(text: str) -> str:
    if parse_duration(text) < LEAST_KEPT:
        raise ValueError(f"is too short; keep at least {LEAST_KEPT.days}d")
    return text.strip()


class _TokenSource(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, title="Where a secret is read from", hide_input_in_errors=True
    )

    file: Annotated[StrictStr, AfterValidator(_pattern)] | None = Field(
        None, description="A file that holds the secret and nothing else."
    )
    command: tuple[Annotated[StrictStr, AfterValidator(_pattern)], ...] = Field(
        (), description="A program and its arguments, without a shell, that prints the secret."
    )


def _table(value: object) -> object:
    if isinstance(value, str):
        raise ValueError(f"is no place for the secret itself; {_WRITTEN}")
    return value


def _one_of_two(source: _TokenSource) -> _TokenSource:
    if (source.file is None) == (not source.command):
        raise ValueError(f"needs a file or a command; {_WRITTEN}")
    return source


_WRITTEN = 'write { file = "PATH" } or { command = ["PROGRAM", "ARGUMENT"] }'
_Source = Annotated[_TokenSource, BeforeValidator(_table), AfterValidator(_one_of_two)]


class SettingsFile(BaseModel):
    """The keys are called as the options are."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        title="Settings of genai-tui",
        hide_input_in_errors=True,
    )

    system_namespace: Name = Field(
        SYSTEM_NAMESPACE, description="The namespace where models, endpoints, organizations and keys are kept."
    )
    read_only: StrictBool = Field(default=False, description="Refuse everything that writes to a cluster.")
    reach: Way = Field("auto", description="The way to engines.")
    production: tuple[Annotated[StrictStr, AfterValidator(_pattern)], ...] = Field(
        (), description="Contexts, by name or shell pattern, in which each write asks for the context's name."
    )
    hub_token: _Source | None = Field(None, description="The Hub token of the operator.")
    ngc_api_key: _Source | None = Field(None, description="The NGC API key of the operator.")
    engine_key: _Source | None = Field(None, description="The key of engines that ask for one.")
    api_key: _Source | None = Field(None, description="The operator's own API key at gateways.")
    gateway: Annotated[StrictStr, AfterValidator(_address)] | None = Field(
        None, description="Base URL of the embedded gateway that callers use."
    )
    keep_requests: Annotated[StrictStr, AfterValidator(_age)] | None = Field(
        None, description="How long the ledger keeps single requests, such as 90d; their sums stay."
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **SettingsFile.model_json_schema()}


def read_settings(path: Path) -> dict[str, Any]:
    """What the file sets, by its names there; empty where there is no file.

    Raises:
        BadInput: it cannot be read, is no TOML, or sets what is no setting.
    """
    try:
        text = path.read_bytes()[:_LARGEST].decode()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise BadInput(f"the settings in {path} cannot be read", why=why, next_step="mend or remove the file") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else None
        what = _PLACE.sub("", str(error))
        problem = FieldProblem("", printable(f"{what} (in {path})"), line)
        raise BadInput(f"{path} is not TOML", fields=(problem,)) from None
    return _checked(data, lambda key: f"in {path}", lambda key: _line(text, key))


def check_variables(found: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, Any]:
    """The settings of the environment, `found` by their names in the file; lists have commas between.

    Raises:
        BadInput: one problem for each variable whose value is none of that setting's.
    """
    values: dict[str, Any] = dict(found)
    if "production" in values:
        values["production"] = [part.strip() for part in found["production"].split(",") if part.strip()]
    if "read-only" in values:
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        values["read-only"] = words.get(found["read-only"].lower(), found["read-only"])
    return _checked(values, lambda key: f"in ${variables[key]}", lambda key: None)


def _checked(data: Mapping[str, Any], place: Callable[[str], str], line: Callable[[str], int | None]) -> dict[str, Any]:
    try:
        checked = SettingsFile.model_validate(data)
    except ValidationError as error:
        raise BadInput("the settings cannot be used", fields=tuple(_problems(error, place, line))) from None
    return {key: _plain(getattr(checked, key.replace("-", "_"))) for key in data}


def _plain(value: object) -> object:
    return TokenSource(value.file, value.command) if isinstance(value, _TokenSource) else value


def _problems(
    error: ValidationError, place: Callable[[str], str], line: Callable[[str], int | None]
) -> list[FieldProblem]:
    known = [name.replace("_", "-") for name in SettingsFile.model_fields]
    problems = []
    for found in error.errors(include_url=False, include_input=False):
        key = str(found["loc"][0])
        message = found["msg"].removeprefix("Value error, ")
        if found["type"] == "extra_forbidden":
            close = nearest(key, known)
            message = f"is no setting; {f'did you mean {close}?' if close else 'there are ' + ', '.join(known)}"
        problems.append(FieldProblem(printable(key[:100]), printable(f"{message} ({place(key)})"), line(key)))
    return sorted(problems, key=lambda problem: problem.line or 0)


def _line(text: str, key: str) -> int | None:
    """Where a key of the file stands; the file is flat, so the first line that begins with it (or its table's head)."""
    head = re.compile(rf"""\s*\[?\[?\s*["']?{re.escape(key)}["']?\s*[\].=]""")
    return next((i for i, line in enumerate(text.splitlines(), 1) if head.match(line)), None)
