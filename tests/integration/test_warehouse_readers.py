"""Twenty publications under the eyes of readers: none fails, none sees an empty, mixed or older mart."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clientlore.storage.warehouse import FILE, Warehouse

duckdb = pytest.importorskip("duckdb")

CLIENTS = Path(__file__).resolve().parents[1] / "support" / "warehouse_clients.py"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PUBLICATIONS = 20


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that others may look into; pytest's own is closed to them."""
    with tempfile.TemporaryDirectory(prefix="clientlore-warehouse-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        for path in folder.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)


def publish(root: Path, number: int) -> None:
    work = root / "work" / str(number)
    work.mkdir(parents=True)
    with duckdb.connect(
        str(work / FILE), config={"storage_compatibility_version": "v1.0.0"}
    ) as made:
        made.execute(
            "CREATE TABLE build AS SELECT ? AS build_id, ?::BIGINT AS snapshot, ?::TIMESTAMPTZ AS taken_at",
            [f"b{number:03}", number, NOON + timedelta(minutes=number)],
        )
        made.execute(f"CREATE TABLE digests AS SELECT {number} AS seen FROM range(1000)")
    warehouse = Warehouse(root)
    now = NOON + timedelta(hours=7 * number)
    warehouse.publish(work / FILE, now)
    warehouse.prune(now)
    shutil.rmtree(work, ignore_errors=True)


def test_readers_and_a_writer_that_is_killed_disturb_no_publication_and_it_disturbs_no_reader(
    shared: Path,
) -> None:
    root, stop = shared / "warehouse", shared / "stop"
    warehouse = Warehouse(root)
    publish(root, 1)

    def start(role: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-P", str(CLIENTS), role, str(warehouse.file), str(stop)],
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
        )

    readers = {role: start(role) for role in ("loop", "hold")}
    writer = start("write")
    try:
        assert writer.stdout is not None
        tried = [json.loads(writer.stdout.readline())]
        for number in range(2, PUBLICATIONS + 2):
            publish(root, number)
            if number == PUBLICATIONS // 2:
                tried.append(json.loads(writer.stdout.readline()))
                writer.kill()
                writer.wait()
            time.sleep(0.1)
    finally:
        stop.touch()
        writer.kill()
        said = {role: process.communicate(timeout=240)[0] for role, process in readers.items()}
        writer.communicate(timeout=240)
    assert all("ermission denied" in attempt["refused"] for attempt in tried)
    for role, process in readers.items():
        assert process.returncode == 0, role
        found = json.loads(said[role])
        assert found["errors"] == [], role
        assert found["opened"] > 3
        assert found["seen"][-1] == PUBLICATIONS + 1
    assert len(json.loads(said["loop"])["seen"]) >= PUBLICATIONS // 2
    out = warehouse.current()
    assert out is not None
    assert out.build_id == f"b{PUBLICATIONS + 1:03}"
    assert len(warehouse.builds()) == 3
    assert [p.name for p in out.file.parent.iterdir() if p.suffix == ".wal"] == []
    assert os.access(warehouse.file, os.R_OK)
