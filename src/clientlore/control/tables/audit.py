"""Who did what, and what somebody must be told."""

from __future__ import annotations

import sqlalchemy as sa

from clientlore.control.tables.base import Key, Name, metadata, tenant_column
from clientlore.control.types import BigId, Json, UtcDateTime

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("seq", BigId, primary_key=True, autoincrement=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("actor", Name, nullable=False),
    sa.Column("action", Key, nullable=False),
    sa.Column("entity", Key, nullable=False),
    sa.Column("entity_id", Name, nullable=False),
    sa.Column("tenant_id", Key),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("changes", Json, nullable=False),
    sa.Index(None, "tenant_id", "at"),
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("alert_id", sa.String(32), primary_key=True),
    tenant_column(),
    sa.Column("subject", Name, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("raised_at", UtcDateTime, nullable=False),
    sa.Column("outbox_id", sa.String(32)),
)
