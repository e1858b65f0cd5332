"""The memory log: operations, appended and never changed. An operation appended twice is there once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.engine import insert_ignore
from clientlore.ids import stable_id
from clientlore.storage.lake import UTC_TIME, Table, columns

Op = Literal["add", "revise", "supersede", "retract"]

LOG = Table(
    "core",
    "memory_log",
    columns(
        {
            "tenant_id": pl.String,
            "day": pl.Date,
            "op_id": pl.String,
            "owner_id": pl.String,
            "memory_id": pl.String,
            "op": pl.String,
            "kind": pl.String,
            "text": pl.String,
            "attributes": pl.String,
            "valid_from": UTC_TIME,
            "valid_to": UTC_TIME,
            "recorded_at": UTC_TIME,
            "actor": pl.String,
            "reason": pl.String,
            "origin": pl.String,
            "generation": pl.Int32,
            "sources": pl.List(pl.String),
        }
    ),
    ("memory_id", "generation", "op_id"),
    "An operation on memory that the sources of the day gave rise to; an export of the log.",
)


@dataclass(frozen=True)
class Operation:
    """One thing that happened to a memory.

    Attributes:
        owner_id: The client, contact or user that the memory is about.
        origin: Whence it comes, in a form that is the same in every rerun.
        origin_day: The day whose sources gave rise to it; None for what a person did.
        generation: How many operations on this memory came before: the same change made again is another one.
        recorded_at: When the source knew it, not when this program ran.
    """

    tenant_id: str
    owner_id: str
    memory_id: str
    op: Op
    kind: str | None
    text: str | None
    recorded_at: datetime
    actor: str
    reason: str
    origin: str
    origin_day: date | None = None
    generation: int = 0
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    @property
    def op_id(self) -> str:
        """Hash of origin, content and generation."""
        told = sorted((key, str(value)) for key, value in self.attributes.items())
        return stable_id(
            self.tenant_id,
            self.origin,
            self.memory_id,
            self.op,
            self.kind,
            self.text,
            self.valid_from,
            self.valid_to,
            told,
            self.generation,
        )


def memory_id_for(tenant_id: str, owner_id: str, kind: str, origin: str) -> str:
    """The id of the memory that an origin gives rise to."""
    return stable_id("memory", tenant_id, owner_id, kind, origin)


def append(connection: Connection, operations: Sequence[Operation], now: datetime) -> int:
    """Appends operations; returns how many were new."""
    rows = [
        {
            "op_id": op.op_id,
            "tenant_id": op.tenant_id,
            "owner_id": op.owner_id,
            "memory_id": op.memory_id,
            "op": op.op,
            "kind": op.kind,
            "text": op.text,
            "attributes": dict(op.attributes),
            "valid_from": op.valid_from,
            "valid_to": op.valid_to,
            "recorded_at": op.recorded_at,
            "appended_at": now,
            "actor": op.actor,
            "reason": op.reason,
            "origin": op.origin,
            "origin_day": op.origin_day,
            "generation": op.generation,
            "sources": list(op.sources),
        }
        for op in operations
    ]
    return insert_ignore(connection, t.memory_log, rows)


def head(connection: Connection, tenant_id: str) -> int:
    """The newest sequence number of a tenant; 0 where its log is empty."""
    found = connection.execute(
        sa.select(sa.func.max(t.memory_log.c.seq)).where(t.memory_log.c.tenant_id == tenant_id)
    ).scalar()
    return int(found or 0)


def read(
    connection: Connection,
    tenant_id: str,
    *,
    memory_ids: Collection[str] | None = None,
    after: int = 0,
) -> list[dict[str, Any]]:
    """Operations of a tenant in the order in which they were appended.

    Args:
        connection: Any.
        tenant_id: Whose.
        memory_ids: Only those on these memories.
        after: Only those with a greater sequence number.
    """
    query = (
        sa.select(t.memory_log)
        .where(t.memory_log.c.tenant_id == tenant_id, t.memory_log.c.seq > after)
        .order_by(t.memory_log.c.seq)
    )
    if memory_ids is None:
        return [dict(row) for row in connection.execute(query).mappings()]
    rows: list[dict[str, Any]] = []
    ids = sorted(memory_ids)
    for start in range(0, len(ids), 500):
        part = query.where(t.memory_log.c.memory_id.in_(ids[start : start + 500]))
        rows += [dict(row) for row in connection.execute(part).mappings()]
    return sorted(rows, key=lambda row: row["seq"])


def touched(connection: Connection, tenant_id: str, after: int) -> set[str]:
    """The memories on which something was appended after a sequence number."""
    return set(
        connection.execute(
            sa.select(t.memory_log.c.memory_id)
            .where(t.memory_log.c.tenant_id == tenant_id, t.memory_log.c.seq > after)
            .distinct()
        ).scalars()
    )


def of_day(connection: Connection, tenant_id: str, day: date) -> list[dict[str, Any]]:
    """The operations that the sources of a day gave rise to."""
    query = (
        sa.select(t.memory_log)
        .where(t.memory_log.c.tenant_id == tenant_id, t.memory_log.c.origin_day == day)
        .order_by(t.memory_log.c.seq)
    )
    return [dict(row) for row in connection.execute(query).mappings()]
