"""The asset that trains the local classifier."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from random import Random

import pytest

from clientlore.monitoring.classifier import LIVE, live, of_tenant, shipped
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace
from tests.glue.conftest import RunJob
from tests.integration.test_teaching import FESTIVE, put_events, say, text_of

_PHRASES = {
    "M&A | Investments": ["buys rival", "agrees merger", "takeover bid"],
    "Legal | Regulation": ["sued in court", "judge rules", "fined by regulator"],
    "Markets": ["index drifts", "stocks mixed", "bond yields move"],
}
_MAP = {
    "M&A | Investments": "m_and_a",
    "Legal | Regulation": "legal_regulatory",
    "Markets": "other",
}


def put_sets(folder: Path) -> Path:
    """A labelled set of its own making."""
    rng = Random(3)
    rows = []
    for n in range(150):
        topic = rng.choice(sorted(_PHRASES))
        text = (
            f"Firm{rng.randrange(9_999)} {rng.choice(_PHRASES[topic])} {n} {rng.randrange(9_999)}"
        )
        rows.append({"text": text, "topic": topic})
    place = folder / "twitter_financial_news_topic"
    place.mkdir(parents=True)
    (folder / "taxonomy_map.json").write_text(json.dumps({place.name: _MAP}))
    with gzip.open(place / "train.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return folder


def test_without_sets_training_is_skipped_and_the_shipped_model_stays(
    tenant: Workspace, run_job: RunJob
) -> None:
    result = run_job("train_classifier", None)
    assert result.success
    assert result.get_asset_materialization_events() == []
    assert live(tenant.settings.models / LIVE) is shipped()


def test_what_a_tenants_people_said_teaches_its_own_model(
    real_time: Workspace, run_job: RunJob
) -> None:
    for tenant_id in ("acme", "other"):
        put_tenant(real_time, f"tenant: {tenant_id}\nname: A\nusers: [{{id: ann, name: Ann}}]\n")
    put_events(real_time, [text_of(n, FESTIVE) for n in range(24)])
    for n in range(24):
        say(real_time, n, "award")
    assert run_job("train_classifier", None).success
    models = real_time.settings.models
    assert of_tenant(models, "acme").version.startswith("taught-")
    assert of_tenant(models, "other") is shipped()


def test_a_model_is_trained_measured_and_put_in_force(
    tenant: Workspace, run_job: RunJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIENTLORE_TRAINING_DIR", str(put_sets(tmp_path / "sets")))
    result = run_job("train_classifier", None)
    assert result.success
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["live"].value is True
    assert 0 <= float(str(metadata["expected calibration error"].value)) < 0.5
    assert "data:image/png" in str(metadata["plot"].value)
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    model = live(tenant.settings.models / LIVE)
    assert model.version == metadata["version"].value != shipped().version
    assert model.sheet["licence"] == "MIT"
