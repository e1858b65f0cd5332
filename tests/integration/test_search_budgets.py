"""Budgets of searching: no call beyond them, whoever waited longest first, told once, and nothing lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import budgets, sources
from clientlore.control import tables as t
from clientlore.control.budgets import Spent
from clientlore.providers import http as http_layer
from clientlore.providers.search import gdelt
from clientlore.quality.outcome import CheckOutcome
from clientlore.run_context import RunContext
from clientlore.runs.orchestrator import InlineOrchestrator
from clientlore.runs.report import StageReport
from clientlore.runs.stages import run_stage
from clientlore.runs.standing import standing
from clientlore.settings import load_settings
from clientlore.testing.fakes import every
from clientlore.testing.fakes.serving import Fake, Fault, serving
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace
from tests.conftest import NOW

NAMES = ("Harbor Foods", "Kilnworks", "Vela Works", "Osprey Metals", "Calder Group", "Fjordline")


@dataclass
class Desk:
    """A live tenant of six clients, searched through a fake of Serper."""

    workspace: Workspace
    fake: Fake
    clock: FrozenClock

    def tenant(self, budget: str, more: str = "") -> None:
        clients = ", ".join(f"{{name: {name}}}" for name in NAMES)
        put_tenant(
            self.workspace,
            f"tenant: desk\nname: Desk\nsearch: [{{provider: serper{budget}}}{more}]\nclients: [{clients}]\n",
        )

    def collect(self) -> StageReport:
        """Collects the present day; gives what the stage reports."""
        day = self.clock.now().date()
        ctx = RunContext(self.workspace)
        run_stage(ctx, "core/config_snapshot", [day])
        return run_stage(ctx, "raw/search_results", [day])

    def next_day(self) -> None:
        self.clock.advance(timedelta(days=1))
        self.fake.state["clock"]["now"] = self.clock.now()

    def asked(self) -> list[str]:
        """Whom Serper was asked about since the last time, in the order of the alphabet."""
        found = [re.findall(rb'\\"([A-Z][\w ]+)\\"', a.body)[0].decode() for a in self.fake.log]
        self.fake.log.clear()
        return sorted(found)

    def ledger(self) -> dict[str, str]:
        """Outcomes of the day by client."""
        with self.workspace.control.read() as connection:
            rows = sources.collections_of(connection, "desk", self.clock.now().date())
        return {row["client_id"]: row["outcome"] for row in rows}

    def spent(self) -> budgets.SpendingDay:
        on = self.clock.now().date()
        with self.workspace.control.read() as connection:
            (found,) = budgets.spending(connection, "desk", on, on, "serper")
        return found

    def alerts(self) -> list[str]:
        with self.workspace.control.read() as connection:
            return [row.text for row in connection.execute(sa.select(t.alerts))]


@pytest.fixture
def desk(tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(http_layer, "BASE_DELAY", 0.01)
    monkeypatch.setattr(gdelt, "SECONDS_BETWEEN", 0.01)
    fake = Fake()
    fake.state["clock"]["now"] = NOW
    with serving(fake, every.parts()) as address:
        environment = {"CLIENTLORE_HOME": str(tmp_path / "home"), **every.environment(address)}
        with Workspace.open(load_settings(environment, start=tmp_path), clock=clock) as workspace:
            yield Desk(workspace, fake, clock)


def check(report: StageReport) -> CheckOutcome:
    return next(c for c in report.checks if c.name == "all_asked")


def test_a_budget_of_four_calls_asks_four_clients_a_day_and_whoever_waited_longest_comes_first(
    desk: Desk,
) -> None:
    desk.tenant(", budget_calls: 4")
    report = desk.collect()
    first = desk.asked()
    assert len(first) == 4
    assert sorted(desk.ledger().values()) == ["collected"] * 4 + ["skipped"] * 2
    assert report.outcomes[0].notes == ("2 sources wait for the budget of a later day",)
    assert not check(report).passed
    assert check(report).details == {"waiting": {"desk": 2}}
    found = standing(desk.workspace, InlineOrchestrator(desk.workspace).status())
    assert any("2 sources of 'desk' wait for the budget" in line for line in found.needs_attention)

    # The same day again: there is nothing left, and what was collected stays so in the ledger.
    before = desk.ledger()
    desk.collect()
    assert desk.asked() == []
    assert desk.ledger() == before
    assert desk.spent().settled == Spent(4, 0, 4_000_000)
    assert desk.spent().reserved == Spent()

    desk.next_day()
    desk.collect()
    second = desk.asked()
    assert len(second) == 4
    assert set(NAMES) - set(first) < set(second)
    desk.next_day()
    desk.tenant(", budget_calls: 6")
    assert check(desk.collect()).passed
    assert desk.asked() == sorted(NAMES)
    (alert,) = desk.alerts()
    assert "4 calls" not in alert
    assert "Raise the budget under `search`" in alert


def test_who_waited_is_asked_about_all_since_it_was_last_read(desk: Desk) -> None:
    desk.tenant("")
    desk.collect()
    desk.next_day()
    desk.tenant(", budget_calls: 0")
    desk.collect()
    desk.next_day()
    desk.fake.log.clear()
    desk.tenant("")
    desk.collect()
    # Read on the 20th, not on the 21st: on the 22nd asked from the 19th on, a day before the mark.
    assert {re.search(rb"cd_min:([\d/]+)", a.body)[1] for a in desk.fake.log} == {b"11/19/2026"}  # type: ignore[index]


def test_every_try_counts_and_a_retry_without_room_leaves_the_fault_that_asked_for_it(
    desk: Desk,
) -> None:
    desk.tenant(", budget_calls: 7")
    desk.fake.fail("/serper", *[Fault(503, b"busy")] * 9)
    desk.collect()
    assert len(desk.fake.log) == 7
    assert set(desk.ledger().values()) == {"failed"}
    with desk.workspace.control.read() as connection:
        rows = sources.collections_of(connection, "desk", NOW.date())
    assert {row["error_kind"] for row in rows} == {"retriable"}
    assert desk.spent().settled.calls == 7


def test_a_page_without_room_keeps_the_pages_before_it_and_asks_again(desk: Desk) -> None:
    desk.fake.state["news"]["minutes"] = 20
    desk.tenant(", budget_calls: 8")
    report = desk.collect()
    assert len(desk.fake.log) == 8
    kept = desk.ledger()
    assert "degraded" in kept.values()
    assert report.outcomes[0].rows > 0
    degraded = [name for name, outcome in kept.items() if outcome == "degraded"]
    with desk.workspace.control.read() as connection:
        rows = sources.collections_of(connection, "desk", NOW.date())
        states = sources.states_of(connection, "desk")
    by_client = {row["client_id"]: row for row in rows}
    for name in degraded:
        assert by_client[name]["error_kind"] == "budget"
        assert states[by_client[name]["source_id"]].synced_to is None


def test_dollars_count_by_the_price_of_a_call(desk: Desk) -> None:
    desk.tenant(", budget_usd: 0.0031")
    desk.collect()
    assert len(desk.asked()) == 3
    assert desk.spent().settled.usd == pytest.approx(0.003)


def test_a_budget_in_dollars_without_a_price_asks_nobody_and_says_what_to_do(
    desk: Desk, tmp_path: Path
) -> None:
    table = tmp_path / "prices.yaml"
    table.write_text("- {provider: brave, from: 2026-01-01, call: 0.005}\n")
    llm = desk.workspace.settings.llm.model_copy(update={"prices_path": table})
    desk.workspace.settings = desk.workspace.settings.model_copy(update={"llm": llm})
    desk.tenant(", budget_usd: 1")
    report = desk.collect()
    assert desk.asked() == []
    assert "no price of a call to 'serper' is known" in str(report.outcomes[0].error)


def test_without_a_budget_nothing_is_refused_and_all_is_counted(desk: Desk) -> None:
    desk.tenant("", ", gdelt")
    desk.fake.fail("/gdelt", *[Fault(404, b"no")] * 6)
    desk.collect()
    assert desk.spent().settled.calls == len(NAMES)
    assert desk.spent().refused == 0
    with desk.workspace.control.read() as connection:
        (free,) = budgets.spending(connection, "desk", NOW.date(), NOW.date(), "gdelt")
    assert (free.settled.calls, free.settled.usd) == (6, 0.0)
