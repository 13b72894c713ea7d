"""What a model's own files say of it: its attention, from which the KV cache follows, and the bytes of its weights.

The names are those of `config.json` as transformers writes it; which of them count, and in which order, is what vLLM
goes by. What a file leaves open is not known, and never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

_LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_HEADS = ("num_attention_heads", "n_head", "n_heads")
_KV_HEADS = ("n_head_kv", "num_kv_heads", "num_key_value_heads", "multi_query_group_num")
_HEAD_SIZE = ("head_dim", "hidden_size_per_head")
_HIDDEN = ("hidden_size", "n_embd", "d_model")
_TEXT = ("text_config", "llm_config", "language_config")
"""Where a model that also sees or hears keeps what it is as a language model."""
_KEPT_ELSEWHERE = frozenset({"linear_attention", "mamba", "conv", "recurrent"})
"""Kinds of layers whose state does not grow with the context."""
_UNEVEN = (
    "layers_block_type", "hybrid_override_pattern", "attn_layer_period", "sliding_window_pattern", "block_configs",
)  # fmt: skip
"""Layers are not all alike, in ways that are not read here."""
_SANE = 10**7
_FLOATS = {"F64": 2, "F32": 2, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1}
"""Bytes of a number as the engine holds it when it is told nothing: of the wider ones half the width is kept."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The attention of a model.

    `layers` are those whose KV cache grows with the context; `latent` numbers a token and layer stand for all heads
    where keys and values are compressed together (multi-head latent attention), else 0. `exact` is False where some
    layers keep less than what is computed (a sliding window): then it is a bound.
    """

    layers: int
    heads: int
    kv_heads: int
    head_size: int
    latent: int = 0
    exact: bool = True

    def token_bytes(self, tensor_parallel: int, width: float) -> int:
        """KV cache of one token on all GPUs of a replica together, in bytes.

        A key and a value for each layer, head and place of the head (grouped queries: Ainslie et al. 2023,
        arXiv:2305.13245). Each GPU keeps its share of the heads, and at least one; keys and values that are compressed
        together (DeepSeek-AI 2024, arXiv:2405.04434, section 2.1) are kept whole on each.

        Args:
            tensor_parallel: GPUs that a replica is split over.
            width: bytes of each number.
        """
        if self.latent:
            return int(self.layers * self.latent * tensor_parallel * width)
        heads = -(-self.kv_heads // tensor_parallel) * tensor_parallel
        return int(2 * self.layers * heads * self.head_size * width)

    def splits(self, most: int) -> tuple[int, ...]:
        """Over how many GPUs, up to `most`, the heads can be split evenly."""
        return tuple(count for count in range(1, most + 1) if self.heads % count == 0)


@dataclass(frozen=True, slots=True)
class Files:
    """What the files of a model say; None and "" where they, or nobody, say it.

    `parameters` are counted, `weights` their bytes as the engine holds them when it is told nothing else,
    `quantization` the method and the bits in words.
    """

    shape: ModelShape | None = None
    parameters: int | None = None
    weights: int | None = None
    quantization: str = ""


NO_FILES = Files()


def read_shape(config: Json) -> ModelShape | None:
    """The attention a `config.json` tells of; None when it leaves something open."""
    text = next((part for name in _TEXT if isinstance(part := config.get(name), Mapping)), config)
    layers, heads = _first(text, _LAYERS), _first(text, _HEADS)
    if layers is None or heads is None:
        return None
    exact = not any(text.get(name) for name in _UNEVEN)
    types = text.get("layer_types")
    if isinstance(types, list | tuple) and len(types) == layers:
        growing = [kind for kind in types if not (isinstance(kind, str) and kind in _KEPT_ELSEWHERE)]
        layers = len(growing)
        exact = exact and all(kind == "full_attention" for kind in growing)
    elif text.get("sliding_window") and text.get("use_sliding_window") is not False:
        exact = False
    latent, rope = _first(text, ("kv_lora_rank",)), _first(text, ("qk_rope_head_dim",))
    if latent is not None and rope is not None:
        return ModelShape(layers, heads, 1, latent + rope, latent + rope, exact) if layers else None
    said = next((text[name] for name in _KV_HEADS if text.get(name) is not None), None)
    if text.get("multi_query") is True and not text.get("new_decoder_architecture"):
        said = 1
    kv_heads = heads if said is None else _whole(said)
    size = _first(text, _HEAD_SIZE)
    hidden = _first(text, _HIDDEN)
    if size is None and hidden is not None:
        size = hidden // heads or None
    if kv_heads is None or size is None or not layers:
        return None
    return ModelShape(layers, heads, kv_heads, size, 0, exact)


def read_quantization(config: Json) -> str:
    """Method and bits of quantized weights, as `awq 4bit`; empty when none are told."""
    told = config.get("quantization_config") or config.get("compression_config")
    if not isinstance(told, Mapping):
        return ""
    method, bits = told.get("quant_method"), _whole(told.get("bits"))
    if method == "bitsandbytes":
        bits = 4 if told.get("load_in_4bit") or told.get("_load_in_4bit") else 8
    words = [method if isinstance(method, str) else "", f"{bits}bit" if bits in (4, 8) else ""]
    return " ".join(word for word in words if word)


def read_weights(safetensors: object) -> tuple[int | None, int | None]:
    """Parameters and bytes of the weights, from how many numbers of each kind the hub counts in a repository.

    Neither where kinds are packed: there hubs count what is packed, or what it stands for.
    https://huggingface.co/docs/safetensors/metadata_parsing

    Args:
        safetensors: of the hub's answer, as `{"parameters": {"BF16": 8030261248}, "total": 8030261248}`.
    """
    counts = safetensors.get("parameters") if isinstance(safetensors, Mapping) else None
    if not isinstance(counts, Mapping) or not counts:
        return (None, None)
    parameters = total = 0
    for kind, said in counts.items():
        if kind not in _FLOATS or not isinstance(said, int) or isinstance(said, bool) or said <= 0:
            return (None, None)
        parameters += said
        total += said * _FLOATS[kind]
    return (parameters, total)


def _first(text: Json, names: tuple[str, ...]) -> int | None:
    return next((found for name in names if (found := _whole(text.get(name))) is not None), None)


def _whole(value: object) -> int | None:
    """A number of something; lists, as of layers that differ, are none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _SANE else None
