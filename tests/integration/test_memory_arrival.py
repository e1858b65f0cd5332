"""What is told again reinforces, another value ends the old one, and the order in which it comes does not matter."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.errors import BadDataError
from clientlore.memory.arrival import arrive, facts_in
from clientlore.memory.facts import parse
from clientlore.memory.fold import alive, fold, holding
from clientlore.memory.log import OPERATIONS, Operation, canonical
from clientlore.memory.service import MemoryService
from clientlore.memory.statements import Statement
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace
from tests.support.told import TEMPLATES, UNSEEN_TEMPLATES, UNTUNED_TEMPLATES, Case, cases

T0 = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def frame(operations: Sequence[Operation]) -> pl.DataFrame:
    rows = [
        {
            **{name: getattr(op, name, None) for name in OPERATIONS},
            "seq": n,
            "op_id": op.op_id,
            "attributes": canonical(op.attributes),
            "sources": list(op.sources),
            "appended_at": T0,
        }
        for n, op in enumerate(operations, start=1)
    ]
    return pl.DataFrame(rows, schema=OPERATIONS)


def tell(log: list[Operation], *told: Statement) -> dict[str, str]:
    """Tells in one batch, in memory alone; returns the outcomes."""
    checked = [s.checked() for s in told]
    before = frame(log)
    known: dict[str, list[object]] = {}
    facts = facts_in(checked, known, {})  # type: ignore[arg-type]
    arrived = arrive("t1", before, checked, facts)
    log += arrived.operations
    return dict(arrived.outcomes)


def said(text: str, day: int, origin: str | None = None, owner: str = "harbor") -> Statement:
    at = T0 + timedelta(days=day)
    return Statement(owner, text, origin or f"note:{day}:{text}", at)


def now(log: list[Operation]) -> list[str]:
    return holding(alive(fold(frame(log))), NOW).sort("valid_from")["text"].to_list()


def test_the_same_words_again_reinforce_and_add_nothing() -> None:
    log: list[Operation] = []
    tell(log, said("Harbor opened a plant in Lisbon.", 1))
    assert set(tell(log, said("A plant in Lisbon was opened by Harbor", 2)).values()) == {
        "reinforced"
    }
    (memory,) = alive(fold(frame(log))).to_dicts()
    assert memory["reinforced"] == 1


def test_the_same_origin_again_is_known_and_appends_nothing() -> None:
    log: list[Operation] = []
    tell(log, said("The CFO of Harbor is Ann", 1, "n1"), said("A plain remark", 1, "n2"))
    count = len(log)
    again = tell(log, said("The CFO of Harbor is Ann", 1, "n1"), said("A plain remark", 1, "n2"))
    assert set(again.values()) == {"known"}
    assert len(log) == count


def test_a_new_value_ends_the_old_one_and_deletes_nothing() -> None:
    log: list[Operation] = []
    tell(log, said("The CFO of Harbor is Ann Lee", 1))
    tell(log, said("Harbor named Bo Roe as its new chief financial officer", 5))
    state = alive(fold(frame(log))).sort("valid_from")
    assert state["valid_to"].to_list() == [T0 + timedelta(days=5), None]
    assert state["superseded_at"].to_list() == [T0 + timedelta(days=5), None]
    assert now(log) == ["Harbor named Bo Roe as its new chief financial officer"]


def test_the_same_words_about_another_subject_change_nothing() -> None:
    log: list[Operation] = []
    tell(log, said("My favourite player is Messi", 1))
    tell(log, said("My brother's favourite player is Ronaldo", 2))
    tell(log, said("My favourite player is Messi", 3, "n3", owner="calder"))
    assert len(now(log)) == 3


def test_as_of_an_earlier_instant_the_end_was_not_known_though_it_came_in_one_batch() -> None:
    log: list[Operation] = []
    tell(log, said("The CFO of Harbor is Ann", 1), said("The CFO of Harbor is Bo", 5))
    (then,) = alive(fold(frame(log), T0 + timedelta(days=3))).to_dicts()
    assert (then["text"], then["valid_to"]) == ("The CFO of Harbor is Ann", None)


def test_a_value_between_two_that_were_one_parts_them() -> None:
    log: list[Operation] = []
    for day, who in ((1, "Ann"), (9, "Ann"), (5, "Bo")):
        tell(log, said(f"The CFO of Harbor is {who}", day))
    state = alive(fold(frame(log))).sort("valid_from")
    assert [t[-3:].strip() for t in state["text"]] == ["Ann", "Bo", "Ann"]
    assert state["valid_to"].to_list() == [T0 + timedelta(days=5), T0 + timedelta(days=9), None]


@given(st.lists(st.sampled_from("ABC"), min_size=1, max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_whatever_the_order_of_arrival_and_the_batches_the_last_value_holds(
    values: list[str], rng: random.Random
) -> None:
    told = [said(f"The CFO of Harbor is {v}", day, f"n{day}") for day, v in enumerate(values)]
    rng.shuffle(told)
    log: list[Operation] = []
    while told:
        size = rng.randint(1, len(told))
        tell(log, *told[:size])
        told = told[size:]
    runs = [v for n, v in enumerate(values) if n == 0 or values[n - 1] != v]
    state = alive(fold(frame(log))).sort("valid_from")
    assert [text[-1] for text in state["text"]] == runs
    assert state["valid_to"].to_list() == [*state["valid_from"].to_list()[1:], None]
    assert [text[-1] for text in now(log)] == [values[-1]]


@pytest.mark.parametrize(
    ("templates", "seed"),
    [(TEMPLATES, 1), (UNSEEN_TEMPLATES, 2), (UNSEEN_TEMPLATES, 77), (UNTUNED_TEMPLATES, 901)],
)
def test_paraphrases_are_merged_and_changes_of_value_are_not(
    templates: Sequence[str], seed: int
) -> None:
    hits = wrong = missed = 0
    for case in cases(templates, seed, 300):
        log: list[Operation] = []
        first, second = case.statements(T0)
        tell(log, first)
        known = parse(first.text)
        checked = [second.checked()]
        about = {second.owner_id: [known]} if known else {}
        facts = facts_in(checked, about, {})  # type: ignore[arg-type]
        outcome = arrive("t1", frame(log), checked, facts).outcomes[second.origin]
        merged = outcome == "reinforced"
        hits += merged and case.same
        wrong += merged and not case.same
        missed += not merged and case.same
    f1 = 2 * hits / (2 * hits + wrong + missed)
    assert f1 >= 0.9, (hits, wrong, missed)


@pytest.mark.parametrize(
    ("templates", "seed"), [(TEMPLATES, 3), (UNSEEN_TEMPLATES, 4), (UNTUNED_TEMPLATES, 902)]
)
def test_after_ten_updates_in_any_order_every_fact_has_its_last_value(
    templates: Sequence[str], seed: int
) -> None:
    right = total = 0
    for case in cases(templates, seed, 40):
        log: list[Operation] = []
        told = case.updates(T0, 10)
        anchors = told[:1]
        tell(log, *anchors)
        shuffled = told[1:]
        random.Random(seed).shuffle(shuffled)
        known = {case.owner: [f for f in [parse(anchors[0].text)] if f]}
        for statement in shuffled:
            checked = [statement.checked()]
            facts = facts_in(checked, known, {})  # type: ignore[arg-type]
            log += arrive("t1", frame(log), checked, facts).operations
        total += 1
        last = now(log)
        right += len(last) == 1 and case.last_value in last[0]
    assert right == total


@pytest.fixture
def service(workspace: Workspace) -> MemoryService:
    put_tenant(workspace, "tenant: acme\nname: Acme\nmode: mock\n")
    return MemoryService(workspace, "acme")


def test_undoing_a_change_makes_the_old_value_hold_again_and_undoing_that_the_new_one(
    service: MemoryService,
) -> None:
    service.remember([said("The CFO of Harbor is Ann", 1, "n1")])
    service.remember([said("The CFO of Harbor is Bo", 5, "n2")])
    assert service.current()["text"].to_list() == ["The CFO of Harbor is Bo"]
    service.undo("n2", "cli:ann")
    assert service.current()["text"].to_list() == ["The CFO of Harbor is Ann"]
    (undone,) = service.log().filter(pl.col("op") == "undo")["op_id"].to_list()
    service.undo(undone, "cli:ann")
    assert service.current()["text"].to_list() == ["The CFO of Harbor is Bo"]


def test_a_retracted_value_lets_the_one_before_it_hold_again(service: MemoryService) -> None:
    told = service.remember(
        [said("The CFO of Harbor is Ann", 1, "n1"), said("The CFO of Harbor is Bo", 5, "n2")]
    )
    service.retract(told[1].memory_id, "cli:ann", "wrong")
    assert service.current()["text"].to_list() == ["The CFO of Harbor is Ann"]
    assert service.remember([said("The CFO of Harbor is Bo", 5, "n2")])[0].outcome == "known"


def test_two_services_told_the_same_end_with_one_memory(
    service: MemoryService, tmp_path: Path
) -> None:
    other = MemoryService(service.workspace, "acme")
    service.remember([said("A plain remark about tea", 1, "a")])
    other.remember([said("A plain remark about tea", 2, "b")])
    assert service.state().height == 1


def test_a_batch_with_one_bad_statement_appends_nothing(service: MemoryService) -> None:
    bad = Statement("harbor", "x", "n2", T0, kind="gossip")
    with pytest.raises(BadDataError, match="unknown kind 'gossip'"):
        service.remember([said("A remark", 1), bad])
    assert service.log().is_empty()


def test_generated_cases_are_the_same_for_one_seed() -> None:
    assert list(cases(TEMPLATES, 5, 3)) == list(cases(TEMPLATES, 5, 3))
    assert isinstance(next(iter(cases(TEMPLATES, 5, 1))), Case)
