"""What the stores do when something breaks: a killed process, a lost connection, a full or a foreign disk."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import engine, migrate, runs
from clientlore.control.engine import ControlPlane
from clientlore.errors import BusyError, StoreError
from clientlore.storage.files import sweep_partials
from clientlore.storage.lake import Lake, Table, columns
from clientlore.storage.locks import AdvisoryLocks, FileLocks
from clientlore.storage.vectors import Vectors
from clientlore.workspace import Workspace

Child = subprocess.Popen[str]
Start = Callable[..., Child]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts Python code in a process of its own and waits for its first line."""
    started: list[Child] = []

    def run(code: str, *arguments: str) -> Child:
        child = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True
        )
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        return child

    yield run
    for child in started:
        child.kill()
        child.communicate()


HOLD_FILE = """
import sys, time
from pathlib import Path
from clientlore.storage.locks import FileLocks
with FileLocks(Path(sys.argv[1]), 0).hold("acme", "run-1"):
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_file_lock_is_free_as_soon_as_its_holder_is_killed(tmp_path: Path, start: Start) -> None:
    child = start(HOLD_FILE, str(tmp_path))
    with (
        pytest.raises(BusyError, match=rf"run-1 \(process {child.pid}\)"),
        FileLocks(tmp_path, 0).hold("acme", "run-2"),
    ):
        pytest.fail("two writers at once")
    os.kill(child.pid, signal.SIGKILL)
    with FileLocks(tmp_path, 10).hold("acme", "run-2"):
        assert child.wait(10) == -signal.SIGKILL


HOLD_ADVISORY = """
import sys, time
from clientlore.control.engine import ControlPlane
from clientlore.storage.locks import AdvisoryLocks
with AdvisoryLocks(ControlPlane.connect(sys.argv[1]).engine, 0).hold("acme", "run-1"):
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[ControlPlane]:
    """A control plane on PostgreSQL."""
    control = ControlPlane.connect(postgres_url)
    yield control
    control.close()


def test_an_advisory_lock_is_free_as_soon_as_its_holder_is_killed(
    postgres: ControlPlane, postgres_url: str, start: Start
) -> None:
    child = start(HOLD_ADVISORY, postgres_url)
    with (
        pytest.raises(BusyError, match="written by another run, and still was after 0 s"),
        AdvisoryLocks(postgres.engine, 60).hold("acme", "run-2", patience=0),
    ):
        pytest.fail("two writers at once")
    os.kill(child.pid, signal.SIGKILL)
    with AdvisoryLocks(postgres.engine, 10).hold("acme", "run-2"):
        assert child.wait(10) == -signal.SIGKILL


def cut_connections(postgres: ControlPlane) -> None:
    """Ends every other connection to the database, as a restart of the server would."""
    with postgres.engine.connect() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


def test_an_advisory_lock_is_free_when_its_connection_dies_and_its_holder_is_told(
    postgres: ControlPlane,
) -> None:
    locks = AdvisoryLocks(postgres.engine, 5)

    def work(fault: Exception | None) -> None:
        with locks.hold("acme", "run-1"):
            cut_connections(postgres)
            with locks.hold("acme", "run-2"):
                pass
            if fault is not None:
                raise fault

    with pytest.raises(StoreError, match="The lock of tenant 'acme' was lost"):
        work(None)
    with pytest.raises(ValueError, match="the work's own"):
        work(ValueError("the work's own fault"))


def test_advisory_locks_keep_writers_of_one_tenant_apart_and_of_two_side_by_side(
    postgres: ControlPlane,
) -> None:
    locks, waiting, told, order = AdvisoryLocks(postgres.engine, 10), threading.Event(), [], []

    def tell(message: str) -> None:
        told.append(message)
        waiting.set()

    def second() -> None:
        with locks.hold("acme", "run-2", tell):
            order.append("second")

    thread = threading.Thread(target=second)
    with locks.hold("acme", "run-1"), locks.hold("beta", "run-1", tell):
        assert told == []
        thread.start()
        assert waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert told == ["waiting for tenant 'acme', which another run is writing"]
    with locks.hold("acme", "run-3", tell):
        assert len(told) == 1


NEWS = Table("core", "news", columns({"n": pl.Int64, "text": pl.String}), ("n",), "A row.")
WRITE = """
import sys
from datetime import date
from pathlib import Path
import polars as pl
from clientlore.storage.lake import Lake, Table, columns
news = Table("core", "news", columns({"n": pl.Int64, "text": pl.String}), ("n",), "")
lake = Lake(Path(sys.argv[1]))
for round in range(100_000):
    rows = [{"n": n, "text": f"{round}-{n}" * 20} for n in range(2_000)]
    lake.write(news, "acme", date(2026, 11, 20), news.frame(rows))
    if round == 0:
        print("ready", flush=True)
"""


@pytest.mark.parametrize("delay", [0.02, 0.05, 0.11])
def test_a_writer_killed_at_any_moment_leaves_a_whole_file(
    tmp_path: Path, start: Start, delay: float
) -> None:
    child = start(WRITE, str(tmp_path))
    time.sleep(delay)
    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)
    lake = Lake(tmp_path)
    frame = lake.collect(NEWS, lake.scan(NEWS, ["acme"]))
    rounds = {text.split("-")[0] for text in frame["text"]}
    assert (frame["n"].to_list(), len(rounds)) == (list(range(2_000)), 1)
    assert sweep_partials(tmp_path) <= 1
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["part.parquet"]


def test_a_database_that_is_away_is_a_store_error_without_its_password() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        control = ControlPlane.connect(f"postgresql://me:hush-hush@127.0.0.1:{port}/x")
        with pytest.raises(StoreError, match="Check DATABASE_URL") as caught, control.read():
            pytest.fail("nobody is there")
    assert "hush-hush" not in str(caught.value)
    control.close()


def test_a_lock_that_cannot_be_asked_for_is_a_store_error() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        control = ControlPlane.connect(f"postgresql://me:hush-hush@127.0.0.1:{port}/x")
        locks = AdvisoryLocks(control.engine, timeout=1)
        with (
            pytest.raises(StoreError, match="PostgreSQL does not answer") as caught,
            locks.hold("acme", "test"),
        ):
            pytest.fail("nobody is there")
    assert "hush-hush" not in str(caught.value)
    control.close()


def test_a_database_that_goes_away_within_a_transaction_is_a_store_error(
    postgres: ControlPlane,
) -> None:
    def work() -> None:
        with postgres.write() as connection:
            connection.execute(sa.text("SELECT 1"))
            cut_connections(postgres)
            connection.execute(sa.text("SELECT 1"))

    with pytest.raises(StoreError, match="The control plane refused"):
        work()
    with postgres.read() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar() == 1


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane in a file."""
    control = ControlPlane.connect(f"sqlite:///{tmp_path / 'deep' / 'control.db'}")
    migrate.upgrade(control)
    yield control
    control.close()


def test_a_database_that_another_process_keeps_locked_is_a_store_error(
    sqlite: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0)
    other = ControlPlane.connect(str(sqlite.engine.url))
    with sqlite.write():
        with pytest.raises(StoreError, match="Another process wrote for more than"), other.write():
            pytest.fail("two writers at once")
        with other.read() as connection:
            assert runs.component_beats(connection) == []
    other.close()


def test_a_full_disk_is_a_store_error_and_nothing_half_written_is_kept(
    sqlite: ControlPlane, clock: FrozenClock
) -> None:
    def work() -> None:
        with sqlite.write() as connection:
            connection.execute(sa.text("PRAGMA max_page_count = 10"))
            for number in range(1_000):
                runs.beat_component(connection, f"c{number}", clock.now(), "x" * 1_000)

    with pytest.raises(StoreError, match="Free some space") as caught:
        work()
    assert "nothing half-written was kept" in str(caught.value)
    with sqlite.read() as connection:
        assert runs.component_beats(connection) == []


def test_a_power_cut_does_not_forget_what_was_committed(sqlite: ControlPlane) -> None:
    with sqlite.read() as connection:
        said = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert said == ["wal", 2, 1]


def test_a_workspace_says_that_every_store_can_be_used(workspace: Workspace) -> None:
    health = workspace.validate_connections()
    assert [(h.store, h.ok, h.error) for h in health] == [
        ("control plane", True, None),
        ("lake", True, None),
        ("blobs", True, None),
        ("vectors", True, None),
    ]
    assert all(h.latency_ms > 0 for h in health)
    assert not list(workspace.lake.root.iterdir())


def test_a_store_that_cannot_be_used_says_why_and_the_others_are_asked_all_the_same(
    workspace: Workspace,
) -> None:
    workspace.blobs.root.write_text("in the way")
    with workspace.control.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
    health = {h.store: h for h in workspace.validate_connections()}
    assert [name for name, h in health.items() if not h.ok] == ["control plane", "blobs"]
    assert "Run `clientlore db upgrade`" in str(health["control plane"].error)
    assert "could not be written" in str(health["blobs"].error)


def test_a_table_of_vectors_is_written_anew_as_a_whole_for_one_tenant(tmp_path: Path) -> None:
    vectors = Vectors(tmp_path)
    for text in ("opens a plant", "closes plants"):
        rows = pa.table({"owner": ["harbor"], "text": [f"Harbor {text}"]})
        vectors.replace("acme", "memories", rows, scalar_columns=["owner"])
    table = Vectors(tmp_path).open("acme", "memories")
    assert table is not None
    assert table.count_rows() == 1
    found = table.search().where("owner = 'harbor'").to_list()
    assert [row["text"] for row in found] == ["Harbor closes plants"]
    assert vectors.open("beta", "memories") is None


def test_a_table_of_vectors_that_is_damaged_says_how_to_make_it_again(tmp_path: Path) -> None:
    (tmp_path / "acme" / "memories.lance").mkdir(parents=True)
    with pytest.raises(StoreError, match="clientlore memory rebuild --tenant acme"):
        Vectors(tmp_path).open("acme", "memories")
