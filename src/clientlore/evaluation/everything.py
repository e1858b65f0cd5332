"""Every figure that the labelled sets of a folder allow, and which of them are worse than what was accepted.

Accepted figures are committed beside this file, not kept from the last run: a row of small losses, each within noise,
would move a figure that follows the last run down for ever, and another machine would have none. Who changes one
commits it, so that it is seen.

The sets are fixed and nothing here is random, so a figure moves only when a decision does. It is worse where it falls
below the lower end of the accepted figure's 95 % interval: so much may come from which cases the set happens to have.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from clientlore.errors import NotFoundError
from clientlore.evaluation import dedup, memory, stories
from clientlore.evaluation.classification import Measured, measure_held_back, measure_set
from clientlore.evaluation.figures import Estimate, Figure, named
from clientlore.evaluation.labelled import TRAINING_SET, client_set, other_sets, training_set
from clientlore.evaluation.matching import measure_matching
from clientlore.evaluation.sets import part
from clientlore.monitoring.classifier import shipped
from clientlore.monitoring.training import hold_back
from clientlore.quality.outcome import Plot

ACCEPTED = "accepted.json"
CLASSIFIED = 0.915
MATCHED = 0.965


@dataclass(frozen=True)
class Report:
    """What was measured.

    Attributes:
        figures: More is better in each.
        absent: What could not be measured, and why.
        classified: How good categories are, set by set.
    """

    figures: tuple[Figure, ...]
    absent: tuple[str, ...]
    classified: tuple[Measured, ...]

    @property
    def worse(self) -> list[Figure]:
        """Figures below the lower end of what was accepted; one that was accepted on other cases is left out."""
        known = accepted()
        return [
            figure
            for figure in self.figures
            if (before := known.get(figure.name)) is not None
            and before.n == figure.n
            and figure.value < before.low
        ]

    def table(self) -> str:
        """The figures as a Markdown table."""
        known, rows = (
            accepted(),
            ["| what | value | 95 % | n | accepted from |", "|---|---:|---|---:|---:|"],
        )
        for f in self.figures:
            before = known.get(f.name)
            held = "" if before is None else f"{before.low:.3f}"
            rows.append(
                f"| {f.name} | {f.value:.3f} | {f.low:.3f} to {f.high:.3f} | {f.n} | {held} |"
            )
        return "\n".join(rows)

    def plot(self) -> Plot:
        """The figures side by side."""
        return Plot(
            "Measured on labelled sets",
            "bars",
            [figure.name for figure in self.figures],
            {"value": [figure.value for figure in self.figures]},
        )


def measure_everything(
    folder: Path, *, quick: bool = False, say: Callable[[str], None] = lambda _: None
) -> Report:
    """Measures what the sets of a folder allow.

    Args:
        folder: See `evaluation.sets.folder`.
        quick: Leave out the classifier's training set, on which models are trained anew.
        say: Is told what is measured next.
    """
    figures: list[Figure] = []
    absent: list[str] = []
    monitoring = part(folder, "monitoring")
    classified: list[Measured] = []
    parts: list[tuple[str, Callable[[], Sequence[Figure]]]] = [
        ("near-duplicates", lambda: _near_duplicates(folder)),
        ("stories", lambda: stories.figures(folder)),
        ("matching", lambda: _matching(monitoring)),
        ("memory", lambda: _memory(part(folder, "memory"))),
    ]
    for name, measure in parts:
        say(f"measuring {name}")
        try:
            figures += measure()
        except NotFoundError as error:
            absent.append(f"{name}: {error}")
    say("measuring categories")
    for measured in _classification(monitoring, quick=quick):
        classified.append(measured)
        figures += _of_categories(measured)
    if not classified:
        absent.append(f"categories: no labelled set is in {monitoring}")
    return Report(tuple(figures), tuple(absent), tuple(classified))


def accepted() -> dict[str, Figure]:
    """The figures that are held to, by name."""
    told = json.loads(resources.files("clientlore.evaluation").joinpath(ACCEPTED).read_bytes())
    return {name: Figure(name, **values) for name, values in told.items()}


def accept(report: Report, path: Path) -> None:
    """Writes a report's figures as the accepted ones; of what it did not measure, those before stay."""
    told = accepted() | {figure.name: figure for figure in report.figures}
    rows = {
        name: {key: round(getattr(told[name], key), 4) for key in ("value", "low", "high", "n")}
        for name in sorted(told)
    }
    path.write_text(json.dumps(rows, indent=1) + "\n")


def _near_duplicates(folder: Path) -> list[Figure]:
    return [figure for figure in dedup.figures(folder) if figure.aim is not None]


def _matching(folder: Path) -> list[Figure]:
    found = client_set(folder)
    if found is None:
        raise NotFoundError(
            "reuters21578 and reuters_clients are not there", "Matching was left out."
        )
    measured, count = measure_matching(found), len(found.clients)
    refused = measured.wrongly
    return [
        named("matching, F1", measured.f1, count, MATCHED),
        named("matching, found", measured.recall, count),
        named(
            "matching, others refused",
            Estimate(1 - refused.value, 1 - refused.high, 1 - refused.low),
            count,
            0.99,
        ),
        named("matching, role right", measured.role, count),
    ]


def _memory(folder: Path) -> list[Figure]:
    return [
        Figure(f"memory {m.corpus}, {m.figure}", m.value, m.low, m.high, m.questions)
        for m in memory.measure(folder)
        if m.corpus in {"locomo", "cranfield"}
    ]


def _classification(folder: Path, *, quick: bool) -> Iterator[Measured]:
    labelled = None if quick else training_set(folder)
    if labelled is not None:
        yield measure_held_back(labelled, hold_back(labelled), TRAINING_SET)
    for each in other_sets(folder):
        yield measure_set(each, shipped())


def _of_categories(measured: Measured) -> list[Figure]:
    own = measured.name == TRAINING_SET
    name, count = f"categories {measured.name}", measured.count
    return [
        named(f"{name}, accuracy", measured.accuracy, count, CLASSIFIED if own else None),
        named(f"{name}, macro F1", measured.macro_f1, count, 0.87 if own else None),
        named(f"{name}, 1 - calibration error", measured.calibrated, count),
    ]
