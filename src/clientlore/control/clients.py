"""Companies that are watched, the people there, and who looks after them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clientlore.control import tables as t
from clientlore.control.audit import Audit, put
from clientlore.control.model import Client, Origin
from clientlore.control.rows import dump, load_all
from clientlore.errors import NotFoundError
from clientlore.ids import stable_id


def clients_of(connection: Connection, tenant_id: str, *, active_only: bool = True) -> list[Client]:
    """The clients of a tenant, by id."""
    query = (
        sa.select(t.clients)
        .where(t.clients.c.tenant_id == tenant_id)
        .order_by(t.clients.c.client_id)
    )
    if active_only:
        query = query.where(t.clients.c.is_active)
    return load_all(connection, Client, query)


def contact_names(connection: Connection, tenant_id: str) -> list[str]:
    """The names of all people whom a tenant knows at its clients, from its file and from its CRM."""
    c = t.contacts.c
    query = sa.select(c.name).where(c.tenant_id == tenant_id, c.name.is_not(None)).distinct()
    return sorted(connection.execute(query).scalars())


def resolve_clients(connection: Connection, tenant_id: str, names: Collection[str]) -> set[str]:
    """The ids of the clients that are named by id or by name, whatever their case.

    Raises:
        NotFoundError: One of them is not known to this tenant.
    """
    known = clients_of(connection, tenant_id)
    by_name = {c.client_id: c.client_id for c in known} | {
        c.name.lower(): c.client_id for c in known
    }
    found: set[str] = set()
    for name in names:
        match = by_name.get(name) or by_name.get(name.lower())
        if match is None:
            raise NotFoundError(
                f"There is no client '{name}' in tenant '{tenant_id}'",
                f"Known: {', '.join(sorted(c.client_id for c in known)) or 'none'}.",
            )
        found.add(match)
    return found


def put_client(connection: Connection, audit: Audit, client: Client) -> dict[str, Any]:
    """Creates or changes a client. The id that the CRM gave it stays unless another is given."""
    row = dump(client)
    if client.external_id is None:
        del row["external_id"]
    return put(connection, audit, t.clients, row)


def put_contact(
    connection: Connection,
    audit: Audit,
    *,
    tenant_id: str,
    client_id: str,
    name: str,
    email: str | None,
    phone_number: str | None,
    relationship_type: str | None,
    external_id: str | None,
    origin: Origin,
) -> str:
    """Creates or changes a person at a client; returns the contact's id."""
    row = contact_row(
        tenant_id=tenant_id,
        client_id=client_id,
        name=name,
        email=email,
        phone_number=phone_number,
        relationship_type=relationship_type,
        external_id=external_id,
        origin=origin,
    )
    put(connection, audit, t.contacts, row)
    return str(row["contact_id"])


def contact_row(
    *,
    tenant_id: str,
    client_id: str,
    name: str,
    email: str | None,
    phone_number: str | None,
    relationship_type: str | None,
    external_id: str | None,
    origin: Origin,
) -> dict[str, Any]:
    """A person at a client as a row; the id follows from the CRM's id, else from the address, else from the name."""
    key = external_id or (email.lower() if email else name.lower())
    return {
        "tenant_id": tenant_id,
        "contact_id": f"p-{stable_id(tenant_id, client_id, origin, key, size=8)}",
        "client_id": client_id,
        "name": name,
        "email": email,
        "phone_number": phone_number,
        "relationship_type": relationship_type,
        "external_id": external_id,
        "origin": origin,
        "is_active": True,
    }


def assign(
    connection: Connection,
    audit: Audit,
    *,
    tenant_id: str,
    client_id: str,
    user_id: str,
    origin: Origin,
) -> None:
    """Makes a person responsible for a client."""
    row = {
        "tenant_id": tenant_id,
        "client_id": client_id,
        "user_id": user_id,
        "origin": origin,
        "is_active": True,
    }
    put(connection, audit, t.assignments, row)


def retire(
    connection: Connection,
    audit: Audit,
    table: sa.Table,
    *,
    tenant_id: str,
    origin: Origin,
    keep: Collection[tuple[str, ...]],
) -> int:
    """Switches off the rows of one origin that its latest word no longer mentions; returns how many.

    Args:
        connection: A writing transaction.
        audit: Who does it.
        table: One of clients, contacts, assignments, sources, automation_schedules.
        tenant_id: Whose rows.
        origin: Only rows of this origin are touched: what the file says never undoes what the CRM says.
        keep: The keys that stay, without tenant and origin.
    """
    there = rows_of(connection, table, tenant_id=tenant_id, origin=origin)
    gone = [row for key, row in there.items() if key not in keep]
    for row in gone:
        put(connection, audit, table, {**row, "is_active": False})
    return len(gone)


def rows_of(
    connection: Connection, table: sa.Table, *, tenant_id: str, origin: Origin
) -> dict[tuple[str, ...], RowMapping]:
    """The rows of one origin that are in use, by their keys without tenant and origin."""
    key = [c.name for c in table.primary_key.columns if c.name not in {"tenant_id", "origin"}]
    rows = connection.execute(
        sa.select(table).where(
            table.c.tenant_id == tenant_id, table.c.origin == origin, table.c.is_active
        )
    ).mappings()
    return {tuple(row[name] for name in key): row for row in rows}


def responsible(connection: Connection, tenant_id: str) -> dict[str, list[str]]:
    """Who looks after each client: user ids by client id.

    A person named in the tenant file or on the command line takes the place of the CRM's owner.
    """
    rows = connection.execute(
        sa.select(t.assignments)
        .where(t.assignments.c.tenant_id == tenant_id, t.assignments.c.is_active)
        .order_by(t.assignments.c.client_id, t.assignments.c.user_id)
    ).mappings()
    by_client: dict[str, dict[str, set[str]]] = {}
    for row in rows:
        kind = "crm" if row["origin"] == "crm" else "said"
        by_client.setdefault(row["client_id"], {}).setdefault(kind, set()).add(row["user_id"])
    return {
        client: sorted(kinds.get("said") or kinds["crm"]) for client, kinds in by_client.items()
    }
