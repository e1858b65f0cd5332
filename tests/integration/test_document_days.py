"""Days that read documents: what was given is read once, oldest first, and what it said goes when it goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from clientlore.clock import FrozenClock
from clientlore.control import ledger
from clientlore.memory.documents import Documents, NewDocument, unread
from clientlore.memory.extracting.remembering import remember_documents
from clientlore.memory.log import LOG
from clientlore.memory.service import MemoryService
from clientlore.run_context import RunContext, Scope
from clientlore.runs.forgetting import forget
from clientlore.runs.orchestrator import OrchestratorStatus
from clientlore.runs.stages import run_stage
from clientlore.runs.standing import standing
from clientlore.testing.fakes import openai
from clientlore.testing.fakes.serving import Fake, serving
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

pytestmark = pytest.mark.usefixtures("bare")

CFO = "Good call. The CFO of Harbor Foods is Ann Lee."
ANN, BO = "The CFO of Harbor Foods is Ann Lee.", "The CFO of Harbor Foods is Bo Roe."


@dataclass
class Shelf:
    """A tenant with documents and nothing else."""

    workspace: Workspace
    clock: FrozenClock

    def tenant(self, more: str = "") -> None:
        put_tenant(self.workspace, f"tenant: desk\nname: Desk\nmode: mock\n{more}\n")

    @property
    def today(self) -> date:
        return self.clock.now().date()

    def next_day(self) -> None:
        self.clock.advance(timedelta(days=1))

    def give(self, text: str, name: str = "call", owner: str = "harbor", **more: Any) -> str:
        (added,) = Documents(self.workspace, "desk").add_documents(
            [NewDocument(owner, name, f"{name}.txt", text, **more)]
        )
        assert added.error is None
        return str(added.document_id)

    def delete(self, document_id: str) -> None:
        Documents(self.workspace, "desk").delete_documents([document_id])

    def make(self, day: date | None = None) -> dict[str, Any]:
        """Makes the memory of a day, today's if not told otherwise; how that went."""
        day = day or self.today
        ctx = RunContext(self.workspace, scope=Scope(tenants=("desk",)))
        run_stage(ctx, "core/config_snapshot", [day])
        (outcome,) = run_stage(ctx, "core/memory_log", [day]).outcomes
        return {"state": outcome.state, "error": outcome.error, **outcome.counts}

    def said(self) -> list[str]:
        return self.living()["text"].sort().to_list()

    def living(self) -> pl.DataFrame:
        return self.service.state().filter(~pl.col("kind").is_in(["document", "passage"]))

    def rows(self, day: date) -> pl.DataFrame:
        lake = self.workspace.lake
        return lake.collect(LOG, lake.scan(LOG, ["desk"], [day]))

    @property
    def service(self) -> MemoryService:
        return MemoryService(self.workspace, "desk")


@pytest.fixture
def shelf(tmp_path: Path, clock: FrozenClock) -> Iterator[Shelf]:
    with open_workspace(tmp_path / "home", clock) as workspace:
        yield Shelf(workspace, clock)


def test_a_day_reads_what_was_given_and_cites_document_and_span(shelf: Shelf) -> None:
    shelf.tenant()
    document = shelf.give(CFO, security="secret")
    told = shelf.make()
    assert (told["state"], told["passages_read"], told["from_documents"]) == ("done", 1, 1)
    (memory,) = shelf.living().to_dicts()
    assert memory["text"] == ANN
    start = CFO.index("The CFO")
    assert memory["sources"][-1] == f"document:{document}#0@{start}-{len(CFO)}"
    assert memory["sources"][0].startswith("blob:")
    assert '"security": "secret"' in memory["attributes"]


def test_a_day_made_again_gives_the_same_rows_whatever_came_since(shelf: Shelf) -> None:
    shelf.tenant()
    document = shelf.give(CFO)
    shelf.make()
    day, rows = shelf.today, shelf.rows(shelf.today)
    before = shelf.service.log().height
    shelf.make()
    assert shelf.service.log().height == before
    shelf.next_day()
    shelf.give(f"{BO} Nice.")
    shelf.make()
    shelf.next_day()
    shelf.delete(document)
    shelf.make()
    after, log = shelf.said(), shelf.service.log().height
    for again in (day, day + timedelta(days=1), shelf.today, day):
        shelf.make(again)
    assert shelf.rows(day).equals(rows)
    assert (shelf.said(), shelf.service.log().height) == (after, log)


def test_a_document_that_was_replaced_says_what_it_says_now(shelf: Shelf) -> None:
    shelf.tenant()
    shelf.give(f"{ANN} The office is in Hamburg.")
    shelf.make()
    assert len(shelf.said()) == 2
    shelf.next_day()
    shelf.give(f"{ANN} The plant is in Kiel.")
    for day in (shelf.today, shelf.today - timedelta(days=1)):
        shelf.make(day)
        assert shelf.said() == [ANN, "The plant is in Kiel."]


@pytest.mark.parametrize("days", [0, 1])
def test_what_a_deleted_document_said_goes_and_comes_back_with_it(shelf: Shelf, days: int) -> None:
    shelf.tenant()
    document = shelf.give(CFO)
    shelf.make()
    for said in ([], [ANN]):
        shelf.clock.advance(timedelta(days=days, minutes=1))
        shelf.delete(document) if not said else shelf.give(CFO)
        shelf.make()
        assert shelf.said() == said


def test_a_document_that_came_and_went_before_the_day_read_says_nothing(shelf: Shelf) -> None:
    shelf.tenant()
    shelf.delete(shelf.give(CFO))
    assert shelf.make()["state"] == "done"
    assert shelf.said() == []


def test_a_day_reads_a_bounded_number_and_the_next_ones_the_rest_oldest_first(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread, "MOST_A_DAY", 2)
    shelf.tenant()
    for n in range(5):
        shelf.give(f"The CFO of Firm{n} is Ann Lee.", f"call-{n}")
    for read, waiting in ((2, 3), (4, 1), (5, 0)):
        for _ in range(2):
            told = shelf.make()
            assert told["passages_waiting"] == waiting
            assert shelf.said() == [f"The CFO of Firm{n} is Ann Lee." for n in range(read)]
        shelf.next_day()
        left = standing(shelf.workspace, OrchestratorStatus("none"))
        assert left.tenants[0]["unread"] == waiting
        assert any("left for the next days" in said for said in left.needs_attention) == bool(
            waiting
        )
    assert "passages_read" not in shelf.make()


def test_days_without_a_run_lose_nothing(shelf: Shelf) -> None:
    shelf.tenant()
    shelf.make()
    shelf.next_day()
    shelf.give(CFO)
    for _ in range(3):
        shelf.next_day()
    shelf.make()
    assert shelf.said() == [ANN]
    shelf.make(shelf.today - timedelta(days=3))
    assert shelf.said() == [ANN]


def test_what_somebody_had_read_is_not_read_again_by_the_day(shelf: Shelf) -> None:
    shelf.tenant()
    document = shelf.give(CFO)
    remember_documents(shelf.workspace, "desk", [document], "cli:test")
    before = shelf.service.log().height
    assert shelf.make()["passages_read"] == 0
    assert shelf.service.log().height == before
    shelf.next_day()
    other = shelf.give(f"{BO} Nice.", "mail")
    shelf.make()
    before = shelf.service.log().height
    told = remember_documents(shelf.workspace, "desk", [other], "cli:test")
    assert told.outcomes == {"known": 1}
    shelf.make()
    assert shelf.service.log().height == before


def test_what_a_person_took_back_does_not_come_back_with_the_day(shelf: Shelf) -> None:
    shelf.tenant()
    shelf.give(CFO)
    shelf.make()
    shelf.service.retract(shelf.living()["memory_id"][0], "ann", "not so")
    shelf.make()
    assert shelf.said() == []


def test_nothing_of_a_forgotten_owner_is_read_or_kept(shelf: Shelf) -> None:
    shelf.tenant()
    shelf.give(CFO)
    shelf.give("The CFO of Nord is Cy Poe.", "nord", owner="nord")
    shelf.make()
    forget(shelf.workspace, "desk", "harbor", actor="test")
    shelf.next_day()
    assert shelf.make()["state"] == "done"
    assert shelf.said() == ["The CFO of Nord is Cy Poe."]


def test_where_nobody_is_to_read_documents_wait_until_somebody_is(shelf: Shelf) -> None:
    shelf.tenant("extraction: none")
    shelf.give(CFO)
    shelf.make()
    assert shelf.said() == []
    shelf.next_day()
    shelf.tenant("extraction: rules")
    shelf.make()
    assert shelf.said() == [ANN]


def test_a_document_waits_for_a_judge_that_is_not_named(shelf: Shelf) -> None:
    shelf.tenant("extraction: judge")
    shelf.give(CFO)
    told = shelf.make()
    assert (told["state"], told["passages_waiting"], shelf.said()) == ("degraded", 1, [])
    assert "1 passages of documents wait" in told["error"]


def test_a_model_reads_within_its_budget_and_the_rest_waits_for_the_next_day(
    tmp_path: Path, clock: FrozenClock
) -> None:
    fake = Fake()
    with (
        serving(fake, [openai.routes]) as address,
        open_workspace(
            tmp_path / "home",
            clock,
            openai_api_key=openai.KEY,
            openai_api_base=f"{address}/openai/v1",
            llm={"concurrency": 1, "timeout_seconds": 5.0, "calls_per_minute": 1_000_000},
        ) as workspace,
    ):
        shelf = Shelf(workspace, clock)
        shelf.tenant("judge: {provider: openai, batch: 1, budget_calls: 1}\nextraction: judge")
        for n in range(2):
            shelf.give(f"The CFO of Firm{n} is Ann Lee. Bye.", f"call-{n}")
        for read in (1, 2):
            told = shelf.make()
            assert len(shelf.said()) == read
            assert told["passages_waiting"] == 2 - read
            shelf.make()
            assert len(fake.asked("/openai")) == read
            shelf.next_day()


def test_a_day_that_failed_is_made_up_for_by_the_next(shelf: Shelf) -> None:
    shelf.tenant()
    shelf.give(CFO)
    shelf.make()
    with shelf.workspace.control.write() as connection:
        ledger.write_day(
            connection, tenant_id="desk", day=shelf.today, stage="core/memory_log", state="failed", rows=0,
            content_sha=None, inputs_sha=None, code_version="m", counts={}, seconds=0.0, error="a defect",
            run_id=None, now=shelf.clock.now(),
        )  # fmt: skip
    before = shelf.service.log().height
    shelf.next_day()
    shelf.make()
    shelf.make(shelf.today - timedelta(days=1))
    assert (shelf.said(), shelf.service.log().height) == ([ANN], before)


SENTENCES = [f"The plant in {town} is open." for town in ("Kiel", "Bonn", "Ulm", "Trier", "Jena")]


@pytest.mark.parametrize("seed", [3])
def test_whatever_came_and_went_memory_ends_with_what_the_documents_say(
    shelf: Shelf, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread, "MOST_A_DAY", 3)
    rng = Random(seed)
    shelf.tenant()
    held: dict[str, tuple[str, set[str]]] = {}
    for _ in range(14):
        name, texts = rng.choice("abcd"), rng.sample(SENTENCES, rng.randint(1, 3))
        match rng.randint(0, 4):
            case 0 if name in held:
                shelf.delete(held.pop(name)[0])
            case 1:
                shelf.next_day()
                shelf.make()
            case 2:
                shelf.make(shelf.today - timedelta(days=rng.randint(0, 2)))
            case _:
                held[name] = (shelf.give(" ".join(["Good call.", *texts]), name), set(texts))
        shelf.clock.advance(timedelta(minutes=1))
    while shelf.make().get("passages_waiting"):
        shelf.next_day()
    shelf.next_day()
    shelf.make()
    assert set(shelf.said()) == set().union(*(texts for _, texts in held.values()))
    before = shelf.service.log().height
    for back in (2, 0, 1):
        shelf.make(shelf.today - timedelta(days=back))
    assert shelf.service.log().height == before
