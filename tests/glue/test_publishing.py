"""The job that publishes the analysts' database: an asset for each model, a check for each test, one file."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from assets.analyse import PROJECT
from clientlore.control import tables as t
from clientlore.storage import dbt
from clientlore.workspace import Workspace
from orchestration.definitions import build_defs, defs
from tests.glue.conftest import DAY, RunJob

MANIFEST = dbt.read_manifest(dbt.default_folder())
MODELS = {node.rsplit(".", 1)[1] for node in MANIFEST["nodes"] if node.startswith("model.")}
TESTS = [node for node in MANIFEST["nodes"] if node.startswith("test.")]


def made_by(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetMaterialization]:
    events = (event.materialization for event in result.get_asset_materialization_events())
    return {event.asset_key.to_user_string(): event for event in events if event.asset_key}


def test_the_job_materializes_every_model_and_publishes_what_a_reader_opens(
    tenant: Workspace, run_job: RunJob
) -> None:
    assert run_job("client_monitoring").success
    result = run_job("publish_warehouse", None)
    assert result.success
    made = made_by(result)
    assert {key.rsplit("/", 1)[1] for key in made if key.startswith("out/marts/")} == MODELS
    assert {"out/exports", "out/warehouse"} <= set(made)
    build = tenant.warehouse.current()
    assert build is not None
    shown = made["out/warehouse"].metadata
    assert shown["build"].value == build.build_id
    assert shown["dagster/row_count"].value == sum(build.rows.values())
    assert str(shown["plot"].value).startswith("![plot](data:image/png;base64,")
    assert made["out/marts/events"].metadata["dagster/row_count"].value == build.rows["events"]
    with tenant.warehouse.connect() as opened:
        assert opened.execute("SELECT DISTINCT day::VARCHAR FROM events").fetchall() == [(DAY,)]
    checks = [c for c in result.get_asset_check_evaluations() if "marts" in c.asset_key.path]
    assert len(checks) == len(TESTS)
    assert all(check.passed for check in checks)
    assert list((tenant.warehouse.root / "work").iterdir()) == []


@pytest.mark.usefixtures("bare")
@pytest.mark.no_cover
def test_a_test_that_fails_refuses_the_build_and_what_is_out_stays(
    tenant: Workspace, run_job: RunJob
) -> None:
    assert run_job("client_monitoring").success
    assert run_job("publish_warehouse", None).success
    out = tenant.warehouse.current()
    with tenant.control.write() as connection:
        connection.execute(sa.update(t.collections).values(items=-5))
    result = run_job("publish_warehouse", None)
    assert not result.success
    assert tenant.warehouse.current() == out
    failed = [c for c in result.get_asset_check_evaluations() if not c.passed]
    assert [c.check_name for c in failed] == ["between_stg_collections_items__0"]
    assert failed[0].severity == dg.AssetCheckSeverity.ERROR
    assert str(failed[0].description).endswith("rows are not as they should be")
    assert "out/warehouse" not in made_by(result)
    with tenant.control.read() as connection:
        run = (
            connection.execute(sa.select(t.runs).where(t.runs.c.run_id == result.run_id))
            .mappings()
            .one()
        )
    assert run["outcome"] == "failed"
    assert "between_stg_collections_items" in run["error"]


@pytest.mark.usefixtures("bare")
@pytest.mark.no_cover
def test_a_broken_promise_is_shown_and_published_all_the_same(
    tenant: Workspace, run_job: RunJob
) -> None:
    assert run_job("client_monitoring").success
    out = tenant.lake.root / "core" / "events"
    for path in out.rglob("*.parquet"):
        path.unlink()
    result = run_job("publish_warehouse", None)
    assert result.success
    failed = {c.check_name for c in result.get_asset_check_evaluations() if not c.passed}
    assert any(name.startswith("in_parent_stg_relevance") for name in failed)
    assert tenant.warehouse.current() is not None


def test_without_a_parsed_project_everything_else_loads_and_a_warning_says_what_to_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="clientlore"):
        made = build_defs(prepared=tmp_path)
    assert "make setup" in caplog.text
    keys = {key.to_user_string() for key in made.resolve_asset_graph().get_all_asset_keys()}
    assert "out/exports" in keys
    assert not {key for key in keys if "marts" in key or key == "out/warehouse"}
    for job in ("refresh_outputs", "publish_warehouse"):
        assert made.resolve_job_def(job)


def test_a_project_that_was_parsed_before_it_changed_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / dbt.MANIFEST).write_text(json.dumps(MANIFEST))
    (tmp_path / "fingerprint").write_text("of yesterday")
    with caplog.at_level(logging.WARNING, logger="clientlore"):
        build_defs(prepared=tmp_path)
    assert "has changed since it was parsed" in caplog.text


def test_lineage_leads_from_what_is_collected_through_each_model_to_the_file() -> None:
    assert dbt.is_prepared(PROJECT, dbt.default_folder()), "run `make setup`"
    graph = defs.resolve_asset_graph()

    def parents(key: str) -> set[str]:
        return {k.to_user_string() for k in graph.get(dg.AssetKey(key.split("/"))).parent_keys}

    assert parents("out/marts/staging/stg_events") == {"core/events"}
    assert parents("out/marts/staging/stg_decisions") == {"out/exports"}
    assert "out/marts/staging/stg_events" in parents("out/marts/events")
    assert parents("out/warehouse") == {
        key.to_user_string()
        for key in graph.get_all_asset_keys()
        if key.path[:2] == ["out", "marts"] and len(key.path) == 3
    }
    for key in graph.get_all_asset_keys():
        if key.path[:2] == ["out", "marts"]:
            node = graph.get(key)
            assert node.group_name == "analyse"
            assert node.kinds == {"dbt", "duckdb"}
            assert node.owners == ["team:analysts"]
            assert (node.description or "")[:4] in {"A ro", "The "}
