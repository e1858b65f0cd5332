"""`python -m bench.judging`: matching and classification on generated items, each in a fresh process, file to file.

Aims: 10,000 articles against 5,000 clients in under 5 s; at least 5,000 items a second classified; cost per item flat.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from statistics import median

from bench.material import vocabulary

REPEATS = 3
CLIENTS = 5_000
ARTICLE_WORDS, POST_WORDS = 120, 16


def write(folder: Path, items: int) -> None:
    rng = Random(4)
    words = vocabulary(rng)
    names = [f"{rng.choice(words).title()} {rng.choice(words).title()} {n}" for n in range(CLIENTS)]
    with (folder / "clients.jsonl").open("w") as file:
        for n, name in enumerate(names):
            line = {
                "client_id": n,
                "name": f"{name} Inc",
                "ticker": f"T{n}",
                "aliases": [f"{name} Labs"],
            }
            file.write(json.dumps(line) + "\n")
    for kind, length in (("articles", ARTICLE_WORDS), ("posts", POST_WORDS)):
        with (folder / f"{kind}.jsonl").open("w") as file:
            for n in range(items):
                title = f"{rng.choice(names)} {' '.join(rng.choices(words, k=6))}"
                body = " ".join(rng.choices(words, k=length)) if kind == "articles" else ""
                file.write(json.dumps({"id": n, "title": title, "body": body}) + "\n")


def seconds(*arguments: str) -> float:
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "clientlore.cli.main", *arguments],
            check=True,
            capture_output=True,
        )
        taken.append(time.perf_counter() - started)
    return median(taken)


def main() -> None:
    print(
        f"medians of {REPEATS} fresh processes, start of Python and reading and writing of files included\n"
    )
    print(f"{'':42}{'items':>9}{'seconds':>9}{'items/s':>9}")
    for items in (10_000, 50_000):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write(folder, items)
            out = str(folder / "out.jsonl")
            clients = str(folder / "clients.jsonl")
            for what, arguments in (
                (
                    f"match articles against {CLIENTS:,} clients",
                    ("match", str(folder / "articles.jsonl"), "--clients", clients),
                ),
                ("classify posts", ("classify", str(folder / "posts.jsonl"))),
                ("classify articles", ("classify", str(folder / "articles.jsonl"))),
            ):
                took = seconds(*arguments, "--out", out)
                print(f"{what:42}{items:9,}{took:9.2f}{items / took:9,.0f}")


if __name__ == "__main__":
    main()
