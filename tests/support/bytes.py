"""Every byte of every file under a folder, with Parquet, Lance, SQLite and mails decoded, without deletion vectors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl

from clientlore.storage.erasing import text_of


def contents(root: Path) -> Iterator[tuple[Path, str]]:
    """What each file says: its bytes as they are, and what they decode to; in lower case."""
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        data = path.read_bytes()
        said = text_of(data)
        if path.suffix == ".parquet":
            said += repr(pl.read_parquet(path, hive_partitioning=False).to_dicts())
        if path.suffix == ".lance" and "data" in path.parts:
            said += _lance(path)
        if data[:15] == b"SQLite format 3":
            said += _sqlite(path)
        yield path, said.lower()


def where(root: Path, *canaries: str) -> list[str]:
    """The files in which one of the strings is."""
    low = [c.lower() for c in canaries]
    return [
        str(path.relative_to(root)) for path, said in contents(root) if any(c in said for c in low)
    ]


def _lance(path: Path) -> str:
    """The rows of a data file, those too that a deletion vector hides."""
    from lance.file import LanceFileReader

    return repr(LanceFileReader(str(path)).read_all().to_table().to_pylist())


def _sqlite(path: Path) -> str:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return "\n".join(database.iterdump())
