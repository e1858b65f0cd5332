"""Which passages of documents a day reads: what came, changed or went since the last day that read, oldest first.

A day goes on where the one before it stopped, in the order of the log, and takes a bounded number; what is left is the
next day's. Here: which passages, as they stood where the day stopped, and what was drawn from them before. Not here:
what they say (`memory.extracting`), which operations follow (`memory.derive`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.memory import log
from clientlore.memory.derive import ACTOR, Wanted
from clientlore.memory.fold import BEARS_CONTENT, MAINTENANCE, fold
from clientlore.memory.kinds import PASSAGE

MOST_A_DAY = 1_000
"""Passages that a day reads."""
_LOOKED_AT = 20 * MOST_A_DAY


@dataclass(frozen=True)
class Touched:
    """A passage to which something happened.

    Attributes:
        source_id: What a memory cites that is drawn from it.
        first: Sequence number of the first thing that happened to it.
        last: And of the last.
        text: The passage as a text to be read; None where it is gone.
    """

    source_id: str
    owner_id: str
    first: int
    last: int
    text: Wanted | None


@dataclass(frozen=True)
class Unread:
    """What a day reads.

    Attributes:
        touched: The passages, in the order in which something first happened to them.
        through: Up to which sequence number of the log everything is read then.
        waiting: Passages that are left for the next day; of very many, those that were looked at.
        drawn: By what it cites, the memories that were drawn from these passages on some day.
        read_by_others: Those that somebody else had read after the last thing that happened to them.
    """

    touched: tuple[Touched, ...] = ()
    through: int = 0
    waiting: int = 0
    drawn: Mapping[str, frozenset[str]] = field(default_factory=dict)
    read_by_others: frozenset[str] = frozenset()

    def texts(self) -> list[Wanted]:
        """What is to be read: not what is gone, nor what another read and no day did."""
        return [
            one.text
            for one in self.touched
            if one.text is not None
            and (one.source_id in self.drawn or one.source_id not in self.read_by_others)
        ]

    def before(self, waits: Collection[str]) -> Unread:
        """As much of it as lies before the first of some passages: the rest waits."""
        for place, one in enumerate(self.touched):
            if one.source_id in waits:
                left = self.waiting + len(self.touched) - place
                return replace(
                    self,
                    touched=self.touched[:place],
                    through=min(self.through, one.first - 1),
                    waiting=left,
                )
        return self

    def memories(self) -> frozenset[str]:
        """The ids of memories that were drawn from these passages on some day."""
        return frozenset().union(*(self.drawn.get(one.source_id, ()) for one in self.touched))


def unread(
    connection: Connection,
    tenant_id: str,
    source_mode: str,
    start: int,
    stop: int | None,
    known_by: datetime,
) -> Unread:
    """What a day reads of the documents of a tenant.

    Args:
        connection: Any.
        tenant_id: Whose.
        source_mode: What the memories say about whence they come: `live` or `mock`.
        start: Up to which sequence number earlier days have read.
        stop: Up to which this day did, where a later day has read since; None where it may go on.
        known_by: Nothing that became known then or later is read.
    """
    newest = log.head(connection, tenant_id)
    rows = connection.execute(_happened(tenant_id, start, stop)).all()
    spans: dict[str, list[int]] = {}
    waiting: set[str] = set()
    through, is_cut = start, len(rows) == _LOOKED_AT
    for seq, memory_id, recorded_at in rows:
        if recorded_at >= known_by:
            is_cut = True
            break
        if waiting or (memory_id not in spans and len(spans) == MOST_A_DAY):
            waiting.add(memory_id)
            continue
        spans.setdefault(memory_id, [seq])[1:] = [seq]
        through = seq
    if stop is not None:
        through, waiting = max(start, stop if not waiting else through), set()
    elif not waiting and not is_cut:
        through = max(through, newest)
    state = fold(log.read(connection, tenant_id, memory_ids=spans).filter(pl.col("seq") <= through))
    found = {row["memory_id"]: row for row in state.iter_rows(named=True)}
    touched = tuple(
        _touched(found[memory_id], span[0], span[-1], source_mode)
        for memory_id, span in spans.items()
        if memory_id in found and found[memory_id]["attributes"] is not None
    )
    drawn, by_others = _read_before(connection, tenant_id, touched)
    return Unread(touched, through, len(waiting), drawn, by_others)


def _happened(tenant_id: str, start: int, stop: int | None) -> sa.Select[Any]:
    """What happened to passages, oldest first."""
    rows, kind = t.memory_log.alias(), t.memory_log.alias()
    is_passage = sa.exists().where(
        kind.c.tenant_id == tenant_id,
        kind.c.memory_id == rows.c.memory_id,
        kind.c.kind == PASSAGE,
    )
    query = sa.select(rows.c.seq, rows.c.memory_id, rows.c.recorded_at).where(
        rows.c.tenant_id == tenant_id,
        rows.c.seq > start,
        ~rows.c.actor.startswith(MAINTENANCE, autoescape=True),
        is_passage,
    )
    if stop is not None:
        query = query.where(rows.c.seq <= stop)
    return query.order_by(rows.c.seq).limit(_LOOKED_AT)


def _touched(row: Mapping[str, Any], first: int, last: int, source_mode: str) -> Touched:
    told = json.loads(row["attributes"])
    source_id = f"document:{told['session']}#{told['order'] - 1}"
    text = None
    if row["standing"] in BEARS_CONTENT:
        secret = {"security": told["security"]} if "security" in told else {}
        text = Wanted(
            owner_id=row["owner_id"],
            kind=PASSAGE,
            text=row["text"],
            origin=source_id,
            recorded_at=row["revised_at"],
            valid_from=row["valid_from"],
            attributes={"source_mode": source_mode, **secret},
            sources=(f"blob:{told['blob']}",),
            reason="a document says so",
        )
    return Touched(source_id, row["owner_id"], first, last, text)


def _read_before(
    connection: Connection, tenant_id: str, touched: Collection[Touched]
) -> tuple[dict[str, frozenset[str]], frozenset[str]]:
    """By passage the memories that days drew from it; and the passages that others had read as they are."""
    rows = [
        row
        for part in _in_parts(sorted({one.owner_id for one in touched}))
        for row in connection.execute(
            sa.select(*(t.memory_log.c[n] for n in ("memory_id", "actor", "seq", "sources"))).where(
                t.memory_log.c.tenant_id == tenant_id,
                t.memory_log.c.owner_id.in_(part),
                t.memory_log.c.op.in_(["add", "revise", "reinforce"]),
                t.memory_log.c.lookup.is_not(None),
                ~t.memory_log.c.actor.startswith(MAINTENANCE, autoescape=True),
            )
        )
    ]
    if not rows:
        return {}, frozenset()
    last = {one.source_id: one.last for one in touched}
    cited = (
        pl.DataFrame(
            [tuple(row) for row in rows],
            {"memory_id": pl.String, "actor": pl.String, "seq": pl.Int64, "sources": pl.List(pl.String)},
            orient="row",
        )
        .explode("sources")
        .with_columns(source_id=pl.col("sources").str.split("@").list.first())
        .filter(pl.col("source_id").is_in(list(last)))
    )  # fmt: skip
    ours = cited.filter(actor=ACTOR).group_by("source_id").agg("memory_id")
    theirs = cited.filter(pl.col("actor") != ACTOR)
    return (
        {source_id: frozenset(ids) for source_id, ids in ours.iter_rows()},
        frozenset(s for s, seq in theirs.select("source_id", "seq").iter_rows() if seq > last[s]),
    )


def _in_parts(ids: list[str], size: int = 500) -> Iterable[list[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
