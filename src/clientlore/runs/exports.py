"""What analysts get of the control plane: tables of the lake with ids, counts, states and times.

Here: which columns leave the control plane. Not here: addresses, texts, error messages and settings, which do not;
what is made of it (`dbt_project/`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.storage.lake import UTC_TIME, Lake, Table, columns

TENANTS = Table(
    "out",
    "tenants",
    columns({"tenant_id": pl.String, "name": pl.String, "mode": pl.String, "status": pl.String}),
    ("tenant_id",),
    "A tenant as it stands.",
)
CLIENTS = Table(
    "out",
    "clients",
    columns(
        {
            "tenant_id": pl.String,
            "client_id": pl.String,
            "name": pl.String,
            "industry": pl.String,
            "is_active": pl.Boolean,
        }
    ),
    ("client_id",),
    "A client as it stands, those that are watched no more included.",
)
READERS = Table(
    "out",
    "readers",
    columns(
        {
            "tenant_id": pl.String,
            "user_id": pl.String,
            "handle": pl.String,
            "frequency": pl.String,
            "relevance_threshold": pl.Float64,
            "is_active": pl.Boolean,
        }
    ),
    ("user_id",),
    "A person who reads, by handle, with what they want; no name and no address.",
)
DECISIONS = Table(
    "out",
    "decisions",
    columns(
        {
            "tenant_id": pl.String,
            "notification_id": pl.String,
            "window_id": pl.String,
            "user_id": pl.String,
            "event_id": pl.String,
            "client_id": pl.String,
            "day": pl.Date,
            "decision": pl.String,
            "reference": pl.String,
            "score": pl.Float64,
            "category": pl.String,
            "is_late": pl.Boolean,
            "decided_at": UTC_TIME,
        }
    ),
    ("decided_at", "notification_id"),
    "An event that was decided on when a window closed.",
)
MAIL_ATTEMPTS = Table(
    "out",
    "mail_attempts",
    columns(
        {
            "tenant_id": pl.String,
            "seq": pl.Int64,
            "outbox_id": pl.String,
            "window_id": pl.String,
            "attempt": pl.Int32,
            "transport": pl.String,
            "outcome": pl.String,
            "reply_code": pl.Int32,
            "started_at": UTC_TIME,
            "finished_at": UTC_TIME,
        }
    ),
    ("seq",),
    "An attempt to send a mail and what was answered, by code; no recipient and no words.",
)
COLLECTIONS = Table(
    "out",
    "collections",
    columns(
        {
            "tenant_id": pl.String,
            "day": pl.Date,
            "source_id": pl.String,
            "client_id": pl.String,
            "kind": pl.String,
            "outcome": pl.String,
            "error_kind": pl.String,
            "http_status": pl.Int32,
            "attempts": pl.Int32,
            "items": pl.Int32,
            "seconds": pl.Float64,
            "updated_at": UTC_TIME,
        }
    ),
    ("day", "source_id"),
    "How a source did on a day: the last word of that day's ledger; no location and no message.",
)
MEMORY_OPERATIONS = Table(
    "out",
    "memory_operations",
    columns(
        {
            "tenant_id": pl.String,
            "seq": pl.Int64,
            "op_id": pl.String,
            "owner_id": pl.String,
            "memory_id": pl.String,
            "op": pl.String,
            "undoes": pl.String,
            "kind": pl.String,
            "origin_day": pl.Date,
            "recorded_at": UTC_TIME,
            "sources": pl.Int32,
        }
    ),
    ("seq",),
    "An operation on memory, what people did included; no text.",
)


@dataclass(frozen=True)
class Export:
    """A table of the lake and the query that fills it for a tenant."""

    table: Table
    query: Callable[[str], sa.Select[Any]]
    told: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict


def _same(table: Table, kept: sa.Table) -> Callable[[str], sa.Select[Any]]:
    """The table's columns of a table of the control plane, and no others: texts stay where they are."""

    def query(tenant_id: str) -> sa.Select[Any]:
        return sa.select(*(kept.c[name] for name in table.schema)).where(
            kept.c.tenant_id == tenant_id
        )

    return query


def _readers(tenant_id: str) -> sa.Select[Any]:
    wanted = t.user_preferences.c
    return (
        sa.select(
            t.users.c.tenant_id,
            t.users.c.user_id,
            t.users.c.handle,
            t.users.c.is_active,
            wanted.frequency,
            wanted.relevance_threshold,
        )
        .join(t.user_preferences, wanted.user_id == t.users.c.user_id, isouter=True)
        .where(t.users.c.tenant_id == tenant_id)
    )


def _mail_attempts(tenant_id: str) -> sa.Select[Any]:
    return (
        sa.select(t.email_logs, t.outbox.c.window_id)
        .join(t.outbox, t.outbox.c.outbox_id == t.email_logs.c.outbox_id)
        .where(t.email_logs.c.tenant_id == tenant_id)
    )


def _collections(tenant_id: str) -> sa.Select[Any]:
    same = sa.and_(
        t.sources.c.tenant_id == t.collections.c.tenant_id,
        t.sources.c.source_id == t.collections.c.source_id,
    )
    return (
        sa.select(t.collections, t.sources.c.kind)
        .join(t.sources, same, isouter=True)
        .where(t.collections.c.tenant_id == tenant_id)
    )


def _memory_operations(tenant_id: str) -> sa.Select[Any]:
    return sa.select(t.memory_log).where(t.memory_log.c.tenant_id == tenant_id)


def _with_undone(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row and which operation it undoes: of the attributes the one that is no content."""
    return {**row, "undoes": row["attributes"].get("undoes") if row["op"] == "undo" else None}


EXPORTS: tuple[Export, ...] = (
    Export(TENANTS, _same(TENANTS, t.tenants)),
    Export(CLIENTS, _same(CLIENTS, t.clients)),
    Export(READERS, _readers),
    Export(DECISIONS, _same(DECISIONS, t.notifications)),
    Export(MAIL_ATTEMPTS, _mail_attempts),
    Export(COLLECTIONS, _collections),
    Export(MEMORY_OPERATIONS, _memory_operations, _with_undone),
)


def export_tenant(connection: Connection, lake: Lake, tenant_id: str) -> dict[str, int]:
    """Writes what analysts get of a tenant's control plane; returns rows by table."""
    rows = {}
    for export in EXPORTS:
        found = connection.execute(export.query(tenant_id)).mappings()
        frame = export.table.frame([_row(export.table, export.told(dict(row))) for row in found])
        rows[export.table.name] = lake.write(export.table, tenant_id, None, frame).rows
    return rows


def _row(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row's values in the table's columns; of a list, how many it has."""
    return {name: _counted(row[name]) for name in table.schema}


def _counted(value: Any) -> Any:
    return len(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
