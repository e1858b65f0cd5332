"""Every CRM in the Dagster job, through its fake: clients from it, news about them, activities remembered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from clientlore.control import clients, sources
from clientlore.control import tables as t
from clientlore.monitoring import events, raw
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.providers import http as http_layer
from clientlore.testing.fakes import every
from clientlore.testing.fakes.book import Book, book_of
from clientlore.testing.fakes.serving import Asked, Fake, Fault
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace
from tests.glue.conftest import RunJob

pytestmark = pytest.mark.usefixtures("bare")

CRMS = tuple(every.CRM)
TENANT = """
tenant: desk
name: Desk
crm: {{provider: {crm}, on_failure: {on_failure}}}
search: [serper]
users:
  - {{id: ann, name: Ann Okafor, email: ann@advisors.example}}
  - {{id: bo, name: Bo Lind, email: bo@advisors.example}}
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """The fakes, to which the environment leads; their CRM has three accounts."""
    made = Fake()
    book_of(made, 3)
    monkeypatch.setattr(http_layer, "BASE_DELAY", 0.01)
    with every.served(made, tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield made


def _rows(workspace: Workspace, table: Any) -> pl.DataFrame:
    return workspace.lake.collect(table, workspace.lake.scan(table, ["desk"], None))


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _asked(fake: Fake, crm: str) -> list[Asked]:
    return fake.asked({"hubspot": "/hubspot/", "salesforce": "/services/data"}[crm])


def _watched(workspace: Workspace) -> dict[str, str]:
    with workspace.control.read() as connection:
        return {c.client_id: c.name for c in clients.clients_of(connection, "desk")}


@pytest.mark.parametrize("crm", CRMS)
def test_a_crm_gives_clients_who_are_searched_for_and_remembered_on_the_same_day(
    fake: Fake, real_time: Workspace, run_job: RunJob, crm: str
) -> None:
    book: Book = book_of(fake)
    book.put("activities", 1, text="Harbor Foods wants an offer for the cold store.")
    put_tenant(real_time, TENANT.format(crm=crm, on_failure="fail"))
    assert run_job("client_monitoring", _today()).success

    watched = _watched(real_time)
    assert set(watched.values()) == {"Harbor Foods Inc", "Vela Logistics SE", "Umbra Power AG"}
    accounts = _rows(real_time, raw.CRM_ACCOUNTS)
    assert set(accounts["provider"]) == {f"{crm}_accounts"}
    assert set(accounts["source_mode"]) == {"live"}
    assert _rows(real_time, raw.CRM_CONTACTS).height == 6
    news = _rows(real_time, raw.SEARCH_RESULTS)
    assert news.height > 0
    judged = _rows(real_time, RELEVANCE)
    assert set(judged["client_id"]) == set(watched)
    assert _rows(real_time, events.EVENTS).height > 0
    with real_time.control.read() as connection:
        ledger = sources.collections_of(connection, "desk", datetime.now(UTC).date())
        told = connection.execute(sa.select(t.memory_log.c.text)).scalars().all()
    assert {row["outcome"] for row in ledger} == {"collected"}
    assert len(ledger) == 2 + len(watched)
    assert any("cold store" in str(text) for text in told)

    asked = _asked(fake, crm)
    assert all(a.headers["user-agent"].startswith("Clientlore/") for a in asked)
    token = "test-access-" if crm == "salesforce" else "test-key"
    assert all(a.headers["authorization"].startswith(f"Bearer {token}") for a in asked)

    before = len(asked)
    book.put("accounts", 2, name="Vela Freight SE")
    book.delete("accounts", 3)
    assert run_job("client_monitoring", _today()).success
    assert set(_watched(real_time).values()) == {"Harbor Foods Inc", "Vela Freight SE"}
    # What is asked now begins at the mark.
    since = [
        a for a in _asked(fake, crm)[before:] if b"GTE" in a.body or ">=" in a.query.get("q", "")
    ]
    assert since


@pytest.mark.parametrize("crm", CRMS)
def test_a_crm_that_fails_degrades_the_run_and_the_clients_that_are_there_go_on(
    fake: Fake, real_time: Workspace, run_job: RunJob, crm: str
) -> None:
    put_tenant(real_time, TENANT.format(crm=crm, on_failure="skip"))
    assert run_job("client_monitoring", _today()).success
    found = _rows(real_time, raw.SEARCH_RESULTS).height
    path = {"hubspot": "/hubspot/", "salesforce": "/services/"}[crm]
    fake.fail(path, *[Fault(500)] * 12)
    fake.state["news"]["minutes"] = 90
    assert run_job("client_monitoring", _today()).success
    with real_time.control.read() as connection:
        ledger = sources.collections_of(connection, "desk", datetime.now(UTC).date())
    failed = [row for row in ledger if row["outcome"] == "failed"]
    assert {row["error_kind"] for row in failed} == {"retriable"}
    assert len(failed) == 2
    assert len(_watched(real_time)) == 3
    assert _rows(real_time, raw.SEARCH_RESULTS).height > found


@pytest.mark.parametrize("crm", CRMS)
def test_a_crm_that_must_not_fail_stops_its_tenant_with_the_variable_to_set(
    fake: Fake, real_time: Workspace, run_job: RunJob, monkeypatch: pytest.MonkeyPatch, crm: str
) -> None:
    variable = {"hubspot": "HUBSPOT_ACCESS_TOKEN", "salesforce": "SALESFORCE_CLIENT_SECRET"}[crm]
    monkeypatch.setenv(variable, "a-wrong-secret")
    put_tenant(real_time, TENANT.format(crm=crm, on_failure="fail"))
    result = run_job("client_monitoring", _today())
    assert not result.success
    told = repr([e.event_specific_data for e in result.all_events])
    assert variable in told
    assert "a-wrong-secret" not in told
    assert _watched(real_time) == {}
