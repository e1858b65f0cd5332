"""What went out: windows, notifications, the outbox, the log of mails."""

from __future__ import annotations

import sqlalchemy as sa

from clientlore.control.tables.base import Key, Name, metadata, one_of, tenant_column, times
from clientlore.control.types import BigId, Json, UtcDateTime

windows = sa.Table(
    "windows",
    metadata,
    sa.Column("window_id", sa.String(32), primary_key=True),
    tenant_column(),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.user_id"), nullable=False),
    sa.Column("frequency", sa.String(8), nullable=False),
    sa.Column("window_key", Key, nullable=False),
    sa.Column("fire_id", sa.String(36), sa.ForeignKey("fires.fire_id"), nullable=False),
    sa.Column("as_of_day", sa.Date, nullable=False),
    sa.Column("closed_at", UtcDateTime, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("counts", Json, nullable=False),
    sa.UniqueConstraint("tenant_id", "user_id", "frequency", "window_key"),
    one_of("frequency", "instant", "daily", "weekly", "adhoc"),
    one_of("outcome", "mailed", "empty", "no_address"),
)

notifications = sa.Table(
    "notifications",
    metadata,
    sa.Column("notification_id", sa.String(32), primary_key=True),
    sa.Column(
        "window_id", sa.String(32), sa.ForeignKey("windows.window_id"), nullable=False, index=True
    ),
    tenant_column(),
    sa.Column("user_id", sa.String(36), nullable=False),
    sa.Column("event_id", sa.String(32), nullable=False),
    sa.Column("story_id", sa.String(32), nullable=False),
    sa.Column("client_id", Key, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("decision", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("reference", sa.String(9), nullable=False),
    sa.Column("shown_item_id", sa.String(32), nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("category", sa.String(32), nullable=False),
    sa.Column("is_late", sa.Boolean, nullable=False),
    sa.Column("decided_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("window_id", "event_id"),
    sa.Index(None, "tenant_id", "user_id", "event_id"),
    sa.Index(None, "tenant_id", "reference"),
    one_of("decision", "sent", "over_cap", "already_sent", "no_address"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("outbox_id", sa.String(32), primary_key=True),
    tenant_column(),
    sa.Column("window_id", sa.String(32), sa.ForeignKey("windows.window_id")),
    sa.Column("recipient", Name, nullable=False),
    sa.Column("channel", sa.String(8), nullable=False),
    sa.Column("message_id", Name, nullable=False, unique=True),
    sa.Column("file_name", Name, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("blob", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("not_before", UtcDateTime, nullable=False),
    sa.Column("lease_owner", sa.String(36)),
    sa.Column("lease_until", UtcDateTime),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("last_reply", sa.Text),
    *times(),
    sa.UniqueConstraint("window_id", "recipient", "channel"),
    one_of("channel", "folder", "smtp"),
    one_of("state", "pending", "sending", "sent", "uncertain", "failed"),
    sa.Index(None, "state", "not_before"),
)

email_logs = sa.Table(
    "email_logs",
    metadata,
    sa.Column("seq", BigId, primary_key=True, autoincrement=True),
    sa.Column(
        "outbox_id", sa.String(32), sa.ForeignKey("outbox.outbox_id"), nullable=False, index=True
    ),
    tenant_column(),
    sa.Column("recipient", Name, nullable=False),
    sa.Column("message_id", Name, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("transport", sa.String(8), nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("reply_code", sa.Integer),
    sa.Column("reply", sa.Text),
    sa.Column("provider_message_id", Name),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("opened_at", UtcDateTime),
    sa.Column("clicked_at", UtcDateTime),
    sa.UniqueConstraint("outbox_id", "attempt"),
    one_of("outcome", "sending", "sent", "deferred", "failed", "uncertain"),
)
