"""How many runs of a job have not ended."""

from __future__ import annotations

import dagster as dg

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def unfinished_runs(context: dg.SensorEvaluationContext, job: str) -> int:
    """How many runs of a job are queued or running."""
    return context.instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=_UNFINISHED))
