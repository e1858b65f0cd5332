"""What was folded into what, and why, with both texts and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from clientlore.control.snapshots import DEFAULT_SETTINGS
from clientlore.monitoring.events import MEMBERS, REASONS
from clientlore.monitoring.merges import Pair, pair
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.workspace import Workspace

LAYERS = ("near", "revision", "url", "content", "identity", "seen")
EXAMPLES = {"near": 3, "revision": 2}
"""Pairs that are shown of each reason; of the others, whose texts are the same, one."""


@dataclass(frozen=True)
class Layer:
    """A reason for folding, how often it applied, and examples."""

    name: str
    reason: str
    count: int
    pairs: tuple[Pair, ...]


def layers_of(workspace: Workspace, tenant_id: str, days: Sequence[date]) -> list[Layer]:
    """The reasons for which items of some days were folded, with the least alike pairs of each as examples.

    Pairs about a client come first: they are the ones that people would have got twice.
    """
    lake = workspace.lake
    about = (
        lake.scan(RELEVANCE, [tenant_id])
        .group_by("event_id")
        .agg(best=pl.col("score").max().fill_null(0.0))
    )
    later = lake.collect(
        MEMBERS,
        lake.scan(MEMBERS, [tenant_id], days)
        .filter(pl.col("layer") != "first")
        .drop("words", "fingerprints")
        .join(about, on="event_id", how="left")
        .sort(
            pl.col("best").fill_null(0.0) < DEFAULT_SETTINGS["memory_threshold"],
            "similarity",
            "day",
            "item_id",
        ),
    )
    counts = dict(later["layer"].value_counts().iter_rows())
    chosen = later.filter(
        pl.col("matched_item_id").is_not_null()
        & (pl.col("layer") != "seen")
        & (
            pl.int_range(pl.len()).over("layer")
            < pl.col("layer").replace_strict(EXAMPLES, default=1, return_dtype=pl.Int64)
        )
    )
    earlier = lake.collect(
        MEMBERS,
        lake.scan(MEMBERS, [tenant_id])
        .drop("words", "fingerprints")
        .filter(pl.col("item_id").is_in(chosen["matched_item_id"].unique().to_list()))
        .sort("day")
        .unique("item_id", keep="first", maintain_order=True),
    )
    by_id = {row["item_id"]: row for row in earlier.iter_rows(named=True)}
    pairs: dict[str, list[Pair]] = {}
    for row in chosen.iter_rows(named=True):
        if row["matched_item_id"] in by_id:
            pairs.setdefault(row["layer"], []).append(pair(by_id[row["matched_item_id"]], row))
    return [
        Layer(name, REASONS[name], counts[name], tuple(pairs.get(name, ())))
        for name in LAYERS
        if name in counts
    ]
