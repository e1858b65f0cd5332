"""`clientlore eval matching` and `eval classification`: how good these are on labelled sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from clientlore.cli.common import data_option, json_option, say_json, say_table

if TYPE_CHECKING:
    from clientlore.evaluation.classification import Measured


@click.command()
@data_option
@json_option
def matching(data: Path | None, as_json: bool) -> None:
    """Whether items are given to the right clients, by their names alone."""
    from dataclasses import asdict

    from clientlore.evaluation.labelled import client_set
    from clientlore.evaluation.matching import measure_matching
    from clientlore.evaluation.sets import folder, part

    found = client_set(part(folder(data), "monitoring"))
    if found is None:
        click.echo("Skipped: reuters21578 and reuters_clients are not there.", err=True)
        return
    measured = measure_matching(found)
    if as_json:
        say_json(asdict(measured))
        return
    rows = [
        ("F1 of labelled pairs", str(measured.f1)),
        ("found, of those that are about a client", str(measured.recall)),
        ("accepted, of others with the same first word", str(measured.wrongly)),
        ("role right, of those found", str(measured.role)),
    ]
    title = f"{len(found.clients)} clients, {measured.pairs} pairs; 95 % interval"
    say_table(title, ["figure", "value"], rows)


@click.command()
@data_option
@click.option(
    "--quick", is_flag=True, help="Leave out the training set, whose models are trained anew."
)
@json_option
def classification(data: Path | None, quick: bool, as_json: bool) -> None:
    """Whether items get the right category, with no key.

    The training set is cross-validated: of texts that are nearly the same, none is on both sides. The other sets are
    judged by the model that is shipped, which has not seen them.
    """
    from dataclasses import asdict

    from clientlore.evaluation.classification import measure_held_back, measure_set
    from clientlore.evaluation.labelled import TRAINING_SET, other_sets, training_set
    from clientlore.evaluation.sets import folder, part
    from clientlore.monitoring.classifier import shipped
    from clientlore.monitoring.training import hold_back

    where = part(folder(data), "monitoring")
    measured: list[Measured] = []
    labelled = None if quick else training_set(where)
    if labelled is not None:
        click.echo("Training models on parts of the set takes about a minute ...", err=True)
        measured.append(measure_held_back(labelled, hold_back(labelled), TRAINING_SET))
    measured += [measure_set(each, shipped()) for each in other_sets(where)]
    if not measured:
        click.echo(f"Skipped: no labelled set is in {where}.", err=True)
        return
    if as_json:
        say_json([asdict(each) for each in measured])
        return
    rows = [
        (m.name, m.count, str(m.accuracy), str(m.macro_f1), f"{m.calibration_error:.3f}")
        for m in measured
    ]
    columns = ["set", "texts", "accuracy", "macro F1", "calibration error"]
    say_table("95 % interval in brackets", columns, rows)
