"""`clientlore quarantine`: what was set aside, one thing of it with what it points at, and trying it again."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from clientlore.cli.common import (
    audit_of,
    json_option,
    opened,
    say_json,
    say_table,
    tenant_option,
)


@click.group()
def quarantine() -> None:
    """What was set aside, and why."""


@quarantine.command("list")
@tenant_option
@click.option(
    "--state",
    type=click.Choice(["open", "replayed", "resolved", "all"]),
    default="open",
    show_default=True,
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--offset", default=0, type=click.IntRange(0))
@json_option
def quarantine_list(tenant: str | None, state: str, limit: int, offset: int, as_json: bool) -> None:
    """What is set aside, newest first."""
    from clientlore.control.quarantine import listed

    with opened() as workspace, workspace.control.read() as connection:
        rows, total = listed(
            connection,
            tenant_id=tenant,
            state=None if state == "all" else state,
            limit=limit,
            offset=offset,
        )
    if as_json:
        say_json({"rows": rows, "total_count": total, "has_more": offset + len(rows) < total})
        return
    columns = ["quarantine_id", "tenant_id", "day", "stage", "reason", "detail", "state"]
    say_table(f"{total} in all", columns, [[row[c] for c in columns] for row in rows])


@quarantine.command("show")
@click.argument("quarantine_id")
@tenant_option
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the stored response bytes to a file.",
)
@json_option
def quarantine_show(
    quarantine_id: str, tenant: str | None, save: Path | None, as_json: bool
) -> None:
    """One thing that was set aside, why, and what it points at: the response as it came, or the row."""
    from clientlore.errors import NotFoundError
    from clientlore.monitoring.set_aside import find
    from clientlore.storage.files import write_bytes

    with opened() as workspace:
        found = find(workspace, quarantine_id, tenant)
    if save is not None:
        if found.body is None:
            raise NotFoundError(
                f"'{quarantine_id}' points at no stored response, so there are no bytes to save"
            )
        write_bytes(save, found.body)
    if as_json:
        say_json(
            {
                **found.row,
                "position": found.position,
                "stored": found.stored,
                "beginning": found.beginning,
                "missing": found.missing,
            }
        )
        return
    told = {**found.row, **found.stored}
    say_table("", ["what", "found"], [[name, value] for name, value in told.items()])
    if found.missing is not None:
        click.echo(found.missing)
    if found.position is not None and found.position >= 0:
        click.echo(f"It is entry {found.position} of the response, counted from 0.")
    if found.body is not None:
        click.echo(f"\n{found.beginning}")
        if len(found.body) > len(found.beginning.encode()):
            click.echo("... (--save FILE writes all of it)")
    click.echo(f"\nOnce mended: clientlore quarantine replay {quarantine_id}")


@quarantine.command("replay")
@click.argument("ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Everything that is open.")
@tenant_option
@json_option
def quarantine_replay(
    ids: tuple[str, ...], everything: bool, tenant: str | None, as_json: bool
) -> None:
    """Try again what was set aside: stored responses are read anew, and the days they belong to are made again.

    Nothing is fetched and nobody is mailed; what comes of it enters the next digest.
    """
    from clientlore.cli.application import orchestrator
    from clientlore.cli.progress import shown
    from clientlore.monitoring.replay import replay
    from clientlore.run_context import RunContext, Scope
    from clientlore.runs.orchestrator import RunRequest

    if not ids and not everything:
        message = "name what to replay by its id, or say --all"
        raise click.UsageError(message)
    with opened() as workspace:
        audit = audit_of(workspace, "quarantine replay")
        replayed = replay(
            RunContext(workspace, job="quarantine replay"), audit, ids=ids, tenant_id=tenant
        )
        with shown(quiet=as_json) as progress:
            starter = orchestrator(workspace, progress)
            results = [
                result
                for day, tenants in _by_day(replayed.days).items()
                for result in starter.launch(
                    RunRequest(day, day, Scope(tenants=tenants, collect=False))
                )
            ]
        left = replayed.still_open(workspace)
    if as_json:
        say_json({"replayed": replayed.ids, "rows": replayed.rows, "still_open": left})
    else:
        click.echo(
            f"Replayed {len(replayed.ids)}; {replayed.rows} rows could be used; {len(left)} are set aside again."
        )
    sys.exit(1 if any(r.outcome == "failed" for r in results) else 0)


def _by_day(pairs: Iterable[tuple[str, datetime.date]]) -> dict[datetime.date, tuple[str, ...]]:
    """Tenants by day, in the order of days."""
    days: dict[datetime.date, set[str]] = {}
    for tenant_id, day in pairs:
        days.setdefault(day, set()).add(tenant_id)
    return {day: tuple(sorted(days[day])) for day in sorted(days)}
