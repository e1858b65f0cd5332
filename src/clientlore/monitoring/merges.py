"""Two items that were folded into one event: both texts, where they differ, and why they are one; and its story."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from difflib import SequenceMatcher
from typing import Any

import polars as pl

from clientlore.monitoring.events import EVENTS, MEMBERS
from clientlore.storage.lake import Lake

_MOST_WORDS = 400
MOST_TOLD = 20
"""So many of the newest events of a story are shown."""

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


def merges_of(lake: Lake, tenant_id: str, event_id: str) -> list[Pair]:
    """Each item that was folded into an event beside the one that it was folded for, in the order of collection."""
    rows = lake.collect(
        MEMBERS,
        lake.scan(MEMBERS, [tenant_id])
        .drop("words", "fingerprints")
        .filter((pl.col("event_id") == event_id) & (pl.col("layer") != "seen"))
        .sort("collected_at", "published_at", "item_id"),
    )
    by_id = {row["item_id"]: row for row in rows.iter_rows(named=True)}
    return [
        pair(by_id[row["matched_item_id"]], row)
        for row in by_id.values()
        if row["matched_item_id"] in by_id and row["layer"] != "first"
    ]


@dataclass(frozen=True)
class Telling:
    """An event of a story; `similarity` is the cosine of both as it joined."""

    event_id: str
    day: date
    title: str
    publisher: str | None
    similarity: float | None


def story_of(
    lake: Lake, tenant_id: str, event_id: str
) -> tuple[str | None, int, tuple[Telling, ...]]:
    """The story of an event, how many events tell it, and the newest of them in the order of collection."""
    every = lake.scan(EVENTS, [tenant_id])
    own = lake.collect(EVENTS, every.filter(pl.col("event_id") == event_id).select("story_id"))
    if own.is_empty():
        return None, 0, ()
    story_id = own["story_id"][0]
    told = lake.collect(
        EVENTS,
        every.filter(pl.col("story_id") == story_id)
        .select("event_id", "day", "title", "publisher", "story_similarity", *EVENTS.sort[:2])
        .sort("day", *EVENTS.sort, nulls_last=True),
    )
    newest = told.tail(MOST_TOLD).select(
        "event_id", "day", "title", "publisher", similarity="story_similarity"
    )
    return story_id, told.height, tuple(Telling(**row) for row in newest.iter_rows(named=True))


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


def pair(first: Mapping[str, Any], later: Mapping[str, Any]) -> Pair:
    """Two members of an event, as rows of `MEMBERS`; the later one says why it was folded."""
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
