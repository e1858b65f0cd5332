"""Categories of items of a file, and how good they are on labelled sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clientlore.evaluation.figures import (
    Bin,
    Estimate,
    accuracy,
    calibration_error,
    f1_by_category,
    macro_f1,
    reliability,
    with_interval,
)
from clientlore.evaluation.labelled import Set
from clientlore.evaluation.lines import Line
from clientlore.monitoring.categories import Judge, by_both, by_rules
from clientlore.monitoring.classifier import Classifier, shipped
from clientlore.monitoring.training import HeldBack, Labelled, best_temperature


def classify_items(items: Sequence[Line], model: Classifier | None = None) -> list[dict[str, Any]]:
    """Rows of id, category, confidence (null where there is no text) and method, in the order of the items."""
    frame = pl.DataFrame(
        {
            "title": [item.title or "" for item in items],
            "text": [item.body or "" for item in items],
            "publisher": [item.publisher or "" for item in items],
        },
        schema=dict.fromkeys(("title", "text", "publisher"), pl.String),
    )
    found = by_both(by_rules(frame), model or shipped())
    return [
        {"id": item.id, **row} for item, row in zip(items, found.iter_rows(named=True), strict=True)
    ]


@dataclass(frozen=True)
class Measured:
    """How good categories are on one set.

    Attributes:
        name: The set.
        count: How many texts.
        accuracy: With its interval.
        macro_f1: With its interval, over the categories that the set has.
        by_category: F1 of each.
        bins: The reliability diagram.
        calibration_error: Expected calibration error; the temperature is from other texts than it is measured on.
        calibrated: 1 - calibration error, with its interval.
    """

    name: str
    count: int
    accuracy: Estimate
    macro_f1: Estimate
    by_category: Mapping[str, float]
    bins: tuple[Bin, ...]
    calibration_error: float
    calibrated: Estimate


@dataclass(frozen=True)
class _InTurn:
    """The models of a cross-validation, as one."""

    categories: tuple[str, ...]
    temperature: float

    def margins(self, texts: pl.Series) -> NDArray[np.float32]:
        raise NotImplementedError  # always given


def measure_held_back(labelled: Labelled, held: HeldBack, name: str) -> Measured:
    """How good models are on texts that they have not seen, nor anything nearly the same.

    The temperature of one half of the texts comes from the other half.
    """
    half = np.random.default_rng(0).permutation(len(held.row)) % 2
    told = pl.concat(
        [
            _told(
                labelled.texts.gather(held.row[half == n]),
                _InTurn(held.categories, best_temperature(_those(held, half != n))),
                held.margins[half == n],
            )
            for n in (0, 1)
        ]
    )
    truth = np.array(held.truth, dtype=str)
    return _measured(name, told, np.concatenate([truth[half == n] for n in (0, 1)]))


def measure_set(found: Set, model: Classifier) -> Measured:
    """How good a model is on a set that it was not trained on."""
    return _measured(found.name, _told(found.texts, model, None), np.array(found.truth, dtype=str))


def _those(held: HeldBack, which: NDArray[np.bool_]) -> HeldBack:
    truth = tuple(name for name, kept in zip(held.truth, which, strict=True) if kept)
    return HeldBack(held.row[which], held.margins[which], held.categories, truth)


def _told(texts: pl.Series, judge: Judge, margins: NDArray[np.float32] | None) -> pl.DataFrame:
    frame = pl.DataFrame({"title": texts}).with_columns(text=pl.lit(""), publisher=pl.lit(""))
    return by_both(by_rules(frame), judge, margins)


def _measured(name: str, told: pl.DataFrame, true: NDArray[np.str_]) -> Measured:
    said = told["category"].to_numpy().astype(str)
    confidence, right = told["confidence"].fill_null(0.0).to_numpy(), said == true
    bins = reliability(confidence, right)
    return Measured(
        name,
        len(true),
        with_interval(lambda at: accuracy(said[at], true[at]), len(true)),
        with_interval(lambda at: macro_f1(said[at], true[at]), len(true)),
        f1_by_category(said, true),
        tuple(bins),
        calibration_error(bins),
        with_interval(
            lambda at: 1 - calibration_error(reliability(confidence[at], right[at])), len(true)
        ),
    )
