"""A day through the job: lineage, metadata, checks, and who is mailed."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import dagster as dg
import polars as pl
import pytest
import sqlalchemy as sa

from clientlore.control import fires
from clientlore.control import tables as t
from clientlore.ids import new_id
from clientlore.monitoring.events import EVENTS
from clientlore.runs.checking import CHECKS
from clientlore.runs.stages import DAILY, FOR_ANALYSTS, UNPARTITIONED, UPKEEP
from clientlore.workspace import Workspace

DAY = "2026-11-20"
RunJob = Callable[..., dg.ExecuteInProcessResult]


def written_fire(workspace: Workspace, day: str = DAY) -> str:
    """A fire by hand, as `run --deliver` writes one."""
    with workspace.control.write() as connection:
        return fires.write_by_hand(
            connection,
            workspace.audit("test", "deliver"),
            tenant_id="acme",
            day=datetime.date.fromisoformat(day),
        ).fire_id


def mails(workspace: Workspace) -> list[str]:
    """The mails in the folder."""
    return sorted(p.name for p in workspace.settings.mail.glob("*.eml"))


def state_of(workspace: Workspace, fire_id: str) -> str:
    with workspace.control.read() as connection:
        query = sa.select(t.fires.c.state).where(t.fires.c.fire_id == fire_id)
        return str(connection.execute(query).scalar_one())


def test_a_day_is_materialized_from_collection_to_ledger_with_counts_and_a_plot(
    tenant: Workspace, run_job: RunJob
) -> None:
    result = run_job("client_monitoring")
    assert result.success
    made = {
        event.asset_key.to_user_string(): event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }
    assert set(made) == {*DAILY, *UNPARTITIONED}
    events = made["core/events"]
    rows = tenant.lake.scan(EVENTS, ["acme"]).collect().height
    assert events["dagster/row_count"].value == rows > 0
    assert events["items"].value == events["events"].value + events["folded"].value  # type: ignore[operator]
    assert str(events["plot"].value).startswith("![plot](data:image/png;base64,")
    assert "| acme |" in str(events["tenants"].value)
    assert 0 < events["folded_rate"].value < 1  # type: ignore[operator]


def test_every_declared_check_is_emitted_and_passes_on_good_data(
    tenant: Workspace, run_job: RunJob
) -> None:
    result = run_job("client_monitoring")
    said = {
        (check.asset_key.to_user_string(), check.check_name): check.passed
        for check in result.get_asset_check_evaluations()
    }
    assert said == {
        (stage, c.name): True
        for stage, checks in CHECKS.items()
        for c in checks
        if stage not in {*FOR_ANALYSTS, *UPKEEP}
    }


@pytest.mark.usefixtures("bare")
def test_where_a_package_of_checks_and_pictures_is_missing_the_day_goes_on_and_says_what_was_left_out(
    tenant: Workspace, run_job: RunJob
) -> None:
    result = run_job("client_monitoring")
    assert result.success
    left = {
        (check.asset_key.to_user_string(), check.check_name): (check.severity, check.description)
        for check in result.get_asset_check_evaluations()
        if not check.passed
    }
    said = "It was left out: the package that it needs is not installed."
    assert left == {
        (stage, "shape"): (dg.AssetCheckSeverity.WARN, said)
        for stage in ("raw/search_results", "core/events")
    }
    made = result.get_asset_materialization_events()
    assert not [event for event in made if "plot" in event.materialization.metadata]


def test_metadata_and_logs_hold_no_content(
    tenant: Workspace, run_job: RunJob, instance: dg.DagsterInstance
) -> None:
    result = run_job("client_monitoring")
    titles = tenant.lake.scan(EVENTS, ["acme"]).collect()["title"].to_list()
    logged = "\n".join(str(record) for record in instance.all_logs(result.run_id))
    assert titles
    assert not [title for title in titles if title in logged]
    assert "ann@acme.example" not in logged


@pytest.mark.usefixtures("bare")
def test_a_run_without_a_fire_mails_nobody(tenant: Workspace, run_job: RunJob) -> None:
    assert run_job("client_monitoring").success
    assert mails(tenant) == []


@pytest.mark.usefixtures("bare")
def test_a_run_mails_for_the_fire_it_claims_once(tenant: Workspace, run_job: RunJob) -> None:
    fire = written_fire(tenant)
    assert run_job("client_monitoring", fires=[fire]).success
    sent = mails(tenant)
    assert len(sent) == 2
    assert state_of(tenant, fire) == "done"
    assert run_job("client_monitoring", fires=[fire]).success
    assert mails(tenant) == sent


def test_a_copy_of_a_run_is_authorised_to_nothing(
    tenant: Workspace, run_job: RunJob, instance: dg.DagsterInstance
) -> None:
    fire = written_fire(tenant)
    with tenant.control.write() as connection:
        claimed = fires.claim(connection, [fire], new_id(), tenant.clock.now())
    assert len(claimed) == 1
    assert run_job("client_monitoring", fires=[fire]).success
    assert mails(tenant) == []
    assert state_of(tenant, fire) == "claimed"


def test_a_backfill_mails_nobody_whatever_its_configuration_says(
    tenant: Workspace, run_job: RunJob
) -> None:
    fire = written_fire(tenant)
    run_job("client_monitoring", fires=[fire], tags={"dagster/backfill": "b1"})
    assert mails(tenant) == []
    assert state_of(tenant, fire) == "dispatched"


@pytest.mark.usefixtures("bare")
def test_what_a_backfill_recovered_comes_in_the_next_window_as_late(
    tenant: Workspace, run_job: RunJob
) -> None:
    run_job("client_monitoring", DAY, fires=[written_fire(tenant)])
    before = set(mails(tenant))
    run_job("reprocess_days", "2026-11-19", tags={"dagster/backfill": "b1"})
    assert set(mails(tenant)) == before
    run_job("client_monitoring", DAY, fires=[written_fire(tenant)])
    with tenant.control.read() as connection:
        late = connection.execute(
            sa.select(t.notifications.c.day, t.notifications.c.is_late).where(
                t.notifications.c.is_late, t.notifications.c.decision == "sent"
            )
        ).all()
    assert late
    assert {str(row.day) for row in late} == {"2026-11-19"}
    assert len(mails(tenant)) > len(before)


@pytest.mark.usefixtures("bare")
def test_clients_narrow_what_is_asked_and_nothing_that_is_derived(
    tenant: Workspace, run_job: RunJob
) -> None:
    run_job("reprocess_days")
    events = tenant.lake.scan(EVENTS, ["acme"]).collect()
    result = run_job("reprocess_days", clients=["Harbor Foods"])
    asked = [
        e.materialization.metadata["sources"].value
        for e in result.get_asset_materialization_events()
        if e.asset_key == dg.AssetKey(["raw", "search_results"])
    ]
    assert asked == [1]
    assert tenant.lake.scan(EVENTS, ["acme"]).collect().equals(events)


@pytest.mark.usefixtures("bare")
def test_a_run_over_a_range_works_its_days_in_order(
    tenant: Workspace, home: object, instance: dg.DagsterInstance
) -> None:
    from orchestration.definitions import build_defs
    from resources.run import RunResource

    defs = build_defs(resources={"run": RunResource(home=str(home))})
    result = defs.resolve_job_def("reprocess_days").execute_in_process(
        instance=instance,
        tags={
            "dagster/asset_partition_range_start": "2026-11-18",
            "dagster/asset_partition_range_end": DAY,
        },
    )
    assert result.success
    with tenant.control.read() as connection:
        days = connection.execute(
            sa.select(t.stage_runs.c.day)
            .where(t.stage_runs.c.stage == "core/events")
            .order_by(t.stage_runs.c.seq)
        ).scalars()
        assert [str(day) for day in days] == ["2026-11-18", "2026-11-19", DAY]


@pytest.mark.usefixtures("bare")
def test_jobs_have_the_assets_their_description_promises(
    run_job: RunJob, tenant: Workspace
) -> None:
    assert {
        e.asset_key.to_user_string()
        for e in run_job("reprocess_days").get_asset_materialization_events()
        if e.asset_key
    } == set(DAILY)
    refreshed = run_job("refresh_outputs", None)
    keys = {
        e.asset_key.to_user_string()
        for e in refreshed.get_asset_materialization_events()
        if e.asset_key
    }
    outputs = {key for key in keys if not key.startswith("out/marts/")}
    assert outputs == {*UNPARTITIONED, *FOR_ANALYSTS, "out/store_health", "out/warehouse"}
    assert refreshed.success


def test_an_own_scorer_judges_and_its_name_stands_on_every_row(
    tenant: Workspace, home: object, instance: dg.DagsterInstance
) -> None:
    from collections.abc import Sequence

    from clientlore.control.model import Client
    from clientlore.monitoring.relevance import RELEVANCE, RulesScorer
    from orchestration.definitions import build_defs
    from resources.collaborators import ScorerResource
    from resources.run import RunResource

    class Generous:
        method, version = "generous", "g1"

        def score(self, items: pl.DataFrame, clients: Sequence[Client]) -> pl.DataFrame:
            return RulesScorer().score(items, clients).with_columns(score=pl.lit(1.0))

    class GenerousResource(ScorerResource):
        def scorer(self) -> Generous:
            return Generous()

    defs = build_defs(resources={"run": RunResource(home=str(home)), "scorer": GenerousResource()})
    job = defs.resolve_job_def("reprocess_days")
    assert job.execute_in_process(instance=instance, partition_key=DAY).success
    rows = tenant.lake.scan(RELEVANCE, ["acme"]).collect()
    assert rows["method"].unique().to_list() == ["generous"]
    assert rows["score"].unique().to_list() == [1.0]


@pytest.mark.usefixtures("bare")
def test_dossiers_follow_a_day_and_an_edit_by_hand_is_named_by_a_check(
    tenant: Workspace, run_job: RunJob
) -> None:
    assert run_job("client_monitoring").success
    files = sorted(tenant.settings.dossiers.rglob("*.md"))
    assert len(files) >= 3
    first = tenant.settings.dossiers / "acme" / "clients" / "harbor-foods.md"
    before = first.read_text()
    first.write_text(before + "my note\n")
    result = run_job("refresh_outputs", None)
    assert result.success
    made = {
        e.asset_key.to_user_string(): e.materialization.metadata
        for e in result.get_asset_materialization_events()
        if e.asset_key
    }["out/dossiers"]
    counted = {name: made[name].value for name in ("changed", "unchanged", "edited")}
    assert counted == {"changed": 1, "unchanged": len(files) - 1, "edited": 1}
    assert made["files"].value == str(tenant.settings.dossiers)
    checks = {
        check.check_name: (check.passed, check.description)
        for check in result.get_asset_check_evaluations()
        if check.asset_key.to_user_string() == "out/dossiers"
    }
    passed, description = checks["untouched"]
    assert not passed
    assert "clients/harbor-foods.md was edited by hand" in str(description)
    assert checks["tenants_done"][0]
    assert first.read_text() == before
    kept = list((tenant.settings.dossiers / "acme" / "set-aside").iterdir())
    assert [path.read_text() for path in kept] == [before + "my note\n"]


@pytest.mark.parametrize("stage", ["core/events"])
def test_the_ledger_says_what_is_true_about_each_day(
    tenant: Workspace, run_job: RunJob, stage: str
) -> None:
    run_job("client_monitoring")
    with tenant.control.read() as connection:
        rows = connection.execute(sa.select(t.tenant_days)).mappings().all()
    assert {row["stage"] for row in rows} == set(DAILY)
    assert {row["state"] for row in rows} == {"done"}
    assert all(row["content_sha"] for row in rows if row["stage"] == stage)
