"""The near-duplicate layer: MinHash finds candidates, exact Jaccard and containment decide, names can veto.

Shingles are runs of `SHINGLE` words. Two items are candidates if they agree in one of `BANDS` bands of their
signatures (Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, ch. 3): with 32 bands of
4 rows a pair of Jaccard similarity s is found with probability 1 - (1 - s^4)^32, which is 0.99 at s = 0.6.
"""

from __future__ import annotations

import numpy as np
import polars as pl

SHINGLE = 3
PERMUTATIONS = 128
BANDS = 32
SEED = 42
JACCARD = 0.6
CONTAINMENT = 0.8
MIN_SHINGLES = 15
"""A text of fewer shingles is contained in another too easily."""
SHARED_NAMES = 0.6
"""Share of the smaller set of names and numbers that both must have; fewer, and it is a template."""
BUCKET = 20
"""An item is compared with at most this many earlier ones of a bucket, so that a popular phrase stays cheap."""

SIGNATURE = pl.List(pl.UInt32)


def signatures(texts: pl.Series) -> pl.Series:
    """MinHash signatures of texts of words; null where a text has no shingle."""
    from rensa import RMinHash

    sets = _shingles(texts)
    some = sets.list.len() > 0
    digests = RMinHash.digests_from_token_sets(sets.filter(some).to_list(), PERMUTATIONS, SEED)
    made = pl.Series(digests, dtype=SIGNATURE) if digests else pl.Series([], dtype=SIGNATURE)
    positions = np.flatnonzero(some.to_numpy())
    frame = pl.DataFrame({"n": np.arange(len(texts))}).join(
        pl.DataFrame({"n": positions, "signature": made}), on="n", how="left", maintain_order="left"
    )
    return frame["signature"]


def candidates(signature: pl.Series, first_new: int) -> pl.DataFrame:
    """Pairs of items that share a band, of which the later one is new.

    Args:
        signature: Signatures in the order of collection; null where there is none.
        first_new: Position of the first item of the day; earlier ones are the look-back.

    Returns:
        Columns `earlier` and `later`: positions, each pair once.
    """
    some = np.flatnonzero(signature.is_not_null().to_numpy())
    if len(some) < 2 or first_new >= len(signature):
        return pl.DataFrame(schema={"earlier": pl.Int64, "later": pl.Int64})
    keys = _band_keys(signature.drop_nulls())
    frame = pl.DataFrame({"key": keys.ravel(), "n": np.repeat(some.astype(np.int64), BANDS)})
    frame = frame.filter(pl.len().over("key") > 1)
    heads = frame.group_by("key").agg(pl.col("n").sort().head(BUCKET).alias("earlier"))
    return (
        frame.filter(pl.col("n") >= first_new)
        .join(heads, on="key")
        .select("earlier", pl.col("n").alias("later"))
        .explode("earlier")
        .filter(pl.col("earlier") < pl.col("later"))
        .unique()
        .sort("later", "earlier")
    )


def _band_keys(signature: pl.Series) -> np.ndarray:
    """A key of 64 bits for each item and band; two bands that agree have one key, others hardly ever.

    What a chance agreement lets through is turned away when pairs are decided exactly.
    """
    matrix = signature.explode().to_numpy().astype(np.uint64).reshape(len(signature), BANDS, -1)
    keys = np.arange(1, BANDS + 1, dtype=np.uint64)[None, :] * np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        for row in range(matrix.shape[2]):
            keys = (keys ^ matrix[:, :, row]) * np.uint64(0xFF51AFD7ED558CCD)
            keys ^= keys >> np.uint64(33)
    return keys


def confirm(pairs: pl.DataFrame) -> pl.DataFrame:
    """Decides pairs exactly.

    Args:
        pairs: Columns earlier, later, words_a, words_b (normalised), text_a, text_b (as written).

    Returns:
        The accepted pairs with `jaccard`, `containment` (of the shorter in the longer) and `similarity`, the
        larger of the two.
    """
    if pairs.is_empty():
        return pairs.select("earlier", "later").with_columns(
            jaccard=pl.lit(None, pl.Float64),
            containment=pl.lit(None, pl.Float64),
            similarity=pl.lit(None, pl.Float64),
        )
    frame = pairs.with_columns(
        a=_shingles(pairs["words_a"]),
        b=_shingles(pairs["words_b"]),
        names_a=_names(pairs["text_a"]),
        names_b=_names(pairs["text_b"]),
    ).with_columns(
        both=pl.col("a").list.set_intersection("b").list.len().cast(pl.Float64),
        shorter=pl.min_horizontal(pl.col("a").list.len(), pl.col("b").list.len()),
        together=pl.col("a").list.set_union("b").list.len(),
        fewer=pl.min_horizontal(pl.col("names_a").list.len(), pl.col("names_b").list.len()),
        shared=pl.col("names_a").list.set_intersection("names_b").list.len(),
    )
    frame = frame.with_columns(
        jaccard=pl.col("both") / pl.col("together"),
        containment=pl.col("both") / pl.col("shorter"),
    ).with_columns(similarity=pl.max_horizontal("jaccard", "containment").round(4))
    close = (pl.col("jaccard") >= JACCARD) | (
        (pl.col("containment") >= CONTAINMENT) & (pl.col("shorter") >= MIN_SHINGLES)
    )
    template = (pl.col("fewer") >= 2) & (pl.col("shared") < SHARED_NAMES * pl.col("fewer"))
    return frame.filter(close & ~template).select(
        "earlier", "later", "jaccard", "containment", "similarity"
    )


def _shingles(texts: pl.Series) -> pl.Series:
    element = pl.element()
    runs = pl.concat_str([element.shift(-n) for n in range(SHINGLE)], separator=" ")
    return (
        texts.fill_null("")
        .str.split(" ")
        .list.eval(runs.drop_nulls().unique(maintain_order=True))
        .alias("shingles")
    )


def _names(texts: pl.Series) -> pl.Series:
    """Words in capitals inside sentences, and numbers: what tells one story from another of the same template."""
    return (
        texts.fill_null("")
        .str.extract_all(r"(?:[a-z,;0-9]\s+\p{Lu}[\p{L}\p{N}&-]+)|(?:\d[\d.,]*)")
        .list.eval(
            pl.element()
            .str.extract(r"(\p{Lu}[\p{L}\p{N}&-]+|\d[\d.,]*)$", 1)
            .str.strip_chars(".,")
            .str.to_lowercase()
            .drop_nulls()
            .unique(maintain_order=True)
        )
        .alias("names")
    )
