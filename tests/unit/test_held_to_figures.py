"""What figures are held to, and whether confidence means what it says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from clientlore.control.feedback import Feedback, Kind
from clientlore.evaluation import everything
from clientlore.evaluation.everything import Report, accept, accepted
from clientlore.evaluation.figures import Figure, calibration_error, reliability
from clientlore.monitoring.classifier import shipped
from clientlore.runs.calibrating import AT_LEAST, by_feedback, by_sheet

T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def _report(*figures: Figure) -> Report:
    return Report(figures, (), ())


def test_a_figure_is_worse_only_below_the_interval_and_only_on_the_same_cases(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = {"a": Figure("a", 0.9, 0.85, 0.95, 100)}
    monkeypatch.setattr(everything, "accepted", lambda: before)
    for value, n, is_worse in ((0.849, 100, True), (0.85, 100, False), (0.5, 90, False)):
        assert bool(_report(Figure("a", value, 0, 1, n)).worse) is is_worse
    assert _report(Figure("new", 0.1, 0, 1, 100)).worse == []


def test_figures_that_were_not_measured_stay_accepted(tmp_path: Path) -> None:
    accept(_report(Figure("made up", 0.87654, 0.8, 0.9, 7)), tmp_path / "accepted.json")
    told = json.loads((tmp_path / "accepted.json").read_text())
    assert told["made up"] == {"value": 0.8765, "low": 0.8, "high": 0.9, "n": 7}
    assert set(told) == {*accepted(), "made up"}


def test_what_is_held_to_is_known_of_every_decision() -> None:
    names = " ".join(accepted())
    for decision in ("near-duplicates", "stories", "matching", "memory", "categories"):
        assert decision in names
    assert all(f.low <= f.value <= f.high for f in accepted().values())


def _said(n: int, kind: Kind, confidence: float | None) -> Feedback:
    judged = {"confidence": confidence}
    return Feedback(f"f{n}{kind}", "acme", "ann", f"e{n}", "c", kind, None, "cli", T0, judged)


def test_confidence_is_held_against_what_people_said() -> None:
    said = [_said(n, "useful", 0.8) for n in range(AT_LEAST)]
    said += [_said(n, "wrong_category", 0.8) for n in range(10)]
    said += [_said(n, "not_useful", 0.8) for n in range(100, 200)]
    said.append(_said(300, "useful", None))
    found = by_feedback(said)
    assert found is not None
    assert (found.count, found.source) == (AT_LEAST, "feedback")
    (only,) = found.bins
    assert only.right == pytest.approx((AT_LEAST - 10) / AT_LEAST)
    assert found.error == pytest.approx(abs(0.8 - only.right))
    assert by_feedback(list(reversed(said))) == found
    assert by_feedback(said[: AT_LEAST - 1]) is None


def test_without_feedback_the_data_sheet_of_the_model_says_it() -> None:
    found = by_sheet(shipped())
    assert found is not None
    assert found.count == shipped().sheet["held_back"]
    assert found.error == pytest.approx(float(str(shipped().sheet["calibration_error"])), abs=2e-3)


def test_who_is_as_often_right_as_sure_has_no_calibration_error() -> None:
    confidence = np.repeat([0.25, 0.75], 400)
    right = np.concatenate([np.arange(400) < 100, np.arange(400) < 300])
    assert calibration_error(reliability(confidence, right)) == pytest.approx(0)
    assert calibration_error(reliability(confidence, ~right)) == pytest.approx(0.5)
