"""Whom to ask about each client: the sources that follow from the clients there are and from `search:`.

Not here: sources that somebody names one by one (`apply`, `client_entry`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy.engine import Connection

from clientlore.control import clients, sources
from clientlore.control.audit import Audit
from clientlore.control.model import Client, Source, Tenant
from clientlore.control.search_entry import SearchEntry
from clientlore.plugins import SEARCHABLE

_LOCATION = "search"


def search_sources(client: Client, search: Iterable[SearchEntry]) -> list[Source]:
    """The sources of a client: one for each provider that the tenant searches with and that can know it."""
    is_listed = bool(client.ticker or client.profile.get("cik"))
    return [
        Source(
            tenant_id=client.tenant_id,
            source_id=sources.source_id_for(
                client.tenant_id, entry.provider, _LOCATION, client.client_id
            ),
            kind=entry.provider,
            location=_LOCATION,
            client_id=client.client_id,
            on_failure=entry.on_failure,
            options=entry.options,
        )
        for entry in search
        if is_listed
        or entry.provider not in SEARCHABLE
        or not SEARCHABLE[entry.provider].listed_only
    ]


def follow_clients(connection: Connection, audit: Audit, tenant: Tenant) -> None:
    """Brings the search sources to the clients that are watched, as applying the tenant file would."""
    entries = [SearchEntry.model_validate(entry) for entry in tenant.settings.get("search", ())]
    wanted = {
        source.source_id: source
        for client in clients.clients_of(connection, tenant.tenant_id)
        for source in search_sources(client, entries)
    }
    there = {s.source_id: s for s in sources.sources_of(connection, tenant.tenant_id)}
    for source_id, source in wanted.items():
        if there.get(source_id) != source:
            sources.put_source(connection, audit, source)
    for source in there.values():
        if source.location == _LOCATION and source.source_id not in wanted:
            sources.put_source(connection, audit, replace(source, is_active=False))
