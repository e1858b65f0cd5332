"""A run from its start to its one outcome: its row, its heartbeat, its fires."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from clientlore.control import fires, runs
from clientlore.control.runs import Heartbeat
from clientlore.errors import ClientloreError
from clientlore.run_context import RunContext
from clientlore.runs.report import StageReport

log = logging.getLogger("clientlore")


class Session:
    """A run at work, from the control plane's point of view. Made by `running`."""

    def __init__(self, ctx: RunContext) -> None:
        self.ctx = ctx
        self.reports: list[StageReport] = []
        self.error: str | None = None

    def note(self, report: StageReport) -> None:
        """Takes note of what a stage reported."""
        self.reports.append(report)

    def fail(self, error: str) -> None:
        """Says that the run cannot succeed any more; the first reason counts."""
        self.error = self.error or error

    def outcome(self, tenant_id: str | None = None) -> tuple[str, str | None]:
        """How the run, or its work for one tenant, stands: `succeeded`, `degraded` or `failed`, and why."""
        mine = [
            o
            for report in self.reports
            for o in report.outcomes
            if tenant_id is None or o.tenant_id == tenant_id
        ]
        if self.error is not None:
            return "failed", self.error
        failed = [o for o in mine if o.state == "failed"]
        troubled = [o for o in mine if o.state in {"degraded", "held"}]
        whole = tenant_id is not None or len({o.tenant_id for o in failed}) == len(
            {o.tenant_id for o in mine}
        )
        if failed and whole:
            return "failed", failed[0].error
        if failed or troubled:
            return "degraded", (failed or troubled)[0].error
        return "succeeded", None

    def begin(self) -> None:
        """Writes the run's row and claims its fires."""
        ctx = self.ctx
        now = ctx.workspace.clock.now()
        with ctx.workspace.control.write() as connection:
            runs.begin(
                connection,
                run_id=ctx.run_id,
                root_run_id=ctx.root,
                job=ctx.job,
                is_backfill=ctx.is_backfill,
                scope={
                    k: list(v) if isinstance(v, tuple) else v for k, v in asdict(ctx.scope).items()
                },
                now=now,
            )
            if ctx.scope.fires and not ctx.is_backfill:
                fires.claim(connection, ctx.scope.fires, ctx.root, now)

    def end(self) -> None:
        """Writes the outcome of the run and of its fires, once, in one transaction."""
        ctx = self.ctx
        audit = ctx.audit("the run ended")
        outcome, error = self.outcome()
        with ctx.workspace.control.write() as connection:
            if not runs.end(connection, ctx.run_id, outcome, audit.now(), error):
                return
            if ctx.is_backfill:
                return
            for fire in fires.claimed_by(connection, ctx.root):
                state, why = self.outcome(fire.tenant_id)
                ended = "done" if state == "succeeded" else state
                fires.finish(
                    connection,
                    audit,
                    [fire.fire_id],
                    ended,
                    why,
                    counts_as_failure=ended == "failed" or self._nothing_real(fire.tenant_id),
                )

    def _nothing_real(self, tenant_id: str) -> bool:
        """Whether no source of the tenant answered, or made-up data took the place of real data."""
        for report in self.reports:
            for o in report.outcomes:
                if o.tenant_id != tenant_id or report.stage != "raw/search_results":
                    continue
                asked = o.counts.get("sources", 0) - o.counts.get("skipped", 0)
                if o.counts.get("stand_ins") or (asked and o.counts.get("failed", 0) >= asked):
                    return True
        return False


def _complete_forgettings(ctx: RunContext) -> None:
    """Finishes what a process that died had begun to forget; what cannot be finished now is said and tried again."""
    from clientlore.runs import forgetting

    try:
        forgetting.resume(ctx.workspace, ctx.progress)
    except ClientloreError as error:
        log.warning("run %s: a forgetting is not finished: %s", ctx.run_id, error)


@contextmanager
def running(ctx: RunContext) -> Iterator[Session]:
    """Begins a run, keeps its heart beating while the block works, and ends it whatever happens."""
    session = Session(ctx)
    session.begin()
    _complete_forgettings(ctx)
    heartbeat = Heartbeat(ctx.workspace.control, ctx.run_id, ctx.workspace.clock)
    try:
        yield session
    except BaseException as error:
        session.fail(str(error) or type(error).__name__)
        raise
    finally:
        heartbeat.close()
        session.end()
