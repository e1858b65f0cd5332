"""The analysts' marts: what is loaded for them, built with dbt, and published as the warehouse.

Here: which columns of the lake analysts see, and the order of loading, building and publishing. Not here: the models
(`dbt_project/`), how dbt is run (`clientlore.storage.dbt`), what publishing is (`clientlore.storage.warehouse`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa

import clientlore
from clientlore.control import tables as t
from clientlore.delivery.tables import DELIVERIES
from clientlore.digests.matches import MATCHES
from clientlore.errors import StoreError
from clientlore.ids import new_id
from clientlore.monitoring.events import EVENTS, MEMBERS
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.quality.outcome import Plot
from clientlore.runs.exports import EXPORTS
from clientlore.runs.tables import RUN_LEDGER
from clientlore.storage import dbt
from clientlore.storage.lake import UTC_TIME, Lake, Table
from clientlore.storage.warehouse import FILE, Build, duckdb
from clientlore.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WORK = "work.duckdb"
REFUSED = "refused.duckdb"
LOADED: Mapping[str, tuple[Table, tuple[str, ...]]] = {
    # Of what was collected: who told it, when and how often; the texts stay in the lake.
    "events": (
        EVENTS,
        (
            "tenant_id",
            "day",
            "event_id",
            "story_id",
            "story_similarity",
            "title",
            "publisher",
            "published_at",
            "first_collected_at",
            "members",
            "publishers",
            "is_revised",
            "source_mode",
        ),
    ),
    "event_members": (
        MEMBERS,
        (
            "tenant_id",
            "day",
            "item_id",
            "event_id",
            "status",
            "layer",
            "source_id",
            "source_mode",
        ),
    ),
    "relevance": (
        RELEVANCE,
        (
            "tenant_id",
            "day",
            "event_id",
            "client_id",
            "score",
            "category",
            "confidence",
            "role",
            "method",
            "scorer",
            "tokens",
            "cost_usd",
            "source_mode",
        ),
    ),
    "matches": (
        MATCHES,
        (
            "tenant_id",
            "day",
            "event_id",
            "client_id",
            "user_id",
            "score",
            "category",
            "passed",
            "gate",
        ),
    ),
    "deliveries": (
        DELIVERIES,
        tuple(name for name in DELIVERIES.schema if name != "message_id"),
    ),
    # Messages of errors may quote what a source said.
    "run_ledger": (
        RUN_LEDGER,
        (
            "tenant_id",
            "seq",
            "run_id",
            "job",
            "stage",
            "day",
            "state",
            "rows",
            "seconds",
            "finished_at",
        ),
    ),
    **{export.table.name: (export.table, tuple(export.table.schema)) for export in EXPORTS},
}
_TYPES: Mapping[type[pl.DataType], str] = {
    pl.String: "VARCHAR",
    pl.Enum: "VARCHAR",
    pl.Boolean: "BOOLEAN",
    pl.Int32: "INTEGER",
    pl.Int64: "BIGINT",
    pl.Float64: "DOUBLE",
    pl.Date: "DATE",
}


@dataclass(frozen=True)
class Built:
    """Marts that were built and are not published yet.

    Attributes:
        folder: Where the two database files are.
        loaded: Rows by table that was loaded.
        rows: Rows by mart; empty where a model failed.
        load_seconds: Of loading alone.
    """

    folder: Path
    build_id: str
    done: dbt.Invocation
    loaded: Mapping[str, int]
    rows: Mapping[str, int]
    load_seconds: float = 0.0


def build(workspace: Workspace, project: Path, prepared: Path, name: str) -> Built:
    """Loads the lake and builds the marts in a folder of their own; what is out is not touched.

    Where a model or a test failed there is nothing to publish afterwards.

    Args:
        workspace: The stores.
        project: The folder of the dbt project.
        prepared: Where it was parsed; it is parsed again below the home if it has changed since.
        name: The run's: building twice under one name makes it anew.

    Raises:
        ConfigurationError: dbt or DuckDB is not installed, or the project has a mistake.
        StoreError: A file of the lake cannot be read, or dbt could not start.
    """
    if not dbt.is_prepared(project, prepared):
        prepared = workspace.warehouse.root / "dbt" / "prepared"
        dbt.prepare(project, prepared)
    folder = workspace.warehouse.work(name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    taken_at = workspace.clock.now()
    build_id = f"{taken_at:%Y%m%dT%H%M%SZ}-{new_id()[:8]}"
    snapshot = _snapshot(workspace)
    started = time.perf_counter()
    loaded = load(workspace.lake, folder / WORK, build_id, snapshot, taken_at)
    load_seconds = round(time.perf_counter() - started, 4)
    done = dbt.run(
        ["build"], project=project, prepared=prepared, target=folder / "target", databases=folder
    )
    if done.broken:
        # Kept for a day to look into; under this name nobody publishes it.
        with suppress(FileNotFoundError):
            (folder / FILE).replace(folder / REFUSED)
    rows = {} if done.broken else _rows(folder / FILE)
    return Built(folder, build_id, done, loaded, rows, load_seconds)


def load(
    lake: Lake, file: Path, build_id: str, snapshot: int, taken_at: datetime
) -> dict[str, int]:
    """Loads what analysts may see of all tenants into schema `lake` of a database file; returns rows by table.

    Everything is read once, at the beginning, so that all models see the same.

    Raises:
        StoreError: A file of the lake cannot be read.
    """
    package = duckdb()
    with package.connect(str(file)) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        opened.execute("CREATE SCHEMA lake")
        rows = {name: _load(opened, lake, name, *what) for name, what in LOADED.items()}
        opened.execute(
            "CREATE TABLE lake.build AS SELECT ?::VARCHAR AS build_id, ?::BIGINT AS snapshot, "
            "?::TIMESTAMPTZ AS taken_at, ?::VARCHAR AS clientlore_version",
            [build_id, snapshot, taken_at, clientlore.__version__],
        )
    return rows


def publish(workspace: Workspace, name: str) -> Build:
    """Publishes what `build` made under this name, and removes builds that nobody reads any more.

    Raises:
        NotFoundError: Nothing was built under this name.
        StoreError: It was refused; what is out stays out.
    """
    warehouse = workspace.warehouse
    now = workspace.clock.now()
    folder = warehouse.work(name)
    published = warehouse.publish(folder / FILE, now)
    shutil.rmtree(folder, ignore_errors=True)
    warehouse.prune(now)
    return published


def documentation(
    workspace: Workspace, project: Path, prepared: Path
) -> tuple[Path, tuple[str, ...]]:
    """Writes dbt's documentation of the project, with the types and sizes of a fresh build.

    Returns:
        Its page, and what dbt warned of.

    Raises:
        StoreError: A model failed, or dbt could not start.
    """
    name = "docs"
    built = build(workspace, project, prepared, name)
    if built.done.broken:
        first = built.done.broken[0]
        raise StoreError(
            f"{first.node_id} failed ({first.message})", "The documentation shows what was built."
        )
    target = workspace.warehouse.root / "dbt" / "docs"
    try:
        done = dbt.run(
            ["docs", "generate", "--static"],
            project=project,
            prepared=prepared,
            target=target,
            databases=built.folder,
        )
    finally:
        shutil.rmtree(built.folder, ignore_errors=True)
    return target / "static_index.html", built.done.warnings + done.warnings


def told(built: Built) -> dict[str, Any]:
    """What was built, for people who wait: in the form in which stages tell it."""
    tests = [r for r in built.done.results if r.node_id.startswith("test.")]
    return {
        "stage": "out/marts",
        "days": [],
        "counts": {
            "models": sum(r.state == "success" for r in built.done.results),
            "tests": len(tests),
            "warned": sum(r.state == "warn" for r in tests),
            "failed": len(built.done.broken),
        },
        "rows": sum(built.rows.values()),
        "failed": [],
        "seconds": round(sum(r.seconds for r in built.done.results), 4),
    }


def plot_of(rows: Mapping[str, int]) -> Plot:
    """The rows of each mart as a picture."""
    shown = {name: count for name, count in rows.items() if name != "build"}
    return Plot(
        "Rows in each mart", "bars", list(shown), {"rows": list(map(float, shown.values()))}, "rows"
    )


def _load(
    opened: DuckDBPyConnection, lake: Lake, name: str, table: Table, kept: tuple[str, ...]
) -> int:
    declared = ", ".join(f'"{column}" {_type(table.schema[column])}' for column in kept)
    opened.execute(f'CREATE TABLE lake."{name}" ({declared})')
    base = lake.root / table.layer / table.name
    # Both shapes that a table of the lake may have; the first dot keeps half-written files out.
    patterns = [base / "day=*/tenant=*/[!.]*.parquet", base / "tenant=*/[!.]*.parquet"]
    found = [str(p) for p in patterns if next(base.glob(str(p.relative_to(base))), None)]
    if not found:
        return 0
    wanted = "^(" + "|".join(kept) + ")$"
    try:
        # A file of an older release may lack a column: by name, and what is missing is null.
        opened.execute(
            f'INSERT INTO lake."{name}" BY NAME SELECT COLUMNS(?) FROM '  # noqa: S608 - names of our own
            "read_parquet(?, union_by_name = true, hive_partitioning = false)",
            [wanted, found],
        )
    except duckdb().Error as error:
        raise StoreError(
            f"The files of {table.key} cannot be loaded ({str(error).splitlines()[0]})",
            f"Look under {base}; derived files may be deleted and are made again.",
        ) from error
    counted = opened.execute(f'SELECT count(*) FROM lake."{name}"').fetchone()  # noqa: S608 - names of our own
    assert counted is not None
    return int(counted[0])


def _type(kind: Any) -> str:
    """What DuckDB calls a column type of the lake."""
    if isinstance(kind, pl.List):
        return f"{_type(kind.inner)}[]"
    if kind == UTC_TIME:
        return "TIMESTAMPTZ"
    return _TYPES[kind.base_type()]


def _rows(file: Path) -> dict[str, int]:
    with duckdb().connect(str(file), read_only=True) as opened:
        names = opened.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' ORDER BY 1"
        ).fetchall()
        return {
            name: int(opened.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])  # noqa: S608 - names of our own
            for (name,) in names
        }


def _snapshot(workspace: Workspace) -> int:
    """The newest entry of the run ledger: whoever reads from now on sees at least that."""
    with workspace.control.read() as connection:
        return int(connection.execute(sa.select(sa.func.max(t.stage_runs.c.seq))).scalar() or 0)
