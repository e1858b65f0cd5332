"""State is the fold of the log: by sequence, up to an instant, whatever the order of the rows given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from clientlore.errors import StoreError
from clientlore.memory.fold import STATE, alive, fold, holding, without_maintenance
from clientlore.memory.log import OPERATIONS, canonical

T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def row(seq: int, op: str = "add", **values: Any) -> dict[str, Any]:
    bears = op in {"add", "revise"}
    return {
        "seq": seq,
        "op_id": f"op{seq}",
        "tenant_id": "t1",
        "owner_id": "harbor",
        "memory_id": "m1",
        "op": op,
        "kind": "event" if bears else None,
        "text": f"text {seq}" if bears else None,
        "attributes": {"seq": seq} if bears else {},
        "valid_from": T0 if bears else None,
        "valid_to": None,
        "recorded_at": T0 + timedelta(hours=seq),
        "actor": "asset:core/memory_log",
        "sources": [f"item:{seq}"] if bears else [],
        **values,
    }


def operations_frame(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    told = [{**row, "attributes": canonical(row["attributes"])} for row in rows]
    return pl.DataFrame(told, schema=OPERATIONS)


def folded(rows: list[dict[str, Any]], as_of: datetime | None = None) -> list[dict[str, Any]]:
    return fold(operations_frame(rows), as_of).to_dicts()


def test_an_empty_log_folds_to_no_memories_in_the_declared_columns() -> None:
    state = fold(operations_frame([]))
    assert state.schema == STATE
    assert state.is_empty()


def test_a_revision_takes_the_place_of_the_content_and_keeps_when_it_was_first_known() -> None:
    (memory,) = folded([row(1), row(2, "revise", text="the new text")])
    assert memory["text"] == "the new text"
    assert memory["attributes"] == '{"seq": 2}'
    assert memory["sources"] == ["item:2"]
    assert memory["recorded_at"] == T0 + timedelta(hours=1)
    assert memory["revised_at"] == T0 + timedelta(hours=2)
    assert memory["operations"] == 2
    assert memory["last_op"] == "revise"


def test_a_retraction_keeps_the_row_with_its_content_and_takes_it_out_of_the_living() -> None:
    state = fold(operations_frame([row(1), row(2, "retract", actor="cli:ann")]))
    assert state["text"].to_list() == ["text 1"]
    assert state["last_op"].to_list() == ["retract"]
    assert state["last_actor"].to_list() == ["cli:ann"]
    assert alive(state).is_empty()


def test_an_add_after_a_retraction_is_alive_again() -> None:
    living = alive(fold(operations_frame([row(1), row(2, "retract"), row(3)])))
    assert living["text"].to_list() == ["text 3"]
    assert living["operations"].to_list() == [3]


def test_superseding_closes_the_interval_and_deletes_nothing() -> None:
    end = T0 + timedelta(days=1)
    (memory,) = folded([row(1), row(2, "supersede", valid_to=end)])
    assert memory["text"] == "text 1"
    assert memory["valid_from"] == T0
    assert memory["valid_to"] == end
    assert alive(fold(operations_frame([row(1), row(2, "supersede", valid_to=end)]))).height == 1


def test_a_revision_after_superseding_opens_the_interval_again() -> None:
    end = T0 + timedelta(days=1)
    (memory,) = folded([row(1), row(2, "supersede", valid_to=end), row(3, "revise")])
    assert memory["valid_to"] is None


def test_as_of_an_instant_is_what_was_recorded_until_then_that_instant_included() -> None:
    rows = [row(1), row(2, "revise"), row(3, "retract")]
    assert folded(rows, T0) == []
    assert folded(rows, T0 + timedelta(hours=1))[0]["text"] == "text 1"
    assert folded(rows, T0 + timedelta(hours=1, minutes=59))[0]["text"] == "text 1"
    assert folded(rows, T0 + timedelta(hours=2))[0]["text"] == "text 2"
    assert folded(rows, T0 + timedelta(hours=3))[0]["last_op"] == "retract"


def test_telling_again_counts_and_adds_its_sources_and_changes_nothing_else() -> None:
    rows = [
        row(1),
        row(2, "reinforce", sources=["item:2"]),
        row(3, "reinforce", sources=["item:1"]),
    ]
    (memory,) = folded(rows)
    assert (memory["text"], memory["reinforced"]) == ("text 1", 2)
    assert memory["sources"] == ["item:1", "item:2"]
    assert memory["revised_at"] == T0 + timedelta(hours=1)
    assert memory["seen_at"] == T0 + timedelta(hours=3)


@pytest.mark.parametrize("op", ["merge", "summarise"])
def test_what_is_folded_into_another_is_not_alive_and_names_it_until_that_is_undone(
    op: str,
) -> None:
    rows = [row(1), row(2, op, attributes={"into": "m9"})]
    state = fold(operations_frame(rows))
    assert alive(state).is_empty()
    assert state["folded_into"].to_list() == ["m9"]
    again = fold(operations_frame([*rows, row(3, "undo", attributes={"undoes": "op2"})]))
    assert alive(again)["folded_into"].to_list() == [None]


def test_undoing_takes_back_any_operation_and_undoing_that_brings_it_back() -> None:
    rows = [row(1), row(2, "revise"), row(3, "undo", attributes={"undoes": "op2"})]
    assert folded(rows)[0]["text"] == "text 1"
    rows.append(row(4, "undo", attributes={"undoes": "op3"}))
    assert folded(rows)[0]["text"] == "text 2"
    rows.append(row(5, "undo", attributes={"undoes": "op1"}))
    assert folded(rows)[0]["text"] == "text 2"
    assert folded(rows, T0 + timedelta(hours=3))[0]["text"] == "text 1"


def test_a_memory_whose_only_operation_is_undone_is_not_alive_and_counts_its_operations() -> None:
    state = fold(operations_frame([row(1), row(2, "undo", attributes={"undoes": "op1"})]))
    assert alive(state).is_empty()
    assert state.select("text", "operations", "last_op").rows() == [(None, 2, "undo")]


def test_it_is_told_when_it_became_known_that_something_holds_no_longer() -> None:
    end = T0 - timedelta(days=1)
    (memory,) = folded([row(1), row(2, "supersede", valid_to=end)])
    assert memory["superseded_at"] == T0 + timedelta(hours=2)
    assert folded([row(1)])[0]["superseded_at"] is None


def test_holding_begins_with_its_first_instant_and_ends_before_its_last() -> None:
    end = T0 + timedelta(days=1)
    state = fold(operations_frame([row(1, valid_to=end)]))
    assert holding(state, T0 - timedelta(seconds=1)).is_empty()
    assert holding(state, T0).height == 1
    assert holding(state, end - timedelta(seconds=1)).height == 1
    assert holding(state, end).is_empty()


def test_without_maintenance_is_what_sources_and_people_said() -> None:
    rows = [
        row(1),
        row(2, "merge", actor="maintenance:consolidation", attributes={"into": "m9"}),
        row(3, "undo", actor="cli:ann", attributes={"undoes": "op2"}),
        row(4, "reinforce"),
        row(5, "undo", actor="cli:ann", attributes={"undoes": "op4"}),
    ]
    kept = without_maintenance(operations_frame(rows))
    assert kept["op_id"].to_list() == ["op1", "op4", "op5"]


def test_the_sequence_decides_and_not_the_time_of_recording() -> None:
    early = row(2, "revise", text="appended later, known earlier", recorded_at=T0)
    (memory,) = folded([row(1), early])
    assert memory["text"] == "appended later, known earlier"


def test_the_same_memory_id_of_two_tenants_or_owners_is_two_memories() -> None:
    rows = [row(1), row(2, tenant_id="t2", op="retract"), row(3, owner_id="calder")]
    state = fold(operations_frame(rows)).sort("tenant_id", "owner_id")
    assert state.select("tenant_id", "owner_id", "last_op").rows() == [
        ("t1", "calder", "add"),
        ("t1", "harbor", "add"),
        ("t2", "harbor", "retract"),
    ]


def test_memories_come_in_the_order_of_their_ids() -> None:
    rows = [row(n, memory_id=name) for n, name in enumerate(["m3", "m1", "m2"], start=1)]
    assert fold(operations_frame(rows))["memory_id"].to_list() == ["m1", "m2", "m3"]


@pytest.mark.parametrize("op", ["forget", "decay", "conjure"])
def test_an_operation_that_this_program_does_not_know_is_refused_by_name(op: str) -> None:
    with pytest.raises(StoreError, match=f"does not know: {op}"):
        fold(operations_frame([row(1), row(2, op)]))


def test_canonical_attributes_do_not_depend_on_the_order_of_keys_and_keep_letters() -> None:
    assert canonical({"b": 1, "a": "Zürich"}) == canonical({"a": "Zürich", "b": 1})
    assert canonical({"b": 1, "a": "Zürich"}) == '{"a": "Zürich", "b": 1}'


_OPS = st.lists(
    st.tuples(
        st.sampled_from(["m1", "m2", "m3"]),
        st.sampled_from(["add", "revise", "supersede", "retract"]),
        st.integers(0, 5),
    ),
    max_size=12,
)


def _rows(told: list[tuple[str, str, int]]) -> list[dict[str, Any]]:
    return [
        row(seq, op, memory_id=memory, recorded_at=T0 + timedelta(hours=hours))
        for seq, (memory, op, hours) in enumerate(told, start=1)
    ]


@given(told=_OPS, data=st.data())
@settings(max_examples=40, deadline=None)
def test_the_fold_does_not_depend_on_the_order_of_the_rows_given(
    told: list[tuple[str, str, int]], data: st.DataObject
) -> None:
    rows = _rows(told)
    shuffled = data.draw(st.permutations(rows))
    assert_frame_equal(fold(operations_frame(shuffled)), fold(operations_frame(rows)))


@given(told=_OPS, hours=st.integers(-1, 6))
@settings(max_examples=40, deadline=None)
def test_as_of_is_the_fold_of_what_was_recorded_by_then(
    told: list[tuple[str, str, int]], hours: int
) -> None:
    rows, instant = _rows(told), T0 + timedelta(hours=hours)
    known = [r for r in rows if r["recorded_at"] <= instant]
    seen = fold(operations_frame(rows), instant)
    assert_frame_equal(seen, fold(operations_frame(known)))
    assert_frame_equal(alive(seen), seen.filter(pl.col("standing").is_in(["add", "revise"])))
