"""What models and calls cost: a dated table, the file beside this one or the one that `CLIENTLORE_PRICES` names."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from clientlore.errors import ConfigurationError

SHIPPED = Path(__file__).with_name("prices.yaml")
_NANO_PER_TOKEN = 1_000  # a dollar for a million tokens is a thousand billionths for one
_Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Price(BaseModel):
    """What a model costs from a date on, in dollars for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    since: date = Field(alias="from")
    input: _Dollars
    cached: _Dollars
    output: _Dollars

    def nano_usd(self, input_tokens: int, cached_tokens: int, output_tokens: int) -> int:
        """The cost of a call in billionths of a dollar. The cached tokens are among those that went in."""
        fresh = max(0, input_tokens - cached_tokens)
        dollars = fresh * self.input + cached_tokens * self.cached + output_tokens * self.output
        return round(dollars * _NANO_PER_TOKEN)


class CallPrice(BaseModel):
    """What a call to a provider of news costs from a date on, in dollars."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str
    since: date = Field(alias="from")
    call: _Dollars


def read_call_prices(path: Path | None = None) -> tuple[CallPrice, ...]:
    """Reads the prices of calls from a price table; see `read_prices`."""
    return tuple(p for p in _read(path) if isinstance(p, CallPrice))


def call_price_of(prices: Sequence[CallPrice], provider: str, on: date) -> float | None:
    """The dollars that a call to a provider costs on a date; None where that is not known."""
    held = [p for p in prices if p.provider == provider and p.since <= on]
    found = max(held, key=lambda p: p.since, default=None)
    return None if found is None else found.call


def read_prices(path: Path | None = None) -> tuple[Price, ...]:
    """Reads the prices of models from a price table.

    Raises:
        ConfigurationError: It cannot be read, or says what no price can be.
    """
    return tuple(p for p in _read(path) if isinstance(p, Price))


@functools.cache
def _parsed(text: str) -> tuple[Price | CallPrice, ...]:
    return tuple(TypeAdapter(list[Price | CallPrice]).validate_python(yaml.safe_load(text)))


def _read(path: Path | None) -> tuple[Price | CallPrice, ...]:
    path = path or SHIPPED
    advice = f"Start from a copy of {SHIPPED}."
    try:
        return _parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"CLIENTLORE_PRICES names {path}, which cannot be read ({error.strerror})", advice
        ) from None
    except (ValidationError, yaml.YAMLError) as error:
        said = str(error).splitlines()[0]
        raise ConfigurationError(f"{path.name} is no price table ({said})", advice) from None


def price_of(prices: Sequence[Price], model: str, on: date) -> Price | None:
    """The price of a model on a date; None where none is known. A dated version costs what its model does."""
    held = [
        p for p in prices if p.since <= on and (model == p.model or _is_version(model, p.model))
    ]
    return max(held, key=lambda p: (len(p.model), p.since), default=None)


def _is_version(model: str, of: str) -> bool:
    """Whether the name is that of a dated version: `gpt-5.4-nano-2026-03-17`."""
    rest = model.removeprefix(of)
    return rest != model and rest.startswith("-") and rest.replace("-", "").isdigit()
