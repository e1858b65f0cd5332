"""The ledger of (day, tenant): what is true about each stage of each day. Dagster's own status is only a hint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.engine import insert_ignore, upsert
from clientlore.ids import sha256

_READ_THROUGH = "read_through"


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
    if state in {"failed", "held"}:
        key = [t.tenant_days.c[name] == row[name] for name in ("tenant_id", "day", "stage")]
        kept = sa.select(t.tenant_days.c.content_sha, t.tenant_days.c.inputs_sha).where(*key)
        row |= connection.execute(kept).mappings().first() or {}
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
    return {row.day: row.content_sha for row in rows}


def record_batches(
    connection: Connection, rows: list[dict[str, Any]], *, only_new: bool = False
) -> None:
    """Stores how far each raw batch has come: NEW, PROCESSED, FAILED or SKIPPED. Derived; raw never changes.

    With `only_new`, a batch that is known already keeps its status.
    """
    if only_new:
        insert_ignore(connection, t.raw_batches, rows)
    else:
        upsert(connection, t.raw_batches, rows)


def batches_of(connection: Connection, tenant_id: str, day: date) -> list[dict[str, Any]]:
    """The raw batches of a (tenant, day) with their statuses."""
    rows = connection.execute(
        sa.select(t.raw_batches)
        .where(t.raw_batches.c.tenant_id == tenant_id, t.raw_batches.c.day == day)
        .order_by(t.raw_batches.c.table_name, t.raw_batches.c.batch_id)
    ).mappings()
    return [dict(row) for row in rows]


def blocked_by(connection: Connection, tenant_id: str, day: date, run_id: str) -> str | None:
    """The stage of this run that failed or was held for a (tenant, day), if one did: what follows would be a guess."""
    found = connection.execute(
        sa.select(t.tenant_days.c.stage, t.tenant_days.c.state)
        .where(
            t.tenant_days.c.tenant_id == tenant_id,
            t.tenant_days.c.day == day,
            t.tenant_days.c.run_id == run_id,
            t.tenant_days.c.state.in_(("failed", "held")),
        )
        .order_by(t.tenant_days.c.updated_at)
    ).first()
    return None if found is None else f"{found.stage} {found.state}"


def stale_days(connection: Connection, tenant_id: str, stage: str, look_back: int) -> list[date]:
    """Days whose stage was made when an earlier day within its look-back said something else.

    Args:
        connection: Any.
        tenant_id: Whose.
        stage: One whose `inputs_sha` is the hash of `content_shas` of its look-back.
        look_back: How many days it looks back.
    """
    rows = connection.execute(
        sa.select(t.tenant_days.c.day, t.tenant_days.c.content_sha, t.tenant_days.c.inputs_sha)
        .where(t.tenant_days.c.tenant_id == tenant_id, t.tenant_days.c.stage == stage)
        .order_by(t.tenant_days.c.day)
    ).all()
    shas = {row.day: row.content_sha for row in rows if row.content_sha is not None}
    stale = []
    for row in rows:
        if row.inputs_sha is None:
            continue
        before = {
            d: s for d, s in shas.items() if row.day - timedelta(days=look_back) <= d < row.day
        }
        if inputs_sha(before) != row.inputs_sha:
            stale.append(row.day)
    return stale


def days_behind(
    connection: Connection, tenant_id: str, stage: str, follows: str, first: date, last: date
) -> list[date]:
    """Days whose stage was made before the stage that it follows came to say something else, oldest first.

    Args:
        connection: Any.
        tenant_id: Whose.
        stage: One whose `inputs_sha` is the content of the other.
        follows: The other.
        first: The earliest day that is looked at.
        last: The latest.
    """
    now = content_shas(connection, tenant_id, follows, first, last)
    rows = connection.execute(
        sa.select(t.tenant_days.c.day, t.tenant_days.c.inputs_sha).where(
            t.tenant_days.c.tenant_id == tenant_id,
            t.tenant_days.c.stage == stage,
            t.tenant_days.c.day.between(first, last),
            t.tenant_days.c.inputs_sha.is_not(None),
        )
    )
    return sorted(row.day for row in rows if now.get(row.day, row.inputs_sha) != row.inputs_sha)


def read_mark(through: int | None) -> dict[str, int]:
    """How far a day has read documents, as it stands among the counts of its stage."""
    return {} if through is None else {_READ_THROUGH: through}


def read_through(
    connection: Connection, tenant_id: str, stage: str, day: date
) -> tuple[int, int | None]:
    """Up to which sequence number of the memory log the days before one have read documents; and this one itself.

    The second is None for a day that may go on reading, since no later one has read.
    """
    rows = connection.execute(
        sa.select(t.tenant_days.c.day, t.tenant_days.c.counts).where(
            t.tenant_days.c.tenant_id == tenant_id, t.tenant_days.c.stage == stage
        )
    )
    marks = {row.day: int(row.counts[_READ_THROUGH]) for row in rows if _READ_THROUGH in row.counts}
    start = max((through for when, through in marks.items() if when < day), default=0)
    if not any(when > day for when in marks):
        return start, None
    return start, max(start, marks.get(day, start))


def inputs_sha(shas: Mapping[date, str]) -> str:
    """SHA-256 of the contents of some days."""
    told = {day.isoformat(): sha for day, sha in sorted(shas.items())}
    return sha256(json.dumps(told).encode())
