"""The asset that measures decisions on labelled sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from clientlore.evaluation import everything
from clientlore.evaluation.figures import Figure
from clientlore.workspace import Workspace
from tests.glue.conftest import RunJob
from tests.glue.test_training import put_sets

ACCURACY = "categories twitter_financial_news_topic, accuracy"


def test_without_sets_nothing_is_measured_and_it_is_said(
    tenant: Workspace,
    run_job: RunJob,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CLIENTLORE_EVALUATION_DIR", raising=False)
    result = run_job("evaluate", None)
    assert result.success
    assert result.get_asset_materialization_events() == []
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    assert "skipped" in (check.description or "")


def test_a_figure_below_what_was_accepted_fails_the_check(
    tenant: Workspace,
    run_job: RunJob,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLIENTLORE_EVALUATION_DIR", str(put_sets(tmp_path / "sets")))
    accepted: dict[str, Figure] = {}
    monkeypatch.setattr(everything, "accepted", lambda: accepted)
    monkeypatch.setattr("assets.evaluate.accepted", lambda: accepted)
    result = run_job("evaluate", None)
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["dagster/row_count"].value == 3
    assert ACCURACY in str(metadata["figures"].value)
    for picture in ("plot", "reliability twitter_financial_news_topic"):
        assert "data:image/png" in str(metadata[picture].value)
    assert len(metadata["absent"].value) == 4  # type: ignore[arg-type]
    assert all(check.passed for check in result.get_asset_check_evaluations())
    measured = str(metadata["figures"].value).split(ACCURACY)[1].split("|")
    accepted[ACCURACY] = Figure(ACCURACY, 1.2, 1.1, 1.3, int(measured[3]))
    (check,) = run_job("evaluate", None).get_asset_check_evaluations()
    assert not check.passed
    assert ACCURACY in (check.description or "")
