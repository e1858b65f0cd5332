"""The mails of some days as their readers get them, and for each of their lines the way back to the stored response."""

from __future__ import annotations

import email
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from email.policy import default
from pathlib import Path
from typing import Any, Literal

import polars as pl
import sqlalchemy as sa

from clientlore.control import people
from clientlore.control import tables as t
from clientlore.control.model import Preferences, User
from clientlore.errors import StoreError
from clientlore.ids import sha256
from clientlore.monitoring.events import MEMBERS
from clientlore.monitoring.raw import RESPONSES
from clientlore.workspace import Workspace

_DARK = re.compile(r"@media\s*\(prefers-color-scheme:\s*dark\)")
_SCHEME = re.compile(r'(<meta name="(?:supported-)?color-scheme" content=)"light dark"')
_HEAD = re.compile(r"<head\b[^>]*>")
_ALONE = (
    '<base target="_blank">'
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
)


@dataclass(frozen=True)
class Back:
    """A line of a mail and where it comes from.

    Attributes:
        request: What was asked of the provider.
        path: The file in which the response is stored.
        is_whole: Whether the stored bytes have the SHA-256 that was noted when they came.
    """

    reference: str
    title: str
    url: str | None
    publisher: str | None
    client: str
    category: str
    score: float
    is_late: bool
    event_id: str
    item_id: str
    published_at: datetime | None
    collected_at: datetime | None
    response_id: str | None
    position: int | None
    provider: str | None
    request: str | None
    fetched_at: datetime | None
    size: int
    body_sha: str | None
    is_whole: bool
    path: Path | None


@dataclass(frozen=True)
class Mail:
    """A mail as it was written.

    Attributes:
        html: Its HTML part; None where the stored mail is gone.
        file: Where it lies if it was written to the folder.
    """

    as_of_day: date
    closed_at: datetime
    frequency: str
    subject: str
    sender: str
    recipient: str
    state: str
    file: Path | None
    html: str | None
    lines: tuple[Back, ...]

    def shown_in(self, scheme: Literal["light", "dark"]) -> str | None:
        """The HTML part as a mail reader in light or dark colours shows it, whatever the browser is set to."""
        if self.html is None:
            return None
        asked = _DARK.sub("@media all" if scheme == "dark" else "@media not all", self.html)
        asked = _SCHEME.sub(rf'\1"{scheme}"', asked)
        return _HEAD.sub(lambda head: head.group() + _ALONE, asked, count=1)


@dataclass(frozen=True)
class Person:
    """A reader, what they want, and what they got, the newest first."""

    user: User
    preferences: Preferences
    mails: tuple[Mail, ...]


def people_of(workspace: Workspace, tenant_id: str, days: Sequence[date]) -> list[Person]:
    """The readers of a tenant with the mails of windows that closed as of some days."""
    w, o = t.windows.c, t.outbox.c
    query = (
        sa.select(
            w.window_id,
            w.user_id,
            w.as_of_day,
            w.closed_at,
            w.frequency,
            o.subject,
            o.recipient,
            o.state,
            o.channel,
            o.file_name,
            o.blob,
        )
        .join(t.outbox, o.window_id == w.window_id)
        .where(w.tenant_id == tenant_id, w.as_of_day.in_(list(days)))
        .order_by(w.as_of_day.desc(), w.closed_at.desc(), w.window_id)
    )
    with workspace.control.read() as connection:
        users = people.users_of(connection, tenant_id)
        wanted = people.preferences_of(connection, tenant_id)
        rows = [dict(row) for row in connection.execute(query).mappings()]
    lines = _lines(workspace, tenant_id, [row["window_id"] for row in rows])
    mails: dict[str, list[Mail]] = {}
    for row in rows:
        mails.setdefault(row["user_id"], []).append(
            _mail(workspace, tenant_id, row, lines.get(row["window_id"], ()))
        )
    return [
        Person(
            user,
            wanted.get(user.user_id, Preferences(user.user_id, tenant_id)),
            tuple(mails.get(user.user_id, ())),
        )
        for user in users
    ]


def _mail(workspace: Workspace, tenant_id: str, row: dict[str, Any], lines: Sequence[Back]) -> Mail:
    sender, html = "", None
    try:
        message = email.message_from_bytes(
            workspace.blobs.get(tenant_id, row["blob"]), policy=default
        )
        sender = str(message["From"])
        part = message.get_body(("html",))
        html = None if part is None else str(part.get_content())
    except StoreError:
        # A mail that was forgotten or lost is told of without its text.
        html = None
    file = workspace.settings.mail / row["file_name"]
    return Mail(
        as_of_day=row["as_of_day"],
        closed_at=row["closed_at"],
        frequency=row["frequency"],
        subject=row["subject"],
        sender=sender,
        recipient=row["recipient"],
        state=row["state"],
        file=file if row["channel"] == "folder" and file.exists() else None,
        html=html,
        lines=tuple(lines),
    )


def _lines(
    workspace: Workspace, tenant_id: str, windows: Sequence[str]
) -> dict[str, tuple[Back, ...]]:
    """The lines of each window in the order of its mail: clients by their best line, lines from the best down."""
    n = t.notifications.c
    query = sa.select(t.notifications).where(
        n.tenant_id == tenant_id, n.window_id.in_(list(windows)), n.decision == "sent"
    )
    with workspace.control.read() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
        names = dict(
            connection.execute(
                sa.select(t.clients.c.client_id, t.clients.c.name).where(
                    t.clients.c.tenant_id == tenant_id
                )
            )
            .tuples()
            .all()
        )
    items = _items(workspace, tenant_id, {row["shown_item_id"] for row in rows})
    responses = _responses(workspace, tenant_id, items)
    best: dict[tuple[str, str], float] = {}
    for row in rows:
        key = (row["window_id"], row["client_id"])
        best[key] = max(best.get(key, 0.0), row["score"])
    rows.sort(
        key=lambda row: (
            -best[row["window_id"], row["client_id"]],
            row["client_id"],
            -row["score"],
            row["event_id"],
        )
    )
    found: dict[str, tuple[Back, ...]] = {}
    for row in rows:
        item = items.get(row["shown_item_id"], {})
        response = responses.get(item.get("response_id", ""), {})
        name = names.get(row["client_id"], row["client_id"])
        found[row["window_id"]] = (
            *found.get(row["window_id"], ()),
            _back(row, item, response, name),
        )
    return found


def _back(row: dict[str, Any], item: dict[str, Any], response: dict[str, Any], client: str) -> Back:
    return Back(
        reference=row["reference"],
        title=item.get("title") or row["event_id"],
        url=item.get("url"),
        publisher=item.get("publisher"),
        client=client,
        category=row["category"],
        score=row["score"],
        is_late=row["is_late"],
        event_id=row["event_id"],
        item_id=row["shown_item_id"],
        published_at=item.get("published_at"),
        collected_at=item.get("collected_at"),
        response_id=item.get("response_id"),
        position=item.get("position"),
        provider=response.get("provider"),
        request=response.get("request"),
        fetched_at=response.get("fetched_at"),
        size=response.get("size", 0),
        body_sha=response.get("body_sha256"),
        is_whole=response.get("is_whole", False),
        path=response.get("path"),
    )


def _items(workspace: Workspace, tenant_id: str, ids: set[str]) -> dict[str, dict[str, Any]]:
    lake = workspace.lake
    frame = (
        lake.scan(MEMBERS, [tenant_id])
        .filter(pl.col("item_id").is_in(sorted(ids)) & (pl.col("status") == "PROCESSED"))
        .select(
            "item_id",
            "day",
            "title",
            "url",
            "publisher",
            "published_at",
            "collected_at",
            "response_id",
            "position",
        )
    )
    return {row["item_id"]: row for row in lake.collect(MEMBERS, frame).iter_rows(named=True)}


def _responses(
    workspace: Workspace, tenant_id: str, items: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The stored responses that items came in, each checked against the SHA-256 that it was stored with."""
    lake = workspace.lake
    ids = sorted({item["response_id"] for item in items.values()})
    days = sorted({item["day"] for item in items.values()})
    frame = (
        lake.scan(RESPONSES, [tenant_id], days)
        .filter(pl.col("response_id").is_in(ids))
        .select(
            "response_id",
            "day",
            "batch_id",
            "provider",
            "request",
            "fetched_at",
            "body_sha256",
            "body",
        )
    )
    found = {}
    for row in lake.collect(RESPONSES, frame).iter_rows(named=True):
        body: bytes = row.pop("body")
        folder = lake.folder(RESPONSES, tenant_id, row["day"])
        found[row["response_id"]] = {
            **row,
            "size": len(body),
            "is_whole": sha256(body) == row["body_sha256"],
            "path": folder / f"{row['batch_id']}.parquet",
        }
    return found
