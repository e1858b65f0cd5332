"""Which items are one event. Pure: frames in, frames out.

Layers, strongest first: `seen` (the very item, on an earlier day), `identity` (same origin id, same words),
`revision` (same origin id or the source's own address, other words), `url`, `content`, `near`. An item joins the
earliest item it matches in its strongest layer; what came before never moves. So the result does not depend on
the order of rows, later items change nothing about earlier ones, and an event keeps the id of its first item.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import polars as pl

from clientlore.monitoring import nearduplicates
from clientlore.monitoring.normalise import nth_time
from clientlore.storage.lake import columns

ORDER = ("collected_at", "published_at", "item_id")
"""Collection time decides; within a batch, what was published first."""
SHARED_URL_TEXTS = 3
"""An address under which one source gives this many texts names a site, not a page: from that batch on."""

KEYS = columns(
    {
        "item_id": pl.String,
        "event_id": pl.String,
        "source_id": pl.String,
        "origin_key": pl.String,
        "canonical_url": pl.String,
        "content_key": pl.String,
        "fingerprints": nearduplicates.FINGERPRINTS,
    }
)
"""What the look-back must have; in the order of days, then of `ORDER`."""

TOLD = ("words", "title", "text", "published_at")
"""What is compared of two candidates."""
Texts = Callable[[list[str]], pl.DataFrame]

_RANKS = {"identity": 1, "revision": 2, "url": 3, "content": 4, "near": 5}
_EDGES = columns(
    {"later": pl.Int64, "earlier": pl.Int64, "layer": pl.String, "similarity": pl.Float64}
)


def fold(
    new: pl.DataFrame, old: pl.DataFrame, texts: Texts, apart: Collection[str] = ()
) -> pl.DataFrame:
    """Assigns every new item to an event.

    Args:
        new: Distinct items of a day with the columns of `KEYS` but the event, of `ORDER` and of `TOLD`.
        old: Members of earlier days, with the columns of `KEYS`.
        texts: Gives `item_id` and `TOLD` of some old items; asked only for candidates.
        apart: Items of which a person said that they are no copies: each begins an event of its own, and what is most
            like it goes with it.

    Returns:
        The new items in the order of collection, with `event_id`, `layer` (`first` for the founder of an
        event), `matched_item_id` and `similarity`.
    """
    new = new.sort(list(ORDER), nulls_last=True)
    known = old.select("item_id", "event_id").unique("item_id", keep="first", maintain_order=True)
    new = new.join(
        known.rename({"event_id": "seen_in"}), on="item_id", how="left", maintain_order="left"
    )
    seen, fresh = (
        new.filter(pl.col("seen_in").is_not_null()),
        new.filter(pl.col("seen_in").is_null()),
    )
    placed = _place(fresh, old, texts, apart)
    again = seen.with_columns(
        event_id=pl.col("seen_in"),
        layer=pl.lit("seen"),
        matched_item_id=pl.col("item_id"),
        similarity=pl.lit(1.0),
    )
    both = pl.concat([placed, again.select(placed.columns)]).drop("seen_in")
    return both.sort(list(ORDER), nulls_last=True)


def _place(
    fresh: pl.DataFrame, old: pl.DataFrame, texts: Texts, apart: Collection[str]
) -> pl.DataFrame:
    columns = [c for c in KEYS if c != "event_id"]
    first_new = old.height
    everything = pl.concat([old.select(columns), fresh.select(columns)]).with_row_index("n")
    # The look-back came before every batch of the day.
    batch = pl.concat(
        [pl.zeros(first_new, pl.UInt32, eager=True), fresh["collected_at"].rank("dense")]
    )
    everything = everything.cast({"n": pl.Int64}).with_columns(batch=batch)
    edges = pl.concat(
        [
            _origin_edges(everything),
            _url_edges(everything),
            _key_edges(everything, "content_key").with_columns(layer=pl.lit("content")),
            _near_edges(everything, fresh, first_new, texts),
        ]
    ).filter(pl.col("later") >= first_new)
    if apart:
        alone = everything.filter(pl.col("item_id").is_in(list(apart)))["n"]
        edges = edges.filter(~pl.col("later").is_in(alone.implode()))
    best = (
        edges.with_columns(rank=pl.col("layer").replace_strict(_RANKS, return_dtype=pl.Int8))
        .sort("later", "rank", pl.col("similarity") * -1, "earlier")
        .unique("later", keep="first", maintain_order=True)
    )
    parent = np.arange(everything.height)
    parent[best["later"].to_numpy()] = best["earlier"].to_numpy()
    root = _roots(parent)
    positions = np.arange(first_new, everything.height)
    ids = everything["item_id"]
    owner = pl.concat([old["event_id"], fresh["item_id"]])
    how = pl.DataFrame({"n": positions}).join(
        best.select(
            pl.col("later").alias("n"),
            "layer",
            "similarity",
            ids.gather(best["earlier"]).alias("matched_item_id"),
        ),
        on="n",
        how="left",
        maintain_order="left",
    )
    return fresh.with_columns(
        event_id=owner.gather(root[first_new:]),
        layer=how["layer"].fill_null("first"),
        matched_item_id=how["matched_item_id"],
        similarity=how["similarity"].round(4),
    )


def _roots(parent: np.ndarray) -> np.ndarray:
    """Follows every chain to its end by doubling: parents lie before their children, so this ends."""
    while True:
        grand = parent[parent]
        if np.array_equal(grand, parent):
            return parent
        parent = grand


def _key_edges(everything: pl.DataFrame, key: str) -> pl.DataFrame:
    """Each item to the first one with the same key."""
    return (
        everything.filter(pl.col(key).is_not_null())
        .select(pl.col("n").alias("later"), pl.col("n").min().over(key).alias("earlier"))
        .filter(pl.col("earlier") < pl.col("later"))
        .with_columns(layer=pl.lit(key), similarity=pl.lit(1.0))
        .match_to_schema(_EDGES)
    )


def _with_sides(edges: pl.DataFrame, everything: pl.DataFrame) -> pl.DataFrame:
    side = everything.select("n", "source_id", "content_key")
    return edges.join(
        side.rename({"n": "later", "source_id": "source_b", "content_key": "content_b"}), on="later"
    ).join(
        side.rename({"n": "earlier", "source_id": "source_a", "content_key": "content_a"}),
        on="earlier",
    )


def _origin_edges(everything: pl.DataFrame) -> pl.DataFrame:
    """The same origin id: the same thing, or a later version of it."""
    same_words = pl.col("content_a") == pl.col("content_b")
    return (
        _with_sides(_key_edges(everything, "origin_key"), everything)
        .with_columns(
            layer=pl.when(same_words).then(pl.lit("identity")).otherwise(pl.lit("revision"))
        )
        .select(list(_EDGES))
    )


def _url_edges(everything: pl.DataFrame) -> pl.DataFrame:
    """The same page. From the same source with other words it is a later version."""
    since = nth_time(
        everything, "batch", "content_key", ("source_id", "canonical_url"), SHARED_URL_TEXTS
    )
    site_since = pl.col("since").min().over("canonical_url")
    pages = everything.with_columns(since=since).filter(
        (pl.col("batch") < site_since).fill_null(value=True)
    )
    revised = (pl.col("source_a") == pl.col("source_b")) & (
        pl.col("content_a") != pl.col("content_b")
    )
    return (
        _with_sides(_key_edges(pages, "canonical_url"), everything)
        .with_columns(layer=pl.when(revised).then(pl.lit("revision")).otherwise(pl.lit("url")))
        .select(list(_EDGES))
    )


def _near_edges(
    everything: pl.DataFrame, fresh: pl.DataFrame, first_new: int, texts: Texts
) -> pl.DataFrame:
    pairs = nearduplicates.candidates(everything["fingerprints"], first_new)
    if pairs.is_empty():
        return _EDGES.to_frame()
    ids = everything.select("n", "item_id")
    wanted = ids.filter((pl.col("n") < first_new) & pl.col("n").is_in(pairs["earlier"].implode()))
    told = [fresh.select(TOLD).with_row_index("n", first_new).cast({"n": pl.Int64})]
    if wanted.height:
        known = texts(wanted["item_id"].to_list()).unique("item_id", keep="first")
        told.append(wanted.join(known, on="item_id").select("n", *TOLD))
    both = pl.concat(told, how="vertical_relaxed")
    pairs = pairs.filter(pl.col("earlier").is_in(both["n"].implode()))
    return (
        nearduplicates.confirm(pairs, both)
        .with_columns(layer=pl.lit("near"))
        .select("later", "earlier", "layer", "similarity")
        .match_to_schema(_EDGES)
    )
