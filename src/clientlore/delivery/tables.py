"""What analysts see of delivery: one row for each window of each person. No addresses."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.storage.lake import UTC_TIME, Table, columns

DELIVERIES = Table(
    "out",
    "deliveries",
    columns(
        {
            "tenant_id": pl.String,
            "window_id": pl.String,
            "user_id": pl.String,
            "frequency": pl.String,
            "window_key": pl.String,
            "as_of_day": pl.Date,
            "outcome": pl.String,
            "items": pl.Int32,
            "more": pl.Int32,
            "late": pl.Int32,
            "message_id": pl.String,
            "channel": pl.String,
            "state": pl.String,
            "attempts": pl.Int32,
            "closed_at": UTC_TIME,
            "sent_at": UTC_TIME,
        }
    ),
    ("closed_at", "window_id"),
    "A window of a person, what was decided when it closed and what became of its mail.",
)


def deliveries_of(connection: Connection, tenant_id: str) -> pl.DataFrame:
    """The windows of a tenant with their mails, in the columns of `DELIVERIES`."""
    sent_at = (
        sa.select(sa.func.max(t.email_logs.c.finished_at))
        .where(t.email_logs.c.outbox_id == t.outbox.c.outbox_id, t.email_logs.c.outcome == "sent")
        .scalar_subquery()
    )
    rows = connection.execute(
        sa.select(
            t.windows,
            t.outbox.c.message_id,
            t.outbox.c.channel,
            t.outbox.c.state,
            t.outbox.c.attempts,
            sent_at.label("sent_at"),
        )
        .join(t.outbox, t.outbox.c.window_id == t.windows.c.window_id, isouter=True)
        .where(t.windows.c.tenant_id == tenant_id)
    ).mappings()
    return DELIVERIES.frame(
        [
            {
                **{k: row[k] for k in DELIVERIES.schema if k in row},
                "items": row["counts"]["sent"],
                "more": row["counts"]["more"],
                "late": row["counts"]["late"],
            }
            for row in rows
        ]
    )
