"""Operations by which memory becomes what a day calls for: reruns, vanishing, returning, and what people did."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from clientlore.control import tables as t
from clientlore.control.engine import ControlPlane
from clientlore.control.snapshots import Snapshot
from clientlore.memory import log
from clientlore.memory.derive import Wanted, log_before, operations_for
from clientlore.memory.fold import alive, fold
from clientlore.memory.log import Operation, memory_id_for

DAY = date(2026, 11, 20)
NEXT = DAY + timedelta(days=1)
T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
NOW = datetime(2026, 12, 1, tzinfo=UTC)
_COUNT = itertools.count()


def want(origin: str = "event:e1", text: str = "It opens a plant", **values: Any) -> Wanted:
    made = Wanted(
        owner_id="harbor",
        kind="event",
        text=text,
        origin=origin,
        recorded_at=T0,
        valid_from=T0,
        attributes={"category": "expansion"},
        sources=(f"item:{origin}",),
        reason="a relevant event",
    )
    return replace(made, **values)


@dataclass
class Memory:
    """The memory of one tenant, driven as the stage drives it."""

    control: ControlPlane
    tenant_id: str

    def tell(self, wanted: Sequence[Wanted], day: date = DAY) -> list[Operation]:
        """Makes a day; returns what was appended."""
        snapshot = Snapshot(
            tenant_id=self.tenant_id,
            day=day,
            name="Acme",
            mode="live",
            settings={},
            clients=(),
            readers=(),
            owners={},
            sources=(),
            sha="",
            taken_at=T0,
        )
        with self.control.write() as connection:
            before = log_before(connection, snapshot, wanted)
            operations = operations_for(before, snapshot, wanted)
            assert log.append(connection, operations, NOW) == len(operations)
            every = log.read(connection, self.tenant_id)
        # Whatever is exported for a day is what the log has for it.
        assert_frame_equal(
            log.export(before, operations, day).sort(log.LOG.sort),
            log.export(every, [], day).sort(log.LOG.sort),
        )
        return operations

    def by_hand(self, op: Any, wanted: Wanted, text: str | None = None) -> None:
        """What a person does to a memory."""
        memory_id = memory_id_for(self.tenant_id, wanted.owner_id, wanted.kind, wanted.origin)
        operation = Operation(
            tenant_id=self.tenant_id,
            owner_id=wanted.owner_id,
            memory_id=memory_id,
            op=op,
            kind=None if text is None else wanted.kind,
            text=text,
            recorded_at=T0 + timedelta(hours=1),
            actor="cli:ann",
            reason="I know better",
            origin=f"hand:{memory_id}",
        )
        with self.control.write() as connection:
            assert log.append(connection, [operation], NOW) == 1

    def texts(self, as_of: datetime | None = None) -> dict[str, str]:
        """The living memories: text by source."""
        with self.control.read() as connection:
            state = alive(fold(log.read(connection, self.tenant_id), as_of)).to_dicts()
        return {row["sources"][0] if row["sources"] else "hand": row["text"] for row in state}


@pytest.fixture(scope="module")
def control() -> Iterator[ControlPlane]:
    made = ControlPlane.connect("sqlite://")
    t.metadata.create_all(made.engine)
    yield made
    made.close()


def new_memory(control: ControlPlane) -> Memory:
    tenant_id = f"t{next(_COUNT)}"
    with control.write() as connection:
        connection.execute(
            sa.insert(t.tenants).values(
                tenant_id=tenant_id,
                name=tenant_id,
                mode="live",
                status="active",
                allow_live_send=False,
                settings={},
                created_at=NOW,
                updated_at=NOW,
            )
        )
    return Memory(control, tenant_id)


@pytest.fixture
def memory(control: ControlPlane) -> Memory:
    return new_memory(control)


def test_what_is_wanted_is_added_with_its_actor_reason_and_sources(memory: Memory) -> None:
    (operation,) = memory.tell([want()])
    assert (operation.op, operation.generation, operation.origin_day) == ("add", 0, DAY)
    assert operation.actor == "asset:core/memory_log"
    assert operation.reason == "a relevant event"
    assert operation.sources == ("item:event:e1",)
    assert operation.recorded_at == T0


def test_a_rerun_appends_nothing(memory: Memory) -> None:
    memory.tell([want(), want("event:e2")])
    assert memory.tell([want("event:e2"), want()]) == []


def test_appending_an_operation_twice_leaves_one(memory: Memory) -> None:
    operations = memory.tell([want()])
    with memory.control.write() as connection:
        assert log.append(connection, operations, NOW + timedelta(days=3)) == 0
        assert len(log.read(connection, memory.tenant_id)) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"text": "It opens two plants"},
        {"attributes": {"category": "product"}},
        {"valid_from": T0 - timedelta(days=1)},
    ],
)
def test_what_changed_is_revised_and_keeps_its_id(memory: Memory, changed: dict[str, Any]) -> None:
    (added,) = memory.tell([want()])
    (revised,) = memory.tell([want(**changed)])
    assert (revised.op, revised.memory_id, revised.generation) == ("revise", added.memory_id, 1)
    assert memory.tell([want(**changed)]) == []


def test_what_vanished_is_retracted_and_says_why(memory: Memory) -> None:
    memory.tell([want(), want("event:e2")])
    (retracted,) = memory.tell([want("event:e2")])
    assert retracted.op == "retract"
    assert retracted.reason == "the sources of the day no longer give rise to it"
    assert memory.texts() == {"item:event:e2": "It opens a plant"}
    assert memory.tell([want("event:e2")]) == []


def test_what_came_back_is_there_again(memory: Memory) -> None:
    memory.tell([want()])
    memory.tell([])
    (again,) = memory.tell([want()])
    assert (again.op, again.generation) == ("add", 2)
    assert memory.texts() == {"item:event:e1": "It opens a plant"}


def test_going_and_coming_back_twice_is_told_apart_each_time(memory: Memory) -> None:
    ids = [
        op.op_id for wanted in ([want()], [], [want()], [], [want()]) for op in memory.tell(wanted)
    ]
    assert len(set(ids)) == 5
    assert memory.texts() == {"item:event:e1": "It opens a plant"}


def test_a_retraction_is_not_recorded_before_what_it_retracts(memory: Memory) -> None:
    memory.tell([want(recorded_at=T0 + timedelta(hours=5))])
    (retracted,) = memory.tell([])
    assert retracted.recorded_at == T0 + timedelta(hours=5)
    assert memory.texts(T0 + timedelta(hours=4)) == {}


def test_as_of_an_instant_before_a_revision_the_older_text_is_known(memory: Memory) -> None:
    memory.tell([want()])
    memory.tell([want(text="It opens two plants", recorded_at=T0 + timedelta(hours=2))])
    assert memory.texts(T0 + timedelta(hours=1)) == {"item:event:e1": "It opens a plant"}
    assert memory.texts() == {"item:event:e1": "It opens two plants"}


def test_a_rerun_does_not_bring_back_what_a_person_retracted(memory: Memory) -> None:
    memory.tell([want()])
    memory.by_hand("retract", want())
    assert memory.tell([want()]) == []
    assert memory.tell([want(text="changed meanwhile")]) == []
    assert memory.texts() == {}


def test_a_rerun_neither_revises_nor_retracts_what_a_person_revised(memory: Memory) -> None:
    memory.tell([want()])
    memory.by_hand("revise", want(), "What Ann knows")
    assert memory.tell([want(text="changed meanwhile")]) == []
    assert memory.tell([]) == []
    assert memory.texts() == {"hand": "What Ann knows"}


def test_an_earlier_day_made_again_does_not_undo_a_later_revision(memory: Memory) -> None:
    later = want(text="It opens two plants", recorded_at=T0 + timedelta(days=1))
    memory.tell([want()])
    memory.tell([later], NEXT)
    assert memory.tell([want()]) == []
    assert memory.tell([later], NEXT) == []
    assert memory.texts() == {"item:event:e1": "It opens two plants"}


def test_an_earlier_day_that_no_longer_tells_it_does_not_retract_what_a_later_day_told(
    memory: Memory,
) -> None:
    later = want(text="It opens two plants", recorded_at=T0 + timedelta(days=1))
    memory.tell([want()])
    memory.tell([later], NEXT)
    assert memory.tell([]) == []
    assert memory.texts() == {"item:event:e1": "It opens two plants"}


def test_a_pair_that_moved_to_an_earlier_day_stays_however_often_both_days_are_made(
    memory: Memory,
) -> None:
    # A historical fetch lets an event come up on an earlier day than before.
    memory.tell([want()], NEXT)
    moved = want(text="It opens a plant, as told first", recorded_at=T0 + timedelta(days=9))
    memory.tell([moved])
    for day, wanted in ((NEXT, []), (DAY, [moved]), (NEXT, [])):
        assert memory.tell(wanted, day) == []
    assert memory.texts() == {"item:event:e1": "It opens a plant, as told first"}


def test_a_day_that_calls_for_an_earlier_copy_again_gets_it(memory: Memory) -> None:
    memory.tell([want(text="The copy of noon", recorded_at=T0 + timedelta(hours=3))])
    memory.tell([want(text="The copy of the morning")])
    assert memory.texts() == {"item:event:e1": "The copy of the morning"}


def test_the_same_origin_for_two_owners_is_two_memories(memory: Memory) -> None:
    memory.tell([want(), want(owner_id="calder")])
    (retracted,) = memory.tell([want()])
    assert retracted.owner_id == "calder"


def test_two_tenants_with_the_same_origins_do_not_meet(control: ControlPlane) -> None:
    one, two = new_memory(control), new_memory(control)
    (first,), (second,) = one.tell([want()]), two.tell([want()])
    assert first.op_id != second.op_id
    assert first.memory_id != second.memory_id
    two.tell([])
    assert one.texts() == {"item:event:e1": "It opens a plant"}


def test_the_log_is_read_in_the_order_of_appending_and_from_a_mark(memory: Memory) -> None:
    memory.tell([want("event:e2")])
    with memory.control.read() as connection:
        mark = log.head(connection, memory.tenant_id)
    memory.tell([want("event:e1")], NEXT)
    with memory.control.read() as connection:
        rows = log.read(connection, memory.tenant_id)
        assert rows["origin"].to_list() == ["event:e2", "event:e1"]
        later = log.read(connection, memory.tenant_id, after=mark)
        assert later["origin"].to_list() == ["event:e1"]
        assert log.touched(connection, memory.tenant_id, mark) == {rows["memory_id"][1]}
        assert log.touched_by(connection, memory.tenant_id, DAY) == {rows["memory_id"][0]}


def test_reading_more_memories_than_fit_one_query_gives_all_of_them_in_order(
    memory: Memory,
) -> None:
    memory.tell([want(f"event:{n}") for n in range(1_001)])
    with memory.control.read() as connection:
        every = log.read(connection, memory.tenant_id)
        ids = every["memory_id"].to_list()
        assert_frame_equal(log.read(connection, memory.tenant_id, memory_ids=ids), every)
        assert len(every) == 1_001


_CALLED_FOR = st.dictionaries(st.sampled_from(["e1", "e2", "e3"]), st.sampled_from(["a", "b"]))
_SETS = st.lists(st.tuples(_CALLED_FOR, st.integers(0, 3)), max_size=6)


def wants(called_for: dict[str, str], hours: int) -> list[Wanted]:
    at = T0 + timedelta(hours=hours)
    return [want(origin, text, recorded_at=at) for origin, text in called_for.items()]


@given(days=_SETS)
@settings(max_examples=40, deadline=None)
def test_whatever_a_day_called_for_in_turn_memory_ends_with_what_it_calls_for_last(
    control: ControlPlane, days: list[tuple[dict[str, str], int]]
) -> None:
    memory = new_memory(control)
    for called_for, hours in days:
        memory.tell(wants(called_for, hours))
        assert memory.tell(wants(called_for, hours)) == []
        assert memory.texts() == {f"item:{origin}": text for origin, text in called_for.items()}


@given(
    history=st.lists(st.tuples(st.booleans(), _CALLED_FOR, st.integers(0, 3)), max_size=5),
    first=st.tuples(_CALLED_FOR, st.integers(0, 3)),
    second=st.tuples(_CALLED_FOR, st.integers(0, 3)),
)
@settings(max_examples=40, deadline=None)
def test_whatever_came_before_two_days_made_again_in_order_come_to_rest(
    control: ControlPlane,
    history: list[tuple[bool, dict[str, str], int]],
    first: tuple[dict[str, str], int],
    second: tuple[dict[str, str], int],
) -> None:
    memory = new_memory(control)
    for later, called_for, hours in history:
        memory.tell(wants(called_for, hours), NEXT if later else DAY)
    for _ in range(2):
        memory.tell(wants(*first), DAY)
        memory.tell(wants(*second), NEXT)
    assert memory.tell(wants(*first), DAY) == []
    assert memory.tell(wants(*second), NEXT) == []
    assert set(memory.texts()) == {f"item:{origin}" for origin in {*first[0], *second[0]}}


@given(days=_SETS, hand=st.sampled_from(["retract", "revise"]))
@settings(max_examples=30, deadline=None)
def test_whatever_days_call_for_what_a_person_did_stays(
    control: ControlPlane, days: list[tuple[dict[str, str], int]], hand: str
) -> None:
    memory = new_memory(control)
    memory.tell([want("e1", "a")])
    memory.by_hand(hand, want("e1"), "What Ann knows" if hand == "revise" else None)
    for called_for, hours in days:
        memory.tell(wants(called_for, hours))
    expected = {} if hand == "retract" else {"hand": "What Ann knows"}
    assert {k: v for k, v in memory.texts().items() if k in {"hand", "item:e1"}} == expected
