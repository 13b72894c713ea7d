"""Deployments of others are recognized by image or command, with their model and names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.catalogue import ModelSpec
from genai_tui.domain.cluster import ContainerSpec
from genai_tui.domain.documents import ModelDeployment
from genai_tui.engines import vllm
from genai_tui.kube.manifests.foreign import identify
from tests.strategies import renderable


def container(image: str, *words: str, args: tuple[str, ...] = (), **env: str) -> ContainerSpec:
    return ContainerSpec("c", image, command=words, args=args, env=env)


@pytest.mark.parametrize(
    ("given_container", "engine", "model", "names"),
    [
        (container("vllm/vllm-openai:v0.9", args=("--model", "a/b")), "vllm", "a/b", ("a/b",)),
        (container("vllm/vllm-openai", args=("a/b", "--port", "80")), "vllm", "a/b", ("a/b",)),
        (container("host:5000/vllm", "vllm", "serve", "a/b"), "vllm", "a/b", ("a/b",)),
        (container("x", "/bin/vllm", "serve", "a", "--served-model-name", args=("x", "y")), "vllm", "a", ("x", "y")),
        (container("x", "vllm", "serve", "a/b", "--served_model_name=x"), "vllm", "a/b", ("x",)),
        (container("x", "vllm", "serve", "a/b", "-tp", "2"), "vllm", "a/b", ("a/b",)),
        (container("x", "python3", "-m", "vllm.entrypoints.openai.api_server", "--model=a/b"), "vllm", "a/b", ("a/b",)),
        (container("x", "/bin/sh", "-c", args=("vllm serve a/b --trust-remote-code",)), "vllm", "a/b", ("a/b",)),
        (
            container("x", "bash", "-c", "pip install y && exec vllm serve 'a/b' --served-model-name n; sleep 1"),
            "vllm", "a/b", ("n",),
        ),
        (container("x", "sh", "-c", "vllm serve 'a/b"), "vllm", "'a/b", ("'a/b",)),
        (container("vllm/vllm-openai"), "vllm", None, ()),
        (container("nvcr.io/nim/meta/llama-3.1-8b:1.8"), "nim", "meta/llama-3.1-8b", ()),
        (
            container("mirror/x", NIM_SERVED_MODEL_NAME="a, b", NIM_MODEL_PATH="hf://o/m"),
            "nim", "hf://o/m", ("a", "b"),
        ),
    ],
)  # fmt: skip
def test_engines_are_recognized(
    given_container: ContainerSpec, engine: str, model: str | None, names: tuple[str, ...]
) -> None:
    sidecar = container("istio/proxyv2:1.24", "/usr/local/bin/pilot-agent")
    found = identify((sidecar, given_container))
    assert found is not None
    assert (found.engine, found.model, found.served_names) == (engine, model, names)
    assert found.container is given_container


@pytest.mark.parametrize(
    "other",
    [
        container("nginx:1.27"),
        container("nginx", "sh", "-c", "echo serve"),
        container("vllm/vllm-router:v1"),
        container("x", "serve", "a/b"),
        container(""),
    ],
)
def test_others_are_not(other: ContainerSpec) -> None:
    assert identify((other,)) is None
    assert identify(()) is None


@given(renderable())
def test_what_we_render_is_recognized_too(pair: tuple[ModelDeployment, ModelSpec]) -> None:
    document, model = pair
    if document.spec.engine.type != "vllm":
        return
    rendered = vllm.parts(document.spec, model, document.metadata.name).container
    found = identify((container(rendered["image"], *rendered["command"], args=tuple(rendered["args"])),))
    assert found is not None
    assert (found.engine, found.model) == ("vllm", rendered["args"][0])
    assert found.served_names[0] == document.metadata.name


WORDS = st.lists(
    st.one_of(st.text(max_size=12), st.sampled_from(["vllm", "serve", "sh", "-c", "--model", "'"])), max_size=6
)


@given(st.text(max_size=30), WORDS, WORDS)
def test_any_container_is_answered(image: str, command: list[str], args: list[str]) -> None:
    found = identify((container(image, *command, args=tuple(args)),))
    assert found is None or found.engine in ("vllm", "nim")
