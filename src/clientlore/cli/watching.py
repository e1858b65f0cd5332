"""`clientlore status`: how everything stands, for people who look every morning and for programs that watch."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from clientlore.cli.common import json_option, opened, say_json, say_table

if TYPE_CHECKING:
    from clientlore.runs.standing import Standing


@click.command()
@click.option(
    "--check", is_flag=True, help="End with status 1 if something needs a person: for a watchdog."
)
@json_option
def status(check: bool, as_json: bool) -> None:
    """How tenants, sources, schedules, runs and mail stand. Runs that died are found and failed on the way."""
    from clientlore.cli.application import orchestrator
    from clientlore.runs.standing import standing

    with opened() as workspace:
        state = orchestrator(workspace, lambda _what, _detail: None).status()
        found = standing(workspace, state)
    if as_json:
        say_json(asdict(found))
    else:
        _say(found)
    if check and found.needs_attention:
        sys.exit(1)


def _say(found: Standing) -> None:
    say_table(
        "Tenants",
        ["tenant", "mode", "status", "newest day", "sources", "failing", "stale days"],
        [
            [
                x["tenant_id"],
                x["mode"],
                x["status"],
                x["newest_day"],
                x["sources"],
                len(x["failing"]),
                len(x["stale_days"]),
            ]
            for x in found.tenants
        ],
    )
    failing = [
        [x["tenant_id"], f["client_id"], f["error_kind"], f["error"]]
        for x in found.tenants
        for f in x["failing"]
    ]
    if failing:
        say_table("Sources that gave no answer", ["tenant", "client", "kind", "error"], failing)
    spent = [
        [x["tenant_id"], d["provider"], d["calls"], d["tokens"], f"${d['usd']:.4f}", d["refused"]]
        for x in found.tenants
        for d in x["spent_today"]
    ]
    if spent:
        columns = ["tenant", "provider", "calls", "tokens", "dollars", "without room"]
        say_table("Spent today", columns, spent)
    if found.schedules:
        columns = [
            "tenant_id",
            "name",
            "is_active",
            "next_run_at",
            "last_run_at",
            "consecutive_failures",
        ]
        say_table("Schedules", columns, [[s[c] for c in columns] for s in found.schedules])
    columns = ["run_id", "job", "started_at", "outcome", "error"]
    say_table("Newest runs", columns, [[r[c] for c in columns] for r in found.runs])
    say_table("Mail", ["state", "messages"], sorted(found.outbox.items()))
    in_doubt = sum(x["in_doubt"] for x in found.tenants)
    click.echo(
        f"Set aside: {found.quarantined}. In doubt: {in_doubt}. Active fires: {found.active_fires}."
    )
    click.echo(f"Orchestrator: {found.orchestrator['name']}; {found.orchestrator['detail']}.")
    for problem in found.needs_attention:
        click.echo(f"! {problem}")
