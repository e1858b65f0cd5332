"""`clientlore doctor`: whether everything can work, and for each thing that cannot what to do."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from clientlore.cli.common import json_option, opened, say_json, say_table


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check stores, settings, providers, mail and Dagster. Ends with status 1 if something cannot work."""
    from clientlore.cli.application import orchestrator
    from clientlore.runs.examining import examine

    with opened(migrated=False) as workspace:
        found = examine(workspace, orchestrator(workspace, lambda _what, _detail: None))
    if as_json:
        say_json([asdict(finding) for finding in found])
    else:
        rows = [[f.verdict, f.subject, f.detail, f.advice] for f in found]
        say_table("", ["", "what", "found", "what to do"], rows)
    if any(finding.verdict == "no" for finding in found):
        sys.exit(1)
