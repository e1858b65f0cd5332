"""Finds runs that died and fails them, within a minute. Also called by every command that looks at runs."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime, timedelta

import dagster as dg
import sqlalchemy as sa

from clientlore.control import fires, runs
from clientlore.control import tables as t
from clientlore.runs import reaping
from clientlore.workspace import Workspace
from resources.run import open_workspace

UNKNOWN_AFTER = timedelta(seconds=60)
"""A run that Dagster has seen start and that has no heartbeat after this long died before its first one."""


def reap(instance: dg.DagsterInstance, workspace: Workspace) -> list[str]:
    """Fails dead runs in Dagster and in the control plane, and makes their fires due again; returns their ids."""

    def report(run_id: str, why: str) -> None:
        found = instance.get_run_by_id(run_id)
        if found is not None and not found.is_finished:
            instance.report_run_failed(found, f"The run died: {why}.")

    dead = list(reaping.reap(workspace, report))
    dead += _without_heartbeat(instance, workspace)
    with workspace.control.write() as connection:
        fires.release_stale(connection, workspace.audit("reaper", "a run died or never began"))
    return dead


def _without_heartbeat(instance: dg.DagsterInstance, workspace: Workspace) -> list[str]:
    before = datetime.now(UTC) - UNKNOWN_AFTER
    records = instance.get_run_records(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], created_before=before)
    )
    with workspace.control.read() as connection:
        known = set(
            connection.execute(
                sa.select(t.runs.c.run_id).where(
                    t.runs.c.run_id.in_([r.dagster_run.run_id for r in records])
                )
            ).scalars()
        )
    dead = []
    for record in records:
        run = record.dagster_run
        old = record.start_time is not None and record.start_time < before.timestamp()
        if old and run.run_id not in known:
            instance.report_run_failed(run, "The run died before its first heartbeat.")
            dead.append(run.run_id)
    return dead


@dg.sensor(
    name="dead_runs",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fails runs whose process is gone, which Dagster's default launcher does not notice, and lets what "
    "they were asked to do happen again. Leave it on.",
)
def dead_runs(context: dg.SensorEvaluationContext) -> Generator[dg.SkipReason]:
    with open_workspace() as workspace:
        dead = reap(context.instance, workspace)
        with workspace.control.write() as connection:
            runs.beat_component(connection, "sensor:dead_runs", workspace.clock.now())
    yield dg.SkipReason(
        f"failed {len(dead)} dead runs: {', '.join(dead)}" if dead else "no dead run"
    )
