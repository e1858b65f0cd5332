"""`python -m bench.small_writes`: what 1,000 memories that are told one by one leave behind, and what they cost.

After each tenth of them: files and megabytes of the index, the versions in it, and milliseconds of an add (in the log
and in the index when it returns), of a search among the memories that it changed, and of the same search again. Done
twice: alone, then while a process of its own searches without pause, which is told beside it. The last row is what is
there once files are put together the next time. Aims: as many files after 1,000 writes as after 100, and the same
times; no search of anybody fails or misses what was acknowledged.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.memory import Stub, texts_of
from clientlore.clock import SystemClock
from clientlore.memory import bulk
from clientlore.memory.service import MemoryService
from clientlore.memory.statements import Statement
from clientlore.memory.store import MemoryStore
from clientlore.testing.workspaces import open_workspace
from clientlore.workspace import Workspace

TENANT, OWNERS, WORD = "bench", 20, "harbour"


@dataclass
class Spent:
    """Milliseconds since the last row."""

    adds: list[float] = field(default_factory=list)
    fresh: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)


def timed(spent: list[float], work: Callable[[], Any]) -> Any:
    """What the work gave; its milliseconds are noted."""
    began = time.perf_counter()
    done = work()
    spent.append(1000 * (time.perf_counter() - began))
    return done


def of(spent: list[float]) -> str:
    """Median and 95th percentile."""
    return f"{np.percentile(spent, 50):8.1f}{np.percentile(spent, 95):8.1f}" if spent else " " * 16


class Burst:
    """Adds to a home one by one, and asks after each."""

    def __init__(self, workspace: Workspace, before: int, stub: Stub | None) -> None:
        self.workspace = workspace
        self.store, self.service = MemoryStore(workspace, stub), MemoryService(workspace, TENANT)
        self.spent = Spent()
        self.told = before
        bulk.prepare(workspace, TENANT)
        lines = [
            bulk.Line(id=n, owner=f"o{n % OWNERS}", text=text)
            for n, text in enumerate(texts_of(before, 14, 1))
        ]
        bulk.load(workspace, TENANT, lines, name="before", store=self.store)

    def one(self, text: str) -> None:
        """Adds one, and finds it."""
        owner, name = f"o{self.told % OWNERS}", f"n{self.told}"
        now = self.workspace.clock.now()
        said = Statement(owner, f"{text} {WORD} {name}", name, now, kind="event")

        def add() -> None:
            self.service.remember([said])
            with self.workspace.locks.hold(TENANT, "an add"):
                self.store.update(TENANT)

        def ask() -> Any:
            return self.store.search(TENANT, name, owners=[owner], limit=1)

        timed(self.spent.adds, add)
        for spent in (self.spent.fresh, self.spent.again):
            found = timed(spent, ask)
            assert found.hits[0].text == said.text, found
        self.told += 1

    def files(self) -> list[Path]:
        """What lies in the folder of the index, without what is just being written."""
        found = self.workspace.vectors.root.rglob("*")
        return [path for path in found if path.is_file() and not path.name.startswith(".")]

    def row(self, what: str) -> None:
        """Prints what lies there and what it cost, and begins to count anew."""
        with self.workspace.locks.hold(TENANT, "a count"):
            files = self.files()
            size = sum(path.stat().st_size for path in files) / 1e6
        table = self.workspace.vectors.open(TENANT, self.store.table_name)
        assert table is not None
        print(
            f"{what:>10}{len(files):7}{size:8.2f}{len(table.list_versions()):10}"
            f"{of(self.spent.adds)}{of(self.spent.fresh)}{of(self.spent.again)}",
            flush=True,
        )
        self.spent = Spent()


def burst(home: Path, asked: argparse.Namespace, *, beside: bool) -> None:
    """One table; with another process that searches if asked for."""
    stub = Stub() if asked.vectors else None
    with open_workspace(home, SystemClock()) as workspace:
        made = Burst(workspace, asked.before, stub)
        made.one("the first")
        made.row("1")
        other = searching(home, vectors=asked.vectors) if beside else None
        texts = texts_of(asked.writes + 200, 14, 5)
        most = 0
        for n, text in enumerate(texts[: asked.writes], start=2):
            made.one(text)
            most = max(most, len(made.files()))
            if n % max(asked.writes // 10, 1) == 0:
                made.row(str(n))
        if other is not None:
            said, _ = other.communicate(b"\n", timeout=120)
            told = json.loads(said)
            print(
                f"  the other process: {len(told['ms'])} searches,{of(told['ms'])} ms, {told['failed']} failed, "
                f"{told['missed']} missed something"
            )
        for text in texts[asked.writes :]:
            before = len(made.files())
            made.one(text)
            if len(made.files()) < before:
                break
        made.row("tidied")
        print(f"  at most {most} files in between")


def searching(home: Path, *, vectors: bool) -> subprocess.Popen[bytes]:
    """A process that searches until it is told to stop, and then says how that went."""
    command = [sys.executable, "-m", "bench.small_writes", "--search", str(home)]
    made = subprocess.Popen(
        [*command, *(["--vectors"] if vectors else [])],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert made.stdout is not None
    made.stdout.readline()
    return made


def search_on(home: Path, *, vectors: bool) -> None:
    """Searches all owners without pause until a line comes; what was there must be there the next time."""
    import select

    told: dict[str, Any] = {"ms": [], "failed": 0, "missed": 0}
    with open_workspace(home, SystemClock()) as workspace:
        store = MemoryStore(workspace, Stub() if vectors else None)
        most = 0
        print("searching", flush=True)
        while not select.select([sys.stdin], [], [], 0)[0]:
            try:
                found = timed(told["ms"], lambda: store.search(TENANT, WORD, limit=1_000))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
                print(error, file=sys.stderr)
                told["failed"] += 1
                continue
            told["missed"] += len(found.hits) < most
            most = max(most, len(found.hits))
    print(json.dumps(told))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=1_000)
    parser.add_argument("--before", type=int, default=0, help="memories that are there already")
    parser.add_argument("--vectors", action="store_true", help="with stub vectors, hybrid")
    parser.add_argument("--alone", action="store_true", help="without the other process")
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.search:
        search_on(asked.search, vectors=asked.vectors)
        return
    print(f"{asked.before:,} memories before; p50 and p95 in milliseconds")
    for beside in (False,) if asked.alone else (False, True):
        print("beside a process that searches without pause" if beside else "alone")
        print(
            f"{'writes':>10}{'files':>7}{'MB':>8}{'versions':>10}{'add':>16}{'search':>16}{'again':>16}"
        )
        with tempfile.TemporaryDirectory() as folder:
            burst(Path(folder, "home"), asked, beside=beside)


if __name__ == "__main__":
    main()
