"""The files of the memory index: few however many small writes come, and nobody who reads is left without them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from clientlore.clock import FrozenClock
from clientlore.memory import compaction, store
from clientlore.memory.store import MemoryStore
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace
from tests.integration.test_memory_store import append


@pytest.fixture
def workspace(tmp_path: Path, clock: FrozenClock) -> Iterator[Workspace]:
    """A tenant."""
    with open_workspace(tmp_path / "home", clock) as opened:
        put_tenant(opened, "tenant: acme\nname: acme\nmode: mock\n")
        yield opened


def files(workspace: Workspace) -> int:
    return sum(p.is_file() for p in workspace.vectors.root.rglob("*"))


def test_a_burst_of_small_writes_leaves_no_more_files_however_long_it_lasts(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "OPTIMIZE_WRITES", 10)
    # A version has a manifest, a transaction and a data file; those of two intervals are kept, besides the indexes.
    most = 2 * 3 * (10 + 3) + 30
    made, counts = MemoryStore(workspace), []
    for n in range(64):
        append(workspace, f"Plant {n} opens", f"n{n}")
        if n % 8 == 7:
            append(workspace, None, f"n{n - 1}", op="retract", generation=1)
        made.update("acme")
        counts.append(files(workspace))
    assert max(counts) <= most
    assert most < 3 * len(counts)  # as many as there would be
    assert len(made.search("acme", "plants", limit=1_000).hits) == 56


def test_what_a_writer_left_who_died_goes_when_files_are_put_together(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = MemoryStore(workspace)
    append(workspace, "A plant opens")
    made.update("acme")
    (data,) = workspace.vectors.root.rglob("data/*.lance")
    left = data.with_name(data.name.translate(str.maketrans("01", "10")))
    shutil.copy(data, left)
    monkeypatch.setattr(compaction, "OPTIMIZE_WRITES", 1)
    for name in ("n2", "n3"):
        append(workspace, "A second plant opens", name)
        made.update("acme")
    assert not left.exists()
    assert len(made.search("acme", "plant").hits) == 3


def test_a_table_that_is_younger_than_its_mark_is_tidied_all_the_same(workspace: Workspace) -> None:
    made = MemoryStore(workspace)
    append(workspace, "A plant opens")
    made.update("acme")
    (path,) = workspace.vectors.root.rglob("memories.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "optimized": 10_000}))
    append(workspace, "A second plant opens", "n2")
    made.update("acme")
    assert json.loads(path.read_text())["optimized"] < 100
    assert len(made.search("acme", "plant").hits) == 2


def test_a_search_whose_files_go_while_it_reads_reads_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, reads = MemoryStore(workspace), []
    for n in range(3):
        append(workspace, f"Plant {n} opens", f"n{n}")
        made.update("acme")

    def late(table: Any, where: str) -> Any:
        reads.append(table.version)
        if len(reads) == 1:
            again = workspace.vectors.open("acme", made.table_name)
            assert again is not None
            again.optimize(cleanup_older_than=timedelta(milliseconds=1), delete_unverified=True)
            # Whether Lance notices depends on what it still holds open.
            raise RuntimeError("a file of this version is gone")
        return read(table, where)

    read = store._read
    monkeypatch.setattr(store, "_read", late)
    assert len(made.search("acme", "plants").hits) == 3
    assert len(reads) == 2
    assert reads[0] < reads[1]
