"""Which memories of an owner say the same in nearly the same words. Columnar and exact.

Similarity is Jaccard's over stems. Candidates come from prefix filtering (Chaudhuri, Ganti and Kaushik 2006): with
stems in the order of their rarity, two sets of Jaccard t or more share one among the first n - ceil(t n) + 1 of each.
"""

from __future__ import annotations

import polars as pl

from clientlore.memory.maintenance.plan import stems_of

MOST_SHARED = 400
"""A stem that more memories of an owner have among their rarest says nothing about two of them."""
_PAIRS = {"left": pl.String, "right": pl.String, "similarity": pl.Float64}


def similar_pairs(frame: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """Pairs of memories of one owner and kind: `left`, `right` (the greater id), `similarity`.

    Texts that differ in a name, a number or a negation are no pair, however alike the rest.

    Args:
        frame: `memory_id`, `owner_id`, `kind`, `text`.
        threshold: The least similarity, above 0 and at most 1.
    """
    stems = stems_of(frame)
    if stems.is_empty():
        return pl.DataFrame(schema=_PAIRS)
    sets = (
        stems.group_by("memory_id")
        .agg(pl.col("stem").sort().str.join("\x1f").alias("words"), size=pl.len())
        .join(frame.select("memory_id", "owner_id", "kind"), on="memory_id")
    )
    # Texts of the very same stems are compared once, as one.
    first = sets.group_by("owner_id", "kind", "words").agg(
        pl.col("memory_id").min().alias("left"), pl.col("memory_id").alias("right")
    )
    same = (
        first.explode("right")
        .filter(pl.col("left") != pl.col("right"))
        .select("left", "right", similarity=pl.lit(1.0))
    )
    near = _near(
        stems, sets.join(first, left_on="memory_id", right_on="left", how="semi"), threshold
    )
    return pl.concat([same, near]).sort("left", "right")


def _near(stems: pl.DataFrame, sets: pl.DataFrame, threshold: float) -> pl.DataFrame:
    kept = stems.join(sets.select("memory_id", "size", "kind"), on="memory_id")
    rarity = kept.group_by("owner_id", "stem").agg(shared=pl.len())
    ranked = (
        kept.join(rarity, on=["owner_id", "stem"])
        .sort("memory_id", "shared", "stem")
        .with_columns(rank=pl.int_range(pl.len()).over("memory_id"))
    )
    prefix = ranked.filter(
        pl.col("rank") < pl.col("size") - (threshold * pl.col("size")).ceil() + 1,
        pl.col("shared").is_between(2, MOST_SHARED),
    ).select("memory_id", "owner_id", "kind", "stem", "size")
    pairs = (
        prefix.lazy()
        .join(prefix.lazy(), on=["owner_id", "kind", "stem"], suffix="_right")
        .filter(
            pl.col("memory_id") < pl.col("memory_id_right"),
            pl.min_horizontal("size", "size_right")
            >= threshold * pl.max_horizontal("size", "size_right"),
        )
        .select(left="memory_id", right="memory_id_right", n="size", m="size_right")
        .unique()
        .collect()
    )
    if pairs.is_empty():
        return pl.DataFrame(schema=_PAIRS)
    words = kept.select("memory_id", "stem", "firm")
    common = (
        pairs.lazy()
        .join(words.lazy(), left_on="left", right_on="memory_id")
        .join(
            words.lazy().rename({"memory_id": "right", "firm": "firm_right"}), on=["right", "stem"]
        )
        .group_by("left", "right")
        .agg(
            common=pl.len(),
            firm_common=pl.col("firm").sum(),
            firm_common_right=pl.col("firm_right").sum(),
        )
        .collect()
    )
    firm = words.group_by("memory_id").agg(firm=pl.col("firm").sum())
    return (
        pairs.join(common, on=["left", "right"])
        .join(firm.rename({"memory_id": "left", "firm": "firm_left"}), on="left")
        .join(firm.rename({"memory_id": "right", "firm": "firm_right"}), on="right")
        .with_columns(similarity=pl.col("common") / (pl.col("n") + pl.col("m") - pl.col("common")))
        .filter(
            pl.col("similarity") >= threshold,
            # What one of them names, the other names too.
            pl.col("firm_common") == pl.col("firm_left"),
            pl.col("firm_common_right") == pl.col("firm_right"),
        )
        .select("left", "right", "similarity")
    )
