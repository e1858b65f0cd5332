"""Memory on each kind of control plane: told at once by several, firing once, forgotten; killed while at it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import tables as t
from clientlore.memory.automation import AutomationController, AutomationPolicy
from clientlore.memory.automation.controller import fire_due
from clientlore.memory.log import Operation
from clientlore.memory.maintenance.running import maintain
from clientlore.memory.service import MemoryService
from clientlore.memory.statements import Statement
from clientlore.memory.store import MemoryStore
from clientlore.runs import forgetting
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace
from tests.conftest import NOW

T0 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def anywhere(database_url: str, tmp_path: Path) -> Iterator[Workspace]:
    with open_workspace(tmp_path / "home", FrozenClock(NOW), database_url=database_url) as opened:
        put_tenant(opened, "tenant: t1\nname: T\nmode: mock\nclients:\n  - name: Harbor Foods\n")
        yield opened


def at_once(count: int, do: object) -> None:
    threads = [threading.Thread(target=do, args=(n,)) for n in range(count)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_several_that_are_told_the_same_at_once_end_with_one_memory(anywhere: Workspace) -> None:
    def tell(n: int) -> None:
        told = [Statement("harbor-foods", "A plain remark about tea", f"note:{n}", NOW)]
        MemoryService(anywhere, "t1").remember(told)

    at_once(5, tell)
    (made,) = MemoryService(anywhere, "t1").state().to_dicts()
    assert made["reinforced"] == 4


def test_a_policy_fires_once_though_several_look_at_once(anywhere: Workspace) -> None:
    service = MemoryService(anywhere, "t1")
    service.remember(
        [Statement("harbor-foods", f"remark {n} of kind{n}", f"n{n}", T0) for n in range(3)]
    )
    AutomationController(service).create_policy(
        AutomationPolicy(user_id="harbor-foods", auto_consolidation=True, consolidation_threshold=2)
    )
    made: list[object] = []
    at_once(5, lambda _: made.extend(fire_due(anywhere)))
    assert len(made) == 1
    assert fire_due(anywhere) == []


def test_a_client_is_forgotten_and_the_audit_log_is_append_only_again(anywhere: Workspace) -> None:
    MemoryService(anywhere, "t1").remember([Statement("harbor-foods", "zyxcanary", "n", NOW)])
    done = forgetting.forget(anywhere, "t1", "harbor-foods", "test")
    assert (done.state, done.proof["left"]) == ("done", 0)
    with anywhere.control.read() as connection:
        for table in t.metadata.sorted_tables:
            said = str(connection.execute(sa.select(table)).all()).lower()
            assert "zyxcanary" not in said, table.name
            assert "harbor foods" not in said, table.name
    with (
        pytest.raises(sa.exc.DatabaseError, match="append-only"),
        anywhere.control.write() as connection,
    ):
        connection.execute(sa.delete(t.audit_log))


KILLED = """
import os, signal, sys
from datetime import datetime, timedelta, UTC
from pathlib import Path
from clientlore.clock import FrozenClock
from clientlore.control import engine
from clientlore.memory import log
from clientlore.memory.maintenance.running import maintain
from clientlore.memory.service import MemoryService
from clientlore.memory.statements import Statement
from clientlore.testing.workspaces import open_workspace

home, what, when = sys.argv[1:]
now = datetime(2026, 11, 20, 9, tzinfo=UTC)
whole = log.append

def half(connection, operations, at):
    whole(connection, operations if when == "after" else operations[: len(operations) // 2], at)
    os.kill(os.getpid(), signal.SIGKILL)

log.append = half
with open_workspace(Path(home), FrozenClock(now)) as workspace:
    service = MemoryService(workspace, "t1")
    if what == "add":
        service.remember([Statement("harbor", f"Saw number {n}", f"s{n}", now) for n in range(4)])
    else:
        maintain(service, what, now)
"""


@pytest.mark.parametrize(
    ("what", "when"),
    [
        ("summarization", "between"),
        ("summarization", "after"),
        ("consolidation", "between"),
        ("add", "after"),
    ],
)
def test_killed_while_it_is_appended_what_was_under_way_is_not_there_and_can_be_done_again(
    tmp_path: Path, what: str, when: str
) -> None:
    home = tmp_path / "home"
    with open_workspace(home, FrozenClock(NOW)) as workspace:
        put_tenant(workspace, "tenant: t1\nname: T\nmode: mock\n")
        service = MemoryService(workspace, "t1")
        service.append(
            [
                Operation(
                    "t1", "harbor", f"m{n}", "add", "event", f"word{n}", T0, "load", "r", f"m{n}",
                    valid_from=T0 + timedelta(days=n),
                )
                for n in range(9)
            ]
        )  # fmt: skip
        service.append(
            [
                Operation("t1", "harbor", f"w{n}", "add", "fact", "boxes bags labels tapes", T0, "load", "r", f"w{n}")
                for n in range(4)
            ]
        )  # fmt: skip
        before = service.state()
    died = subprocess.run(
        [sys.executable, "-c", KILLED, str(home), what, when], check=False, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()[-2000:]
    with open_workspace(home, FrozenClock(NOW)) as again:
        service = MemoryService(again, "t1")
        assert service.state().equals(before)
        if what == "add":
            said = [Statement("harbor", f"Saw number {n}", f"s{n}", NOW) for n in range(4)]
            assert [t.outcome for t in service.remember(said)] == ["added"] * 4
            assert service.state().height == before.height + 4
            return
        done = maintain(service, what, NOW)
        assert done.appended > 1
        assert service.state().height == done.plan.after["memories"]
        assert maintain(service, what, NOW).appended == 0


COMPACTING = """
import os, signal, sys, threading, time
from pathlib import Path
import lancedb.table
from clientlore.clock import SystemClock
from clientlore.memory import compaction, store
from clientlore.testing.workspaces import open_workspace

compact = lancedb.table.LanceTable.optimize
compaction.OPTIMIZE_WRITES = 1

def killed_on_the_way(table, **options):
    threading.Thread(target=compact, args=(table,), kwargs=options, daemon=True).start()
    time.sleep(0.004)
    os.kill(os.getpid(), signal.SIGKILL)

lancedb.table.LanceTable.optimize = killed_on_the_way
with open_workspace(Path(sys.argv[1]), SystemClock()) as workspace:
    store.MemoryStore(workspace).update("t1")
"""


def test_killed_while_files_of_the_index_are_put_together_nothing_is_lost_or_doubled(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    texts = [f"Plant {n} opens" for n in range(6)]
    with open_workspace(home, FrozenClock(NOW)) as workspace:
        put_tenant(workspace, "tenant: t1\nname: T\nmode: mock\n")
        for text in texts:
            if text != texts[0]:
                MemoryStore(workspace).update("t1")
            MemoryService(workspace, "t1").remember([Statement("harbor", text, text, NOW)])
    died = subprocess.run(
        [sys.executable, "-c", COMPACTING, str(home)], check=False, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()[-2000:]
    with open_workspace(home, FrozenClock(NOW)) as again:
        store = MemoryStore(again)
        assert sorted(h.text for h in store.search("t1", "plants").hits) == texts
        assert store.duplicates("t1") == []
