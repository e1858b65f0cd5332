"""From a line of a digest back to the bytes it came from, step by step."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from clientlore.control import tables as t
from clientlore.errors import NotFoundError
from clientlore.monitoring import raw
from clientlore.monitoring.events import EVENTS, MEMBERS, fullest
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.providers.base import Response
from clientlore.workspace import Workspace

_REFERENCE = re.compile(r"^[A-Z2-7]{4}-?[A-Z2-7]{4}$", re.IGNORECASE)
_ID = re.compile(r"^[0-9a-f]{32}$")


@dataclass(frozen=True)
class Step:
    """One step on the way back.

    Attributes:
        what: `line`, `mail`, `relevance`, `event`, `item`, `response`.
        facts: What is known there, by name.
    """

    what: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class Trace:
    """The way back from a line, an event or an item to the stored response."""

    steps: tuple[Step, ...]
    response: Response
    path: Path


def trace(workspace: Workspace, tenant_id: str, name: str) -> Trace:
    """Walks back from what a person has in hand.

    Args:
        workspace: The stores.
        tenant_id: Whose.
        name: The reference of a line (`K7F2-9QXM`), or the id of an event or an item.

    Raises:
        NotFoundError: Nothing of that name is known to the tenant.
        BadDataError: The stored bytes are not those that were stored.
    """
    steps: list[Step] = []
    line = _line(workspace, tenant_id, name)
    item_id, event_id = name, name
    if line is not None:
        steps += _line_steps(line)
        item_id, event_id = line["shown_item_id"], line["event_id"]
    members = _members(workspace, tenant_id, item_id, event_id)
    item = _pick(members, item_id, exactly=line is not None)
    present = item["event_id"]
    steps += _relevance_steps(workspace, tenant_id, present)
    steps.append(_event_step(workspace, tenant_id, present, members))
    steps.append(_item_step(item))
    batch, response = raw.find_response(workspace.lake, tenant_id, item["day"], item["response_id"])
    path = workspace.lake.folder(raw.RESPONSES, tenant_id, batch.day) / f"{batch.batch_id}.parquet"
    steps.append(
        Step(
            "response",
            {
                "response_id": item["response_id"],
                "provider": response.provider,
                "source_mode": response.mode,
                "request": response.request,
                "status": response.status,
                "fetched_at": response.fetched_at.isoformat(),
                "bytes": len(response.body),
                "sha256": response.body_sha,
                **_removed(response),
                "run_id": batch.run_id,
                "file": str(path),
            },
        )
    )
    return Trace(tuple(steps), response, path)


def _removed(response: Response) -> dict[str, str]:
    """When its bytes were removed, as its provider's terms say, if so."""
    on = response.headers.get(raw.REMOVED)
    return {} if on is None else {"removed": f"{on}, as the provider's terms say"}


def resolve_event(workspace: Workspace, tenant_id: str, name: str) -> str:
    """The present event id behind a line reference, an old event id or an item id.

    Raises:
        NotFoundError: Nothing of that name is known to the tenant.
    """
    line = _line(workspace, tenant_id, name)
    wanted = name if line is None else line["event_id"]
    found = _members(workspace, tenant_id, wanted, wanted)
    return str(_pick(found, wanted)["event_id"])


def _line(workspace: Workspace, tenant_id: str, name: str) -> dict[str, Any] | None:
    if not _REFERENCE.match(name):
        if not _ID.match(name):
            raise NotFoundError(
                f"'{name}' is neither a reference nor an id",
                "A reference stands behind Ref in a digest, such as K7F2-9QXM.",
            )
        return None
    plain = name.upper().replace("-", "")
    reference = f"{plain[:4]}-{plain[4:]}"
    query = (
        sa.select(
            t.notifications,
            t.windows.c.frequency,
            t.windows.c.window_key,
            t.windows.c.closed_at,
            t.outbox.c.outbox_id,
            t.outbox.c.message_id,
            t.outbox.c.state.label("mail_state"),
            t.outbox.c.file_name,
        )
        .join(t.windows, t.windows.c.window_id == t.notifications.c.window_id)
        .join(t.outbox, t.outbox.c.window_id == t.notifications.c.window_id, isouter=True)
        .where(t.notifications.c.tenant_id == tenant_id, t.notifications.c.reference == reference)
    )
    with workspace.control.read() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFoundError(
            f"No line {reference} was mailed for tenant '{tenant_id}'", "Check the tenant."
        )
    return dict(row)


def _line_steps(line: dict[str, Any]) -> list[Step]:
    mail = {
        "outbox_id": line["outbox_id"],
        "message_id": line["message_id"],
        "state": line["mail_state"],
        "file": line["file_name"],
    }
    told = {
        "reference": line["reference"],
        "user_id": line["user_id"],
        "client_id": line["client_id"],
        "decision": line["decision"],
        "reason": line["reason"],
        "window": f"{line['frequency']} {line['window_key']}",
        "closed_at": line["closed_at"].isoformat(),
    }
    return [Step("line", told), Step("mail", mail)]


def _members(workspace: Workspace, tenant_id: str, item_id: str, event_id: str) -> pl.DataFrame:
    """Every item of the event that one of the ids belongs to."""
    lake = workspace.lake
    every = lake.scan(MEMBERS, [tenant_id]).drop("words", "signature")
    hit = lake.collect(
        MEMBERS,
        every.filter(
            pl.col("item_id").is_in([item_id, event_id]) | (pl.col("event_id") == event_id)
        ).select("event_id"),
    )
    if hit.is_empty():
        raise NotFoundError(
            f"Nothing of the id {event_id} was collected for tenant '{tenant_id}'",
            "Check the tenant and the id.",
        )
    ids = hit["event_id"].unique().to_list()
    return lake.collect(
        MEMBERS,
        every.filter(pl.col("event_id").is_in(ids)).sort("collected_at", "published_at", "item_id"),
    )


def _pick(members: pl.DataFrame, item_id: str, *, exactly: bool = False) -> dict[str, Any]:
    """The named item as it was first collected; for an event, the copy that is shown.

    Args:
        members: Items of the event.
        item_id: An item, or an event, which has the id of its first item.
        exactly: The item is meant, even where it has an event's id: a mail showed it, whatever came later.
    """
    first = members.filter((pl.col("item_id") == item_id) & (pl.col("status") == "PROCESSED"))
    if not first.is_empty() and (exactly or first["event_id"][0] != item_id):
        return first.row(0, named=True)
    event = members.filter(pl.col("status") == "PROCESSED")
    return fullest(event if not event.is_empty() else members).row(0, named=True)


def _relevance_steps(workspace: Workspace, tenant_id: str, event_id: str) -> list[Step]:
    lake = workspace.lake
    rows = lake.collect(
        RELEVANCE,
        lake.scan(RELEVANCE, [tenant_id]).filter(pl.col("event_id") == event_id).sort("client_id"),
    )
    names = (
        "client_id",
        "score",
        "category",
        "confidence",
        "role",
        "evidence",
        "rationale",
        "method",
        "scorer",
    )
    return [
        Step("relevance", {name: row[name] for name in names}) for row in rows.iter_rows(named=True)
    ]


def _event_step(workspace: Workspace, tenant_id: str, event_id: str, members: pl.DataFrame) -> Step:
    lake = workspace.lake
    found = lake.collect(
        EVENTS, lake.scan(EVENTS, [tenant_id]).filter(pl.col("event_id") == event_id)
    ).to_dicts()
    folded = [
        {
            "item_id": row["item_id"],
            "day": row["day"].isoformat(),
            "publisher": row["publisher"],
            "layer": row["layer"],
            "similarity": row["similarity"],
            "matched": row["matched_item_id"],
        }
        for row in members.iter_rows(named=True)
    ]
    facts: dict[str, Any] = {"event_id": event_id, "items": folded}
    if found:
        facts |= {
            "day": found[0]["day"].isoformat(),
            "title": found[0]["title"],
            "normaliser": found[0]["normaliser"],
        }
    return Step("event", facts)


def _item_step(item: dict[str, Any]) -> Step:
    return Step(
        "item",
        {
            "item_id": item["item_id"],
            "day": item["day"].isoformat(),
            "title": item["title"],
            "url": item["url"],
            "published_at": item["published_at"].isoformat() if item["published_at"] else None,
            "collected_at": item["collected_at"].isoformat(),
            "batch_id": item["batch_id"],
            "position": item["position"],
        },
    )
