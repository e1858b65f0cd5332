"""From the sources of a day to operations on memory: new is added, changed is revised, vanished is retracted.

What a person did to a memory is never touched: a rerun neither brings back what they retracted nor retracts what
they revised.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy.engine import Connection

from clientlore.control.snapshots import Snapshot
from clientlore.memory import log
from clientlore.memory.fold import alive, fold, without_maintenance
from clientlore.memory.log import Operation, canonical, memory_id_for
from clientlore.monitoring import raw
from clientlore.monitoring.events import MEMBERS
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.storage.lake import Lake

ACTOR = "asset:core/memory_log"
VERSION = "m3"


@dataclass(frozen=True)
class Wanted:
    """A memory that the sources of a day call for.

    Attributes:
        lookup: What it is about, hashed, where another source may say the same or otherwise (`settling`).
    """

    owner_id: str
    kind: str
    text: str
    origin: str
    recorded_at: datetime
    valid_from: datetime | None
    attributes: Mapping[str, Any]
    sources: tuple[str, ...]
    reason: str
    lookup: str | None = None


def wanted_of_day(lake: Lake, snapshot: Snapshot) -> list[Wanted]:
    """What the scored events and the CRM activities of a day call for, by origin."""
    found = _from_events(lake, snapshot) + _from_activities(lake, snapshot)
    return sorted(found, key=lambda wanted: (wanted.origin, wanted.owner_id))


def log_before(
    connection: Connection,
    snapshot: Snapshot,
    wanted: Sequence[Wanted],
    read_again: Collection[str] = (),
) -> pl.DataFrame:
    """The log of every memory that a day calls for or has called for, columns of `log.OPERATIONS`.

    Args:
        connection: Any.
        snapshot: The configuration of the day.
        wanted: What the day calls for.
        read_again: Memories drawn on some day from passages of documents that this day reads.
    """
    tenant_id = snapshot.tenant_id
    touched = log.touched_by(connection, tenant_id, snapshot.day)
    touched |= {_memory_id(tenant_id, w) for w in wanted} | set(read_again)
    return log.read(connection, tenant_id, memory_ids=touched)


def operations_for(
    before: pl.DataFrame,
    snapshot: Snapshot,
    wanted: Sequence[Wanted],
    read_again: Collection[str] = (),
) -> list[Operation]:
    """The operations by which memory becomes what a day calls for; none where it is so already.

    A document is read by one day, and by another when it has changed or gone: what is drawn from it is taken back by
    the day that reads it without finding that any more, and an earlier day that is made again leaves it so.

    Args:
        before: From `log_before`.
        snapshot: The configuration of the day.
        wanted: What the day calls for.
        read_again: As for `log_before`.
    """
    tenant_id, day = snapshot.tenant_id, snapshot.day
    by_id = {_memory_id(tenant_id, w): w for w in wanted}
    # What only keeps memory in order is neither a source's word nor a person's; it counts as an operation though.
    generations = dict(fold(before).select("memory_id", "operations").iter_rows())
    before = without_maintenance(before)
    last_day = dict(before.select("memory_id", "origin_day").iter_rows())
    folded = fold(before)
    state = {row["memory_id"]: row for row in folded.iter_rows(named=True)}
    living = set(alive(folded)["memory_id"])
    latest = max((w.recorded_at for w in wanted), default=None)
    operations: list[Operation] = []
    for memory_id, want in by_id.items():
        held = state.get(memory_id)
        if held is not None and not _ours(held):
            continue
        if held is not None and is_of_document(want.attributes) and last_day[memory_id] > day:
            continue
        if held is not None and memory_id in living:
            told = (held["revised_at"], last_day[memory_id])
            # Another day may have told it anew: one made again does not undo that.
            outdated = last_day[memory_id] != day and told > (want.recorded_at, day)
            if outdated or _same(held, want):
                continue
        operations.append(
            Operation(
                tenant_id=tenant_id,
                owner_id=want.owner_id,
                memory_id=memory_id,
                op="revise" if memory_id in living else "add",
                kind=want.kind,
                text=want.text,
                recorded_at=want.recorded_at,
                actor=ACTOR,
                reason=want.reason,
                origin=want.origin,
                origin_day=day,
                generation=generations.get(memory_id, 0),
                valid_from=want.valid_from,
                attributes=want.attributes,
                sources=want.sources,
                lookup=want.lookup,
            )
        )
    for memory_id in sorted(living - set(by_id)):
        held = state[memory_id]
        if not _ours(held):
            continue
        if is_of_document(json.loads(held["attributes"])):
            if memory_id not in read_again or last_day[memory_id] > day:
                continue
        # Another day may be the last that told it: what this one no longer tells takes nothing from it.
        elif last_day[memory_id] != day:
            continue
        operations.append(
            Operation(
                tenant_id=tenant_id,
                owner_id=held["owner_id"],
                memory_id=memory_id,
                op="retract",
                kind=None,
                text=None,
                recorded_at=max(latest or held["revised_at"], held["revised_at"]),
                actor=ACTOR,
                reason="the sources of the day no longer give rise to it",
                origin=f"retract:{memory_id}",
                origin_day=day,
                generation=generations[memory_id],
            )
        )
    return operations


def _memory_id(tenant_id: str, wanted: Wanted) -> str:
    return memory_id_for(tenant_id, wanted.owner_id, wanted.kind, wanted.origin)


def is_of_document(attributes: Mapping[str, Any]) -> bool:
    """Whether a memory was drawn from a document, by what it cites."""
    return str(attributes.get("cites", "")).startswith("document:")


def _ours(held: Mapping[str, Any]) -> bool:
    return bool(held["last_actor"] == ACTOR)


def _same(held: Mapping[str, Any], want: Wanted) -> bool:
    return bool(
        held["text"] == want.text
        and held["attributes"] == canonical(want.attributes)
        and held["valid_from"] == want.valid_from
    )


def _from_events(lake: Lake, snapshot: Snapshot) -> list[Wanted]:
    tenant_id, day = snapshot.tenant_id, snapshot.day
    members = lake.scan(MEMBERS, [tenant_id], [day]).select("item_id", "title", "url", "publisher")
    rows = lake.collect(
        RELEVANCE,
        lake.scan(RELEVANCE, [tenant_id], [day])
        .filter(pl.col("score") >= snapshot.setting("memory_threshold"))
        .join(members, on="item_id", how="left"),
    )
    return [
        Wanted(
            owner_id=row["client_id"],
            kind="event",
            text=_sentence(row["title"], row["summary"]),
            origin=f"event:{row['event_id']}:{row['client_id']}",
            recorded_at=row["collected_at"],
            valid_from=row["published_at"] or row["collected_at"],
            attributes={
                "event_id": row["event_id"],
                "category": row["category"],
                "importance": row["score"],
                "confidence": row["confidence"],
                "url": row["url"],
                "publisher": row["publisher"],
                "source_mode": row["source_mode"],
                "method": row["method"],
            },
            sources=(f"event:{row['event_id']}", f"item:{row['item_id']}"),
            reason="a relevant event",
        )
        for row in rows.iter_rows(named=True)
    ]


def _from_activities(lake: Lake, snapshot: Snapshot) -> list[Wanted]:
    tenant_id, day = snapshot.tenant_id, snapshot.day
    owners = {c.external_id: c.client_id for c in snapshot.clients if c.external_id}
    rows = lake.collect(
        raw.CRM_ACTIVITIES,
        lake.scan(raw.CRM_ACTIVITIES, [tenant_id], [day])
        .filter(
            (pl.col("source_mode") == "live") | pl.lit(snapshot.mode == "mock"),
            pl.col("account_id").is_in(list(owners)),
        )
        .sort("collected_at", "response_id", "position")
        .unique("activity_id", keep="last", maintain_order=True),
    )
    return [
        Wanted(
            owner_id=owners[row["account_id"]],
            kind="activity",
            text=_sentence(row["subject"], row["text"]),
            origin=f"activity:{row['source_id']}:{row['activity_id']}",
            recorded_at=row["collected_at"],
            valid_from=row["occurred_at"],
            attributes={
                "activity_id": row["activity_id"],
                "activity": row["kind"],
                "source_mode": row["source_mode"],
            },
            sources=(f"response:{row['response_id']}#{row['position']}",),
            reason="an activity in the CRM",
        )
        for row in rows.iter_rows(named=True)
    ]


def _sentence(title: str | None, text: str | None) -> str:
    """Title and text as one text; the text alone where it begins with the title."""
    title, text = (title or "").strip(), (text or "").strip()
    if not text or text.lower().startswith(title.lower()):
        return text or title
    return f"{title.rstrip('.')}. {text}"
