"""From the CRM's accounts to clients, contacts and the people who look after them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import clients, people, sources, tenants
from clientlore.control import tables as t
from clientlore.control.model import Client
from clientlore.monitoring import raw
from clientlore.monitoring.collect import Collected, collect
from clientlore.monitoring.crm_sync import Synced, sync_accounts
from clientlore.run_context import RunContext
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TODAY = NOW.date()
HEADER = "id,name,domain,owner,contact name,contact email,contact role,aliases\n"
TENANT = """
tenant: desk
name: Desk
users:
  - {id: ada, name: Ada Kern, email: ada@desk.example}
  - {id: bo, name: Bo Lind, email: bo@desk.example}
clients:
  - {id: kiln, name: Kilnworks Ceramics Inc, domain: kiln.example, aliases: [KW], owners: [bo]}
crm: {accounts: accounts.csv, activities: activities.json}
"""


@dataclass
class Desk:
    """A live tenant with a CRM as a file, and one client of the tenant file."""

    workspace: Workspace
    clock: FrozenClock
    folder: Path

    def export(self, *lines: str, header: str = HEADER) -> None:
        """Writes the CRM's export."""
        text = header + "".join(f"{line}\n" for line in lines)
        (self.folder / "accounts.csv").write_text(text, encoding="utf-8-sig")

    def collect(self, table: Any = raw.CRM_ACCOUNTS, day: date | None = None) -> Collected:
        """Collects one CRM table."""
        with self.workspace.control.read() as connection:
            tenant = tenants.get_tenant(connection, "desk")
            known = sources.sources_of(connection, "desk")
        return collect(
            RunContext(self.workspace), tenant, day or self.clock.now().date(), table,
            known_sources=known, clients=self.clients(),
        )  # fmt: skip

    def sync(self, day: date | None = None) -> Synced:
        """Collects the accounts and brings the control plane to them."""
        self.collect(day=day)
        return self.sync_only(day)

    def sync_only(self, day: date | None = None) -> Synced:
        """Brings the control plane to what was collected on a day."""
        with self.workspace.control.read() as connection:
            tenant = tenants.get_tenant(connection, "desk")
        return sync_accounts(RunContext(self.workspace), tenant, day or self.clock.now().date())

    def clients(self, *, active_only: bool = True) -> list[Client]:
        """The clients as they stand."""
        with self.workspace.control.read() as connection:
            return clients.clients_of(connection, "desk", active_only=active_only)

    def names(self) -> dict[str, str]:
        """Names of the clients that are watched, by id."""
        return {c.client_id: c.name for c in self.clients()}

    def owners(self) -> dict[str, list[str]]:
        """Handles of those who look after each client."""
        with self.workspace.control.read() as connection:
            handles = {u.user_id: u.handle for u in people.users_of(connection, "desk")}
            found = clients.responsible(connection, "desk")
        return {client: [handles[user] for user in users] for client, users in found.items()}

    def contacts(self) -> dict[str, tuple[str, str | None, str | None]]:
        """Active contacts by client."""
        with self.workspace.control.read() as connection:
            rows = connection.execute(
                sa.select(t.contacts).where(t.contacts.c.is_active)
            ).mappings()
            return {r["client_id"]: (r["name"], r["email"], r["relationship_type"]) for r in rows}

    def changes(self) -> int:
        """How many entries the audit log has."""
        with self.workspace.control.read() as connection:
            count = sa.select(sa.func.count()).select_from(t.audit_log)
            return int(connection.execute(count).scalar_one())


@pytest.fixture
def desk(workspace: Workspace, clock: FrozenClock, tmp_path: Path) -> Desk:
    """The tenant, its export not yet written."""
    put_tenant(workspace, TENANT, tmp_path)
    return Desk(workspace, clock, tmp_path)


BIRCH = "77,Birchwood Freight Ltd,https://www.birch.example/,Ada@Desk.example,Cy Moor,cy@birch.example,CFO,BF;Birch"


def test_an_account_that_nobody_knew_becomes_a_client_with_contact_and_owner(desk: Desk) -> None:
    desk.export(BIRCH)
    assert desk.sync() == Synced(accounts=1, created=1)
    client = {c.client_id: c for c in desk.clients()}["birchwood-freight-ltd"]
    assert (client.name, client.domain, client.external_id) == (
        "Birchwood Freight Ltd", "birch.example", "77",
    )  # fmt: skip
    assert client.origin == "crm"
    assert dict(client.profile) == {"aliases": ["BF", "Birch"]}
    assert desk.owners() == {"kiln": ["bo"], "birchwood-freight-ltd": ["ada"]}
    assert desk.contacts() == {"birchwood-freight-ltd": ("Cy Moor", "cy@birch.example", "CFO")}


@pytest.mark.parametrize(
    "line",
    [
        "5,Quite Another Name,kiln.example,,,,,",
        "5,Kilnworks Ceramics plc,,,,,,",
        "5,KILNWORKS CERAMICS,,,,,,",
    ],
    ids=["by domain", "by name without legal form", "by name in capitals"],
)
def test_a_client_of_the_tenant_file_keeps_what_the_file_says_and_gets_the_crms_id(
    desk: Desk, line: str
) -> None:
    (before,) = desk.clients()
    desk.export(line)
    assert desk.sync() == Synced(accounts=1, created=0)
    (after,) = desk.clients()
    assert after.external_id == "5"
    assert (after.name, after.domain, after.origin) == (before.name, before.domain, "file")
    assert after.profile == before.profile
    put_tenant(desk.workspace, TENANT, desk.folder)
    assert desk.clients() == [after]


def test_a_client_that_the_tenant_file_drops_and_the_crm_still_names_is_the_crms(
    desk: Desk,
) -> None:
    desk.export("5,Kilnworks Ceramics,kiln.example,,,,,")
    desk.sync()
    without = [
        line for line in TENANT.splitlines() if not line.startswith(("clients:", "  - {id: kiln"))
    ]
    put_tenant(desk.workspace, "\n".join(without), desk.folder)
    assert desk.clients() == []
    desk.clock.advance(timedelta(days=1))
    desk.export("5,Kilnworks Ceramics,kiln.example,,,,,")
    desk.sync()
    assert [(c.client_id, c.origin) for c in desk.clients()] == [("kiln", "crm")]


def test_an_account_is_known_by_its_id_even_under_another_name(desk: Desk) -> None:
    desk.export("5,Kilnworks Ceramics,,,,,,", BIRCH)
    desk.sync()
    desk.clock.advance(timedelta(days=1))
    desk.export(
        "5,Renamed Kilns,renamed.example,,,,,", BIRCH.replace("Birchwood Freight Ltd", "Bw Group")
    )
    assert desk.sync() == Synced(accounts=2, created=0)
    assert desk.names() == {"kiln": "Kilnworks Ceramics Inc", "birchwood-freight-ltd": "Bw Group"}


def test_two_accounts_of_one_name_are_two_clients(desk: Desk) -> None:
    desk.export("1,Saltmarsh Energy,,,,,,", "2,Saltmarsh Energy,,,,,,")
    assert desk.sync().created == 2
    ids = {c.client_id for c in desk.clients() if c.name == "Saltmarsh Energy"}
    assert ids == {"saltmarsh-energy", "saltmarsh-energy-2"}


def test_the_owner_of_the_file_takes_the_place_of_the_crms(desk: Desk) -> None:
    desk.export("5,Kilnworks Ceramics,,ada@desk.example,,,,")
    desk.sync()
    assert desk.owners() == {"kiln": ["bo"]}
    put_tenant(desk.workspace, TENANT.replace(", owners: [bo]", ""), desk.folder)
    assert desk.owners() == {"kiln": ["ada"]}


@pytest.mark.parametrize("owner", ["ada@desk.example", "ADA@DESK.EXAMPLE", "ada", "Ada Kern"])
def test_an_owner_is_known_by_address_id_or_name(desk: Desk, owner: str) -> None:
    desk.export(f"1,Saltmarsh Energy,,{owner},,,,")
    assert desk.sync().rejects == ()
    assert desk.owners()["saltmarsh-energy"] == ["ada"]


def test_an_owner_who_is_no_user_is_set_aside_and_the_client_is_kept(desk: Desk) -> None:
    desk.export("1,Saltmarsh Energy,,eve@desk.example,,,,", BIRCH)
    synced = desk.sync()
    (reject,) = synced.rejects
    assert reject.reason == "unknown_owner"
    assert reject.detail == "the owner of account 1 is no user; add them to the tenant file"
    assert reject.reference.startswith("response:")
    assert reject.reference.endswith("#0")
    assert synced.created == 2
    assert "saltmarsh-energy" not in desk.owners()


def test_what_the_crm_no_longer_mentions_is_switched_off_if_the_crm_had_put_it_there(
    desk: Desk,
) -> None:
    desk.export("5,Kilnworks Ceramics,,,Di Vane,di@kiln.example,CEO,", BIRCH)
    desk.sync()
    desk.clock.advance(timedelta(days=1))
    desk.export("9,Tidewater Optics,,,,,,")
    desk.sync()
    assert desk.names() == {
        "kiln": "Kilnworks Ceramics Inc",
        "tidewater-optics": "Tidewater Optics",
    }
    assert desk.contacts() == {}
    assert desk.owners() == {"kiln": ["bo"]}
    desk.clock.advance(timedelta(days=1))
    desk.export(BIRCH)
    assert desk.sync().created == 0
    assert set(desk.names()) == {"kiln", "birchwood-freight-ltd"}
    assert desk.owners()["birchwood-freight-ltd"] == ["ada"]


def test_the_same_export_again_changes_nothing(desk: Desk) -> None:
    desk.export(BIRCH, "5,Kilnworks Ceramics,,,,,,")
    desk.sync()
    changes = desk.changes()
    assert desk.sync() == Synced()
    desk.clock.advance(timedelta(days=1))
    assert desk.sync().accounts == 2
    assert desk.changes() == changes


def test_a_day_that_is_made_again_later_changes_nothing(desk: Desk) -> None:
    desk.export(BIRCH)
    desk.sync()
    desk.clock.advance(timedelta(days=1))
    desk.export("9,Tidewater Optics,,,,,,")
    desk.sync()
    changes = desk.changes()
    assert desk.sync_only(TODAY) == Synced()
    assert desk.sync_only() == Synced()
    assert desk.changes() == changes
    assert set(desk.names()) == {"kiln", "tidewater-optics"}


def test_the_newest_export_of_a_day_counts(desk: Desk) -> None:
    desk.export(BIRCH)
    desk.collect()
    desk.clock.advance(timedelta(hours=2))
    desk.export("9,Tidewater Optics,,,,,,")
    desk.sync()
    assert set(desk.names()) == {"kiln", "tidewater-optics"}


@pytest.mark.parametrize("broken", ["missing column", "empty", "no file"])
def test_a_broken_export_switches_nobody_off(desk: Desk, broken: str) -> None:
    desk.export(BIRCH)
    desk.sync()
    desk.clock.advance(timedelta(days=1))
    path = desk.folder / "accounts.csv"
    if broken == "missing column":
        desk.export("9,Tidewater", header="id,city\n")
    elif broken == "empty":
        path.write_bytes(b"\xef\xbb\xbf")
    else:
        path.unlink()
    (outcome,) = desk.collect().outcomes
    assert outcome.outcome == "failed"
    assert "accounts.csv" in str(outcome.error)
    assert desk.sync_only() == Synced()
    assert set(desk.names()) == {"kiln", "birchwood-freight-ltd"}


def test_a_duplicated_id_and_a_row_without_name_are_set_aside_and_the_rest_is_synced(
    desk: Desk,
) -> None:
    desk.export(BIRCH, BIRCH.replace("Birchwood", "Other"), "8,,,,,,,")
    (outcome,) = desk.collect().outcomes
    assert [(p, reason) for _, p, reason, _ in outcome.rejects] == [
        (1, "duplicate_id"),
        (2, "missing_field"),
    ]
    assert desk.sync_only() == Synced(accounts=1, created=1)


def test_a_made_up_account_in_a_live_tenant_makes_no_client(desk: Desk) -> None:
    desk.export(BIRCH)
    desk.collect()
    lake = desk.workspace.lake
    rows = lake.collect(raw.CRM_ACCOUNTS, lake.scan(raw.CRM_ACCOUNTS, ["desk"]))
    made_up = rows.with_columns(
        source_mode=pl.lit("mock"), name=pl.lit("Made Up"), account_id=pl.lit("0")
    )
    lake.append_raw(raw.CRM_ACCOUNTS, "desk", TODAY, "crm_accounts-smuggled", made_up)
    desk.sync_only()
    assert set(desk.names()) == {"kiln", "birchwood-freight-ltd"}


def test_activities_are_collected_beside_the_accounts(desk: Desk) -> None:
    (desk.folder / "activities.json").write_text(
        '{"records": [{"id": "a1", "accountId": "77", "type": "Call", "subject": "Hello",'
        ' "date": "2026-11-19T10:00:00Z"}, {"id": "a2", "accountId": "77", "subject": "Bad", "date": "soon"}]}'
    )
    (outcome,) = desk.collect(raw.CRM_ACTIVITIES).outcomes
    assert (outcome.outcome, outcome.items) == ("collected", 1)
    assert [(p, reason) for _, p, reason, _ in outcome.rejects] == [(1, "bad_date")]
    lake = desk.workspace.lake
    (row,) = lake.collect(raw.CRM_ACTIVITIES, lake.scan(raw.CRM_ACTIVITIES, ["desk"])).to_dicts()
    assert (row["activity_id"], row["kind"], row["account_id"]) == ("a1", "call", "77")
    assert row["occurred_at"] == datetime(2026, 11, 19, 10, tzinfo=UTC)
    assert row["source_mode"] == "live"


def test_a_made_up_crm_gives_the_clients_of_a_mock_tenant_contacts_and_owners(
    workspace: Workspace, clock: FrozenClock, tmp_path: Path
) -> None:
    put_tenant(
        workspace,
        """
        tenant: desk
        name: Demo
        mode: mock
        users: [{id: ada, name: Ada Kern, email: ada@desk.example}]
        clients: [{id: kiln, name: Kilnworks Ceramics}, {id: birch, name: Birchwood Freight}]
        """,
    )
    with workspace.control.read() as connection:
        tenant = tenants.get_tenant(connection, "desk")
        known = sources.sources_of(connection, "desk")
        watched = clients.clients_of(connection, "desk")
    ctx = RunContext(workspace)
    collect(
        ctx, tenant, TODAY, raw.CRM_ACCOUNTS,
        known_sources=known, clients=watched, owners=("ada@desk.example",),
    )  # fmt: skip
    assert sync_accounts(ctx, tenant, TODAY) == Synced(accounts=2, created=0)
    desk = Desk(workspace, clock, tmp_path)
    assert set(desk.contacts()) == {"kiln", "birch"}
    assert desk.owners() == {"kiln": ["ada"], "birch": ["ada"]}
