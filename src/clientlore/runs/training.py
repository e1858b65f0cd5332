"""Training the local classifier, and whether what came of it goes live."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from clientlore.evaluation.classification import Measured, measure_held_back
from clientlore.evaluation.labelled import TRAINING_SET, training_set
from clientlore.monitoring.classifier import LIVE, Classifier, live, save
from clientlore.monitoring.training import hold_back, train
from clientlore.settings import Settings


@dataclass(frozen=True)
class Trained:
    """A model and how good models like it are on texts held back.

    Attributes:
        model: The new one.
        measured: By cross-validation.
        live: Whether it is in force now.
        before: The macro F1 of the model that was in force.
    """

    model: Classifier
    measured: Measured
    live: bool = False
    before: float | None = None


def train_on(folder: Path) -> Trained | None:
    """A model of the sets of a folder whose licence allows it; None where there is none."""
    labelled = training_set(folder)
    if labelled is None:
        return None
    held = hold_back(labelled)
    measured = measure_held_back(labelled, held, TRAINING_SET)
    sheet = {
        "set": TRAINING_SET,
        "licence": "MIT",
        "texts": len(labelled.texts),
        "language": "English",
        "kind": "short financial news posts",
        "not_learned": "partnership, risk, expansion, award: the rules alone give these",
        "held_back": measured.count,
        "accuracy": round(measured.accuracy.value, 4),
        "macro_f1": round(measured.macro_f1.value, 4),
        "calibration_error": round(measured.calibration_error, 4),
        "reliability": [
            [round(b.confidence, 4), round(b.right, 4), b.count] for b in measured.bins
        ],
        "by_category": {name: round(f1, 4) for name, f1 in measured.by_category.items()},
    }
    return Trained(train(labelled, "posts", sheet, held=held), measured)


def renew(settings: Settings) -> Trained | None:
    """Trains, and puts the model in force unless it is worse than the one that is, beyond noise.

    None where no folder is named or it has no set to train on.
    """
    if settings.training_dir is None:
        return None
    made = train_on(settings.training_dir)
    if made is None:
        return None
    before = live(settings.models / LIVE).sheet.get("macro_f1")
    known = before if isinstance(before, float) else None
    better = known is None or made.measured.macro_f1.high >= known
    if better:
        settings.models.mkdir(parents=True, exist_ok=True)
        unfinished = settings.models / f".{LIVE}.{os.getpid()}"
        save(made.model, unfinished)
        unfinished.replace(settings.models / LIVE)
    return Trained(made.model, made.measured, better, known)
