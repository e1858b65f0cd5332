"""`python -m tools.accept_figures FOLDER`: measures everything and keeps the figures as those that are held to."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path

from clientlore.evaluation.everything import ACCEPTED, accept, measure_everything


def main(folder: Path) -> None:
    """Measures on the sets of a folder."""
    report = measure_everything(folder, say=print)
    for figure in report.worse:
        print(f"worse than accepted: {figure.name} {figure.value:.4f}")
    with resources.as_file(resources.files("clientlore.evaluation") / ACCEPTED) as path:
        accept(report, path)
    print(f"{len(report.figures)} figures accepted; {'; '.join(report.absent) or 'nothing absent'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
