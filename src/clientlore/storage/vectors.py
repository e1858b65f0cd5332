"""LanceDB: one directory for each tenant, tables with indexes to filter by, rebuilt whenever in doubt.

Nothing is kept here that could not be made again. LanceDB is imported when it is first used (1 s).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from clientlore.errors import StoreError
from clientlore.ids import new_id

if TYPE_CHECKING:
    from lancedb.db import DBConnection
    from lancedb.table import Table as LanceTable


class Vectors:
    """The LanceDB directories under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def connect(self, tenant_id: str) -> DBConnection:
        """The tenant's own directory. Every read sees what other processes have committed."""
        lancedb = _lancedb()
        folder = self.root / tenant_id
        folder.mkdir(parents=True, exist_ok=True)
        opened: DBConnection = lancedb.connect(str(folder), read_consistency_interval=timedelta(0))
        return opened

    def open(self, tenant_id: str, name: str) -> LanceTable | None:
        """A table, if it exists.

        Raises:
            StoreError: It exists and cannot be opened.
        """
        if not (self.root / tenant_id / f"{name}.lance").is_dir():
            return None
        try:
            return self.connect(tenant_id).open_table(name)
        except (ValueError, RuntimeError, OSError) as error:
            raise _broken(tenant_id, name, error) from error

    def replace(
        self,
        tenant_id: str,
        name: str,
        rows: pa.Table,
        *,
        scalar_columns: Sequence[str],
    ) -> LanceTable:
        """Writes the table anew, whole, with its indexes.

        Args:
            tenant_id: Whose.
            name: Which.
            rows: All of its rows, in the declared schema.
            scalar_columns: Columns to filter by.
        """
        database = self.connect(tenant_id)
        from lancedb.index import BTree

        table = database.create_table(name, data=rows, mode="overwrite")
        for column in scalar_columns:
            table.create_index(column, config=BTree())
        return table

    def probe(self) -> None:
        """Writes and reads a table of its own, and takes it away again."""
        lancedb = _lancedb()
        folder = self.root / ".probe" / new_id()
        folder.mkdir(parents=True)
        try:
            table = lancedb.connect(str(folder)).create_table("probe", data=pa.table({"n": [1]}))
            if table.count_rows() != 1:
                msg = "LanceDB does not give back what was written"
                raise StoreError(msg)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _lancedb() -> Any:
    """The package. What its Rust core would print on making a table is no news to anybody."""
    os.environ.setdefault("LANCEDB_LOG", "error")
    import lancedb

    return lancedb


def _broken(tenant_id: str, name: str, error: Exception) -> StoreError:
    return StoreError(
        f"The index '{name}' of tenant '{tenant_id}' cannot be opened ({str(error).splitlines()[0]})",
        f"Run `clientlore memory rebuild --tenant {tenant_id}`: it is made again from the log.",
    )


def quoted(value: Any) -> str:
    """A value as a literal of LanceDB's filter language."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"
