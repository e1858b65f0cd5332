"""Commands that run things: `run`, `backfill`, `demo`."""

from __future__ import annotations

import datetime
import sys
from typing import TYPE_CHECKING, Any

import click

from clientlore.cli.common import json_option, one_tenant, opened, parse_day, say_json, say_table
from clientlore.cli.moving import demo_memory

if TYPE_CHECKING:
    from clientlore.runs.orchestrator import RunResult
    from clientlore.workspace import Workspace

DONE_IN_PART = 3


@click.command()
@click.option(
    "--day",
    callback=parse_day,
    metavar="DAY",
    help="One UTC day: 2026-11-20, today (the default) or yesterday.",
)
@click.option(
    "--from",
    "first",
    callback=parse_day,
    metavar="DAY",
    help="First day of a range, worked in order.",
)
@click.option(
    "--to",
    "last",
    callback=parse_day,
    metavar="DAY",
    help="Last day of the range; today if not given.",
)
@click.option(
    "--tenant", "tenants", multiple=True, metavar="ID", help="Only these tenants; may be repeated."
)
@click.option(
    "--client",
    "clients",
    multiple=True,
    metavar="NAME",
    help="Collect for these clients only; may be repeated.",
)
@click.option(
    "--deliver",
    is_flag=True,
    help="Open a window by hand for everybody, and mail what is new to them.",
)
@click.option("--refresh-config", is_flag=True, help="Take the configuration of the day anew.")
@click.option(
    "--no-collect", is_flag=True, help="Ask no source: make the days again from what is stored."
)
@click.option(
    "--force-mock", is_flag=True, help="Ask the mocks instead of real sources; mock tenants only."
)
@json_option
def run(
    day: datetime.date | None,
    first: datetime.date | None,
    last: datetime.date | None,
    tenants: tuple[str, ...],
    clients: tuple[str, ...],
    deliver: bool,
    refresh_config: bool,
    no_collect: bool,
    force_mock: bool,
    as_json: bool,
) -> None:
    """Collect, fold, score, remember and match a day or a range; mail it with --deliver.

    Exit status: 0 all done, 3 done in part (a source or a tenant failed), 1 failed.
    """
    from clientlore.run_context import Scope
    from clientlore.runs.orchestrator import RunRequest

    today = datetime.datetime.now(datetime.UTC).date()
    if day is not None and (first is not None or last is not None):
        message = "give --day, or --from and --to"
        raise click.UsageError(message)
    start, end = (day, day) if day is not None else (first or last or today, last or today)
    if first is None and last is not None:
        message = "--to needs --from"
        raise click.UsageError(message)
    if start > end:
        message = f"--from {start} lies after --to {end}"
        raise click.UsageError(message)
    request = RunRequest(
        start,
        end,
        Scope(
            tenants=tenants,
            clients=clients,
            force_mock=force_mock,
            refresh_config=refresh_config,
            collect=not no_collect,
        ),
        deliver,
    )
    with opened() as workspace:
        _check_names(workspace, tenants, clients)
        results = _launch(workspace, request, quiet=as_json)
        summary = summarise(workspace, results)
    if as_json:
        say_json(summary)
    else:
        _say_summary(summary)
    sys.exit(_status(results))


@click.command()
@click.option(
    "--from", "first", callback=parse_day, required=True, metavar="DAY", help="First day."
)
@click.option("--to", "last", callback=parse_day, required=True, metavar="DAY", help="Last day.")
@click.option(
    "--tenant", "tenants", multiple=True, metavar="ID", help="Only these tenants; may be repeated."
)
def backfill(first: datetime.date, last: datetime.date, tenants: tuple[str, ...]) -> None:
    """Ask the running Dagster for a range of days in the background. It mails nobody."""
    from clientlore.cli.application import orchestrator
    from clientlore.run_context import Scope
    from clientlore.runs.orchestrator import RunRequest

    with opened() as workspace:
        _check_names(workspace, tenants, ())
        asked = orchestrator(workspace, lambda _what, _detail: None)
        made = asked.backfill(RunRequest(first, last, Scope(tenants=tenants)))
    click.echo(f"Backfill {made} is asked for; watch it in the Dagster UI under Runs, Backfills.")


@click.group(invoke_without_command=True)
@click.option(
    "--days",
    default=3,
    show_default=True,
    type=click.IntRange(1, 31),
    help="How many days, up to today.",
)
@json_option
@click.pass_context
def demo(ctx: click.Context, days: int, as_json: bool) -> None:
    """Three days of a made-up tenant, from collection to mail; needs no key, no network, no service."""
    if ctx.invoked_subcommand is not None:
        return
    from importlib.resources import files

    from clientlore.cli.common import audit_of
    from clientlore.control.apply import apply_tenant_file
    from clientlore.control.tenant_file import parse_tenant_file
    from clientlore.pages.writing import write_page
    from clientlore.run_context import Scope
    from clientlore.runs.orchestrator import RunRequest

    today = datetime.datetime.now(datetime.UTC).date()
    wanted = parse_tenant_file(
        files("clientlore.cli").joinpath("demo.yaml").read_text(), "demo.yaml"
    )
    with opened() as workspace:
        from pathlib import Path

        audit = audit_of(workspace, "the demo")
        apply_tenant_file(workspace.control, audit, wanted, Path.cwd())
        request = RunRequest(
            today - datetime.timedelta(days=days - 1),
            today,
            Scope(tenants=(wanted.tenant,)),
            deliver=True,
        )
        results = _launch(workspace, request, quiet=as_json)
        summary = summarise(workspace, results)
        tenant = one_tenant(workspace, wanted.tenant)
        mail, home = workspace.settings.mail, workspace.settings.home
        page = write_page(workspace, tenant, days=days) if _status(results) != 1 else None
    if as_json:
        say_json({**summary, "mail": str(mail), "page": str(page) if page else None})
    else:
        _say_summary(summary)
        if page is not None:
            click.echo(f"\nOpen this in a browser: {page.as_uri()}")
        click.echo(f"\nThe mails lie in {mail}. Everything is under {home}.\n")
        click.echo("Worth trying:")
        click.echo(
            f"  clientlore digest show --tenant {wanted.tenant} --user {wanted.users[0].handle}"
        )
        click.echo(
            "  clientlore trace REF          (a Ref of that digest: back to the bytes it came from)"
        )
        click.echo(f"  clientlore search 'new plant' --tenant {wanted.tenant}")
    sys.exit(_status(results))


demo.add_command(demo_memory)


def _check_names(workspace: Workspace, tenants: tuple[str, ...], clients: tuple[str, ...]) -> None:
    """Finds a misspelt name before anything runs."""
    from clientlore.control.clients import resolve_clients
    from clientlore.control.tenants import chosen_tenants
    from clientlore.errors import NotFoundError

    with workspace.control.read() as connection:
        chosen = chosen_tenants(connection, tenants)
        if not chosen:
            raise NotFoundError("There is no tenant yet", "Run `clientlore init`, then `apply`.")
        for tenant in chosen:
            resolve_clients(connection, tenant.tenant_id, clients)


def _launch(workspace: Workspace, request: Any, *, quiet: bool) -> list[RunResult]:
    from clientlore.cli.application import orchestrator
    from clientlore.cli.progress import shown

    with shown(quiet=quiet) as progress:
        return orchestrator(workspace, progress).launch(request)


def summarise(workspace: Workspace, results: list[RunResult]) -> dict[str, Any]:
    """What runs did, by day and tenant: for the closing table and for programs."""
    from clientlore.control.runs import stages_of

    with workspace.control.read() as connection:
        rows = stages_of(connection, [result.run_id for result in results])
    day_of = {result.run_id: (result.days[0] if result.days else None) for result in results}
    table: dict[tuple[str, str], dict[str, Any]] = {}
    problems: list[dict[str, Any]] = []
    for row in rows:
        day = row["day"].isoformat() if row["day"] else day_of[row["run_id"]]
        if row["error"] and row["state"] != "done":
            problems.append(
                {
                    "day": day,
                    "tenant": row["tenant_id"],
                    "stage": row["stage"],
                    "state": row["state"],
                    "error": row["error"],
                }
            )
        if day is None:
            continue
        line = table.setdefault((day, row["tenant_id"]), dict.fromkeys(_COLUMNS, 0))
        for name, (stage, count) in _COLUMNS.items():
            if row["stage"] == stage:
                line[name] = row["counts"].get(count, 0)
    return {
        "outcome": _worst(results),
        "runs": [
            {
                "run_id": r.run_id,
                "job": r.job,
                "days": list(r.days),
                "outcome": r.outcome,
                "error": r.error,
            }
            for r in results
        ],
        "days": [
            {"day": day, "tenant": tenant, **line} for (day, tenant), line in sorted(table.items())
        ],
        "problems": problems,
    }


# column of the closing table -> (stage, count)
_COLUMNS = {
    "collected": ("core/events", "items"),
    "folded": ("core/events", "folded"),
    "events": ("core/events", "events"),
    "relevant": ("core/relevance", "relevant"),
    "remembered": ("core/memory_log", "appended"),
    "mailed": ("out/deliveries", "items"),
    "mails": ("out/deliveries", "mails"),
}


def _say_summary(summary: dict[str, Any]) -> None:
    columns = ["day", "tenant", *_COLUMNS]
    say_table("", columns, [[line[name] for name in columns] for line in summary["days"]])
    for problem in summary["problems"]:
        where = " ".join(str(x) for x in (problem["day"], problem["tenant"], problem["stage"]) if x)
        click.echo(f"{problem['state']}: {where}: {problem['error']}", err=True)
    for entry in summary["runs"]:
        if entry["outcome"] == "failed":
            click.echo(f"run {entry['run_id']} failed: {entry['error']}", err=True)


def _worst(results: list[RunResult]) -> str:
    order = ["succeeded", "degraded", "failed"]
    return max((result.outcome for result in results), key=order.index, default="succeeded")


def _status(results: list[RunResult]) -> int:
    return {"succeeded": 0, "degraded": DONE_IN_PART, "failed": 1}[_worst(results)]
