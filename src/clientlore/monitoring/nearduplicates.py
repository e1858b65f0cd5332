"""The near-duplicate layer: shared fingerprints find candidates, what the two texts tell decides.

Fingerprints are shingles (runs of three words) whose hash is zero modulo four (Broder 1997): of two texts, both have
one or neither has it, so a flash is found in the long story that contains it, which minima over whole texts
(MinHash) do not show. Candidates are then compared exactly. How much of the shorter text the longer one contains is
the strongest evidence; names, numbers, headline and dates that contradict each other weigh against it, since stories
of one template share most of their words.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from clientlore.monitoring.evidence import FEATURES, signs, weighed
from clientlore.monitoring.wording import VALUE_BITS, Shingles, in_sample, shingles, together

FEW_SHINGLES = 31
"""A text with fewer keeps all of them as fingerprints."""
OWNERS = 16
"""Of the texts that share a fingerprint, so many of the earliest are compared with a later one."""
RAREST = 12
"""A text is looked up by so many of its fingerprints, those that the fewest earlier texts have."""
ENOUGH = 3
"""So many shared fingerprints make a candidate; one does where a text has no more than `SMALL`, and two where no more
than `RARE` earlier texts have one of them, which tells apart the many stories of one template."""
SMALL = 4
RARE = 4
MIN_ESTIMATE, MIN_CONTAINMENT = 0.3, 0.45
"""Less than this in common, by fingerprints and then by all shingles, is not looked at closer."""

ACCEPTED = 0.5
"""From this probability on two texts are the same."""

FINGERPRINTS = pl.List(pl.UInt64)

_ROW = np.uint64((1 << 24) - 1)


def fingerprints(words: pl.Series) -> pl.Series:
    """The fingerprints of texts of words, in order; empty where a text has no shingle."""
    found = shingles(words, sampled_from=FEW_SHINGLES)
    counts = found.lengths()
    made = pl.DataFrame({"row": np.repeat(np.arange(len(words)), counts), "value": found.values})
    lists = made.with_columns(pl.col("row").set_sorted()).group_by("row", maintain_order=True)
    some = pl.DataFrame(
        {"row": np.flatnonzero(counts), "value": lists.agg("value")["value"]},
        schema={"row": pl.Int64, "value": FINGERPRINTS},
    )
    everything = pl.DataFrame({"row": np.arange(len(words))}, schema={"row": pl.Int64})
    return (
        everything.join(some, on="row", how="left", maintain_order="left")["value"]
        .fill_null(pl.lit([], FINGERPRINTS))
        .alias("fingerprints")
    )


def candidates(prints: pl.Series, first_new: int) -> pl.DataFrame:
    """Pairs of items that share rare fingerprints, of which the later one is new.

    Args:
        prints: Fingerprints in the order of collection; null where an item is not to be compared.
        first_new: Position of the first item of the day; earlier ones are the look-back.

    Returns:
        Columns `earlier` and `later`: positions, each pair once. At most `OWNERS * RAREST` for each later item;
        which ones depends only on what came before it.
    """
    nothing = pl.DataFrame(schema={"earlier": pl.Int64, "later": pl.Int64})
    counts = prints.list.len().fill_null(0).to_numpy().astype(np.int64)
    if not counts.sum():
        return nothing
    rows = np.repeat(np.arange(len(prints)), counts)
    values = prints.explode(empty_as_null=False).drop_nulls().to_numpy()
    keys = (values << np.uint64(64 - VALUE_BITS)) | rows.astype(np.uint64)
    keys = pl.Series(keys).sort().to_numpy()
    values, rows = keys >> np.uint64(64 - VALUE_BITS), (keys & _ROW).astype(np.int64)
    start = np.maximum.accumulate(
        np.where(np.r_[True, values[1:] != values[:-1]], np.arange(len(keys)), 0)
    )
    before = np.arange(len(keys)) - start
    wanted = (before > 0) & (rows >= first_new)
    rows_w, start_w, before_w = rows[wanted], start[wanted], before[wanted]
    # By text, then by rarity; what is equally rare in the order of the hashes, which a stable sort keeps.
    order = np.argsort((rows_w << 24) | np.minimum(before_w, (1 << 24) - 1), kind="stable")
    rows_w, start_w, before_w = rows_w[order], start_w[order], before_w[order]
    if not len(rows_w):
        return nothing
    first = np.maximum.accumulate(
        np.where(np.r_[True, rows_w[1:] != rows_w[:-1]], np.arange(len(rows_w)), 0)
    )
    rare = np.arange(len(rows_w)) - first < RAREST
    rows_w, start_w, owners = rows_w[rare], start_w[rare], np.minimum(before_w[rare], OWNERS)
    later = np.repeat(rows_w, owners)
    told_by_few = np.repeat(before_w[rare] <= RARE, owners)
    nth = np.arange(len(later)) - np.repeat(np.cumsum(owners) - owners, owners)
    earlier = rows[np.repeat(start_w, owners) + nth]
    # Whether few told of a pair stands in the lowest bit, so that sorting puts it last of its pair.
    told = pl.Series((((later << 24) | earlier) << 1) | told_by_few).sort().to_numpy()
    pairs = told >> 1
    start = np.flatnonzero(np.r_[True, pairs[1:] != pairs[:-1]])
    end = np.r_[start[1:], len(pairs)]
    shared = end - start
    enough = (shared >= ENOUGH) | ((shared == 2) & ((told[end - 1] & 1) == 1))
    pairs = pairs[start]
    later, earlier = pairs >> 24, pairs & np.int64(_ROW)
    enough |= np.minimum(counts[later], counts[earlier]) <= SMALL
    later, earlier = later[enough], earlier[enough]
    # A short text has fingerprints that a long one cannot have: the estimate is made on what both kinds keep.
    flat = prints.explode(empty_as_null=False).drop_nulls().to_numpy()
    some = in_sample(flat)
    kept = np.bincount(np.repeat(np.arange(len(prints)), counts)[some], minlength=len(prints))
    fewer = np.minimum(kept[later], kept[earlier])
    sample = Shingles(np.r_[0, np.cumsum(kept)], flat[some])
    close = (together(sample, earlier, later) >= MIN_ESTIMATE * fewer) | (fewer <= SMALL)
    return pl.DataFrame({"earlier": earlier[close], "later": later[close]})


def confirm(pairs: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Decides candidates exactly.

    Args:
        pairs: Columns `earlier` and `later`.
        told: Each item of a pair once: `n`, `words`, `title`, `text`, `published_at` (may be null).

    Returns:
        The pairs of which one tells what the other does, with `jaccard`, `containment` (of the shorter in the longer),
        `probability` that a reader would say so too, and `similarity`, the larger of the first two.
    """
    looked = compared(pairs, told)
    return looked.filter(pl.col("probability") >= ACCEPTED).drop(FEATURES, strict=False)


def compared(pairs: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """What `confirm` decides by: the pairs with something in common, their measures and all evidence."""
    asked = pl.concat([pairs["earlier"], pairs["later"]]).unique()
    told = told.filter(pl.col("n").is_in(asked.implode())).sort("n")
    place = np.searchsorted(told["n"].to_numpy(), pairs.select("earlier", "later").to_numpy())
    one, other = place[:, 0], place[:, 1]
    mine = shingles(told["words"])
    lengths = mine.lengths()
    shared = together(mine, one, other)
    shorter = np.maximum(np.minimum(lengths[one], lengths[other]), 1)
    union = np.maximum(lengths[one] + lengths[other] - shared, 1)
    measured = pairs.select("earlier", "later").with_columns(
        jaccard=pl.Series(shared / union, dtype=pl.Float64),
        containment=pl.Series(shared / shorter, dtype=pl.Float64),
    )
    near = measured.filter(pl.col("containment") >= MIN_CONTAINMENT)
    both = pl.concat([near["earlier"], near["later"]]).unique()
    clues = signs(told.filter(pl.col("n").is_in(both.implode())))
    return weighed(near, clues).with_columns(
        similarity=pl.max_horizontal("jaccard", "containment").round(4)
    )
