"""Publishing the analysts' database: whole, in order, and never from under somebody who reads."""

from __future__ import annotations

import errno
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clientlore.errors import ConfigurationError, NotFoundError, StoreError
from clientlore.storage import warehouse as module
from clientlore.storage.warehouse import FILE, KEEP_FOR, Build, Warehouse

duckdb = pytest.importorskip("duckdb")

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SETTINGS = {"storage_compatibility_version": "v1.0.0"}


def made(folder: Path, *, number: int, snapshot: int | None = None, rows: int = 5) -> Path:
    """A finished database file; `number` makes its id and its time."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE
    with duckdb.connect(str(file), config=SETTINGS) as opened:
        opened.execute(
            "CREATE TABLE build AS SELECT ? AS build_id, ?::BIGINT AS snapshot, ?::TIMESTAMPTZ AS taken_at",
            [
                f"b{number:03}",
                number if snapshot is None else snapshot,
                NOON + timedelta(minutes=number),
            ],
        )
        opened.execute(f"CREATE TABLE digests AS SELECT range AS n FROM range({rows})")
    return file


def published(tmp_path: Path, number: int, at: datetime = NOON) -> Build:
    return Warehouse(tmp_path / "warehouse").publish(made(tmp_path / "work", number=number), at)


def test_a_build_is_out_whole_and_read_only(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse")
    assert warehouse.current() is None
    build = published(tmp_path, 1)
    assert warehouse.current() == build
    assert build.rows == {"build": 1, "digests": 5}
    assert not (tmp_path / "work" / FILE).exists()
    assert warehouse.file.resolve() == build.file
    assert stat.S_IMODE(build.file.stat().st_mode) == 0o444
    assert stat.S_IMODE(build.file.parent.stat().st_mode) == 0o555
    assert (tmp_path / "warehouse" / "current").readlink() == Path("builds/b001")
    with duckdb.connect(str(warehouse.file), read_only=True) as opened:
        tags = opened.execute(
            "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'warehouse'"
        ).fetchone()
    assert tags == ("v1.0.0+",)


def test_who_connects_sees_the_newest_build_though_an_older_one_is_open(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse")
    with pytest.raises(NotFoundError, match="No warehouse was published"):
        warehouse.connect()
    published(tmp_path, 1)
    with warehouse.connect() as old:
        published(tmp_path, 2)
        with warehouse.connect() as new:
            assert new.execute("SELECT build_id FROM build").fetchone() == ("b002",)
        assert old.execute("SELECT build_id FROM build").fetchone() == ("b001",)


def test_a_file_with_a_write_ahead_log_beside_it_is_refused(tmp_path: Path) -> None:
    build = published(tmp_path, 1)
    file = made(tmp_path / "work", number=2)
    with duckdb.connect(str(file)) as writing:
        writing.execute("INSERT INTO digests SELECT range FROM range(1000)")
        assert file.with_name(file.name + ".wal").exists()
        with pytest.raises(StoreError, match=r"warehouse\.duckdb\.wal lies beside"):
            Warehouse(tmp_path / "warehouse").publish(file, NOON)
    assert Warehouse(tmp_path / "warehouse").current() == build
    again = Warehouse(tmp_path / "warehouse").publish(file, NOON)
    assert again.rows["digests"] == 1_005


@pytest.mark.parametrize(("snapshot", "number"), [(6, 9), (7, 6)])
def test_a_build_that_has_seen_less_than_what_is_out_is_refused(
    tmp_path: Path, snapshot: int, number: int
) -> None:
    build = published(tmp_path, 7)
    older = made(tmp_path / "work", number=number, snapshot=snapshot)
    with pytest.raises(StoreError, match="it is older and was not published"):
        Warehouse(tmp_path / "warehouse").publish(older, NOON)
    assert Warehouse(tmp_path / "warehouse").current() == build
    assert older.exists()


def test_what_is_no_build_is_refused(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse")
    with pytest.raises(NotFoundError, match="no database"):
        warehouse.publish(tmp_path / FILE, NOON)
    (tmp_path / FILE).write_bytes(b"not a database at all, but long enough to be looked at")
    with pytest.raises(StoreError, match="cannot be published"):
        warehouse.publish(tmp_path / FILE, NOON)
    file = made(tmp_path / "work", number=1)
    with duckdb.connect(str(file)) as opened:
        opened.execute("DELETE FROM build")
    with pytest.raises(StoreError, match="does not say which build it is"):
        warehouse.publish(file, NOON)
    assert warehouse.current() is None


def test_a_full_disk_leaves_what_is_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = published(tmp_path, 1)
    file = made(tmp_path / "work", number=2)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_sync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        Warehouse(tmp_path / "warehouse").publish(file, NOON)
    monkeypatch.undo()
    warehouse = Warehouse(tmp_path / "warehouse")
    assert warehouse.current() == build
    assert warehouse.prune(NOON) == []
    assert [p.name for p in (tmp_path / "warehouse" / "builds").iterdir()] == ["b001"]


def test_pruning_keeps_the_newest_what_is_out_and_what_was_out_a_moment_ago(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse")
    for number in range(1, 7):
        published(tmp_path, number, NOON + timedelta(hours=2 * number))
    assert [b.build_id for b in warehouse.builds()] == [f"b{n:03}" for n in range(1, 7)]
    # b003 lost its place at 20:00: at 01:00 that is less than six hours ago.
    assert warehouse.prune(NOON + timedelta(hours=13)) == ["b001", "b002"]
    assert warehouse.prune(NOON + timedelta(hours=8) + KEEP_FOR) == ["b003"]
    assert warehouse.prune(NOON + timedelta(days=400)) == []
    assert [b.build_id for b in warehouse.builds()] == ["b004", "b005", "b006"]
    current = warehouse.current()
    assert current is not None
    assert current.build_id == "b006"


def test_a_reader_goes_on_reading_a_build_that_was_pruned(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse")
    published(tmp_path, 1)
    with warehouse.connect() as held:
        published(tmp_path, 2)
        assert warehouse.prune(NOON, keep=1, keep_for=timedelta(0)) == ["b001"]
        assert held.execute("SELECT count(*) FROM digests").fetchone() == (5,)


def test_what_killed_publishers_and_builders_left_is_swept(tmp_path: Path) -> None:
    root = tmp_path / "warehouse"
    published(tmp_path, 1)
    (root / "builds" / ".partial-b009").mkdir()
    (root / ".partial-link").symlink_to("builds/b009")
    (root / "work" / "run").mkdir(parents=True)
    now = datetime.now(UTC)
    Warehouse(root).prune(now)
    assert [p.name for p in (root / "builds").iterdir()] == ["b001"]
    assert not (root / ".partial-link").is_symlink()
    assert (root / "work" / "run").is_dir()
    Warehouse(root).prune(now + timedelta(days=2))
    assert not (root / "work" / "run").exists()


def test_without_duckdb_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = made(tmp_path / "work", number=1)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ConfigurationError, match=r"clientlore\[warehouse\]"):
        Warehouse(tmp_path / "warehouse").publish(file, NOON)
