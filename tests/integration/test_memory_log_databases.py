"""The memory log on both databases: appended once, read in order, and coming back exactly as it went in."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control.snapshots import Snapshot
from clientlore.errors import BusyError
from clientlore.memory import log
from clientlore.memory.derive import Wanted, log_before, operations_for
from clientlore.memory.fold import alive, fold
from clientlore.memory.log import LOG, Operation, memory_id_for
from clientlore.memory.store import MemoryStore
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

DAY = date(2026, 11, 20)
T0 = datetime(2026, 11, 20, 9, 0, 0, 123456, tzinfo=UTC)
ODD = {
    "importance": 0.1 + 0.2,
    "tiny": 1e-7,
    "whole": 1.0,
    "big": 2**53,
    "none": None,
    "nested": {"b": [1, 2], "a": "Zürich 日本 🙂"},
    'a "quoted" key': "it's \\ here\n",
}


@pytest.fixture
def workspace(tmp_path: Path, clock: FrozenClock, database_url: str) -> Iterator[Workspace]:
    with open_workspace(
        tmp_path / "home", clock, database_url=database_url, lock_timeout_seconds=0.05
    ) as opened:
        for tenant in ("acme", "other"):
            put_tenant(opened, f"tenant: {tenant}\nname: {tenant}\n")
        yield opened


def operation(name: str = "n1", **values: Any) -> Operation:
    made = Operation(
        tenant_id="acme",
        owner_id="harbor",
        memory_id=memory_id_for("acme", "harbor", "event", name),
        op="add",
        kind="event",
        text=f"Text of {name}",
        recorded_at=T0,
        actor="asset:core/memory_log",
        reason="a test",
        origin=name,
        origin_day=DAY,
        valid_from=T0 - timedelta(days=1),
        attributes=ODD,
        sources=("event:1", "item:2"),
    )
    return replace(made, **values)


def append(workspace: Workspace, *operations: Operation) -> int:
    with workspace.control.write() as connection:
        return log.append(connection, operations, T0)


def read(workspace: Workspace, tenant: str = "acme", **values: Any) -> list[dict[str, Any]]:
    with workspace.control.read() as connection:
        rows = log.read(connection, tenant, **values).to_dicts()
    return [{**row, "attributes": json.loads(row["attributes"])} for row in rows]


def test_an_operation_comes_back_as_it_went_in(workspace: Workspace) -> None:
    told = operation(
        text="Ünï\n'quoted' \"text\" 🙂", valid_to=T0.astimezone(timezone(timedelta(hours=9)))
    )
    append(workspace, told)
    (row,) = read(workspace)
    for name in ("op_id", "owner_id", "memory_id", "op", "kind", "text", "actor", "reason"):
        assert row[name] == getattr(told, name)
    assert row["attributes"] == ODD
    assert row["sources"] == ["event:1", "item:2"]
    assert (row["recorded_at"], row["appended_at"]) == (T0, T0)
    assert (row["valid_from"], row["valid_to"]) == (T0 - timedelta(days=1), T0)
    assert (row["origin"], row["origin_day"], row["generation"]) == ("n1", DAY, 0)


def test_appending_twice_is_harmless_and_says_how_many_were_new(workspace: Workspace) -> None:
    both = [operation("n1"), operation("n2")]
    assert append(workspace, *both) == 2
    assert append(workspace, *both, operation("n3")) == 1
    assert [row["origin"] for row in read(workspace)] == ["n1", "n2", "n3"]
    assert append(workspace) == 0


def test_two_who_append_the_same_at_once_leave_one_of_each(workspace: Workspace) -> None:
    told = [operation(f"n{n}") for n in range(40)]
    barrier, counts = threading.Barrier(2), list[int]()

    def work() -> None:
        barrier.wait(30)
        counts.append(append(workspace, *told))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 40
    assert [row["origin"] for row in read(workspace)] == [f"n{n}" for n in range(40)]


def test_each_tenant_has_its_own_log(workspace: Workspace) -> None:
    append(workspace, operation("n1"), operation("n1", tenant_id="other"))
    mine, theirs = read(workspace), read(workspace, "other")
    assert ([r["tenant_id"] for r in mine], [r["tenant_id"] for r in theirs]) == (
        ["acme"],
        ["other"],
    )
    with workspace.control.read() as connection:
        assert log.head(connection, "acme") == mine[0]["seq"]
        assert log.head(connection, "nobody") == 0
        assert log.touched(connection, "acme", 0) == {mine[0]["memory_id"]}
        assert log.touched(connection, "acme", mine[0]["seq"]) == set()
        assert log.touched_by(connection, "acme", DAY) == {mine[0]["memory_id"]}
        assert log.touched_by(connection, "acme", DAY + timedelta(days=1)) == set()


def test_more_operations_than_one_statement_takes_are_appended_in_order(
    workspace: Workspace,
) -> None:
    told = [operation(f"n{n:04d}") for n in range(2_000)]
    assert append(workspace, *told) == 2_000
    rows = read(workspace)
    assert [row["origin"] for row in rows] == [f"n{n:04d}" for n in range(2_000)]
    some = [row["memory_id"] for row in rows[:1_200]]
    assert read(workspace, memory_ids=some) == rows[:1_200]


def test_a_rerun_appends_nothing_whatever_the_attributes_hold(workspace: Workspace) -> None:
    wanted = Wanted("harbor", "event", "A plant", "e1", T0, T0, ODD, ("item:1",), "a test")
    snapshot = Snapshot("acme", DAY, "Acme", "live", {}, (), (), {}, (), "", T0)
    for expected in (["add"], [], []):
        with workspace.control.write() as connection:
            before = log_before(connection, snapshot, [wanted])
            operations = operations_for(before, snapshot, [wanted])
            log.append(connection, operations, T0)
        assert [op.op for op in operations] == expected


def test_the_log_folds_alike_and_can_be_exported(workspace: Workspace) -> None:
    append(workspace, operation("n1"), operation("n2"))
    append(workspace, operation("n2", op="retract", text=None, kind=None, generation=1))
    with workspace.control.read() as connection:
        operations = log.read(connection, "acme")
    state = alive(fold(operations))
    assert state["text"].to_list() == ["Text of n1"]
    exported = log.export(operations, [], DAY)
    assert exported.schema == LOG.schema
    assert exported.height == 3


def test_an_operation_that_nobody_knows_is_refused_by_the_database(
    workspace: Workspace,
) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        append(workspace, operation(op="conjure"))  # type: ignore[arg-type]
    assert read(workspace) == []


def test_the_index_follows_the_log_and_a_busy_tenant_is_told_to_be_behind(
    workspace: Workspace,
) -> None:
    store = MemoryStore(workspace)
    append(workspace, operation("n1"))
    assert [hit.text for hit in store.search("acme", "texts").hits] == ["Text of n1"]
    append(workspace, operation("n2"))
    with workspace.locks.hold("acme", "a run"):
        found = store.search("acme", "texts")
        with pytest.raises(BusyError), workspace.locks.hold("acme", "another run"):
            pass
    assert ([hit.text for hit in found.hits], found.behind) == (["Text of n1"], 1)
    assert len(store.search("acme", "texts").hits) == 2
