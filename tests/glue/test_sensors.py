"""Sensors: what is due is dispatched once, what died is failed, what waits is sent."""

from __future__ import annotations

import datetime
import subprocess
import sys
from typing import Any

import dagster as dg
import psutil
import pytest
import sqlalchemy as sa

from clientlore.control import fires, runs
from clientlore.control import tables as t
from clientlore.control.runs import Process
from clientlore.ids import new_id
from clientlore.workspace import Workspace
from orchestration.definitions import defs
from sensors.due_schedules import due_schedules
from sensors.reaper import dead_runs, reap
from sensors.waiting_mail import waiting_mail


def tick(sensor: dg.SensorDefinition, instance: dg.DagsterInstance) -> tuple[list[Any], str]:
    """What a sensor asks for, and why it skips."""
    context = dg.build_sensor_context(instance=instance, definitions=defs)
    data = sensor.evaluate_tick(context)
    return list(data.run_requests or []), data.skip_message or ""


@pytest.fixture
def overdue(tenant: Workspace) -> Workspace:
    """Both daily digests came due this moment: since an hour ago, one may have come due again."""
    just_now = tenant.clock.now()
    with tenant.control.write() as connection:
        connection.execute(sa.update(t.automation_schedules).values(next_run_at=just_now))
    return tenant


@pytest.fixture
def ended_process() -> Process:
    """A process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = Process(Process.here().host, child.pid, psutil.Process(child.pid).create_time())
    child.kill()
    child.communicate()
    return found


def test_everything_due_on_one_day_becomes_one_run_that_names_its_fires(
    overdue: Workspace, instance: dg.DagsterInstance
) -> None:
    requests, _ = tick(due_schedules, instance)
    assert len(requests) == 1
    config = requests[0].run_config["resources"]["run"]["config"]
    with overdue.control.read() as connection:
        rows = connection.execute(sa.select(t.fires)).mappings().all()
    assert sorted(config["fires"]) == sorted(row["fire_id"] for row in rows)
    assert len(rows) == 2
    assert config["tenants"] == ["acme"]
    assert {str(row["day"]) for row in rows} == {requests[0].partition_key}
    assert {row["state"] for row in rows} == {"dispatched"}


def test_the_next_tick_does_not_ask_again_for_what_is_dispatched(
    overdue: Workspace, instance: dg.DagsterInstance
) -> None:
    assert len(tick(due_schedules, instance)[0]) == 1
    requests, skipped = tick(due_schedules, instance)
    assert requests == []
    assert skipped == "nothing is due"


def test_what_no_run_claimed_within_two_minutes_is_asked_for_again_under_another_key(
    overdue: Workspace, instance: dg.DagsterInstance
) -> None:
    first = tick(due_schedules, instance)[0][0]
    old = overdue.clock.now() - datetime.timedelta(seconds=fires.CLAIM_SECONDS + 1)
    with overdue.control.write() as connection:
        connection.execute(sa.update(t.fires).values(dispatched_at=old))
    again = tick(due_schedules, instance)[0][0]
    assert again.run_config == first.run_config
    assert again.run_key != first.run_key


def test_a_fire_claimed_by_a_run_that_died_is_asked_for_again(
    overdue: Workspace, instance: dg.DagsterInstance, ended_process: Process
) -> None:
    request = tick(due_schedules, instance)[0][0]
    ids = request.run_config["resources"]["run"]["config"]["fires"]
    run_id = new_id()
    now = overdue.clock.now()
    with overdue.control.write() as connection:
        runs.begin(
            connection,
            run_id=run_id,
            root_run_id=run_id,
            job="client_monitoring",
            is_backfill=False,
            scope={},
            now=now,
            process=ended_process,
        )
        assert len(fires.claim(connection, ids, run_id, now)) == 2
    assert tick(due_schedules, instance)[0] == []
    assert reap(instance, overdue) == [run_id]
    again = tick(due_schedules, instance)[0]
    assert len(again) == 1
    assert again[0].run_config == request.run_config


def test_a_run_whose_process_is_gone_is_failed_in_dagster_too(
    tenant: Workspace, instance: dg.DagsterInstance, ended_process: Process
) -> None:
    job = defs.resolve_job_def("client_monitoring")
    run = instance.create_run_for_job(job, tags={"dagster/partition": "2026-11-20"})
    instance.report_engine_event("begins", run)
    instance.handle_run_event(
        run.run_id,
        dg.DagsterEvent(event_type_value=dg.DagsterEventType.RUN_START.value, job_name=job.name),
    )
    with tenant.control.write() as connection:
        runs.begin(
            connection,
            run_id=run.run_id,
            root_run_id=run.run_id,
            job=job.name,
            is_backfill=False,
            scope={},
            now=tenant.clock.now(),
            process=ended_process,
        )
    _, skipped = tick(dead_runs, instance)
    assert run.run_id in skipped
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status == dg.DagsterRunStatus.FAILURE
    with tenant.control.read() as connection:
        row = runs.get_run(connection, run.run_id)
    assert row["outcome"] == "dead"
    assert f"process {ended_process.pid}" in row["error"]
    assert tick(dead_runs, instance)[1] == "no dead run"


def test_every_tick_leaves_a_beat_that_a_watchdog_can_see(
    tenant: Workspace, instance: dg.DagsterInstance
) -> None:
    for sensor in (due_schedules, dead_runs, waiting_mail):
        tick(sensor, instance)
    with tenant.control.read() as connection:
        beats = {row["component"] for row in runs.component_beats(connection)}
    assert beats == {"sensor:due_schedules", "sensor:dead_runs", "sensor:waiting_mail"}


def test_mail_whose_time_has_come_is_asked_for_once(
    tenant: Workspace, instance: dg.DagsterInstance
) -> None:
    assert tick(waiting_mail, instance) == ([], "0 messages wait, 0 runs are sending")
    now = tenant.clock.now()
    with tenant.control.write() as connection:
        connection.execute(
            sa.insert(t.outbox).values(
                outbox_id="o1",
                tenant_id="acme",
                recipient="ann@acme.example",
                channel="folder",
                message_id="<1@x>",
                file_name="1.eml",
                subject="s",
                blob="0" * 64,
                state="pending",
                not_before=now,
                attempts=0,
                created_at=now,
                updated_at=now,
            )
        )
    requests, _ = tick(waiting_mail, instance)
    assert len(requests) == 1
    instance.create_run_for_job(
        defs.resolve_job_def("send_waiting_mail"), status=dg.DagsterRunStatus.STARTED
    )
    assert tick(waiting_mail, instance) == ([], "1 messages wait, 1 runs are sending")


def test_schedules_of_a_held_tenant_do_not_fire(
    overdue: Workspace, instance: dg.DagsterInstance
) -> None:
    with overdue.control.write() as connection:
        connection.execute(sa.update(t.tenants).values(status="held", held_reason="looked into"))
    assert tick(due_schedules, instance)[0] == []
