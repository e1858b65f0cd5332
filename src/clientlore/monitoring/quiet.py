"""Clients of which nothing has been heard for days, and whether their sources answered all the same.

No results is an answer that may be true, or come of a misspelt name; no answer is a failure. They are told apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import clients
from clientlore.control import tables as t
from clientlore.control.model import Tenant
from clientlore.monitoring.raw import SEARCH_RESULTS
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.providers.registry import KINDS
from clientlore.storage.lake import Lake

DEFAULT_DAYS = 14


@dataclass(frozen=True)
class Quiet:
    """A client of which nothing was heard for `days` days.

    Attributes:
        answered: Whether at least one of its sources answered in that time, with no results.
    """

    tenant_id: str
    client_id: str
    days: int
    answered: bool


def quiet_clients(lake: Lake, connection: Connection, tenant: Tenant, day: date) -> list[Quiet]:
    """The clients without an event on any of the days up to one, by id.

    Left out are those that have not been watched, or had no source, for as long.

    Args:
        lake: Where the judged events lie.
        connection: A reading one.
        tenant: Whose; its setting `quiet_after_days` says how many days.
        day: The last of them.

    Raises:
        StoreError: A file of the lake cannot be read.
    """
    days = int(tenant.settings.get("quiet_after_days", DEFAULT_DAYS))
    first = day - timedelta(days=days - 1)
    watched = _watched_since(connection, tenant.tenant_id)
    asked = _asked(connection, tenant.tenant_id, day)
    old = [c for c in watched if watched[c] <= first and _earliest(asked, c) <= first]
    if not old:
        return []
    window = [first + timedelta(days=n) for n in range(days)]
    events = lake.scan(RELEVANCE, [tenant.tenant_id], window).select(pl.col("client_id").unique())
    heard = set(lake.collect(RELEVANCE, events)["client_id"])
    return [
        Quiet(tenant.tenant_id, client, days, answered=_answered(asked, client, first))
        for client in sorted(set(old) - heard)
    ]


# client (None for sources that are bound to none) -> (first day asked, last day answered)
_Asked = dict[str | None, tuple[date, date | None]]


def _watched_since(connection: Connection, tenant_id: str) -> dict[str, date]:
    active = {c.client_id for c in clients.clients_of(connection, tenant_id)}
    rows = connection.execute(
        sa.select(t.clients.c.client_id, t.clients.c.created_at).where(
            t.clients.c.tenant_id == tenant_id
        )
    )
    return {client: at.date() for client, at in rows if client in active}


def _asked(connection: Connection, tenant_id: str, day: date) -> _Asked:
    """Since when each client's sources of news have been asked, and when one last answered."""
    c, s = t.collections.c, t.sources.c
    news = [name for name in _kinds(connection, tenant_id) if _gives_news(name)]
    answered = sa.case((c.outcome.in_(("collected", "unchanged", "empty", "degraded")), c.day))
    rows = connection.execute(
        sa.select(c.client_id, sa.func.min(c.day), sa.func.max(answered))
        .join(t.sources, sa.and_(s.tenant_id == c.tenant_id, s.source_id == c.source_id))
        .where(c.tenant_id == tenant_id, c.day <= day, s.kind.in_(news))
        .group_by(c.client_id)
    )
    return {client: (since, last) for client, since, last in rows}


def _kinds(connection: Connection, tenant_id: str) -> list[str]:
    query = sa.select(t.sources.c.kind).where(t.sources.c.tenant_id == tenant_id).distinct()
    return list(connection.execute(query).scalars())


def _gives_news(kind: str) -> bool:
    # A package that brought a kind may be gone; what it collected is no news of today.
    return kind in KINDS and KINDS[kind].table == SEARCH_RESULTS.name


def _earliest(asked: _Asked, client: str) -> date:
    return min((asked[key][0] for key in (client, None) if key in asked), default=date.max)


def _answered(asked: _Asked, client: str, first: date) -> bool:
    last = [asked[key][1] for key in (client, None) if key in asked]
    return any(on is not None and on >= first for on in last)
