"""Sources: where data comes from, and what each last said."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.audit import Audit, put
from clientlore.control.engine import insert_ignore, upsert
from clientlore.control.model import Source, SourceState
from clientlore.control.rows import dump, load, load_all
from clientlore.ids import stable_id


def source_id_for(tenant_id: str, kind: str, location: str, client_id: str | None) -> str:
    """The id of a source, from what it is: applying a file twice makes no second one."""
    return f"s-{stable_id(tenant_id, kind, location, client_id, size=8)}"


def sources_of(connection: Connection, tenant_id: str, *, active_only: bool = True) -> list[Source]:
    """The sources of a tenant that are in use, or all it ever had, by id."""
    query = (
        sa.select(t.sources)
        .where(t.sources.c.tenant_id == tenant_id)
        .order_by(t.sources.c.source_id)
    )
    return load_all(
        connection, Source, query.where(t.sources.c.is_active) if active_only else query
    )


def put_source(connection: Connection, audit: Audit, source: Source) -> dict[str, Any]:
    """Creates or changes a source."""
    return put(connection, audit, t.sources, dump(source))


def states_of(connection: Connection, tenant_id: str) -> dict[str, SourceState]:
    """What each source of a tenant last said."""
    rows = connection.execute(
        sa.select(t.source_state).where(t.source_state.c.tenant_id == tenant_id)
    ).mappings()
    return {row["source_id"]: load(SourceState, row) for row in rows}


def errors_of(connection: Connection, tenant_id: str) -> dict[str, str]:
    """What went wrong when each source of a tenant was last asked, where something did."""
    query = sa.select(t.source_state.c.source_id, t.source_state.c.last_error).where(
        t.source_state.c.tenant_id == tenant_id, t.source_state.c.last_error.is_not(None)
    )
    return dict(connection.execute(query).tuples().all())


def put_states(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Stores what sources said. Called only after what they said is itself stored."""
    upsert(connection, t.source_state, rows)


def put_collections(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Stores how each source did on a day. A later try of the same day replaces the earlier one.

    That nothing was new since, or that there was no budget to ask, does not replace what was collected before.
    """
    unchanged = [row for row in rows if row["outcome"] == "unchanged"]
    for row in unchanged:
        connection.execute(
            sa.delete(t.collections).where(
                t.collections.c.tenant_id == row["tenant_id"],
                t.collections.c.day == row["day"],
                t.collections.c.source_id == row["source_id"],
                t.collections.c.outcome.in_(("failed", "skipped")),
            )
        )
    waiting = [row for row in rows if row["outcome"] == "skipped" and row["error_kind"] == "budget"]
    insert_ignore(connection, t.collections, [*unchanged, *waiting])
    kept = {(row["day"], row["source_id"]) for row in (*unchanged, *waiting)}
    upsert(
        connection,
        t.collections,
        [row for row in rows if (row["day"], row["source_id"]) not in kept],
    )


def waiting_for_budget(
    connection: Connection, tenant_ids: Collection[str], days: Collection[date]
) -> dict[str, int]:
    """How many sources of each tenant were not asked to the end on some days, for want of budget."""
    c = t.collections.c
    rows = connection.execute(
        sa.select(c.tenant_id, sa.func.count())
        .where(c.tenant_id.in_(tenant_ids), c.day.in_(days), c.error_kind == "budget")
        .group_by(c.tenant_id)
    )
    return {tenant: int(count) for tenant, count in rows}


def collections_of(connection: Connection, tenant_id: str, day: Any) -> list[dict[str, Any]]:
    """How each source of a tenant did on a day."""
    rows = connection.execute(
        sa.select(t.collections)
        .where(t.collections.c.tenant_id == tenant_id, t.collections.c.day == day)
        .order_by(t.collections.c.client_id, t.collections.c.source_id)
    ).mappings()
    return [dict(row) for row in rows]
