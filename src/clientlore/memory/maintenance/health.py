"""How well memory is, 0 to 100, by one formula.

    health = 100 / n * sum over distinct memories of fresh * (1 + sourced) / 2 * (1 - torn)

over the `n` memories that hold. What says the same as another is not distinct: it counts in `n` alone. `fresh`: 1 up
to one half-life after it was told last, then 2 ^ (1 - age / half_life). `sourced`: 1 where it cites a source or was
not made by an asset, else 0. `torn`: 1 where its fact has another value at the same time. So a duplicate, a
contradiction or a memory staler than the average lowers it, time never raises it, and repair raises it.
"""

from __future__ import annotations

import math
from datetime import datetime

import polars as pl

from clientlore.memory.facts import parse
from clientlore.memory.fold import holding
from clientlore.memory.maintenance.conflicts import Read, contradictions
from clientlore.memory.maintenance.consolidate import clusters
from clientlore.memory.maintenance.plan import Plan, age_days, told

FEATURE = "health"
STALE = 0.5
"""Freshness below which a memory counts as stale: two half-lives."""
GOOD, FAIR = 80.0, 60.0


def health(
    state: pl.DataFrame,
    at: datetime,
    similarity: float = 0.85,
    *,
    found: pl.DataFrame | None = None,
    read: Read = parse,
) -> Plan:
    """The health of the living memories at an instant, its parts, and what would raise it.

    The result has `score` (None where nothing is remembered), `status`, the parts as shares, and `recommendations`.

    Args:
        state: The living memories, columns of `fold.STATE`.
        at: The instant.
        similarity: From which similarity on two memories say the same.
        found: The clusters of that similarity, where they are known already.
        read: Takes the fact out of a text, as `facts.parse` does.
    """
    rows = told(holding(state, at))
    if rows.is_empty():
        result = {
            "score": None,
            "status": "empty",
            "recommendations": ["Nothing is remembered yet."],
        }
        return Plan(FEATURE, before={"memories": 0}, after={"memories": 0}, result=result)
    spare = (clusters(state, similarity) if found is None else found)["memory_id"]
    torn = contradictions(state, at, read)
    facts = torn.select("owner_id", "subject", "attribute").unique().height
    distinct = rows.filter(~pl.col("memory_id").is_in(spare.implode())).with_columns(
        fresh=((1 - age_days(at) / pl.col("half_life")).clip(upper_bound=0) * math.log(2)).exp(),
        sourced=(pl.col("sources").list.len().fill_null(0) > 0)
        | ~pl.col("last_actor").str.starts_with("asset:"),
        whole=~pl.col("memory_id").is_in(torn["memory_id"].implode()),
    )
    quality = pl.col("fresh") * (1 + pl.col("sourced").cast(pl.Float64)) / 2 * pl.col("whole")
    score = round(100 * float(distinct.select(quality.sum()).item()) / rows.height, 6)
    stale = distinct.filter(pl.col("fresh") < STALE).height
    parts = {
        "duplicates": round(spare.len() / rows.height, 6),
        "conflicts": round(torn.height / rows.height, 6),
        "stale": round(stale / rows.height, 6),
        "unsourced": round(distinct.filter(~pl.col("sourced")).height / rows.height, 6),
    }
    return Plan(
        FEATURE,
        before={"memories": rows.height},
        after={"memories": rows.height, "health": score},
        result={
            "score": score,
            "status": "good" if score >= GOOD else "fair" if score >= FAIR else "poor",
            **parts,
            "recommendations": _recommendations(spare.len(), facts, stale, parts["unsourced"]),
        },
    )


def _recommendations(duplicates: int, conflicts: int, stale: int, unsourced: float) -> list[str]:
    told_ = []
    if duplicates:
        told_.append(f"Consolidate: {duplicates} memories say what another says.")
    if conflicts:
        told_.append(f"Resolve conflicts: {conflicts} facts have two values at once.")
    if stale:
        told_.append(f"Summarise or ask again: {stale} memories are stale.")
    if unsourced > 0.1:
        told_.append(f"Name sources: {unsourced:.0%} of the memories cite none.")
    return told_
