"""`clientlore eval`: how good the product is on labelled sets."""

from __future__ import annotations

from pathlib import Path

import click

from clientlore.cli.common import json_option, say_json, say_table


@click.group("eval")
def evaluate() -> None:
    """How good it is, on labelled sets in a folder of yours, with intervals."""


@evaluate.command("memory")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
def memory(folder: Path, as_json: bool) -> None:
    """How well memory is searched, beside plain stemmed BM25: LoCoMo and Cranfield files in FOLDER.

    Each figure has its 95 % interval, and that of the difference to plain BM25, paired by question.
    """
    from dataclasses import asdict

    from clientlore.evaluation.memory import measure

    found = measure(folder)
    if as_json:
        say_json([asdict(one) for one in found])
        return
    say_table(
        "",
        ["set", "figure", "value", "95 %", "plain BM25", "better by (95 %)", "questions"],
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
