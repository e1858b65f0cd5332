"""What was set aside, and why. A row here always points at what is kept elsewhere: nothing is lost, nothing copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.audit import Audit
from clientlore.control.engine import insert_ignore
from clientlore.control.paging import page_of
from clientlore.errors import NotFoundError
from clientlore.ids import stable_id


@dataclass(frozen=True)
class Reject:
    """One thing that could not be used.

    Attributes:
        reference: Where it is kept: `response:<id>#<position>` or `item:<id>`.
        reason: One word for people and programs: `no_text`, `not_a_feed`, `mock_in_live`.
        detail: One sentence that says what to do.
        source_id: Whence.
    """

    reference: str
    reason: str
    detail: str
    source_id: str | None = None


def put_rejects(
    connection: Connection,
    *,
    tenant_id: str,
    day: date,
    stage: str,
    rejects: Sequence[Reject],
    run_id: str | None,
    now: datetime,
    complete: bool,
) -> int:
    """Sets things aside; returns how many of them are new. A row that came up before keeps its first time.

    Args:
        connection: A writing transaction.
        tenant_id: Whose.
        day: The day of collection.
        stage: Which stage could not use them.
        rejects: What, and why.
        run_id: The run that noticed.
        now: The present.
        complete: The rejects are all there are for this (tenant, day, stage): an open row that is not among
            them is resolved.
    """
    rows = {
        stable_id(tenant_id, day, stage, r.reference, r.reason): {
            "tenant_id": tenant_id,
            "day": day,
            "stage": stage,
            "source_id": r.source_id,
            "reference": r.reference,
            "reason": r.reason,
            "detail": r.detail,
            "state": "open",
            "run_id": run_id,
            "created_at": now,
            "updated_at": now,
        }
        for r in rejects
    }
    new = insert_ignore(
        connection, t.quarantine, [{"quarantine_id": key, **row} for key, row in rows.items()]
    )
    # What was tried again and failed again is open again.
    _move(connection, list(rows), {"replayed", "resolved"}, "open", now)
    if complete:
        here = connection.execute(
            sa.select(t.quarantine.c.quarantine_id).where(
                t.quarantine.c.tenant_id == tenant_id,
                t.quarantine.c.day == day,
                t.quarantine.c.stage == stage,
            )
        ).scalars()
        vanished = [found for found in here if found not in rows]
        _move(connection, vanished, {"open", "replayed"}, "resolved", now)
    return new


def resolve(connection: Connection, quarantine_ids: Sequence[str], now: datetime) -> None:
    """Notes that the rows could be used after all."""
    _move(connection, quarantine_ids, {"open", "replayed"}, "resolved", now)


def _move(
    connection: Connection,
    quarantine_ids: Sequence[str],
    before: set[str],
    after: str,
    now: datetime,
) -> None:
    for start in range(0, len(quarantine_ids), 500):
        connection.execute(
            sa.update(t.quarantine)
            .where(
                t.quarantine.c.quarantine_id.in_(quarantine_ids[start : start + 500]),
                t.quarantine.c.state.in_(before),
            )
            .values(state=after, updated_at=now)
        )


def listed(
    connection: Connection,
    *,
    tenant_id: str | None = None,
    state: str | None = "open",
    limit: int = 100,
    offset: int = 0,
) -> tuple[list[dict[str, Any]], int]:
    """Rows of the quarantine, newest first, and how many there are in all."""
    c = t.quarantine.c
    return page_of(
        connection,
        t.quarantine,
        [c.created_at.desc(), c.quarantine_id],
        tenant_id=tenant_id,
        state=state,
        limit=limit,
        offset=offset,
    )


def find(connection: Connection, quarantine_id: str, tenant_id: str | None) -> dict[str, Any]:
    """The row of an id, of any tenant or of one.

    Raises:
        NotFoundError: There is none.
    """
    query = sa.select(t.quarantine).where(t.quarantine.c.quarantine_id == quarantine_id)
    if tenant_id is not None:
        query = query.where(t.quarantine.c.tenant_id == tenant_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFoundError(
            f"Nothing was set aside under '{quarantine_id}'",
            "`clientlore quarantine list --state all` shows what was.",
        )
    return dict(row)


def mark_replayed(connection: Connection, audit: Audit, quarantine_ids: Sequence[str]) -> None:
    """Notes that the rows are being tried again; if they fail again they are open again."""
    _move(connection, quarantine_ids, {"open"}, "replayed", audit.now())
    for quarantine_id in quarantine_ids:
        audit.log(connection, "replay", "quarantine", quarantine_id, tenant_id=None)
