"""The outbox: what is to be sent, claimed with a lease, and what became of each attempt.

A message goes `pending`, `sending` (claimed; the attempt is on record before a byte leaves) and ends `sent`,
`failed` or `uncertain`. Uncertain means that the process died between the server's yes and our commit: it is held
until a person decides, since nobody can know. A folder can: there it is simply written again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.audit import Audit
from clientlore.control.model import Tenant
from clientlore.errors import ConfigurationError, NotFoundError
from clientlore.ids import stable_id
from clientlore.settings import SmtpSettings

Channel = Literal["folder", "smtp"]
LEASE = timedelta(minutes=5)
RETRY_MINUTES = (1, 5, 15, 60, 240)
GIVE_UP_AFTER = timedelta(hours=48)


@dataclass(frozen=True)
class Message:
    """A message that the caller has claimed and must now send, once."""

    outbox_id: str
    tenant_id: str
    recipient: str
    channel: Channel
    message_id: str
    file_name: str
    blob: str
    attempt: int
    created_at: datetime


def channel_for(tenant: Tenant, smtp: SmtpSettings) -> Channel:
    """How a tenant's mail leaves: into the folder, unless it is allowed to send to the outside.

    Raises:
        ConfigurationError: It is allowed to, and no sender is configured: better no window than a mail in a
            folder that nobody reads.
    """
    if not tenant.allow_live_send or tenant.mode == "mock":
        return "folder"
    if not smtp.configured:
        raise ConfigurationError(
            f"Tenant '{tenant.tenant_id}' has allow_live_send, and no sender is configured",
            "Set SMTP_FROM_EMAIL, SMTP_HOST, SMTP_USERNAME and SMTP_PASSWORD, or take allow_live_send out.",
        )
    return "smtp"


def queue_row(
    *,
    tenant_id: str,
    window_id: str | None,
    recipient: str,
    channel: Channel,
    message_id: str,
    file_name: str,
    subject: str,
    blob: str,
    not_before: datetime,
    now: datetime,
) -> dict[str, Any]:
    """A row of the outbox for a mail that lies in the blobs already."""
    return {
        "outbox_id": stable_id(message_id),
        "tenant_id": tenant_id,
        "window_id": window_id,
        "recipient": recipient,
        "channel": channel,
        "message_id": message_id,
        "file_name": file_name,
        "subject": subject,
        "blob": blob,
        "state": "pending",
        "not_before": not_before,
        "lease_owner": None,
        "lease_until": None,
        "attempts": 0,
        "last_reply": None,
        "created_at": now,
        "updated_at": now,
    }


def settle_abandoned(
    connection: Connection, now: datetime, tenants: Collection[str] = ()
) -> tuple[int, int]:
    """Looks after messages whose sender died: a folder is written again, an SMTP attempt becomes uncertain.

    Args:
        connection: A writing transaction.
        now: The present.
        tenants: Only these; all if none is named.

    Returns:
        How many are pending again, and how many are uncertain.
    """
    abandoned = _abandoned(now)
    if tenants:
        abandoned = sa.and_(abandoned, t.outbox.c.tenant_id.in_(list(tenants)))
    folder = sa.and_(abandoned, t.outbox.c.channel == "folder")
    unclear = sa.and_(abandoned, t.outbox.c.channel == "smtp")
    lost = connection.execute(sa.select(t.outbox.c.outbox_id).where(unclear)).scalars().all()
    for which, ended in ((folder, "deferred"), (unclear, "uncertain")):
        connection.execute(
            sa.update(t.email_logs)
            .where(
                t.email_logs.c.outbox_id.in_(sa.select(t.outbox.c.outbox_id).where(which)),
                t.email_logs.c.outcome == "sending",
            )
            .values(outcome=ended, reply="the sender died", finished_at=now)
        )
    again = connection.execute(
        sa.update(t.outbox).where(folder).values(state="pending", lease_owner=None, updated_at=now)
    ).rowcount
    reply = "the sender died after it began: the server may have taken it"
    connection.execute(
        sa.update(t.outbox)
        .where(unclear)
        .values(state="uncertain", last_reply=reply, updated_at=now)
    )
    return again, len(lost)


def _abandoned(now: datetime) -> sa.ColumnElement[bool]:
    """Claimed by somebody whose lease ran out, or by a run that has ended."""
    ended = sa.select(t.runs.c.run_id).where(t.runs.c.ended_at.is_not(None))
    return sa.and_(
        t.outbox.c.state == "sending",
        sa.or_(t.outbox.c.lease_until <= now, t.outbox.c.lease_owner.in_(ended)),
    )


def claim(
    connection: Connection,
    owner: str,
    now: datetime,
    *,
    limit: int,
    tenants: Collection[str] = (),
    channels: Collection[Channel] = ("folder", "smtp"),
) -> list[Message]:
    """Claims messages that are due, oldest first, and puts each attempt on record. Commit before sending.

    Messages of tenants that are held stay where they are.
    """
    query = (
        sa.select(t.outbox)
        .join(t.tenants, t.tenants.c.tenant_id == t.outbox.c.tenant_id)
        .where(
            t.outbox.c.state == "pending",
            t.outbox.c.not_before <= now,
            t.outbox.c.channel.in_(list(channels)),
            t.tenants.c.status == "active",
        )
        .order_by(t.outbox.c.not_before, t.outbox.c.outbox_id)
        .limit(limit)
    )
    if tenants:
        query = query.where(t.outbox.c.tenant_id.in_(list(tenants)))
    if connection.dialect.name == "postgresql":
        query = query.with_for_update(of=t.outbox, skip_locked=True)
    rows = connection.execute(query).mappings().all()
    for row in rows:
        connection.execute(
            sa.update(t.outbox)
            .where(t.outbox.c.outbox_id == row["outbox_id"])
            .values(
                state="sending",
                lease_owner=owner,
                lease_until=now + LEASE,
                attempts=row["attempts"] + 1,
                updated_at=now,
            )
        )
        connection.execute(
            sa.insert(t.email_logs).values(
                outbox_id=row["outbox_id"],
                tenant_id=row["tenant_id"],
                recipient=row["recipient"],
                message_id=row["message_id"],
                attempt=row["attempts"] + 1,
                transport=row["channel"],
                outcome="sending",
                started_at=now,
            )
        )
    return [
        Message(
            outbox_id=row["outbox_id"],
            tenant_id=row["tenant_id"],
            recipient=row["recipient"],
            channel=row["channel"],
            message_id=row["message_id"],
            file_name=row["file_name"],
            blob=row["blob"],
            attempt=row["attempts"] + 1,
            created_at=row["created_at"],
        )
        for row in rows
    ]


def record(
    connection: Connection,
    message: Message,
    outcome: Literal["sent", "deferred", "failed", "uncertain"],
    now: datetime,
    *,
    rng: Random,
    reply_code: int | None = None,
    reply: str | None = None,
    provider_message_id: str | None = None,
    gives_up: bool = True,
) -> str:
    """Records what became of an attempt; returns the state of the message.

    Args:
        connection: A writing transaction.
        message: Which.
        outcome: How it went.
        now: The present.
        rng: For the jitter of a retry.
        reply_code: What the other side said, as a number.
        reply: What it said.
        provider_message_id: The id that it gave.
        gives_up: Whether a message that was deferred for too long fails; not where the fault is ours.
    """
    state: str = outcome
    values: dict[str, Any] = {"lease_owner": None, "lease_until": None}
    if outcome == "deferred":
        if gives_up and now - message.created_at >= GIVE_UP_AFTER:
            state = "failed"
        else:
            state = "pending"
            minutes = RETRY_MINUTES[min(message.attempt, len(RETRY_MINUTES)) - 1]
            values["not_before"] = now + timedelta(minutes=minutes * rng.uniform(0.8, 1.2))
    connection.execute(
        sa.update(t.outbox)
        # Late news of an attempt changes nothing about the one after it.
        .where(t.outbox.c.outbox_id == message.outbox_id, t.outbox.c.attempts == message.attempt)
        .values(state=state, last_reply=reply, updated_at=now, **values)
    )
    connection.execute(
        sa.update(t.email_logs)
        .where(
            t.email_logs.c.outbox_id == message.outbox_id,
            t.email_logs.c.attempt == message.attempt,
        )
        .values(
            outcome=outcome,
            reply_code=reply_code,
            reply=reply,
            provider_message_id=provider_message_id,
            finished_at=now,
        )
    )
    return state


def decide_uncertain(
    connection: Connection, audit: Audit, outbox_id: str, *, was_delivered: bool
) -> None:
    """A person's word about an uncertain message: it arrived, or it is to be sent again.

    Raises:
        NotFoundError: There is no uncertain message of that id.
    """
    state = "sent" if was_delivered else "pending"
    changed = connection.execute(
        sa.update(t.outbox)
        .where(t.outbox.c.outbox_id == outbox_id, t.outbox.c.state == "uncertain")
        .values(state=state, not_before=audit.now(), updated_at=audit.now())
    ).rowcount
    if not changed:
        raise NotFoundError(
            f"There is no uncertain message {outbox_id}", "`clientlore outbox list` shows them."
        )
    audit.log(connection, "decide", "outbox", outbox_id, tenant_id=None, changes={"state": state})


def note_engagement(
    connection: Connection, message_id: str, kind: Literal["opened", "clicked"], now: datetime
) -> bool:
    """Notes the first time that a mail was opened or clicked; only where a tenant has switched tracking on."""
    column = t.email_logs.c.opened_at if kind == "opened" else t.email_logs.c.clicked_at
    return bool(
        connection.execute(
            sa.update(t.email_logs)
            .where(
                t.email_logs.c.message_id == message_id,
                t.email_logs.c.outcome == "sent",
                column.is_(None),
            )
            .values({column.name: now})
        ).rowcount
    )


def counts_by_state(connection: Connection, tenants: Collection[str] = ()) -> dict[str, int]:
    """How many messages are in each state."""
    query = sa.select(t.outbox.c.state, sa.func.count()).group_by(t.outbox.c.state)
    if tenants:
        query = query.where(t.outbox.c.tenant_id.in_(list(tenants)))
    return {state: int(count) for state, count in connection.execute(query)}


def due_now(connection: Connection, now: datetime) -> int:
    """How many messages wait to be sent now, those of dead senders included."""
    due = sa.or_(
        sa.and_(t.outbox.c.state == "pending", t.outbox.c.not_before <= now),
        _abandoned(now),
    )
    query = (
        sa.select(sa.func.count())
        .select_from(t.outbox.join(t.tenants, t.tenants.c.tenant_id == t.outbox.c.tenant_id))
        .where(due, t.tenants.c.status == "active")
    )
    return int(connection.execute(query).scalar_one())
