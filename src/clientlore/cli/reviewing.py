"""`clientlore review`: matches of which nobody can say who is meant, and what a person decides about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from clientlore.cli.common import (
    audit_of,
    json_option,
    opened,
    say_json,
    say_table,
    tenant_option,
)

if TYPE_CHECKING:
    from clientlore.control.reviews import Decision

_ids = click.argument("ids", nargs=-1, required=True, metavar="ID...")


@click.group()
def review() -> None:
    """Matches in doubt: which event may be about which client, and why that is not sure."""


@review.command("list")
@tenant_option
@click.option(
    "--state",
    type=click.Choice(["open", "accepted", "rejected", "settled", "all"]),
    default="open",
    show_default=True,
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--offset", default=0, type=click.IntRange(0))
@json_option
def review_list(tenant: str | None, state: str, limit: int, offset: int, as_json: bool) -> None:
    """What is in doubt, newest day and surest first."""
    from clientlore.control.reviews import listed
    from clientlore.monitoring.reviewing import headlines

    with opened() as workspace:
        with workspace.control.read() as connection:
            rows, total = listed(
                connection,
                tenant_id=tenant,
                state=None if state == "all" else state,
                limit=limit,
                offset=offset,
            )
        titles = headlines(workspace.lake, rows)
    told = [{**row, "title": titles.get((row["tenant_id"], row["item_id"]))} for row in rows]
    if as_json:
        say_json({"rows": told, "total_count": total, "has_more": offset + len(rows) < total})
        return
    columns = [
        "review_id",
        "tenant_id",
        "day",
        "client_id",
        "title",
        "evidence",
        "reason",
        "confidence",
        "state",
    ]
    say_table(f"{total} in all", columns, [[row[c] for c in columns] for row in told])
    if told and state == "open":
        click.echo("clientlore review accept ID, or review reject ID, decides.")


@review.command("accept")
@_ids
@tenant_option
@json_option
def review_accept(ids: tuple[str, ...], tenant: str | None, as_json: bool) -> None:
    """The client is meant: the event is judged for it when its day is made again."""
    _decide(ids, tenant, "accepted", as_json=as_json)


@review.command("reject")
@_ids
@tenant_option
@json_option
def review_reject(ids: tuple[str, ...], tenant: str | None, as_json: bool) -> None:
    """Somebody else is meant: the event stays out for this client, whatever another copy of it says."""
    _decide(ids, tenant, "rejected", as_json=as_json)


def _decide(ids: tuple[str, ...], tenant: str | None, decision: Decision, *, as_json: bool) -> None:
    from clientlore.control.reviews import decide

    with opened() as workspace, workspace.control.write() as connection:
        rows = decide(connection, audit_of(workspace, "review"), ids, decision, tenant)
    # A day must be made again where the decision changes what enters it.
    days = sorted(
        {
            (row["tenant_id"], row["day"])
            for row in rows
            if row["state"] != decision and "accepted" in (row["state"], decision)
        }
    )
    if as_json:
        say_json(
            {
                "decision": decision,
                "ids": [row["review_id"] for row in rows],
                "days": [{"tenant_id": name, "day": day} for name, day in days],
            }
        )
        return
    click.echo(f"{len(rows)} {decision}.")
    for name, day in days:
        click.echo(f"Takes effect with: clientlore run --day {day} --no-collect --tenant {name}")
