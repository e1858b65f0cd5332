"""Items of which a person said that they are no copies of what they were folded into: who, when and why.

Here: the decisions. What follows from them is `monitoring.folding`'s to say, when a day is made again.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.audit import Audit
from clientlore.control.paging import page_of
from clientlore.errors import NotFoundError

State = Literal["apart", "undone"]
STATES: tuple[State, ...] = ("apart", "undone")


def standing(connection: Connection, tenant_id: str) -> frozenset[str]:
    """The items that stay apart."""
    c = t.event_splits.c
    rows = connection.execute(
        sa.select(c.item_id).where(c.tenant_id == tenant_id, c.state == "apart")
    )
    return frozenset(row.item_id for row in rows)


def find(connection: Connection, tenant_id: str, item_id: str) -> dict[str, Any] | None:
    """What was decided about an item, if anything was."""
    c = t.event_splits.c
    row = (
        connection.execute(
            sa.select(t.event_splits).where(c.tenant_id == tenant_id, c.item_id == item_id)
        )
        .mappings()
        .first()
    )
    return None if row is None else dict(row)


def take_apart(
    connection: Connection, audit: Audit, *, tenant_id: str, item_id: str, event_id: str, day: date
) -> bool:
    """Notes that an item is no copy; the reason is the audit's.

    Args:
        connection: A writing transaction.
        audit: Who says so and why.
        tenant_id: Whose item.
        item_id: The item.
        event_id: The event that it was folded into.
        day: The day on which it was collected first.

    Returns:
        False where that was decided already: then nothing is written.
    """
    known = find(connection, tenant_id, item_id)
    if known is not None and known["state"] == "apart":
        return False
    now = audit.now()
    told = {
        "event_id": event_id,
        "day": day,
        "state": "apart",
        "decided_by": audit.actor,
        "reason": audit.reason,
        "updated_at": now,
    }
    if known is None:
        row = {"tenant_id": tenant_id, "item_id": item_id, "created_at": now, **told}
        connection.execute(sa.insert(t.event_splits).values(**row))
    else:
        _change(connection, tenant_id, item_id, told)
    changes = {"event_id": event_id, "state": [known and known["state"], "apart"]}
    audit.log(connection, "split", "event_splits", item_id, tenant_id=tenant_id, changes=changes)
    return True


def put_back(connection: Connection, audit: Audit, tenant_id: str, item_id: str) -> dict[str, Any]:
    """Takes such a decision back; returns the row as it was. Where it was taken back before, nothing is written.

    Raises:
        NotFoundError: Nobody ever took the item apart.
    """
    known = find(connection, tenant_id, item_id)
    if known is None:
        raise NotFoundError(
            f"Nobody took item '{item_id}' of '{tenant_id}' out of its event",
            "`clientlore event list --state all` shows what was decided.",
        )
    if known["state"] == "undone":
        return known
    told = {
        "state": "undone",
        "decided_by": audit.actor,
        "reason": audit.reason,
        "updated_at": audit.now(),
    }
    _change(connection, tenant_id, item_id, told)
    changes = {"event_id": known["event_id"], "state": ["apart", "undone"]}
    audit.log(connection, "undo", "event_splits", item_id, tenant_id=tenant_id, changes=changes)
    return known


def listed(
    connection: Connection,
    *,
    tenant_id: str | None = None,
    state: str | None = "apart",
    limit: int = 100,
    offset: int = 0,
) -> tuple[list[dict[str, Any]], int]:
    """What was decided, the newest first, and how many such decisions there are in all."""
    c = t.event_splits.c
    return page_of(
        connection,
        t.event_splits,
        [c.updated_at.desc(), c.tenant_id, c.item_id],
        tenant_id=tenant_id,
        state=state,
        limit=limit,
        offset=offset,
    )


def _change(connection: Connection, tenant_id: str, item_id: str, told: dict[str, Any]) -> None:
    c = t.event_splits.c
    connection.execute(
        sa.update(t.event_splits)
        .where(c.tenant_id == tenant_id, c.item_id == item_id)
        .values(**told)
    )
