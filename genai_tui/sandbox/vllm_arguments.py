"""Reading a `vllm serve` command line as vLLM's argparse does, with its words for what is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from genai_tui.engines.vllm_flags import FLAGS

AUTO = "auto"
_USAGE = (
    "usage: vllm [-h] [-v]\n"
    "            {chat,complete,serve,launch,bench,collect-env,download-kernels,preload,run-batch,snapshot}\n"
    "            ...\n"
)
_SERVE_USAGE = "usage: vllm serve [model_tag] [options]\n"
_SHORT = {
    "-tp": "--tensor-parallel-size",
    "-pp": "--pipeline-parallel-size",
    "-dp": "--data-parallel-size",
    "-q": "--quantization",
}
_LISTS = frozenset({"--served-model-name", "--api-key", "--lora-modules", "--middleware"})
_ALONE = frozenset({"--aggregate-engine-logging", "--disable-log-stats", "--grpc", "--headless", "--help"})
_INTEGERS = frozenset(
    {"--tensor-parallel-size", "--pipeline-parallel-size", "--max-num-seqs", "--port", "--seed", "--block-size"}
)
_FLOATS = frozenset({"--gpu-memory-utilization", "--swap-space", "--kv-cache-memory-bytes"})
_CHOICES = {"--dtype": ("auto", "bfloat16", "float", "float16", "float32", "half")}
_SHOWN = {name: f"{name}/{short}" for short, name in _SHORT.items()}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([kmgKMG])?")
_DECIMAL, _BINARY = {"k": 10**3, "m": 10**6, "g": 10**9}, {"K": 2**10, "M": 2**20, "G": 2**30}


class UsageError(Exception):
    """The engine ends with exit code 2 and this text."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What was asked for. `flags` by their long names with their values in order; `model` None when not given."""

    model: str | None
    flags: Mapping[str, tuple[str, ...]]

    def last(self, flag: str) -> str | None:
        """A flag's value; None when it was not given."""
        values = self.flags.get(flag)
        return values[-1] if values else None

    def on(self, flag: str, *, default: bool = False) -> bool:
        """Whether `--x` or `--no-x` was given last."""
        given = [name for name in self.flags if name in (flag, f"--no-{flag[2:]}")]
        return given[-1] == flag if given else default

    def number(self, flag: str, default: int) -> int:
        """A whole number."""
        return int(self.last(flag) or default)

    def share(self, flag: str, default: float) -> float:
        """A fraction."""
        return float(self.last(flag) or default)


def parse(words: Sequence[str]) -> Arguments:
    """Read the words after `vllm serve`. Raises UsageError."""
    flags: dict[str, tuple[str, ...]] = {}
    model: str | None = None
    unknown: list[str] = []
    current: str | None = None
    for word in words:
        if word.startswith("-") and not _SIZE.fullmatch(word.lstrip("-")):
            name, equals, value = word.partition("=")
            known = _long(name)
            current = None
            if known is None:
                unknown.append(word)
                continue
            flags.pop(known, None)
            flags[known] = (value,) if equals else ()
            current = None if equals or is_switch(known) else known
        elif current is not None:
            flags[current] = (*flags[current], word)
            current = current if current in _LISTS else None
        elif model is None:
            model = word
        else:
            unknown.append(word)
    if unknown:
        raise UsageError(f"{_USAGE}vllm: error: unrecognized arguments: {' '.join(unknown)}")
    _check(flags)
    return Arguments(model or (flags["--model"][-1] if flags.get("--model") else None), flags)


def _long(name: str) -> str | None:
    """The long name of a flag; underscores stand for dashes, and `--json.path` sets a part of a JSON option."""
    name = _SHORT.get(name, name)
    plain = "--" + name[2:].split(".", 1)[0].replace("_", "-")
    return plain if plain in FLAGS and not plain.endswith("-") else None


def is_switch(flag: str) -> bool:
    """Whether a flag takes no value."""
    return flag in _ALONE or flag.startswith("--no-") or f"--no-{flag[2:]}" in FLAGS


def _check(flags: Mapping[str, tuple[str, ...]]) -> None:
    for flag, values in flags.items():
        if not values and not is_switch(flag):
            raise _wrong(flag, "expected one argument")
        value = values[-1] if values else ""
        if flag in _INTEGERS and not value.lstrip("-").isdigit():
            raise _wrong(flag, f"invalid int value: '{value}'")
        if flag in _FLOATS and not _SIZE.fullmatch(value):
            raise _wrong(flag, f"invalid float value: '{value}'")
        if flag == "--max-model-len" and context_of(value) is None:
            raise _wrong(flag, f"invalid human_readable_int_or_auto value: '{value}'")
        if flag in _CHOICES and value not in _CHOICES[flag]:
            listed = ", ".join(f"'{choice}'" for choice in _CHOICES[flag])
            raise _wrong(flag, f"invalid choice: '{value}' (choose from {listed})")


def _wrong(flag: str, text: str) -> UsageError:
    return UsageError(f"{_SERVE_USAGE}vllm serve: error: argument {_SHOWN.get(flag, flag)}: {text}")


def context_of(text: str) -> int | str | None:
    """`--max-model-len`: a number (8192, 8k = 8000, 8K = 8192), AUTO, or None for neither."""
    if text in (AUTO, "-1"):
        return AUTO
    match = _SIZE.fullmatch(text)
    if match is None or ("." in match[1] and match[2] is None):
        return None
    return int(float(match[1]) * (_DECIMAL | _BINARY).get(match[2] or "", 1))
