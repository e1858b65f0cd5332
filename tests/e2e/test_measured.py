"""What decisions are worth, on labelled sets read in place; skipped where the sets are absent."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from clientlore.cli.evaluating import evaluate
from clientlore.errors import NotFoundError
from clientlore.evaluation import dedup, stories
from clientlore.evaluation.figures import Figure, f1, sign_test, with_interval
from clientlore.monitoring.evidence import WEIGHTS

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the labelled sets are not at {DATA}")


@needs_data
def test_near_duplicates_reach_their_aim_and_beat_any_threshold_on_containment() -> None:
    ours, *single, undated = dedup.figures(DATA)
    assert ours.value >= dedup.AIM
    assert undated.value >= 0.94
    for figure in single:
        assert figure.value < ours.low
        assert float(figure.note.split("p = ")[1].split()[0]) < 0.01


@needs_data
def test_stories_reach_their_aim_in_any_order_and_on_unseen_topics() -> None:
    figures = stories.figures(DATA)
    assert len(figures) == 4
    assert all(figure.value >= stories.AIM for figure in figures), figures


@needs_data
def test_the_command_prints_what_was_measured() -> None:
    result = CliRunner().invoke(evaluate, ["dedup", "--data", str(DATA), "--json"])
    said = json.loads(result.output)
    assert said[0]["name"] == "near-duplicates"
    assert said[0]["reached"] is True
    assert "near-duplicates" in CliRunner().invoke(evaluate, ["dedup", "--data", str(DATA)]).output


def test_without_the_sets_nothing_is_measured_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLIENTLORE_EVALUATION_DIR", raising=False)
    for arguments in (["dedup"], ["stories", "--data", str(tmp_path / "none")]):
        with pytest.raises(NotFoundError, match="labelled sets"):
            CliRunner().invoke(evaluate, arguments, catch_exceptions=False)
    with pytest.raises(NotFoundError, match="ecbplus"):
        stories.figures(tmp_path)


def test_no_pair_and_no_story_is_in_both_halves_of_the_labels() -> None:
    labels = dedup.labels()
    halves = [
        {n for row in labels.filter(labels["half"] == half).rows() for n in row[:2]}
        for half in ("tune", "check")
    ]
    assert not halves[0] & halves[1]
    assert all(len(half) > 100 for half in halves)


def test_evidence_for_weighs_for_and_evidence_against_weighs_against() -> None:
    for_it = {name for name, weight in WEIGHTS.items() if weight > 0}
    assert for_it == {"containment", "headline", "marked"}


def test_figures_have_intervals_that_hold_them_and_a_paired_test() -> None:
    truth = np.array([True] * 40 + [False] * 60)
    said = truth.copy()
    said[:4] = False
    found = with_interval(lambda at: f1(truth[at], said[at]), 100)
    assert found.value == f1(truth, said) == pytest.approx(2 * 36 / 76)
    assert found.low < found.value < found.high
    assert sign_test(truth, truth) == 1.0
    assert sign_test(np.ones(10, bool), np.zeros(10, bool)) == pytest.approx(2 / 1024)
    assert Figure("x", 0.9, 0.8, 1.0, 5, aim=0.95).reached is False
    assert Figure("x", 0.9, 0.8, 1.0, 5).reached is None
