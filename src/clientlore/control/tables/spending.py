"""What was spent on providers that cost money, and the judgements that were bought."""

from __future__ import annotations

import sqlalchemy as sa

from clientlore.control.tables.base import Key, Name, metadata, one_of, tenant_column
from clientlore.control.types import Json, UtcDateTime

provider_spending = sa.Table(
    "provider_spending",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("provider", Key, primary_key=True),
    # The UTC date on which it was spent, not the day that was worked on.
    sa.Column("spent_on", sa.Date, primary_key=True),
    sa.Column("calls", sa.BigInteger, nullable=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    # Whole billionths of a dollar: a call may cost a millionth, and sums must be exact.
    sa.Column("nano_usd", sa.BigInteger, nullable=False),
    sa.Column("reserved_calls", sa.BigInteger, nullable=False),
    sa.Column("reserved_tokens", sa.BigInteger, nullable=False),
    sa.Column("reserved_nano_usd", sa.BigInteger, nullable=False),
    sa.Column("refused", sa.BigInteger, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)

llm_judgements = sa.Table(
    "llm_judgements",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("cache_key", Key, primary_key=True),
    sa.Column("provider", Key, nullable=False),
    sa.Column("model", Name, nullable=False),
    sa.Column("prompt", Key, nullable=False),
    sa.Column("outcome", sa.String(8), nullable=False),
    sa.Column("answer", Json, nullable=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("nano_usd", sa.BigInteger),
    sa.Column("judged_at", UtcDateTime, nullable=False),
    one_of("outcome", "judged", "unusable"),
)

llm_batches = sa.Table(
    "llm_batches",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("batch_id", Key, primary_key=True),
    sa.Column("provider", Key, nullable=False),
    sa.Column("model", Name, nullable=False),
    sa.Column("prompt", Key, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("vendor_id", Name),
    # Which judgements each request is about: {custom id: [cache keys]}.
    sa.Column("requests", Json, nullable=False),
    sa.Column("spent_on", sa.Date, nullable=False),
    sa.Column("reserved_calls", sa.BigInteger, nullable=False),
    sa.Column("reserved_tokens", sa.BigInteger, nullable=False),
    sa.Column("reserved_nano_usd", sa.BigInteger, nullable=False),
    sa.Column("submitted_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    one_of("state", "submitting", "submitted", "done", "lost"),
)
