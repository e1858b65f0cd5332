"""Taking somebody out of files: Parquet, LanceDB, SQLite, mails and texts; every byte, free pages and versions too.

Here: how each kind of file is cleaned, and how it is looked into. Not here: who (`control.forgotten`), which files
(`runs.forgetting`). Each function may be called again and then changes nothing.
"""

from __future__ import annotations

import email
import io
import json
import shutil
import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from email.policy import default
from pathlib import Path
from typing import Any

import polars as pl

from clientlore.errors import StoreError
from clientlore.ids import new_id
from clientlore.storage.files import write_bytes

BUSY_SECONDS = 30


def theirs(frame: pl.DataFrame, ids: Collection[str], needles: Sequence[str]) -> pl.Series:
    """Which rows are somebody's: a value that is one of the ids, or a text with one of the needles in it."""
    wanted, lowered = sorted(ids), [n.lower() for n in needles]

    def hit(text: pl.Expr) -> pl.Expr:
        found = text.is_in(wanted)
        if lowered:
            found |= text.str.contains_any(lowered, ascii_case_insensitive=True)
        return found.fill_null(value=False)

    tests = []
    for name, kind in frame.schema.items():
        if kind == pl.String:
            tests.append(hit(pl.col(name)))
        elif isinstance(kind, pl.List) and kind.inner == pl.String:
            tests.append(
                pl.col(name).list.eval(hit(pl.element())).list.any().fill_null(value=False)
            )
    if not tests or frame.is_empty():
        return pl.Series("theirs", [False] * frame.height, pl.Boolean)
    return frame.select(pl.any_horizontal(tests).alias("theirs")).to_series()


def clean_parquet(
    path: Path, ids: Collection[str], needles: Sequence[str], responses: Collection[str] = ()
) -> int:
    """Rewrites a Parquet file without somebody's rows; returns how many rows went or were emptied.

    A raw response that holds something of theirs among other things keeps its row and hash and loses its body.
    """
    frame = _read(path)
    before = frame
    if "body" in frame.schema and frame.schema["body"] == pl.Binary:
        held = pl.col("response_id").is_in(list(responses))
        for needle in needles:
            held |= pl.col("body").bin.contains(needle.encode())
        frame = frame.with_columns(
            body=pl.when(held).then(pl.lit(b"")).otherwise(pl.col("body")),
            request=pl.when(held).then(pl.lit("{}")).otherwise(pl.col("request")),
            headers=pl.when(held).then(pl.lit("{}")).otherwise(pl.col("headers")),
        )
    kept = frame.filter(~theirs(frame, ids, needles))
    if kept.equals(before, null_equal=True):
        return 0
    changed = before.height - kept.height
    if "body" in frame.schema:
        changed += int((frame["body"] != before["body"]).sum())
    buffer = io.BytesIO()
    kept.write_parquet(buffer, compression="zstd", compression_level=3, statistics=True)
    write_bytes(path, buffer.getvalue())
    return max(1, changed)


def clean_lance(folder: Path, name: str, ids: Collection[str], needles: Sequence[str]) -> int:
    """Writes a LanceDB table anew without somebody's rows, so that no fragment, version or index has them."""
    import lancedb

    table = lancedb.connect(str(folder)).open_table(name)
    rows = pl.DataFrame(table.to_arrow())
    gone = int(theirs(rows, ids, needles).sum())
    indexes = [(index.columns, index.index_type) for index in table.list_indices()]
    kept = table.to_arrow().filter((~theirs(rows, ids, needles)).to_arrow())
    made = folder / f".forgetting-{new_id()}"
    try:
        fresh = lancedb.connect(str(made)).create_table(name, data=kept)
        _index(fresh, indexes)
        shutil.rmtree(folder / f"{name}.lance")
        (made / f"{name}.lance").replace(folder / f"{name}.lance")
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return gone


def clean_sqlite(path: Path, clean: Callable[[str], str]) -> int:
    """Cleans every text of a database of somebody else's, then its free pages and its write-ahead log.

    Raises:
        StoreError: Another process holds it.
    """
    changed = 0
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as database:
        database.execute("PRAGMA secure_delete=ON")
        names = [
            r[0] for r in database.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        for table in names:
            columns = [r[1] for r in database.execute(f'PRAGMA table_info("{table}")')]
            for column in columns:
                found = database.execute(
                    f'SELECT rowid, "{column}" FROM "{table}" WHERE typeof("{column}") = \'text\''  # noqa: S608
                ).fetchall()
                fixed = [(new, rowid) for rowid, text in found if (new := clean(text)) != text]
                database.executemany(
                    f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = ?',  # noqa: S608 - names of its own
                    fixed,
                )
                changed += len(fixed)
    if changed:
        scour_sqlite(path)
    return changed


def scour_sqlite(path: Path) -> None:
    """Empties the free pages and the write-ahead log of an SQLite file: deleted rows stay in both until then.

    Raises:
        StoreError: Another process reads or writes it, so that it cannot be done now.
    """
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as database:
            database.execute("PRAGMA secure_delete=ON")
            database.execute("VACUUM")
            (busy, *_) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        raise _held(path, str(error)) from error
    if busy:
        raise _held(path, "its write-ahead log is being read")


def text_of(data: bytes) -> str:
    """Everything that a mail or a text says, decoded: headers, and parts in base64 or quoted-printable."""
    said = data.decode("utf-8", "replace")
    head = data[:2_000].lower()
    if b"\nmime-version:" in head or head.startswith((b"mime-version:", b"from:", b"return-path:")):
        message = email.message_from_bytes(data, policy=default)
        for part in message.walk():
            said += "\n".join(str(value) for value in part.values())
            if not part.is_multipart():
                body = part.get_payload(decode=True)
                said += body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    return said


def _index(table: Any, indexes: Sequence[tuple[Sequence[str], str]]) -> None:
    from lancedb.index import BTree

    for columns, kind in indexes:
        # Tables of earlier releases have an index of words, which nothing reads.
        if kind == "BTree":
            table.create_index(columns[0], config=BTree())


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, glob=False, hive_partitioning=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise StoreError(
            f"{path} cannot be read, so nobody can be taken out of it ({str(error).splitlines()[0]})",
            "Restore or delete the file, then run `clientlore forget` again.",
        ) from error


def _held(path: Path, why: str) -> StoreError:
    return StoreError(
        f"What was deleted cannot be wiped from {path} yet: {why}",
        "Stop what uses it, or wait; the next run or `clientlore forget --resume` completes it.",
    )


def json_needles(needles: Sequence[str]) -> list[str]:
    """Needles as they stand in JSON inside of JSON too, the longest first."""
    more = {json.dumps(n)[1:-1] for n in needles} | set(needles)
    return sorted(more, key=lambda n: (-len(n), n))
