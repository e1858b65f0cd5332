"""What must be the same after any rerun: everything derived, without the ids and times of runs."""

from __future__ import annotations

from typing import Any

import polars as pl
import sqlalchemy as sa

from clientlore.control import tables as t
from clientlore.digests.matches import MATCHES
from clientlore.memory.log import LOG
from clientlore.memory.store import MemoryStore
from clientlore.monitoring.events import EVENTS, MEMBERS
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.runs.tables import CONFIG_SNAPSHOT
from clientlore.workspace import Workspace

OF_THE_RUN = (
    "batch_id",
    "response_id",
    "collected_at",
    "first_collected_at",
    "recorded_at",
    "revised_at",
    "seen_at",
)


def derived_tables(workspace: Workspace, tenant_id: str) -> dict[str, pl.DataFrame]:
    """Every derived table of a tenant in the order of its files, without what belongs to a run.

    An operation's id and its sources name the response it came from, so of the log the content is compared.
    """
    tables = {
        table.key: workspace.lake.scan(table, [tenant_id]).collect().drop(OF_THE_RUN, strict=False)
        for table in (CONFIG_SNAPSHOT, MEMBERS, EVENTS, RELEVANCE, LOG, MATCHES)
    }
    tables["core/memories"] = (
        MemoryStore(workspace).state(tenant_id).drop(OF_THE_RUN, strict=False).drop("sources")
    )
    tables[LOG.key] = tables[LOG.key].drop("sources")
    return tables


def mailed(workspace: Workspace, tenant_id: str) -> set[tuple[str, str]]:
    """Who was mailed which event: pairs of user and event."""
    query = sa.select(t.notifications.c.user_id, t.notifications.c.event_id).where(
        t.notifications.c.tenant_id == tenant_id, t.notifications.c.decision == "sent"
    )
    with workspace.control.read() as connection:
        return {(row.user_id, row.event_id) for row in connection.execute(query)}


def differences(left: dict[str, pl.DataFrame], right: dict[str, pl.DataFrame]) -> list[Any]:
    """Where two sets of tables differ, by name; empty where they are the same in the same order."""
    return [
        (name, frame, right[name])
        for name, frame in left.items()
        if not frame.equals(right[name], null_equal=True)
    ]
