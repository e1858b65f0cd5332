"""What a CRM is known to say: the export of one collection, or the fold of all that changed since the first.

A CRM that is a file tells all there is each time: its newest collection counts. One that tells what has changed is
folded from every collection there was, so that nothing depends on whether an earlier sync came to its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import polars as pl

from clientlore.control.model import Source, SourceState, Tenant
from clientlore.monitoring import raw
from clientlore.providers.registry import KINDS
from clientlore.storage.lake import Lake, Table

_INLINE = {"name": "contact_name", "email": "contact_email", "role": "contact_role"}


@dataclass(frozen=True)
class Known:
    """What a CRM says.

    Attributes:
        accounts: Rows of `raw/crm_accounts`, each account once, with the owner's address where it is known.
        contacts: `account_id`, `contact_id`, `name`, `email`, `phone` and `role`, each contact once.
        complete: Whether that is all there is, so that what is missing is gone.
        collected_at: When a whole export was collected; None for a fold.
    """

    source_id: str
    accounts: Sequence[Mapping[str, Any]]
    contacts: Sequence[Mapping[str, Any]]
    complete: bool
    collected_at: datetime | None = None


def known_by(
    lake: Lake,
    tenant: Tenant,
    day: date,
    sources: Sequence[Source],
    states: Mapping[str, SourceState],
) -> Iterator[Known]:
    """What each CRM says that has something new to say; the order is that of the sources.

    Args:
        lake: Where it was stored.
        tenant: Whose CRM.
        day: The day whose exports are looked at.
        sources: The tenant's.
        states: How far each source was read, and up to when each export was brought in.
    """
    folded = [s for s in sources if s.kind in KINDS and _is_incremental(s)]
    speak_for_themselves = set()
    for source in folded:
        known = _fold(lake, tenant, source, states.get(source.source_id, SourceState()))
        if known.accounts or known.complete:
            speak_for_themselves.add(source.source_id)
            yield known
    rows = lake.collect(
        raw.CRM_ACCOUNTS, lake.scan(raw.CRM_ACCOUNTS, [tenant.tenant_id], [day])
    ).filter(
        (pl.col("source_mode") == "live") | pl.lit(tenant.mode == "mock"),
        ~pl.col("provider").is_in([s.kind for s in folded]),
    )
    newest = rows.filter(
        pl.col("collected_at") == pl.col("collected_at").max().over("source_id")
    ).sort("source_id", "position")
    for (source_id,), accounts in newest.group_by("source_id", maintain_order=True):
        known = _export(str(source_id), accounts)
        state = states.get(known.source_id, SourceState())
        if any(s.source_id == source_id for s in folded):
            # Made up in place of a CRM that tells changes: no mark, which says how far that one was read.
            if source_id not in speak_for_themselves:
                yield replace(known, collected_at=None)
        elif state.synced_to is None or state.synced_to < accounts["collected_at"][0]:
            yield known


def _is_incremental(source: Source) -> bool:
    kind = KINDS[source.kind]
    return kind.incremental and kind.table == raw.CRM_ACCOUNTS.name


def _export(source_id: str, rows: pl.DataFrame) -> Known:
    named = rows.filter(pl.col("contact_name").is_not_null())
    contacts = named.select(
        "account_id",
        pl.lit(None, pl.String).alias("contact_id"),
        pl.lit(None, pl.String).alias("phone"),
        **{ours: pl.col(theirs) for ours, theirs in _INLINE.items()},
    )
    return Known(
        source_id, rows.to_dicts(), contacts.to_dicts(), True, collected_at=rows["collected_at"][0]
    )


def _fold(lake: Lake, tenant: Tenant, source: Source, state: SourceState) -> Known:
    accounts = _latest(lake, tenant, source, raw.CRM_ACCOUNTS, "account_id")
    contacts = _latest(lake, tenant, source, raw.CRM_CONTACTS, "contact_id")
    owners = _latest(lake, tenant, source, raw.CRM_OWNERS, "owner_id")
    addressed = accounts.join(
        owners.select("owner_id", pl.col("email").str.to_lowercase().alias("address")),
        on="owner_id",
        how="left",
    ).with_columns(pl.coalesce("owner_email", "address").alias("owner_email"))
    here = contacts.filter(pl.col("account_id").is_in(accounts["account_id"].to_list()))
    return Known(
        source.source_id,
        addressed.sort("account_id").to_dicts(),
        here.sort("account_id", "contact_id").to_dicts(),
        # The mark moves only once all there was is stored.
        state.synced_to is not None,
    )


def _latest(lake: Lake, tenant: Tenant, source: Source, table: Table, key: str) -> pl.DataFrame:
    """The last word on each thing, without what is deleted."""
    deleted = (
        pl.col("is_deleted").fill_null(value=False)
        if "is_deleted" in table.schema
        else pl.lit(value=False)
    )
    frame = (
        lake.scan(table, [tenant.tenant_id])
        .filter(pl.col("source_id") == source.source_id, pl.col("provider") == source.kind)
        .with_columns(deleted.alias("gone"))
        # Of two words of one instant, that it is deleted is the last.
        .sort("collected_at", "fetched_at", "gone", "response_id", "position")
        .unique(key, keep="last", maintain_order=True)
        .filter(~pl.col("gone"))
        .drop("gone")
    )
    return lake.collect(table, frame)
