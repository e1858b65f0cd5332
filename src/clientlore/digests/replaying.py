"""What past days would have come to under another prompt, model or threshold: judged in memory beside what is stored.

What is not named stays as it was: with a threshold alone, the stored scores count. A language model is asked through
the tenant's budget, and what it says is kept as any judgement is, under the prompt and the model that said it, so that
nothing is paid for twice. Nothing else is written, and nothing is sent.

Mailed means: passed every gate. Caps, repeats and windows are not replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from clientlore.clock import days_between
from clientlore.control import reviews, snapshots
from clientlore.control.judge_entry import JudgeEntry, judge_of
from clientlore.control.model import Tenant
from clientlore.control.snapshots import Snapshot
from clientlore.digests.matches import MATCHES, gate
from clientlore.errors import BadDataError, ConfigurationError, NotFoundError
from clientlore.ids import sha256
from clientlore.monitoring.asking_models import Prompt
from clientlore.monitoring.classifier import load, of_tenant, shipped
from clientlore.monitoring.events import EVENTS
from clientlore.monitoring.judges import llm_scorer
from clientlore.monitoring.llm_scoring import LlmScorer
from clientlore.monitoring.local import LocalScorer
from clientlore.monitoring.relevance import RELEVANCE, RulesScorer, relevance_of_day
from clientlore.monitoring.reviewing import decided_frame
from clientlore.providers.judging import Scorer
from clientlore.workspace import Workspace

_PAIR = ["day", "event_id", "client_id"]
_SCORES = {
    "day": pl.Date,
    "event_id": pl.String,
    "client_id": pl.String,
    "title": pl.String,
    "score_before": pl.Float64,
    "score_after": pl.Float64,
    "category_before": pl.String,
    "category_after": pl.String,
}
_MAILS = {
    "day": pl.Date,
    "event_id": pl.String,
    "client_id": pl.String,
    "user": pl.String,
    "title": pl.String,
    "before": pl.Boolean,
    "after": pl.Boolean,
    "reason": pl.String,
}


@dataclass(frozen=True)
class Change:
    """What is other than it was; what is not named stays.

    Attributes:
        model: `rules`, `local`, `shipped`, a file of a classifier, or `openai` or `anthropic`, with `:` and a model
            of theirs if it shall be a certain one.
        prompt: What a language model is told.
        threshold: Of every person.
    """

    model: str | None = None
    prompt: Prompt | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Replay:
    """What came of it.

    Attributes:
        days: That were replayed; `left_out`: those without a kept configuration.
        pairs: Events and clients that were judged, then or now.
        waiting: Of these, those that have no score now.
        scores: Pairs whose score or category differs; null on the side where there is no such pair, or no score.
        mails: Events and people that pass every gate on one side alone.
        mailed_before: How many passed then; `mailed_after`: now.
    """

    days: tuple[date, ...]
    left_out: tuple[date, ...]
    pairs: int
    waiting: int
    scores: pl.DataFrame
    mails: pl.DataFrame
    mailed_before: int
    mailed_after: int


def read_prompt(path: Path) -> Prompt:
    """A prompt from a file of text, named for the file and its content.

    Raises:
        NotFoundError: There is no such file.
        BadDataError: It is no text, or empty.
    """
    if not path.is_file():
        raise NotFoundError(f"There is no prompt {path}", "Name a file of text.")
    try:
        text = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise BadDataError(f"{path} is no text in UTF-8", "Save it as UTF-8.") from error
    if not text:
        raise BadDataError(f"{path} is empty", "Write what the model shall be told.")
    return Prompt(f"{path.stem[:40]}-{sha256(text.encode())[:8]}", text)


def replay(
    workspace: Workspace,
    tenant: Tenant,
    first: date,
    last: date,
    change: Change,
    *,
    progress: Callable[[date], object] = lambda _day: None,
) -> Replay:
    """Works past days again in memory, and says what differs from what is stored.

    Args:
        workspace: The stores.
        tenant: Whose.
        first: The first day.
        last: The last day, included.
        change: What is other.
        progress: Called with each day before it is worked.

    Raises:
        ConfigurationError: Nothing is other, or what is asked for does not fit together.
        NotFoundError: No day of the range was ever run.
        ProviderError: A language model does not answer; the days are then not told, and what it said is kept.
    """
    if change == Change():
        raise ConfigurationError(
            "Nothing is named that should be other", "Give --model, --prompt or --threshold."
        )
    done, left_out = [], []
    scores, mails = [], []
    pairs = waiting = before = after = 0
    for day in days_between(first, last):
        with workspace.control.read() as connection:
            snapshot = snapshots.find(connection, tenant.tenant_id, day)
        if snapshot is None:
            left_out.append(day)
            continue
        progress(day)
        done.append(day)
        lake = workspace.lake
        was = lake.collect(RELEVANCE, lake.scan(RELEVANCE, [tenant.tenant_id], [day]))
        passed = lake.collect(MATCHES, lake.scan(MATCHES, [tenant.tenant_id], [day]))
        now = _judged(workspace, tenant, snapshot, was, change)
        would = gate(now, _with_threshold(snapshot, change.threshold))
        titles = _titles(workspace, tenant.tenant_id, day, [was, now])
        compared = _compared(was, now)
        pairs += compared.height
        waiting += now["score"].null_count()
        before, after = before + int(passed["passed"].sum()), after + int(would["passed"].sum())
        scores.append(_other_scores(compared, titles))
        mails.append(_other_mails(passed, would, titles, snapshot))
    if not done:
        raise NotFoundError(
            f"No day from {first} to {last} was run for tenant '{tenant.tenant_id}'",
            "`clientlore status` shows which were.",
        )
    return Replay(
        tuple(done),
        tuple(left_out),
        pairs,
        waiting,
        pl.concat(scores),
        pl.concat(mails),
        before,
        after,
    )


def _judged(
    workspace: Workspace, tenant: Tenant, snapshot: Snapshot, was: pl.DataFrame, change: Change
) -> pl.DataFrame:
    if change.model is None and change.prompt is None:
        return was
    with workspace.control.read() as connection:
        decided = decided_frame(reviews.decisions(connection, tenant.tenant_id))
    scorer = _scorer(workspace, tenant, snapshot, change)
    try:
        now = relevance_of_day(workspace.lake, snapshot, scorer, decided).rows
    finally:
        if isinstance(scorer, LlmScorer):
            scorer.close()
    if isinstance(scorer, LlmScorer) and scorer.report is not None:
        trouble = scorer.report.tally.trouble
        if scorer.report.tally.failed and trouble is not None:
            raise trouble
    return now


def _scorer(workspace: Workspace, tenant: Tenant, snapshot: Snapshot, change: Change) -> Scorer:
    kind, _, name = (change.model or "").partition(":")
    own = judge_of(snapshot.settings)
    if change.model is None and own.provider != "rules":
        kind, name = own.provider, own.model or ""
    if kind not in {"openai", "anthropic"}:
        if change.prompt is not None:
            raise ConfigurationError(
                f"A prompt is read by language models, not by '{change.model or own.provider}'",
                "Add --model openai or --model anthropic.",
            )
        return _without_a_key(workspace, tenant, change.model or "local")
    if "judge_budget" not in tenant.settings:
        raise ConfigurationError(
            f"'{tenant.tenant_id}' has no budget for language models",
            "Put `judge` with a provider and a budget into the tenant file and apply it.",
        )
    entry = own if own.provider != "rules" else judge_of(tenant.settings)
    judge = JudgeEntry.model_validate(
        {**entry.model_dump(), "provider": kind, "model": name or None, "bulk": False}
    )
    return llm_scorer(workspace, tenant, snapshot, judge, prompt=change.prompt)


def _without_a_key(workspace: Workspace, tenant: Tenant, model: str) -> Scorer:
    if model == "rules":
        return RulesScorer()
    if model == "local":
        return LocalScorer(of_tenant(workspace.settings.models, tenant.tenant_id))
    if model == "shipped":
        return LocalScorer(shipped())
    path = Path(model)
    if not path.is_file():
        raise ConfigurationError(
            f"'{model}' is no model and no file",
            "Give rules, local, shipped, openai[:MODEL], anthropic[:MODEL] or the file of a classifier.",
        )
    return LocalScorer(load(path.read_bytes(), str(path)))


def _with_threshold(snapshot: Snapshot, threshold: float | None) -> Snapshot:
    if threshold is None:
        return snapshot
    readers = tuple(
        replace(r, preferences=replace(r.preferences, relevance_threshold=threshold))
        for r in snapshot.readers
    )
    return replace(snapshot, readers=readers)


def _titles(
    workspace: Workspace, tenant_id: str, day: date, frames: Iterable[pl.DataFrame]
) -> pl.DataFrame:
    """The headline of each event, as of the newest day up to this one."""
    ids = pl.concat([frame.select("event_id") for frame in frames]).unique()
    lake = workspace.lake
    rows = (
        lake.scan(EVENTS, [tenant_id])
        .filter(pl.col("day") <= day)
        .select("event_id", "day", "title")
        .join(ids.lazy(), on="event_id", how="semi")
    )
    return (
        lake.collect(EVENTS, rows)
        .sort("day")
        .unique("event_id", keep="last")
        .drop("day")
        .sort("event_id")
    )


def _compared(was: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """Every pair of either side, with both scores and categories."""
    sides = [
        frame.select(
            *_PAIR,
            pl.col("score").alias(f"score_{name}"),
            pl.col("category").cast(pl.String).alias(f"category_{name}"),
        )
        for frame, name in ((was, "before"), (now, "after"))
    ]
    return sides[0].join(sides[1], on=_PAIR, how="full", coalesce=True)


def _other_scores(compared: pl.DataFrame, titles: pl.DataFrame) -> pl.DataFrame:
    other = pl.any_horizontal(
        pl.col(f"{name}_before").ne_missing(pl.col(f"{name}_after"))
        for name in ("score", "category")
    )
    return (
        compared.filter(other)
        .join(titles, on="event_id", how="left")
        .select(pl.col(name).cast(kind) for name, kind in _SCORES.items())
        .sort(_PAIR)
    )


def _other_mails(
    passed: pl.DataFrame, would: pl.DataFrame, titles: pl.DataFrame, snapshot: Snapshot
) -> pl.DataFrame:
    """Who passed with what on one side alone; the reason is that of the new side."""
    key = [*_PAIR, "user_id"]
    handles: dict[str, Any] = {r.user_id: r.handle for r in snapshot.readers}
    return (
        passed.select(*key, before="passed")
        .join(
            would.select(*key, after="passed", reason="reason"), on=key, how="full", coalesce=True
        )
        .with_columns(pl.col("before", "after").fill_null(value=False))
        .filter(pl.col("before") != pl.col("after"))
        .with_columns(
            user=pl.col("user_id").replace(handles),
            reason=pl.col("reason").fill_null("not taken to be about the client"),
        )
        .join(titles, on="event_id", how="left")
        .select(pl.col(name).cast(kind) for name, kind in _MAILS.items())
        .sort(*_PAIR, "user")
    )
