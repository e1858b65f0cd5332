"""Matches of which nobody can say who is meant: kept apart for people where no model judges, nothing dropped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from clientlore.monitoring import events, matching
from clientlore.storage.lake import Lake, columns

CONFIRMED = 1.0
"""How sure it is that a client is meant where a person said so."""

DECIDED = columns(
    {"event_id": pl.String, "client_id": pl.String, "day": pl.Date, "state": pl.String}
)
DOUBTFUL = columns(
    {
        "event_id": pl.String,
        "client_id": pl.String,
        "item_id": pl.String,
        "reason": pl.String,
        "evidence": pl.String,
        "confidence": pl.Float64,
    }
)
_PAIR = ["event_id", "client_id"]


def decided_frame(rows: Iterable[Mapping[str, Any]] = ()) -> pl.DataFrame:
    """What people decided, in the columns of `DECIDED`."""
    return pl.DataFrame([dict(row) for row in rows], schema=DECIDED, orient="row")


def sift(
    matched: pl.DataFrame, decided: pl.DataFrame, day: date, *, model_judges: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Parts what is to be judged from what is for people.

    Args:
        matched: Rows of `matching.match` with their `event_id`.
        decided: Columns of `DECIDED`.
        day: The day that is judged: what was accepted enters on the day on which it was in doubt.
        model_judges: Whether a model decides who is meant; then nothing is for people.

    Returns:
        What is to be judged, in the columns and the order of `matched`; and what is in doubt, one row for each event
        and client that is named nowhere more surely, in the columns of `DOUBTFUL`.
    """
    rejected = decided.filter(pl.col("state") == "rejected")
    accepted = decided.filter(pl.col("state") == "accepted")
    here = accepted.select(*_PAIR, _here=pl.col("day") == day)
    left = (
        matched.join(rejected, on=_PAIR, how="anti", maintain_order="left")
        .join(here, on=_PAIR, how="left", maintain_order="left")
        .with_columns(_doubtful=matching.IN_DOUBT)
    )
    confirmed = pl.col("_doubtful") & pl.col("_here").fill_null(value=False)
    judged = (
        left.filter(pl.lit(model_judges) | ~pl.col("_doubtful") | confirmed)
        .with_columns(
            strength=pl.when(confirmed).then(CONFIRMED).otherwise("strength"),
            evidence=pl.when(confirmed)
            .then(pl.format("{}, confirmed by a person", "evidence"))
            .otherwise("evidence"),
        )
        .select(matched.columns)
    )
    doubtful = (
        left.filter(pl.col("_doubtful") & pl.col("_here").is_null() & ~pl.lit(model_judges))
        .join(judged, on=_PAIR, how="anti", maintain_order="left")
        .sort(pl.col("strength") * -1, "item_id", maintain_order=True)
        .unique(_PAIR, keep="first", maintain_order=True)
        .select(*_PAIR, "item_id", reason="doubt", evidence="evidence", confidence="strength")
        .sort(_PAIR)
    )
    return judged, doubtful


def headlines(lake: Lake, rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """The headlines of what is in doubt, by tenant and item; what a file does not hold any more is absent."""
    found: dict[tuple[str, str], str] = {}
    for tenant_id in sorted({row["tenant_id"] for row in rows}):
        here = [row for row in rows if row["tenant_id"] == tenant_id]
        days = sorted({row["day"] for row in here})
        wanted = pl.col("item_id").is_in([row["item_id"] for row in here])
        members = lake.collect(
            events.MEMBERS,
            lake.scan(events.MEMBERS, [tenant_id], days).filter(wanted).select("item_id", "title"),
        )
        found |= {(tenant_id, item): title for item, title in members.iter_rows() if title}
    return found
