"""The stages from raw to mail, in their order, and how one is run: every tenant for itself, under its lock.

A tenant that fails is noted and the others go on. What follows a failed or held stage of the same run is left out
for that tenant: it would be a guess.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from clientlore.control import ledger, runs, tenants
from clientlore.control.model import Tenant
from clientlore.digests.matches import MATCHES, MATCHES_VERSION
from clientlore.errors import ClientloreError
from clientlore.memory.derive import VERSION as MEMORY_VERSION
from clientlore.memory.maintenance.connections import CONNECTIONS
from clientlore.memory.maintenance.insights import INSIGHTS
from clientlore.monitoring.events import EVENTS, EVENTS_VERSION
from clientlore.monitoring.raw import CRM_ACCOUNTS, CRM_ACTIVITIES, SEARCH_RESULTS
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.monitoring.rules import RULES_VERSION
from clientlore.run_context import RunContext
from clientlore.runs import checking, judging, picturing, upkeep, work
from clientlore.runs.report import StageReport, State, TenantOutcome, Work
from clientlore.runs.retention import retention

log = logging.getLogger("clientlore")

DayWork = Callable[[RunContext, Tenant, date], Work]
TenantWork = Callable[[RunContext, Tenant], Work]
EarlierDays = Callable[[RunContext, Tenant, date], Sequence[date]]


@dataclass(frozen=True)
class Stage:
    """One step from raw to mail.

    Attributes:
        key: `layer/table`, its asset key.
        by_day: What it does for a tenant and day; None for a stage without days.
        at_once: What it does for a tenant, for a stage without days.
        version: Raised when the same inputs may give other rows.
        while_held: Whether it works for tenants that are held.
        first: Earlier days of a tenant that must be made again before a day is, for a stage that has days.
        for_analysts: Whether only the analysts' database needs it: then it is left to the jobs that publish that.
        of_memory: Whether it is the upkeep of memory: then it is left to the job that does that once a day.
    """

    key: str
    version: str
    by_day: DayWork | None = None
    at_once: TenantWork | None = None
    while_held: bool = False
    for_analysts: bool = False
    of_memory: bool = False
    first: EarlierDays | None = None


STAGES: Mapping[str, Stage] = {
    stage.key: stage
    for stage in (
        Stage(CRM_ACCOUNTS.key, "1", work.crm_accounts, while_held=True),
        Stage("core/config_snapshot", "1", work.config_snapshot, while_held=True),
        Stage(CRM_ACTIVITIES.key, "1", work.crm_activities, while_held=True),
        Stage(SEARCH_RESULTS.key, "1", work.search_results, while_held=True),
        Stage(EVENTS.key, EVENTS_VERSION, work.events),
        Stage(RELEVANCE.key, f"{RULES_VERSION}-m1", judging.relevance, first=judging.days_to_judge),
        Stage(
            "core/memory_log",
            MEMORY_VERSION,
            work.memory_operations,
            first=judging.days_judged_since("core/memory_log"),
        ),
        Stage(
            MATCHES.key,
            MATCHES_VERSION,
            work.matches,
            first=judging.days_judged_since(MATCHES.key),
        ),
        Stage("core/memory_maintenance", "1", at_once=upkeep.maintenance, of_memory=True),
        Stage(CONNECTIONS.key, "1", at_once=upkeep.connections, of_memory=True),
        Stage(INSIGHTS.key, "1", upkeep.insights_of_day, of_memory=True),
        Stage("core/memories", "1", at_once=upkeep.memories),
        Stage("out/dossiers", "1", at_once=work.dossiers),
        Stage("out/deliveries", "1", at_once=work.deliveries),
        Stage("out/retention", "1", at_once=retention, while_held=True),
        Stage("out/run_ledger", "1", at_once=work.run_ledger, while_held=True),
        Stage("out/exports", "1", at_once=work.exports, while_held=True, for_analysts=True),
    )
}
DAILY = tuple(
    key for key, stage in STAGES.items() if stage.by_day is not None and not stage.of_memory
)
UNPARTITIONED = tuple(
    key
    for key, stage in STAGES.items()
    if stage.at_once is not None and not stage.for_analysts and not stage.of_memory
)
UPKEEP = tuple(key for key, stage in STAGES.items() if stage.of_memory)
FOR_ANALYSTS = tuple(key for key, stage in STAGES.items() if stage.for_analysts)


def run_stage(ctx: RunContext, key: str, days: Sequence[date] = ()) -> StageReport:
    """Runs a stage for the tenants of the run's scope, day by day in order; never raises for one tenant's trouble.

    Args:
        ctx: The run.
        key: One of `STAGES`.
        days: The days, for a stage that has days.
    """
    stage = STAGES[key]
    with ctx.workspace.control.read() as connection:
        chosen = tenants.chosen_tenants(connection, ctx.scope.tenants)
    outcomes = [
        _run_for(ctx, stage, tenant, each)
        for day in (sorted(days) if stage.by_day is not None else (None,))
        for tenant in chosen
        for each in (*_earlier(ctx, stage, tenant, day), day)
    ]
    started = time.perf_counter()
    checks = checking.checks_for(ctx, key, outcomes, chosen, list(days))
    plot = picturing.plot_for(key, outcomes)
    report = StageReport(
        key, tuple(outcomes), tuple(checks), plot, round(time.perf_counter() - started, 4)
    )
    ctx.progress(
        "stage",
        {
            "stage": key,
            "days": [day.isoformat() for day in sorted(days)],
            "counts": report.totals(),
            "rows": report.rows,
            "failed": [o.tenant_id for o in report.failed],
            "seconds": round(report.seconds, 4),
            "check_seconds": report.check_seconds,
        },
    )
    return report


def _earlier(ctx: RunContext, stage: Stage, tenant: Tenant, day: date | None) -> Sequence[date]:
    """The earlier days that come first; none for a tenant that the stage leaves alone."""
    if stage.first is None or day is None or tenant.status == "held":
        return ()
    return stage.first(ctx, tenant, day)


def _run_for(ctx: RunContext, stage: Stage, tenant: Tenant, day: date | None) -> TenantOutcome:
    started = time.perf_counter()
    ctx.progress("tenant", {"stage": stage.key, "tenant": tenant.tenant_id, "day": str(day or "")})
    done = _guarded(ctx, stage, tenant, day)
    outcome = TenantOutcome(
        tenant_id=tenant.tenant_id,
        day=day,
        state=done.state,
        rows=done.rows,
        counts=dict(done.counts),
        seconds=round(time.perf_counter() - started, 4),
        error=done.error,
        notes=done.notes,
    )
    _record(ctx, stage, outcome, done)
    if stage.key == EVENTS.key and day is not None and done.state in {"failed", "held"}:
        status = "FAILED" if done.state == "failed" else "SKIPPED"
        work.mark_batches(ctx, tenant, day, SEARCH_RESULTS, status, error=done.error)
    return outcome


def _guarded(ctx: RunContext, stage: Stage, tenant: Tenant, day: date | None) -> Work:
    """The stage's work, with every trouble turned into a state."""

    def waiting(message: str) -> None:
        ctx.progress("waiting", {"message": message})
        log.info("run %s: %s", ctx.run_id, message)

    try:
        with ctx.workspace.locks.hold(tenant.tenant_id, f"run {ctx.run_id}", waiting):
            stopped = _stopped(ctx, stage, tenant, day)
            if stopped is not None:
                return stopped
            if stage.by_day is not None:
                assert day is not None
                return stage.by_day(ctx, tenant, day)
            assert stage.at_once is not None
            return stage.at_once(ctx, tenant)
    except ClientloreError as error:
        log.error("run %s: %s failed for %s: %s", ctx.run_id, stage.key, tenant.tenant_id, error)  # noqa: TRY400
        return Work(0, state="failed", error=str(error))
    except Exception as error:  # noqa: BLE001 - a tenant's trouble is not the others'
        # Its message may hold content from outside; the log gets the type and the place alone.
        log.error(  # noqa: TRY400
            "run %s: %s failed for %s with %s at %s",
            ctx.run_id,
            stage.key,
            tenant.tenant_id,
            type(error).__name__,
            _place(error),
        )
        return Work(0, state="failed", error=f"a defect: {type(error).__name__} at {_place(error)}")


def _stopped(ctx: RunContext, stage: Stage, tenant: Tenant, day: date | None) -> Work | None:
    """Why the stage must not work for this tenant now, if so."""
    with ctx.workspace.control.read() as connection:
        now = tenants.get_tenant(connection, tenant.tenant_id)
        if now.status == "held" and not stage.while_held:
            why = f"the tenant is held: {now.held_reason}"
            return Work(
                0, state="held", error=why, notes=("clientlore tenant release lets it go on",)
            )
        if day is not None:
            blocked = ledger.blocked_by(connection, tenant.tenant_id, day, ctx.run_id)
            if blocked is not None:
                return Work(0, state="failed", error=f"not done, since {blocked}")
    return None


def _record(ctx: RunContext, stage: Stage, outcome: TenantOutcome, done: Work) -> None:
    now = ctx.workspace.clock.now()
    state: State = outcome.state
    with ctx.workspace.control.write() as connection:
        runs.record_stage(
            connection,
            run_id=ctx.run_id,
            stage=stage.key,
            tenant_id=outcome.tenant_id,
            day=outcome.day,
            state=state,
            rows=outcome.rows,
            counts=dict(outcome.counts),
            seconds=outcome.seconds,
            error=outcome.error,
            now=now,
        )
        if outcome.day is not None:
            ledger.write_day(
                connection,
                tenant_id=outcome.tenant_id,
                day=outcome.day,
                stage=stage.key,
                state=state,
                rows=outcome.rows,
                content_sha=done.content_sha,
                inputs_sha=done.inputs_sha,
                code_version=stage.version,
                counts={**outcome.counts, **ledger.read_mark(done.read_through)},
                seconds=outcome.seconds,
                error=outcome.error,
                run_id=ctx.run_id,
                now=now,
            )


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    code = trace.tb_frame.f_code
    return f"{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
