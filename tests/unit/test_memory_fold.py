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
from clientlore.memory.fold import STATE, alive, fold
from clientlore.memory.log import OPERATIONS, canonical

T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def row(seq: int, op: str = "add", **values: Any) -> dict[str, Any]:
    bears = op in {"add", "revise"}
    return {
        "seq": seq,
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


@pytest.mark.parametrize("op", ["forget", "merge", "summarise", "decay", "compress", "conjure"])
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
    assert_frame_equal(
        alive(seen), seen.filter(pl.col("last_op").is_in(["add", "revise", "supersede"]))
    )
