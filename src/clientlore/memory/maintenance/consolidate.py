"""Folds memories that say the same into the one that was told first. Nothing is rewritten, nothing is lost."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from clientlore.memory.log import Operation
from clientlore.memory.maintenance.plan import EXAMPLES, Plan, actor_of, told
from clientlore.memory.maintenance.similar import similar_pairs

FEATURE = "consolidation"
HAPPENS = ("event", "activity", "task")
NEAR_DAYS = 7
"""Two happenings in the same words, further apart than this, are two happenings."""


def clusters(state: pl.DataFrame, similarity: float) -> pl.DataFrame:
    """Memories that would be folded: `memory_id`, `into`, `similarity`.

    Each is that similar to the very memory it is folded into. Facts are folded only where they have one value, and
    nothing is folded across kinds, tiers or owners.

    Args:
        state: The living memories, columns of `fold.STATE`.
        similarity: The least similarity of stems, 0 to 1.
    """
    rows = told(state.filter(pl.col("valid_to").is_null(), pl.col("text").is_not_null()))
    facts = rows.select(
        "memory_id", "subject", "attribute", "value", "tier", "valid_from", "recorded_at"
    )
    pairs = (
        similar_pairs(rows.select("memory_id", "owner_id", "kind", "text"), similarity)
        .join(facts.rename({"memory_id": "left"}), on="left")
        .join(facts.rename({"memory_id": "right"}), on="right", suffix="_right")
        .join(rows.select(pl.col("memory_id").alias("left"), "kind"), on="left")
    )
    apart = (pl.col("valid_from") - pl.col("valid_from_right")).abs() > pl.duration(days=NEAR_DAYS)
    pairs = pairs.filter(
        *(
            pl.col(c).eq_missing(pl.col(f"{c}_right"))
            for c in ("subject", "attribute", "value", "tier")
        ),
        ~(pl.col("kind").is_in(HAPPENS) & apart.fill_null(value=False)),
    )
    # Of a pair, the one that was told first stays.
    first = pl.col("recorded_at") <= pl.col("recorded_at_right")
    ordered = pairs.select(
        keeps=pl.when(first).then("left").otherwise("right"),
        goes=pl.when(first).then("right").otherwise("left"),
        since=pl.min_horizontal("recorded_at", "recorded_at_right"),
        similarity="similarity",
    ).sort("since", "keeps", "similarity", "goes", descending=[False, False, True, False])
    into: dict[str, tuple[str, float]] = {}
    kept: set[str] = set()
    for keeps, goes, _, alike in ordered.iter_rows():
        if keeps not in into and goes not in into and goes not in kept:
            into[goes] = (keeps, alike)
            kept.add(keeps)
    return pl.DataFrame(
        [(goes, keeps, alike) for goes, (keeps, alike) in sorted(into.items())],
        schema={"memory_id": pl.String, "into": pl.String, "similarity": pl.Float64},
        orient="row",
    )


def consolidate(
    state: pl.DataFrame,
    at: datetime,
    similarity: float = 0.85,
    *,
    found: pl.DataFrame | None = None,
) -> Plan:
    """Folds each cluster of like memories into the one that was told first; undone by its origin.

    Args:
        state: The living memories, columns of `fold.STATE`.
        at: When it is done.
        similarity: The least similarity of stems, 0 to 1.
        found: The clusters, where they are known already.
    """
    if found is None:
        found = clusters(state, similarity)
    rows = found.join(state.select("memory_id", "owner_id", "operations", "text"), on="memory_id")
    operations = tuple(
        Operation(
            tenant_id=state["tenant_id"][0],
            owner_id=row["owner_id"],
            memory_id=row["memory_id"],
            op="merge",
            kind=None,
            text=None,
            recorded_at=at,
            actor=actor_of(FEATURE),
            reason=f"says the same in {row['similarity']:.0%} of the words",
            origin=f"consolidate:{row['into']}",
            generation=row["operations"],
            attributes={"into": row["into"], "similarity": round(row["similarity"], 4)},
        )
        for row in rows.iter_rows(named=True)
    )
    texts = state.select(pl.col("memory_id").alias("into"), pl.col("text").alias("kept"))
    examples = rows.head(EXAMPLES).join(texts, on="into")
    return Plan(
        FEATURE,
        operations,
        before={"memories": state.height},
        after={"memories": state.height - found.height},
        examples=tuple(
            examples.select("memory_id", "into", "similarity", "text", "kept").iter_rows(named=True)
        ),
        result={"clusters": found["into"].n_unique(), "folded": found.height},
    )
