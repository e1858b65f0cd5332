"""Whether confidence means what it says: held against feedback where there is enough, else as the model was measured.

Feedback comes after the judgement that it is about, so no judge has learned from it. It is only about what people were
told. A judgement was right if nobody said that it was the wrong client or the wrong category; that something was not
useful says neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from clientlore.control import feedback as kept
from clientlore.control.feedback import Feedback
from clientlore.evaluation.figures import Bin, calibration_error, reliability
from clientlore.monitoring.classifier import Classifier, of_tenant, shipped
from clientlore.quality.outcome import Plot
from clientlore.workspace import Workspace

AT_LEAST = 50
"""Fewer judgements with feedback say too little: with 50, a share is known to about 0.14."""


@dataclass(frozen=True)
class Calibration:
    """How often judgements are right, by their confidence.

    Attributes:
        bins: The reliability diagram.
        error: Expected calibration error.
        count: How many judgements.
        source: What told what is right.
    """

    bins: tuple[Bin, ...]
    error: float
    count: int
    source: str


def calibration_of(workspace: Workspace, tenant_ids: Sequence[str]) -> Calibration | None:
    """That of the tenants' judgements by their feedback, else that of the model's data sheet; None without either."""
    with workspace.control.read() as connection:
        said = [each for one in tenant_ids for each in kept.given(connection, one)]
    told = by_feedback(kept.in_force(said))
    if told is not None:
        return told
    models = [of_tenant(workspace.settings.models, each) for each in tenant_ids]
    same = len({model.version for model in models}) == 1
    # What feedback taught was measured on too little; several models have no figure in common.
    return (by_sheet(models[0]) if same else None) or by_sheet(shipped())


def by_feedback(said: Iterable[Feedback]) -> Calibration | None:
    """By what people said of judgements that had a confidence; None where too few did."""
    right: dict[tuple[str, str, str], tuple[float, bool]] = {}
    for each in said:
        confidence = each.judgement.get("confidence")
        if confidence is None or each.kind == "not_useful":
            continue
        about = (each.tenant_id, each.event_id, each.client_id)
        good = each.kind == "useful" and right.get(about, (0.0, True))[1]
        right[about] = (float(confidence), good)
    if len(right) < AT_LEAST:
        return None
    found = reliability(
        np.array([c for c, _ in right.values()]), np.array([good for _, good in right.values()])
    )
    return Calibration(tuple(found), calibration_error(found), len(right), "feedback")


def by_sheet(model: Classifier) -> Calibration | None:
    """As the model was measured when it was trained, on texts held back; None where its sheet does not say."""
    told = model.sheet.get("reliability")
    if not isinstance(told, list) or not told:
        return None
    found = [Bin(float(c), float(right), int(count)) for c, right, count in told]
    count = sum(each.count for each in found)
    return Calibration(
        tuple(found), calibration_error(found), count, f"data sheet of {model.version}"
    )


def reliability_plot(bins: Sequence[Bin]) -> Plot:
    """How often judgements are right beside how sure they say they are."""
    return Plot(
        "How often it is right, by how sure it says it is",
        "bars",
        [f"{b.confidence:.2f}" for b in bins],
        {"right": [b.right for b in bins]},
        "share",
    )
