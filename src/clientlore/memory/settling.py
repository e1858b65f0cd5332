"""Arrival for what the daily job derives: the same said twice is one memory, another value ends the one before.

The day's sources call for memories of their own, each by its origin, so that a day that is made again gives the same
rows. What follows from several of them together is decided here, from all that stands in the log and not from the
order in which it came, and is written as upkeep that the derivation looks past: what a source no longer tells takes
with it what it had ended or reinforced. Pure but for `related` and `settle_day`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.memory import log
from clientlore.memory.arrival import There, there_of
from clientlore.memory.fold import MAINTENANCE, fold, undone
from clientlore.memory.log import Operation
from clientlore.memory.timeline import Made, Observation, tell_fact

ACTOR = f"{MAINTENANCE}arrival"
_SAME = "another memory says the same"


def related(connection: Connection, tenant_id: str, lookups: Collection[str]) -> pl.DataFrame:
    """The log of the memories with some lookups, and of those into which they were folded."""
    wanted = log.about(connection, tenant_id, lookups)
    while True:
        found = log.read(connection, tenant_id, memory_ids=wanted)
        into = set(fold(found)["folded_into"].drop_nulls()) - wanted
        if not into:
            return found
        wanted |= into


def settle_day(
    connection: Connection,
    tenant_id: str,
    before: pl.DataFrame,
    operations: Sequence[Operation],
    now: datetime,
) -> int:
    """Settles what a day's derivation touched, in its transaction; returns how many operations that took.

    Args:
        connection: In the transaction that appended the day's operations.
        tenant_id: Whose memory.
        before: The log of what the day calls for or has called for, columns of `log.OPERATIONS`.
        operations: Those that were appended.
        now: The present.
    """
    lookups = {*before["lookup"].drop_nulls(), *(op.lookup for op in operations if op.lookup)}
    if not lookups:
        return 0
    # Whoever is told something meanwhile decides on the same memories.
    connection.execute(
        sa.select(t.tenants.c.tenant_id).where(t.tenants.c.tenant_id == tenant_id).with_for_update()
    )
    found = related(connection, tenant_id, lookups)
    return log.append(connection, settle(tenant_id, found, lookups), now)


def settle(tenant_id: str, before: pl.DataFrame, lookups: Collection[str]) -> list[Operation]:
    """The operations by which memories of one lookup stand to each other as they should; none where they do.

    Args:
        tenant_id: Whose memory.
        before: From `related`.
        lookups: What is looked at.
    """
    # A value that was told again and then turned out to stand apart is a memory that only arrival could add.
    said = before.filter((pl.col("actor") != ACTOR) | (pl.col("op") == "add"))
    base = there_of(said)
    state = {row["memory_id"]: row for row in fold(before).iter_rows(named=True)}
    latest = dict(said.group_by("memory_id").agg(pl.col("recorded_at").max()).iter_rows())
    made: list[Operation] = []
    wanted: dict[str, tuple[str, datetime]] = {}
    looked_at: set[str] = set()
    of_lookup = _memories(before)
    for lookup in sorted(lookups):
        members = of_lookup.get(lookup, set())
        if not members:
            continue
        looked_at |= members
        at = max(latest[m] for m in members if m in latest)
        operations = _stand(tenant_id, lookup, base, state, at)
        wanted |= {
            op.memory_id: (op.attributes["into"], at) for op in operations if op.op == "merge"
        }
        made += [op for op in operations if op.op != "merge"]
    force = _in_force(before, state)
    gone = [
        _undoing(row, max(latest.get(m, row["recorded_at"]) for m in _pair(row)))
        for row in force.rows
        if row["memory_id"] in looked_at and not force.wanted(row, wanted)
    ]
    fresh: list[Operation] = []
    for child, (into, at) in sorted(wanted.items()):
        fresh += _folding(tenant_id, state, child, into, at, force)
    counts = dict(before.group_by("memory_id").len().iter_rows())
    return _numbered([*gone, *made, *fresh], counts)


@dataclass(frozen=True)
class _Force:
    """What arrival wrote before and is in force: merges and the reinforcements that go with them."""

    rows: Sequence[Mapping[str, Any]]
    merged: Mapping[str, str]
    reinforced: frozenset[tuple[str, str]]

    def wanted(self, row: Mapping[str, Any], pairs: Mapping[str, tuple[str, datetime]]) -> bool:
        """Whether what a row says is still so."""
        child, into = _pair(row)
        return child in pairs and pairs[child][0] == into


def _stand(
    tenant_id: str,
    lookup: str,
    base: There,
    state: Mapping[str, Mapping[str, Any]],
    at: datetime,
) -> list[Operation]:
    """What a lookup's memories should be to each other, as operations; merges among them that are done already."""
    seen = base.observed.get(lookup, [])
    if not seen:
        return []
    if not all(s.value for s in seen):
        first, *others = _each_once(seen)
        return [
            Operation(tenant_id, state[m]["owner_id"], m, "merge", None, None, at, ACTOR, _SAME,
                      f"arrival:{m}", attributes={"into": first})
            for m in others
        ]  # fmt: skip
    # Only of these: a day that reads documents has thousands of lookups.
    told = {s.memory_id for s in seen if s.memory_id} & base.living.keys()
    living = {
        m: {
            **base.living[m],
            "valid_from": state[m]["valid_from"],
            "valid_to": state[m]["valid_to"],
        }
        for m in told
    }
    made = Made({}, {}, [], {})
    tell_fact(tenant_id, lookup, seen, living, made, (at, ACTOR))
    return [replace(op, actor=ACTOR) for op in made.operations]


def _each_once(seen: Sequence[Observation]) -> list[str]:
    ordered = (s.memory_id for s in sorted(seen, key=lambda s: s.order) if s.memory_id)
    return list(dict.fromkeys(ordered))


def _memories(before: pl.DataFrame) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    rows = before.filter(pl.col("lookup").is_not_null()).select("lookup", "memory_id").unique()
    for lookup, memory_id in rows.iter_rows():
        found.setdefault(lookup, set()).add(memory_id)
    return found


def _in_force(before: pl.DataFrame, state: Mapping[str, Mapping[str, Any]]) -> _Force:
    void = undone(before)
    rows = [
        row
        for row in before.filter(
            pl.col("actor") == ACTOR, pl.col("op").is_in(["merge", "reinforce"])
        ).iter_rows(named=True)
        if row["op_id"] not in void
    ]
    # A memory that was told anew after it was folded stood again: of its merges only the last says something.
    last = {_pair(r)[0]: r["op_id"] for r in rows if r["op"] == "merge"}
    rows = [
        r
        for r in rows
        if r["op"] == "reinforce"
        or (last[r["memory_id"]] == r["op_id"] and state[r["memory_id"]]["folded_into"])
    ]
    merges = {_pair(r)[0]: _pair(r)[1] for r in rows if r["op"] == "merge"}
    told = frozenset(_pair(r) for r in rows if r["op"] == "reinforce")
    return _Force(rows, merges, told)


def _pair(row: Mapping[str, Any]) -> tuple[str, str]:
    """Which memory was folded, and into which."""
    told = json.loads(row["attributes"])
    if row["op"] == "merge":
        return row["memory_id"], told["into"]
    return told["of"], row["memory_id"]


def _folding(
    tenant_id: str,
    state: Mapping[str, Mapping[str, Any]],
    child: str,
    into: str,
    at: datetime,
    force: _Force,
) -> list[Operation]:
    held, made = state[child], []
    if force.merged.get(child) != into:
        made.append(
            Operation(tenant_id, held["owner_id"], child, "merge", None, None, at, ACTOR, _SAME,
                      f"arrival:{child}", attributes={"into": into})
        )  # fmt: skip
    if (child, into) not in force.reinforced:
        made.append(
            Operation(tenant_id, held["owner_id"], into, "reinforce", None, None, at, ACTOR, "told again",
                      f"arrival:{child}", attributes={"of": child}, sources=tuple(held["sources"] or ()))
        )  # fmt: skip
    return made


def _undoing(row: Mapping[str, Any], at: datetime) -> Operation:
    return Operation(
        tenant_id=row["tenant_id"],
        owner_id=row["owner_id"],
        memory_id=row["memory_id"],
        op="undo",
        kind=None,
        text=None,
        recorded_at=max(at, row["recorded_at"]),
        actor=ACTOR,
        reason="what said the same is gone, or says something else",
        origin=f"undo:{row['op_id']}",
        attributes={"undoes": row["op_id"]},
    )


def _numbered(operations: Sequence[Operation], counts: dict[str, int]) -> list[Operation]:
    made = []
    for op in operations:
        generation = counts.get(op.memory_id, 0)
        counts[op.memory_id] = generation + 1
        made.append(replace(op, generation=generation))
    return made
