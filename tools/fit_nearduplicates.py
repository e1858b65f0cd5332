"""Fits the weights of `clientlore.monitoring.evidence` on the tuning half: `python -m tools.fit_nearduplicates DATA`.

Each pair counts twice, with its dates and without: many feeds have none.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

from clientlore.evaluation import dedup
from clientlore.monitoring import nearduplicates
from clientlore.monitoring.evidence import FEATURES

RIDGE = 1 / 3


def fit(features: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Logistic regression by Newton's method; the intercept stands last and is not held small."""
    design = np.c_[features, np.ones(len(features))]
    penalty = np.diag([RIDGE] * features.shape[1] + [0.0])
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        said = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (said - same) + penalty @ weights
        curve = (design * (said * (1 - said))[:, None]).T @ design + penalty
        weights -= np.linalg.solve(curve, slope)
    return weights


def main() -> None:
    """Prints the weights, to be put into the module."""
    nearduplicates.MIN_CONTAINMENT = 0.0
    folder = Path(sys.argv[1])
    pairs = pl.concat([dedup.judged(folder, dated=dated).half("tune") for dated in (True, False)])
    names = ("containment", *FEATURES)
    weights = fit(pairs.select(names).to_numpy(), pairs["same"].to_numpy().astype(float))
    for name, weight in zip((*names, "intercept"), weights, strict=True):
        sys.stdout.write(f"{name:12} {weight:6.2f}\n")


if __name__ == "__main__":
    main()
