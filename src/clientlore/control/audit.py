"""The audit log: who changed what in the control plane, when and why. Appended in the transaction of the change.

A change is logged by field. Values of personal fields are not repeated here: the log outlives the person.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.clock import Clock
from clientlore.control import tables as t

PERSONAL = frozenset({"name", "email", "phone_number", "preferences"})
_PERSONAL_INSIDE = frozenset({"alert_email", "people"})
_UNTOLD = frozenset({"created_at", "updated_at"})


class Audit:
    """Writes to the audit log on behalf of one actor.

    Attributes:
        actor: Who acts: `cli:<login>`, `run:<id>`, `sensor:<name>`.
        reason: Why, in a few words.
    """

    def __init__(self, actor: str, reason: str, clock: Clock) -> None:
        self.actor = actor
        self.reason = reason
        self.clock = clock

    def now(self) -> datetime:
        """The instant under which the change is logged."""
        return self.clock.now()

    def log(
        self,
        connection: Connection,
        action: str,
        entity: str,
        entity_id: str,
        *,
        tenant_id: str | None,
        changes: Mapping[str, Any] | None = None,
        reason: str | None = None,
    ) -> None:
        """Appends one entry."""
        connection.execute(
            sa.insert(t.audit_log).values(
                at=self.now(),
                actor=self.actor,
                action=action,
                entity=entity,
                entity_id=entity_id,
                tenant_id=tenant_id,
                reason=reason or self.reason,
                changes=dict(changes or {}),
            )
        )


def difference(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> dict[str, Any]:
    """What differs, by field: `{field: [old, new]}`; personal values are replaced by a mark."""
    told: dict[str, Any] = {}
    for field, new in after.items():
        old = None if before is None else before.get(field)
        if field in _UNTOLD or old == new:
            continue
        told[field] = "(personal)" if field in PERSONAL else [_plain(old), _plain(new)]
    return told


def put(
    connection: Connection, audit: Audit, table: sa.Table, row: Mapping[str, Any]
) -> dict[str, Any]:
    """Makes the row of a table what is given, by its primary key, and logs what changed.

    Returns:
        The difference by field; empty where the row was so already, and then nothing is written.
    """
    key = {column.name: row[column.name] for column in table.primary_key.columns}
    where = sa.and_(*(table.c[name] == value for name, value in key.items()))
    found = connection.execute(sa.select(table).where(where)).mappings().first()
    changes = difference(None if found is None else dict(found), row)
    if not changes:
        return {}
    now = audit.now()
    stamped = {"updated_at": now} if "updated_at" in table.c else {}
    if found is None:
        if "created_at" in table.c:
            stamped["created_at"] = now
        connection.execute(sa.insert(table).values(**{**stamped, **row}))
    else:
        connection.execute(sa.update(table).where(where).values(**{**row, **stamped}))
    audit.log(
        connection,
        "create" if found is None else "update",
        table.name,
        "/".join(str(value) for name, value in key.items() if name != "tenant_id")
        or str(row.get("tenant_id", "")),
        tenant_id=row.get("tenant_id"),
        changes=changes,
    )
    return changes


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: "(personal)" if v and k in _PERSONAL_INSIDE else v for k, v in value.items()}
    return value.isoformat() if hasattr(value, "isoformat") else value
