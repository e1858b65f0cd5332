"""What somebody must be told: kept as a row, shown by `clientlore status`, mailed where the tenant names an address."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.audit import Audit
from clientlore.control.engine import insert_ignore
from clientlore.ids import stable_id


def raise_alert(
    connection: Connection, audit: Audit, *, tenant_id: str, subject: str, text: str
) -> bool:
    """Raises an alert once a day for each tenant, subject and text; says whether it is new."""
    now = audit.now()
    row = {
        "alert_id": stable_id(tenant_id, subject, text, now.date()),
        "tenant_id": tenant_id,
        "subject": subject,
        "text": text,
        "raised_at": now,
        "outbox_id": None,
    }
    return insert_ignore(connection, t.alerts, [row]) > 0


def unsent_alerts(connection: Connection, tenant_id: str) -> list[dict[str, Any]]:
    """Alerts of a tenant that no mail carries yet, oldest first."""
    rows = connection.execute(
        sa.select(t.alerts)
        .where(t.alerts.c.tenant_id == tenant_id, t.alerts.c.outbox_id.is_(None))
        .order_by(t.alerts.c.raised_at)
    ).mappings()
    return [dict(row) for row in rows]


def recent_alerts(connection: Connection, limit: int = 10) -> list[dict[str, Any]]:
    """The newest alerts of all tenants."""
    rows = connection.execute(
        sa.select(t.alerts).order_by(t.alerts.c.raised_at.desc()).limit(limit)
    ).mappings()
    return [dict(row) for row in rows]
