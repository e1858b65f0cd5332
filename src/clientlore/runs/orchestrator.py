"""Who starts runs: a Protocol that the application implements, and one that needs no application.

The inline one runs the stages one after another in this process. What only an orchestrator can do (backfills in
the background, schedules, lineage) it refuses with a sentence that says what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Protocol

from clientlore.clock import days_between
from clientlore.control import fires, tenants
from clientlore.errors import ConfigurationError
from clientlore.ids import new_id
from clientlore.run_context import Progress, RunContext, Scope, quiet
from clientlore.runs.reaping import reap
from clientlore.runs.session import running
from clientlore.runs.stages import DAILY, STAGES, UNPARTITIONED, run_stage
from clientlore.workspace import Workspace


@dataclass(frozen=True)
class RunRequest:
    """What a person asks for.

    Attributes:
        first: First UTC day.
        last: Last UTC day.
        deliver: Whether to write a fire for each tenant and day, and so open windows by hand.
    """

    first: date
    last: date
    scope: Scope = field(default_factory=Scope)
    deliver: bool = False

    @property
    def days(self) -> list[date]:
        """The days, in order."""
        return days_between(self.first, self.last)


@dataclass(frozen=True)
class RunResult:
    """How a run went.

    Attributes:
        outcome: `succeeded`, `degraded` or `failed`. What each stage did is in the control plane (`stages_of`).
    """

    run_id: str
    job: str
    days: tuple[str, ...]
    outcome: str
    error: str | None = None


@dataclass(frozen=True)
class OrchestratorStatus:
    """What an orchestrator says about itself.

    Attributes:
        daemon_alive: Whether somebody dispatches schedules; None where nobody could.
        reaped: Dead runs that were found and failed just now.
        limits: Where the limits in force differ from those in the file.
    """

    name: str
    daemon_alive: bool | None = None
    detail: str = ""
    reaped: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()


class Orchestrator(Protocol):
    """Starts and inspects runs."""

    def launch(self, request: RunRequest) -> list[RunResult]:
        """Runs what is asked for and waits for it: day by day, in order."""
        ...

    def backfill(self, request: RunRequest) -> str:
        """Asks for a range in the background; returns the backfill's id. Never mails anybody."""
        ...

    def cancel(self, run_id: str) -> bool:
        """Asks a run to stop; says whether it was running."""
        ...

    def publish(self) -> RunResult:
        """Builds the analysts' database anew, publishes it, and waits for it."""
        ...

    def status(self, *, thorough: bool = False) -> OrchestratorStatus:
        """How it is doing. Dead runs are found and failed on the way; `thorough` compares the limits too."""
        ...


class InlineOrchestrator:
    """Runs the stages in this process, without lineage, schedules or a user interface."""

    def __init__(self, workspace: Workspace, progress: Progress = quiet) -> None:
        self._workspace = workspace
        self._progress = progress

    def launch(self, request: RunRequest) -> list[RunResult]:
        """See `Orchestrator.launch`."""
        self.status()
        if request.deliver or len(request.days) == 1:
            return [
                self._run("client_monitoring", [day], (*DAILY, *UNPARTITIONED), request)
                for day in request.days
            ]
        worked = [self._run("reprocess_days", [day], DAILY, request) for day in request.days]
        return [*worked, self._run("refresh_outputs", [], UNPARTITIONED, request)]

    def backfill(self, request: RunRequest) -> str:  # noqa: ARG002 - it says why it cannot
        """See `Orchestrator.backfill`."""
        raise _needs_app("A backfill in the background")

    def cancel(self, run_id: str) -> bool:  # noqa: ARG002 - it says why it cannot
        """See `Orchestrator.cancel`."""
        raise _needs_app("Cancelling a run")

    def publish(self) -> RunResult:
        """See `Orchestrator.publish`."""
        raise _needs_app("Building the analysts' database")

    def status(self, *, thorough: bool = False) -> OrchestratorStatus:  # noqa: ARG002 - there are no limits here
        """See `Orchestrator.status`."""
        dead = reap(self._workspace, lambda _run, _why: None)
        with self._workspace.control.write() as connection:
            fires.release_stale(connection, self._workspace.audit("inline", "a run died"))
        return OrchestratorStatus("inline", None, "no application found", tuple(dead))

    def _run(
        self, job: str, days: Sequence[date], stages: Sequence[str], request: RunRequest
    ) -> RunResult:
        run_id = new_id()
        scope = request.scope
        if request.deliver:
            scope = with_fires(self._workspace, scope, days[0], f"run:{run_id}")
        ctx = RunContext(
            self._workspace, run_id=run_id, job=job, scope=scope, progress=self._progress
        )
        with running(ctx) as session:
            for key in stages:
                report = run_stage(ctx, key, days if STAGES[key].by_day else ())
                session.note(report)
                broken = [c for c in report.checks if c.blocking and not c.passed]
                if broken:
                    session.fail(f"{key}: {broken[0].description}")
                    break
            outcome, error = session.outcome()
        return RunResult(run_id, job, tuple(day.isoformat() for day in days), outcome, error)


def with_fires(workspace: Workspace, scope: Scope, day: date, actor: str) -> Scope:
    """The scope with a fire by hand for each of its tenants: what lets a run open windows."""
    audit = workspace.audit(actor, "asked to deliver by hand")
    with workspace.control.write() as connection:
        written = [
            fires.write_by_hand(connection, audit, tenant_id=tenant.tenant_id, day=day).fire_id
            for tenant in tenants.chosen_tenants(connection, scope.tenants)
        ]
    return replace(scope, fires=(*scope.fires, *written))


def _needs_app(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{what} needs the Dagster application",
        "Run the command inside a checkout of Clientlore, or point CLIENTLORE_APP at one.",
    )
