"""From collected CRM accounts to clients, contacts and assignments in the control plane.

The newest collection of a source counts. A client of the tenant file keeps what the file says; the CRM adds its
own id, contacts and the owner. What the CRM no longer mentions is switched off, if the CRM had put it there; what the
file no longer mentions, and the CRM does, stays as the CRM has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import clients, people, sources
from clientlore.control import tables as t
from clientlore.control.audit import Audit
from clientlore.control.model import Client, Tenant
from clientlore.control.quarantine import Reject
from clientlore.ids import slug
from clientlore.monitoring import raw
from clientlore.monitoring.naming import core_name
from clientlore.run_context import RunContext


@dataclass(frozen=True)
class Synced:
    """What a sync did."""

    accounts: int = 0
    created: int = 0
    rejects: tuple[Reject, ...] = ()


def sync_accounts(ctx: RunContext, tenant: Tenant, day: date) -> Synced:
    """Brings the control plane to what the newest collection of CRM accounts of the day says.

    A day that is made again later changes nothing: each source remembers up to when it was synced.
    """
    lake = ctx.workspace.lake
    rows = lake.collect(raw.CRM_ACCOUNTS, lake.scan(raw.CRM_ACCOUNTS, [tenant.tenant_id], [day]))
    if tenant.mode == "live":
        rows = rows.filter(pl.col("source_mode") == "live")
    newest = rows.filter(
        pl.col("collected_at") == pl.col("collected_at").max().over("source_id")
    ).sort("source_id", "position")
    audit = ctx.audit("the CRM says so")
    total = Synced()
    with ctx.workspace.control.write() as connection:
        states = sources.states_of(connection, tenant.tenant_id)
        for (source_id,), accounts in newest.group_by("source_id", maintain_order=True):
            collected_at: datetime = accounts["collected_at"][0]
            state = states.get(str(source_id))
            if (
                state is not None
                and state.synced_to is not None
                and state.synced_to >= collected_at
            ):
                continue
            synced = _sync(connection, audit, tenant, list(accounts.iter_rows(named=True)))
            connection.execute(
                sa.update(t.source_state)
                .where(
                    t.source_state.c.tenant_id == tenant.tenant_id,
                    t.source_state.c.source_id == source_id,
                )
                .values(synced_to=collected_at)
            )
            total = Synced(
                total.accounts + synced.accounts,
                total.created + synced.created,
                total.rejects + synced.rejects,
            )
    return total


def _sync(
    connection: Connection, audit: Audit, tenant: Tenant, rows: Sequence[Mapping[str, Any]]
) -> Synced:
    known = clients.clients_of(connection, tenant.tenant_id, active_only=False)
    before = len(known)
    readers = {
        name.lower(): user.user_id
        for user in people.users_of(connection, tenant.tenant_id)
        for name in (user.email, user.handle, user.name)
        if name
    }
    kept: dict[sa.Table, set[tuple[str, ...]]] = {
        t.clients: set(),
        t.contacts: set(),
        t.assignments: set(),
    }
    rejects: list[Reject] = []
    for row in rows:
        client = _put_client(connection, audit, tenant.tenant_id, known, row)
        kept[t.clients].add((client.client_id,))
        if row["contact_name"]:
            contact_id = _put_contact(connection, audit, client, row)
            kept[t.contacts].add((contact_id,))
        owner = row["owner_email"]
        if owner and owner in readers:
            user_id = readers[owner]
            clients.assign(
                connection,
                audit,
                tenant_id=tenant.tenant_id,
                client_id=client.client_id,
                user_id=user_id,
                origin="crm",
            )
            kept[t.assignments].add((client.client_id, user_id))
        elif owner:
            rejects.append(_unknown_owner(row))
    for table, keep in kept.items():
        clients.retire(
            connection, audit, table, tenant_id=tenant.tenant_id, origin="crm", keep=keep
        )
    return Synced(len(rows), len(known) - before, tuple(rejects))


def _put_client(
    connection: Connection,
    audit: Audit,
    tenant_id: str,
    known: list[Client],
    row: Mapping[str, Any],
) -> Client:
    """The client of an account, stored; one that is new is added to the known ones."""
    found = _same_client(known, row)
    if found is None:
        client = _new_client(tenant_id, row, {c.client_id for c in known})
        known.append(client)
    elif found.origin == "crm" or not found.is_active:
        # What the tenant file has dropped, and the CRM still names, is the CRM's from now on.
        client = replace(_new_client(tenant_id, row, set()), client_id=found.client_id)
    else:
        client = replace(found, external_id=row["account_id"])
    clients.put_client(connection, audit, client)
    return client


def _put_contact(
    connection: Connection, audit: Audit, client: Client, row: Mapping[str, Any]
) -> str:
    return clients.put_contact(
        connection,
        audit,
        tenant_id=client.tenant_id,
        client_id=client.client_id,
        name=row["contact_name"],
        email=row["contact_email"],
        phone_number=None,
        relationship_type=row["contact_role"],
        external_id=None,
        origin="crm",
    )


def _unknown_owner(row: Mapping[str, Any]) -> Reject:
    return Reject(
        f"response:{row['response_id']}#{row['position']}",
        "unknown_owner",
        f"the owner of account {row['account_id']} is no user; add them to the tenant file",
        row["source_id"],
    )


def _same_client(known: Sequence[Client], row: Mapping[str, Any]) -> Client | None:
    """The client an account is: by the CRM's id, else by domain, else by name without legal form."""
    by_id = [c for c in known if c.external_id == row["account_id"]]
    free = [c for c in known if c.external_id is None]
    by_domain = [c for c in free if c.domain is not None and c.domain == row["domain"]]
    by_name = [c for c in free if core_name(c.name) == core_name(row["name"])]
    return next(iter(by_id + by_domain + by_name), None)


def _new_client(tenant_id: str, row: Mapping[str, Any], taken: set[str]) -> Client:
    client_id = slug(row["name"])
    if client_id in taken:
        client_id = f"{client_id[:50]}-{slug(row['account_id'])[:12]}"
    return Client(
        tenant_id=tenant_id,
        client_id=client_id,
        name=row["name"],
        domain=row["domain"],
        ticker=row["ticker"],
        industry=row["industry"],
        profile={"aliases": list(row["aliases"])} if row["aliases"] else {},
        external_id=row["account_id"],
        origin="crm",
    )
