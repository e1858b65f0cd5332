"""`clientlore doctor`: whether everything can work, and for each thing that cannot what to do."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from clientlore.cli.common import audit_of, json_option, opened, say_json, say_table


@click.command()
@click.option(
    "--send-test-mail",
    "address",
    metavar="ADDRESS",
    help="Send one real mail there over the configured SMTP instead, and say what the server answered.",
)
@click.option(
    "--live",
    is_flag=True,
    help="Make one cheap call to each provider, judge, embedder and reranker that is configured instead.",
)
@json_option
def doctor(address: str | None, live: bool, as_json: bool) -> None:
    """Check stores, settings, providers, mail and Dagster. Ends with status 1 if something cannot work."""
    from clientlore.cli.application import orchestrator
    from clientlore.runs.examining import examine
    from clientlore.runs.trying_live import try_live
    from clientlore.runs.trying_mail import try_mail

    if address is not None and live:
        message = "--live and --send-test-mail are two questions: ask one at a time"
        raise click.UsageError(message)
    if address is not None:
        with opened() as workspace:
            found = [try_mail(workspace, audit_of(workspace, "doctor --send-test-mail"), address)]
    elif live:
        with opened() as workspace:
            found = try_live(workspace)
    else:
        with opened(migrated=False) as workspace:
            found = examine(workspace, orchestrator(workspace, lambda _what, _detail: None))
    if as_json:
        say_json([asdict(finding) for finding in found])
    else:
        rows = [[f.verdict, f.subject, f.detail, f.advice] for f in found]
        say_table("", ["", "what", "found", "what to do"], rows)
    if any(finding.verdict == "no" for finding in found):
        sys.exit(1)
