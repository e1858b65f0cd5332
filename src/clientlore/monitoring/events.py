"""Events: one row for each distinct thing that was told, and one for each item that told it.

Whatever cannot be used is set aside per tenant; the rest goes on. A mock row in a live tenant holds the tenant. What a
person took apart (see `control.splits`) stays apart.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, timedelta

import polars as pl

from clientlore.clock import days_between
from clientlore.control.quarantine import Reject
from clientlore.control.snapshots import Snapshot
from clientlore.ids import sha256
from clientlore.monitoring import folding, nearduplicates, raw, stories
from clientlore.monitoring.normalise import NORMALISER, with_keys
from clientlore.storage.lake import UTC_TIME, Lake, Table, Written, columns

IDENTITY_DAYS = 30
"""How far back an item is recognised by its origin, address or text."""
NEAR_DAYS = 7
"""How far back near-duplicates are looked for."""
MOCK_IN_LIVE = "mock_in_live"

MEMBERS = Table(
    "core",
    "event_members",
    columns(
        {
            "tenant_id": pl.String,
            "day": pl.Date,
            "item_id": pl.String,
            "event_id": pl.String,
            "status": pl.String,
            "layer": pl.String,
            "reason": pl.String,
            "matched_item_id": pl.String,
            "similarity": pl.Float64,
            "is_revision": pl.Boolean,
            "title": pl.String,
            "text": pl.String,
            "words": pl.String,
            "url": pl.String,
            "canonical_url": pl.String,
            "publisher": pl.String,
            "author": pl.String,
            "language": pl.String,
            "published_at": UTC_TIME,
            "collected_at": UTC_TIME,
            "source_id": pl.String,
            "client_id": pl.String,
            "provider": pl.String,
            "source_mode": pl.String,
            "batch_id": pl.String,
            "response_id": pl.String,
            "position": pl.Int32,
            "origin_key": pl.String,
            "content_key": pl.String,
            "fingerprints": nearduplicates.FINGERPRINTS,
        }
    ),
    ("collected_at", "published_at", "item_id"),
    "An item collected on the day, the event it belongs to and why.",
)
EVENTS = Table(
    "core",
    "events",
    columns(
        {
            "tenant_id": pl.String,
            "day": pl.Date,
            "event_id": pl.String,
            "story_id": pl.String,
            "story_similarity": pl.Float64,
            "title": pl.String,
            "text": pl.String,
            "url": pl.String,
            "canonical_url": pl.String,
            "publisher": pl.String,
            "author": pl.String,
            "language": pl.String,
            "published_at": UTC_TIME,
            "first_collected_at": UTC_TIME,
            "shown_item_id": pl.String,
            "members": pl.Int32,
            "publishers": pl.List(pl.String),
            "layers": pl.List(pl.String),
            "is_revised": pl.Boolean,
            "source_mode": pl.String,
            "normaliser": pl.String,
        }
    ),
    ("first_collected_at", "published_at", "event_id"),
    "A distinct item that came up first on this day, with its duplicates folded.",
)

REASONS = {
    "first": "the first to tell it",
    "seen": "collected on an earlier day already",
    "identity": "its source gives it the same id and the same words",
    "revision": "a later version of the same item",
    "url": "the same page",
    "content": "the same text",
    "near": "nearly the same text",
}
TAKEN_APART = "a person said that it is no copy"
EVENTS_VERSION = f"{NORMALISER}-s1"
"""Raised when the same items may give other events or stories."""


@dataclass(frozen=True)
class Folded:
    """What folding a (tenant, day) gave."""

    members: pl.DataFrame
    events: pl.DataFrame
    rejects: tuple[Reject, ...]
    inputs: tuple[str, ...]

    @property
    def mock_in_live(self) -> int:
        """How many mock rows were found in a live tenant."""
        return sum(reject.reason == MOCK_IN_LIVE for reject in self.rejects)

    def counts(self) -> dict[str, int]:
        """Items, how many were new, folded or seen before, and events."""
        layers = dict(self.members["layer"].value_counts().iter_rows())
        seen = layers.pop("seen", 0)
        first = layers.pop("first", 0)
        return {
            "items": self.members.height,
            "new": self.members.height - seen,
            "seen_before": seen,
            "folded": sum(layers.values()),
            "events": first,
            "quarantined": len(self.rejects),
            **{f"by_{layer}": n for layer, n in sorted(layers.items())},
        }


def fold_day(lake: Lake, snapshot: Snapshot, apart: Collection[str] = ()) -> Folded:
    """Folds everything collected on a day into events; writes nothing.

    The same raw rows, earlier days and decisions give the same rows in the same order, however often and
    whatever ran before.

    Args:
        lake: Where.
        snapshot: The configuration of the day.
        apart: Items of which a person said that they are no copies.
    """
    tenant_id, day = snapshot.tenant_id, snapshot.day
    rows = lake.collect(raw.SEARCH_RESULTS, lake.scan(raw.SEARCH_RESULTS, [tenant_id], [day]))
    items, rejects = _usable(rows, snapshot)
    items = with_keys(items).with_columns(day=pl.lit(day))
    items = items.with_columns(fingerprints=nearduplicates.fingerprints(items["words"]))
    old = _look_back(lake, tenant_id, day)
    placed = folding.fold(items, old, lambda ids: _texts(lake, tenant_id, day, ids), apart)
    taken = (pl.col("layer") == "first") & pl.col("item_id").is_in(list(apart))
    members = placed.with_columns(
        status=pl.when(pl.col("layer") == "seen")
        .then(pl.lit("SKIPPED"))
        .otherwise(pl.lit("PROCESSED")),
        reason=pl.when(taken)
        .then(pl.lit(TAKEN_APART))
        .otherwise(pl.col("layer").replace_strict(REASONS, return_dtype=pl.String)),
        is_revision=(pl.col("layer") == "revision") | pl.col("marked_revision"),
    )
    return Folded(
        members=members.select(list(MEMBERS.schema)),
        events=_events(members, _stories(lake, tenant_id, day, members, apart), day),
        rejects=tuple(rejects),
        inputs=tuple(sorted(rows["item_id"].drop_nulls().unique().to_list())),
    )


def write(lake: Lake, snapshot: Snapshot, folded: Folded) -> Written:
    """Writes the events of a (tenant, day), members first: an event without members is never seen.

    The SHA-256 that is returned is that of both files: later days look back on either.
    """
    members = lake.write(MEMBERS, snapshot.tenant_id, snapshot.day, folded.members)
    written = lake.write(EVENTS, snapshot.tenant_id, snapshot.day, folded.events)
    return replace(
        written, sha=_both(members.sha, written.sha), changed=members.changed or written.changed
    )


def stored_sha(lake: Lake, tenant_id: str, day: date) -> str | None:
    """The SHA-256 that `write` said of what is stored; None where a file is missing."""
    members, events = (lake.sha(table, tenant_id, day) for table in (MEMBERS, EVENTS))
    return _both(members, events) if members and events else None


def _both(members: str, events: str) -> str:
    return sha256(f"{members}{events}".encode())


def look_back_days(day: date) -> list[date]:
    """The earlier days that a day's result depends on."""
    return days_between(day - timedelta(days=IDENTITY_DAYS), day - timedelta(days=1))


def _usable(rows: pl.DataFrame, snapshot: Snapshot) -> tuple[pl.DataFrame, list[Reject]]:
    """The distinct items that may be used, each as first collected, and what was set aside."""
    reference = pl.concat_str(
        pl.lit("item:"),
        pl.col("item_id").fill_null(
            pl.concat_str("batch_id", pl.lit("#"), "position", ignore_nulls=True)
        ),
    )
    foreign = (pl.col("tenant_id") != snapshot.tenant_id) | pl.col("tenant_id").is_null()
    mock = (pl.col("source_mode") != "live") | pl.col("source_mode").is_null()
    broken = (
        pl.col("item_id").is_null()
        | pl.col("collected_at").is_null()
        | (pl.col("title").fill_null("") + pl.col("text").fill_null("") == "")
    )
    verdict = (
        pl.when(foreign)
        .then(pl.lit("foreign_tenant"))
        .when(mock & pl.lit(snapshot.mode == "live"))
        .then(pl.lit(MOCK_IN_LIVE))
        .when(broken)
        .then(pl.lit("broken_row"))
    )
    judged = rows.with_columns(verdict=verdict, reference=reference)
    details = {
        "foreign_tenant": "the row says that it belongs to another tenant; look at its batch file",
        MOCK_IN_LIVE: "a made-up row lies among real ones; find out who wrote its batch, then release the tenant",
        "broken_row": "the row has no id, no time of collection or no text; look at its batch file",
    }
    aside = judged.filter(pl.col("verdict").is_not_null()).unique(
        ["reference", "verdict"], maintain_order=True
    )
    rejects = [
        Reject(row["reference"], row["verdict"], details[row["verdict"]], row["source_id"])
        for row in aside.iter_rows(named=True)
    ]
    usable = (
        judged.filter(pl.col("verdict").is_null())
        .sort(*folding.ORDER, "response_id", "position", nulls_last=True)
        .unique("item_id", keep="first", maintain_order=True)
        .drop("verdict", "reference")
    )
    return usable, rejects


def _look_back(lake: Lake, tenant_id: str, day: date) -> pl.DataFrame:
    near = pl.col("day") >= day - timedelta(days=NEAR_DAYS)
    frame = (
        lake.scan(MEMBERS, [tenant_id], look_back_days(day))
        .with_columns(
            fingerprints=pl.when(near & (pl.col("status") == "PROCESSED")).then("fingerprints")
        )
        .select("day", *folding.ORDER[:2], *folding.KEYS)
        .sort("day", *folding.ORDER, nulls_last=True)
        .select(list(folding.KEYS))
    )
    return lake.collect(MEMBERS, frame)


def _texts(lake: Lake, tenant_id: str, day: date, ids: list[str]) -> pl.DataFrame:
    days = [d for d in look_back_days(day) if d >= day - timedelta(days=NEAR_DAYS)]
    frame = (
        lake.scan(MEMBERS, [tenant_id], days)
        .filter(pl.col("item_id").is_in(ids))
        .select("item_id", *folding.TOLD)
    )
    return lake.collect(MEMBERS, frame)


def _stories(
    lake: Lake, tenant_id: str, day: date, members: pl.DataFrame, apart: Collection[str]
) -> pl.DataFrame:
    """The story of each event that was born on the day, by its first item: a fuller copy moves nothing."""
    told_at = pl.coalesce("published_at", "collected_at").alias("told_at")
    new = members.filter(pl.col("layer") == "first").select(
        "event_id", "title", "text", told_at, apart=pl.col("event_id").is_in(list(apart))
    )
    days = days_between(day - timedelta(days=stories.WINDOW_DAYS), day - timedelta(days=1))
    recent = lake.collect(
        EVENTS,
        lake.scan(EVENTS, [tenant_id], days if new.height else [])
        .select("day", *EVENTS.sort, "story_id")
        .sort("day", *EVENTS.sort, nulls_last=True)
        .tail(stories.LOOK_BACK),
    ).select("day", "event_id", "story_id")
    firsts = (
        lake.scan(MEMBERS, [tenant_id], recent["day"].unique().to_list())
        .filter(pl.col("layer") == "first")
        .select("event_id", "title", "text", told_at, *folding.ORDER)
        .join(recent.lazy(), on="event_id")
        .sort("day", *folding.ORDER, nulls_last=True)
    )
    before = lake.collect(MEMBERS, firsts.select("story_id", "title", "text", "told_at"))
    return stories.continued(before, new)


def _events(members: pl.DataFrame, told: pl.DataFrame, day: date) -> pl.DataFrame:
    """The events that were born on the day, those whose first member is one of the day's; with their stories."""
    born = members.filter(pl.col("layer") == "first").select("event_id")
    mine = members.filter(pl.col("status") == "PROCESSED").join(born, on="event_id", how="semi")
    return (
        fullest(mine)
        .join(
            mine.group_by("event_id").agg(
                first_collected_at=pl.col("collected_at").min(),
                members=pl.len().cast(pl.Int32),
                publishers=pl.col("publisher").drop_nulls().unique(maintain_order=True),
                layers=pl.col("layer").unique(maintain_order=True),
                is_revised=pl.col("is_revision").any(),
            ),
            on="event_id",
        )
        .join(told, on="event_id")
        .with_columns(
            day=pl.lit(day),
            shown_item_id=pl.col("item_id"),
            normaliser=pl.lit(NORMALISER),
        )
        .select(list(EVENTS.schema))
        .sort(list(EVENTS.sort), nulls_last=True)
    )


def fullest(members: pl.DataFrame) -> pl.DataFrame:
    """The copy of each event that is shown: of each source's item its newest version, of these the longest."""
    newest = members.sort(*folding.ORDER, nulls_last=True).unique(
        ["event_id", "origin_key"], keep="last", maintain_order=True
    )
    longest = newest.sort(
        pl.col("text").str.len_chars() * -1, *folding.ORDER, nulls_last=True, maintain_order=True
    )
    return longest.unique("event_id", keep="first", maintain_order=True)
