"""Which memories of an owner say the same in nearly the same words. Columnar and exact.

Similarity is Jaccard's over stems. Candidates come from prefix filtering (Chaudhuri, Ganti and Kaushik 2006): with
stems in the order of their rarity, two sets of Jaccard t or more share one among the first n - ceil(t n) + 1 of each.
"""

from __future__ import annotations

import polars as pl

from clientlore.memory.maintenance.plan import stem_numbers

MOST_SHARED = 400
"""A stem that more memories of an owner have among their rarest says nothing about two of them."""
_ROW = pl.get_index_type()
_PAIRS = {"left": pl.String, "right": pl.String, "similarity": pl.Float64}


def similar_pairs(frame: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """Pairs of memories of one owner and kind: `left`, `right` (the greater id), `similarity`.

    Texts that differ in a name, a number or a negation are no pair, however alike the rest.

    Args:
        frame: `memory_id`, `owner_id`, `kind`, `text`.
        threshold: The least similarity, above 0 and at most 1.
    """
    rows = frame.sort("memory_id").with_columns(
        group=pl.struct("owner_id", "kind").rank("dense"), owner=pl.col("owner_id").rank("dense")
    )
    stems, _ = stem_numbers(rows)
    if stems.is_empty():
        return pl.DataFrame(schema=_PAIRS)
    # From here on in numbers, which are compared several times as fast: a memory is its row, in the order of the ids.
    sets = (
        stems.sort("row", "stem")
        .group_by("row")
        .agg(pl.col("stem").cast(pl.String).str.join(" ").alias("words"), size=pl.len())
        .join(rows.select("group", "owner").with_row_index("row"), on="row")
    )
    # Texts of the very same stems are compared once, as one.
    first = sets.group_by("group", "words").agg(
        pl.col("row").min().alias("left"), pl.col("row").alias("right")
    )
    same = (
        first.explode("right")
        .filter(pl.col("left") != pl.col("right"))
        .select("left", "right", similarity=pl.lit(1.0))
    )
    near = _near(stems, sets.join(first, left_on="row", right_on="left", how="semi"), threshold)
    found = pl.concat([same, near]).sort("left", "right")
    ids = rows["memory_id"]
    return found.with_columns(left=ids.gather(found["left"]), right=ids.gather(found["right"]))


def _near(stems: pl.DataFrame, sets: pl.DataFrame, threshold: float) -> pl.DataFrame:
    kept = stems.join(sets.select("row", "size", "group", "owner"), on="row")
    ranked = kept.with_columns(shared=pl.len().over("owner", "stem")).sort("row", "shared", "stem")
    prefix = ranked.filter(
        pl.int_range(pl.len()).over("row")
        < pl.col("size") - (threshold * pl.col("size")).ceil() + 1,
        pl.col("shared").is_between(2, MOST_SHARED),
    ).select("row", "group", "stem", "size")
    pairs = (
        prefix.lazy()
        .join(prefix.lazy(), on=["group", "stem"], suffix="_right")
        .filter(
            pl.col("row") < pl.col("row_right"),
            pl.min_horizontal("size", "size_right")
            >= threshold * pl.max_horizontal("size", "size_right"),
        )
        .select(left="row", right="row_right", n="size", m="size_right")
        .unique()
        .collect()
    )
    if pairs.is_empty():
        return pl.DataFrame(schema={"left": _ROW, "right": _ROW, "similarity": pl.Float64})
    compared = pl.concat([pairs["left"], pairs["right"]]).unique().implode()
    words = kept.filter(pl.col("row").is_in(compared)).select("row", "stem", "firm")
    common = (
        pairs.lazy()
        .join(words.lazy(), left_on="left", right_on="row")
        .join(words.lazy().rename({"row": "right", "firm": "firm_right"}), on=["right", "stem"])
        .group_by("left", "right")
        .agg(
            common=pl.len(),
            firm_common=pl.col("firm").sum(),
            firm_common_right=pl.col("firm_right").sum(),
        )
        .collect()
    )
    firm = words.group_by("row").agg(firm=pl.col("firm").sum())
    return (
        pairs.join(common, on=["left", "right"])
        .join(firm.rename({"row": "left", "firm": "firm_left"}), on="left")
        .join(firm.rename({"row": "right", "firm": "firm_right"}), on="right")
        .with_columns(similarity=pl.col("common") / (pl.col("n") + pl.col("m") - pl.col("common")))
        .filter(
            pl.col("similarity") >= threshold,
            # What one of them names, the other names too.
            pl.col("firm_common") == pl.col("firm_left"),
            pl.col("firm_common_right") == pl.col("firm_right"),
        )
        .select("left", "right", "similarity")
    )
