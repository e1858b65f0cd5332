"""How the providers of news stand, and what one of them would give; nothing is stored here."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pydantic import ValidationError

from clientlore.control import clients, sources, tenants
from clientlore.control.client_sources import search_sources
from clientlore.control.model import Client, Source, SourceState, Tenant
from clientlore.control.search_entry import SearchEntry
from clientlore.errors import ConfigurationError
from clientlore.monitoring.asking import SourceOutcome, ask_all
from clientlore.providers.base import Ask
from clientlore.providers.kinds import Kind, Terms
from clientlore.providers.registry import KINDS, kind_of
from clientlore.run_context import RunContext
from clientlore.runs.allowances import Left
from clientlore.settings import VARIABLES, Settings
from clientlore.workspace import Workspace


@dataclass(frozen=True)
class Standing:
    """How a provider stands.

    Attributes:
        missing: Variables that it needs and that are not set.
        elsewhere: Addresses other than the usual ones.
        sources: How many sources in use ask it.
        failing: How many of these failed when they were last asked.
        error: What the last of those said.
        left: What is left today to each tenant that limits it.
        account_left: What it said last is left of the account, where it says so.
    """

    name: str
    title: str
    mode: str
    table: str
    missing: tuple[str, ...]
    elsewhere: tuple[str, ...]
    sources: int
    failing: int
    last_success_at: datetime | None
    error: str | None
    ends: str | None
    terms: Terms | None
    left: tuple[Left, ...] = ()
    account_left: int | None = None


def standing(workspace: Workspace) -> list[Standing]:
    """Every provider there is, with how its sources did when they were last asked."""
    used: dict[str, list[tuple[Source, SourceState, str | None]]] = {}
    with workspace.control.read() as connection:
        for tenant in tenants.all_tenants(connection):
            states = sources.states_of(connection, tenant.tenant_id)
            errors = sources.errors_of(connection, tenant.tenant_id)
            for source in sources.sources_of(connection, tenant.tenant_id):
                state = states.get(source.source_id, SourceState())
                used.setdefault(source.kind, []).append(
                    (source, state, errors.get(source.source_id))
                )
    return [_standing(workspace, name, KINDS[name], used.get(name, [])) for name in KINDS]


def _standing(
    workspace: Workspace,
    name: str,
    kind: Kind,
    used: list[tuple[Source, SourceState, str | None]],
) -> Standing:
    failing = [(state, error) for _, state, error in used if state.consecutive_failures]
    failing.sort(key=lambda f: str(f[0].last_failure_at))
    return Standing(
        name=name,
        title=kind.title or name.replace("_", " "),
        mode="mock" if name == kind.stand_in else "live",
        table=kind.table,
        missing=tuple(v for v in kind.needs if not is_set(workspace.settings, v)),
        elsewhere=_elsewhere(workspace.settings, name),
        sources=len(used),
        failing=len(failing),
        last_success_at=max(
            (s.last_success_at for _, s, _ in used if s.last_success_at), default=None
        ),
        error=failing[-1][1] if failing else None,
        ends=kind.ends,
        terms=kind.terms,
    )


def is_set(settings: Settings, variable: str) -> bool:
    """Whether an environment variable has a value, by the name that people know."""
    path = VARIABLES.get(variable)
    if path is None:
        # A provider of another package reads its own.
        return bool(os.environ.get(variable))
    found: Any = settings
    for part in path:
        found = getattr(found, part)
    return found is not None


def _elsewhere(settings: Settings, name: str) -> tuple[str, ...]:
    stem = name.removesuffix("_accounts").removesuffix("_activities")
    bases = {f"{stem}_base", f"{stem}_data_base", f"{stem}_www_base"}
    return tuple(
        str(value)
        for part in (settings.search, settings.crm)
        for field, value in part.model_dump(include=bases).items()
        if value != type(part).model_fields[field].default
    )


def try_out(
    workspace: Workspace, tenant: Tenant, provider: str, client_name: str, day: date
) -> SourceOutcome:
    """Asks a provider about a client as a collection of that day would, and stores nothing.

    The client's own source is asked where there is one; otherwise as if the tenant file named the provider.

    Raises:
        ConfigurationError: The provider is not asked about clients, or cannot know this one.
        NotFoundError: There is no such client.
    """
    kind = kind_of(provider)
    if kind.table != "search_results":
        raise ConfigurationError(
            f"'{provider}' is no provider of news", "`clientlore providers` lists them."
        )
    with workspace.control.read() as connection:
        (client_id,) = clients.resolve_clients(connection, tenant.tenant_id, [client_name])
        watched = clients.clients_of(connection, tenant.tenant_id)
        known = sources.sources_of(connection, tenant.tenant_id)
        states = sources.states_of(connection, tenant.tenant_id)
    client = next(c for c in watched if c.client_id == client_id)
    source = next(
        (s for s in known if s.kind == provider and s.client_id == client_id),
        None,
    ) or _as_if_named(provider, client)
    ask = Ask(
        source=source,
        client=client,
        clients=tuple(watched),
        day=day,
        is_today=workspace.clock.now().date() == day,
        state=states.get(source.source_id, SourceState()),
    )
    found: list[SourceOutcome] = []
    asyncio.run(ask_all(RunContext(workspace), [ask], found.append))
    return found[0]


def _as_if_named(provider: str, client: Client) -> Source:
    if KINDS[provider].terms is None:
        raise ConfigurationError(
            f"'{client.client_id}' has no source of the kind '{provider}'",
            "Give it one in the tenant file.",
        )
    try:
        found = search_sources(client, [SearchEntry(provider=provider)])
    except ValidationError as error:
        said = str(error.errors(include_url=False)[0]["msg"]).removeprefix("Value error, ")
        raise ConfigurationError(f"'{provider}' cannot be tried: {said}") from None
    if not found:
        raise ConfigurationError(
            f"'{provider}' knows only listed companies, and '{client.client_id}' has no ticker",
            "Give it its 'ticker:' or 'cik:' in the tenant file.",
        )
    return found[0]
