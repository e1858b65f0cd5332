"""Which threshold would have let through what a person found useful, and stopped what they did not.

    threshold = argmax over t in 0.00, 0.01 .. 1.00 of
                share of useful with score >= t  -  share of not useful with score >= t

That is Youden's J. Of thresholds that are equally good, the one nearest to the present one. Only what was seen can be
judged, so there is little to say that a threshold should be lower.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from clientlore.control.feedback import Feedback, in_force

AT_LEAST, AT_LEAST_EACH = 10, 3
"""Nothing is suggested below this many verdicts, and this many of each kind."""


@dataclass(frozen=True)
class Suggestion:
    """What a person's verdicts say of their threshold.

    Attributes:
        useful: How many they found useful; `not_useful` likewise.
        present: Their threshold now.
        threshold: What is suggested; None where too little was said, or no threshold tells the two apart.
        kept: How many useful ones it lets through.
        stopped: How many of the others it stops.
    """

    user_id: str
    useful: int
    not_useful: int
    present: float
    threshold: float | None = None
    kept: int | None = None
    stopped: int | None = None


def suggest(said: Iterable[Feedback], user_id: str, present: float) -> Suggestion:
    """Suggests a threshold to one person, from what counts of what they said."""
    scores: dict[str, list[float]] = {"useful": [], "not_useful": []}
    for each in in_force(f for f in said if f.user_id == user_id):
        score = each.judgement.get("score")
        if each.kind in scores and score is not None:
            scores[each.kind].append(float(score))
    good, bad = np.array(scores["useful"]), np.array(scores["not_useful"])
    nothing = Suggestion(user_id, len(good), len(bad), present)
    if len(good) + len(bad) < AT_LEAST or min(len(good), len(bad)) < AT_LEAST_EACH:
        return nothing
    grid = np.arange(101) / 100
    kept = (good[:, None] >= grid).sum(0)
    stopped = (bad[:, None] < grid).sum(0)
    # In whole numbers, so that what is equally good is equal.
    apart = kept * len(bad) + stopped * len(good) - len(good) * len(bad)
    if apart.max() <= 0:
        return nothing
    best = np.flatnonzero(apart == apart.max())
    at = int(best[np.abs(grid[best] - present).argmin()])
    return Suggestion(
        user_id, len(good), len(bad), present, float(grid[at]), int(kept[at]), int(stopped[at])
    )
