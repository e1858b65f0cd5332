"""`python -m bench.memory`: durable adds and warm searches of memory, beside mem0 on the same texts and stub vectors.

Aims: adds in batches of 100 at least 500 a second, at 100,000 memories at least 0.8 of the rate at 1,000; warm search
p95 over 20 owners, lexical at most 15 ms at 10,000 memories and 30 ms at 100,000, hybrid at most 30 and 50 ms. mem0 is
run by `--mem0 PYTHON`, an interpreter that has it (`pip install mem0ai`); without one it is left out, with a message.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

OWNERS, DIMENSION, QUERIES = 20, 384, 400
MEM0_SECONDS = 60


class Stub:
    """Vectors of no meaning, each text's its own."""

    dimension = DIMENSION
    model = "stub"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """A direction for each text, from its checksum."""
        made = np.empty((len(texts), DIMENSION), dtype=np.float32)
        for n, text in enumerate(texts):
            made[n] = np.random.default_rng(zlib.crc32(text.encode())).standard_normal(DIMENSION)
        return made / np.linalg.norm(made, axis=1, keepdims=True)

    def close(self) -> None:
        """Nothing to close."""


def texts_of(count: int, words: int, seed: int) -> list[str]:
    """Texts of words that are as often as Zipf says."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, 8_001)
    picked = rng.choice(8_000, (count, words), p=share / share.sum())
    return [" ".join(f"w{word}" for word in row) for row in picked]


def ours(memories: list[tuple[str, str]], queries: list[tuple[str, str]]) -> dict[str, Any]:
    """Rates of durable adds, and milliseconds of warm searches, lexical and hybrid."""
    from clientlore.clock import SystemClock
    from clientlore.memory import bulk
    from clientlore.memory.store import MemoryStore
    from clientlore.testing.workspaces import open_workspace

    bulk.BATCH = 100
    lines = [
        bulk.Line(id=n, owner=owner, text=text, session=f"s{n // 400}", speaker=f"p{n % 3}")
        for n, (text, owner) in enumerate(memories)
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        open_workspace(Path(folder, "home"), SystemClock()) as workspace,
    ):
        bulk.prepare(workspace, "bench")
        stores = {"lexical": MemoryStore(workspace), "hybrid": MemoryStore(workspace, Stub())}
        marks = [time.perf_counter()]
        bulk.load(
            workspace, "bench", lines, name="bench", store=stores["lexical"],
            told=lambda _done, _all: marks.append(time.perf_counter()),
        )  # fmt: skip
        rates = [100 / (after - before) for before, after in pairwise(marks)]
        told: dict[str, Any] = {"first": median(rates[:10]), "last": median(rates[-10:])}
        told["all"] = len(lines) / (marks[-1] - marks[0])
        for mode, store in stores.items():
            spent = []
            for text, owner in [*queries[:OWNERS], *queries]:
                began = time.perf_counter()
                found = store.search("bench", text, owners=[owner], limit=10)
                spent.append(1000 * (time.perf_counter() - began))
                assert found.mode == mode
            told[mode] = spent[OWNERS:]
    return told


def theirs(python: str, memories: list[Any], queries: list[Any]) -> dict[str, Any] | None:
    """The same by mem0; None where the interpreter has none."""
    if shutil.which(python) is None:
        return None
    if subprocess.run([python, "-c", "import mem0"], capture_output=True, check=False).returncode:
        return None
    job = {"memories": memories, "queries": queries[:100], "dimension": DIMENSION}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "job.json")
        path.write_text(json.dumps({**job, "seconds": MEM0_SECONDS}))
        side = Path(__file__).with_name("mem0_side.py")
        done = subprocess.run(
            [python, str(side), str(path)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        sys.exit(done.stderr[-2_000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--mem0", default=sys.executable, metavar="PYTHON")
    arguments = parser.parse_args()
    for size in arguments.sizes:
        memories = [(t, f"o{n % OWNERS}") for n, t in enumerate(texts_of(size, 18, 0))]
        queries = [(t, f"o{n % OWNERS}") for n, t in enumerate(texts_of(QUERIES, 6, 1))]
        own = ours(memories, queries)
        print(f"{size:,} memories of {OWNERS} owners, {DIMENSION} dimensions")
        print(f"  adds a second    {own['all']:9.0f}   first 1,000 {own['first']:.0f}, last {own['last']:.0f}, ratio {own['last'] / own['first']:.2f}")  # fmt: skip  # noqa: E501
        for mode in ("lexical", "hybrid"):
            print(
                f"  {mode:7} ms       {median(own[mode]):9.1f}   p95 {np.percentile(own[mode], 95):.1f}"
            )
        other = theirs(arguments.mem0, memories, queries)
        if other is None:
            print("  mem0 is not there: name an interpreter that has it with --mem0")
            continue
        print(f"  mem0: adds       {other['adds_a_second']:9.0f}   of {other['added']:,} in {MEM0_SECONDS} s; ours {own['all'] / other['adds_a_second']:.0f} times")  # fmt: skip  # noqa: E501
        print(f"  mem0: search ms  {median(other['search_ms']):9.1f}   p95 {np.percentile(other['search_ms'], 95):.1f}; ours {median(other['search_ms']) / median(own['hybrid']):.1f} times as fast")  # fmt: skip  # noqa: E501


if __name__ == "__main__":
    main()
