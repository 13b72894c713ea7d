"""Recognizing what others deployed: Deployments that run vLLM or NIM."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from genai_tui.domain.cluster import ContainerSpec
from genai_tui.engines.arguments import canonical

_SHELLS = ("sh", "bash", "ash", "dash")
_SERVER_MODULE = "vllm.entrypoints.openai.api_server"
_NOT_ENGINES = ("router", "exporter", "proxy", "gateway", "benchmark")
_LONGEST_SCRIPT = 20_000


@dataclass(frozen=True, slots=True)
class Identified:
    """A container that runs an engine: which, with what model, under which names it answers (empty: not known)."""

    engine: str
    container: ContainerSpec
    model: str | None
    served_names: tuple[str, ...]


def identify(containers: tuple[ContainerSpec, ...]) -> Identified | None:
    """The first container that runs vLLM or NIM, by image or by command; None when none does. Never raises."""
    for container in containers:
        found = _nim(container) or _vllm(container)
        if found is not None:
            return found
    return None


def _repository(image: str) -> str:
    """The image without tag and digest; a port of the registry is no tag."""
    host, slash, last = image.split("@")[0].rpartition("/")
    return f"{host}{slash}{last.split(':')[0]}"


def _nim(container: ContainerSpec) -> Identified | None:
    repository = _repository(container.image)
    if "/nim/" not in repository and not any(name.startswith("NIM_") for name in container.env):
        return None
    served = container.env.get("NIM_SERVED_MODEL_NAME", "")
    names = tuple(name.strip() for name in served.split(",") if name.strip())
    model = container.env.get("NIM_MODEL_PATH") or container.env.get("NIM_MODEL_NAME")
    if not model:
        model = repository.split("/nim/")[-1] if "/nim/" in repository else next(iter(names), None)
    return Identified("nim", container, model, names)


def serve_arguments(container: ContainerSpec) -> list[str]:
    """What `vllm serve` is told in a container that runs it."""
    words = _words(container)
    arguments = _after_command(words)
    if arguments is not None:
        return arguments
    # The image's own entrypoint is `vllm serve`, or the server module in older ones.
    return words[words.index("serve") + 1 :] if "serve" in words else words


def _vllm(container: ContainerSpec) -> Identified | None:
    if _after_command(_words(container)) is None:
        name = _repository(container.image).rsplit("/", 1)[-1]
        if "vllm" not in name or any(other in name for other in _NOT_ENGINES):
            return None
    model, names = _model_and_names(serve_arguments(container))
    return Identified("vllm", container, model, names or ((model,) if model else ()))


def _words(container: ContainerSpec) -> list[str]:
    """Command and arguments; the script of `sh -c` is taken apart as the shell would, up to what it cannot know."""
    words = [*container.command, *container.args]
    if words and words[0].rsplit("/", 1)[-1] in _SHELLS:
        script = next((word for word in words[1:] if not word.startswith("-")), "")[:_LONGEST_SCRIPT]
        lexer = shlex.shlex(script, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:
            words = script.split()
    return words


def _after_command(words: Sequence[str]) -> list[str] | None:
    """What follows `vllm serve` or `python -m vllm.entrypoints...`; None when neither is there."""
    for i, word in enumerate(words):
        if word == _SERVER_MODULE:
            return _this_command(words[i + 1 :])
        if word == "serve" and i > 0 and words[i - 1].rsplit("/", 1)[-1] == "vllm":
            return _this_command(words[i + 1 :])
    return None


def _this_command(words: Sequence[str]) -> list[str]:
    end = next((i for i, word in enumerate(words) if word and not word.strip("();<>|&")), len(words))
    return list(words[:end])


def _model_and_names(words: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """The model (positional, or --model) and the values of --served-model-name."""
    model: str | None = None
    names: list[str] = []
    flag: str | None = None
    for word in words:
        option = canonical(word)
        if option is not None:
            flag, value = option, word.partition("=")[2]
            if not value:
                continue
            word = value
        if flag == "--served-model-name":
            names.append(word)
        elif flag == "--model" or (flag is None and model is None):
            model = word
    return model, tuple(names)
