"""Matches in doubt, each an event and a client: what waits for a person, and what a person decided."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.audit import Audit
from clientlore.control.engine import insert_ignore
from clientlore.control.paging import page_of
from clientlore.errors import NotFoundError
from clientlore.ids import stable_id

Decision = Literal["accepted", "rejected"]
DECISIONS: tuple[Decision, ...] = ("accepted", "rejected")
_AT_ONCE = 500


def put(
    connection: Connection,
    tenant_id: str,
    day: date,
    doubts: Sequence[Mapping[str, Any]],
    judged: Collection[tuple[str, str]],
    now: datetime,
) -> int:
    """Queues what is in doubt on a day; returns how many of the day's doubts wait for a person.

    What was decided stays decided. What waited and is in doubt no more, since it is not found again or was judged
    after all, is settled; if it comes back it waits again. A pair waits on the earliest day of its doubt.

    Args:
        connection: A writing transaction.
        tenant_id: Whose.
        day: The day that was judged.
        doubts: All of the day: event_id, client_id, item_id, reason, evidence, confidence.
        judged: Pairs of event and client that were judged on the day.
        now: The present.
    """
    c = t.reviews.c
    rows = {
        stable_id(tenant_id, d["event_id"], d["client_id"]): {
            **d,
            "tenant_id": tenant_id,
            "day": day,
            "state": "open",
            "created_at": now,
            "updated_at": now,
        }
        for d in doubts
    }
    insert_ignore(connection, t.reviews, [{"review_id": key, **row} for key, row in rows.items()])
    known = _known(connection, tenant_id, list(rows))
    for row in known:
        key, new = row["review_id"], rows.get(row["review_id"])
        if new is not None:
            told = {name: new[name] for name in ("item_id", "reason", "evidence", "confidence")}
            changes = {"day": day, "state": "open", **told}
            if row["state"] == "open" and row["day"] < day:
                continue
        elif row["state"] == "open" and (
            row["day"] == day or (row["event_id"], row["client_id"]) in judged
        ):
            changes = {"state": "settled"}
        else:
            continue
        if any(row[name] != value for name, value in changes.items()):
            connection.execute(
                sa.update(t.reviews)
                .where(c.tenant_id == tenant_id, c.review_id == key)
                .values(**changes, updated_at=now)
            )
    return sum(row["review_id"] in rows for row in known)


def _known(
    connection: Connection, tenant_id: str, review_ids: Sequence[str]
) -> list[dict[str, Any]]:
    """What waits, and what of these is settled."""
    c = t.reviews.c
    mine = sa.select(t.reviews).where(c.tenant_id == tenant_id)
    queries = [mine.where(c.state == "open")]
    for start in range(0, len(review_ids), _AT_ONCE):
        part = review_ids[start : start + _AT_ONCE]
        queries.append(mine.where(c.state == "settled", c.review_id.in_(part)))
    return [dict(row) for query in queries for row in connection.execute(query).mappings()]


def decisions(connection: Connection, tenant_id: str) -> list[dict[str, Any]]:
    """What people decided: event_id, client_id, day, state."""
    c = t.reviews.c
    rows = connection.execute(
        sa.select(c.event_id, c.client_id, c.day, c.state)
        .where(c.tenant_id == tenant_id, c.state.in_(DECISIONS))
        .order_by(c.review_id)
    ).mappings()
    return [dict(row) for row in rows]


def waiting(connection: Connection, tenant_id: str | None = None) -> int:
    """How many wait for a person."""
    _, total = listed(connection, tenant_id=tenant_id, limit=0)
    return total


def listed(
    connection: Connection,
    *,
    tenant_id: str | None = None,
    state: str | None = "open",
    limit: int = 100,
    offset: int = 0,
) -> tuple[list[dict[str, Any]], int]:
    """Matches in doubt, newest day and surest first, and how many there are in all."""
    c = t.reviews.c
    return page_of(
        connection,
        t.reviews,
        [c.day.desc(), c.confidence.desc(), c.tenant_id, c.review_id],
        tenant_id=tenant_id,
        state=state,
        limit=limit,
        offset=offset,
    )


def decide(
    connection: Connection,
    audit: Audit,
    review_ids: Sequence[str],
    decision: Decision,
    tenant_id: str | None = None,
) -> list[dict[str, Any]]:
    """Notes what a person decided; a later decision takes the place of an earlier one.

    Returns:
        The rows as they were.

    Raises:
        NotFoundError: One of them is not there, or is settled; then nothing is noted.
    """
    c = t.reviews.c
    found: dict[str, dict[str, Any]] = {}
    wanted = list(dict.fromkeys(review_ids))
    for start in range(0, len(wanted), _AT_ONCE):
        query = sa.select(t.reviews).where(c.review_id.in_(wanted[start : start + _AT_ONCE]))
        if tenant_id is not None:
            query = query.where(c.tenant_id == tenant_id)
        found |= {row["review_id"]: dict(row) for row in connection.execute(query).mappings()}
    for key in wanted:
        if key not in found:
            raise NotFoundError(
                f"Nothing is in doubt under '{key}'",
                "`clientlore review list --state all` shows what was.",
            )
        if found[key]["state"] == "settled":
            raise NotFoundError(
                f"'{key}' is in doubt no more: it was judged, or is not found any more",
                "`clientlore review list` shows what waits.",
            )
    for key in wanted:
        row = found[key]
        if row["state"] == decision:
            continue
        connection.execute(
            sa.update(t.reviews)
            .where(c.tenant_id == row["tenant_id"], c.review_id == key)
            .values(state=decision, updated_at=audit.now())
        )
        audit.log(
            connection,
            decision.removesuffix("ed"),
            "reviews",
            key,
            tenant_id=row["tenant_id"],
            changes={"state": [row["state"], decision]},
        )
    return [found[key] for key in wanted]
