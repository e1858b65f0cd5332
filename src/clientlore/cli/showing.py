"""Commands that show what is known: `dossier`."""

from __future__ import annotations

import sys

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
