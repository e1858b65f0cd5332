"""What is left of budgets and of accounts today, and when models last gave something: read, never asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import budgets, embedding_entry, judge_entry, search_entry
from clientlore.control import tables as t
from clientlore.control.budgets import Limits, SpendingDay
from clientlore.control.model import Tenant
from clientlore.control.rerank_entry import rerank_of
from clientlore.errors import StoreError
from clientlore.memory.embedding import PROVIDER as EMBEDDINGS
from clientlore.memory.reranking import PROVIDER as RERANK
from clientlore.monitoring.raw import RESPONSES
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.workspace import Workspace

_REMAINING = r'"x?-?ratelimit-remaining": "([^"]*)"'


@dataclass(frozen=True)
class Left:
    """What a tenant may still spend at a provider today; None for no limit.

    Attributes:
        usd: Dollars.
    """

    tenant_id: str
    calls: int | None
    tokens: int | None
    usd: float | None

    def __str__(self) -> str:
        return f"{self.tenant_id}: {Limits(self.calls, self.tokens, self.usd)}"


def budgets_left(
    connection: Connection, known: Sequence[Tenant], provider: str, today: date
) -> tuple[Left, ...]:
    """What is left to each tenant that limits a provider, by tenant."""
    found = []
    for tenant in known:
        limits = _limits(tenant, provider)
        if limits != Limits():
            days = budgets.spending(connection, tenant.tenant_id, today, today, provider)
            found.append(_left(tenant.tenant_id, limits, days))
    return tuple(found)


def _limits(tenant: Tenant, provider: str) -> Limits:
    if provider == EMBEDDINGS:
        return embedding_entry.limits_of(tenant.settings)
    if provider == RERANK:
        return rerank_of(tenant.settings).limits
    if judge_entry.judge_of(tenant.settings).provider == provider != "rules":
        return judge_entry.limits_of(tenant.settings)
    return search_entry.limits_for(tenant.settings, provider)


def _left(tenant_id: str, limits: Limits, days: Sequence[SpendingDay]) -> Left:
    calls = sum(d.settled.calls + d.reserved.calls for d in days)
    tokens = sum(d.settled.tokens + d.reserved.tokens for d in days)
    usd = sum(d.settled.usd + d.reserved.usd for d in days)
    return Left(
        tenant_id,
        None if limits.calls is None else max(0, limits.calls - calls),
        None if limits.tokens is None else max(0, limits.tokens - tokens),
        None if limits.usd is None else max(0.0, round(limits.usd - usd, 6)),
    )


def accounts_left(workspace: Workspace, tenant_ids: Sequence[str]) -> Mapping[str, int]:
    """What each provider said last, today or yesterday, is left of its longest window. Most providers say nothing."""
    today = workspace.clock.now().date()
    days = [today - timedelta(days=1), today]
    frame = (
        workspace.lake.scan(RESPONSES, tenant_ids, days)
        .select("provider", "fetched_at", said=pl.col("headers").str.extract(_REMAINING))
        .filter(pl.col("said").is_not_null())
        .sort("fetched_at")
        .group_by("provider")
        .agg(pl.col("said").last())
    )
    try:
        rows = workspace.lake.collect(RESPONSES, frame).iter_rows()
    except StoreError:
        return {}
    # The windows stand in one value, the longest last.
    told = {provider: said.split(",")[-1].strip() for provider, said in rows}
    return {provider: int(count) for provider, count in told.items() if count.isdecimal()}


def judged_last(connection: Connection, provider: str) -> datetime | None:
    """When a model of a provider last gave a judgement."""
    c = t.llm_judgements.c
    query = sa.select(sa.func.max(c.judged_at)).where(c.provider == provider, c.outcome == "judged")
    return connection.execute(query).scalar()


def answered_last(connection: Connection, provider: str) -> datetime | None:
    """When an embedder or a reranker last gave something, since only that takes tokens."""
    c = t.provider_spending.c
    query = sa.select(sa.func.max(c.updated_at)).where(c.provider == provider, c.tokens > 0)
    return connection.execute(query).scalar()


def judging_error(connection: Connection, tenant_ids: Sequence[str]) -> str | None:
    """Why the rules judged in a model's place on the newest day of these tenants, if they did."""
    c = t.tenant_days.c
    query = (
        sa.select(c.error)
        .where(c.tenant_id.in_(tenant_ids), c.stage == RELEVANCE.key)
        .order_by(c.day.desc(), c.tenant_id)
        .limit(1)
    )
    return connection.execute(query).scalar()
