"""Removes what providers' terms do not allow to be kept any longer: the answers, and the texts found in them.

Title, address and date of an article stay as a reference to it, and what was derived from it is ours. Each removal is
a row of its own, so that nothing is looked at twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import sources
from clientlore.control import tables as t
from clientlore.control.engine import upsert
from clientlore.control.model import Tenant
from clientlore.ids import sha256
from clientlore.monitoring.events import EVENTS, MEMBERS
from clientlore.monitoring.raw import REMOVED, RESPONSES, SEARCH_RESULTS
from clientlore.providers.registry import KINDS
from clientlore.providers.terms import keep_days
from clientlore.run_context import RunContext
from clientlore.runs.report import Work
from clientlore.storage.lake import Lake


@dataclass(frozen=True)
class Removed:
    """What was removed of one provider on one day of collection."""

    responses: int
    bytes: int
    texts: int


def retention(ctx: RunContext, tenant: Tenant) -> Work:
    """Removes what must be gone by now, of one tenant."""
    now = ctx.workspace.clock.now()
    with ctx.workspace.control.read() as connection:
        due = _due(connection, tenant.tenant_id, now.date())
    done = []
    for provider, day in due:
        removed = remove(ctx.workspace.lake, tenant.tenant_id, day, provider, now.date())
        done.append(removed)
        # After the files: dying in between removes nothing twice, and forgets nothing.
        with ctx.workspace.control.write() as connection:
            _note(connection, tenant.tenant_id, provider, day, removed, now)
    return Work(
        rows=sum(r.responses for r in done),
        counts={
            "days": len(done),
            "responses": sum(r.responses for r in done),
            "bytes": sum(r.bytes for r in done),
            "texts": sum(r.texts for r in done),
        },
    )


def remove(lake: Lake, tenant_id: str, day: date, provider: str, on: date) -> Removed:
    """Empties a provider's answers of a day, and the texts of the rows found in them; the rows stay.

    Raises:
        StoreError: A file cannot be read or written.
    """
    its = pl.col("provider") == provider
    stays = its & (pl.col("body").bin.size() > 0)
    responses = size = 0
    for batch, frame in lake.raw_batches(RESPONSES, tenant_id, day):
        gone = frame.filter(stays)
        if gone.is_empty():
            continue
        responses += gone.height
        size += int(gone["body"].bin.size().sum())
        note = pl.col("headers").map_elements(
            lambda told: json.dumps({**json.loads(told), REMOVED: on.isoformat()}, sort_keys=True),
            return_dtype=pl.String,
        )
        emptied = frame.with_columns(
            headers=pl.when(stays).then(note).otherwise("headers"),
            body_sha256=pl.when(stays).then(pl.lit(sha256(b""))).otherwise("body_sha256"),
            body=pl.when(stays).then(pl.lit(b"")).otherwise("body"),
        )
        lake.replace_raw(RESPONSES, tenant_id, day, batch, emptied)
    texts = 0
    told = its & (pl.col("text").fill_null("") != "")
    for batch, frame in lake.raw_batches(SEARCH_RESULTS, tenant_id, day):
        count = frame.filter(told).height
        if count:
            texts += count
            blank = frame.with_columns(text=pl.when(told).then(pl.lit("")).otherwise("text"))
            lake.replace_raw(SEARCH_RESULTS, tenant_id, day, batch, blank)
    _blank_derived(lake, tenant_id, day, its)
    return Removed(responses, size, texts)


def _blank_derived(lake: Lake, tenant_id: str, day: date, its: pl.Expr) -> None:
    """Empties the copies of the texts in what was derived, without making the day again: its scores stand."""
    members = lake.collect(MEMBERS, lake.scan(MEMBERS, [tenant_id], [day]))
    gone = members.filter(its & ((pl.col("text") != "") | (pl.col("words") != "")))
    if gone.is_empty():
        return
    emptied = members.with_columns(
        pl.when(its).then(pl.lit("")).otherwise(name).alias(name) for name in ("text", "words")
    )
    lake.write(MEMBERS, tenant_id, day, emptied)
    for on in lake.days(EVENTS, tenant_id):
        events = lake.collect(EVENTS, lake.scan(EVENTS, [tenant_id], [on]))
        shown = pl.col("shown_item_id").is_in(gone["item_id"].implode()) & (pl.col("text") != "")
        if not events.filter(shown).is_empty():
            blank = events.with_columns(text=pl.when(shown).then(pl.lit("")).otherwise("text"))
            lake.write(EVENTS, tenant_id, on, blank)


def _due(connection: Connection, tenant_id: str, today: date) -> list[tuple[str, date]]:
    """Providers with days on which they gave something that must be gone, oldest first."""
    limits = {
        source.source_id: (source.kind, days)
        for source in sources.sources_of(connection, tenant_id, active_only=False)
        if source.kind in KINDS and (days := keep_days(KINDS[source.kind], source.options))
    }
    if not limits:
        return []
    c, r = t.collections.c, t.retentions.c
    rows = connection.execute(
        sa.select(c.source_id, c.day, c.updated_at).where(
            c.tenant_id == tenant_id,
            c.source_id.in_(limits),
            c.day <= today - timedelta(days=min(days for _, days in limits.values())),
        )
    ).all()
    done = {
        (provider, day): at
        for provider, day, at in connection.execute(
            sa.select(r.provider, r.day, r.removed_at).where(r.tenant_id == tenant_id)
        )
    }
    found: set[tuple[str, date]] = set()
    for source_id, day, at in rows:
        kind, days = limits[source_id]
        # A day that was collected again since has something new to remove.
        last = done.get((kind, day))
        if day <= today - timedelta(days=days) and (last is None or last <= at):
            found.add((kind, day))
    return sorted(found, key=lambda pair: (pair[1], pair[0]))


def _note(
    connection: Connection,
    tenant_id: str,
    provider: str,
    day: date,
    removed: Removed,
    now: datetime,
) -> None:
    row = {
        "tenant_id": tenant_id,
        "provider": provider,
        "day": day,
        "responses": removed.responses,
        "bytes": removed.bytes,
        "texts": removed.texts,
        "removed_at": now,
    }
    upsert(connection, t.retentions, [row])
