"""The memory log: operations, appended and never changed. An operation appended twice is there once."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import sqlalchemy as sa
from pydantic_core import from_json
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.engine import insert_ignore
from clientlore.ids import stable_id
from clientlore.storage.lake import UTC_TIME, Table, columns

OPERATIONS = columns(
    {
        "seq": pl.Int64,
        "op_id": pl.String,
        "tenant_id": pl.String,
        "owner_id": pl.String,
        "memory_id": pl.String,
        "op": pl.String,
        "kind": pl.String,
        "text": pl.String,
        "attributes": pl.String,
        "valid_from": UTC_TIME,
        "valid_to": UTC_TIME,
        "recorded_at": UTC_TIME,
        "appended_at": UTC_TIME,
        "actor": pl.String,
        "reason": pl.String,
        "origin": pl.String,
        "origin_day": pl.Date,
        "generation": pl.Int32,
        "sources": pl.List(pl.String),
        "lookup": pl.String,
    }
)
"""The log as a frame; attributes are canonical JSON."""
Op = Literal[
    "add",
    "revise",
    "reinforce",
    "supersede",
    "merge",
    "summarise",
    "compress",
    "retract",
    "undo",
]
"""What can happen to a memory.

`add`, `revise` and `compress` bear content; `reinforce` says that it was told again; `supersede` closes the interval
in which it held; `merge` and `summarise` fold it into another (`into` in the attributes); `retract` takes it back;
`undo` makes another operation void (`undoes` in the attributes is its id).
"""
BATCH = 2_000
"""Operations that become rows at once: tens of thousands of dictionaries keep Python's collector busy."""
_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode

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
        lookup: What it is about, hashed, where it may be said again (`arrival`).
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
    lookup: str | None = None

    @cached_property
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


def canonical(attributes: Mapping[str, Any]) -> str:
    """Attributes as JSON in one fixed form."""
    return _CANONICAL(dict(attributes))


def append(connection: Connection, operations: Sequence[Operation], now: datetime) -> int:
    """Appends operations; returns how many were new."""
    new = 0
    for start in range(0, len(operations), BATCH):
        rows = [
            {**row_of(op), "attributes": dict(op.attributes), "appended_at": now}
            for op in operations[start : start + BATCH]
        ]
        new += insert_ignore(connection, t.memory_log, rows)
    return new


def export(before: pl.DataFrame, operations: Sequence[Operation], day: date) -> pl.DataFrame:
    """The part of the log that a day gave rise to, columns of `LOG`.

    Args:
        before: The log before this run, as far as the day touches it.
        operations: What this run appended.
        day: The day.
    """
    told = appended(before, operations).filter(pl.col("origin_day") == day)
    return told.rename({"origin_day": "day"}).select(list(LOG.schema))


def appended(before: pl.DataFrame, operations: Sequence[Operation]) -> pl.DataFrame:
    """The log as it is once operations are appended, columns of `OPERATIONS`; sequence numbers go on from the last."""
    last = before["seq"].max()
    first = (last if isinstance(last, int) else 0) + 1
    rows = [
        {**row_of(op), "attributes": canonical(op.attributes), "seq": first + n}
        for n, op in enumerate(operations)
    ]
    fresh = _from_columns({name: [row.get(name) for row in rows] for name in OPERATIONS})
    return pl.concat([before, fresh])


def row_of(op: Operation) -> dict[str, Any]:
    """An operation as a row of the log, without its attributes and when it was appended."""
    return {
        "op_id": op.op_id,
        "tenant_id": op.tenant_id,
        "owner_id": op.owner_id,
        "memory_id": op.memory_id,
        "op": op.op,
        "kind": op.kind,
        "text": op.text,
        "valid_from": op.valid_from,
        "valid_to": op.valid_to,
        "recorded_at": op.recorded_at,
        "actor": op.actor,
        "reason": op.reason,
        "origin": op.origin,
        "origin_day": op.origin_day,
        "generation": op.generation,
        "sources": list(op.sources),
        "lookup": op.lookup,
    }


def head(connection: Connection, tenant_id: str) -> int:
    """The newest sequence number of a tenant; 0 where its log is empty."""
    found = connection.execute(
        sa.select(sa.func.max(t.memory_log.c.seq)).where(t.memory_log.c.tenant_id == tenant_id)
    ).scalar()
    return int(found or 0)


_REACHED = sa.select(
    t.tenants.c.memory_edition,
    sa.select(sa.func.max(t.memory_log.c.seq))
    .where(t.memory_log.c.tenant_id == sa.bindparam("tenant_id"))
    .scalar_subquery(),
).where(t.tenants.c.tenant_id == sa.bindparam("tenant_id"))
"""Made once: each search asks it, and making it takes longer than answering it."""


def reached(connection: Connection, tenant_id: str) -> tuple[int, int]:
    """The edition of a tenant's log, which counts changes to what was in it, and its newest sequence number."""
    found = connection.execute(_REACHED, {"tenant_id": tenant_id}).first()
    return (0, 0) if found is None else (int(found[0]), int(found[1] or 0))


def read(
    connection: Connection,
    tenant_id: str,
    *,
    memory_ids: Collection[str] | None = None,
    owners: Collection[str] | None = None,
    after: int = 0,
    only: Collection[str] = tuple(OPERATIONS),
) -> pl.DataFrame:
    """Operations of a tenant, columns of `OPERATIONS`, in the order in which they were appended.

    Args:
        connection: Any.
        tenant_id: Whose.
        memory_ids: Only those on these memories.
        owners: Only those on memories about these.
        after: Only those with a greater sequence number.
        only: Only these columns, among them `seq`; `fold.NEEDED` for a fold.
    """
    names = [name for name in OPERATIONS if name in only]
    query = sa.select(*(_plainly(connection, name) for name in names)).where(
        t.memory_log.c.tenant_id == tenant_id, t.memory_log.c.seq > after
    )
    if owners is not None:
        query = query.where(t.memory_log.c.owner_id.in_(sorted(owners)))
    if memory_ids is None:
        return _frame(names, connection.execute(query).all()).sort("seq")
    rows: list[sa.Row[Any]] = []
    ids = sorted(memory_ids)
    for start in range(0, len(ids), 500):
        part = query.where(t.memory_log.c.memory_id.in_(ids[start : start + 500]))
        rows += connection.execute(part).all()
    return _frame(names, rows).sort("seq")


def touched(connection: Connection, tenant_id: str, after: int) -> set[str]:
    """The memories on which something was appended after a sequence number."""
    return set(
        connection.execute(
            sa.select(t.memory_log.c.memory_id)
            .where(t.memory_log.c.tenant_id == tenant_id, t.memory_log.c.seq > after)
            .distinct()
        ).scalars()
    )


def about(connection: Connection, tenant_id: str, lookups: Collection[str]) -> set[str]:
    """The memories on which something with one of these lookups was appended."""
    found: set[str] = set()
    wanted = sorted(lookups)
    for start in range(0, len(wanted), 500):
        query = sa.select(t.memory_log.c.memory_id).where(
            t.memory_log.c.tenant_id == tenant_id,
            t.memory_log.c.lookup.in_(wanted[start : start + 500]),
        )
        found |= set(connection.execute(query.distinct()).scalars())
    return found


def owners_touched(connection: Connection, tenant_id: str, after: int) -> set[str]:
    """Whom something was appended about after a sequence number."""
    return set(
        connection.execute(
            sa.select(t.memory_log.c.owner_id)
            .where(t.memory_log.c.tenant_id == tenant_id, t.memory_log.c.seq > after)
            .distinct()
        ).scalars()
    )


def touched_by(connection: Connection, tenant_id: str, day: date) -> set[str]:
    """The memories on which the sources of a day called for something."""
    query = sa.select(t.memory_log.c.memory_id).where(
        t.memory_log.c.tenant_id == tenant_id, t.memory_log.c.origin_day == day
    )
    return set(connection.execute(query.distinct()).scalars())


def _plainly(connection: Connection, name: str) -> sa.ColumnElement[Any]:
    """A column as the database has it: making values of a long log one by one takes longer than reading it."""
    column = t.memory_log.c[name]
    if isinstance(column.type, sa.JSON):
        return sa.cast(column, sa.Text)
    if connection.dialect.name == "sqlite" and OPERATIONS[name].is_temporal():
        return sa.type_coerce(column, sa.Text)
    return column


def _frame(names: Sequence[str], rows: Sequence[sa.Row[Any]]) -> pl.DataFrame:
    values: dict[str, Sequence[Any]] = dict.fromkeys(names, ())
    if rows:
        values = dict(zip(names, zip(*rows, strict=True), strict=True))
    return pl.DataFrame([_read_series(name, values[name]) for name in names])


def _read_series(name: str, values: Sequence[Any]) -> pl.Series:
    dtype = OPERATIONS[name]
    if name == "attributes":
        texts = {text: _CANONICAL(from_json(text)) for text in set(values)}
        return pl.Series(name, list(map(texts.__getitem__, values)), pl.String)
    if isinstance(dtype, pl.List):
        return pl.Series(name, values, pl.String).str.json_decode(dtype)
    if dtype.is_temporal() and any(isinstance(value, str) for value in values):
        texts_of_times = pl.Series(name, values, pl.String)
        if dtype == pl.Date:
            return texts_of_times.str.to_date("%Y-%m-%d")
        return texts_of_times.str.to_datetime("%Y-%m-%dT%H:%M:%S%.6fZ", time_zone="UTC").cast(dtype)
    return pl.Series(name, values, dtype)


def _from_columns(values: Mapping[str, Sequence[Any]]) -> pl.DataFrame:
    # A log of 100,000 rows as dictionaries would cost more than everything that is done with it.
    return pl.DataFrame([_series(name, values[name], dtype) for name, dtype in OPERATIONS.items()])


def _series(name: str, values: Sequence[Any], dtype: pl.DataType) -> pl.Series:
    if isinstance(dtype, pl.List):
        # Polars makes a series of each list first; Arrow does not.
        return pl.Series(name, pa.array(list(values), pa.list_(pa.large_string())), dtype)
    return pl.Series(name, values, dtype)
