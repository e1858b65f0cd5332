"""Figures of quality with intervals: accuracy, F1, calibration, a paired test. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

BINS = 15
DRAWS = 500
Picked = NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval (percentile bootstrap over what was judged)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


@dataclass(frozen=True)
class Figure:
    """An estimate with a name.

    Attributes:
        name: What was measured.
        value: The estimate.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n: How many it was measured on.
        aim: What it is held against; None where there is no aim.
        note: What else is worth knowing.
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    aim: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the aim is reached; None without one."""
        return None if self.aim is None else self.value >= self.aim


def named(
    name: str, estimate: Estimate, n: int, aim: float | None = None, note: str = ""
) -> Figure:
    """An estimate under a name."""
    return Figure(name, estimate.value, estimate.low, estimate.high, n, aim, note)


def with_interval(
    figure: Callable[[Picked], float], count: int, *, draws: int = DRAWS, seed: int = 0
) -> Estimate:
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
    return Estimate(figure(np.arange(count)), float(low), float(high))


def f1(truth: NDArray[np.bool_], said: NDArray[np.bool_]) -> float:
    """Harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN)."""
    hits = float(np.sum(truth & said))
    return float(2 * hits / max(float(truth.sum() + said.sum()), 1.0))


def sign_test(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    """McNemar's exact test, two-sided: how likely so uneven a split of the disagreements is by chance."""
    better, worse = int(np.sum(ours & ~theirs)), int(np.sum(~ours & theirs))
    total, few = better + worse, min(better, worse)
    if not total:
        return 1.0
    return min(1.0, float(2 * sum(comb(total, k) for k in range(few + 1)) / 2**total))


def accuracy(said: NDArray[np.str_], truth: NDArray[np.str_]) -> float:
    """The share that is right."""
    return float((said == truth).mean())


def macro_f1(said: NDArray[np.str_], truth: NDArray[np.str_]) -> float:
    """Mean over the categories that truly occur of 2 TP / (2 TP + FP + FN)."""
    return float(np.mean(list(f1_by_category(said, truth).values())))


def f1_by_category(said: NDArray[np.str_], truth: NDArray[np.str_]) -> dict[str, float]:
    """F1 of each category that truly occurs."""
    return {str(name): f1(truth == name, said == name) for name in np.unique(truth)}


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
