"""Commands that show what is known and what was done with it: `dossier`, `page`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from clientlore.cli.common import json_option, one_tenant, opened, say_json, tenant_option


@click.command()
@click.argument("client")
@click.option("--contact", metavar="NAME", help="A person at the client, by name or id.")
@tenant_option
@json_option
def dossier(client: str, contact: str | None, tenant: str | None, as_json: bool) -> None:
    """What is known about a CLIENT, since when and from where, as Markdown.

    CLIENT is a name or an id. It is put together from memory now; the files under dossiers/ are from the last run.
    """
    from dataclasses import asdict

    from clientlore.memory.dossier_files import render
    from clientlore.memory.dossiers import find_dossier, read_dossiers

    with opened() as workspace:
        found = find_dossier(
            read_dossiers(workspace, one_tenant(workspace, tenant)), client, contact
        )
    if as_json:
        say_json(asdict(found))
    elif sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(render(found).split("---\n", 2)[2]))
    else:
        click.echo(render(found), nl=False)


@click.command()
@tenant_option
@click.option(
    "--days",
    default=3,
    show_default=True,
    type=click.IntRange(1, 31),
    help="How many of the newest days with data.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it; under the home if not given.",
)
@json_option
def page(tenant: str | None, days: int, out: Path | None, as_json: bool) -> None:
    """One HTML page of a tenant's newest days: digests, dossiers, what was folded or stopped and why.

    It needs no server and no network, and shows mails and contacts: whoever gets the file reads them.
    """
    from clientlore.pages.writing import write_page

    with opened() as workspace:
        written = write_page(workspace, one_tenant(workspace, tenant), days=days, path=out)
    if as_json:
        say_json({"page": str(written)})
    else:
        click.echo(f"Open {written} in a browser.")
