"""`eval`: how good the decisions are, measured on labelled sets."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clientlore.cli.common import data_option, json_option, say_json, say_table
from clientlore.cli.evaluating_clients import classification, matching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clientlore.evaluation.figures import Figure


@click.group("eval")
def evaluate() -> None:
    """Measure decisions on labelled sets, with confidence intervals.

    The sets are not part of the product. What needs one that is absent says so and measures nothing.
    """


evaluate.add_command(matching)
evaluate.add_command(classification)


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


@evaluate.command("memory")
@data_option
@json_option
def memory(data: Path | None, as_json: bool) -> None:
    """How well memory is searched, beside plain stemmed BM25: on LoCoMo and Cranfield; and how well it is filled.

    Each figure has its 95 % interval, and that of the difference to the baseline, paired by question or text.
    """
    from clientlore.evaluation.memory import measure
    from clientlore.evaluation.sets import folder, part

    found = measure(part(folder(data), "memory"))
    if as_json:
        say_json([asdict(one) for one in found])
        return
    say_table(
        "",
        ["set", "figure", "value", "95 %", "baseline", "better by (95 %)", "questions"],
        [
            [
                one.corpus,
                one.figure,
                f"{one.value:.3f}",
                f"{one.low:.3f} to {one.high:.3f}",
                f"{one.plain:.3f}",
                f"{one.better_low:+.3f} to {one.better_high:+.3f}",
                one.questions,
            ]
            for one in found
        ],
    )


@evaluate.command("all")
@data_option
@click.option(
    "--quick", is_flag=True, help="Leave out the classifier's training set, which takes minutes."
)
@json_option
def everything(data: Path | None, quick: bool, as_json: bool) -> None:
    """Everything, held against the accepted figures; ends with status 1 where one is worse.

    A figure is worse below the lower end of the 95 % interval of the accepted one.
    """
    from clientlore.evaluation.everything import measure_everything
    from clientlore.evaluation.sets import folder

    report = measure_everything(
        folder(data), quick=quick, say=lambda text: click.echo(f"{text} ...", err=True)
    )
    say_figures("Everything", report.figures, as_json=as_json)
    for why in report.absent:
        click.echo(f"Left out: {why}", err=True)
    for figure in report.worse:
        click.echo(f"Worse than accepted: {figure.name} ({figure.value:.4f})", err=True)
    if report.worse:
        raise click.exceptions.Exit(1)


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
