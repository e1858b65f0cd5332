"""`eval`: how good the decisions are, measured on labelled sets."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clientlore.cli.common import json_option, say_json, say_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clientlore.evaluation.sets import Figure

data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the labelled sets; CLIENTLORE_EVALUATION_DIR if not given.",
)


@click.group("eval")
def evaluate() -> None:
    """Measure decisions on labelled sets, with confidence intervals.

    The sets are not part of the product. What needs one that is absent says so and measures nothing.
    """


@evaluate.command()
@data_option
@json_option
def dedup(data: Path | None, as_json: bool) -> None:
    """Near-duplicates, on pairs of news stories that were judged by reading."""
    from clientlore.evaluation import dedup as measured
    from clientlore.evaluation.sets import folder

    say_figures("Near-duplicates: F1", measured.figures(folder(data)), as_json=as_json)


@evaluate.command()
@data_option
@json_option
def stories(data: Path | None, as_json: bool) -> None:
    """Stories, on pairs of look-alike events."""
    from clientlore.evaluation import stories as measured
    from clientlore.evaluation.sets import folder

    say_figures("Stories: B-cubed F1", measured.figures(folder(data)), as_json=as_json)


def say_figures(title: str, figures: Sequence[Figure], *, as_json: bool) -> None:
    """Prints figures as a table or as JSON."""
    if as_json:
        say_json([{**asdict(figure), "reached": figure.reached} for figure in figures])
        return
    said = {True: "yes", False: "no", None: ""}
    rows = [
        (
            figure.name,
            f"{figure.value:.3f}",
            f"{figure.low:.3f} to {figure.high:.3f}",
            str(figure.n),
            "" if figure.aim is None else f"{figure.aim:.2f}",
            said[figure.reached],
            figure.note,
        )
        for figure in figures
    ]
    say_table(title, ["what", "value", "95 %", "n", "aim", "reached", "note"], rows)
