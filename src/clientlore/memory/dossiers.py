"""What is known about a client or a contact, put together for people: a projection of the memory log.

Here: reading it, as frozen values. Not here: how it looks and where it is kept (`dossier_files`). The log is the
truth, and what it no longer holds is not in a dossier, nor is what stands above the tenant's clearance. Depends on
nothing but what is stored, so that the same state gives the same dossier.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import clients, people
from clientlore.control import tables as t
from clientlore.control.dossier_entry import dossiers_of
from clientlore.control.model import Client, Mode, Tenant
from clientlore.errors import NotFoundError
from clientlore.memory import log
from clientlore.memory.fold import NEEDED, alive, fold, remembered
from clientlore.memory.search import seen
from clientlore.monitoring.events import MEMBERS
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.storage.lake import Lake
from clientlore.workspace import Workspace

MOST = 200
"""How many memories a dossier tells; of older ones it gives the number."""
_ORIGINS = {"file": "the tenant file", "crm": "the CRM", "cli": "the command line"}


@dataclass(frozen=True)
class Known:
    """One thing that is known.

    Attributes:
        kind: `event`, `activity` or what a person called it.
        label: The category of an event, the sort of an activity.
        held_from: Since when it has been so in the world; `held_to`: until when, if it ended.
        known_since: When the source knew it first; `revised_at`: when it was last told otherwise.
        by_hand: Whether a person had the last word on it.
        copies: How many items told the event; `publishers`: how many told it.
        sources: What it was made from: `event:<id>`, `item:<id>`, `response:<id>#<position>`.
    """

    memory_id: str
    kind: str
    label: str
    text: str
    held_from: datetime | None
    held_to: datetime | None
    known_since: datetime
    revised_at: datetime
    by_hand: bool
    event_id: str | None
    url: str | None
    publisher: str | None
    score: float | None
    confidence: float | None
    why: str | None
    copies: int
    publishers: int
    sources: tuple[str, ...]

    @property
    def happened_at(self) -> datetime:
        """When it happened, as far as anybody said."""
        return self.held_from or self.known_since


@dataclass(frozen=True)
class Contact:
    """A person at a client."""

    contact_id: str
    client_id: str
    name: str
    role: str | None
    email: str | None
    phone: str | None
    origin: str
    since: datetime


@dataclass(frozen=True)
class Dossier:
    """What is known about a client or a contact.

    Attributes:
        facts: Who they are: pairs of name and value.
        origin: Who says so; `since`: from when on.
        contacts: The people at a client; none for a contact.
        at: The client that a contact works for.
        looked_after_by: Names of the people responsible.
        known: The newest happenings first, at most `MOST`; `older`: how many more there are.
        taken_back: How many things were remembered once and are not held any more.
        not_remembered: How many events named the client and were not worth remembering.
    """

    tenant_id: str
    tenant_name: str
    mode: Mode
    kind: Literal["client", "contact"]
    entity_id: str
    name: str
    facts: tuple[tuple[str, str], ...]
    origin: str
    since: datetime
    contacts: tuple[Contact, ...]
    at: Client | None
    looked_after_by: tuple[str, ...]
    known: tuple[Known, ...]
    older: int
    taken_back: int
    not_remembered: int

    @property
    def newest(self) -> datetime:
        """When the newest thing in it came to be known."""
        return max((k.revised_at for k in self.known), default=self.since)


@dataclass(frozen=True)
class _Registered:
    """What the control plane says: who is there, since when, and who looks after whom."""

    clients: Sequence[Client]
    since: Mapping[str, datetime]
    contacts: Sequence[Contact]
    owners: Mapping[str, tuple[str, ...]]


def read_dossiers(workspace: Workspace, tenant: Tenant) -> list[Dossier]:
    """The dossiers of a tenant's active clients and their contacts, clients first, each kind by id."""
    tenant_id, lake = tenant.tenant_id, workspace.lake
    with workspace.control.read() as connection:
        registered = _registered(connection, tenant_id)
        state = seen(
            fold(log.read(connection, tenant_id, only=NEEDED)),
            dossiers_of(tenant.settings).clearance,
        )
    known = _known(lake, tenant, remembered(alive(state)))
    gone = dict(state.filter(pl.col("last_op") == "retract").group_by("owner_id").len().iter_rows())
    unremembered = _not_remembered(lake, tenant_id, state)
    made = [
        _of_client(tenant, registered, client, known, gone, unremembered)
        for client in registered.clients
    ]
    by_id = {client.client_id: client for client in registered.clients}
    return made + [
        _of_contact(tenant, registered, contact, by_id[contact.client_id], known, gone)
        for contact in registered.contacts
    ]


def find_dossier(dossiers: Sequence[Dossier], client: str, contact: str | None = None) -> Dossier:
    """The dossier of a client, or of a person there, by id or by name, whatever its case.

    Raises:
        NotFoundError: There is no such client or person; the message lists those that there are.
    """
    of_clients = [d for d in dossiers if d.kind == "client"]
    found = _named(of_clients, client, "client")
    if contact is None:
        return found
    there = [
        d for d in dossiers if d.kind == "contact" and d.at and d.at.client_id == found.entity_id
    ]
    return _named(there, contact, f"contact at {found.name}")


def _named(dossiers: Sequence[Dossier], name: str, what: str) -> Dossier:
    for dossier in dossiers:
        if name == dossier.entity_id or name.casefold() == dossier.name.casefold():
            return dossier
    known = ", ".join(sorted(d.entity_id if d.kind == "client" else d.name for d in dossiers))
    raise NotFoundError(f"There is no {what} named '{name}'", f"Known: {known or 'none'}.")


def _registered(connection: Connection, tenant_id: str) -> _Registered:
    active = clients.clients_of(connection, tenant_id)
    since = dict(
        connection.execute(
            sa.select(t.clients.c.client_id, t.clients.c.created_at).where(
                t.clients.c.tenant_id == tenant_id
            )
        )
        .tuples()
        .all()
    )
    rows = connection.execute(
        sa.select(t.contacts)
        .where(
            t.contacts.c.tenant_id == tenant_id,
            t.contacts.c.is_active,
            t.contacts.c.client_id.in_([client.client_id for client in active]),
        )
        .order_by(t.contacts.c.contact_id)
    ).mappings()
    names = {user.user_id: user.name for user in people.users_of(connection, tenant_id)}
    owners = {
        client: tuple(sorted(names[user] for user in users if user in names))
        for client, users in clients.responsible(connection, tenant_id).items()
    }
    return _Registered(active, since, [_contact(dict(row)) for row in rows], owners)


def _contact(row: Mapping[str, Any]) -> Contact:
    return Contact(
        contact_id=row["contact_id"],
        client_id=row["client_id"],
        name=row["name"],
        role=row["relationship_type"],
        email=row["email"],
        phone=row["phone_number"],
        origin=row["origin"],
        since=row["created_at"],
    )


def _known(lake: Lake, tenant: Tenant, living: pl.DataFrame) -> dict[str, list[Known]]:
    """What is known by the client, contact or user it is about, the newest happenings first."""
    rows = [
        (row, json.loads(row["attributes"]))
        for row in living.sort("memory_id").iter_rows(named=True)
    ]
    if tenant.mode == "live":
        # What was made up never reaches a person, however it got into the log.
        rows = [(row, told) for row, told in rows if told.get("source_mode") != "mock"]
    ids = sorted({told["event_id"] for _, told in rows if told.get("event_id")})
    copies, why = _told_of(lake, tenant.tenant_id, ids)
    found: dict[str, list[Known]] = {}
    for row, told in rows:
        event_id = told.get("event_id")
        items, publishers = copies.get(event_id, (0, 0))
        found.setdefault(row["owner_id"], []).append(
            Known(
                memory_id=row["memory_id"],
                kind=row["kind"],
                label=told.get("category") or told.get("activity") or row["kind"],
                text=row["text"],
                held_from=row["valid_from"],
                held_to=row["valid_to"],
                known_since=row["recorded_at"],
                revised_at=row["revised_at"],
                by_hand=not row["last_actor"].startswith("asset:"),
                event_id=event_id,
                url=told.get("url"),
                publisher=told.get("publisher"),
                score=told.get("importance"),
                confidence=told.get("confidence"),
                why=why.get((event_id, row["owner_id"])),
                copies=items,
                publishers=publishers,
                sources=tuple(row["sources"] or ()),
            )
        )
    for listed in found.values():
        listed.sort(key=lambda k: (k.happened_at, k.memory_id), reverse=True)
    return found


def _told_of(
    lake: Lake, tenant_id: str, event_ids: Sequence[str]
) -> tuple[dict[str, tuple[int, int]], dict[tuple[str, str], str]]:
    """Of events: how many items and publishers told them, and why each was judged to be about a client."""
    wanted = pl.LazyFrame({"event_id": event_ids}, schema={"event_id": pl.String})
    members = lake.collect(
        MEMBERS,
        lake.scan(MEMBERS, [tenant_id])
        .filter(pl.col("status") == "PROCESSED")
        .select("event_id", "item_id", "publisher")
        .join(wanted, on="event_id", how="semi")
        .group_by("event_id")
        .agg(pl.col("item_id").n_unique(), pl.col("publisher").drop_nulls().n_unique()),
    )
    judged = lake.collect(
        RELEVANCE,
        lake.scan(RELEVANCE, [tenant_id])
        .select("event_id", "client_id", "rationale")
        .join(wanted, on="event_id", how="semi"),
    )
    return (
        {event: (items, publishers) for event, items, publishers in members.iter_rows()},
        {(event, client): why for event, client, why in judged.iter_rows()},
    )


def _not_remembered(lake: Lake, tenant_id: str, state: pl.DataFrame) -> dict[str, int]:
    """By client, how many events were judged for it and never entered memory."""
    remembered = state.select(
        pl.col("attributes").str.json_path_match("$.event_id").alias("event_id"),
        pl.col("owner_id").alias("client_id"),
    ).drop_nulls()
    rows = (
        lake.scan(RELEVANCE, [tenant_id])
        .select("event_id", "client_id")
        .unique()
        .join(remembered.lazy(), on=["event_id", "client_id"], how="anti")
        .group_by("client_id")
        .len()
    )
    return dict(lake.collect(RELEVANCE, rows).iter_rows())


def _of_client(
    tenant: Tenant,
    registered: _Registered,
    client: Client,
    known: Mapping[str, Sequence[Known]],
    gone: Mapping[str, int],
    unremembered: Mapping[str, int],
) -> Dossier:
    facts = [
        ("Industry", client.industry),
        ("Web site", client.domain),
        ("Ticker", client.ticker),
        *(
            (label, ", ".join(str(value) for value in client.profile.get(name, ())))
            for name, label in (
                ("aliases", "Also known as"),
                ("people", "People to look for"),
                ("places", "Places"),
            )
        ),
        ("Id in the CRM", client.external_id),
    ]
    mine = known.get(client.client_id, ())
    return Dossier(
        tenant_id=tenant.tenant_id,
        tenant_name=tenant.name,
        mode=tenant.mode,
        kind="client",
        entity_id=client.client_id,
        name=client.name,
        facts=tuple((label, value) for label, value in facts if value),
        origin=_ORIGINS[client.origin],
        since=registered.since[client.client_id],
        contacts=tuple(c for c in registered.contacts if c.client_id == client.client_id),
        at=None,
        looked_after_by=registered.owners.get(client.client_id, ()),
        known=tuple(mine[:MOST]),
        older=max(0, len(mine) - MOST),
        taken_back=gone.get(client.client_id, 0),
        not_remembered=unremembered.get(client.client_id, 0),
    )


def _of_contact(
    tenant: Tenant,
    registered: _Registered,
    contact: Contact,
    client: Client,
    known: Mapping[str, Sequence[Known]],
    gone: Mapping[str, int],
) -> Dossier:
    named = re.compile(rf"(?<!\w){re.escape(contact.name)}(?!\w)", re.IGNORECASE)
    of_client = known.get(client.client_id, ())
    mine = [*known.get(contact.contact_id, ()), *(k for k in of_client if named.search(k.text))]
    mine.sort(key=lambda k: (k.happened_at, k.memory_id), reverse=True)
    facts = [("Role", contact.role), ("Mail", contact.email), ("Telephone", contact.phone)]
    return Dossier(
        tenant_id=tenant.tenant_id,
        tenant_name=tenant.name,
        mode=tenant.mode,
        kind="contact",
        entity_id=contact.contact_id,
        name=contact.name,
        facts=tuple((label, value) for label, value in facts if value),
        origin=_ORIGINS[contact.origin],
        since=contact.since,
        contacts=(),
        at=client,
        looked_after_by=registered.owners.get(client.client_id, ()),
        known=tuple(mine[:MOST]),
        older=max(0, len(mine) - MOST),
        taken_back=gone.get(contact.contact_id, 0),
        not_remembered=0,
    )
