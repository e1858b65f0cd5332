"""From collected CRM accounts to clients, contacts, assignments and search sources in the control plane.

A client of the tenant file keeps what the file says; the CRM adds its own id, contacts and the owner. What the CRM no
longer mentions is switched off, if the CRM had put it there; what the file no longer mentions, and the CRM does, stays
as the CRM has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import clients, people, sources
from clientlore.control import tables as t
from clientlore.control.audit import Audit
from clientlore.control.client_sources import follow_clients
from clientlore.control.model import Client, Tenant
from clientlore.control.quarantine import Reject
from clientlore.ids import slug
from clientlore.monitoring.crm_known import Known, known_by
from clientlore.monitoring.matching import core_name
from clientlore.run_context import RunContext


@dataclass(frozen=True)
class Synced:
    """What a sync did."""

    accounts: int = 0
    created: int = 0
    rejects: tuple[Reject, ...] = ()


def sync_accounts(ctx: RunContext, tenant: Tenant, day: date) -> Synced:
    """Brings the control plane to what the CRM says, and the sources of news to the clients that come of it.

    A day that is made again later changes nothing: an export is brought in once, and a fold is the same whichever
    day asks for it.
    """
    workspace = ctx.workspace
    audit = ctx.audit("the CRM says so")
    total = Synced()
    with workspace.control.read() as connection:
        asked = sources.sources_of(connection, tenant.tenant_id)
        states = sources.states_of(connection, tenant.tenant_id)
    found = list(known_by(workspace.lake, tenant, day, asked, states))
    if not found:
        return total
    with workspace.control.write() as connection:
        for known in found:
            synced = _sync(connection, audit, tenant, known, day)
            if known.collected_at is not None:
                connection.execute(
                    sa.update(t.source_state)
                    .where(
                        t.source_state.c.tenant_id == tenant.tenant_id,
                        t.source_state.c.source_id == known.source_id,
                    )
                    .values(synced_to=known.collected_at)
                )
            total = Synced(
                total.accounts + synced.accounts,
                total.created + synced.created,
                total.rejects + synced.rejects,
            )
        follow_clients(connection, audit, tenant)
    return total


def _sync(connection: Connection, audit: Audit, tenant: Tenant, known: Known, day: date) -> Synced:
    book = _Book(
        clients.clients_of(connection, tenant.tenant_id, active_only=False),
        {row["account_id"] for row in known.accounts},
        complete=known.complete,
    )
    before = len(book)
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
    for row in known.accounts:
        client = _put_client(connection, audit, tenant.tenant_id, book, row)
        kept[t.clients].add((client.client_id,))
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
        elif (owner or row["owner_id"]) and row["day"] == day:
            # It is said on the day it comes, and looked for again each time.
            rejects.append(_unknown_owner(row))
    for row in known.contacts:
        contact_id = _put_contact(connection, audit, book.by_id[row["account_id"]], row)
        kept[t.contacts].add((contact_id,))
    for table, keep in kept.items() if known.complete else ():
        clients.retire(
            connection, audit, table, tenant_id=tenant.tenant_id, origin="crm", keep=keep
        )
    return Synced(len(known.accounts), len(book) - before, tuple(rejects))


class _Book:
    """The clients there are, to be found as an account names them: by the CRM's id, by domain, by name.

    Args:
        found: All of them.
        accounts: The ids that the CRM has: a client under another one is free for an account of its name or domain.
        complete: Whether these are all; if not, both name and domain must be the same.
    """

    def __init__(self, found: Sequence[Client], accounts: set[str], *, complete: bool) -> None:
        self.ids = {client.client_id for client in found}
        self.by_id = {c.external_id: c for c in found if c.external_id is not None}
        self._by_domain: dict[str, list[Client]] = {}
        self._by_name: dict[str, list[Client]] = {}
        self._taken: set[str] = set()
        self._complete = complete
        for client in found:
            if client.external_id not in accounts:
                if client.domain is not None:
                    self._by_domain.setdefault(client.domain, []).append(client)
                self._by_name.setdefault(core_name(client.name), []).append(client)

    def __len__(self) -> int:
        return len(self.ids)

    def find(self, row: Mapping[str, Any]) -> Client | None:
        """The client an account is: by the CRM's id, else by domain, else by name without legal form."""
        if row["account_id"] in self.by_id:
            return self.by_id[row["account_id"]]
        by_domain = self._by_domain.get(row["domain"] or "", [])
        by_name = self._by_name.get(core_name(row["name"]), [])
        free = [
            client
            for client in (*by_domain, *by_name)
            if client.client_id not in self._taken
            and (
                self._complete
                or client.external_id is None
                or (client in by_domain and client in by_name)
            )
        ]
        # Those that are watched come before those that were.
        return next(iter(sorted(free, key=lambda c: not c.is_active)), None)

    def note(self, account_id: str, client: Client) -> None:
        """That an account is this client."""
        self.ids.add(client.client_id)
        self._taken.add(client.client_id)
        self.by_id[account_id] = client


def _put_client(
    connection: Connection, audit: Audit, tenant_id: str, book: _Book, row: Mapping[str, Any]
) -> Client:
    """The client of an account, stored."""
    found = book.find(row)
    if found is None:
        client = _new_client(tenant_id, row, book.ids)
    elif found.origin == "crm" or not found.is_active:
        # What the tenant file has dropped, and the CRM still names, is the CRM's from now on.
        client = replace(_new_client(tenant_id, row, set()), client_id=found.client_id)
    else:
        client = replace(found, external_id=row["account_id"])
    clients.put_client(connection, audit, client)
    book.note(row["account_id"], client)
    return client


def _put_contact(
    connection: Connection, audit: Audit, client: Client, row: Mapping[str, Any]
) -> str:
    return clients.put_contact(
        connection,
        audit,
        tenant_id=client.tenant_id,
        client_id=client.client_id,
        name=row["name"],
        email=row["email"],
        phone_number=row["phone"],
        relationship_type=row["role"],
        external_id=row["contact_id"],
        origin="crm",
    )


def _unknown_owner(row: Mapping[str, Any]) -> Reject:
    return Reject(
        f"response:{row['response_id']}#{row['position']}",
        "unknown_owner",
        f"the owner of account {row['account_id']} is no user; add them to the tenant file",
        row["source_id"],
    )


def _new_client(tenant_id: str, row: Mapping[str, Any], taken: set[str]) -> Client:
    client_id = slug(row["name"])
    if client_id in taken:
        # Ids of a CRM begin alike.
        client_id = f"{client_id[:50]}-{slug(row['account_id'])[-12:]}"
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
