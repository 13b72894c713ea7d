"""What a model's files tell: published geometries, and whatever else stands in a file is no reason to fail."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.model_shape import ModelShape, read_quantization, read_shape, read_weights

LAYER_TYPES = (["linear_attention"] * 3 + ["full_attention"]) * 8


# The fields that count of published files: a dense model, one with grouped queries and a head of its own size, one
# inside a model that sees, one with compressed keys and values, one whose layers are mostly linear, one that slides.
@pytest.mark.parametrize(
    ("config", "shape", "a_token"),
    [
        (
            {"hidden_size": 4096, "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8},
            ModelShape(32, 32, 8, 128),
            131_072,
        ),
        (
            {"hidden_size": 2048, "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8}
            | {"head_dim": 128, "sliding_window": None, "use_sliding_window": False},
            ModelShape(28, 16, 8, 128),
            114_688,
        ),
        ({"n_embd": 768, "n_head": 12, "n_layer": 12}, ModelShape(12, 12, 12, 64), 36_864),
        (
            {"hidden_size": 4544, "num_attention_heads": 71, "num_hidden_layers": 32, "multi_query": True},
            ModelShape(32, 71, 1, 64),
            8_192,
        ),
        (
            {"vision_config": {"hidden_size": 1152, "num_hidden_layers": 27}}
            | {"text_config": {"num_hidden_layers": 48, "num_attention_heads": 16, "num_key_value_heads": 8}}
            | {"hidden_size": 1}
            | {"text_config": {"num_hidden_layers": 48, "num_attention_heads": 16, "num_key_value_heads": 8}
               | {"head_dim": 256, "sliding_window": 1024}},
            ModelShape(48, 16, 8, 256, exact=False),
            393_216,
        ),
        (
            {"num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128, "hidden_size": 7168}
            | {"kv_lora_rank": 512, "qk_rope_head_dim": 64},
            ModelShape(61, 128, 1, 576, 576),
            70_272,
        ),
        (
            {"text_config": {"num_hidden_layers": 32, "num_attention_heads": 16, "num_key_value_heads": 4}
             | {"head_dim": 256, "layer_types": LAYER_TYPES}},
            ModelShape(8, 16, 4, 256),
            32_768,
        ),
        (
            {"hidden_size": 4096, "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8}
            | {"sliding_window": 4096},
            ModelShape(32, 32, 8, 128, exact=False),
            131_072,
        ),
    ],
)  # fmt: skip
def test_published_geometries(config: dict[str, Any], shape: ModelShape, a_token: int) -> None:
    assert read_shape(config) == shape
    assert shape.token_bytes(1, 2) == a_token


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"num_hidden_layers": 32},
        {"num_hidden_layers": 32, "num_attention_heads": 32},
        {"num_hidden_layers": 32, "num_attention_heads": 32, "hidden_size": 16},
        # Layers that differ from each other.
        {"num_hidden_layers": 3, "num_attention_heads": [12, 16, 20], "hidden_size": 64},
        {"num_hidden_layers": 3, "num_attention_heads": 8, "num_key_value_heads": [1, 2, 4], "hidden_size": 64},
        {"num_hidden_layers": 32, "num_attention_heads": True, "hidden_size": 64},
    ],
)
def test_what_a_file_leaves_open_is_not_known(config: dict[str, Any]) -> None:
    assert read_shape(config) is None


def test_layers_of_no_known_kind_count_and_make_it_a_bound() -> None:
    config = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64, "layer_types": [["a"], {"b": 1}]}
    assert read_shape(config) == ModelShape(2, 4, 4, 16, exact=False)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from([
    "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "hidden_size", "head_dim", "layer_types",
    "kv_lora_rank", "qk_rope_head_dim", "multi_query", "text_config", "quantization_config", "sliding_window",
])  # fmt: skip


@given(st.dictionaries(NAMES, ODD | st.integers(-3, 64)), st.integers(1, 16), st.sampled_from([1.0, 2.0]))
def test_whatever_stands_in_a_file_is_a_shape_or_not_known(config: dict[str, Any], gpus: int, width: float) -> None:
    shape = read_shape(config)
    if shape is not None:
        assert shape.token_bytes(gpus, width) >= shape.token_bytes(1, width) > 0
        assert shape.splits(gpus)[0] == 1
    assert isinstance(read_quantization(config), str)


@given(ODD)
def test_whatever_a_hub_counts_is_weights_or_not_known(odd: object) -> None:
    assert read_weights(odd) == (None, None)
    assert read_weights({"parameters": odd, "total": 3}) == (None, None)


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        ({"BF16": 8_030_261_248}, (8_030_261_248, 16_060_522_496)),
        ({"F32": 100}, (100, 200)),  # held in 16 bits when the engine is told nothing
        ({"BF16": 10, "F8_E4M3": 100}, (110, 120)),
        ({"I32": 10, "F16": 100}, (None, None)),  # packed: what is counted is not known
        ({"BF16": -1}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_weights_by_what_the_hub_counts(counts: dict[str, int], found: tuple[int | None, int | None]) -> None:
    assert read_weights({"parameters": counts}) == found


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (None, ""),
        ({"quant_method": "awq", "bits": 4}, "awq 4bit"),
        ({"quant_method": "gptq", "bits": 8}, "gptq 8bit"),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes 4bit"),
        ({"quant_method": 7, "bits": "many"}, ""),
    ],
)
def test_how_weights_are_quantized(told: object, words: str) -> None:
    assert read_quantization({"quantization_config": told}) == words
