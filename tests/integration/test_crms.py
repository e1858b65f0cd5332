"""Every CRM that is asked, against its fake over real HTTP: what it says is what the control plane then knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from clientlore.clock import FrozenClock
from clientlore.control import sources
from clientlore.monitoring import raw
from clientlore.providers import http as http_layer
from clientlore.providers.crm import hubspot, salesforce
from clientlore.testing.fakes import every
from clientlore.testing.fakes.serving import Fake, Fault
from clientlore.testing.workspaces import put_tenant
from tests.conftest import NOW
from tests.support.crm_desk import CrmDesk

CRMS = tuple(every.CRM)
COUNT = 12


@pytest.fixture
def fake() -> Fake:
    made = Fake()
    made.state["clock"]["now"] = NOW - timedelta(hours=1)
    return made


@pytest.fixture
def desk(
    tmp_path: Path, fake: Fake, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CrmDesk]:
    monkeypatch.setattr(http_layer, "BASE_DELAY", 0.01)
    monkeypatch.setattr(hubspot, "SEARCH_RATE", 1_000)
    monkeypatch.setattr(hubspot, "RATE", 1_000)
    monkeypatch.setattr(salesforce, "BULK_WAIT", 0.01)
    with every.served(fake, tmp_path) as environment:
        made = CrmDesk(tmp_path, fake, environment, clock)
        # What is in it from the beginning was there an hour ago.
        assert made.book.rows
        yield made
        made.close()


@pytest.mark.parametrize("crm", CRMS)
def test_accounts_become_clients_with_contacts_and_the_crms_owner(desk: CrmDesk, crm: str) -> None:
    synced = desk.refresh(crm)
    assert (synced.accounts, synced.created, synced.rejects) == (COUNT, COUNT, ())
    client = {c.client_id: c for c in desk.clients()}["harbor-foods-inc"]
    first = desk.book.rows["accounts"][1].told
    assert (client.name, client.domain, client.industry, client.origin) == (
        "Harbor Foods Inc", "harbor-foods-inc.example", first["industry"], "crm",
    )  # fmt: skip
    handles = {1: "ann", 2: "bo", 3: "cy"}
    owners = desk.owners()
    for row in desk.book.all("accounts"):
        (client,) = [c for c in desk.clients() if c.name == row.told["name"]]
        assert owners[client.client_id] == [handles[row.told["owner"]]]
        assert desk.contacts()[client.client_id] == {
            one.told["email"] for one in desk.book.all("contacts") if one.told["account"] == row.number
        }  # fmt: skip
    assert desk.state().synced_to == desk.clock.now()


@pytest.mark.parametrize("crm", CRMS)
def test_only_what_has_changed_since_is_asked_for_and_brought_in(desk: CrmDesk, crm: str) -> None:
    desk.refresh(crm)
    before = len(desk.rows())
    desk.later(hours=2)
    assert desk.refresh(crm).created == 0
    assert len(desk.rows()) == before
    desk.later(hours=2)
    desk.book.put("accounts", 2, name="Vela Freight SE", owner=1)
    new = desk.book.put("accounts", name="Saltmarsh Foods Ltd", domain="saltmarsh.example", owner=3)
    desk.book.put("contacts", 3, account=new)
    assert desk.refresh(crm).created == 1
    assert len(desk.rows()) == before + 2
    assert {"Vela Freight SE", "Saltmarsh Foods Ltd"} < desk.names()
    assert "Vela Logistics SE" not in desk.names()
    owners, contacts = desk.owners(), desk.contacts()
    # Known by the CRM's id, it keeps ours.
    assert owners["vela-logistics-se"] == ["ann"]
    assert owners["saltmarsh-foods-ltd"] == ["cy"]
    moved = desk.book.rows["contacts"][3].told["email"]
    assert contacts["saltmarsh-foods-ltd"] == {moved}
    assert moved not in contacts["vela-logistics-se"]


@pytest.mark.parametrize("crm", CRMS)
def test_what_is_deleted_is_switched_off_and_what_comes_back_is_on_again(
    desk: CrmDesk, crm: str
) -> None:
    desk.refresh(crm)
    desk.later(hours=1)
    desk.book.delete("accounts", 3)
    desk.book.delete("contacts", 1)
    desk.refresh(crm)
    assert "Umbra Power AG" not in desk.names()
    assert len(desk.names()) == COUNT - 1
    assert desk.contacts()["harbor-foods-inc"] == {desk.book.rows["contacts"][2].told["email"]}
    assert "umbra-power-ag" not in desk.contacts()
    desk.later(hours=1)
    desk.book.put("accounts", 3)
    desk.refresh(crm)
    assert len(desk.names()) == COUNT
    assert "umbra-power-ag" in desk.contacts()


@pytest.mark.parametrize("crm", CRMS)
def test_what_is_saved_around_the_mark_is_not_missed(desk: CrmDesk, crm: str) -> None:
    desk.refresh(crm)
    # Saved two minutes before the last question, and found only now.
    desk.fake.state["clock"]["now"] = desk.clock.now() - timedelta(minutes=2)
    desk.book.put("accounts", 5, name="Birchwood Rail Ltd")
    desk.clock.advance(timedelta(hours=1))
    desk.refresh(crm)
    assert "Birchwood Rail Ltd" in desk.names()


@pytest.mark.parametrize("crm", CRMS)
def test_a_sync_that_did_not_happen_is_made_up_for_by_the_next(desk: CrmDesk, crm: str) -> None:
    desk.refresh(crm)
    desk.later(days=1)
    desk.book.put("accounts", 4, name="Kilnworks Holdings Ltd")
    desk.book.delete("accounts", 6)
    # Collected, and then the process died.
    desk.collect(crm)
    desk.later(days=2)
    desk.refresh(crm)
    assert "Kilnworks Holdings Ltd" in desk.names()
    assert len(desk.names()) == COUNT - 1


@pytest.mark.parametrize("crm", CRMS)
def test_an_owner_who_becomes_a_user_later_is_assigned_without_a_change_in_the_crm(
    desk: CrmDesk, crm: str
) -> None:
    for row in desk.book.all("accounts"):
        row.told["owner"] = 2
    desk.open(crm)
    with desk.workspace.control.write() as connection:
        connection.exec_driver_sql("UPDATE users SET email = 'other@advisors.example', handle = 'x', "
                                   "name = 'X' WHERE handle = 'bo'")  # fmt: skip
    desk.again()
    synced = desk.sync()
    assert {reject.reason for reject in synced.rejects} == {"unknown_owner"}
    assert len(synced.rejects) == COUNT
    assert desk.owners() == {}
    desk.later(days=1)
    assert desk.refresh(crm).rejects == ()
    assert set(map(tuple, desk.owners().values())) == {("bo",)}


@pytest.mark.parametrize("crm", CRMS)
def test_a_record_without_what_is_needed_is_set_aside_and_new_fields_are_noted_and_kept(
    desk: CrmDesk, crm: str
) -> None:
    desk.book.put("accounts", 7, name="", domain=None, custom={"hs_new_field": "x", "New__c": "y"})
    outcome = desk.collect(crm)
    assert outcome.outcome == "collected"
    assert [(reason, detail) for _, _, reason, detail in outcome.rejects] == [
        ("missing_field", "no name" if crm == "hubspot" else "no Name")
    ]
    assert len(desk.rows()) == COUNT - 1
    assert any("new" in name.lower() for name in outcome.drift)
    bodies = b"".join(row["body"] for row in desk.rows(raw.RESPONSES))
    assert b"hs_new_field" in bodies or b"New__c" in bodies
    with desk.workspace.control.read() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM quarantine").scalar_one()
    assert count == 1


@pytest.mark.parametrize("crm", CRMS)
def test_activities_belong_to_the_accounts(desk: CrmDesk, crm: str) -> None:
    desk.refresh(crm)
    outcome = desk.again("activities")
    assert (outcome.outcome, outcome.items) == ("collected", COUNT)
    rows = desk.rows(raw.CRM_ACTIVITIES)
    known = {row["account_id"] for row in desk.rows()}
    assert {row["account_id"] for row in rows} == known
    (row,) = [r for r in rows if r["subject"] == desk.book.rows["activities"][1].told["subject"]]
    assert "They compare it with another offer." in row["text"]
    assert row["occurred_at"] is not None
    desk.later(hours=3)
    desk.book.put("activities", 4, text="They sign on Monday.")
    assert desk.again("activities").items == 1
    assert "They sign on Monday." in desk.rows(raw.CRM_ACTIVITIES)[-1]["text"]


@pytest.mark.parametrize("crm", CRMS)
def test_clients_of_the_crm_are_searched_for_at_once_and_no_longer_when_they_are_gone(
    desk: CrmDesk, crm: str
) -> None:
    desk.open(crm, "search: [serper, edgar]")
    desk.again()
    desk.sync()
    with desk.workspace.control.read() as connection:
        found = sources.sources_of(connection, "desk")
    searched = {s.client_id for s in found if s.kind == "serper"}
    assert searched == {c.client_id for c in desk.clients()}
    # Only who has a ticker can be known to EDGAR; HubSpot has no field for it.
    listed = {s.client_id for s in found if s.kind == "edgar"}
    assert listed == ({"harbor-foods-inc"} if crm == "salesforce" else set())
    desk.later(hours=1)
    desk.book.delete("accounts", 1)
    desk.again()
    desk.sync()
    with desk.workspace.control.read() as connection:
        found = sources.sources_of(connection, "desk")
    assert "harbor-foods-inc" not in {s.client_id for s in found}
    assert len([s for s in found if s.kind == "serper"]) == COUNT - 1


@pytest.mark.parametrize("crm", CRMS)
def test_a_past_day_is_asked_for_its_own_changes_and_moves_no_mark(desk: CrmDesk, crm: str) -> None:
    desk.fake.state["clock"]["now"] = NOW - timedelta(days=3)
    desk.book.put("accounts", 8, name="Fjordline Ferries AS")
    desk.collect(crm, day=(NOW - timedelta(days=3)).date())
    assert [row["name"] for row in desk.rows()] == ["Fjordline Ferries AS"]
    assert desk.state().synced_to is None
    # Read in part only, it switches nobody off.
    desk.sync()
    assert desk.names() == {"Fjordline Ferries AS"}


@pytest.mark.parametrize("crm", CRMS)
def test_a_crm_that_was_read_in_part_switches_nobody_off_until_it_was_read_whole(
    desk: CrmDesk, crm: str
) -> None:
    (desk.folder / "accounts.csv").write_text(
        "id,name,domain\nf1,Harbor Foods Inc,harbor-foods-inc.example\nf2,Old Client Ltd,old.example\n"
    )
    desk.open(crm)
    put_tenant(
        desk.workspace, "tenant: desk\nname: Desk\ncrm: {accounts: accounts.csv}", desk.folder
    )
    desk.again()
    desk.sync()
    assert desk.names() == {"Harbor Foods Inc", "Old Client Ltd"}
    prefix = {"hubspot": "/hubspot/crm/objects/2026-09/contacts", "salesforce": "/services/data"}[
        crm
    ]
    before = [Fault()] if crm == "salesforce" else []
    desk.fake.fail(prefix, *before, *[Fault(503)] * 3)
    outcome = desk.collect(crm)
    assert (outcome.outcome, outcome.error_kind) == ("degraded", "retriable")
    desk.sync()
    assert desk.state().synced_to is None
    assert "Old Client Ltd" in desk.names()
    assert desk.refresh(crm).accounts == COUNT
    assert "Old Client Ltd" not in desk.names()
    # Under another id than the file gave it, and still the same client.
    assert [c.client_id for c in desk.clients() if c.name.startswith("Harbor")] == [
        "harbor-foods-inc"
    ]


@pytest.mark.parametrize("crm", CRMS)
def test_what_is_asked_holds_no_secret_and_names_us(desk: CrmDesk, crm: str) -> None:
    desk.refresh(crm)
    asked = [a for a in desk.fake.log if crm in a.path or "services" in a.path]
    assert asked
    assert all(a.headers["user-agent"].startswith("Clientlore/") for a in asked)
    kept = json.dumps([row["request"] for row in desk.rows(raw.RESPONSES)])
    kept += json.dumps([row["headers"] for row in desk.rows(raw.RESPONSES)])
    kept += repr(desk.workspace.settings)
    assert "test-key" not in kept
    assert "Bearer" not in kept


@pytest.mark.parametrize("crm", CRMS)
def test_what_is_made_up_in_place_of_a_crm_moves_no_mark_and_gives_way_to_what_is_real(
    desk: CrmDesk, crm: str
) -> None:
    desk.mode = "mock"
    desk.open(crm, "clients: [{name: Harbor Foods, domain: harbor-foods-inc.example}]")
    path = {"hubspot": "/hubspot", "salesforce": "/services"}[crm]
    desk.fake.fail(path, *[Fault(500)] * 3)
    outcome = desk.again()
    assert (outcome.outcome, outcome.is_stand_in) == ("degraded", True)
    assert desk.sync().accounts == 1
    assert desk.state().synced_to is None
    assert set(desk.contacts()) == {"harbor-foods"}
    desk.later(hours=1)
    assert desk.again().outcome == "collected"
    assert desk.sync().accounts == COUNT
    assert len(desk.clients()) == COUNT
    real = {one.told["email"] for one in desk.book.all("contacts") if one.told["account"] == 1}
    assert desk.contacts()["harbor-foods"] == real
    # The CRM fails again: what is known of it stays.
    desk.later(hours=1)
    mark = desk.state().synced_to
    desk.fake.fail(path, *[Fault(500)] * 3)
    assert desk.again().is_stand_in
    desk.sync()
    assert desk.state().synced_to == mark
    assert desk.contacts()["harbor-foods"] == real
