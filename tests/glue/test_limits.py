"""The limits in force are those of dagster.yaml, and the production file is one that Dagster accepts."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
import pytest
import yaml

from clientlore.settings import Settings
from orchestration.home import instance, limits_file, limits_in_force, prepare_home

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a temporary home; the variables that a start sets are taken back."""
    for name in ("DAGSTER_HOME", "CLIENTLORE_HOME", "CLIENTLORE_APP", "DAGSTER_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.delenv("CLIENTLORE_HOME")
    return Settings(home=tmp_path / "home")


def test_the_limits_in_force_are_those_of_the_file_at_the_root(settings: Settings) -> None:
    wanted = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    with instance(settings) as opened:
        for name, value in wanted.items():
            assert opened.get_settings(name) == value, name
        assert opened.get_concurrency_config().run_queue_config.max_concurrent_runs == 4
        assert opened.telemetry_enabled is False
        assert limits_in_force(opened) == []


def test_a_file_that_was_changed_by_hand_is_put_right_by_the_next_start(settings: Settings) -> None:
    home = prepare_home(settings)
    (home / "dagster.yaml").write_text("concurrency: {runs: {max_concurrent_runs: 99}}\n")
    with dg.DagsterInstance.from_config(str(home)) as stale:
        assert any(
            "max_concurrent_runs: 4 in the file, 99 in force" in x for x in limits_in_force(stale)
        )
    with instance(settings) as opened:
        assert limits_in_force(opened) == []


def test_the_root_file_needs_no_database() -> None:
    assert "storage" not in yaml.safe_load((ROOT / "dagster.yaml").read_text())


def test_the_production_file_differs_in_storage_and_size_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = ROOT / "deploy" / "dagster.production.yaml"
    production, root = (yaml.safe_load(f.read_text()) for f in (file, ROOT / "dagster.yaml"))
    assert production.pop("storage") == {"postgres": {"postgres_url": {"env": "DAGSTER_PG_URL"}}}
    assert production.keys() == root.keys()
    assert production["telemetry"] == root["telemetry"] == {"enabled": False}
    monkeypatch.setenv("CLIENTLORE_DAGSTER_YAML", str(file))
    assert limits_file() == file
    # Dagster reads it as an instance: everything but the database, which is not there.
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(production))
    with dg.DagsterInstance.from_config(str(tmp_path)) as opened:
        assert opened.get_settings("concurrency") == production["concurrency"]
