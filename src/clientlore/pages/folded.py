"""What was folded into what, and why, with both texts and where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from difflib import SequenceMatcher
from typing import Any

import polars as pl

from clientlore.control.snapshots import DEFAULT_SETTINGS
from clientlore.monitoring.events import MEMBERS, REASONS
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.workspace import Workspace

LAYERS = ("near", "revision", "url", "content", "identity", "seen")
EXAMPLES = {"near": 3, "revision": 2}
"""Pairs that are shown of each reason; of the others, whose texts are the same, one."""
_MOST_WORDS = 400

Segment = tuple[str, bool]
"""A run of words, and whether the other text has it otherwise."""


@dataclass(frozen=True)
class Told:
    """One item of a pair, with its words in segments."""

    item_id: str
    title: tuple[Segment, ...]
    text: tuple[Segment, ...]
    publisher: str | None
    url: str | None
    published_at: datetime | None
    day: date


@dataclass(frozen=True)
class Pair:
    """Two items that are one event."""

    layer: str
    similarity: float
    event_id: str
    first: Told
    later: Told

    @property
    def is_same(self) -> bool:
        """Whether both say the same, word for word."""
        told = (*self.first.title, *self.first.text, *self.later.title, *self.later.text)
        return not any(differs for _, differs in told)


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
        .drop("words", "signature")
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
        .drop("words", "signature")
        .filter(pl.col("item_id").is_in(chosen["matched_item_id"].unique().to_list()))
        .sort("day")
        .unique("item_id", keep="first", maintain_order=True),
    )
    by_id = {row["item_id"]: row for row in earlier.iter_rows(named=True)}
    pairs: dict[str, list[Pair]] = {}
    for row in chosen.iter_rows(named=True):
        if row["matched_item_id"] in by_id:
            pairs.setdefault(row["layer"], []).append(_pair(by_id[row["matched_item_id"]], row))
    return [
        Layer(name, REASONS[name], counts[name], tuple(pairs.get(name, ())))
        for name in LAYERS
        if name in counts
    ]


def differences(first: str, later: str) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """Both texts in segments of words that they share or not, in order."""
    a, b = _words(first), _words(later)
    left: list[Segment] = []
    right: list[Segment] = []
    for what, a0, a1, b0, b1 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if a1 > a0:
            left.append((" ".join(a[a0:a1]), what != "equal"))
        if b1 > b0:
            right.append((" ".join(b[b0:b1]), what != "equal"))
    return tuple(left), tuple(right)


def _words(text: str) -> list[str]:
    found = text.split()
    return found if len(found) <= _MOST_WORDS else [*found[:_MOST_WORDS], "…"]


def _pair(first: Mapping[str, Any], later: Mapping[str, Any]) -> Pair:
    titles = differences(first["title"] or "", later["title"] or "")
    texts = differences(first["text"] or "", later["text"] or "")
    sides = [
        Told(
            item_id=row["item_id"],
            title=titles[n],
            text=texts[n],
            publisher=row["publisher"],
            url=row["url"],
            published_at=row["published_at"],
            day=row["day"],
        )
        for n, row in enumerate((first, later))
    ]
    return Pair(later["layer"], later["similarity"] or 0.0, later["event_id"], *sides)
