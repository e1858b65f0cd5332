"""What people said of what they were told."""

from __future__ import annotations

import sqlalchemy as sa

from clientlore.control.tables.base import Key, metadata, one_of, tenant_column
from clientlore.control.types import BigId, Json, UtcDateTime

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("seq", BigId, primary_key=True, autoincrement=True),
    sa.Column("feedback_id", sa.String(32), nullable=False, unique=True),
    tenant_column(),
    # No foreign key: who is forgotten takes what they said along.
    sa.Column("user_id", sa.String(36), nullable=False),
    sa.Column("event_id", sa.String(32), nullable=False),
    sa.Column("client_id", Key, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("category", sa.String(32)),
    sa.Column("channel", sa.String(8), nullable=False),
    sa.Column("judgement", Json, nullable=False),
    sa.Column("given_at", UtcDateTime, nullable=False),
    one_of("kind", "useful", "not_useful", "wrong_client", "wrong_category"),
    one_of("channel", "cli", "link"),
    sa.Index(None, "tenant_id", "seq"),
)
