"""The operator's extra engine arguments, read as vLLM's own parser reads them (argparse, with `_` for `-`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from genai_tui.domain.naming import did_you_mean
from genai_tui.domain.problems import FieldProblem
from genai_tui.engines.vllm_flags import FLAGS, SHORT

FIELD = "spec.advanced.extraArgs"
_SECRETS = {"--api-key": "VLLM_API_KEY", "--hf-token": "HF_TOKEN"}


def refused(arguments: Sequence[str], owned: Mapping[str, str]) -> Iterator[FieldProblem]:
    """What cannot be passed on: options a field sets, secrets, and what is no option at all.

    Args:
        arguments: the extra arguments.
        owned: for each option that is ours, the field that sets it, or why it is fixed.
    """
    for i, argument in enumerate(arguments):
        field, flag = f"{FIELD}.{i}", canonical(argument)
        if "\0" in argument:
            yield FieldProblem(field, "holds a NUL character, which no argument can have")
        elif flag is None:
            if i == 0:
                yield FieldProblem(
                    field, f"'{argument[:60]}' is not an option; the model and `serve` are given already"
                )
        elif flag in owned:
            yield FieldProblem(field, f"{flag} is set by {owned[flag]}")
        elif flag in _SECRETS:
            message = f"would show the secret to everybody who may read pods; set {_SECRETS[flag]} in advanced.env"
            yield FieldProblem(field, f"{flag} {message}")
        elif _with_value(argument):
            yield FieldProblem(field, "holds an option and its value; write --option=value, or two arguments")


def unknown(arguments: Sequence[str]) -> Iterator[FieldProblem]:
    """Options that version 0.32 of vLLM does not list; another version may know them."""
    for i, argument in enumerate(arguments):
        flag = canonical(argument)
        if flag is not None and flag.startswith("--") and flag not in FLAGS:
            message = f"vLLM 0.32 has no option {flag[:60]}{did_you_mean(flag, FLAGS)}"
            yield FieldProblem(f"{FIELD}.{i}", message)


def canonical(argument: str) -> str | None:
    """The option an argument sets, in full; None for a value.

    `-tp=2`, `--tensor_parallel_size` and `--tensor-par` are one option: argparse takes any beginning that fits only
    one. `--json.path` sets a part of the JSON option `--json`.
    """
    if not argument.startswith("-") or argument.lstrip("-")[:1].isdigit() or argument == "-":
        return None
    name = argument.split("=", 1)[0].split(None, 1)[0]
    if not name.startswith("--"):
        return SHORT.get(name, name)
    name = "--" + name[2:].split(".", 1)[0].replace("_", "-")
    if name in FLAGS:
        return name
    fitting = [flag for flag in FLAGS if flag.startswith(name)]
    return fitting[0] if len(fitting) == 1 else name


def _with_value(argument: str) -> bool:
    """`--seed 7` as one argument, which argparse takes for an option of that whole name."""
    return argument.startswith("--") and "=" not in argument and len(argument.split()) > 1
