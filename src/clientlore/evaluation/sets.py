"""Where the labelled sets lie and how their files are read; figures with their uncertainty."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

import numpy as np

from clientlore.errors import NotFoundError

VARIABLE = "CLIENTLORE_EVALUATION_DIR"
RESAMPLES = 1_000


@dataclass(frozen=True)
class Figure:
    """A measured figure: its value, a 95 % interval, what it is held against, and how many it was measured on."""

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


def folder(given: Path | None) -> Path:
    """The folder of the sets: as given, or as the environment says.

    Raises:
        NotFoundError: There is none.
    """
    named = given or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is None or not named.is_dir():
        raise NotFoundError(
            f"The labelled sets are not at {named}"
            if named
            else "No folder of labelled sets is named",
            f"Name it with --data or {VARIABLE}. Nothing was measured.",
        )
    return named


def part(sets: Path, name: str) -> Path:
    """The part of the sets with this name; the folder itself where it has no such part."""
    return sets / name if (sets / name).is_dir() else sets


def lines(path: Path) -> list[dict[str, Any]]:
    """The records of a gzipped file of JSON lines.

    Raises:
        NotFoundError: The file is absent.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        raise NotFoundError(
            f"The set {path.parent.name} is not in {path.parent.parent}",
            "This measurement needs it and was left out.",
        ) from None


def f1(truth: np.ndarray, said: np.ndarray) -> float:
    """Harmonic mean of precision and recall."""
    hits = float(np.sum(truth & said))
    return float(2 * hits / max(float(truth.sum() + said.sum()), 1.0))


def interval(truth: np.ndarray, said: np.ndarray, seed: int = 20) -> tuple[float, float]:
    """Percentile bootstrap of F1: what 95 of 100 samples with replacement give."""
    rng, count = np.random.default_rng(seed), len(truth)
    found = []
    for _ in range(RESAMPLES):
        at = rng.integers(0, count, count)
        found.append(f1(truth[at], said[at]))
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def sign_test(ours: np.ndarray, theirs: np.ndarray) -> float:
    """McNemar's exact test, two-sided: how likely so uneven a split of the disagreements is by chance."""
    better, worse = int(np.sum(ours & ~theirs)), int(np.sum(~ours & theirs))
    total, few = better + worse, min(better, worse)
    if not total:
        return 1.0
    return min(1.0, float(2 * sum(comb(total, k) for k in range(few + 1)) / 2**total))
