"""Alerts as mail: plain text to the address the tenant file names."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import sqlalchemy as sa

from clientlore.control import tables as t
from clientlore.control.alerts import unsent_alerts
from clientlore.control.engine import insert_ignore
from clientlore.control.model import Tenant
from clientlore.delivery.outbox import channel_for, queue_row
from clientlore.delivery.transports import wire_address
from clientlore.run_context import RunContext


def queue_alerts(ctx: RunContext, tenant: Tenant, sender: str) -> int:
    """Puts a mail into the outbox for each alert that has none yet; returns how many. None without an address."""
    recipient = tenant.settings.get("alert_email")
    if not recipient:
        return 0
    now = ctx.workspace.clock.now()
    channel = channel_for(tenant, ctx.workspace.settings.smtp)
    with ctx.workspace.control.read() as connection:
        alerts = unsent_alerts(connection, tenant.tenant_id)
    for alert in alerts:
        token = alert["alert_id"][:16]
        message = EmailMessage(policy=SMTP)
        message["Message-ID"] = f"<alert.{token}@{sender.rpartition('@')[2] or 'localhost'}>"
        message["Date"] = format_datetime(alert["raised_at"])
        message["Subject"] = " ".join(f"Clientlore: {alert['subject']}".split())
        message["From"] = sender
        message["To"] = wire_address(str(recipient))
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(alert["text"], cte="quoted-printable")
        blob = ctx.workspace.blobs.put(tenant.tenant_id, message.as_bytes())
        row = queue_row(
            tenant_id=tenant.tenant_id,
            window_id=None,
            recipient=str(recipient),
            channel=channel,
            message_id=str(message["Message-ID"]),
            file_name=f"{alert['raised_at']:%Y-%m-%d}-{tenant.tenant_id}-alert-{token}.eml",
            subject=str(message["Subject"]),
            blob=blob,
            not_before=now,
            now=now,
        )
        with ctx.workspace.control.write() as connection:
            insert_ignore(connection, t.outbox, [row])
            connection.execute(
                sa.update(t.alerts)
                .where(t.alerts.c.alert_id == alert["alert_id"])
                .values(outbox_id=row["outbox_id"])
            )
    return len(alerts)
