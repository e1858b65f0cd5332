"""Relevance by rules: for each event and client a score, a category, a confidence and the reason in words.

    score = 0.55 subject | 0.45 lead | 0.25 mention | 0.2 own feed only | at least 0.5 on the client's own site
          + 0.3 * k          k: strength of the category, 0 to 1; for `other` - 0.1
          + 0.05             where three hits or more name the client
          + 0.05 per further publisher that day, at most 0.1
          - 0.2              for a round-up of many companies
                             cut to 0..1

The strength of a category is its hits (3 in the headline, 1 in the text, at most 6) over 4, at most 1. Confidence
is how sure we are that the client is meant (see `matching`), times 0.7 to 1 by how clearly one category leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from clientlore.control.model import Client
from clientlore.control.snapshots import Snapshot
from clientlore.monitoring import events, folding, matching, reviewing
from clientlore.monitoring.categories import by_rules
from clientlore.monitoring.rules import RULES_VERSION
from clientlore.providers.judging import Refining, Scorer
from clientlore.storage.lake import UTC_TIME, Lake, Table, columns
from clientlore.taxonomy import CATEGORY_LABELS, CATEGORY_NAMES

RELEVANCE = Table(
    "core",
    "relevance",
    columns(
        {
            "tenant_id": pl.String,
            "day": pl.Date,
            "event_id": pl.String,
            "client_id": pl.String,
            "item_id": pl.String,
            "score": pl.Float64,
            "category": pl.Enum(CATEGORY_NAMES),
            "confidence": pl.Float64,
            "local_category": pl.Enum(CATEGORY_NAMES),
            "local_confidence": pl.Float64,
            "role": pl.String,
            "evidence": pl.String,
            "summary": pl.String,
            "rationale": pl.String,
            "method": pl.String,
            "scorer": pl.String,
            "tokens": pl.Int64,
            "cost_usd": pl.Float64,
            "event_day": pl.Date,
            "published_at": UTC_TIME,
            "collected_at": UTC_TIME,
            "source_mode": pl.String,
        }
    ),
    ("event_id", "client_id"),
    "An event and a client it may be about, judged on the day on which the two first came together.",
)


@dataclass(frozen=True)
class RulesScorer:
    """Judges by fixed rules, the same everywhere, at no cost."""

    method: str = "rules"
    version: str = RULES_VERSION

    def score(self, items: pl.DataFrame, clients: Sequence[Client]) -> pl.DataFrame:  # noqa: ARG002 - the rules need no profile
        """See `Scorer.score`."""
        frame = by_rules(items)
        role = (
            pl.when("in_title")
            .then(pl.lit("subject"))
            .when("in_lead")
            .then(pl.lit("lead"))
            .when(pl.col("hits") > 0)
            .then(pl.lit("mention"))
            .otherwise(pl.lit("source"))
        )
        base = role.replace_strict(
            {"subject": 0.55, "lead": 0.45, "mention": 0.25, "source": 0.2}, return_dtype=pl.Float64
        )
        base = pl.when("own_site").then(pl.max_horizontal(base, 0.5)).otherwise(base)
        score = (
            base
            + pl.when(pl.col("category") == "other")
            .then(-0.1)
            .otherwise(0.3 * pl.col("strength_of_category"))
            + pl.when(pl.col("hits") >= 3).then(0.05).otherwise(0.0)
            + ((pl.col("publishers") - 1).clip(0, 2) * 0.05)
            - pl.when("is_roundup").then(0.2).otherwise(0.0)
        )
        lead = pl.col("lead_of_category")
        return frame.with_columns(
            role=role,
            score=score.clip(0.0, 1.0).round(4),
            confidence=(pl.col("strength") * (0.7 + 0.3 * lead)).round(4),
            summary=_first_sentence(),
            tokens=pl.lit(0, pl.Int64),
            cost_usd=pl.lit(0.0),
        ).with_columns(rationale=_rationale())


@dataclass(frozen=True)
class Judged:
    """A day's judgements, in the columns of `RELEVANCE`, and what is in doubt, in those of `reviewing.DOUBTFUL`."""

    rows: pl.DataFrame
    doubtful: pl.DataFrame


def relevance_of_day(
    lake: Lake, snapshot: Snapshot, scorer: Scorer, decided: pl.DataFrame | None = None
) -> Judged:
    """Judges the pairs of event and client that first come together on a day; writes nothing.

    An event of an earlier day is judged again only for clients that a new copy of it brings in. Who may be meant is
    for a model to decide; where none judges it is for people, and `decided` (see `reviewing.DECIDED`) is what they
    said so far.
    """
    tenant_id, day = snapshot.tenant_id, snapshot.day
    members = members_of_day(lake, tenant_id, day)
    matched = matching.match(members, snapshot.clients)
    publishers = members.group_by("event_id").agg(
        publishers=pl.col("publisher").n_unique().cast(pl.Int32)
    )
    items = matched.join(members.drop("client_id"), on="item_id", maintain_order="left").join(
        publishers, on="event_id", maintain_order="left"
    )
    items, doubtful = reviewing.sift(
        items,
        reviewing.decided_frame() if decided is None else decided,
        day,
        model_judges=isinstance(scorer, Refining),
    )
    judged = scorer.score(items, snapshot.clients)
    best = judged.sort(
        pl.col("score") * -1, *folding.ORDER, nulls_last=True, maintain_order=True
    ).unique(["event_id", "client_id"], keep="first", maintain_order=True)
    earlier = lake.scan(RELEVANCE, [tenant_id], events.look_back_days(day)).select(
        "event_id", "client_id"
    )
    known = lake.collect(RELEVANCE, earlier)
    fresh = best.join(known, on=["event_id", "client_id"], how="anti")
    doubtful = doubtful.join(known, on=["event_id", "client_id"], how="anti", maintain_order="left")
    if isinstance(scorer, Refining):
        fresh = scorer.refine(fresh, snapshot.clients)
    else:
        fresh = fresh.with_columns(
            judged_by=pl.lit(scorer.method), judged_version=pl.lit(scorer.version)
        )
    if "local_category" not in fresh.columns:
        fresh = fresh.with_columns(
            local_category=pl.lit(None, pl.String), local_confidence=pl.lit(None, pl.Float64)
        )
    born = _birthdays(lake, tenant_id, day)
    fresh = fresh.join(born, on="event_id", how="left").sort(list(RELEVANCE.sort))
    rows = fresh.select(
        tenant_id=pl.lit(tenant_id),
        day=pl.lit(day),
        event_id="event_id",
        client_id="client_id",
        item_id="item_id",
        score="score",
        category=pl.col("category").cast(pl.Enum(CATEGORY_NAMES)),
        confidence="confidence",
        local_category=pl.col("local_category").cast(pl.Enum(CATEGORY_NAMES)),
        local_confidence="local_confidence",
        role="role",
        evidence="evidence",
        summary="summary",
        rationale="rationale",
        method="judged_by",
        scorer="judged_version",
        tokens="tokens",
        cost_usd="cost_usd",
        event_day=pl.col("event_day").fill_null(day),
        published_at="published_at",
        collected_at="collected_at",
        source_mode="source_mode",
    )
    return Judged(rows, doubtful)


def members_of_day(lake: Lake, tenant_id: str, day: date) -> pl.DataFrame:
    """The items that came together into the day's events."""
    return lake.collect(
        events.MEMBERS,
        lake.scan(events.MEMBERS, [tenant_id], [day])
        .filter(pl.col("status") == "PROCESSED")
        .drop("words", "fingerprints"),
    )


def days_that_wait(lake: Lake, tenant_id: str, day: date) -> list[date]:
    """Earlier days within the look-back with something that is not judged yet, oldest first."""
    rows = lake.scan(RELEVANCE, [tenant_id], events.look_back_days(day))
    found = lake.collect(RELEVANCE, rows.filter(pl.col("score").is_null()).select("day").unique())
    return sorted(found["day"].to_list())


def _birthdays(lake: Lake, tenant_id: str, day: date) -> pl.DataFrame:
    """On which earlier day each event was born."""
    frame = lake.scan(events.EVENTS, [tenant_id], events.look_back_days(day)).select(
        "event_id", event_day="day"
    )
    return lake.collect(events.EVENTS, frame).unique("event_id", keep="first", maintain_order=True)


def _first_sentence() -> pl.Expr:
    """The first sentence of the text, or the headline where there is hardly any text."""
    first = pl.col("text").str.slice(0, 400).str.extract(r"^(.{30,300}?[.!?])(?:\s|$)", 1)
    short = pl.col("text").str.slice(0, 280)
    return (
        pl.when(pl.col("text").str.len_chars() < 30)
        .then("title")
        .otherwise(pl.coalesce(first, short))
    )


def _rationale() -> pl.Expr:
    where = pl.col("role").replace_strict(
        {
            "subject": "in the headline",
            "lead": "at the beginning",
            "mention": "in passing",
            "source": "by the source only",
        },
        return_dtype=pl.String,
    )
    what = (
        pl.when(pl.col("category") == "other")
        .then(pl.lit("no category"))
        .otherwise(
            pl.col("category").cast(pl.String).replace(CATEGORY_LABELS)
            + pl.lit(": ")
            + pl.col("category_words")
        )
    )
    more = (
        pl.when(pl.col("publishers") > 1)
        .then(pl.lit("; ") + pl.col("publishers").cast(pl.String) + pl.lit(" publishers"))
        .otherwise(pl.lit(""))
    )
    roundup = pl.when("is_roundup").then(pl.lit("; a round-up")).otherwise(pl.lit(""))
    return (
        pl.lit("named ")
        + where
        + pl.lit(" (")
        + pl.col("evidence")
        + pl.lit("); ")
        + what
        + more
        + roundup
    )
