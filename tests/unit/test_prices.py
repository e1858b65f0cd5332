"""What models cost, and how fast they may be asked."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from clientlore.errors import ConfigurationError
from clientlore.providers.llm.pacing import Pace
from clientlore.providers.llm.prices import Price, price_of, read_prices
from clientlore.settings import LlmSettings

TODAY = date(2026, 11, 20)


def _price(model: str, since: str, dollars: float = 1.0) -> Price:
    values = {"model": model, "from": since, "input": dollars, "cached": 0.1, "output": 5.0}
    return Price.model_validate(values)


def test_a_call_costs_what_went_in_came_from_the_cache_and_came_out() -> None:
    price = _price("m", "2026-01-01", 0.10)
    # 100 fresh at $0.10, 900 cached at $0.10 and 50 out at $5 for a million.
    assert price.nano_usd(1_000, 900, 50) == 100 * 100 + 900 * 100 + 50 * 5_000
    assert price.nano_usd(10, 20, 0) == 20 * 100


def test_the_newest_price_that_holds_on_a_date_counts() -> None:
    prices = [
        _price("m", "2026-01-01"),
        _price("m", "2026-11-20", 2.0),
        _price("m", "2027-01-01", 3.0),
    ]
    assert [
        price_of(prices, "m", day) for day in (date(2025, 1, 1), date(2026, 11, 19), TODAY)
    ] == [
        None,
        prices[0],
        prices[1],
    ]


def test_a_dated_version_costs_what_its_model_does_and_another_model_does_not() -> None:
    prices = [_price("gpt-5.4-nano", "2026-01-01")]
    assert price_of(prices, "gpt-5.4-nano-2026-03-17", TODAY) == prices[0]
    assert price_of(prices, "gpt-5.4-nano-pro", TODAY) is None
    assert price_of(prices, "gpt-5.4", TODAY) is None


def test_the_models_of_the_defaults_have_a_price_within_the_promised_band() -> None:
    settings = LlmSettings()
    for model in (settings.openai_model, settings.anthropic_model):
        price = price_of(read_prices(), model, TODAY)
        assert price is not None
        # 300 tokens in and 50 out, as the cost bands assume: at most $0.0007 for a judgement.
        assert price.nano_usd(300, 0, 50) / 1e9 < 0.0007


def test_an_own_table_takes_the_place_of_the_one_that_is_shipped(tmp_path: Path) -> None:
    own = tmp_path / "prices.yaml"
    own.write_text("- {model: llama, from: 2026-01-01, input: 0, cached: 0, output: 0}\n")
    (price,) = read_prices(own)
    assert (price.model, price.nano_usd(10**6, 0, 10**6)) == ("llama", 0)


@pytest.mark.parametrize(
    "text",
    ["- {model: x}", "{", "- {model: x, from: 2026-01-01, input: -1, cached: 0, output: 0}", None],
)
def test_a_table_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    own = tmp_path / "prices.yaml"
    if text is not None:
        own.write_text(text)
    with pytest.raises(ConfigurationError, match=r"prices\.yaml"):
        read_prices(own)


def test_calls_are_let_through_at_the_rate_after_a_burst_of_a_second() -> None:
    at, slept = [100.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        at[0] += seconds

    pace = Pace(1_000, now=lambda: at[0], sleep=sleep)
    for _ in range(1_016):
        pace.wait()
    # 16 at once, then 1,000 in the next minute.
    assert at[0] - 100.0 == pytest.approx(60.0, abs=0.1)
    at[0] += 3_600
    slept.clear()
    for _ in range(16):
        pace.wait()
    assert slept == []
