"""An item that is to leave its event: what it was folded into, and which days must be made again. Only reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from clientlore.errors import ConfigurationError, NotFoundError
from clientlore.monitoring.events import EVENTS, IDENTITY_DAYS, MEMBERS, TAKEN_APART
from clientlore.storage.lake import Lake


@dataclass(frozen=True)
class Item:
    """An item as its day was made last.

    Attributes:
        day: The first day that collected it.
        apart: Whether it is an event of its own since a person said so.
    """

    item_id: str
    event_id: str
    day: date
    title: str
    apart: bool


def find_item(lake: Lake, tenant_id: str, item_id: str) -> Item:
    """An item that was folded into an event, or was taken out of one.

    Raises:
        NotFoundError: There is no such item.
        ConfigurationError: It is the first of its event: it was folded into nothing.
    """
    rows = lake.collect(
        MEMBERS,
        lake.scan(MEMBERS, [tenant_id])
        .filter((pl.col("item_id") == item_id) & (pl.col("status") == "PROCESSED"))
        .select("item_id", "event_id", "day", "title", "layer", "reason")
        .sort("day"),
    )
    for row in rows.iter_rows(named=True):
        apart = row["reason"] == TAKEN_APART
        if row["layer"] == "first" and not apart:
            raise ConfigurationError(
                f"Item '{item_id}' is the first of its event: it was folded into nothing",
                f"`clientlore explain {item_id} --tenant {tenant_id}` shows what was folded into it: name one.",
            )
        return Item(item_id, row["event_id"], row["day"], row["title"] or "", apart)
    raise NotFoundError(
        f"No item '{item_id}' was collected for tenant '{tenant_id}'",
        "`clientlore explain REF --tenant ID` shows the items of an event with their ids.",
    )


def days_to_make(lake: Lake, tenant_id: str, day: date) -> tuple[date, date]:
    """The first and the last day that must be made again when one changes: itself, and those that look back on it."""
    after = day + timedelta(days=IDENTITY_DAYS)
    made = [d for d in lake.days(EVENTS, tenant_id) if day <= d <= after]
    return day, max(made, default=day)


def in_force(lake: Lake, tenant_id: str, item_ids: list[str]) -> frozenset[str]:
    """Those of the items that are apart as their days were made last."""
    rows = lake.collect(
        MEMBERS,
        lake.scan(MEMBERS, [tenant_id])
        .filter(pl.col("item_id").is_in(item_ids) & (pl.col("reason") == TAKEN_APART))
        .select("item_id"),
    )
    return frozenset(rows["item_id"])
