"""`clientlore event`: what a person says of items that were folded into an event."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import click

from clientlore.cli.common import (
    audit_of,
    json_option,
    one_tenant,
    opened,
    say_json,
    say_table,
    tenant_option,
)

if TYPE_CHECKING:
    from clientlore.workspace import Workspace


@click.group()
def event() -> None:
    """Events: which copies are none, as people said."""


@event.command("split")
@click.argument("item", metavar="ITEM")
@click.option("--undo", is_flag=True, help="Take that back: the item is a copy after all.")
@click.option("--why", metavar="WORDS", help="The reason, for the audit log and `event list`.")
@tenant_option
@json_option
def split(item: str, undo: bool, why: str | None, tenant: str | None, as_json: bool) -> None:
    """An item is no copy: it becomes an event of its own when its day is made again.

    ITEM is the id of a folded item, as `clientlore explain REF` shows it. What is most like it goes with it.
    """
    with opened() as workspace:
        tenant_id = one_tenant(workspace, tenant).tenant_id
        decide = _put_back if undo else _take_apart
        day = decide(workspace, tenant_id, item, why)
        first, last = _days(workspace, tenant_id, day)
    if as_json:
        state = "undone" if undo else "apart"
        told = {"tenant_id": tenant_id, "item_id": item, "state": state}
        say_json({**told, "days": {"from": first, "to": last}})
        return
    click.echo("A copy again." if undo else "No copy.")
    days = f"--day {first}" if first == last else f"--from {first} --to {last}"
    click.echo(f"Takes effect with: clientlore run {days} --no-collect --tenant {tenant_id}")


@event.command("list")
@tenant_option
@click.option(
    "--state",
    type=click.Choice(["apart", "undone", "all"]),
    default="apart",
    show_default=True,
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--offset", default=0, type=click.IntRange(0))
@json_option
def list_(tenant: str | None, state: str, limit: int, offset: int, as_json: bool) -> None:
    """What people said of items that were folded, the newest first, and whether it has taken effect."""
    from clientlore.control.splits import listed
    from clientlore.monitoring.splitting import in_force

    with opened() as workspace:
        with workspace.control.read() as connection:
            rows, total = listed(
                connection,
                tenant_id=tenant,
                state=None if state == "all" else state,
                limit=limit,
                offset=offset,
            )
        ids: dict[str, list[str]] = {}
        for row in rows:
            ids.setdefault(row["tenant_id"], []).append(row["item_id"])
        apart = {
            (name, found)
            for name, items in ids.items()
            for found in in_force(workspace.lake, name, items)
        }
    told = [
        {
            **row,
            "in_force": ((row["tenant_id"], row["item_id"]) in apart) == (row["state"] == "apart"),
        }
        for row in rows
    ]
    if as_json:
        say_json({"rows": told, "total_count": total, "has_more": offset + len(rows) < total})
        return
    columns = [
        "tenant_id",
        "day",
        "item_id",
        "event_id",
        "state",
        "in_force",
        "decided_by",
        "updated_at",
        "reason",
    ]
    say_table(f"{total} in all", columns, [[row[c] for c in columns] for row in told])


def _take_apart(
    workspace: Workspace, tenant_id: str, item_id: str, why: str | None
) -> datetime.date:
    from clientlore.control import splits
    from clientlore.monitoring.splitting import find_item

    found = find_item(workspace.lake, tenant_id, item_id)
    with workspace.control.write() as connection:
        known = splits.find(connection, tenant_id, item_id)
        # Taken apart and put back, and its day not made again since: it was never another event's.
        event_id = known["event_id"] if found.apart and known else found.event_id
        splits.take_apart(
            connection,
            audit_of(workspace, why or "no copy"),
            tenant_id=tenant_id,
            item_id=item_id,
            event_id=event_id,
            day=found.day,
        )
    return found.day


def _put_back(workspace: Workspace, tenant_id: str, item_id: str, why: str | None) -> datetime.date:
    from clientlore.control.splits import put_back

    with workspace.control.write() as connection:
        audit = audit_of(workspace, why or "a copy after all")
        day: datetime.date = put_back(connection, audit, tenant_id, item_id)["day"]
    return day


def _days(
    workspace: Workspace, tenant_id: str, day: datetime.date
) -> tuple[datetime.date, datetime.date]:
    from clientlore.monitoring.splitting import days_to_make

    return days_to_make(workspace.lake, tenant_id, day)
