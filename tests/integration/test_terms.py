"""What providers' terms do not allow to be kept is not stored, or is removed after its time; the rest stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import tables as t
from clientlore.digests.tracing import trace
from clientlore.monitoring import raw
from clientlore.monitoring.events import EVENTS, MEMBERS
from clientlore.providers import registry
from clientlore.providers.kinds import Kind, Terms
from clientlore.run_context import RunContext, Scope
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
from clientlore.runs.report import TenantOutcome
from clientlore.runs.stages import run_stage
from clientlore.settings import load_settings
from clientlore.storage.lake import Table
from clientlore.testing.fakes import every
from clientlore.testing.fakes.serving import Fake, Fault, serving
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace
from tests.conftest import NOW

pytestmark = pytest.mark.usefixtures("bare")

TODAY = NOW.date()


@dataclass
class Desk:
    """A live tenant of one client, searched by providers that are fakes."""

    workspace: Workspace
    clock: FrozenClock
    fake: Fake

    def collect(self, *search: str) -> None:
        put_tenant(
            self.workspace,
            f"tenant: desk\nname: Desk\nsearch: [{', '.join(search)}]\nclients: [{{name: Harbor Foods}}]\n",
        )
        day = self.clock.now().date()
        InlineOrchestrator(self.workspace).launch(RunRequest(day, day, Scope(refresh_config=True)))

    def rows(self, table: Table, day: date | None = TODAY) -> list[dict[str, Any]]:
        lake = self.workspace.lake
        return lake.collect(table, lake.scan(table, ["desk"], day and [day])).to_dicts()

    def retain(self) -> TenantOutcome:
        (outcome,) = run_stage(RunContext(self.workspace), "out/retention").outcomes
        assert outcome.state == "done", outcome
        return outcome

    def texts(self, provider: str) -> set[str]:
        return {r["text"] for r in self.rows(raw.SEARCH_RESULTS) if r["provider"] == provider}


@pytest.fixture
def desk(tmp_path: Path, clock: FrozenClock) -> Iterator[Desk]:
    fake = Fake()
    fake.state["clock"]["now"] = NOW
    with serving(fake, every.parts()) as address:
        environment = {"CLIENTLORE_HOME": str(tmp_path / "home"), **every.environment(address)}
        del environment["EMBEDDING_MODEL"]
        with Workspace.open(load_settings(environment, start=tmp_path), clock=clock) as workspace:
            yield Desk(workspace, clock, fake)


@pytest.mark.parametrize("provider", ["brave", "google_search"])
def test_text_that_may_not_be_kept_is_stored_nowhere(desk: Desk, provider: str) -> None:
    desk.collect(provider)
    found = desk.rows(raw.SEARCH_RESULTS)
    assert len(found) >= 3
    assert {row["text"] for row in found} == {""}
    assert all(row["title"] and row["url"] and row["published_at"] for row in found)
    bodies = b"".join(row["body"] for row in desk.rows(raw.RESPONSES))
    # Every story of the fakes ends in a reference, wherever a provider puts its text.
    assert b"Reference " not in bodies
    for path in desk.workspace.settings.home.rglob("*"):
        if path.is_file():
            assert b"Reference " not in path.read_bytes(), path


def test_with_storage_rights_everything_is_kept_for_good(desk: Desk) -> None:
    desk.collect(
        "{provider: brave, storage_rights: true}", "{provider: google_search, storage_rights: true}"
    )
    assert all("Reference " in text for text in desk.texts("brave") | desk.texts("google_search"))
    desk.clock.advance(timedelta(days=400))
    assert desk.retain().counts["days"] == 0


def test_where_the_terms_say_nothing_text_is_kept(desk: Desk) -> None:
    desk.collect("serper")
    assert all("Reference " in text for text in desk.texts("serper"))
    desk.clock.advance(timedelta(days=400))
    assert desk.retain().counts["responses"] == 0


def test_answers_are_emptied_after_their_time_once_and_nothing_of_other_providers(
    desk: Desk,
) -> None:
    desk.collect("google_search", "serper")
    before = {r["response_id"]: r for r in desk.rows(raw.RESPONSES)}
    events = desk.rows(EVENTS)
    desk.clock.advance(timedelta(days=29))
    assert desk.retain().counts["days"] == 0
    desk.clock.advance(timedelta(days=1))
    its = [r for r in before.values() if r["provider"] == "google_search"]
    told = desk.retain()
    assert told.counts == {
        "days": 1,
        "responses": len(its),
        "bytes": sum(len(r["body"]) for r in its),
        "texts": 0,
    }
    for row in desk.rows(raw.RESPONSES):
        if row["provider"] == "serper":
            assert row == before[row["response_id"]]
        else:
            assert row["body"] == b""
            assert json.loads(row["headers"])[raw.REMOVED] == "2026-12-20"
    assert desk.rows(EVENTS) == events
    assert desk.retain().counts["days"] == 0
    with desk.workspace.control.read() as connection:
        (noted,) = connection.execute(sa.select(t.retentions)).mappings()
    assert (noted["provider"], noted["day"], noted["responses"]) == (
        "google_search",
        TODAY,
        len(its),
    )


def test_what_is_left_can_still_be_traced_and_says_what_was_removed(desk: Desk) -> None:
    desk.collect("google_search")
    desk.clock.advance(timedelta(days=30))
    desk.retain()
    item = desk.rows(raw.SEARCH_RESULTS)[0]
    steps = {s.what: s.facts for s in trace(desk.workspace, "desk", item["item_id"]).steps}
    assert steps["response"]["removed"] == "2026-12-20, as the provider's terms say"
    assert steps["response"]["bytes"] == 0


def test_a_day_that_is_collected_again_is_emptied_again(desk: Desk) -> None:
    desk.collect("google_search")
    desk.clock.advance(timedelta(days=31))
    assert desk.retain().counts["responses"] == 1
    put = InlineOrchestrator(desk.workspace).launch(RunRequest(TODAY, TODAY, Scope()))
    assert put[0].outcome == "succeeded"
    # The daily job has done it: the stage belongs to it.
    assert {r["body"] for r in desk.rows(raw.RESPONSES)} == {b""}
    assert len(desk.rows(raw.RESPONSES)) > 1
    assert desk.retain().counts["responses"] == 0


def test_an_answer_that_is_no_json_goes_after_its_time_too(desk: Desk) -> None:
    desk.fake.fail("/google_search", Fault(200, b"<html>Reference 1</html>"))
    desk.collect("google_search")
    assert desk.rows(raw.RESPONSES)[0]["body"] == b"<html>Reference 1</html>"
    desk.clock.advance(timedelta(days=30))
    assert desk.retain().counts["responses"] == 1


def test_texts_that_may_be_kept_for_a_time_are_blanked_where_they_were_copied_to(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    serper = registry.KINDS["serper"]
    terms = Terms(may_store_text=True, shown_to="tenant", page="", keep_days=10)
    short: dict[str, Kind] = {"serper": replace(serper, terms=terms)}
    shipped = registry._SHIPPED
    monkeypatch.setattr(registry, "_SHIPPED", {**shipped, **short})
    desk.collect("serper")
    assert all(row["text"] for row in desk.rows(MEMBERS))
    desk.clock.advance(timedelta(days=10))
    told = desk.retain()
    assert told.counts["texts"] == len(desk.rows(raw.SEARCH_RESULTS)) > 0
    assert desk.texts("serper") == {""}
    assert {row["text"] for row in desk.rows(MEMBERS)} == {""}
    assert {row["text"] for row in desk.rows(EVENTS)} == {""}
    assert all(row["title"] for row in desk.rows(EVENTS))
