"""Quantities, money and names: the arithmetic and grammar that everything else rests on."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genai_tui.domain import naming
from genai_tui.domain.catalogue import parameter_count
from genai_tui.domain.currencies import currencies
from genai_tui.domain.money import Cost, Price, cost_of, plain, total
from genai_tui.domain.quantities import LARGEST, format_bytes, parse_quantity
from genai_tui.domain.usage import TokenUsage

TOKENS = st.integers(0, 10**12)
AMOUNTS = st.decimals(0, 10**8, places=9)
PRICES = st.builds(Price, st.sampled_from(["USD", "EUR", "JPY"]), AMOUNTS, AMOUNTS)


# Quantities: examples of https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", "1"),
        ("500m", "0.5"),
        ("0.5", "0.5"),
        (".5", "0.5"),
        ("1.", "1"),
        ("100n", "0.0000001"),
        ("4Gi", str(4 * 2**30)),
        ("1.5Gi", str(3 * 2**29)),
        ("16G", "16000000000"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("1E", "1000000000000000000"),
        ("1Ei", str(2**60)),
        ("12e-2", "0.12"),
        (" 2 ", "2"),
        ("-1", "-1"),
    ],
)
def test_quantities_mean_what_kubernetes_says(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    "text", ["", "Gi", "4GB", "4gi", "1 000", "1e", "1e3Gi", "0x10", "1_000", "٣", "∞", "nan", "1e999", "9" * 50, "8Ei"]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"quantity|hold"):
        parse_quantity(text)


@given(st.decimals(0, 1000, places=3), st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "Ti"]))
def test_a_suffix_multiplies(number: Decimal, suffix: str) -> None:
    assert parse_quantity(f"{number}{suffix}") == number * parse_quantity(f"1{suffix}")


@given(st.text(max_size=50) | st.from_regex(r"[+-]?[0-9.]{1,60}([eE][+-]?[0-9]{1,9}|[A-Za-z]{0,2})", fullmatch=True))
@example("1e999999999999999999")
def test_any_text_is_a_bounded_number_or_refused(text: str) -> None:
    try:
        value = parse_quantity(text)
    except ValueError:
        return
    assert abs(value) <= LARGEST


@given(st.integers(0, 2**63))
def test_bytes_are_shown_near_their_value(amount: int) -> None:
    number, unit = format_bytes(amount).split()
    factor = 1024 ** ("B", "KiB", "MiB", "GiB", "TiB").index(unit)
    assert abs(Decimal(number) * factor - amount) <= Decimal(factor) / 20
    assert Decimal(number) < 1024 or unit == "TiB" or number == "1024"


@pytest.mark.parametrize(("text", "count"), [("135M", 135_000_000), ("8B", 8 * 10**9), ("70.6B", 70_600_000_000)])
def test_parameter_counts_are_exact(text: str, count: int) -> None:
    assert parameter_count(text) == count


# Money


@given(TOKENS, TOKENS, PRICES)
def test_a_cost_is_exact_to_the_last_digit(prompt: int, completion: int, price: Price) -> None:
    cost = cost_of(prompt, completion, price)
    assert cost.currency == price.currency
    numerator, denominator = cost.amount.as_integer_ratio()
    wanted_in, unit_in = price.input_per_million.as_integer_ratio()
    wanted_out, unit_out = price.output_per_million.as_integer_ratio()
    left = numerator * 10**6 * unit_in * unit_out
    assert left == denominator * (prompt * wanted_in * unit_out + completion * wanted_out * unit_in)


@given(TOKENS, TOKENS, TOKENS, PRICES)
def test_more_tokens_never_cost_less_and_parts_add_up(a: int, b: int, more: int, price: Price) -> None:
    whole = cost_of(a + more, b, price)
    assert whole.amount >= cost_of(a, b, price).amount
    assert total([cost_of(a, b, price), cost_of(more, 0, price)]) == (whole,)


@given(st.lists(st.tuples(TOKENS, TOKENS, TOKENS), max_size=5), PRICES, AMOUNTS)
def test_costs_add_up_exactly_whatever_part_of_the_input_was_cached(
    asked: list[tuple[int, int, int]], price: Price, cached_price: Decimal
) -> None:
    price = replace(price, cached_per_million=abs(cached_price))
    usages = [TokenUsage(cached + more, completion, 0, cached) for cached, more, completion in asked]
    together = sum(usages, TokenUsage(0, 0, 0, 0))
    singles = [cost for usage in usages if (cost := usage.cost(price)) is not None]
    assert total([Cost(Decimal(0), price.currency), *singles]) == (together.cost(price),)
    plain_price = replace(price, cached_per_million=price.input_per_million)
    assert together.cost(plain_price) == together.cost(replace(price, cached_per_million=None))


@given(st.lists(st.builds(Cost, AMOUNTS, st.sampled_from(["USD", "EUR", "JPY"])), max_size=8))
def test_currencies_are_never_added_up(costs: list[Cost]) -> None:
    sums = {cost.currency: cost.amount for cost in total(costs)}
    assert sums.keys() == {cost.currency for cost in costs}
    for currency, amount in sums.items():
        assert amount == sum((c.amount for c in costs if c.currency == currency), Decimal(0))
    assert {c.currency: c.amount for c in total(reversed(costs))} == sums


@given(AMOUNTS)
def test_plain_text_of_an_amount_is_the_amount_and_has_no_exponent(amount: Decimal) -> None:
    text = plain(amount)
    assert Decimal(text) == amount
    assert "E" not in text.upper()
    assert not ("." in text and text.endswith(("0", ".")))


def test_currencies_are_codes_of_money_in_use() -> None:
    known = currencies()
    assert all(len(code) == 3 and code.isascii() and code.isupper() and known[code].name for code in known)
    assert {"USD", "EUR", "GBP", "JPY", "CHF", "INR", "CNY", "BRL"} <= known.keys()
    assert [known[code].minor_digits for code in ("USD", "JPY", "KWD")] == [2, 0, 3]
    # Gold, silver, drawing rights, testing, no currency; and money that is no more.
    assert known.keys().isdisjoint({"XAU", "XAG", "XDR", "XTS", "XXX", "DEM", "HRK", "ZWL", "CLF", "USN"})


# Names


@pytest.mark.parametrize("text", ["a", "a-b", "chat-2", "a" * 63])
def test_good_names(text: str) -> None:
    assert naming.check_label_name(text) == naming.check_service_name(text) == text


@pytest.mark.parametrize("text", ["", "A", "-a", "a-", "a.b", "a_b", "a\n", "é", "a" * 64, "a b"])
def test_bad_names(text: str) -> None:
    for check in (naming.check_label_name, naming.check_service_name):
        with pytest.raises(ValueError, match=r".+"):
            check(text)


def test_a_service_begins_with_a_letter() -> None:
    assert naming.check_label_name("1chat") == "1chat"
    with pytest.raises(ValueError, match="must begin with a letter"):
        naming.check_service_name("1chat")


@pytest.mark.parametrize(
    "image",
    [
        "vllm",
        "vllm/vllm-openai:v0.33.0",
        "nvcr.io/nim/meta/llama-3.1-8b-instruct:2.3.0",
        "localhost:5000/a/b__c:x",
        "a@sha256:" + "0" * 64,
        "a:tag@sha256:" + "f" * 64,
    ],
)
def test_good_images(image: str) -> None:
    assert naming.check_image(image) == image


@pytest.mark.parametrize(
    "image", ["", "A/B", "a:", "a:b:c", "a//b", "a/ b", "a@sha256:12", "https://a/b", "a:-x", "-a", "a" * 200 + "!"]
)
def test_bad_images(image: str) -> None:
    with pytest.raises(ValueError, match="is not an image reference"):
        naming.check_image(image)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (naming.check_label_key, ["a", "a.b/c_D", "x/" + "a" * 63], ["", "/a", "a/", "a/b/c", "A.b/c", "a" * 64, "ä"]),
        (naming.check_label_value, ["", "a", "A.b-c_1"], ["-a", "a ", "a" * 64, "a/b"]),
        (naming.check_env_name, ["A", "_a.b-c", ".a"], ["", "1A", "A=B", ".", "..", "..a", "A B"]),
        (naming.check_free_key, ["a", "x.y/z", "mygenai-tui.dev/x"], ["genai-tui.dev/a", "b.genai-tui.dev/c"]),
    ],
)  # fmt: skip
def test_keys_values_and_variables(check: naming.Check, good: list[str], bad: list[str]) -> None:
    assert [check(text) for text in good] == good
    for text in bad:
        with pytest.raises(ValueError, match=r".+"):
            check(text)


@given(st.text(max_size=80))
def test_names_that_pass_are_what_kubernetes_takes(text: str) -> None:
    try:
        naming.check_label_name(text)
    except ValueError:
        return
    assert text.isascii()
    assert text == text.lower().strip("-.")
    assert 0 < len(text) <= 63


def test_the_nearest_name_is_offered_only_when_near() -> None:
    assert naming.did_you_mean("replcas", ["replicas", "image"]) == "; did you mean 'replicas'?"
    assert naming.did_you_mean("zzz", ["replicas", "image"]) == ""
