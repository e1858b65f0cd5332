"""The lake: Parquet files by layer, table, day and tenant.

`<layer>/<table>/day=YYYY-MM-DD/tenant=<id>/`. A derived (day, tenant) is one file, written whole and replaced
atomically; raw is one file for each collection batch, never replaced. Tables without days leave that folder out.
Rows of a file are in the order of the table's sort key, so that the same rows are the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from glob import escape
from pathlib import Path
from typing import Any

import polars as pl

from clientlore.errors import StoreError
from clientlore.ids import sha256
from clientlore.storage.files import write_atomic

PART = "part.parquet"
ColumnType = pl.DataType | type[pl.DataType]
UTC_TIME = pl.Datetime("us", "UTC")


def columns(types: Mapping[str, ColumnType]) -> pl.Schema:
    """A schema from column types, in their order."""
    return pl.Schema(types)


@dataclass(frozen=True)
class Table:
    """A table of the lake.

    Attributes:
        layer: `raw`, `core` or `out`.
        name: Its name; `layer` and `name` are also its asset key.
        schema: Columns and types, in order.
        sort: Columns that order the rows of a file; together they are unique.
        about: What a row is, for the catalogue.
    """

    layer: str
    name: str
    schema: pl.Schema
    sort: tuple[str, ...]
    about: str

    @property
    def key(self) -> str:
        """`core/events`."""
        return f"{self.layer}/{self.name}"

    def empty(self) -> pl.DataFrame:
        """No rows, all columns."""
        return pl.DataFrame(schema=self.schema)

    def frame(self, rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
        """A frame from rows; a column that a row leaves out is null."""
        return pl.DataFrame(list(rows), schema=self.schema, orient="row", strict=True)


@dataclass(frozen=True)
class Written:
    """What a write left behind."""

    path: Path
    rows: int
    sha: str
    changed: bool


class Lake:
    """Reads and writes the tables under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, table: Table, tenant_id: str, day: date | None) -> Path:
        """Where the files of a (table, day, tenant) lie."""
        base = self.root / table.layer / table.name
        if day is not None:
            base = base / f"day={day.isoformat()}"
        return base / f"tenant={tenant_id}"

    def write(self, table: Table, tenant_id: str, day: date | None, frame: pl.DataFrame) -> Written:
        """Replaces a derived (day, tenant) as a whole; leaves the file alone if it would be the same bytes.

        Raises:
            StoreError: The frame does not have the table's columns, its sort key is not unique, or the disk
                refused.
        """
        frame = self._conform(table, frame)
        path = self.folder(table, tenant_id, day) / PART
        return self._put(path, frame)

    def sha(self, table: Table, tenant_id: str, day: date) -> str | None:
        """SHA-256 of the file of a derived (day, tenant), as `write` said it; None where there is none."""
        try:
            return sha256((self.folder(table, tenant_id, day) / PART).read_bytes())
        except FileNotFoundError:
            return None

    def append_raw(
        self, table: Table, tenant_id: str, day: date, batch_id: str, frame: pl.DataFrame
    ) -> Written:
        """Adds a batch to a raw (day, tenant). A batch of that id that is there already stays as it is."""
        path = self.folder(table, tenant_id, day) / f"{batch_id}.parquet"
        if path.exists():
            return Written(path, frame.height, sha256(path.read_bytes()), changed=False)
        return self._put(path, self._conform(table, frame))

    def raw_batches(
        self, table: Table, tenant_id: str, day: date
    ) -> Iterator[tuple[str, pl.DataFrame]]:
        """The batches of a raw (day, tenant), one after another, each with its id.

        Raises:
            StoreError: A file is damaged.
        """
        for path in self.files(self.folder(table, tenant_id, day)):
            rows = pl.scan_parquet(
                path, schema=table.schema, missing_columns="insert", extra_columns="ignore"
            )
            yield path.stem, self.collect(table, rows)

    def replace_raw(
        self, table: Table, tenant_id: str, day: date, batch_id: str, frame: pl.DataFrame
    ) -> Written:
        """Puts other rows in the place of a batch. Only for what must not be kept: raw is the truth."""
        path = self.folder(table, tenant_id, day) / f"{batch_id}.parquet"
        return self._put(path, self._conform(table, frame))

    def scan(
        self,
        table: Table,
        tenant_ids: Iterable[str],
        days: Iterable[date] | None = None,
    ) -> pl.LazyFrame:
        """The rows of some tenants, of some days or of all; no rows where nothing was written.

        The tenant is not optional: whoever reads says for whom.
        """
        paths: list[Path] = []
        wanted_days = None if days is None else list(days)
        for tenant_id in tenant_ids:
            if wanted_days is not None:
                folders = [self.folder(table, tenant_id, day) for day in wanted_days]
            else:
                base = self.root / table.layer / table.name
                folders = [
                    *sorted(base.glob(f"day=*/tenant={escape(tenant_id)}")),
                    base / f"tenant={tenant_id}",
                ]
            for folder in folders:
                paths += self.files(folder)
        if not paths:
            return table.empty().lazy()
        return pl.scan_parquet(
            paths, schema=table.schema, missing_columns="insert", extra_columns="ignore"
        )

    def batches(self, table: Table, tenant_id: str, day: date) -> list[str]:
        """The ids of the batches of a raw (day, tenant), in order."""
        return [path.stem for path in self.files(self.folder(table, tenant_id, day))]

    def days(self, table: Table, tenant_id: str) -> list[date]:
        """The days for which a table has a file of this tenant."""
        base = self.root / table.layer / table.name
        found = base.glob(f"day=*/tenant={escape(tenant_id)}")
        return sorted(
            date.fromisoformat(folder.parent.name.removeprefix("day="))
            for folder in found
            if self.files(folder)
        )

    @staticmethod
    def files(folder: Path) -> list[Path]:
        """The finished files of a folder, by name."""
        return sorted(p for p in folder.glob("*.parquet") if not p.name.startswith("."))

    def collect(self, table: Table, frame: pl.LazyFrame) -> pl.DataFrame:
        """Runs a query over a table.

        Raises:
            StoreError: A file is damaged or is no Parquet.
        """
        try:
            return frame.collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise StoreError(
                f"A file of {table.key} cannot be read ({str(error).splitlines()[0]})",
                f"Look under {self.root / table.layer / table.name}; derived files may be deleted and are "
                "made again, raw ones must be restored from the backup.",
            ) from error

    def _conform(self, table: Table, frame: pl.DataFrame) -> pl.DataFrame:
        missing = [name for name in table.schema if name not in frame.columns]
        if missing:
            raise StoreError(f"Rows for {table.key} lack {', '.join(missing)}", "This is a defect.")
        frame = frame.select(pl.col(name).cast(kind) for name, kind in table.schema.items())
        frame = frame.sort(list(table.sort), nulls_last=True, maintain_order=True)
        if frame.height and frame.select(pl.struct(table.sort).is_duplicated().any()).item():
            twice = frame.filter(pl.struct(table.sort).is_duplicated()).select(table.sort).row(0)
            raise StoreError(
                f"Rows for {table.key} have the key {twice} twice",
                "This is a defect; nothing was written.",
            )
        return frame

    def _put(self, path: Path, frame: pl.DataFrame) -> Written:
        buffer = io.BytesIO()
        frame.write_parquet(buffer, compression="zstd", compression_level=3, statistics=True)
        data = buffer.getvalue()
        sha = sha256(data)
        changed = not (path.exists() and sha256(path.read_bytes()) == sha)
        if changed:
            write_atomic(path, _writer(data))
        return Written(path, frame.height, sha, changed)


def _writer(data: bytes) -> Callable[[Path], None]:
    def write(partial: Path) -> None:
        partial.write_bytes(data)

    return write
