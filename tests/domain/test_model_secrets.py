"""Secrets of engines, as they are written to a cluster."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.model_secrets import MissingSecret, problem_of, registry_of, to_object

TOKEN = MissingSecret("team-a", "hf", "token", "HF_TOKEN")
NGC = MissingSecret("team-a", "ngc-pull", registry="nvcr.io")
OTHER = MissingSecret("team-a", "pull", registry="registry.example:5000")
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)


@given(VALUES)
def test_a_token_stands_under_its_key_and_nowhere_else(value: str) -> None:
    item = to_object(TOKEN, f" {value}\n")
    assert {key: base64.b64decode(text).decode() for key, text in item["data"].items()} == {"token": value}
    assert (item["type"], item["metadata"]["name"], item["metadata"]["namespace"]) == ("Opaque", "hf", "team-a")
    assert value not in json.dumps(item["metadata"]) or len(value) < 10


@given(VALUES, VALUES)
def test_credentials_are_read_back_as_a_container_runtime_does(value: str, user: str) -> None:
    """https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/"""
    for missing, name in ((NGC, "$oauthtoken"), (OTHER, user)):
        item = to_object(missing, value, user)
        assert item["type"] == "kubernetes.io/dockerconfigjson"
        (entry,) = json.loads(base64.b64decode(item["data"][".dockerconfigjson"]))["auths"].items()
        assert entry[0] == missing.registry
        assert base64.b64decode(entry[1]["auth"]).decode() == f"{name}:{value}"
        assert (entry[1]["username"], entry[1]["password"]) == (name, value)


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("nvcr.io/nim/meta/llama:1.8", "nvcr.io"),
        ("vllm/vllm-openai:v0.33.0", "https://index.docker.io/v1/"),
        ("busybox", "https://index.docker.io/v1/"),
        ("localhost/vllm", "localhost"),
        ("registry:5000/vllm@sha256:0", "registry:5000"),
    ],
)
def test_the_registry_of_an_image(image: str, registry: str) -> None:
    assert registry_of(image) == registry


def test_what_cannot_be_a_value_is_said() -> None:
    assert problem_of("  ") == "nothing is typed"
    assert "line breaks" in problem_of("hf_a\nhf_b")
    assert problem_of(" hf_abc\n") == ""
