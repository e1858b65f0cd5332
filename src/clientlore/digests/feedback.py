"""Taking feedback: from a person at the keyboard, and from a signed link in a mail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import feedback as kept
from clientlore.control import people
from clientlore.control import tables as t
from clientlore.control.feedback import KINDS, Feedback, Kind
from clientlore.control.tokens import Signer, signer_of
from clientlore.digests.content import Line
from clientlore.digests.tracing import resolve_event
from clientlore.errors import ConfigurationError, NotFoundError, RefusedError
from clientlore.ids import new_id, stable_id
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.settings import Settings
from clientlore.taxonomy import CATEGORY_NAMES
from clientlore.workspace import Workspace

PURPOSE = "feedback"
VALID = timedelta(days=90)
OFFERED: tuple[tuple[str, Kind], ...] = (
    ("Useful", "useful"),
    ("Not useful", "not_useful"),
    ("Wrong client", "wrong_client"),
    ("Wrong category", "wrong_category"),
)
"""What a line of a mail offers, if the address that its links lead to is known."""
_JUDGED = ("score", "category", "confidence", "local_category", "role", "method", "scorer")


@dataclass(frozen=True)
class Taken:
    """Feedback as it is kept, and whether it was new."""

    feedback: Feedback
    fresh: bool


def give(
    workspace: Workspace,
    tenant_id: str,
    name: str,
    person: str,
    kind: Kind,
    *,
    client: str | None = None,
    category: str | None = None,
) -> Taken:
    """Keeps what a person says of an event. Saying again what is in force changes nothing.

    Args:
        workspace: The stores.
        tenant_id: Whose.
        name: The reference of a line, or the id of an event or an item.
        person: Handle, address or id.
        kind: What they say.
        client: Id of the client that is meant; that of the line, where a line is named. Needed for an event that was
            judged for several.
        category: The right one; for `wrong_category` alone, and there needed.

    Raises:
        NotFoundError: There is no such person or event, or it was not judged for the client.
        ConfigurationError: The category does not fit the kind, or it is not said which client is meant.
    """
    _check(kind, category)
    with workspace.control.read() as connection:
        user = people.find_user(connection, tenant_id, person)
        client = client or _client_of_line(connection, tenant_id, name)
    event_id = resolve_event(workspace, tenant_id, name)
    judged = _judgements(workspace, tenant_id, event_id, client)
    if not judged:
        raise NotFoundError(
            f"Event {event_id} was not judged for {f'client {client!r}' if client else 'any client'}",
            "`clientlore explain` says for which it was.",
        )
    if len(judged) > 1:
        known = ", ".join(sorted(judged))
        raise ConfigurationError(
            f"Event {event_id} is about several clients: {known}", "Name one with --client."
        )
    ((client_id, judgement),) = judged.items()
    said = Feedback(
        feedback_id=stable_id(new_id()),
        tenant_id=tenant_id,
        user_id=user.user_id,
        event_id=event_id,
        client_id=client_id,
        kind=kind,
        category=category,
        channel="cli",
        given_at=workspace.clock.now(),
        judgement=judgement,
    )
    with workspace.control.write() as connection:
        before = kept.in_force(kept.given(connection, tenant_id, user.user_id))
        for one in before:
            if one.about == said.about and (one.kind, one.category) == (kind, category):
                return Taken(one, fresh=False)
        kept.keep(connection, said)
    return Taken(said, fresh=True)


def receive(workspace: Workspace, token: str, category: str | None = None) -> Taken:
    """Keeps what a link in a mail says: once, however often it is followed.

    Call it when the reader has confirmed, not when the link is merely opened: programs that scan mail open links.

    Args:
        workspace: The stores.
        token: From the link.
        category: The right one, where the link says `wrong_category`.

    Raises:
        RefusedError: The token was changed, is for something else, or has expired.
        NotFoundError: What was mailed is no longer known.
        ConfigurationError: The category does not fit.
    """
    words = signer_of(workspace.settings).read(token, PURPOSE, workspace.clock.now())
    tenant_id, notification_id, kind = _words(words)
    feedback_id = stable_id(PURPOSE, tenant_id, notification_id, kind)
    with workspace.control.read() as connection:
        known = kept.find(connection, feedback_id)
        line = _notification(connection, tenant_id, notification_id)
    if known is not None:
        return Taken(known, fresh=False)
    if line is None:
        raise NotFoundError(
            "What the link is about is no longer known", "It may have been forgotten on request."
        )
    _check(kind, category)
    as_mailed = {"day": line["day"].isoformat(), "score": line["score"]}
    judged = _judgements(workspace, tenant_id, line["event_id"], line["client_id"])
    said = Feedback(
        feedback_id=feedback_id,
        tenant_id=tenant_id,
        user_id=line["user_id"],
        event_id=line["event_id"],
        client_id=line["client_id"],
        kind=kind,
        category=category,
        channel="link",
        given_at=workspace.clock.now(),
        # A day that was judged anew since says something else than what was mailed.
        judgement={
            **judged.get(line["client_id"], {}),
            **as_mailed,
            "category": line["category"],
        },
    )
    with workspace.control.write() as connection:
        fresh = kept.keep(connection, said)
        found = said if fresh else kept.find(connection, feedback_id)
    assert found is not None
    return Taken(found, fresh)


def with_links(
    lines: Sequence[Line], settings: Settings, tenant_id: str, window_id: str, now: datetime
) -> list[Line]:
    """Lines with links to say what they were worth; without an address to lead to, as they are."""
    if settings.base_url is None or not lines:
        return list(lines)
    signer = signer_of(settings)
    base = settings.base_url.rstrip("/")
    return [
        replace(line, feedback=_links(signer, base, tenant_id, window_id, line, now))
        for line in lines
    ]


def _links(
    signer: Signer, base: str, tenant_id: str, window_id: str, line: Line, now: datetime
) -> tuple[tuple[str, str], ...]:
    notification_id = stable_id(window_id, line.event_id)
    return tuple(
        (
            label,
            f"{base}/feedback?token="
            + signer.sign(PURPOSE, (tenant_id, notification_id, kind), now + VALID),
        )
        for label, kind in OFFERED
    )


def _words(words: tuple[str, ...]) -> tuple[str, str, Kind]:
    kind = next((kind for kind in KINDS if words[2:] == (kind,)), None)
    if kind is None:
        raise RefusedError("The link says something that this program does not know")
    return words[0], words[1], kind


def _check(kind: Kind, category: str | None) -> None:
    if (kind == "wrong_category") != (category is not None):
        said = "needs the right category" if category is None else "takes no category"
        raise ConfigurationError(f"'{kind}' {said}", "Only `wrong_category` names one.")
    if category is not None and category not in CATEGORY_NAMES:
        raise ConfigurationError(
            f"'{category}' is no category", f"There are: {', '.join(CATEGORY_NAMES)}."
        )


def _judgements(
    workspace: Workspace, tenant_id: str, event_id: str, client: str | None
) -> dict[str, dict[str, Any]]:
    """The newest judgement of an event for each client, or for one."""
    lake = workspace.lake
    rows = lake.scan(RELEVANCE, [tenant_id]).filter(pl.col("event_id") == event_id)
    if client is not None:
        rows = rows.filter(pl.col("client_id") == client)
    found = lake.collect(RELEVANCE, rows.sort("day"))
    return {
        row["client_id"]: {"day": row["day"].isoformat(), **{name: row[name] for name in _JUDGED}}
        for row in found.iter_rows(named=True)
    }


def _client_of_line(connection: Connection, tenant_id: str, name: str) -> str | None:
    """Under which client a line of that reference stood; None where the name is no such reference."""
    plain = name.upper().replace("-", "")
    c = t.notifications.c
    found: str | None = connection.execute(
        sa.select(c.client_id).where(
            c.tenant_id == tenant_id, c.reference == f"{plain[:4]}-{plain[4:]}"
        )
    ).scalar()
    return found


def _notification(
    connection: Connection, tenant_id: str, notification_id: str
) -> dict[str, Any] | None:
    c = t.notifications.c
    row = (
        connection.execute(
            sa.select(t.notifications).where(
                c.tenant_id == tenant_id, c.notification_id == notification_id
            )
        )
        .mappings()
        .first()
    )
    return None if row is None else dict(row)
