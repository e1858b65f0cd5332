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
        calibration_error: Expected calibration error.
    """

    name: str
    count: int
    accuracy: Estimate
    macro_f1: Estimate
    by_category: Mapping[str, float]
    bins: tuple[Bin, ...]
    calibration_error: float


@dataclass(frozen=True)
class _InTurn:
    """The models of a cross-validation, as one."""

    categories: tuple[str, ...]
    temperature: float

    def margins(self, texts: pl.Series) -> NDArray[np.float32]:
        raise NotImplementedError  # always given


def measure_held_back(labelled: Labelled, held: HeldBack, name: str) -> Measured:
    """How good models are on texts that they have not seen, nor anything nearly the same."""
    texts = labelled.texts.gather(held.row)
    judge = _InTurn(held.categories, best_temperature(held))
    return _measured(name, texts, held.truth, judge, held.margins)


def measure_set(found: Set, model: Classifier) -> Measured:
    """How good a model is on a set that it was not trained on."""
    return _measured(found.name, found.texts, found.truth, model, None)


def _measured(
    name: str,
    texts: pl.Series,
    truth: Sequence[str],
    judge: Judge,
    margins: NDArray[np.float32] | None,
) -> Measured:
    frame = pl.DataFrame({"title": texts}).with_columns(text=pl.lit(""), publisher=pl.lit(""))
    told = by_both(by_rules(frame), judge, margins)
    said, true = told["category"].to_numpy().astype(str), np.array(truth, dtype=str)
    confidence = told["confidence"].fill_null(0.0).to_numpy()
    bins = reliability(confidence, said == true)
    return Measured(
        name,
        len(true),
        with_interval(lambda at: accuracy(said[at], true[at]), len(true)),
        with_interval(lambda at: macro_f1(said[at], true[at]), len(true)),
        f1_by_category(said, true),
        tuple(bins),
        calibration_error(bins),
    )
