"""Commands over files, for people and scripts: JSON lines in, JSON lines out. They need no home and touch none."""

from __future__ import annotations

from pathlib import Path

import click

_readable = click.Path(exists=True, dir_okay=False, path_type=Path)
_writable = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("items", metavar="IN", type=_readable)
@click.option(
    "--clients",
    "clients_file",
    required=True,
    type=_readable,
    help="JSON lines: client_id, name; aliases, ticker, domain, industry, people, places, exclude.",
)
@click.option("--out", required=True, type=_writable, help="One line for each item and client.")
@click.option("--review", type=_writable, help="Write what is ambiguous here, with the reason.")
def match(items: Path, clients_file: Path, out: Path, review: Path | None) -> None:
    """Finds clients in items of a file.

    IN has JSON lines with id, title and body; url if there is one. OUT gets id, client_id, role (subject or mention),
    confidence and evidence, in the order of IN.
    """
    from clientlore.evaluation.lines import ClientLine, Line, write_lines
    from clientlore.evaluation.matching import match_items
    from clientlore.json_lines import read_file

    found = match_items(read_file(items, Line), read_file(clients_file, ClientLine))
    written = write_lines(out, found.accepted)
    if review is not None:
        write_lines(review, found.ambiguous)
    unsure = f"{len(found.ambiguous)} ambiguous" + ("" if review is None else f" in {review}")
    click.echo(f"{written} matches, {unsure}.", err=True)


@click.command()
@click.argument("items", metavar="IN", type=_readable)
@click.option("--out", required=True, type=_writable, help="One line for each line of IN.")
def classify(items: Path, out: Path) -> None:
    """Gives each item of a file a category, without asking anybody.

    IN has JSON lines with id, title and body. OUT gets id, category, confidence and method (classifier, or rules where
    they turned it over), in the order of IN.
    """
    from clientlore.evaluation.classification import classify_items
    from clientlore.evaluation.lines import Line, write_lines
    from clientlore.json_lines import read_file

    written = write_lines(out, classify_items(read_file(items, Line)))
    click.echo(f"{written} items classified.", err=True)
