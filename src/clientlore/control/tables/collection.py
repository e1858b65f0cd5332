"""Where from: sources, what they last said, what was collected, set aside, and removed."""

from __future__ import annotations

import sqlalchemy as sa

from clientlore.control.tables.base import Key, metadata, one_of, tenant_column, times
from clientlore.control.types import Json, UtcDateTime

sources = sa.Table(
    "sources",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("source_id", Key, primary_key=True),
    sa.Column("client_id", Key),
    sa.Column("kind", sa.String(24), nullable=False),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("on_failure", sa.String(8), nullable=False),
    sa.Column("options", Json, nullable=False),
    sa.Column("origin", sa.String(8), nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    *times(),
    one_of("on_failure", "fail", "skip", "mock"),
    one_of("origin", "file", "crm", "cli"),
)

source_state = sa.Table(
    "source_state",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("source_id", Key, primary_key=True),
    sa.Column("etag", sa.Text),
    sa.Column("last_modified", sa.Text),
    sa.Column("moved_to", sa.Text),
    sa.Column("gone_at", UtcDateTime),
    sa.Column("not_before", UtcDateTime),
    sa.Column("synced_to", UtcDateTime),
    sa.Column("last_success_at", UtcDateTime),
    sa.Column("last_failure_at", UtcDateTime),
    sa.Column("last_error", sa.Text),
    sa.Column("consecutive_failures", sa.Integer, nullable=False),
)

collections = sa.Table(
    "collections",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("source_id", Key, primary_key=True),
    sa.Column("client_id", Key),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("error_kind", sa.String(16)),
    sa.Column("error", sa.Text),
    sa.Column("http_status", sa.Integer),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("items", sa.Integer, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("run_id", sa.String(36)),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    one_of("outcome", "collected", "unchanged", "empty", "degraded", "failed", "skipped"),
)

raw_batches = sa.Table(
    "raw_batches",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("table_name", Key, primary_key=True),
    sa.Column("batch_id", Key, primary_key=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    one_of("status", "NEW", "PROCESSED", "FAILED", "SKIPPED"),
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("quarantine_id", Key, primary_key=True),
    tenant_column(),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("stage", Key, nullable=False),
    sa.Column("source_id", Key),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("reason", Key, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("run_id", sa.String(36)),
    *times(),
    one_of("state", "open", "replayed", "resolved"),
    sa.Index(None, "tenant_id", "day"),
)

retentions = sa.Table(
    "retentions",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("provider", Key, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("responses", sa.Integer, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("texts", sa.Integer, nullable=False),
    sa.Column("removed_at", UtcDateTime, nullable=False),
)

event_splits = sa.Table(
    "event_splits",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("item_id", Key, primary_key=True),
    sa.Column("event_id", Key, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("decided_by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    *times(),
    one_of("state", "apart", "undone"),
)

reviews = sa.Table(
    "reviews",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("review_id", sa.String(32), primary_key=True),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("event_id", Key, nullable=False),
    sa.Column("client_id", Key, nullable=False),
    sa.Column("item_id", Key, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    *times(),
    one_of("state", "open", "accepted", "rejected", "settled"),
    sa.Index(None, "tenant_id", "day"),
)
