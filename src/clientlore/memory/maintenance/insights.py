"""What is worth knowing about a day of memory: patterns, each citing the memories it was seen in."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from clientlore.clock import day_bounds
from clientlore.ids import stable_id
from clientlore.memory.fold import alive, remembered
from clientlore.memory.maintenance.connections import names_in
from clientlore.memory.maintenance.plan import told
from clientlore.storage.lake import Table, columns

INSIGHTS = Table(
    "core",
    "insights",
    columns(
        {
            "tenant_id": pl.String,
            "day": pl.Date,
            "insight_id": pl.String,
            "kind": pl.String,
            "subject": pl.String,
            "owner_ids": pl.List(pl.String),
            "count": pl.Int32,
            "usual": pl.Float64,
            "text": pl.String,
            "memory_ids": pl.List(pl.String),
        }
    ),
    ("insight_id",),
    "A pattern in what became known on the day, with the memories it was seen in.",
)
LOOK_BACK_DAYS = 28
BUSY = 3
"""How many times the usual number of memories makes a day a busy one; at least this many they must be."""


def insights(tenant_id: str, state: pl.DataFrame, day: date) -> pl.DataFrame:
    """The insights of a day, columns of `INSIGHTS`; none where nothing became known.

    `busy`: an owner of whom at least three times as much became known as on its usual day of the 28 before. `changed`:
    a fact that has another value now. `shared`: a name that memories about two or more owners name on the day.

    Args:
        tenant_id: Whose.
        state: The living memories as they were known at the end of the day, columns of `fold.STATE`.
        day: The day, in UTC.
    """
    start, end = day_bounds(day)
    rows = told(remembered(alive(state))).filter(pl.col("recorded_at") < end)
    today = rows.filter(pl.col("recorded_at") >= start)
    earlier = rows.filter(
        pl.col("recorded_at").is_between(
            start - timedelta(days=LOOK_BACK_DAYS), start, closed="left"
        )
    )
    found = pl.concat([_busy(today, earlier), _changed(rows, today), _shared(today)])
    made = found.with_columns(
        tenant_id=pl.lit(tenant_id),
        day=pl.lit(day),
        memory_ids=pl.col("memory_ids").list.sort(),
        owner_ids=pl.col("owner_ids").list.unique().list.sort(),
    ).with_columns(
        insight_id=pl.struct("kind", "subject").map_elements(
            lambda s: stable_id("insight", tenant_id, day, s["kind"], s["subject"]),
            return_dtype=pl.String,
        )
    )
    return made.select(pl.col(n).cast(k) for n, k in INSIGHTS.schema.items()).sort("insight_id")


def _busy(today: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    usual = earlier.group_by("owner_id").agg(usual=pl.len() / LOOK_BACK_DAYS)
    return (
        today.group_by("owner_id")
        .agg(count=pl.len().cast(pl.Int32), memory_ids="memory_id")
        .join(usual, on="owner_id", how="left")
        .with_columns(pl.col("usual").fill_null(0.0))
        .filter(pl.col("count") >= BUSY, pl.col("count") >= BUSY * pl.col("usual"))
        .select(
            kind=pl.lit("busy"),
            subject="owner_id",
            owner_ids=pl.concat_list("owner_id"),
            count="count",
            usual="usual",
            text=pl.format(
                "{} things became known about {}; usual are {} a day.",
                "count",
                "owner_id",
                pl.col("usual").round(1),
            ),
            memory_ids="memory_ids",
        )
    )


def _changed(rows: pl.DataFrame, today: pl.DataFrame) -> pl.DataFrame:
    on = ["owner_id", "subject", "attribute"]
    before = rows.filter(pl.col("valid_to").is_not_null(), pl.col("subject").is_not_null())
    return (
        today.filter(pl.col("subject").is_not_null())
        .join(before, on=on, suffix="_before")
        .filter(
            pl.col("value") != pl.col("value_before"),
            pl.col("valid_to_before") == pl.col("valid_from"),
        )
        .group_by(on, maintain_order=True)
        .last()
        .select(
            kind=pl.lit("changed"),
            subject=pl.format("{}: {} of {}", "owner_id", "attribute", "subject"),
            owner_ids=pl.concat_list("owner_id"),
            count=pl.lit(2, pl.Int32),
            usual=pl.lit(0.0),
            text=pl.format(
                "{} of {}: {}, no longer {}.", "attribute", "subject", "value", "value_before"
            ),
            memory_ids=pl.concat_list("memory_id", "memory_id_before"),
        )
    )


def _shared(today: pl.DataFrame) -> pl.DataFrame:
    return (
        names_in(today.filter(pl.col("text").is_not_null()))
        .join(today.select("memory_id", "owner_id"), on="memory_id")
        .group_by("name")
        .agg(
            owner_ids=pl.col("owner_id").unique(),
            count=pl.len().cast(pl.Int32),
            memory_ids="memory_id",
        )
        .filter(pl.col("owner_ids").list.len() >= 2)
        .select(
            kind=pl.lit("shared"),
            subject="name",
            owner_ids="owner_ids",
            count="count",
            usual=pl.lit(0.0),
            text=pl.format("{} memories about several owners name {}.", "count", "name"),
            memory_ids="memory_ids",
        )
    )
