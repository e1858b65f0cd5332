"""Applying a tenant file makes the control plane what it says: again and again, as a whole, and nobody else's rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import clients, people, schedules, sources, tenants
from clientlore.control import tables as t
from clientlore.control.apply import Change, apply_tenant_file
from clientlore.control.audit import difference
from clientlore.control.model import Client, Source
from clientlore.control.tenant_file import parse_tenant_file
from clientlore.errors import ConfigurationError, NotFoundError
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

FILE = """
tenant: acme
name: Acme Watch
alert_email: ops@acme.example
users:
  - {id: ana, name: Ana, email: ana@acme.example, zone: Europe/London}
  - {id: bo, name: Bo, digest: {frequency: instant}}
clients:
  - name: Harbor Foods
    owners: [ana]
    people: [Lena Moss]
    feeds: [https://feeds.harbor.example/news.xml]
    contacts: [{name: Lena Moss, email: lena@harbor.example}]
  - {name: Quarry Stone, owners: [ana, bo]}
feeds: [https://wire.example/all.xml]
crm: {accounts: crm/accounts.csv}
schedules:
  - {name: morning, type: daily, at: "06:00"}
"""
TABLES = (
    t.tenants,
    t.users,
    t.user_preferences,
    t.clients,
    t.contacts,
    t.assignments,
    t.sources,
    t.automation_schedules,
    t.audit_log,
)


def everything(workspace: Workspace) -> dict[str, list[tuple[object, ...]]]:
    """Every row that apply can touch."""
    with workspace.control.read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table)).all()]
            for table in TABLES
        }


def apply(workspace: Workspace, text: str, *, dry_run: bool = False) -> list[Change]:
    audit = workspace.audit("cli:me", "apply")
    wanted = parse_tenant_file(text)
    return apply_tenant_file(workspace.control, audit, wanted, Path("/etc/acme"), dry_run=dry_run)


def test_a_file_makes_people_clients_sources_and_schedules(workspace: Workspace) -> None:
    apply(workspace, FILE)
    with workspace.control.read() as connection:
        tenant = tenants.get_tenant(connection, "acme")
        ana, bo = people.users_of(connection, "acme")
        owners = clients.responsible(connection, "acme")
        found = sources.sources_of(connection, "acme")
        planned = schedules.schedules_of(connection, "acme")
    assert (tenant.mode, tenant.status, tenant.allow_live_send) == ("live", "active", False)
    assert (ana.handle, ana.email, bo.email) == ("ana", "ana@acme.example", None)
    assert owners == {
        "harbor-foods": [ana.user_id],
        "quarry-stone": sorted([ana.user_id, bo.user_id]),
    }
    assert {(s.kind, s.location, s.client_id) for s in found} == {
        ("rss", "https://feeds.harbor.example/news.xml", "harbor-foods"),
        ("rss", "https://wire.example/all.xml", None),
        ("crm_accounts", "/etc/acme/crm/accounts.csv", None),
    }
    # Bo is mailed at once, so no schedule of his is needed.
    assert [(s.name, s.cron, s.timezone) for s in planned] == [
        ("digest:ana", "0 7 * * *", "Europe/London"),
        ("morning", "0 6 * * *", "UTC"),
    ]


def test_a_mock_tenant_gets_sources_that_make_things_up(workspace: Workspace) -> None:
    put_tenant(workspace, "tenant: demo\nname: Demo\nmode: mock\nclients: [{name: Harbor Foods}]\n")
    with workspace.control.read() as connection:
        kinds = [(s.kind, s.client_id) for s in sources.sources_of(connection, "demo")]
    assert sorted(kinds, key=str) == [
        ("mock_accounts", None),
        ("mock_activities", None),
        ("mock_search", "harbor-foods"),
    ]


def test_applying_twice_changes_nothing(workspace: Workspace, clock: FrozenClock) -> None:
    apply(workspace, FILE)
    before = everything(workspace)
    clock.advance(timedelta(hours=30))
    assert apply(workspace, FILE) == []
    assert everything(workspace) == before


def test_a_dry_run_changes_nothing_and_tells_the_same_changes(workspace: Workspace) -> None:
    untouched = everything(workspace)
    told = apply(workspace, FILE, dry_run=True)
    assert everything(workspace) == untouched
    assert apply(workspace, FILE) == told
    before = everything(workspace)
    changed = FILE.replace('at: "06:00"', 'at: "05:00"').replace("name: Bo,", "name: Bob,")
    told = apply(workspace, changed, dry_run=True)
    assert [(change.action, change.entity, list(change.fields)) for change in told] == [
        ("update", "users", ["name"]),
        ("update", "automation_schedules", ["cron", "next_run_at"]),
    ]
    assert everything(workspace) == before
    assert apply(workspace, changed) == told


def test_a_failure_in_the_middle_leaves_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    untouched = everything(workspace)

    def fail(*_args: object) -> None:
        raise OSError("the process died here")

    monkeypatch.setattr(schedules, "put_schedule", fail)
    with pytest.raises(OSError, match="died here"):
        apply(workspace, FILE)
    assert everything(workspace) == untouched


def test_every_change_is_in_the_audit_log_with_who_and_why(workspace: Workspace) -> None:
    changes = apply(workspace, FILE)
    with workspace.control.read() as connection:
        logged = connection.execute(sa.select(t.audit_log).order_by(t.audit_log.c.seq)).all()
    assert [(row.action, row.entity, row.entity_id) for row in logged] == [
        (change.action, change.entity, change.entity_id) for change in changes
    ]
    assert {(row.actor, row.reason, row.tenant_id, row.at) for row in logged} == {
        ("cli:me", "apply", "acme", workspace.clock.now())
    }
    assert len(logged) == 1 + 2 + 2 + 2 + 1 + 3 + 3 + 2


def test_the_audit_log_repeats_nothing_personal(workspace: Workspace) -> None:
    apply(workspace, FILE)
    apply(workspace, FILE.replace("ana@acme.example", "new@acme.example").replace("ops@", "sre@"))
    with workspace.control.read() as connection:
        said = str(connection.execute(sa.select(t.audit_log.c.changes)).all())
    assert "@" not in said
    assert "Lena" not in said
    assert "(personal)" in said


def test_a_difference_names_what_changed_and_hides_what_is_personal() -> None:
    before = {"name": "Ana", "cron": "0 7 * * *", "settings": {"people": ["Lena"], "n": 1}}
    assert difference(before, before) == {}
    assert difference(before, {**before, "updated_at": "x"}) == {}
    assert difference(before, {"name": "Anna", "cron": None}) == {
        "name": "(personal)",
        "cron": ["0 7 * * *", None],
    }
    assert difference(before, {"settings": {"people": ["Lena", "Max"], "n": 1}}) == {
        "settings": [{"people": "(personal)", "n": 1}, {"people": "(personal)", "n": 1}]
    }


def test_what_the_file_no_longer_mentions_is_switched_off_and_comes_back_with_it(
    workspace: Workspace,
) -> None:
    apply(workspace, FILE)
    shorter = FILE.replace("  - {name: Quarry Stone, owners: [ana, bo]}\n", "")
    shorter = shorter.replace('schedules:\n  - {name: morning, type: daily, at: "06:00"}\n', "")
    shorter = shorter.replace("feeds: [https://wire.example/all.xml]\n", "")
    shorter = shorter.replace("  - {id: bo, name: Bo, digest: {frequency: instant}}\n", "")
    apply(workspace, shorter)
    with workspace.control.read() as connection:
        assert [c.client_id for c in clients.clients_of(connection, "acme")] == ["harbor-foods"]
        assert [u.handle for u in people.users_of(connection, "acme")] == ["ana"]
        assert len(sources.sources_of(connection, "acme")) == 2
        planned = {s.name: s.is_active for s in schedules.schedules_of(connection, "acme")}
        everybody = people.users_of(connection, "acme", active_only=False)
    assert planned == {"digest:ana": True, "morning": False}
    assert [u.handle for u in everybody] == ["ana", "bo"]
    apply(workspace, FILE)
    with workspace.control.read() as connection:
        assert len(clients.clients_of(connection, "acme")) == 2
        assert len(people.users_of(connection, "acme")) == 2
        assert len(sources.sources_of(connection, "acme")) == 3
        assert all(s.is_active for s in schedules.schedules_of(connection, "acme"))


def test_rows_of_the_command_line_and_the_crm_survive(workspace: Workspace) -> None:
    apply(workspace, FILE)
    audit = workspace.audit("test", "x")
    with workspace.control.write() as connection:
        ana = people.find_user(connection, "acme", "ana")
        for origin, name in (("cli", "Typed"), ("crm", "Synced")):
            clients.put_client(connection, audit, Client("acme", name, name, origin=origin))  # type: ignore[arg-type]
            clients.assign(
                connection,
                audit,
                tenant_id="acme",
                client_id=name,
                user_id=ana.user_id,
                origin=origin,  # type: ignore[arg-type]
            )
            source = Source("acme", f"s-{name}", "rss", f"https://{name}.example", name)
            sources.put_source(connection, audit, replace(source, origin=origin))  # type: ignore[arg-type]
    before = everything(workspace)
    assert apply(workspace, FILE) == []
    assert everything(workspace) == before


def test_who_is_named_in_the_file_takes_the_place_of_the_crm_owner(workspace: Workspace) -> None:
    apply(workspace, FILE)
    audit = workspace.audit("test", "x")
    with workspace.control.write() as connection:
        bo = people.find_user(connection, "acme", "bo")
        for client_id in ("harbor-foods", "solo"):
            clients.put_client(
                connection, audit, Client("acme", client_id, client_id, origin="crm")
            )
            clients.assign(
                connection,
                audit,
                tenant_id="acme",
                client_id=client_id,
                user_id=bo.user_id,
                origin="crm",
            )
        owners = clients.responsible(connection, "acme")
    assert owners["harbor-foods"] == [people.user_id_for("acme", "ana")]
    assert owners["solo"] == [bo.user_id]


def test_the_id_that_the_crm_gave_a_client_stays(workspace: Workspace) -> None:
    apply(workspace, FILE)
    audit = workspace.audit("run:1", "sync")
    with workspace.control.write() as connection:
        found = clients.clients_of(connection, "acme")[0]
        clients.put_client(connection, audit, replace(found, external_id="001-A"))
    assert apply(workspace, FILE) == []
    with workspace.control.read() as connection:
        assert clients.clients_of(connection, "acme")[0].external_id == "001-A"


def test_a_person_may_get_another_id_and_keep_their_address(workspace: Workspace) -> None:
    apply(workspace, FILE)
    renamed = FILE.replace("id: ana", "id: ana-o").replace("[ana]", "[ana-o]")
    apply(workspace, renamed.replace("[ana, bo]", "[ana-o, bo]"))
    with workspace.control.read() as connection:
        assert people.find_user(connection, "acme", "ana@acme.example").handle == "ana-o"
        assert [u.handle for u in people.users_of(connection, "acme")] == ["ana-o", "bo"]


def test_two_people_may_swap_their_addresses_and_phones(workspace: Workspace) -> None:
    one, two = "email: a@x.example, phone: '+44 1'", "email: b@x.example, phone: '+44 2'"
    text = "tenant: acme\nname: Acme\nusers:\n  - {{name: Ana, {}}}\n  - {{name: Bo, {}}}\n"
    apply(workspace, text.format(one, two))
    swapped = text.format(two, one)
    told = apply(workspace, swapped, dry_run=True)
    assert apply(workspace, swapped) == told
    with workspace.control.read() as connection:
        found = [(u.handle, u.email, u.phone_number) for u in people.users_of(connection, "acme")]
    assert found == [("ana", "b@x.example", "+44 2"), ("bo", "a@x.example", "+44 1")]
    assert apply(workspace, swapped) == []


def test_a_mode_is_set_once(workspace: Workspace) -> None:
    apply(workspace, FILE)
    before = everything(workspace)
    with pytest.raises(ConfigurationError, match="created as live and cannot become mock"):
        apply(workspace, "tenant: acme\nname: Other\nmode: mock\n")
    assert everything(workspace) == before


def test_a_held_tenant_stays_held(workspace: Workspace) -> None:
    apply(workspace, FILE)
    audit = workspace.audit("run:1", "a mock row")
    with workspace.control.write() as connection:
        assert tenants.hold(connection, audit, "acme", "a mock row was found")
        assert not tenants.hold(connection, audit, "acme", "again")
    apply(workspace, FILE.replace("Acme Watch", "Acme Watchers"))
    with workspace.control.write() as connection:
        held = tenants.get_tenant(connection, "acme")
        assert (held.name, held.status, held.held_reason) == (
            "Acme Watchers",
            "held",
            "a mock row was found",
        )
        assert tenants.release(connection, audit, "acme")
        assert not tenants.release(connection, audit, "acme")
        assert tenants.get_tenant(connection, "acme").held_reason is None
        logged = connection.execute(
            sa.select(t.audit_log.c.action).where(t.audit_log.c.actor == "run:1")
        ).scalars()
        assert list(logged) == ["hold", "release"]


def test_who_is_not_there_is_named_with_who_is(workspace: Workspace) -> None:
    with workspace.control.read() as connection:
        with pytest.raises(NotFoundError, match="There is no tenant yet"):
            tenants.only_tenant(connection, None)
        with pytest.raises(NotFoundError, match="Known: none yet"):
            tenants.get_tenant(connection, "acme")
    apply(workspace, FILE)
    with workspace.control.read() as connection:
        assert tenants.only_tenant(connection, None).tenant_id == "acme"
        with pytest.raises(NotFoundError, match="Known: ana, bo"):
            people.find_user(connection, "acme", "cy")
        with pytest.raises(NotFoundError, match="Known: harbor-foods, quarry-stone"):
            clients.resolve_clients(connection, "acme", ["harbour"])
        named = clients.resolve_clients(connection, "acme", ["HARBOR FOODS", "Quarry-Stone"])
        assert named == {"harbor-foods", "quarry-stone"}
    put_tenant(workspace, "tenant: sample\nname: Sample\nmode: mock\n")
    with workspace.control.read() as connection:
        assert tenants.only_tenant(connection, None).tenant_id == "acme"
    put_tenant(workspace, "tenant: beta\nname: Beta\n")
    with workspace.control.read() as connection:
        with pytest.raises(ConfigurationError, match="--tenant: acme, beta, sample"):
            tenants.only_tenant(connection, None)
        assert tenants.only_tenant(connection, "beta").name == "Beta"
        assert [x.tenant_id for x in tenants.chosen_tenants(connection, ())] == [
            "acme",
            "beta",
            "sample",
        ]
        assert [x.name for x in tenants.chosen_tenants(connection, ["beta", "beta"])] == ["Beta"]
        with pytest.raises(NotFoundError, match="no tenant 'gamma'"):
            tenants.chosen_tenants(connection, ["beta", "gamma"])


def test_what_one_tenant_has_is_not_found_in_another(workspace: Workspace) -> None:
    apply(workspace, FILE)
    put_tenant(workspace, "tenant: beta\nname: Beta\n")
    with workspace.control.read() as connection:
        assert people.users_of(connection, "beta") == []
        assert clients.clients_of(connection, "beta") == []
        assert sources.sources_of(connection, "beta") == []
        assert schedules.schedules_of(connection, "beta") == []
        assert clients.responsible(connection, "beta") == {}
        assert people.preferences_of(connection, "beta") == {}
        for name in ("ana", "ana@acme.example", people.user_id_for("acme", "ana")):
            with pytest.raises(NotFoundError):
                people.find_user(connection, "beta", name)


def test_a_person_who_is_not_active_stays_known_and_has_no_digest(workspace: Workspace) -> None:
    apply(workspace, FILE)
    away = FILE.replace("zone: Europe/London}", "zone: Europe/London, active: false}")
    assert [change.entity for change in apply(workspace, away)] == [
        "users",
        "automation_schedules",
    ]
    with workspace.control.read() as connection:
        assert [u.handle for u in people.users_of(connection, "acme")] == ["bo"]
        assert not people.find_user(connection, "acme", "ana").is_active
        planned = {s.name: s.is_active for s in schedules.schedules_of(connection, "acme")}
    assert planned == {"digest:ana": False, "morning": True}
    assert apply(workspace, away) == []
