"""Every search provider in the Dagster job, through its fake: raw rows in, matched events out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from clientlore.control import sources
from clientlore.monitoring import events, raw
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.providers import http as http_layer
from clientlore.providers.search import gdelt
from clientlore.testing.fakes import every
from clientlore.testing.fakes.news import CONTACT, KEY
from clientlore.testing.fakes.serving import Fake, Fault, serving
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace
from tests.glue.conftest import RunJob

pytestmark = pytest.mark.usefixtures("bare")

PROVIDERS = sorted(every.SEARCH)
TENANT = """
tenant: desk
name: Desk
search:
  - {{provider: {provider}, accept_terms: true, on_failure: {on_failure}}}
users: [{{id: ann, name: Ann, email: ann@desk.example}}]
clients:
  - {{name: Harbor Foods Inc, ticker: HRBR, owners: [ann]}}
  - {{name: Vela Logistics SE, ticker: VELA, owners: [ann]}}
"""


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """The fakes, to which the environment leads."""
    made = Fake()
    monkeypatch.setattr(gdelt, "SECONDS_BETWEEN", 0.01)
    monkeypatch.setattr(http_layer, "BASE_DELAY", 0.01)
    with serving(made, every.parts()) as address:
        for name, value in every.environment(address).items():
            monkeypatch.setenv(name, value)
        yield made


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _rows(workspace: Workspace, table: object) -> pl.DataFrame:
    return workspace.lake.collect(table, workspace.lake.scan(table, ["desk"], None))  # type: ignore[arg-type]


def _watch(workspace: Workspace, provider: str, on_failure: str = "skip") -> None:
    put_tenant(workspace, TENANT.format(provider=provider, on_failure=on_failure))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_gives_raw_rows_and_events_about_its_clients(
    fake: Fake, real_time: Workspace, run_job: RunJob, provider: str
) -> None:
    # A past day is whole whatever the time is while the test runs.
    day = datetime.now(UTC).date() - timedelta(days=2)
    _watch(real_time, provider)
    assert run_job("client_monitoring", day.isoformat()).success
    rows = _rows(real_time, raw.SEARCH_RESULTS)
    assert set(rows["provider"]) == {provider}
    assert set(rows["source_mode"]) == {"live"}
    judged = _rows(real_time, RELEVANCE)
    assert set(judged["client_id"]) == {"harbor-foods-inc", "vela-logistics-se"}
    assert judged["score"].max() > 0.5  # type: ignore[operator]
    assert judged.filter(pl.col("category") != "other").height > 0
    assert _rows(real_time, events.EVENTS).height > 0
    with real_time.control.read() as connection:
        ledger = sources.collections_of(connection, "desk", day)
    assert {row["outcome"] for row in ledger} == {"collected"}

    asked = fake.asked(f"/{provider}/")
    assert asked
    agents = {a.headers["user-agent"] for a in asked}
    of_sec = provider.startswith("edgar")
    assert agents == {CONTACT} if of_sec else all("Clientlore/" in a for a in agents)
    keys = {
        a.headers.get("x-api-key")
        or a.headers.get("x-subscription-token")
        or a.headers.get("x-goog-api-key")
        or a.headers.get("authorization", "").removeprefix("Bearer ")
        for a in asked
    }
    assert keys == ({KEY} if len(every.SEARCH[provider]) == 2 and not of_sec else {""})
    if provider != "edgar":
        said = [json.dumps(dict(a.query)) + a.body.decode() for a in asked]
        assert any("Harbor Foods" in line for line in said)
        assert any("Vela Logistics" in line for line in said)


def test_a_provider_that_fails_degrades_the_run_and_the_other_client_goes_on(
    fake: Fake, real_time: Workspace, run_job: RunJob
) -> None:
    _watch(real_time, "serper")
    fake.fail("/serper/", *[Fault(500)] * 2, Fault(404))
    result = run_job("client_monitoring", _today())
    assert result.success
    with real_time.control.read() as connection:
        ledger = {
            row["outcome"]: row
            for row in sources.collections_of(connection, "desk", datetime.now(UTC).date())
        }
    assert set(ledger) == {"failed", "collected"}
    assert ledger["failed"]["error_kind"] == "permanent"
    assert _rows(real_time, raw.SEARCH_RESULTS).height > 0


def test_a_provider_that_must_not_fail_stops_its_tenant_with_the_variable_to_set(
    fake: Fake, real_time: Workspace, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERPER_API_KEY", "a-wrong-secret")
    _watch(real_time, "serper", on_failure="fail")
    result = run_job("client_monitoring", _today())
    assert not result.success
    told = repr([e.event_specific_data for e in result.all_events])
    assert "SERPER_API_KEY" in told
    assert "a-wrong-secret" not in told
    assert _rows(real_time, raw.SEARCH_RESULTS).height == 0
