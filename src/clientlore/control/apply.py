"""Brings the control plane to what a tenant file says. Idempotent, in one transaction, with a dry run.

Rows carry their origin: what the file no longer mentions is switched off only if the file had put it there, so
that what the CRM or the command line said stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import clients, forgotten, people, schedules, sources, tenants
from clientlore.control import tables as t
from clientlore.control.audit import Audit
from clientlore.control.client_sources import search_sources
from clientlore.control.crm_sources import crm_sources
from clientlore.control.engine import ControlPlane
from clientlore.control.model import Client, Preferences, Schedule, Source, Tenant, User
from clientlore.control.tenant_entries import ClientEntry, FeedEntry, ScheduleEntry, UserEntry
from clientlore.control.tenant_file import TenantFile, weekday_number
from clientlore.errors import ConfigurationError


@dataclass(frozen=True)
class Change:
    """One difference between the control plane and the file.

    Attributes:
        label: What a person calls the thing: `harbor-foods / ann` for an assignment.
    """

    action: str
    entity: str
    entity_id: str
    fields: dict[str, Any]
    label: str


def apply_tenant_file(
    control: ControlPlane,
    audit: Audit,
    wanted: TenantFile,
    folder: Path,
    *,
    dry_run: bool = False,
) -> list[Change]:
    """Makes the control plane what the file says; returns what changed, or with `dry_run` what would.

    Args:
        control: The control plane.
        audit: Who applies it.
        wanted: The checked file.
        folder: Where the file lies: its paths are relative to it.
        dry_run: Roll everything back at the end.

    Raises:
        ConfigurationError: The tenant exists with the other mode.
    """
    with control.write() as connection:
        mark = connection.execute(sa.select(sa.func.max(t.audit_log.c.seq))).scalar() or 0
        _tenant(connection, audit, wanted)
        _users(connection, audit, wanted)
        _clients(connection, audit, wanted)
        _sources(connection, audit, wanted, folder)
        _schedules(connection, audit, wanted)
        logged = connection.execute(
            sa.select(t.audit_log).where(t.audit_log.c.seq > mark).order_by(t.audit_log.c.seq)
        ).mappings()
        names = _names(connection, wanted.tenant)
        changes = [
            Change(
                row["action"],
                row["entity"],
                row["entity_id"],
                row["changes"],
                " / ".join(names.get(part, part) for part in row["entity_id"].split("/")),
            )
            for row in logged.all()
            if row["tenant_id"] == wanted.tenant
        ]
        if dry_run:
            connection.rollback()
    return changes


def _names(connection: Connection, tenant_id: str) -> dict[str, str]:
    """What people call the things that have made-up ids."""
    return {
        **{
            user.user_id: user.handle
            for user in people.users_of(connection, tenant_id, active_only=False)
        },
        **{s.schedule_id: s.name for s in schedules.schedules_of(connection, tenant_id)},
        **{
            row.source_id: f"{row.kind} {row.client_id or 'about all'}"
            for row in connection.execute(
                sa.select(t.sources).where(t.sources.c.tenant_id == tenant_id)
            )
        },
    }


def _tenant(connection: Connection, audit: Audit, wanted: TenantFile) -> None:
    settings = {
        "memory_threshold": wanted.memory_threshold,
        "max_age_days": wanted.max_age_days,
        "mail_horizon_days": wanted.mail_horizon_days,
        "quiet_after_days": wanted.quiet_after_days,
        "alert_email": wanted.alert_email,
        **({"search": [entry.model_dump() for entry in wanted.search]} if wanted.search else {}),
        **({} if wanted.extraction == "rules" else {"extraction": wanted.extraction}),
        **wanted.judge.settings(),
        **wanted.embeddings.settings(),
        **wanted.rerank.settings(),
        **wanted.dossiers.settings(),
    }
    tenants.put_tenant(
        connection,
        audit,
        Tenant(
            wanted.tenant,
            wanted.name,
            wanted.mode,
            allow_live_send=wanted.allow_live_send,
            settings=settings,
        ),
    )


def _free_addresses(connection: Connection, audit: Audit, wanted: TenantFile) -> None:
    """Takes an address or a phone from whoever had it, where the file gives it to somebody else."""
    given = {("email", entry.email): entry.handle for entry in wanted.users}
    given |= {("phone_number", entry.phone): entry.handle for entry in wanted.users}
    for user in people.users_of(connection, wanted.tenant, active_only=False):
        kept = user
        if given.get(("email", user.email), user.handle) != user.handle:
            kept = replace(kept, email=None)
        if given.get(("phone_number", user.phone_number), user.handle) != user.handle:
            kept = replace(kept, phone_number=None)
        people.put_user(connection, audit, kept)


def _users(connection: Connection, audit: Audit, wanted: TenantFile) -> None:
    _free_addresses(connection, audit, wanted)
    for entry in wanted.users:
        user_id = people.user_id_for(wanted.tenant, entry.handle)
        people.put_user(
            connection,
            audit,
            User(
                user_id=user_id,
                tenant_id=wanted.tenant,
                handle=entry.handle,
                name=entry.name,
                email=entry.email,
                phone_number=entry.phone,
                security_level=entry.security_level,
                is_active=entry.active,
            ),
        )
        people.put_preferences(connection, audit, preferences_from(wanted.tenant, user_id, entry))
    named = {entry.handle for entry in wanted.users}
    for user in people.users_of(connection, wanted.tenant):
        if user.handle not in named:
            people.deactivate_user(connection, audit, user)


def preferences_from(tenant_id: str, user_id: str, entry: UserEntry) -> Preferences:
    """The preferences that an entry of the file stands for."""
    quiet = entry.quiet_hours
    return Preferences(
        user_id=user_id,
        tenant_id=tenant_id,
        relevance_threshold=entry.threshold,
        categories=tuple(entry.categories),
        frequency=entry.digest.frequency,
        timezone=entry.zone,
        local_time=entry.digest.at,
        weekday=weekday_number(entry.digest.weekday),
        quiet_from=quiet.start if quiet else None,
        quiet_to=quiet.end if quiet else None,
        max_items=entry.max_items,
    )


def _clients(connection: Connection, audit: Audit, wanted: TenantFile) -> None:
    contacts: set[tuple[str, ...]] = set()
    assigned: set[tuple[str, ...]] = set()
    gate = forgotten.gate(connection, wanted.tenant)
    for entry in wanted.clients:
        _refuse_forgotten(gate, entry.client_id, entry.name, entry.client_id)
        clients.put_client(connection, audit, client_from(wanted.tenant, entry))
        for contact in entry.contacts:
            _refuse_forgotten(gate, contact.name, contact.name, contact.email)
            contact_id = clients.put_contact(
                connection,
                audit,
                tenant_id=wanted.tenant,
                client_id=entry.client_id,
                name=contact.name,
                email=contact.email,
                phone_number=contact.phone,
                relationship_type=contact.role,
                external_id=None,
                origin="file",
            )
            contacts.add((contact_id,))
        for owner in entry.owners:
            user_id = people.user_id_for(wanted.tenant, owner)
            clients.assign(
                connection,
                audit,
                tenant_id=wanted.tenant,
                client_id=entry.client_id,
                user_id=user_id,
                origin="file",
            )
            assigned.add((entry.client_id, user_id))
    kept: dict[sa.Table, set[tuple[str, ...]]] = {
        t.clients: {(entry.client_id,) for entry in wanted.clients},
        t.contacts: contacts,
        t.assignments: assigned,
    }
    for table, keep in kept.items():
        clients.retire(connection, audit, table, tenant_id=wanted.tenant, origin="file", keep=keep)


def _refuse_forgotten(gate: forgotten.Gate, shown: str, *keys: str | None) -> None:
    if gate.knows(*keys):
        raise ConfigurationError(
            f"The tenant file names '{shown}', who was forgotten",
            "Take the entry out of the file; nothing was applied.",
        )


def client_from(tenant_id: str, entry: ClientEntry) -> Client:
    """The client that an entry of the file stands for."""
    lists = {
        "aliases": list(entry.aliases),
        "people": list(entry.people),
        "places": list(entry.places),
        "exclude": list(entry.exclude),
    }
    return Client(
        tenant_id=tenant_id,
        client_id=entry.client_id,
        name=entry.name,
        domain=entry.domain,
        ticker=entry.ticker,
        industry=entry.industry,
        profile={
            **{name: values for name, values in lists.items() if values},
            **({"cik": entry.cik} if entry.cik else {}),
        },
    )


def feed_source(
    tenant_id: str, feed: FeedEntry, client_id: str | None, origin: Any = "file"
) -> Source:
    """The source that a feed stands for."""
    return Source(
        tenant_id=tenant_id,
        source_id=sources.source_id_for(tenant_id, "rss", feed.url, client_id),
        kind="rss",
        location=feed.url,
        client_id=client_id,
        on_failure=feed.on_failure,
        origin=origin,
    )


def _sources(connection: Connection, audit: Audit, wanted: TenantFile, folder: Path) -> None:
    found = [feed_source(wanted.tenant, feed, None) for feed in wanted.feeds]
    for entry in wanted.clients:
        found += [feed_source(wanted.tenant, feed, entry.client_id) for feed in entry.feeds]
        if wanted.mode == "mock":
            found.append(mock_search_source(wanted.tenant, entry.client_id))
    # Clients that the CRM or the command line put there are asked about too.
    for client in clients.clients_of(connection, wanted.tenant):
        found += search_sources(client, wanted.search)
    if wanted.crm is not None:
        found += crm_sources(wanted, folder)
    elif wanted.mode == "mock":
        found.append(_mock(wanted.tenant, "mock_accounts", None))
        found.append(_mock(wanted.tenant, "mock_activities", None))
    for source in found:
        sources.put_source(connection, audit, source)
    clients.retire(
        connection,
        audit,
        t.sources,
        tenant_id=wanted.tenant,
        origin="file",
        keep={(source.source_id,) for source in found},
    )


def mock_search_source(tenant_id: str, client_id: str) -> Source:
    """The source that makes up news about a client of a mock tenant."""
    return _mock(tenant_id, "mock_search", client_id)


def _mock(tenant_id: str, kind: str, client_id: str | None) -> Source:
    location = f"mock:{client_id or 'crm'}"
    return Source(
        tenant_id=tenant_id,
        source_id=sources.source_id_for(tenant_id, kind, location, client_id),
        kind=kind,
        location=location,
        client_id=client_id,
    )


def _schedules(connection: Connection, audit: Audit, wanted: TenantFile) -> None:
    made = [schedule_from(wanted.tenant, entry) for entry in wanted.schedules]
    for entry in wanted.users:
        if not entry.active:
            continue
        user_id = people.user_id_for(wanted.tenant, entry.handle)
        digest = schedules.digest_schedule(
            entry.handle, preferences_from(wanted.tenant, user_id, entry)
        )
        if digest is not None:
            made.append(digest)
    for schedule in made:
        schedules.put_schedule(connection, audit, schedule)
    clients.retire(
        connection,
        audit,
        t.automation_schedules,
        tenant_id=wanted.tenant,
        origin="file",
        keep={(schedule.schedule_id,) for schedule in made},
    )


def schedule_from(tenant_id: str, entry: ScheduleEntry) -> Schedule:
    """The schedule that an entry of the file stands for."""
    cron = (
        entry.cron
        if entry.type == "cron"
        else schedules.cron_for(
            entry.type,
            local_time=entry.at,
            weekday=weekday_number(entry.weekday),
            day_of_month=str(entry.day),
        )
    )
    return Schedule(
        schedule_id=schedules.schedule_id_for(tenant_id, entry.name),
        tenant_id=tenant_id,
        name=entry.name,
        purpose="monitor",
        schedule_type=entry.type,
        cron=cron,
        timezone=entry.zone,
        clients=entry.clients,
        overlap_policy=entry.overlap,
        catch_up=entry.catch_up,
        catch_up_limit=entry.catch_up_limit,
        is_active=entry.active,
    )
