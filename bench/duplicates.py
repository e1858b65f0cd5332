"""`python -m bench.duplicates [FILE]`: near-duplicates from file to file, side by side with other tools, one core each.

FILE has items as `clientlore dedup` reads them; invented ones if none is given. Every run is a process of its own.
What is not installed is left out with a message: `pip install datasketch semhash`.

- clientlore: `clientlore dedup --layers near`.
- datasketch: MinHash of 128 permutations over word triples, LSH at Jaccard 0.5, one item after the other.
- semhash: its deduplication with its default threshold. Its usual model is a download; here hashed word triples stand
  for it, so its search is measured and not its model.
- text-dedup's method: MinHash of 128 permutations over word triples in numpy, bands by its own optimum, union-find;
  written anew here after its description, since the package is no library.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

ONE_CORE = dict.fromkeys(
    ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1"
)
WAYS = ("clientlore", "datasketch", "semhash", "text-dedup's method")
NEEDS = {"datasketch": "datasketch", "semhash": "semhash"}
SMALL = {"datasketch": 5_000, "semhash": 2_000, "text-dedup's method": 10_000}
"""The slow ones are measured on fewer items, and told as items a second."""


def invented(count: int, path: Path) -> None:
    """Items of about 770 characters, some of them near copies of earlier ones."""
    from bench.material import vocabulary

    rng = Random(5)
    words = vocabulary(rng)
    bodies: list[str] = []
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            if bodies and rng.random() < 0.15:
                cut = rng.choice(bodies[-5_000:]).split()
                cut[rng.randrange(len(cut))] = rng.choice(words)
            else:
                cut = rng.choices(words, k=110)
            bodies.append(" ".join(cut))
            file.write(json.dumps({"id": str(number), "title": "", "body": bodies[-1]}) + "\n")


def repeated(source: Path, count: int, path: Path) -> None:
    """`count` items; what is taken a second time has other words in every place, so that it is no copy."""
    lines = source.read_text(encoding="utf-8").splitlines()
    with path.open("w", encoding="utf-8") as file:
        for number, line in enumerate(islice(cycle(lines), count)):
            item = json.loads(line)
            turn = number // len(lines)
            body = item.get("body") or ""
            if turn:
                body = " ".join(f"{word}{turn}" for word in body.split())
            file.write(
                json.dumps({"id": str(number), "title": item.get("title"), "body": body}) + "\n"
            )


def triples(path: Path) -> list[set[str]]:
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        words = (json.loads(line).get("body") or "").lower().split()
        found.append({" ".join(words[n : n + 3]) for n in range(max(len(words) - 2, 1))})
    return found


def by_datasketch(source: Path, out: Path) -> None:
    from datasketch import MinHash, MinHashLSH  # type: ignore[import-not-found]

    index = MinHashLSH(threshold=0.5, num_perm=128)
    with out.open("w", encoding="utf-8") as file:
        for number, shingles in enumerate(triples(source)):
            sketch = MinHash(num_perm=128)
            sketch.update_batch([shingle.encode() for shingle in shingles])
            known = index.query(sketch)
            index.insert(number, sketch)
            file.write(json.dumps({"id": number, "group_id": min(known, default=number)}) + "\n")


def by_semhash(source: Path, out: Path) -> None:
    import numpy as np
    from semhash import SemHash  # type: ignore[import-not-found]

    class Hashed:
        def encode(self, texts: Any, **_: Any) -> Any:
            made = np.zeros((len(texts), 256), np.float32)
            for row, text in enumerate(texts):
                words = text.lower().split()
                for n in range(max(len(words) - 2, 1)):
                    made[row, hash(tuple(words[n : n + 3])) % 256] += 1
            return made

    bodies = [json.loads(x).get("body") or "" for x in source.read_text("utf-8").splitlines()]
    kept = SemHash.from_records(records=bodies, model=Hashed()).self_deduplicate()
    out.write_text(json.dumps({"kept": len(kept.selected)}), encoding="utf-8")


def by_text_dedup(source: Path, out: Path) -> None:
    import numpy as np

    prime, rng = np.uint64((1 << 61) - 1), np.random.default_rng(42)
    a = rng.integers(1, int(prime), 128, dtype=np.uint64)
    b = rng.integers(0, int(prime), 128, dtype=np.uint64)
    bands, rows = 25, 5
    tables: list[dict[bytes, int]] = [{} for _ in range(bands)]
    parent: list[int] = []

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = n = parent[parent[n]]
        return n

    for number, shingles in enumerate(triples(source)):
        parent.append(number)
        hashes = np.array(
            [int.from_bytes(hashlib.sha1(s.encode()).digest()[:4], "little") for s in shingles],
            dtype=np.uint64,
        )
        sketch = (((hashes[:, None] * a + b) % prime) & np.uint64(0xFFFFFFFF)).min(axis=0)
        for band, table in enumerate(tables):
            key = sketch[band * rows : (band + 1) * rows].tobytes()
            first = table.setdefault(key, number)
            low, high = sorted((root(first), root(number)))
            parent[high] = low
    out.write_text(json.dumps([root(n) for n in range(len(parent))]), encoding="utf-8")


def by_clientlore(source: Path, out: Path) -> None:
    from clientlore.cli.main import main

    main(["dedup", str(source), "--out", str(out), "--layers", "near"])


RUN = dict(zip(WAYS, (by_clientlore, by_datasketch, by_semhash, by_text_dedup), strict=True))


def seconds(way: str, source: Path, folder: Path) -> float:
    """Processor time of a fresh process on one core, from its start to its end: others may be at work beside it."""
    command = [
        sys.executable,
        "-m",
        "bench.duplicates",
        "--way",
        way,
        str(source),
        str(folder / "out"),
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, check=False, env={**os.environ, **ONE_CORE}, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise ChildError(done.stderr.strip().splitlines()[-1])
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class ChildError(Exception):
    """A way that could not be walked."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.duplicates", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("out", nargs="?", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 50_000, 200_000])
    asked = parser.parse_args()
    if asked.way:
        RUN[asked.way](asked.file, asked.out)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = asked.file
        if source is None:
            source = folder / "invented.jsonl"
            invented(10_000, source)
        rates = {}
        print(f"{'':24}{'items':>10}{'seconds':>10}{'items/s':>10}{'ours is':>10}")
        for way in WAYS:
            if way in NEEDS and importlib.util.find_spec(NEEDS[way]) is None:
                print(f"{way:24}left out: it is not installed")
                continue
            count = SMALL.get(way, 10_000)
            part = folder / "part.jsonl"
            repeated(source, count, part)
            try:
                took = median(seconds(way, part, folder) for _ in range(asked.repeats))
            except ChildError as error:
                print(f"{way:24}left out: {error}")
                continue
            rates[way] = count / took
            times = f"{rates['clientlore'] / rates[way]:9.1f}x" if way != "clientlore" else ""
            print(f"{way:24}{count:10,}{took:10.2f}{rates[way]:10,.0f}{times:>10}", flush=True)
        print("\nclientlore as the file grows, microseconds an item")
        for size in asked.sizes:
            part = folder / "part.jsonl"
            repeated(source, size, part)
            took = median(seconds("clientlore", part, folder) for _ in range(asked.repeats))
            print(f"{'':24}{size:10,}{took:10.2f}{took / size * 1e6:10.1f}", flush=True)


if __name__ == "__main__":
    main()
