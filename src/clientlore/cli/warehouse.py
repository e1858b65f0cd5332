"""Commands about the analysts' database: `warehouse show`, `publish`, `docs`."""

from __future__ import annotations

import sys

import click

from clientlore.cli.common import json_option, opened, say_json, say_table


@click.group()
def warehouse() -> None:
    """The analysts' database: what is out, a new build, its documentation."""


@warehouse.command()
@json_option
def show(as_json: bool) -> None:
    """Where the file is, which build it is, and what is in it."""
    from clientlore.errors import NotFoundError

    with opened() as workspace:
        build = workspace.warehouse.current()
        file = workspace.warehouse.file
    if build is None:
        raise NotFoundError(
            "No warehouse was published yet", "`clientlore warehouse publish` builds one."
        )
    if as_json:
        say_json(
            {
                "file": str(file),
                "build_id": build.build_id,
                "snapshot": build.snapshot,
                "taken_at": build.taken_at,
                "published_at": build.published_at,
                "bytes": build.size,
                "rows": build.rows,
            }
        )
        return
    click.echo(f"{file}\nbuild {build.build_id}, read at {build.taken_at:%Y-%m-%d %H:%M:%S} UTC\n")
    say_table("", ["mart", "rows"], list(build.rows.items()))


@warehouse.command()
@json_option
@click.pass_context
def publish(ctx: click.Context, as_json: bool) -> None:
    """Build the marts anew with dbt, test them and put them in the place of what is out.

    Who reads goes on reading. Exit status: 0 published, 1 not; what was out is still out then.
    """
    from clientlore.cli.application import orchestrator
    from clientlore.cli.progress import shown

    with opened() as workspace, shown(quiet=as_json) as progress:
        result = orchestrator(workspace, progress).publish()
    if result.outcome == "failed":
        click.echo(f"run {result.run_id} failed: {result.error}", err=True)
        sys.exit(1)
    ctx.invoke(show, as_json=as_json)


@warehouse.command()
def docs() -> None:
    """Write dbt's documentation of the models, with a fresh build's types and sizes, as one HTML page."""
    from clientlore.errors import ConfigurationError
    from clientlore.runs.marts import documentation
    from clientlore.settings import find_app
    from clientlore.storage.dbt import default_folder

    app = find_app()
    if app is None:
        raise ConfigurationError(
            "The models lie in the Clientlore application, which was not found",
            "Run the command inside a checkout of Clientlore, or point CLIENTLORE_APP at one.",
        )
    with opened() as workspace:
        page, warned = documentation(workspace, app / "dbt_project", default_folder())
    for warning in warned:
        click.echo(f"dbt warns: {warning}", err=True)
    click.echo(f"{page} (open it in a browser)")
