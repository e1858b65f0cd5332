"""Starts runs of jobs in this process, so that they are seen in the UI as any other, and can be re-executed there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

import dagster as dg

# Not public: `execute_job` leaves out where the job is served from, without which the UI cannot re-execute the run.
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from clientlore.control import runs
from clientlore.ids import new_id
from clientlore.run_context import Scope
from clientlore.runs.orchestrator import RunRequest, RunResult, with_fires
from clientlore.workspace import Workspace
from orchestration.home import APP

LOCATION = "clientlore"
MODULE = "orchestration.definitions"
REPOSITORY = "__repository__"

Tell = Callable[[str, dict[str, Any]], None]


def launch(
    opened: dg.DagsterInstance, workspace: Workspace, request: RunRequest, tell: Tell
) -> list[RunResult]:
    """Runs what is asked for, day by day and in order, and waits for it.

    One day, and every day that shall be delivered, is a run of its own from collection to mail. A range without
    mail is worked without the unpartitioned assets, which come once at the end.
    """
    if request.deliver or len(request.days) == 1:
        plan: list[tuple[str, date | None]] = [("client_monitoring", day) for day in request.days]
    else:
        plan = [("reprocess_days", day) for day in request.days]
        plan.append(("refresh_outputs", None))
    results = []
    for job, day in plan:
        scope = request.scope
        run_id = new_id()
        if request.deliver and day is not None:
            scope = with_fires(workspace, scope, day, f"run:{run_id}")
        tell("run", {"run_id": run_id, "job": job, "day": str(day or "")})
        results.append(_run(opened, workspace, job, day, scope, run_id))
        tell(
            "run_ended",
            {"run_id": run_id, "outcome": results[-1].outcome, "error": results[-1].error},
        )
    return results


def publish(opened: dg.DagsterInstance, workspace: Workspace, tell: Tell) -> RunResult:
    """Builds the analysts' database anew and publishes it, as a run of its own."""
    run_id = new_id()
    tell("run", {"run_id": run_id, "job": "publish_warehouse", "day": ""})
    return _run(opened, workspace, "publish_warehouse", None, Scope(), run_id)


def _run(
    opened: dg.DagsterInstance,
    workspace: Workspace,
    job_name: str,
    day: date | None,
    scope: Scope,
    run_id: str,
) -> RunResult:
    # The row comes first: whatever kills this process from here on, somebody will find the run.
    with workspace.control.write() as connection:
        runs.begin(
            connection,
            run_id=run_id,
            root_run_id=run_id,
            job=job_name,
            is_backfill=False,
            scope={k: list(v) if isinstance(v, tuple) else v for k, v in asdict(scope).items()},
            now=workspace.clock.now(),
        )
    try:
        success = _execute(opened, job_name, day, run_config(scope), run_id)
    finally:
        with workspace.control.write() as connection:
            # Does nothing where the run came so far as to write its own outcome.
            why = "the run could not be started"
            runs.end(connection, run_id, "failed", workspace.clock.now(), why)
    with workspace.control.read() as connection:
        ended = runs.get_run(connection, run_id)
    outcome = str(ended["outcome"])
    return RunResult(
        run_id=run_id,
        job=job_name,
        days=(day.isoformat(),) if day else (),
        outcome="failed" if not success else outcome,
        error=ended["error"] or (None if success else "see the run in the Dagster UI"),
    )


def run_config(scope: Scope) -> dict[str, Any]:
    """The configuration of a run with this scope."""
    asked = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(scope).items()}
    usual = asdict(Scope())
    config = {k: v for k, v in asked.items() if (v and v != usual[k]) or (k == "collect" and not v)}
    return {
        "resources": {"run": {"config": config}},
        "loggers": {"console": {"config": {"log_level": "ERROR"}}},
    }


def _execute(
    opened: dg.DagsterInstance,
    job_name: str,
    day: date | None,
    config: Mapping[str, Any],
    run_id: str,
) -> bool:
    repository = ReconstructableRepository.for_module(MODULE, "defs", working_directory=str(APP))
    job = repository.get_reconstructable_job(job_name)
    tags = {"clientlore/asked_by": "command"}
    if day is not None:
        tags["dagster/partition"] = day.isoformat()
    run = opened.create_run_for_job(
        job.get_definition(),
        run_id=run_id,
        run_config=config,
        tags=tags,
        remote_job_origin=_origin(job_name),
        job_code_origin=job.get_python_origin(),
    )
    return execute_run(job, run, opened, raise_on_error=False).success


def _origin(job_name: str) -> RemoteJobOrigin:
    target = LoadableTargetOrigin(
        executable_path=sys.executable, module_name=MODULE, working_directory=str(APP)
    )
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, location_name=LOCATION)
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, REPOSITORY), job_name)
