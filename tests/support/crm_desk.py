"""A live tenant whose clients come from a CRM, which is a fake."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import clients, people, sources, tenants
from clientlore.control import tables as t
from clientlore.control.model import Client, SourceState
from clientlore.monitoring import raw
from clientlore.monitoring.asking import SourceOutcome
from clientlore.monitoring.collect import collect
from clientlore.monitoring.crm_sync import Synced, sync_accounts
from clientlore.run_context import RunContext
from clientlore.settings import load_settings
from clientlore.testing.fakes.book import Book, book_of
from clientlore.testing.fakes.serving import Fake
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

TENANT = """
tenant: desk
name: Desk
mode: {mode}
users:
  - {{id: ann, name: Ann Okafor, email: ann@advisors.example}}
  - {{id: bo, name: Bo Lind, email: Bo@advisors.example}}
  - {{id: cy, name: Cy Moor, email: cy@advisors.example}}
crm: {{provider: {provider}, on_failure: {on_failure}{only}}}
{more}
"""


@dataclass
class CrmDesk:
    """The tenant, in a process of its own each time so to speak: no bucket or breaker remembers the last."""

    folder: Path
    fake: Fake
    environment: dict[str, str]
    clock: FrozenClock
    opened: list[Workspace] = field(default_factory=list)
    mode: str = "live"
    only: str = ""

    @property
    def book(self) -> Book:
        """What the CRM has."""
        return book_of(self.fake)

    @property
    def workspace(self) -> Workspace:
        """The newest workspace."""
        return self.opened[-1]

    def later(self, **span: float) -> None:
        """Lets time pass, here and at the CRM."""
        self.clock.advance(timedelta(**span))
        self.fake.state["clock"]["now"] = self.clock.now()

    def open(self, provider: str, more: str = "") -> Workspace:
        """Its workspace, with settings as the environment gives them."""
        environment = {
            "CLIENTLORE_HOME": str(self.folder / "home"),
            "CLIENTLORE_HTTP_TIMEOUT": "5",
            **self.environment,
        }
        workspace = Workspace.open(load_settings(environment, start=self.folder), clock=self.clock)
        self.opened.append(workspace)
        on_failure = "skip" if self.mode == "live" else "mock"
        only = f", only: {self.only}" if self.only else ""
        text = TENANT.format(
            mode=self.mode, provider=provider, on_failure=on_failure, more=more, only=only
        )
        put_tenant(workspace, text)
        return workspace

    def collect(
        self, provider: str, what: str = "accounts", day: date | None = None
    ) -> SourceOutcome:
        """One collection of one table, from a new process."""
        self.open(provider)
        return self.again(what, day)

    def again(self, what: str = "accounts", day: date | None = None) -> SourceOutcome:
        """One collection more in the same process."""
        with self.workspace.control.read() as connection:
            tenant = tenants.get_tenant(connection, "desk")
            known = sources.sources_of(connection, "desk")
        found = collect(
            RunContext(self.workspace), tenant, day or self.clock.now().date(),
            raw.TABLES[f"crm_{what}"], known_sources=known, clients=self.clients(),
        )  # fmt: skip
        (outcome,) = found.outcomes
        return outcome

    def sync(self, day: date | None = None) -> Synced:
        """Brings the control plane to what was collected."""
        with self.workspace.control.read() as connection:
            tenant = tenants.get_tenant(connection, "desk")
        return sync_accounts(RunContext(self.workspace), tenant, day or self.clock.now().date())

    def refresh(self, provider: str) -> Synced:
        """Collects the accounts and brings the control plane to them."""
        outcome = self.collect(provider)
        assert outcome.outcome in {"collected", "unchanged", "empty"}, outcome.error
        return self.sync()

    def rows(self, table: Any = raw.CRM_ACCOUNTS) -> list[dict[str, Any]]:
        """Raw rows of all days."""
        lake = self.workspace.lake
        return (
            lake.collect(table, lake.scan(table, ["desk"], None))
            .sort(
                "fetched_at", "response_id", *(["position"] if "position" in table.schema else [])
            )
            .to_dicts()
        )

    def clients(self) -> list[Client]:
        """The clients that are watched."""
        with self.workspace.control.read() as connection:
            return clients.clients_of(connection, "desk")

    def names(self) -> set[str]:
        """Their names."""
        return {client.name for client in self.clients()}

    def owners(self) -> dict[str, list[str]]:
        """Handles of those who look after each client."""
        with self.workspace.control.read() as connection:
            handles = {u.user_id: u.handle for u in people.users_of(connection, "desk")}
            found = clients.responsible(connection, "desk")
        return {client: [handles[user] for user in users] for client, users in found.items()}

    def contacts(self) -> dict[str, set[str]]:
        """Mail addresses of the contacts of each client."""
        found: dict[str, set[str]] = {}
        with self.workspace.control.read() as connection:
            query = sa.select(t.contacts).where(t.contacts.c.is_active)
            for row in connection.execute(query).mappings():
                found.setdefault(row["client_id"], set()).add(row["email"])
        return found

    def source(self, what: str = "accounts") -> str:
        """The id of the source of a table."""
        with self.workspace.control.read() as connection:
            (found,) = [
                s.source_id for s in sources.sources_of(connection, "desk") if s.kind.endswith(what)
            ]
        return found

    def state(self, what: str = "accounts") -> SourceState:
        """What the source of a table said last."""
        with self.workspace.control.read() as connection:
            return sources.states_of(connection, "desk").get(self.source(what), SourceState())

    def ledger(self, what: str = "accounts") -> dict[str, Any]:
        """The day's row of the source of a table."""
        with self.workspace.control.read() as connection:
            rows = sources.collections_of(connection, "desk", self.clock.now().date())
        (row,) = [r for r in rows if r["source_id"] == self.source(what)]
        return row

    def close(self) -> None:
        """Closes every workspace."""
        for workspace in self.opened:
            workspace.close()
