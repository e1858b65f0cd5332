"""The configuration of a day is taken once, comes back as it was, and holds nobody's address."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import snapshots
from clientlore.control import tables as t
from clientlore.control.people import user_id_for
from clientlore.control.snapshots import Snapshot, export_rows
from clientlore.control.tenants import get_tenant
from clientlore.errors import NotFoundError
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

DAY = date(2026, 11, 20)
FILE = """
tenant: {tenant}
name: Lighthouse
alert_email: ops@lighthouse.example
memory_threshold: 0.7
users:
  - id: ana
    name: Ana Okafor
    email: ana@lighthouse.example
    phone: "+44 20 7946 0000"
    zone: Europe/London
    threshold: 0.6
    categories: [funding, risk]
    quiet_hours: {{from: "21:00", to: "07:00"}}
  - {{id: bo, name: Bo}}
clients:
  - name: Harbor Foods
    aliases: [Harbor, HF]
    owners: [ana, bo]
    feeds: [https://feeds.harbor.example/news.xml]
    contacts: [{{name: Lena Moss, email: lena@harbor.example}}]
"""


def take(workspace: Workspace, day: date = DAY, *, refresh: bool = False) -> Snapshot:
    audit = workspace.audit("run:1", "core/config_snapshot")
    with workspace.control.write() as connection:
        tenant = get_tenant(connection, "acme")
        return snapshots.take(connection, audit, tenant, day, refresh=refresh, run_id="run-1")


def outdated(workspace: Workspace, day: date = DAY) -> bool:
    with workspace.control.read() as connection:
        return snapshots.is_outdated(connection, get_tenant(connection, "acme"), day)


def retakes(workspace: Workspace) -> list[dict[str, object]]:
    with workspace.control.read() as connection:
        rows = connection.execute(sa.select(t.audit_log).where(t.audit_log.c.action == "retake"))
        return [dict(row) for row in rows.mappings()]


@pytest.fixture
def filed(workspace: Workspace) -> Workspace:
    """A workspace with a tenant."""
    put_tenant(workspace, FILE.format(tenant="acme"))
    return workspace


def test_a_snapshot_holds_clients_readers_owners_and_sources(filed: Workspace) -> None:
    made = take(filed)
    (client,), (source,) = made.clients, made.sources
    ana, bo = made.readers
    assert (made.name, made.mode, made.day) == ("Lighthouse", "live", DAY)
    assert (client.client_id, client.profile) == ("harbor-foods", {"aliases": ["Harbor", "HF"]})
    assert (ana.handle, ana.preferences.relevance_threshold) == ("ana", 0.6)
    assert ana.preferences.categories == ("funding", "risk")
    assert (ana.preferences.timezone, ana.preferences.quiet_from) == ("Europe/London", "21:00")
    assert (bo.handle, bo.preferences.relevance_threshold) == ("bo", 0.5)
    assert made.owners == {"harbor-foods": tuple(sorted([ana.user_id, bo.user_id]))}
    assert (source.client_id, source.location) == (
        "harbor-foods",
        "https://feeds.harbor.example/news.xml",
    )


def test_a_setting_has_its_default_where_the_tenant_says_nothing(filed: Workspace) -> None:
    made = take(filed)
    assert made.setting("memory_threshold") == 0.7
    assert made.setting("mail_horizon_days") == 31
    assert made.setting("max_age_days") is None


def test_a_snapshot_is_taken_once(filed: Workspace, clock: FrozenClock) -> None:
    first = take(filed)
    assert not outdated(filed)
    clock.advance(timedelta(hours=5))
    put_tenant(filed, FILE.format(tenant="acme").replace("threshold: 0.6", "threshold: 0.9"))
    assert outdated(filed)
    assert not outdated(filed, DAY + timedelta(days=1))
    assert take(filed) == first
    assert retakes(filed) == []


def test_another_day_is_taken_anew(filed: Workspace) -> None:
    first = take(filed)
    put_tenant(filed, FILE.format(tenant="acme").replace("threshold: 0.6", "threshold: 0.9"))
    second = take(filed, DAY + timedelta(days=1))
    assert second.readers[0].preferences.relevance_threshold == 0.9
    with filed.control.read() as connection:
        assert snapshots.get(connection, "acme", DAY) == first


def test_a_refresh_retakes_what_changed_and_is_audited(
    filed: Workspace, clock: FrozenClock
) -> None:
    first = take(filed)
    clock.advance(timedelta(hours=5))
    put_tenant(filed, FILE.format(tenant="acme").replace("threshold: 0.6", "threshold: 0.9"))
    second = take(filed, refresh=True)
    assert second.readers[0].preferences.relevance_threshold == 0.9
    assert (second.taken_at, second.sha != first.sha) == (clock.now(), True)
    assert not outdated(filed)
    (logged,) = retakes(filed)
    assert (logged["actor"], logged["tenant_id"], logged["entity_id"]) == (
        "run:1",
        "acme",
        "2026-11-20",
    )
    assert logged["changes"] == {"content_sha": [first.sha, second.sha]}


def test_a_refresh_of_what_is_the_same_changes_nothing(
    filed: Workspace, clock: FrozenClock
) -> None:
    first = take(filed)
    clock.advance(timedelta(hours=5))
    assert take(filed, refresh=True) == first
    assert retakes(filed) == []


def test_the_same_configuration_has_the_same_hash_on_every_day(filed: Workspace) -> None:
    assert take(filed).sha == take(filed, DAY + timedelta(days=1)).sha


def test_a_snapshot_contains_no_mail_address_and_no_phone(filed: Workspace) -> None:
    made = take(filed)
    with filed.control.read() as connection:
        stored = connection.execute(sa.select(t.config_snapshots.c.content)).scalar_one()
    for text in (json.dumps(stored), str(made), json.dumps(export_rows(made), default=str)):
        assert "@" not in text
        assert "7946" not in text


def test_a_new_address_makes_no_snapshot_outdated(filed: Workspace) -> None:
    take(filed)
    moved = FILE.format(tenant="acme").replace("@lighthouse.example", "@moved.example")
    assert len(put_tenant(filed, moved)) == 2
    assert not outdated(filed)


def test_a_day_without_a_snapshot_is_said_so(filed: Workspace) -> None:
    take(filed)
    with filed.control.read() as connection:
        assert snapshots.find(connection, "acme", DAY - timedelta(days=1)) is None
        for tenant, day in (("acme", DAY - timedelta(days=1)), ("beta", DAY)):
            with pytest.raises(NotFoundError, match="core/config_snapshot"):
                snapshots.get(connection, tenant, day)


def test_the_snapshot_of_a_tenant_holds_nothing_of_another(filed: Workspace) -> None:
    alone = take(filed)
    put_tenant(filed, FILE.format(tenant="beta").replace("https://feeds", "https://other"))
    assert not outdated(filed)
    assert take(filed, DAY + timedelta(days=1)).sha == alone.sha


def test_analysts_get_a_row_for_each_client_person_and_source(filed: Workspace) -> None:
    rows = export_rows(take(filed))
    assert [(row["kind"], row["label"]) for row in rows] == [
        ("client", "Harbor Foods"),
        ("user", "ana"),
        ("user", "bo"),
        ("source", "rss"),
    ]
    assert {(row["tenant_id"], row["day"]) for row in rows} == {("acme", DAY)}
    told = json.loads(rows[0]["attributes"])
    assert told["owners"] == sorted([user_id_for("acme", "ana"), user_id_for("acme", "bo")])
    assert json.loads(rows[1]["attributes"])["relevance_threshold"] == 0.6
