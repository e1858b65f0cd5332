"""`clientlore eval`: how good the product is on labelled sets."""

from __future__ import annotations

import click

from clientlore.cli.evaluating_clients import classification, matching


@click.group("eval")
def evaluate() -> None:
    """How good it is, on labelled sets in a folder of yours, with intervals."""


evaluate.add_command(matching)
evaluate.add_command(classification)
