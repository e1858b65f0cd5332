"""Why a person was told of an event, or the first gate that stopped it: answered from what was stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from clientlore.control import people
from clientlore.control import tables as t
from clientlore.control.model import User
from clientlore.digests.matches import MATCHES
from clientlore.digests.tracing import resolve_event
from clientlore.monitoring.events import MEMBERS
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.workspace import Workspace


@dataclass(frozen=True)
class Answer:
    """One question on the way from an event to a person's mail.

    Attributes:
        question: What was asked.
        passed: Whether it let the event through; None where it was not asked.
        detail: What was found.
    """

    question: str
    passed: bool | None
    detail: str


@dataclass(frozen=True)
class Explanation:
    """Why somebody got something, or not.

    Attributes:
        told: Whether a mail with it was sent.
        verdict: One sentence.
    """

    event_id: str
    user: User
    told: bool
    verdict: str
    answers: tuple[Answer, ...]


def explain(workspace: Workspace, tenant_id: str, name: str, person: str) -> Explanation:
    """Explains what became of an event for a person.

    Args:
        workspace: The stores.
        tenant_id: Whose.
        name: The reference of a line, or the id of an event or an item.
        person: Handle, address or id.

    Raises:
        NotFoundError: There is no such event or person.
    """
    with workspace.control.read() as connection:
        user = people.find_user(connection, tenant_id, person)
    event_id = resolve_event(workspace, tenant_id, name)
    answers = [_folded(workspace, tenant_id, event_id)]
    answers += _judged(workspace, tenant_id, event_id)
    answers += _gated(workspace, tenant_id, event_id, user)
    stopped = next((a for a in answers if a.passed is False), None)
    passed = any(a.question == "gates" and a.passed for a in answers)
    if not passed:
        why = stopped.detail if stopped else "no gate was asked yet for this person"
        return Explanation(event_id, user, False, f"not told: {why}", tuple(answers))
    windows = _windowed(workspace, tenant_id, event_id, user)
    answers += windows
    sent = next((a for a in windows if a.passed), None)
    if sent is not None:
        return Explanation(event_id, user, True, f"told: {sent.detail}", tuple(answers))
    why = windows[-1].detail if windows else "it waits for the next window"
    return Explanation(event_id, user, False, f"not told: {why}", tuple(answers))


def _folded(workspace: Workspace, tenant_id: str, event_id: str) -> Answer:
    lake = workspace.lake
    rows = lake.collect(
        MEMBERS,
        lake.scan(MEMBERS, [tenant_id])
        .filter((pl.col("event_id") == event_id) & (pl.col("status") == "PROCESSED"))
        .sort("collected_at", "published_at", "item_id")
        .select("day", "publisher", "layer", "reason", "title"),
    )
    layers = rows.filter(pl.col("layer") != "first")["reason"].unique(maintain_order=True).to_list()
    detail = f"collected on {rows['day'][0]}: “{rows['title'][0]}”"
    if layers:
        detail += f"; {rows.height - 1} more folded into it, being {', '.join(layers)}"
    return Answer("collected", True, detail)


def _judged(workspace: Workspace, tenant_id: str, event_id: str) -> list[Answer]:
    lake = workspace.lake
    rows = lake.collect(
        RELEVANCE,
        lake.scan(RELEVANCE, [tenant_id])
        .filter(pl.col("event_id") == event_id)
        .sort("score", descending=True),
    )
    if rows.is_empty():
        return [Answer("client", False, "no client of the tenant is named in it")]
    return [
        Answer(
            "client",
            True,
            f"{row['client_id']}: score {row['score']:.2f}, {row['category']}; {row['rationale']} "
            f"({row['method']} {row['scorer']}, confidence {row['confidence']:.2f})",
        )
        for row in rows.iter_rows(named=True)
    ]


def _gated(workspace: Workspace, tenant_id: str, event_id: str, user: User) -> list[Answer]:
    lake = workspace.lake
    rows = lake.collect(
        MATCHES,
        lake.scan(MATCHES, [tenant_id])
        .filter((pl.col("event_id") == event_id) & (pl.col("user_id") == user.user_id))
        .sort("passed", "score", descending=[True, True]),
    )
    return [
        Answer(
            "gates",
            row["passed"],
            f"{row['client_id']}: {row['reason']}"
            + (f" (gate: {row['gate']})" if row["gate"] else ""),
        )
        for row in rows.iter_rows(named=True)
    ]


def _windowed(workspace: Workspace, tenant_id: str, event_id: str, user: User) -> list[Answer]:
    query = (
        sa.select(
            t.notifications.c.decision,
            t.notifications.c.reason,
            t.notifications.c.reference,
            t.windows.c.frequency,
            t.windows.c.window_key,
            t.outbox.c.state,
            t.outbox.c.not_before,
            t.outbox.c.last_reply,
        )
        .join(t.windows, t.windows.c.window_id == t.notifications.c.window_id)
        .join(t.outbox, t.outbox.c.window_id == t.windows.c.window_id, isouter=True)
        .where(
            t.notifications.c.tenant_id == tenant_id,
            t.notifications.c.user_id == user.user_id,
            sa.or_(
                t.notifications.c.event_id.in_(_ids_of(workspace, tenant_id, event_id)),
                t.notifications.c.event_id == event_id,
            ),
        )
        .order_by(t.notifications.c.decided_at)
    )
    with workspace.control.read() as connection:
        rows = connection.execute(query).mappings().all()
    return [_window_answer(dict(row)) for row in rows]


def _ids_of(workspace: Workspace, tenant_id: str, event_id: str) -> list[str]:
    """Every id under which the event may have been mailed: those of its items."""
    lake = workspace.lake
    rows = lake.scan(MEMBERS, [tenant_id]).filter(pl.col("event_id") == event_id).select("item_id")
    return lake.collect(MEMBERS, rows)["item_id"].unique().to_list()


def _window_answer(row: dict[str, Any]) -> Answer:
    window = f"the {row['frequency']} window {row['window_key']}"
    if row["decision"] != "sent":
        return Answer("window", False, f"{window}: {row['reason']}")
    state = row["state"]
    if state == "sent":
        return Answer(
            "window", True, f"{window}, Ref {row['reference']}: {row['reason']}; mail sent"
        )
    waiting = f"{row['not_before']:%Y-%m-%d %H:%M} UTC"
    said = {"pending": f"mail waits until {waiting}", "sending": "mail is being sent"}.get(
        state, f"mail is {state}: {row['last_reply']}"
    )
    return Answer("window", False, f"{window}, Ref {row['reference']}: {said}")
