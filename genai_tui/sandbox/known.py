"""What the simulated world knows of images and models: sizes, times, limits. Approximate, and only for show."""

from __future__ import annotations

import re
from dataclasses import dataclass

REGISTRY_BYTES_PER_S = 1_200_000_000
HUB_BYTES_PER_S = 600_000_000
LOAD_BYTES_PER_S = 4_000_000_000
_VLLM_TAG = re.compile(r"v0\.(\d+)\.\d+(?:\.post\d+)?|latest|nightly")


@dataclass(frozen=True, slots=True)
class Image:
    """An image of a registry; `problem` is what the registry answers instead."""

    size: int
    engine: str | None = None
    private: bool = False
    problem: str | None = None


def image(reference: str) -> Image:
    """The image behind a reference."""
    repository, _, tag = reference.split("@")[0].rpartition(":")
    if not repository or "/" in tag:
        repository, tag = reference, "latest"
    if repository.endswith("vllm/vllm-openai"):
        if not _VLLM_TAG.fullmatch(tag):
            return Image(0, problem="not found")
        return Image(9_800_000_000, "vllm")
    if repository.startswith("nvcr.io/nim/"):
        return Image(14_200_000_000, "nim", private=True)
    if repository.startswith("nvcr.io/"):
        return Image(6_000_000_000, None, private="dcgm" not in repository and "k8s" not in repository)
    if "missing" in reference or "bad-image" in reference:
        return Image(0, problem="not found")
    return Image(166_837_544)


@dataclass(frozen=True, slots=True)
class Model:
    """A model's shape: parameters, longest context, layers, heads, key-value heads, size of a head."""

    parameters: int
    context: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    gated: bool = False

    @property
    def weights(self) -> int:
        """Bytes at two a parameter."""
        return 2 * self.parameters

    @property
    def kv_bytes_per_token(self) -> int:
        """Keys and values of every layer at two bytes."""
        return 2 * self.layers * self.kv_heads * self.head_size * 2


_MODELS = (
    ("smollm2-135m", Model(134_515_008, 8192, 30, 9, 3, 64)),
    ("smollm2-1.7b", Model(1_711_376_384, 8192, 24, 32, 32, 64)),
    ("llama-3.1-8b", Model(8_030_000_000, 131_072, 32, 32, 8, 128, gated=True)),
    ("llama-3.3-70b", Model(70_600_000_000, 131_072, 80, 64, 8, 128, gated=True)),
    ("llama-3.1-70b", Model(70_600_000_000, 131_072, 80, 64, 8, 128, gated=True)),
    ("mixtral-8x7b", Model(46_700_000_000, 32_768, 32, 32, 8, 128)),
    ("mistral-7b", Model(7_250_000_000, 32_768, 32, 32, 8, 128)),
    ("qwen2.5-7b", Model(7_610_000_000, 32_768, 28, 28, 4, 128)),
    ("qwen2.5-0.5b", Model(494_000_000, 32_768, 24, 14, 2, 64)),
    ("bge-m3", Model(568_000_000, 8192, 24, 16, 16, 64)),
)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)b(?![a-z])")


def model(name: str) -> Model:
    """The shape of a model by its repository's name; of an unknown one guessed from the size in its name."""
    lower = name.lower()
    for known, shape in _MODELS:
        if known in lower:
            return shape
    size = _SIZE.search(lower)
    parameters = int(float(size[1]) * 1e9) if size else 1_000_000_000
    return Model(parameters, 32_768, 32, 32, 8, 128)
