"""The ledger of (day, tenant): what is true about each stage of each day. Dagster's own status is only a hint."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.engine import upsert


def write_day(
    connection: Connection,
    *,
    tenant_id: str,
    day: date,
    stage: str,
    state: str,
    rows: int,
    content_sha: str | None,
    inputs_sha: str | None,
    code_version: str,
    counts: dict[str, Any],
    seconds: float,
    error: str | None,
    run_id: str | None,
    now: datetime,
) -> None:
    """Writes how a stage of a (day, tenant) stands. A failure keeps the content of the last success."""
    row = {
        "tenant_id": tenant_id,
        "day": day,
        "stage": stage,
        "state": state,
        "rows": rows,
        "content_sha": content_sha,
        "inputs_sha": inputs_sha,
        "code_version": code_version,
        "counts": counts,
        "seconds": seconds,
        "error": error,
        "run_id": run_id,
        "updated_at": now,
    }
    upsert(connection, t.tenant_days, [row])


def days_of(
    connection: Connection, tenant_id: str, days: Iterable[date] | None = None
) -> list[dict[str, Any]]:
    """The ledger rows of a tenant, oldest day first."""
    query = (
        sa.select(t.tenant_days)
        .where(t.tenant_days.c.tenant_id == tenant_id)
        .order_by(t.tenant_days.c.day, t.tenant_days.c.stage)
    )
    if days is not None:
        query = query.where(t.tenant_days.c.day.in_(list(days)))
    return [dict(row) for row in connection.execute(query).mappings()]


def content_shas(
    connection: Connection, tenant_id: str, stage: str, first: date, last: date
) -> dict[date, str]:
    """The content of a stage by day, as its SHA-256; days that never succeeded are absent."""
    rows = connection.execute(
        sa.select(t.tenant_days.c.day, t.tenant_days.c.content_sha).where(
            t.tenant_days.c.tenant_id == tenant_id,
            t.tenant_days.c.stage == stage,
            t.tenant_days.c.day.between(first, last),
            t.tenant_days.c.content_sha.is_not(None),
        )
    )
    return {day: sha for day, sha in rows}


def record_batches(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Stores how far each raw batch has come: NEW, PROCESSED, FAILED or SKIPPED. Derived; raw never changes."""
    upsert(connection, t.raw_batches, rows)
