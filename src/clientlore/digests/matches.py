"""Event by person: the stateless gate that let it through or stopped it. Depends on nothing that was sent before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from clientlore.clock import day_bounds
from clientlore.control.snapshots import Snapshot
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.storage.lake import Lake, Table, columns
from clientlore.taxonomy import CATEGORY_NAMES

MATCHES_VERSION = "g1"
GATES = ("assigned", "scored", "threshold", "category", "age")
"""In the order in which they are asked; the first that says no is kept."""

MATCHES = Table(
    "out",
    "matches",
    columns(
        {
            "tenant_id": pl.String,
            "day": pl.Date,
            "event_id": pl.String,
            "client_id": pl.String,
            "user_id": pl.String,
            "score": pl.Float64,
            "category": pl.Enum(CATEGORY_NAMES),
            "passed": pl.Boolean,
            "gate": pl.String,
            "reason": pl.String,
            "source_mode": pl.String,
        }
    ),
    ("event_id", "client_id", "user_id"),
    "An event, the client it is about and a person, with the gate that stopped it, if one did.",
)


@dataclass(frozen=True)
class Gate:
    """What a gate said."""

    passed: bool
    gate: str | None
    reason: str


def matches_of_day(lake: Lake, snapshot: Snapshot) -> pl.DataFrame:
    """Every person against everything that was judged on a day; writes nothing."""
    tenant_id, day = snapshot.tenant_id, snapshot.day
    relevance = lake.collect(RELEVANCE, lake.scan(RELEVANCE, [tenant_id], [day]))
    return gate(relevance, snapshot)


def gate(relevance: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """Rows of `RELEVANCE` against every reader of the snapshot, in the columns of `MATCHES`."""
    readers = pl.DataFrame(
        [
            {
                "user_id": r.user_id,
                "threshold": r.preferences.relevance_threshold,
                "categories": list(r.preferences.categories),
            }
            for r in snapshot.readers
        ],
        schema={
            "user_id": pl.String,
            "threshold": pl.Float64,
            "categories": pl.List(pl.Enum(CATEGORY_NAMES)),
        },
    )
    owners = pl.DataFrame(
        [(client, user) for client, users in snapshot.owners.items() for user in users],
        schema={"client_id": pl.String, "user_id": pl.String},
        orient="row",
    ).with_columns(assigned=pl.lit(value=True))
    frame = relevance.join(readers, how="cross").join(
        owners, on=["client_id", "user_id"], how="left"
    )
    max_age = snapshot.setting("max_age_days")
    oldest = None if max_age is None else day_bounds(snapshot.day)[0] - timedelta(days=max_age)
    gates = {
        "assigned": (pl.col("assigned").is_null(), pl.lit("not assigned to this client")),
        "scored": (pl.col("score").is_null(), pl.lit("not scored yet")),
        "threshold": (
            pl.col("score") < pl.col("threshold"),
            pl.format("score {} is below the threshold {}", "score", "threshold"),
        ),
        "category": (
            (pl.col("categories").list.len() > 0)
            & ~pl.col("categories").list.contains(pl.col("category")),
            pl.format("does not follow the category {}", pl.col("category").cast(pl.String)),
        ),
        "age": (
            pl.lit(value=False) if oldest is None else (pl.col("published_at") < oldest),
            pl.format("published more than {} days before", pl.lit(max_age or 0)),
        ),
    }
    stopped_by, because = pl.lit(None, pl.String), pl.lit("passed every gate")
    for name in reversed(GATES):
        stops, reason = gates[name]
        stops = stops.fill_null(value=False)
        stopped_by = pl.when(stops).then(pl.lit(name)).otherwise(stopped_by)
        because = pl.when(stops).then(reason).otherwise(because)
    return frame.select(
        "tenant_id",
        "day",
        "event_id",
        "client_id",
        "user_id",
        "score",
        "category",
        passed=stopped_by.is_null(),
        gate=stopped_by,
        reason=because,
        source_mode="source_mode",
    )


def gate_one(
    relevance: pl.DataFrame, snapshot: Snapshot, user_id: str, client_id: str
) -> Gate | None:
    """What the gates say of one event, client and person; None where there is no such row."""
    found = gate(relevance, snapshot).filter(
        (pl.col("user_id") == user_id) & (pl.col("client_id") == client_id)
    )
    for row in found.iter_rows(named=True):
        return Gate(row["passed"], row["gate"], row["reason"])
    return None


def days_for(as_of: date, horizon_days: int) -> list[date]:
    """The days whose matches may enter a window that closes as of a day."""
    return [as_of - timedelta(days=n) for n in range(horizon_days, -1, -1)]
