"""`dedup`: which items of a file are the same, for people and scripts; needs no home and touches none."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("source", metavar="IN", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the answers go, as JSON lines.",
)
@click.option(
    "--layers",
    type=click.Choice(["near", "story"]),
    default="story",
    show_default=True,
    help="Up to which layer: near-duplicates, or stories in other words too.",
)
def dedup(source: Path, out: Path, layers: str) -> None:
    """Find the items of a file that are the same, or tell the same story.

    IN has an item in each line, {id, title, body, url?, published_at?, publisher?}, in the order of collection. OUT
    has a row for each, in that order: {id, group_id, story_id, reason, similarity}.
    """
    from clientlore.monitoring import item_files

    items = item_files.read_items(source)
    grouped = item_files.group(items)
    if layers == "story":
        from clientlore.monitoring import stories

        grouped = stories.with_stories(grouped)
    item_files.write_answers(item_files.answers(items, grouped), out)
    groups = grouped["group"].n_unique()
    told = f"; {grouped['story'].n_unique():,} stories" if layers == "story" else ""
    click.echo(f"{items.height:,} items, {groups:,} distinct{told}. Wrote {out}.", err=True)
