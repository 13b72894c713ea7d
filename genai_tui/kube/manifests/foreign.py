"""Recognizing what others deployed: Deployments that run vLLM or NIM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from genai_tui.domain.cluster import ContainerSpec


@dataclass(frozen=True, slots=True)
class Identified:
    """A container that runs an engine: which, with what model, under which names it answers."""

    engine: str
    container: ContainerSpec
    model: str | None
    served_names: tuple[str, ...]


def identify(containers: tuple[ContainerSpec, ...]) -> Identified | None:
    """The first container that runs vLLM or NIM, by image or by command; None when none does."""
    for container in containers:
        repository = container.image.split("@")[0].rsplit(":", 1)[0]
        words = [*container.command, *container.args]
        if "vllm" in repository.rsplit("/", 1)[-1] or "vllm" in (w.rsplit("/", 1)[-1] for w in words[:3]):
            model, names = _vllm_names(words)
            return Identified("vllm", container, model, names or ((model,) if model else ()))
        if "/nim/" in repository or any(name.startswith("NIM_") for name in container.env):
            served = container.env.get("NIM_SERVED_MODEL_NAME", "")
            names = tuple(name.strip() for name in served.split(",") if name.strip())
            return Identified("nim", container, names[0] if names else repository.split("/nim/")[-1], names)
    return None


def _vllm_names(words: list[str]) -> tuple[str | None, tuple[str, ...]]:
    """The model (positional after `serve`, or --model) and the values of --served-model-name."""
    model: str | None = None
    names: list[str] = []
    flag = "serve-model" if "serve" not in words else ""
    for word in _after_serve(words):
        if word.startswith("--"):
            flag, equals, value = word.partition("=")
            if not equals:
                continue
            word = value
        if flag == "--served-model-name":
            names.append(word)
        elif flag == "--model" or (flag in ("", "serve-model") and model is None):
            model = word
    return model, tuple(names)


def _after_serve(words: list[str]) -> Iterator[str]:
    start = words.index("serve") + 1 if "serve" in words else 0
    yield from words[start:]
