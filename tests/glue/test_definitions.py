"""What Dagster loads: the keys people rely on, and what every asset, job and sensor tells about itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from clientlore.runs.checking import CHECKS
from clientlore.runs.stages import DAILY, FOR_ANALYSTS, STAGES, UNPARTITIONED, UPKEEP
from orchestration.definitions import build_defs, defs

ROOT = Path(__file__).resolve().parents[2]


def test_the_names_that_people_rely_on_do_not_change_unexpectedly() -> None:
    graph = defs.resolve_asset_graph()
    keys = sorted(key.to_user_string() for key in graph.get_all_asset_keys())
    assert [key for key in keys if not key.startswith("out/marts/")] == [
        "core/classifier",
        "core/config_snapshot",
        "core/connections",
        "core/events",
        "core/insights",
        "core/memories",
        "core/memory_log",
        "core/memory_maintenance",
        "core/relevance",
        "out/deliveries",
        "out/dossiers",
        "out/evaluation",
        "out/exports",
        "out/matches",
        "out/retention",
        "out/run_ledger",
        "out/store_health",
        "out/warehouse",
        "raw/crm_accounts",
        "raw/crm_activities",
        "raw/search_results",
    ]
    jobs = sorted(job.name for job in defs.resolve_all_job_defs() if not job.name.startswith("__"))
    assert jobs == [
        "client_monitoring",
        "daily_memory",
        "evaluate",
        "memory_automation",
        "publish_warehouse",
        "refresh_outputs",
        "reprocess_days",
        "send_waiting_mail",
        "take_inbox",
        "train_classifier",
    ]
    repository = defs.get_repository_def()
    assert sorted(schedule.name for schedule in repository.schedule_defs) == [
        "daily_memory_at_night",
        "publish_daily",
    ]
    assert sorted(sensor.name for sensor in repository.sensor_defs) == [
        "dead_runs",
        "due_schedules",
        "inbox",
        "memory_policies",
        "waiting_mail",
    ]


def test_every_stage_of_the_library_is_an_asset_and_days_are_its_partitions() -> None:
    graph = defs.resolve_asset_graph()
    for key in STAGES:
        node = graph.get(dg.AssetKey(key.split("/")))
        assert node.is_partitioned == (STAGES[key].by_day is not None), key
    assert {*DAILY, *UNPARTITIONED, *FOR_ANALYSTS, *UPKEEP} == set(STAGES)


@pytest.mark.parametrize("key", sorted(CHECKS))
def test_every_asset_says_what_a_row_is_who_owns_it_and_what_it_checks(key: str) -> None:
    node = defs.resolve_asset_graph().get(dg.AssetKey(key.split("/")))
    assert node.group_name in {
        "collect",
        "understand",
        "remember",
        "deliver",
        "operate",
        "analyse",
    }
    assert node.kinds
    assert node.owners
    assert "A row is" in (node.description or "")
    declared = {(check.name, check.blocking) for check in CHECKS[key]}
    specs = {
        (spec.name, spec.blocking)
        for spec in (defs.resolve_assets_def(node.key).check_specs)
        if spec.asset_key == node.key
    }
    assert specs == declared


def test_every_job_and_sensor_says_when_one_would_use_it() -> None:
    for job in defs.resolve_all_job_defs():
        assert job.name.startswith("__") or len(job.description or "") > 60, job.name
    for sensor in defs.get_repository_def().sensor_defs:
        assert len(sensor.description or "") > 60
        assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    for schedule in defs.get_repository_def().schedule_defs:
        assert len(schedule.description or "") > 60


def test_the_whole_location_runs_in_process_since_backfills_do_not_ask_the_job() -> None:
    assert defs.executor is dg.in_process_executor


def test_definitions_load_without_one_variable_and_without_the_heavy_packages() -> None:
    code = (
        "import json, sys; from orchestration.definitions import defs; import dagster as dg;"
        "dg.Definitions.validate_loadable(defs);"
        "heavy = ('great_expectations', 'lancedb', 'matplotlib', 'pandas', 'feedparser', 'alembic',"
        "'duckdb', 'dbt.cli');"
        "print(json.dumps([name for name in heavy if name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_workspace_yaml_names_the_module_that_is_tested_here() -> None:
    listed = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"][0]["python_module"]
    assert listed == {
        "module_name": "orchestration.definitions",
        "working_directory": ".",
        "location_name": "clientlore",
    }


def test_other_resources_can_be_put_in_the_place_of_the_usual_ones() -> None:
    marker = object()
    made = build_defs(resources={"scorer": marker})
    assert made.resources is not None
    assert made.resources["scorer"] is marker
    assert set(made.resources) == {"run", "scorer", "embedder"}
