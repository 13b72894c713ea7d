"""Lists of a form as text a person can type, one entry per line, and back without loss.

Every reader returns all it understood and one problem for each line it did not; every writer makes text that its
reader turns into the same value again. A value that would not survive as it is (control characters, blanks at an
end, a leading quote) is written between double quotes with the escapes of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError

from genai_tui.domain.deployment import EnvVar, SecretKey, Toleration
from genai_tui.domain.documents import field_problems
from genai_tui.domain.naming import (
    check_env_name,
    check_free_key,
    check_label_key,
    check_label_name,
    check_label_value,
    did_you_mean,
)

T = TypeVar("T")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """What a text means: the value, and (line from 1 or None, message) for each part that means nothing."""

    value: T
    problems: tuple[tuple[int | None, str], ...] = ()


def explain_validation(error: ValidationError) -> str:
    """The first problem of a part, in the words used for whole documents."""
    problem = field_problems(error)[0]
    return problem.message


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """Lines that hold something, stripped, with their number from 1."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.strip()


def each_line(text: str, read: Callable[[str], T]) -> tuple[list[tuple[int, T]], list[tuple[int | None, str]]]:
    """Read line by line: (line, value) of the good ones, (line, message) of the others."""
    good: list[tuple[int, T]] = []
    bad: list[tuple[int | None, str]] = []
    for number, line in numbered(text):
        try:
            good.append((number, read(line)))
        except ValidationError as error:
            bad.append((number, explain_validation(error)))
        except ValueError as error:
            bad.append((number, str(error)))
    return good, bad


# Values ---------------------------------------------------------------------------------------------------------------


def quote(value: str) -> str:
    """Between double quotes, with JSON's escapes, in printable ASCII where the value is not printable."""
    return json.dumps(value, ensure_ascii=not value.isprintable())


def read_value(text: str) -> str:
    """A value as typed: plain, or between single or double quotes.

    Raises:
        ValueError: a quote is opened and not closed, or an escape is unknown.
    """
    if text[:1] == "'":
        if len(text) < 2 or text[-1] != "'":
            raise ValueError(f"the quote before {text[1:13]!r} is not closed")
        return text[1:-1]
    if text[:1] != '"':
        return text
    try:
        value = json.loads(text, strict=False)
    except ValueError as error:
        raise ValueError(
            'between double quotes write \\" for a quote and \\\\ for a backslash, and close them'
        ) from error
    return str(value)


def write_value(value: str) -> str:
    """The text that `read_value` reads as `value`."""
    plain = value.isprintable() and value == value.strip() and value[:1] not in ("'", '"')
    return value if plain else quote(value)


def _split_pair(line: str, example: str) -> tuple[str, str]:
    key, equals, value = line.partition("=")
    if not equals:
        name, colon, rest = line.partition(":")
        wanted = f"{name.strip()}={rest.strip()}" if colon and rest.strip() else example
        raise ValueError(f"'{line}' has no '='; write {wanted}")
    return key.strip(), value.strip()


# Environment ----------------------------------------------------------------------------------------------------------


def _read_env(line: str) -> EnvVar:
    name, value = _split_pair(line, "NAME=value")
    check_env_name(name)
    if value.startswith("secret:"):
        secret, slash, key = value.removeprefix("secret:").partition("/")
        if not slash or not secret or not key:
            raise ValueError(f"write {name}=secret:NAME/KEY, the name of a Secret and one of its keys")
        return EnvVar(name=name, secret=SecretKey(name=secret, key=key))
    plain = read_value(value)
    if holds_secret(name, plain):
        raise ValueError(f"{name} is a secret: write {name}=secret:NAME/KEY, the Secret and the key that hold it")
    return EnvVar(name=name, value=plain)


def holds_secret(name: str, value: str) -> bool:
    """Whether the file format refuses this value because it is a secret."""
    try:
        EnvVar(name=name, value=value)
    except ValidationError as error:
        return "holds a secret" in explain_validation(error)
    return False


def without_secrets(text: str) -> str:
    """The lines of an environment as they may be kept on disk: a value that is a secret is left out."""
    return "\n".join(_without_secret(line) for line in text.split("\n"))


def _without_secret(line: str) -> str:
    name, equals, value = line.partition("=")
    secret = equals and not value.strip().startswith("secret:") and holds_secret(name.strip(), value.strip(" \t'\""))
    return f"{name}=" if secret else line


def read_env(text: str) -> Parsed[tuple[EnvVar, ...]]:
    """`NAME=value` or `NAME=secret:NAME/KEY`, one per line; a name may appear once."""
    good, bad = each_line(text, _read_env)
    seen: dict[str, int] = {}
    for number, variable in good:
        first = seen.setdefault(variable.name, number)
        if first != number:
            bad.append((number, f"{variable.name} is already set on line {first}"))
    return Parsed(tuple(variable for _, variable in good), tuple(bad))


def _write_env(variable: EnvVar) -> str:
    if variable.secret is not None:
        return f"{variable.name}=secret:{variable.secret.name}/{variable.secret.key}"
    value = variable.value or ""
    return f"{variable.name}={quote(value) if value.startswith('secret:') else write_value(value)}"


def write_env(variables: Sequence[EnvVar]) -> str:
    """The text that `read_env` reads as `variables`."""
    return "\n".join(_write_env(variable) for variable in variables)


# Keys and values ------------------------------------------------------------------------------------------------------


def _read_label(line: str) -> tuple[str, str]:
    key, value = _split_pair(line, "key=value, or key= for an empty value")
    return check_label_key(key), check_label_value(value)


def _read_annotation(line: str) -> tuple[str, str]:
    key, value = _split_pair(line, "key=value")
    return check_label_key(key), read_value(value)


def _unique(good: list[tuple[int, tuple[str, str]]], bad: list[tuple[int | None, str]]) -> Parsed[dict[str, str]]:
    pairs: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, (key, value) in good:
        if key in pairs:
            bad.append((number, f"{key} is already set on line {lines[key]}"))
            continue
        pairs[key], lines[key] = value, number
    return Parsed(pairs, tuple(bad))


def _not_ours(read: Callable[[str], tuple[str, str]]) -> Callable[[str], tuple[str, str]]:
    def checked(line: str) -> tuple[str, str]:
        key, value = read(line)
        check_free_key(key)
        return key, value

    return checked


def read_labels(text: str) -> Parsed[dict[str, str]]:
    """Labels, `key=value` per line; keys of our own group are refused."""
    return _unique(*each_line(text, _not_ours(_read_label)))


def read_annotations(text: str) -> Parsed[dict[str, str]]:
    """Annotations, `key=value` per line, the value any text; keys of our own group are refused."""
    return _unique(*each_line(text, _not_ours(_read_annotation)))


def read_selector(text: str) -> Parsed[dict[str, str]]:
    """A node selector, `key=value` per line."""
    return _unique(*each_line(text, _read_label))


def write_pairs(pairs: Mapping[str, str]) -> str:
    """The text that the readers of labels, annotations and selectors read as `pairs`."""
    return "\n".join(f"{key}={write_value(value)}" for key, value in pairs.items())


# Tolerations ----------------------------------------------------------------------------------------------------------


def _read_toleration(line: str) -> Toleration:
    if line.startswith("{"):
        return Toleration.model_validate(_json(line))
    taint, *rest = (part.strip() for part in line.split(":"))
    if len(rest) > 2:
        raise ValueError(f"'{line}' has too many ':'; write key=value:NoSchedule or key:NoExecute:300")
    effect = rest[0] if rest and rest[0] not in ("", "*") else None
    if effect is not None and effect not in EFFECTS:
        near = did_you_mean(effect, EFFECTS)
        raise ValueError(f"'{effect}' is not an effect: NoSchedule, PreferNoSchedule or NoExecute{near}")
    if len(rest) == 2 and not (rest[1].isascii() and rest[1].isdigit()):
        raise ValueError(f"'{rest[1]}' is not a number of seconds")
    key, equals, value = (part.strip() for part in taint.partition("="))
    if not key:
        raise ValueError("write key=value:NoSchedule, key:NoSchedule, or * for every taint")
    data: dict[str, object] = {"operator": "Equal" if equals else "Exists"}
    if key != "*":
        data["key"] = check_label_key(key)
    elif equals:
        raise ValueError("* tolerates every taint and takes no value")
    if equals:
        data["value"] = check_label_value(value)
    if effect is not None:
        data["effect"] = effect
    if len(rest) == 2:
        data["tolerationSeconds"] = int(rest[1])
    return Toleration.model_validate(data)


def _json(text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise ValueError(f"is not valid JSON: {error}") from error
    return value


def read_tolerations(text: str) -> Parsed[tuple[Toleration, ...]]:
    """One toleration per line.

    `key=value:Effect`, `key:Effect`, `key` (every effect), `*` (every taint), with `:seconds` after NoExecute, or
    the JSON of a Kubernetes toleration.
    """
    good, bad = each_line(text, _read_toleration)
    return Parsed(tuple(toleration for _, toleration in good), tuple(bad))


def write_toleration(toleration: Toleration) -> str:
    """One toleration as the shortest line that means exactly this."""
    line = toleration.key or "*"
    if toleration.operator == "Equal":
        line += f"={toleration.value or ''}"
    if toleration.effect is not None:
        line += f":{toleration.effect}"
    if toleration.toleration_seconds is not None:
        line += f":{toleration.toleration_seconds}"
    if _read_toleration(line) == toleration:
        return line
    return json.dumps(toleration.model_dump(mode="json", exclude_none=True))


def write_tolerations(tolerations: Sequence[Toleration]) -> str:
    """The text that `read_tolerations` reads as `tolerations`."""
    return "\n".join(write_toleration(toleration) for toleration in tolerations)


# Arguments ------------------------------------------------------------------------------------------------------------


def read_arguments(text: str) -> Parsed[tuple[str, ...]]:
    r"""Arguments, one or several per line, as in a shell but for braces.

    A quote opens only where an argument begins or after `=`, so that JSON needs no escapes; a `\` that ends a line
    of a pasted command is dropped.
    """
    good, bad = each_line(text, lambda line: _split_arguments(line))
    return Parsed(tuple(argument for _, line in good for argument in line), tuple(bad))


def _split_arguments(line: str) -> list[str]:
    arguments: list[str] = []
    rest = line[:-1] if line == "\\" or line.endswith((" \\", "\t\\")) else line
    rest = rest.strip()
    while rest:
        argument, rest = _next_argument(rest)
        arguments.append(argument)
        rest = rest.lstrip()
    return arguments


def _next_argument(text: str) -> tuple[str, str]:
    """The first argument and what follows it."""
    taken = ""
    at = 0
    while at < len(text) and not text[at].isspace():
        if text[at] in "'\"" and (not taken or taken[-1] == "="):
            end = _closing(text, at)
            taken += read_value(text[at : end + 1])
            at = end + 1
            if at < len(text) and not text[at].isspace():
                raise ValueError(f"a blank is missing after the quote before {text[at : at + 12]!r}")
            break
        taken += text[at]
        at += 1
    return taken, text[at:]


def _closing(text: str, opening: int) -> int:
    at = opening + 1
    while at < len(text):
        if text[at] == text[opening]:
            return at
        at += 2 if text[at] == "\\" and text[opening] == '"' else 1
    raise ValueError(f"the quote before {text[opening + 1 : opening + 13]!r} is not closed")


def _write_argument(argument: str) -> str:
    bare = (
        argument != ""
        and argument.isprintable()
        and not any(character.isspace() for character in argument)
        and argument[0] not in "'\""
        and "='" not in argument
        and '="' not in argument
        and argument != "\\"
    )
    if bare:
        return argument
    return f"'{argument}'" if argument.isprintable() and "'" not in argument else quote(argument)


def write_arguments(arguments: Sequence[str]) -> str:
    """The text that `read_arguments` reads as `arguments`: one per line."""
    return "\n".join(_write_argument(argument) for argument in arguments)


# Names ----------------------------------------------------------------------------------------------------------------


def read_names(text: str) -> Parsed[tuple[str, ...]]:
    """Names, one or several per line, with commas or blanks between them."""
    good, bad = each_line(text, lambda line: [check_label_name(name) for name in line.replace(",", " ").split()])
    return Parsed(tuple(name for _, line in good for name in line), tuple(bad))


def write_names(names: Sequence[str]) -> str:
    """The text that `read_names` reads as `names`: one per line."""
    return "\n".join(names)
