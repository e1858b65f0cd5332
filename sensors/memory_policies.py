"""Applies policies of memory: looks what is due, writes it down once, and starts one run for what waits."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from clientlore.control import runs
from clientlore.ids import stable_id
from clientlore.memory.automation import tasks
from clientlore.memory.automation.controller import fire_due
from resources.run import open_workspace

JOB = "memory_automation"
PRIORITY = "dagster/priority"


def run_request(waiting: list[tasks.BackgroundTask]) -> dg.RunRequest:
    """The run that does some tasks; the most urgent says how urgent it is. A task is claimed once, whatever runs."""
    ids = [task.task_id for task in waiting]
    config = {"tenants": sorted({task.tenant_id for task in waiting}), "tasks": ids}
    attempts = "-".join(str(task.attempts) for task in waiting)
    return dg.RunRequest(
        run_key=stable_id(*ids, attempts),
        job_name=JOB,
        run_config={"resources": {"run": {"config": config}}},
        tags={
            PRIORITY: str(max(tasks.PRIORITIES[task.priority] for task in waiting)),
            "clientlore/tasks": str(len(ids)),
            "clientlore/features": ",".join(sorted({task.task_type for task in waiting})),
            "clientlore/trigger": ",".join(sorted({task.trigger for task in waiting})),
        },
    )


@dg.sensor(
    name="memory_policies",
    job_name=JOB,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Applies the policies of memory that people have set (`clientlore policy list`) and starts one run for "
    "what is due, and for tasks that were asked for. Without a policy it does nothing; a policy is changed as data.",
)
def memory_policies(
    context: dg.SensorEvaluationContext,
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    with open_workspace() as workspace:
        fire_due(workspace)
        now = workspace.clock.now()
        with workspace.control.write() as connection:
            tasks.release_dead(connection, now)
            waiting = tasks.dispatch(connection, now)
            runs.beat_component(connection, "sensor:memory_policies", now)
    if waiting:
        yield run_request(waiting)
    else:
        yield dg.SkipReason(
            "no policy is due and no task waits; `clientlore policy explain` says why"
        )
