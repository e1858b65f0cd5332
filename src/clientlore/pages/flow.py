"""How much came in on each day, and how much of it reached people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl
import sqlalchemy as sa

from clientlore.control import snapshots
from clientlore.control import tables as t
from clientlore.control.snapshots import DEFAULT_SETTINGS
from clientlore.digests.matches import MATCHES
from clientlore.monitoring.events import EVENTS, MEMBERS
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.workspace import Workspace

STEPS = ("collected", "events", "relevant", "passed", "mailed")


@dataclass(frozen=True)
class DayFlow:
    """A day from what was collected to what was mailed.

    Attributes:
        collected: Items.
        events: Distinct things among them that were new.
        relevant: Events that are about a client, judged at or over `threshold`.
        passed: Events that passed every gate of at least one person.
        mailed: Events that stand in at least one mail.
        lines: Lines in mails: an event that two people get makes two.
        mails: Mails of windows that closed as of the day.
    """

    day: date
    collected: int
    events: int
    relevant: int
    passed: int
    mailed: int
    lines: int
    mails: int
    threshold: float

    def count(self, step: str) -> int:
        """The number of a step, one of `STEPS`."""
        return int(getattr(self, step))


def newest_days(workspace: Workspace, tenant_id: str, days: int) -> list[date]:
    """The newest days of which a tenant has items, in order."""
    return workspace.lake.days(MEMBERS, tenant_id)[-days:]


def flow_of(workspace: Workspace, tenant_id: str, days: Sequence[date]) -> list[DayFlow]:
    """The flow of each day, in order."""
    lake = workspace.lake

    def by_day(table: object, frame: pl.LazyFrame, counted: pl.Expr) -> dict[date, int]:
        grouped = frame.group_by("day").agg(n=counted)
        return dict(lake.collect(table, grouped).select("day", "n").iter_rows())  # type: ignore[arg-type]

    distinct = pl.col("event_id").n_unique()
    items = by_day(MEMBERS, lake.scan(MEMBERS, [tenant_id], days).select("day"), pl.len())
    events = by_day(EVENTS, lake.scan(EVENTS, [tenant_id], days).select("day"), pl.len())
    passed = by_day(
        MATCHES,
        lake.scan(MATCHES, [tenant_id], days).filter(pl.col("passed")).select("day", "event_id"),
        distinct,
    )
    n, w = t.notifications.c, t.windows.c
    sent = (
        sa.select(n.day, sa.func.count(n.event_id.distinct()), sa.func.count())
        .where(n.tenant_id == tenant_id, n.decision == "sent", n.day.in_(list(days)))
        .group_by(n.day)
    )
    written = (
        sa.select(w.as_of_day, sa.func.count())
        .where(w.tenant_id == tenant_id, w.outcome == "mailed", w.as_of_day.in_(list(days)))
        .group_by(w.as_of_day)
    )
    with workspace.control.read() as connection:
        told = {day: (events_, lines) for day, events_, lines in connection.execute(sent)}
        mails = {day: int(count) for day, count in connection.execute(written)}
        taken = {day: snapshots.find(connection, tenant_id, day) for day in days}
    found = []
    for day in days:
        snapshot = taken[day]
        name = "memory_threshold"
        threshold = float(snapshot.setting(name) if snapshot else DEFAULT_SETTINGS[name])
        judged = lake.scan(RELEVANCE, [tenant_id], [day]).filter(pl.col("score") >= threshold)
        relevant = by_day(RELEVANCE, judged.select("day", "event_id"), distinct)
        mailed, lines = told.get(day, (0, 0))
        found.append(
            DayFlow(
                day=day,
                collected=items.get(day, 0),
                events=events.get(day, 0),
                relevant=relevant.get(day, 0),
                passed=passed.get(day, 0),
                mailed=int(mailed),
                lines=int(lines),
                mails=mails.get(day, 0),
                threshold=threshold,
            )
        )
    return found
