"""`python -m tools.train_classifier FOLDER`: trains the shipped classifier and writes it with its data sheet."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path

from clientlore.monitoring.classifier import SHIPPED, save
from clientlore.runs.training import train_on


def main(folder: Path) -> None:
    """Trains on the sets of a folder."""
    made = train_on(folder)
    if made is None:
        sys.exit(f"{folder} has no set that the shipped model may be trained on.")
    with resources.as_file(resources.files("clientlore.monitoring") / SHIPPED) as path:
        save(made.model, path)
    print(
        f"{made.model.version}: accuracy {made.measured.accuracy}, macro F1 {made.measured.macro_f1}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
