"""Policies in Dagster: the sensor starts one run for what is due, the run does it once, a day of memory is a job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from clientlore.control import tables as t
from clientlore.memory.automation import (
    AutomationController,
    AutomationPolicy,
    TaskManager,
    TaskPriority,
    TaskStatus,
)
from clientlore.memory.documents import Documents, NewDocument
from clientlore.memory.log import Operation
from clientlore.memory.maintenance.connections import CONNECTIONS
from clientlore.memory.maintenance.insights import INSIGHTS
from clientlore.memory.service import MemoryService
from clientlore.workspace import Workspace
from orchestration.definitions import defs
from orchestration.tasks import STATUSES
from sensors.memory_policies import memory_policies
from tests.glue.test_sensors import tick


@pytest.fixture
def controller(tenant: Workspace) -> AutomationController:
    service = MemoryService(tenant, "acme")
    old = datetime.now(UTC) - timedelta(days=80)
    service.append(
        [
            Operation(
                "acme", "harbor-foods", f"m{n}", "add", "event", f"word{n} at Vela Logistics thing{n}", old, "load",
                "r", f"m{n}", valid_from=old,
            )
            for n in range(12)
        ]
    )  # fmt: skip
    made = AutomationController(service)
    made.create_policy(
        AutomationPolicy(
            user_id="harbor-foods",
            auto_summarization=True,
            summarization_threshold=11,
            health_monitoring=True,
        )
    )
    return made


def run(instance: dg.DagsterInstance, request: Any) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def(request.job_name)
    return job.execute_in_process(
        instance=instance, run_config=request.run_config, tags=request.tags, raise_on_error=False
    )


def test_a_policy_that_is_due_becomes_one_run_that_does_it_once(
    controller: AutomationController, instance: dg.DagsterInstance
) -> None:
    (request,), _ = tick(memory_policies, instance)
    assert request.tags["clientlore/features"] == "health,summarization"
    assert tick(memory_policies, instance)[0] == []
    assert run(instance, request).success
    found = TaskManager(controller).get_user_tasks("harbor-foods")
    assert {task.status for task in found} == {TaskStatus.COMPLETED}
    state = controller.memory_service.state()
    assert state["kind"].to_list() == ["summary"]
    assert run(instance, request).success
    assert controller.memory_service.log().height == 12 + 1 + 12
    assert tick(memory_policies, instance)[0] == []


def test_the_most_urgent_task_says_how_urgent_its_run_is(
    controller: AutomationController, instance: dg.DagsterInstance
) -> None:
    manager = TaskManager(controller, "dagster")
    manager.submit_task("harbor-foods", "health", TaskPriority.LOW)
    manager.submit_task("harbor-foods", "decay", TaskPriority.CRITICAL)
    (request,), _ = tick(memory_policies, instance)
    assert request.tags["dagster/priority"] == "20"


def test_a_task_whose_run_died_is_tried_again(
    controller: AutomationController, instance: dg.DagsterInstance
) -> None:
    tick(memory_policies, instance)
    workspace = controller.workspace
    now = workspace.clock.now()
    with workspace.control.write() as connection:
        run_row = {
            "run_id": "r1", "root_run_id": "r1", "job": "memory_automation", "host": "h", "pid": 1,
            "process_started": 0.0, "is_backfill": False, "scope": {}, "started_at": now, "heartbeat_at": now,
            "ended_at": now, "outcome": "dead",
        }  # fmt: skip
        connection.execute(sa.insert(t.runs).values(**run_row))
        connection.execute(
            sa.update(t.memory_tasks).values(status="running", run_id="r1", attempts=1)
        )
    tick(memory_policies, instance)
    found = TaskManager(controller).get_user_tasks("harbor-foods")
    assert {(task.status, task.attempts) for task in found} == {(TaskStatus.PENDING, 1)}


def test_a_day_of_memory_is_a_job_with_its_promises_as_checks(
    controller: AutomationController, instance: dg.DagsterInstance
) -> None:
    today = datetime.now(UTC).date()
    said = "The CFO of Harbor Foods is Ann Lee."
    given = NewDocument("harbor-foods", "call", "call.txt", f"Good call. {said}")
    Documents(controller.workspace, "acme").add_document(given)
    job = defs.resolve_job_def("daily_memory")
    done = job.execute_in_process(instance=instance, partition_key=today.isoformat())
    assert done.success
    (made,) = done.asset_materializations_for_node("core__memory_log")
    assert made.metadata["passages_read"].value == made.metadata["from_documents"].value == 1
    assert said in controller.memory_service.state()["text"]
    checks = {c.check_name: c.passed for c in done.get_asset_check_evaluations()}
    assert checks["owners_in_time"]
    assert checks["owners_succeeded"]
    lake = controller.workspace.lake
    assert lake.scan(CONNECTIONS, ["acme"]).collect().height > 0
    assert lake.days(INSIGHTS, "acme") == [today]
    page = controller.workspace.settings.pages / "acme" / "memory-maintenance.md"
    assert "## Summarization" in page.read_text()


def test_every_status_of_a_run_is_one_of_a_task() -> None:
    assert set(STATUSES) == set(dg.DagsterRunStatus)
