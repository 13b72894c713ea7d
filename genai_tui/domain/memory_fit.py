"""Whether a model fits into the memory of the GPUs of one replica.

The KV cache follows from the model's shape where its files are known (`domain.model_shape`). Else it is bounded from
above by the number of parameters, and every sentence made of it says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from genai_tui.domain.model_shape import ModelShape

MIB = 2**20
DEFAULT_UTILIZATION = 0.9
"""Share of each GPU's memory that the engine takes: what vLLM takes when nothing else is asked."""
ACTIVATIONS_MIB = 2_048
"""Allowance for activations and captured graphs on each GPU, within that share. Assumed: it varies with the batch."""
WIDTH_PER_LAYER = 16
CHANGE_WEIGHTS = ("--quantization", "-q", "--dtype", "--load-format")
"""Arguments that make an engine hold weights otherwise than they are in the files."""
SMALLEST_WEIGHT = 0.5
"""Bytes of a parameter in the smallest common quantization, 4 bits."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Bytes of a parameter as the engine holds it, and how that is known."""

    width: float
    name: str


def weights_of(arguments: Sequence[str], *names: str) -> Weights:
    """What the engine's arguments and the names of the checkpoint say of the weights; 16 bits when nothing.

    A word that tells bits (`INT8`) counts before one that tells a method, which has usual bits alone: GPTQ may be of 4
    or of 8. Four-bit formats keep a scale (and some a zero point) for each group of 32 to 128 parameters: half a bit
    more. https://docs.vllm.ai/en/latest/features/quantization/
    """
    asked = (argument(arguments, "--quantization") or argument(arguments, "-q") or "").lower()
    words = [re.split(r"[^a-z0-9]+", text.lower()) for text in (asked, " ".join(names))]
    # What the engine is told to do to the weights counts before what they are called.
    for formats, said in ((table, found) for table in (_BITS, _METHODS) for found in words):
        for width, known in formats:
            name = next((word for word in known if word in said), None)
            if name is not None:
                return Weights(width, f"{4 if width < 1 else 8}-bit weights ({name})")
    if argument(arguments, "--dtype") in ("float", "float32"):
        return Weights(4, "32-bit weights")
    return Weights(2, "16-bit weights")


_FOUR, _EIGHT = 0.5625, 1
_BITS: tuple[tuple[float, tuple[str, ...]], ...] = (
    (_FOUR, ("w4a16", "w4a8", "int4", "4bit", "nvfp4", "mxfp4", "fp4", "nf4", "q4")),
    (_EIGHT, ("fp8", "mxfp8", "int8", "w8a8", "w8a16", "8bit", "q8")),
)
_METHODS: tuple[tuple[float, tuple[str, ...]], ...] = (
    (_FOUR, ("awq", "gptq", "bitsandbytes", "bnb", "marlin")),
    (_EIGHT, ("modelopt",)),
)
"""Bytes of a parameter, and the words by which quantized checkpoints and vLLM's --quantization are known."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What one replica needs and has, in bytes; `token` is the KV cache of one token, or a bound where not `exact`."""

    weights: int
    usable: int
    token: int
    exact: bool = False

    @property
    def left(self) -> int:
        """Bytes for the KV cache; negative when the weights alone do not fit."""
        return self.usable - self.weights

    @property
    def largest_context(self) -> int:
        """Tokens that fit, as far as the weights and the allowance for activations are as assumed."""
        return max(0, self.left // self.token)


def weight_bytes(parameters: int, width: float = 2) -> int:
    """Bytes of the weights: parameters times bytes of each (2 for the usual 16-bit formats)."""
    return int(parameters * width)


def token_bound(parameters: int) -> int:
    """At most so many bytes of 16-bit KV cache for each token.

    One token keeps a key and a value of width `d` in each of `L` layers: 2 · 2 bytes · L · d, if every head has its own
    (grouped-query models need 4 to 8 times less). A transformer has about 12 · L · d² parameters (Kaplan et al. 2020,
    arXiv:2001.08361, section 2.1, without embeddings). With d = a · L follows L · d = (N / 12)^(2/3) · a^(-1/3), which
    is largest for the narrowest models; a = 16 is narrower than SmolLM2-135M (19) and Llama (64 to 128).
    """
    return max(1, int(4 * (parameters / 12) ** (2 / 3) * WIDTH_PER_LAYER ** (-1 / 3)))


def fit(
    weights: int,
    gpu_memory_mib: int,
    gpus: int,
    *,
    utilization: float,
    parameters: int,
    cache_width: float = 2,
    shape: ModelShape | None = None,
) -> Fit:
    """A model split over the GPUs of one replica (tensor parallel), each holding an equal share.

    Args:
        weights: bytes of the model's weights.
        gpu_memory_mib: memory of each GPU.
        gpus: GPUs of one replica, at least 1.
        utilization: share of that memory which the engine may take, above 0 and at most 1.
        parameters: of the model, which bound the KV cache where the shape is not known.
        cache_width: bytes of each number in the KV cache.
        shape: the model's attention, where it is known.
    """
    usable = max(0, int((gpu_memory_mib * utilization - ACTIVATIONS_MIB) * MIB * gpus))
    if shape is not None:
        return Fit(weights, usable, max(1, shape.token_bytes(gpus, cache_width)), shape.exact)
    return Fit(weights, usable, max(1, int(token_bound(parameters) * cache_width / 2)))


def argument(arguments: Sequence[str], name: str) -> str | None:
    """The value of a command line argument, written as `--name value` or `--name=value`; the last one counts."""
    found = None
    for index, text in enumerate(arguments):
        if text.startswith(f"{name}="):
            found = text.partition("=")[2]
        elif text == name and index + 1 < len(arguments):
            found = arguments[index + 1]
    return found
