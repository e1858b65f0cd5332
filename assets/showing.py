"""From what a stage reports to what Dagster shows: metadata with counts and a plot, and check results."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from clientlore.clock import days_between
from clientlore.quality.outcome import CheckOutcome, Plot
from clientlore.quality.plots import draw
from clientlore.runs.calibrating import calibration_of, reliability_plot
from clientlore.runs.checking import CHECKS
from clientlore.runs.report import StageReport, table
from clientlore.runs.session import Session
from clientlore.runs.stages import STAGES, run_stage

DAYS = dg.DailyPartitionsDefinition(start_date="2020-01-01", timezone="UTC", end_offset=1)
"""Days of collection, in UTC; today exists, and is materialized many times."""
_OUTCOME, _TROUBLED = "clientlore/outcome", "clientlore/troubled"
_RATES = {
    "core/events": ("folded", "items"),
    "core/relevance": ("relevant", None),
    "out/matches": ("passed", None),
    "raw/search_results": ("failed", "sources"),
}


def key_of(stage: str) -> dg.AssetKey:
    """The asset key of a stage: layer and table."""
    return dg.AssetKey(stage.split("/"))


def check_specs(stage: str) -> list[dg.AssetCheckSpec]:
    """The checks that the stage emits itself."""
    return [
        dg.AssetCheckSpec(
            declared.name,
            asset=key_of(stage),
            blocking=declared.blocking,
            description=declared.about,
        )
        for declared in CHECKS[stage]
    ]


def materialize_stage(
    context: dg.AssetExecutionContext, session: Session, stage: str, **collaborators: Any
) -> dg.MaterializeResult:
    """Runs a stage of the library over the run's partitions and shows what came of it.

    Raises:
        Failure: It failed for every tenant.
    """
    ctx = replace(session.ctx, **collaborators) if collaborators else session.ctx
    days = _days(context) if STAGES[stage].by_day is not None else []
    try:
        report = run_stage(ctx, stage, days)
    except Exception as error:
        session.fail(f"{stage}: {type(error).__name__}")
        raise
    session.note(report)
    for outcome in report.outcomes:
        say = context.log.error if outcome.state == "failed" else context.log.info
        # Ids and numbers only: what a source or an article said stays in the ledger.
        say(
            f"{stage} {outcome.tenant_id} {outcome.day or ''}: {outcome.state}, {outcome.rows} rows"
        )
    _tag(context, session)
    broken = [check for check in report.checks if check.blocking and not check.passed]
    if broken:
        session.fail(f"{stage}: {broken[0].description}")
    if report.outcomes and len(report.failed) == len(report.outcomes):
        session.fail(report.failed[0].error or stage)
        raise dg.Failure(
            description=f"{stage} failed for every tenant; the first reason: {report.failed[0].error}",
            metadata=_metadata(report, session, days),
            allow_retries=False,
        )
    return dg.MaterializeResult(
        asset_key=key_of(stage),
        metadata=_metadata(report, session, days),
        check_results=[*(_check(stage, check) for check in report.checks), *_left_out(report)],
    )


def _left_out(report: StageReport) -> list[dg.AssetCheckResult]:
    """A result for each check whose package is not installed: Dagster fails a step that gives fewer than declared."""
    carried_out = {check.name for check in report.checks}
    return [
        dg.AssetCheckResult(
            asset_key=key_of(report.stage),
            check_name=declared.name,
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description="It was left out: the package that it needs is not installed.",
        )
        for declared in CHECKS[report.stage]
        if declared.name not in carried_out
    ]


def _tag(context: dg.AssetExecutionContext, session: Session) -> None:
    """Says in the list of runs how the run stands, and in which tenants something is wrong."""
    outcome, _ = session.outcome()
    before = context.run.tags.get(_OUTCOME)
    if outcome == "succeeded" and before is None:
        return
    told = [o for report in session.reports for o in report.outcomes]
    worst = {
        o.tenant_id: state
        for state in ("degraded", "held", "failed")
        for o in told
        if o.state == state
    }
    troubled = [f"{tenant} {state}" for tenant, state in sorted(worst.items())]
    # A run that is executed again has the tags of the one before.
    tags = {_OUTCOME: outcome, _TROUBLED: ", ".join(troubled)[:200] or "none"}
    context.instance.add_run_tags(context.run.run_id, tags)


def _days(context: dg.AssetExecutionContext) -> list[date]:
    """The days of the run, in order: one, or every day of a range."""
    keys = context.partition_key_range
    return days_between(date.fromisoformat(keys.start), date.fromisoformat(keys.end))


def _check(stage: str, check: CheckOutcome) -> dg.AssetCheckResult:
    severe = (check.blocking or check.severe) and not check.passed
    return dg.AssetCheckResult(
        asset_key=key_of(stage),
        check_name=check.name,
        passed=check.passed,
        severity=dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN,
        description=check.description,
        metadata={
            name: dg.MetadataValue.json({"value": value}) for name, value in check.details.items()
        },
    )


def plot_of(plot: Plot | None) -> dict[str, dg.MetadataValue]:
    """The picture as metadata; nothing where there is none to draw."""
    picture = draw(plot) if plot is not None else None
    if picture is None:
        return {}
    encoded = base64.b64encode(picture).decode()
    return {"plot": dg.MetadataValue.md(f"![plot](data:image/png;base64,{encoded})")}


def with_calibration(made: dg.MaterializeResult, session: Session) -> dg.MaterializeResult:
    """Adds whether confidence means what it says."""
    tenants = sorted({o.tenant_id for o in session.reports[-1].outcomes})
    found = calibration_of(session.ctx.workspace, tenants) if tenants else None
    if found is None:
        return made
    shown: dict[str, Any] = {
        "expected calibration error": round(found.error, 4),
        "calibration from": f"{found.source}, {found.count} judgements",
    }
    picture = plot_of(reliability_plot(found.bins)).get("plot")
    if picture is not None:
        shown["reliability"] = picture
    return made._replace(metadata={**(made.metadata or {}), **shown})


def _metadata(report: StageReport, session: Session, days: Sequence[date]) -> dict[str, Any]:
    totals = report.totals()
    shown: dict[str, Any] = {"dagster/row_count": report.rows}
    started = time.perf_counter()
    shown |= plot_of(report.plot)
    plot_seconds = time.perf_counter() - started
    shown |= {name: round(value, 4) for name, value in totals.items()}
    for name, (part, whole) in _RATES.items():
        of = totals.get(whole, 0) if whole else report.rows
        if name == report.stage and of:
            shown[f"{part}_rate"] = round(totals.get(part, 0) / of, 4)
    shown["seconds"] = round(report.seconds, 3)
    shown["check_seconds"] = report.check_seconds
    shown["plot_seconds"] = round(plot_seconds, 4)
    shown["tenants"] = dg.MetadataValue.md(table(report.outcomes))
    shown["files"] = dg.MetadataValue.path(str(_folder(report.stage, session, days)))
    return shown


def _folder(stage: str, session: Session, days: Sequence[date]) -> Path:
    workspace = session.ctx.workspace
    if stage == "core/memories":
        return workspace.vectors.root
    if stage == "out/dossiers":
        return workspace.settings.dossiers
    if stage == "core/memory_maintenance":
        return workspace.settings.pages
    if stage == "out/exports":
        return workspace.lake.root / "out"
    folder = workspace.lake.root / stage
    return folder / f"day={days[0].isoformat()}" if len(days) == 1 else folder
