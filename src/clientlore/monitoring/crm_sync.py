"""From collected CRM accounts to clients, contacts, assignments and search sources in the control plane.

A client of the tenant file keeps what the file says; the CRM adds its own id, contacts and the owner. What the CRM no
longer mentions is switched off, if the CRM had put it there; what the file no longer mentions, and the CRM does, stays
as the CRM has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import clients, forgotten, people, sources
from clientlore.control import tables as t
from clientlore.control.audit import Audit, put
from clientlore.control.client_sources import follow_clients
from clientlore.control.model import Client, Tenant
from clientlore.control.quarantine import Reject
from clientlore.ids import slug
from clientlore.monitoring.crm_known import Known, known_by
from clientlore.monitoring.naming import core_name
from clientlore.run_context import RunContext


@dataclass(frozen=True)
class Synced:
    """What a sync did."""

    accounts: int = 0
    created: int = 0
    rejects: tuple[Reject, ...] = ()


BATCH = 500
"""Rows of one transaction: others write in between."""


def sync_accounts(ctx: RunContext, tenant: Tenant, day: date) -> Synced:
    """Brings the control plane to what the CRM says, and the sources of news to the clients that come of it.

    A day that is made again later changes nothing: an export is brought in once, and a fold is the same whichever
    day asks for it. What is interrupted is done again as a whole by the next run.
    """
    workspace = ctx.workspace
    with workspace.control.read() as connection:
        asked = sources.sources_of(connection, tenant.tenant_id)
        states = sources.states_of(connection, tenant.tenant_id)
    total = Synced()
    for known in known_by(workspace.lake, tenant, day, asked, states):
        synced = _Sync(ctx, tenant, known).bring_in(day)
        total = Synced(
            total.accounts + synced.accounts,
            total.created + synced.created,
            total.rejects + synced.rejects,
        )
    return total


class _Sync:
    """One CRM on its way into the control plane."""

    def __init__(self, ctx: RunContext, tenant: Tenant, known: Known) -> None:
        self._control = ctx.workspace.control
        self._audit = ctx.audit("the CRM says so")
        self._tenant = tenant
        self._known = known
        tenant_id = tenant.tenant_id
        with self._control.read() as connection:
            self._book = _Book(
                clients.clients_of(connection, tenant_id, active_only=False),
                {row["account_id"] for row in known.accounts},
                complete=known.complete,
            )
            self._readers = {
                name.lower(): user.user_id
                for user in people.users_of(connection, tenant_id)
                for name in (user.email, user.handle, user.name)
                if name
            }
            self._there = {
                table: clients.rows_of(connection, table, tenant_id=tenant_id, origin="crm")
                for table in (t.contacts, t.assignments)
            }
            self._gate = forgotten.gate(connection, tenant_id)
        self._forgotten: set[str] = set()
        self._unowned: list[Mapping[str, Any]] = []
        self._kept: dict[sa.Table, set[tuple[str, ...]]] = {
            t.clients: set(),
            t.contacts: set(),
            t.assignments: set(),
        }

    def bring_in(self, day: date) -> Synced:
        """Accounts first, then contacts, and at last what is gone; only what differs is written."""
        known, tenant_id = self._known, self._tenant.tenant_id
        before = len(self._book)
        self._each(known.accounts, self._account)
        self._each(known.contacts, self._contact)
        with self._control.write() as connection:
            for table, keep in self._kept.items() if known.complete else ():
                clients.retire(
                    connection, self._audit, table, tenant_id=tenant_id, origin="crm", keep=keep
                )
            if known.collected_at is not None:
                connection.execute(
                    sa.update(t.source_state)
                    .where(
                        t.source_state.c.tenant_id == tenant_id,
                        t.source_state.c.source_id == known.source_id,
                    )
                    .values(synced_to=known.collected_at)
                )
            follow_clients(connection, self._audit, self._tenant)
        # It is said on the day it comes, and looked for again each time.
        rejects = tuple(_unknown_owner(row) for row in self._unowned if row["day"] == day)
        return Synced(len(known.accounts), len(self._book) - before, rejects)

    def _each(
        self,
        rows: Sequence[Mapping[str, Any]],
        bring_in: Callable[[Connection, Mapping[str, Any]], None],
    ) -> None:
        for start in range(0, len(rows), BATCH):
            with self._control.write() as connection:
                for row in rows[start : start + BATCH]:
                    bring_in(connection, row)

    def _account(self, connection: Connection, row: Mapping[str, Any]) -> None:
        if self._gate.knows(row["account_id"], row["name"], row["domain"], slug(row["name"])):
            self._forgotten.add(row["account_id"])
            return
        tenant_id = self._tenant.tenant_id
        client = _put_client(connection, self._audit, tenant_id, self._book, row)
        self._kept[t.clients].add((client.client_id,))
        owner = row["owner_email"]
        if owner and owner in self._readers:
            key = (client.client_id, self._readers[owner])
            if key not in self._there[t.assignments]:
                clients.assign(
                    connection,
                    self._audit,
                    tenant_id=tenant_id,
                    client_id=key[0],
                    user_id=key[1],
                    origin="crm",
                )
            self._kept[t.assignments].add(key)
        elif owner or row["owner_id"]:
            self._unowned.append(row)

    def _contact(self, connection: Connection, row: Mapping[str, Any]) -> None:
        gone = self._gate.knows(row["contact_id"], row["name"], row["email"], row["phone"])
        if gone or row["account_id"] in self._forgotten:
            return
        client = self._book.by_id[row["account_id"]]
        contact = clients.contact_row(
            tenant_id=client.tenant_id,
            client_id=client.client_id,
            name=row["name"],
            email=row["email"],
            phone_number=row["phone"],
            relationship_type=row["role"],
            external_id=row["contact_id"],
            origin="crm",
        )
        there = self._there[t.contacts].get((contact["contact_id"],))
        if there is None or any(there[name] != value for name, value in contact.items()):
            put(connection, self._audit, t.contacts, contact)
        self._kept[t.contacts].add((contact["contact_id"],))


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
    if client != found:
        clients.put_client(connection, audit, client)
    book.note(row["account_id"], client)
    return client


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
