"""The stage that judges, and what follows from a score that comes late: earlier days are made again, oldest first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import polars as pl

from clientlore.control import ledger, reviews, snapshots
from clientlore.control.alerts import raise_alert
from clientlore.control.judge_entry import limits_of
from clientlore.control.model import Tenant
from clientlore.control.snapshots import Snapshot
from clientlore.errors import ClientloreError, StoreError
from clientlore.monitoring import events, judges
from clientlore.monitoring.llm_scoring import LlmScorer
from clientlore.monitoring.relevance import (
    RELEVANCE,
    Judged,
    RulesScorer,
    days_that_wait,
    relevance_of_day,
)
from clientlore.monitoring.reviewing import decided_frame
from clientlore.providers.judging import Scorer
from clientlore.run_context import RunContext
from clientlore.runs.report import State, Work


def relevance(ctx: RunContext, tenant: Tenant, day: date) -> Work:
    """Judges the day's events for each client."""
    lake = ctx.workspace.lake
    with ctx.workspace.control.read() as connection:
        snapshot = snapshots.get(connection, tenant.tenant_id, day)
        decided = decided_frame(reviews.decisions(connection, tenant.tenant_id))
    waited = _is_waiting(ctx, tenant, day)
    scorer, trouble = _scorer(ctx, tenant, snapshot)
    try:
        judged = relevance_of_day(lake, snapshot, scorer, decided)
    finally:
        if isinstance(scorer, LlmScorer):
            scorer.close()
    frame = judged.rows
    counts: dict[str, int | float] = {}
    said: tuple[str, ...] = ()
    if isinstance(scorer, LlmScorer) and scorer.report is not None:
        counts = scorer.report.counts()
        if scorer.report.waiting and not waited:
            _tell(ctx, tenant, scorer)
        tally = scorer.report.tally
        if tally.failed:
            trouble = str(tally.trouble)
        elif tally.under_way and tally.trouble is not None:
            said = (f"batches cannot be looked at: {tally.trouble}",)
    written = lake.write(RELEVANCE, tenant.tenant_id, day, frame)
    in_doubt = _queue(ctx, tenant, day, judged)
    scores = frame["score"]
    by_category = dict(frame["category"].cast(str).value_counts().sort("category").iter_rows())
    state: State = "done" if trouble is None else "degraded"
    waiting = scores.null_count()
    in_batches = int(counts.get("llm_in_batches", 0))
    if waiting > in_batches:
        said = (f"{waiting - in_batches} wait for the budget of a later day", *said)
    if in_batches:
        said = (f"{in_batches} wait in a batch, which is answered within a day", *said)
    if in_doubt:
        said = (f"{in_doubt} wait for a person: clientlore review list", *said)
    return Work(
        rows=written.rows,
        counts={
            "unscored": waiting,
            "in_doubt": in_doubt,
            "relevant": int((scores >= 0.5).sum()),
            "tokens": int(frame["tokens"].sum()),
            "disagreed": _disagreements(frame),
            **counts,
            **{str(name): count for name, count in by_category.items()},
        },
        state=state,
        error=None if trouble is None else f"the rules judged: {trouble}",
        content_sha=written.sha,
        notes=said,
    )


def _queue(ctx: RunContext, tenant: Tenant, day: date, judged: Judged) -> int:
    """Queues what is in doubt for people; returns how much of it waits."""
    pairs = set(judged.rows.select("event_id", "client_id").iter_rows())
    doubts = judged.doubtful.to_dicts()
    with ctx.workspace.control.write() as connection:
        return reviews.put(
            connection, tenant.tenant_id, day, doubts, pairs, ctx.workspace.clock.now()
        )


def _disagreements(frame: pl.DataFrame) -> int:
    """On how many pairs a model and the classifier name different categories."""
    models = frame.filter(pl.col("method") == "llm", pl.col("local_category").is_not_null())
    return models.filter(pl.col("category") != pl.col("local_category")).height


def days_to_judge(ctx: RunContext, tenant: Tenant, day: date) -> list[date]:
    """Earlier days on which something waits for the budget: they come first."""
    if "judge" not in tenant.settings or ctx.scorer is not None:
        return []
    return days_that_wait(ctx.workspace.lake, tenant.tenant_id, day)


def days_judged_since(stage: str) -> Callable[[RunContext, Tenant, date], list[date]]:
    """Earlier days that were judged anew after a stage had been made of them."""

    def found(ctx: RunContext, tenant: Tenant, day: date) -> list[date]:
        back = events.look_back_days(day)
        with ctx.workspace.control.read() as connection:
            return ledger.days_behind(
                connection, tenant.tenant_id, stage, RELEVANCE.key, back[0], back[-1]
            )

    return found


def content_of(ctx: RunContext, tenant: Tenant, day: date) -> str | None:
    """What the judgements of a day say now, as a hash."""
    with ctx.workspace.control.read() as connection:
        return ledger.content_shas(connection, tenant.tenant_id, RELEVANCE.key, day, day).get(day)


def _scorer(ctx: RunContext, tenant: Tenant, snapshot: Snapshot) -> tuple[Scorer, str | None]:
    """Who judges; and why it is not who was asked for, if so. News must not wait for a key."""
    if ctx.scorer is not None:
        return ctx.scorer, None
    try:
        return judges.scorer_for(ctx.workspace, tenant, snapshot), None
    except ClientloreError as error:
        return RulesScorer(), str(error)


def _is_waiting(ctx: RunContext, tenant: Tenant, day: date) -> bool:
    """Whether something waits already, on this day or before: then somebody was told."""
    if "judge" not in tenant.settings:
        return False
    lake = ctx.workspace.lake
    try:
        own = lake.collect(RELEVANCE, lake.scan(RELEVANCE, [tenant.tenant_id], [day]))
    except StoreError:
        # The file is about to be made anew, whatever is wrong with it.
        return False
    return own["score"].null_count() > 0 or bool(days_that_wait(lake, tenant.tenant_id, day))


def _tell(ctx: RunContext, tenant: Tenant, scorer: LlmScorer) -> None:
    with ctx.workspace.control.write() as connection:
        raise_alert(
            connection,
            ctx.audit("the budget for judging was used up"),
            tenant_id=tenant.tenant_id,
            subject="the budget for judging is used up",
            text=(
                f"'{tenant.tenant_id}' may spend {limits_of(tenant.settings)} a day at "
                f"{scorer.model.provider}, and that was not enough. What was not judged waits, and is judged oldest "
                "first as the days' budgets allow; until then nobody is mailed about it. Raise the budget under "
                "`judge` in the tenant file, or raise `from_score` so that the rules settle more."
            ),
        )
