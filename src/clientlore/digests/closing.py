"""Closing a window: what is decided, the rendered mail and the outbox row, in one transaction, once.

Only a fire that the run's own root has claimed opens a window, and never under a backfill. A window that is open
already stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import people, snapshots
from clientlore.control import tables as t
from clientlore.control.engine import insert_ignore
from clientlore.control.fires import claimed_by
from clientlore.control.ledger import blocked_by
from clientlore.control.model import Fire, Tenant, User
from clientlore.control.snapshots import Reader, Snapshot
from clientlore.delivery.outbox import channel_for, queue_row
from clientlore.digests.content import Material, candidates_for, lines_for, read_material, sections
from clientlore.digests.feedback import with_links
from clientlore.digests.following import follow_ups
from clientlore.digests.rendering import FALLBACK_SENDER, Digest, Rendered, Sender, render
from clientlore.digests.windows import (
    Decided,
    Window,
    decide,
    not_before,
    readers_of_fire,
)
from clientlore.ids import short_ref, stable_id
from clientlore.run_context import RunContext


@dataclass
class Told:
    """What was ever decided for a person.

    Attributes:
        events: Ids of events and of the items that were shown, each with the event that it was told as.
        stories: Stories and clients that were mailed, each with the event that was told.
    """

    events: dict[str, str] = field(default_factory=dict)
    stories: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Closed:
    """How a window was closed.

    Attributes:
        outcome: `mailed`, `empty`, `no_address`; or `open_before`, where nothing was done.
    """

    window: Window
    outcome: str
    sent: int = 0
    more: int = 0
    late: int = 0
    held_until: datetime | None = None


def sender_of(ctx: RunContext) -> Sender:
    """Who mails are from: the configured sender, or a stand-in where nothing leaves."""
    smtp = ctx.workspace.settings.smtp
    return Sender(smtp.from_email or FALLBACK_SENDER, smtp.from_name)


def close_windows(ctx: RunContext, tenant: Tenant) -> list[Closed]:
    """Closes every window that the run's claimed fires open for a tenant. The caller holds the tenant's lock.

    Where this run has failed for the day of a fire, its windows stay unopened: the next fire opens one over all.

    Raises:
        ConfigurationError: The tenant may send to the outside and no sender is configured.
    """
    if ctx.is_backfill:
        return []
    with ctx.workspace.control.read() as connection:
        fires = [
            fire
            for fire in claimed_by(connection, ctx.root)
            if fire.tenant_id == tenant.tenant_id
            and blocked_by(connection, tenant.tenant_id, fire.day, ctx.run_id) is None
        ]
    closed: list[Closed] = []
    for fire in fires:
        closed += _close_fire(ctx, tenant, fire)
    return closed


def _close_fire(ctx: RunContext, tenant: Tenant, fire: Fire) -> list[Closed]:
    workspace = ctx.workspace
    with workspace.control.read() as connection:
        snapshot = snapshots.find(connection, tenant.tenant_id, fire.day)
        users = {u.user_id: u for u in people.users_of(connection, tenant.tenant_id)}
    if snapshot is None:
        return []
    pairs = [(r, w) for r, w in readers_of_fire(fire, snapshot.readers) if r.user_id in users]
    if not pairs:
        return []
    with workspace.control.read() as connection:
        told = _told(connection, tenant.tenant_id, [reader.user_id for reader, _ in pairs])
    ids = {event_id for one in told.values() for event_id in one.events}
    material = read_material(workspace.lake, snapshot, fire.day, ids)
    return [
        _close(
            ctx,
            tenant,
            snapshot,
            material,
            reader,
            window,
            users[reader.user_id],
            told.get(reader.user_id, Told()),
        )
        for reader, window in pairs
    ]


def _close(
    ctx: RunContext,
    tenant: Tenant,
    snapshot: Snapshot,
    material: Material,
    reader: Reader,
    window: Window,
    user: User,
    told: Told,
) -> Closed:
    control, now = ctx.workspace.control, ctx.workspace.clock.now()
    with control.read() as connection:
        if _is_open(connection, window):
            return Closed(window, "open_before")
        late_before = _last_day(connection, window)
    decided = decide(
        candidates_for(material, reader.user_id),
        sent=_sent(told, material),
        stories=told.stories,
        goes_on=follow_ups(material.members),
        cap=reader.preferences.max_items,
        late_before=late_before,
        has_address=user.email is not None,
    )
    lines = lines_for(material, window.window_id, decided)
    more = sum(d.decision == "over_cap" for d in decided)
    counts = {"sent": len(lines), "more": more, "late": sum(line.is_late for line in lines)}
    channel = channel_for(tenant, ctx.workspace.settings.smtp)
    rendered: Rendered | None = None
    blob = ""
    if lines and user.email is not None:
        lines = with_links(lines, ctx.workspace.settings, tenant.tenant_id, window.window_id, now)
        digest = Digest(
            window=window,
            tenant_name=snapshot.name,
            mode=snapshot.mode,
            reader_name=reader.name,
            recipient=user.email,
            timezone=reader.preferences.timezone,
            sections=tuple(sections(lines, snapshot)),
            more=more,
            closed_at=now,
        )
        rendered = render(digest, sender_of(ctx))
        blob = ctx.workspace.blobs.put(tenant.tenant_id, rendered.data)
    outcome = "mailed" if rendered else "empty" if user.email is not None else "no_address"
    # Mail that a person asked for by hand and that stays in a folder wakes nobody.
    by_hand = window.frequency == "adhoc" and channel == "folder"
    start = now if by_hand else not_before(now, reader.preferences)
    shown = {line.event_id: line.item_id for line in lines}
    with control.write() as connection:
        opened = insert_ignore(connection, t.windows, [_window_row(window, now, outcome, counts)])
        if not opened:
            return Closed(window, "open_before")
        insert_ignore(connection, t.notifications, [_row(window, d, shown, now) for d in decided])
        if rendered is not None and user.email is not None:
            row = queue_row(
                tenant_id=tenant.tenant_id,
                window_id=window.window_id,
                recipient=user.email,
                channel=channel,
                message_id=rendered.message_id,
                file_name=rendered.file_name,
                subject=rendered.subject,
                blob=blob,
                not_before=start,
                now=now,
            )
            insert_ignore(connection, t.outbox, [row])
    held = start if rendered is not None and start > now else None
    return Closed(window, outcome, counts["sent"], more, counts["late"], held)


def _told(connection: Connection, tenant_id: str, user_ids: Collection[str]) -> dict[str, Told]:
    """What was ever decided for each person; without an address, nothing was.

    However long ago: a new copy may bring up an event that was told before the horizon of a mail. The copy that was
    shown counts too: should a person take it out of its event, it has been read already.
    """
    c = t.notifications.c
    rows = connection.execute(
        sa.select(c.user_id, c.event_id, c.story_id, c.client_id, c.shown_item_id, c.decision)
        .where(
            c.tenant_id == tenant_id,
            c.user_id.in_(list(user_ids)),
            c.decision != "no_address",
        )
        .order_by(c.decided_at, c.notification_id)
    )
    found: dict[str, Told] = {}
    for row in rows:
        told = found.setdefault(row.user_id, Told())
        told.events.setdefault(row.shown_item_id, row.event_id)
        told.events[row.event_id] = row.event_id
        if row.decision == "sent":
            told.stories[row.story_id, row.client_id] = row.event_id
    return found


def _sent(told: Told, material: Material) -> dict[str, str]:
    """What a person was told before, by every id it has now: its own and its present one."""
    sent = dict(told.events)
    for name, event_id in sorted(told.events.items()):
        sent.setdefault(material.aliases.get(name, name), event_id)
    return sent


def _is_open(connection: Connection, window: Window) -> bool:
    query = sa.select(t.windows.c.window_id).where(t.windows.c.window_id == window.window_id)
    return connection.execute(query).first() is not None


def _last_day(connection: Connection, window: Window) -> date | None:
    """As of which day the person's last window closed."""
    found: date | None = connection.execute(
        sa.select(sa.func.max(t.windows.c.as_of_day)).where(
            t.windows.c.tenant_id == window.tenant_id, t.windows.c.user_id == window.user_id
        )
    ).scalar()
    return found


def _window_row(
    window: Window, now: datetime, outcome: str, counts: dict[str, int]
) -> dict[str, Any]:
    return {
        "window_id": window.window_id,
        "tenant_id": window.tenant_id,
        "user_id": window.user_id,
        "frequency": window.frequency,
        "window_key": window.key,
        "fire_id": window.fire_id,
        "as_of_day": window.as_of_day,
        "closed_at": now,
        "outcome": outcome,
        "counts": counts,
    }


def _row(window: Window, d: Decided, shown: dict[str, str], now: datetime) -> dict[str, Any]:
    candidate = d.candidate
    return {
        "notification_id": stable_id(window.window_id, candidate.event_id),
        "window_id": window.window_id,
        "tenant_id": window.tenant_id,
        "user_id": window.user_id,
        "event_id": candidate.event_id,
        "story_id": candidate.story_id,
        "client_id": candidate.clients[0],
        "day": candidate.day,
        "decision": d.decision,
        "reason": d.reason,
        "reference": short_ref(window.window_id, candidate.event_id),
        "shown_item_id": shown.get(candidate.event_id, candidate.event_id),
        "score": candidate.score,
        "category": candidate.category,
        "is_late": d.is_late,
        "decided_at": now,
    }
