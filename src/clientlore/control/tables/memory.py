"""What is known: the append-only memory log."""

from __future__ import annotations

import sqlalchemy as sa

from clientlore.control.tables.base import Key, Name, metadata, one_of, tenant_column
from clientlore.control.types import BigId, Json, UtcDateTime

memory_log = sa.Table(
    "memory_log",
    metadata,
    sa.Column("seq", BigId, primary_key=True, autoincrement=True),
    sa.Column("op_id", sa.String(32), nullable=False, unique=True),
    tenant_column(),
    sa.Column("owner_id", Key, nullable=False),
    sa.Column("memory_id", sa.String(32), nullable=False),
    sa.Column("op", sa.String(16), nullable=False),
    sa.Column("kind", sa.String(32)),
    sa.Column("text", sa.Text),
    sa.Column("attributes", Json, nullable=False),
    sa.Column("valid_from", UtcDateTime),
    sa.Column("valid_to", UtcDateTime),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Column("appended_at", UtcDateTime, nullable=False),
    sa.Column("actor", Name, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("origin", Name, nullable=False),
    sa.Column("origin_day", sa.Date),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("sources", Json, nullable=False),
    one_of(
        "op",
        "add",
        "revise",
        "supersede",
        "merge",
        "summarise",
        "compress",
        "decay",
        "retract",
        "forget",
    ),
    sa.Index(None, "tenant_id", "seq"),
    sa.Index(None, "tenant_id", "origin_day"),
    sa.Index(None, "tenant_id", "memory_id"),
)
