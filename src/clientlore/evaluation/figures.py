"""Figures of quality with intervals: accuracy, F1, calibration. Pure functions of what was said and what is true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15
DRAWS = 500
Picked = NDArray[np.int64]


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % interval (percentile bootstrap over what was judged)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


def with_interval(
    figure: Callable[[Picked], float], count: int, *, draws: int = DRAWS, seed: int = 0
) -> Figure:
    """A figure of `count` cases, and of as many drawn from them with replacement, again and again.

    Args:
        figure: The figure of the cases with these indices.
        count: How many there are, at least 1.
        draws: How often is drawn.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    drawn = [figure(rng.integers(0, count, count)) for _ in range(draws)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(figure(np.arange(count)), float(low), float(high))


def accuracy(said: NDArray[np.str_], truth: NDArray[np.str_]) -> float:
    """The share that is right."""
    return float((said == truth).mean())


def macro_f1(said: NDArray[np.str_], truth: NDArray[np.str_]) -> float:
    """Mean over the categories that truly occur of 2 TP / (2 TP + FP + FN)."""
    return float(np.mean(list(f1_by_category(said, truth).values())))


def f1_by_category(said: NDArray[np.str_], truth: NDArray[np.str_]) -> dict[str, float]:
    """F1 of each category that truly occurs."""
    return {
        str(name): float(
            2
            * ((said == name) & (truth == name)).sum()
            / ((said == name).sum() + (truth == name).sum())
        )
        for name in np.unique(truth)
    }


@dataclass(frozen=True)
class Bin:
    """Judgements of about one confidence."""

    confidence: float
    right: float
    count: int


def reliability(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> list[Bin]:
    """How often those are right that are about so sure: equal steps from 0 to 1, empty ones left out."""
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        Bin(
            float(confidence[which == n].mean()),
            float(right[which == n].mean()),
            int((which == n).sum()),
        )
        for n in np.unique(which)
    ]


def calibration_error(bins: list[Bin]) -> float:
    """Expected calibration error: |confidence - share that is right|, weighted by count (Guo et al., 2017)."""
    total = sum(b.count for b in bins)
    return sum(abs(b.confidence - b.right) * b.count for b in bins) / total if total else 0.0
