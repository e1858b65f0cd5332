"""What a task's status is while Dagster has it: every status of a run is one of a task."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from clientlore.memory.automation.tasks import TaskStatus

STATUSES: Mapping[dg.DagsterRunStatus, TaskStatus] = {
    dg.DagsterRunStatus.NOT_STARTED: TaskStatus.PENDING,
    dg.DagsterRunStatus.MANAGED: TaskStatus.PENDING,
    dg.DagsterRunStatus.QUEUED: TaskStatus.PENDING,
    dg.DagsterRunStatus.STARTING: TaskStatus.PENDING,
    dg.DagsterRunStatus.SUSPENDED: TaskStatus.PENDING,
    dg.DagsterRunStatus.STARTED: TaskStatus.RUNNING,
    dg.DagsterRunStatus.CANCELING: TaskStatus.RUNNING,
    dg.DagsterRunStatus.SUCCESS: TaskStatus.COMPLETED,
    dg.DagsterRunStatus.FAILURE: TaskStatus.FAILED,
    dg.DagsterRunStatus.CANCELED: TaskStatus.CANCELLED,
}
