"""What the simulated world knows of images and models: sizes, speeds, limits.

Figures of models are those of their published configurations; sizes of images and speeds of networks are typical, so
that a person sees every phase, and only for show.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

REGISTRY_BYTES_PER_S = 1_800_000_000
HUB_BYTES_PER_S = 900_000_000
LOAD_BYTES_PER_S = 4_000_000_000
_VLLM_TAG = re.compile(r"v0\.\d+\.\d+(?:\.post\d+)?(?:-\w+)*|latest|nightly(?:-\w+)*")
_NIM_TAG = re.compile(r"(\d+)(?:\.\d+)*(?:-\w+)*|latest")
_REFERENCE = re.compile(
    r"[A-Za-z0-9](?:[\w.-]*[\w])?(?::\d+)?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)


@dataclass(frozen=True, slots=True)
class Image:
    """An image of a registry: its size in bytes; `problem` is what the registry answers instead of it.

    `engine` is vllm or nim; `generation` the NIM's major version; `private` images need a login for `host`.
    """

    size: int
    engine: str | None = None
    generation: int = 2
    private: bool = False
    problem: str | None = None
    host: str = "docker.io"


def valid_reference(reference: str) -> bool:
    """Whether a reference has the form of an image name."""
    repository = reference.split("@")[0]
    path = repository.rsplit(":", 1)[0] if ":" in repository.rsplit("/", 1)[-1] else repository
    return _REFERENCE.fullmatch(reference) is not None and path == path.lower()


def image(reference: str) -> Image:
    """The image behind a reference."""
    repository, _, tag = reference.split("@")[0].rpartition(":")
    if not repository or "/" in tag:
        repository, tag = reference.split("@")[0], "latest"
    host = repository.split("/")[0] if "." in repository.split("/")[0] else "docker.io"
    if "missing" in reference or "bad-image" in reference:
        return Image(0, problem="not found", host=host)
    if "private" in repository:
        return Image(1_200_000_000, private=True, host=host)
    if repository.endswith("vllm/vllm-openai"):
        if not _VLLM_TAG.fullmatch(tag):
            return Image(0, problem="not found", host=host)
        return Image(9_800_000_000, "vllm", host=host)
    if repository.startswith("nvcr.io/nim/"):
        match = _NIM_TAG.fullmatch(tag)
        if match is None:
            return Image(0, problem="not found", host=host)
        return Image(14_200_000_000, "nim", int(match[1] or 2), private=True, host=host)
    if host == "nvcr.io":
        is_open = repository.startswith(("nvcr.io/nvidia/k8s/", "nvcr.io/nvidia/cuda"))
        return Image(620_000_000 if is_open else 6_000_000_000, private=not is_open, host=host)
    return Image(166_837_544, host=host)


@dataclass(frozen=True, slots=True)
class Model:
    """A model's shape: parameters, longest context, layers, heads, key-value heads, size of a head, bytes a weight."""

    parameters: int
    context: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    gated: bool = False
    bytes_per_weight: float = 2.0

    @property
    def weights(self) -> int:
        """Bytes of all weights."""
        return int(self.parameters * self.bytes_per_weight)

    @property
    def kv_bytes_per_token(self) -> int:
        """Keys and values of every layer at two bytes."""
        return 2 * self.layers * self.kv_heads * self.head_size * 2


_MODELS = (
    ("smollm2-135m", Model(134_515_008, 8192, 30, 9, 3, 64)),
    ("smollm2-360m", Model(361_821_120, 8192, 32, 15, 5, 64)),
    ("smollm2-1.7b", Model(1_711_376_384, 8192, 24, 32, 32, 64)),
    ("llama-3.2-1b", Model(1_235_814_400, 131_072, 16, 32, 8, 64, gated=True)),
    ("llama-3.2-3b", Model(3_212_749_824, 131_072, 28, 24, 8, 128, gated=True)),
    ("llama-3.1-8b", Model(8_030_261_248, 131_072, 32, 32, 8, 128, gated=True)),
    ("llama-3.3-70b", Model(70_553_706_496, 131_072, 80, 64, 8, 128, gated=True)),
    ("llama-3.1-70b", Model(70_553_706_496, 131_072, 80, 64, 8, 128, gated=True)),
    ("mixtral-8x7b", Model(46_702_792_704, 32_768, 32, 32, 8, 128)),
    ("mistral-7b", Model(7_248_023_552, 32_768, 32, 32, 8, 128)),
    ("qwen2.5-0.5b", Model(494_032_768, 32_768, 24, 14, 2, 64)),
    ("qwen2.5-7b", Model(7_615_616_512, 32_768, 28, 28, 4, 128)),
    ("qwen2.5-32b", Model(32_763_876_352, 32_768, 64, 40, 8, 128)),
    ("qwen3-0.6b", Model(596_049_920, 40_960, 28, 16, 8, 128)),
    ("gemma-2-9b", Model(9_241_705_984, 8192, 42, 16, 8, 256, gated=True)),
    ("bge-m3", Model(567_754_752, 8192, 24, 16, 16, 64)),
)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)b(?![a-z])")
_SMALL_WEIGHTS = {"fp8": 1.0, "int8": 1.0, "w8a8": 1.0, "awq": 0.56, "gptq": 0.56, "int4": 0.56, "w4a16": 0.56}


def model(name: str, quantization: str = "") -> Model:
    """The shape of a model by its repository's name; of an unknown one guessed from the size in its name."""
    lower = name.lower()
    shape = next((shape for known, shape in _MODELS if known in lower), None) or _guessed(lower)
    weight = next((size for mark, size in _SMALL_WEIGHTS.items() if mark in lower or mark in quantization.lower()), 2.0)
    return Model(
        shape.parameters,
        shape.context,
        shape.layers,
        shape.heads,
        shape.kv_heads,
        shape.head_size,
        shape.gated,
        weight,
    )


def _guessed(lower: str) -> Model:
    size = _SIZE.search(lower)
    parameters = int(float(size[1]) * 1e9) if size else 1_000_000_000
    return Model(parameters, 32_768, 32, 32, 8, 128)


def exists_on_hub(name: str) -> bool:
    """Whether the simulated model hub has a repository of this name."""
    return name.count("/") <= 1 and "no-such" not in name and "missing" not in name
