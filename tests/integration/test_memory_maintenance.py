"""Maintenance follows from state and instant alone, is done once, lowers what it should and can be undone."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.errors import ConfigurationError
from clientlore.memory.fold import STATE, alive, fold, holding
from clientlore.memory.maintenance.compress import compress
from clientlore.memory.maintenance.conflicts import resolve
from clientlore.memory.maintenance.connections import connect
from clientlore.memory.maintenance.consolidate import consolidate
from clientlore.memory.maintenance.decay import decay, strength
from clientlore.memory.maintenance.health import health
from clientlore.memory.maintenance.insights import insights
from clientlore.memory.maintenance.plan import Plan, told
from clientlore.memory.maintenance.summarise import summarise
from clientlore.memory.service import MemoryService
from clientlore.memory.statements import Statement
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

T0 = datetime(2026, 1, 5, 9, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def memory(name: str, text: str, **values: Any) -> dict[str, Any]:
    at = values.pop("at", T0)
    return {
        "tenant_id": "t1", "owner_id": "harbor", "memory_id": name, "kind": "fact", "text": text,
        "attributes": "{}", "valid_from": at, "valid_to": None, "recorded_at": at, "revised_at": at,
        "sources": ["item:1"], "operations": 1, "last_op": "add", "last_actor": "cli:ann", "standing": "add",
        "folded_into": None, "seen_at": at, "superseded_at": None, "reinforced": 0, **values,
    }  # fmt: skip


def state(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=STATE)


def cfo(name: str, who: str, days: int = 0, **said: float) -> dict[str, Any]:
    extra = "".join(f', "{k}": {v}' for k, v in said.items())
    told_ = f'{{"subject": "owner", "attribute": "cfo", "value": "{who.lower()}"{extra}}}'
    return memory(name, f"The CFO is {who}", attributes=told_, at=T0 + timedelta(days=days))


@given(st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 20), st.integers(0, 20))
@settings(max_examples=60, deadline=None)
def test_strength_never_rises_with_age_and_never_falls_with_repetition(
    young: int, old: int, few: int, many: int
) -> None:
    young, old, few, many = min(young, old), max(young, old), min(few, many), max(few, many)
    rows = [
        memory(f"{a}-{r}-{n}", "x", at=NOW - timedelta(days=a), reinforced=r)
        for n, (a, r) in enumerate([(young, few), (old, few), (young, many)])
    ]
    fresh, stale, repeated = told(state(*rows)).with_columns(s=strength(NOW))["s"].to_list()
    assert 0 < stale <= fresh <= repeated <= 0.5


def test_strength_is_halved_after_a_half_life_and_does_not_depend_on_who_looked_before() -> None:
    (row,) = (
        told(state(memory("m", "x", at=NOW - timedelta(days=180)))).with_columns(s=strength(NOW))
    ).to_dicts()
    assert row["s"] == pytest.approx(0.25)


def test_decay_writes_nothing_and_says_how_much_weaker_memory_is() -> None:
    plan = decay(state(memory("m", "x")), NOW)
    assert plan.operations == ()
    assert plan.after["importance"] < plan.before["importance"]
    assert plan.after["memories"] == plan.before["memories"] == 1


def test_consolidation_folds_what_says_the_same_into_what_was_told_first() -> None:
    words = (
        "the new warehouse in Lisbon will be opened by the mayor with music and speeches for staff"
    )
    rows = state(
        memory("a", words, at=T0 + timedelta(days=1)),
        memory("b", f"{words} again", at=T0),
        memory("c", words.replace("Lisbon", "Porto")),
        memory("d", f"{words} not"),
        memory("e", words, owner_id="calder"),
        memory("f", "something else altogether"),
    )
    plan = consolidate(rows, NOW)
    assert [(op.memory_id, op.attributes["into"]) for op in plan.operations] == [("a", "b")]
    assert (plan.before["memories"], plan.after["memories"]) == (6, 5)


def test_the_same_visit_a_month_later_is_another_visit() -> None:
    rows = state(
        memory("a", "Visited the plant", kind="activity"),
        memory("b", "Visited the plant", kind="activity", at=T0 + timedelta(days=30)),
        memory("c", "Visited the plant", kind="activity", at=T0 + timedelta(days=2)),
    )
    assert [op.memory_id for op in consolidate(rows, NOW).operations] == ["c"]


@pytest.mark.parametrize(
    ("strategy", "ended"),
    [
        ("temporal", ["a", "c"]),
        ("confidence", ["b", "c"]),
        ("importance", ["a", "b"]),
        ("keep_both", []),
        ("review", []),
    ],
)
def test_conflicts_are_resolved_by_strategy(strategy: str, ended: list[str]) -> None:
    rows = state(
        cfo("a", "Ann", 1, confidence=0.9, importance=0.2),
        cfo("b", "Bo", 9, confidence=0.5, importance=0.3),
        cfo("c", "Cy", 5, confidence=0.1, importance=0.8),
    )
    plan = resolve(rows, NOW, strategy)
    assert sorted(op.memory_id for op in plan.operations) == ended
    assert plan.before["conflicts"] == 1
    assert plan.after["conflicts"] == (0 if ended else 1)


def test_no_conflict_between_intervals_that_follow_each_other_or_owners() -> None:
    ended = {**cfo("a", "Ann"), "valid_to": T0 + timedelta(days=5)}
    rows = state(ended, cfo("b", "Bo", 5), {**cfo("c", "Cy"), "owner_id": "calder"})
    assert resolve(rows, NOW).before["conflicts"] == 0


def test_facts_are_read_from_memories_that_were_loaded_word_for_word() -> None:
    rows = state(
        memory("a", "The CFO of Vantis is Ann"),
        memory("b", "Vantis named Bo as CFO", at=T0 + timedelta(days=3)),
    )
    assert [op.memory_id for op in resolve(rows, NOW).operations] == ["a"]


def test_an_unknown_strategy_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="no strategy 'coin'"):
        resolve(state(), NOW, "coin")


def test_compression_is_shorter_by_the_target_and_keeps_names_numbers_and_negations() -> None:
    text = (
        "Well, I really think that the people at Harbor Foods were not happy with the 12 pallets that have been "
        "sent to them by the carrier"
    )
    plan = compress(state(memory("a", text)), NOW)
    (op,) = plan.operations
    assert op.text is not None
    assert len(op.text) <= 0.75 * len(text)
    for word in ("Harbor Foods", "not", "12 pallets", "carrier", "happy"):
        assert word in op.text
    assert compress(state(memory("a", op.text, standing="compress")), NOW).operations == ()
    assert compress(state(memory("a", text, at=NOW)), NOW).operations == ()


def test_a_summary_tells_old_happenings_word_for_word_and_cites_each() -> None:
    rows = [
        memory(
            f"m{n}",
            f"Met Ann about the Lisbon plant, part {n}.",
            kind="activity",
            at=T0 + timedelta(days=n),
        )
        for n in range(8)
    ]
    kept = memory("fact", "The CFO is Ann")
    plan = summarise(state(*rows, kept), NOW)
    summary = plan.operations[0]
    assert (summary.op, summary.kind) == ("add", "summary")
    texts = {row["memory_id"]: row["text"] for row in rows}
    for claim in summary.attributes["claims"]:
        assert claim["text"] in texts[claim["source"]]
        assert claim["text"] in (summary.text or "")
    assert {op.memory_id for op in plan.operations[1:]} == set(texts)
    assert plan.after["memories"] == 2
    assert summarise(state(*rows), T0 + timedelta(days=20)).operations == ()


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_health_falls_with_duplicates_stale_memories_contradictions_and_time_and_rises_with_repair(
    seed: int,
) -> None:
    rng = random.Random(seed)
    rows = [
        memory(
            f"m{n}", f"remark {rng.random()} about topic{n} and item{n}", at=NOW - timedelta(days=rng.randint(0, 400)),
            sources=rng.choice([[], ["item:1"]]), last_actor=rng.choice(["asset:x", "cli:ann"]),
        )
        for n in range(rng.randint(1, 12))
    ] + [cfo("f1", "Ann", 300)]  # fmt: skip
    score = health(state(*rows), NOW).result["score"]
    copy = {**rows[0], "memory_id": "z", "recorded_at": NOW}
    doubled = state(*rows, copy)
    assert health(doubled, NOW).result["score"] < score
    stale = memory("old", "an old note nobody told again", at=NOW - timedelta(days=9000))
    assert health(state(*rows, stale), NOW).result["score"] < score
    torn = state(*rows, cfo("f2", "Bo", 301))
    worse = health(torn, NOW).result["score"]
    assert worse < score
    assert health(state(*rows), NOW + timedelta(days=rng.randint(1, 300))).result["score"] <= score
    ended = {op.memory_id: op.valid_to for op in resolve(torn, NOW).operations}
    repaired = torn.with_columns(
        valid_to=pl.col("memory_id").replace_strict(
            ended, default=None, return_dtype=pl.Datetime("us", "UTC")
        )
    )
    assert health(repaired, NOW).result["score"] > worse
    folded = {op.memory_id for op in consolidate(doubled, NOW).operations}
    assert health(doubled.filter(~pl.col("memory_id").is_in(list(folded))), NOW).result[
        "score"
    ] == pytest.approx(score)


def test_health_of_nothing_is_no_number() -> None:
    assert health(state(), NOW).result["score"] is None


def test_health_says_what_would_raise_it() -> None:
    told_ = health(state(cfo("a", "Ann"), cfo("b", "Bo", 2)), T0 + timedelta(days=3)).result
    assert told_["recommendations"] == ["Resolve conflicts: 1 facts have two values at once."]


def test_connections_of_seeded_pairs_are_right_in_over_85_per_cent() -> None:
    rng = random.Random(11)
    places = [
        f"{a}{b}"
        for a in ("Lis", "Por", "Gra", "Vel", "Mar", "Tor")
        for b in ("bona", "tova", "neria", "stad", "holm")
    ]
    rows, pairs = [], set()
    for n in range(120):
        thing = rng.choice(places) + " " + rng.choice(["Dock", "Mill", "Bridge", "Tower"]) + str(n)
        for side in "ab":
            said = rng.choice(["They talked about", "A visit to", "Costs of"])
            text = f"{said} {thing} {rng.choice(['grew', 'are open', 'went well'])}"
            rows.append(memory(f"{side}{n:03}", text, owner_id=rng.choice(["harbor", "calder"])))
        pairs.add((f"a{n:03}", f"b{n:03}"))
    rows += [
        memory(f"x{n:03}", f"A remark about {rng.choice(places)} and weather") for n in range(200)
    ]
    made = connect(state(*rows), NOW, {"calder-co": ("Calder",)})
    found = set(made.filter(pl.col("type") == "about").select("source_id", "target_id").iter_rows())
    hit = {p for p in found if p[0][0] == "a" and p[1][0] == "b"}
    right = len(hit & pairs)
    assert right / len(pairs) > 0.85
    assert right / max(1, len(hit)) > 0.85


def test_a_memory_is_connected_with_the_client_it_names_and_facts_lead_on() -> None:
    one = memory("a", "We met Calder in Rome", owner_id="harbor")
    works = memory(
        "b", "x", attributes='{"subject": "ann", "attribute": "employer", "value": "calder"}'
    )
    chief = memory("c", "y", attributes='{"subject": "calder", "attribute": "cfo", "value": "bo"}')
    made = connect(state(one, works, chief), NOW, {"calder-co": ("Calder",)})
    edges = set(made.select("source_id", "target_id", "type").iter_rows())
    assert edges == {("a", "calder-co", "mentions"), ("b", "c", "leads_to")}


def test_insights_of_a_day_cite_their_memories() -> None:
    day = NOW.date()
    rows = [
        memory(f"m{n}", "Calder called", at=NOW, owner_id=f"o{n % 2}", kind="event")
        for n in range(6)
    ]
    ended = {**cfo("f1", "Ann"), "valid_to": NOW}
    begun = {**cfo("f2", "Bo"), "recorded_at": NOW, "valid_from": NOW}
    made = insights("t1", state(*rows, ended, begun), day)
    by_kind = {row["kind"]: row for row in made.sort("insight_id").iter_rows(named=True)}
    assert set(by_kind) == {"busy", "changed", "shared"}
    assert by_kind["changed"]["memory_ids"] == ["f1", "f2"]
    assert by_kind["changed"]["text"] == "cfo of owner: bo, no longer ann."
    assert len(by_kind["shared"]["memory_ids"]) == 6
    assert insights("t1", state(*rows), day - timedelta(days=1)).is_empty()


@pytest.fixture
def service(workspace: Workspace) -> MemoryService:
    put_tenant(workspace, "tenant: t1\nname: T\nmode: mock\n")
    return MemoryService(workspace, "t1")


TASKS: list[Callable[[pl.DataFrame, datetime], Plan]] = [
    consolidate,
    summarise,
    compress,
    resolve,
]


@pytest.mark.parametrize("task", TASKS, ids=["consolidate", "summarise", "compress", "resolve"])
def test_each_task_is_done_once_and_undone_by_its_origin(
    service: MemoryService, task: Callable[[pl.DataFrame, datetime], Plan]
) -> None:
    long = "They told us that the people at the Lisbon plant were really very happy with everything that was sent"
    said = [
        Statement("harbor", f"{long}, {n}", f"n{n}", T0 + timedelta(days=n), kind="event")
        for n in range(6)
    ]
    said += [
        Statement(
            "harbor",
            f"{long} today: pallets crates boxes bags labels tapes{' too' * n}",
            f"d{n}",
            T0,
            kind="context",
        )
        for n in range(2)
    ]
    service.remember(said)
    # Told by two that do not know of each other, such as two loads word for word.
    from clientlore.memory.log import Operation

    service.append([
        Operation("t1", "harbor", f"v{n}", "add", "fact", f"The CFO of Vantis is {who}", T0 + timedelta(days=n),
                  "load", "r", f"v{n}")
        for n, who in enumerate(["Ann", "Bo"])
    ])  # fmt: skip
    service.append([
        Operation("t1", "harbor", f"w{n}", "add", "context", "boxes bags labels tapes pallets stood in rain", T0,
                  "load", "r", f"w{n}")
        for n in range(2)
    ])  # fmt: skip
    before = service.state()
    plan = task(before, NOW)
    assert plan.operations
    assert task(before.sort("text"), NOW).operations == plan.operations
    assert service.append(plan.operations) == len(plan.operations)
    assert service.append(plan.operations) == 0
    after = service.state()
    assert task(after, NOW).operations == ()
    if "memories" in plan.after:
        assert after.height == plan.after["memories"]
    assert (
        service.state(NOW - timedelta(seconds=1))
        .select("memory_id", "text", "valid_to")
        .equals(before.select("memory_id", "text", "valid_to"))
    )
    for origin in sorted({op.origin for op in plan.operations}):
        service.undo(origin, "cli:ann")
    shown = ["memory_id", "text", "kind", "valid_from", "valid_to", "attributes"]
    assert service.state().select(shown).equals(before.select(shown))
    assert holding(alive(fold(service.log())), NOW).height == holding(before, NOW).height
