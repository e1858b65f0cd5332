"""`clientlore replay`: what past days would have come to under another prompt, model or threshold."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from clientlore.cli.common import (
    json_option,
    one_tenant,
    opened,
    parse_day,
    say_json,
    say_table,
    tenant_option,
)


@click.command()
@click.option(
    "--from", "first", required=True, callback=parse_day, metavar="DAY", help="First day."
)
@click.option("--to", "last", required=True, callback=parse_day, metavar="DAY", help="Last day.")
@click.option(
    "--model",
    metavar="MODEL",
    help="Who judges: rules, local, shipped, the file of a classifier, openai[:NAME] or anthropic[:NAME].",
)
@click.option(
    "--prompt",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file with what a language model is told.",
)
@click.option("--threshold", type=click.FloatRange(0, 1), help="The threshold of every person.")
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(0),
    help="Rows of each table; --json gives all.",
)
@tenant_option
@json_option
def replay(
    first: date,
    last: date,
    model: str | None,
    prompt: Path | None,
    threshold: float | None,
    limit: int,
    tenant: str | None,
    as_json: bool,
) -> None:
    """What would have been scored and mailed differently; nothing is sent or overwritten.

    What is not named stays as it was: with --threshold alone, the stored scores count.
    """
    from clientlore.digests import replaying

    change = replaying.Change(
        model, None if prompt is None else replaying.read_prompt(prompt), threshold
    )
    with opened() as workspace:
        found = replaying.replay(
            workspace,
            one_tenant(workspace, tenant),
            first,
            last,
            change,
            progress=lambda day: click.echo(f"{day} ...", err=True),
        )
    if as_json:
        say_json(
            {
                "days": found.days,
                "left_out": found.left_out,
                "pairs": found.pairs,
                "waiting": found.waiting,
                "mailed_before": found.mailed_before,
                "mailed_after": found.mailed_after,
                "scores": found.scores.to_dicts(),
                "mails": found.mails.to_dicts(),
            }
        )
        return
    scores = found.scores.drop("event_id")
    mails = found.mails.drop("event_id")
    click.echo(
        f"{len(found.days)} days, {found.pairs} events and clients: {scores.height} judged differently; "
        f"{found.mailed_before} passed every gate, {found.mailed_after} would."
    )
    if found.waiting:
        click.echo(
            f"{found.waiting} have no score: the budget had no room, or a batch is under way."
        )
    if scores.height and limit:
        title = f"Judged differently: {min(limit, scores.height)} of {scores.height}"
        say_table(title, scores.columns, scores.head(limit).rows())
    if mails.height and limit:
        title = f"Passes every gate on one side alone: {min(limit, mails.height)} of {mails.height}"
        say_table(title, mails.columns, mails.head(limit).rows())
