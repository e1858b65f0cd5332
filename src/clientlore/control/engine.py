"""Opens the control plane and gives out transactions. One engine per process; nothing is open across a network call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json
from sqlalchemy.engine import URL, Connection, Engine, make_url

from clientlore.errors import ConfigurationError, StoreError

BUSY_SECONDS = 30
_WRITES = "clientlore_writes"


class ControlPlane:
    """The control plane of one installation.

    `read()` gives a consistent snapshot; `write()` is a transaction that commits on leaving and rolls back
    on an error. On SQLite a writer takes the write lock at its start (`BEGIN IMMEDIATE`), so that it never
    fails half way because somebody else wrote first.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def connect(cls, url: str) -> ControlPlane:
        """Makes the engine; creates the folder of an SQLite file, but no table.

        Raises:
            ConfigurationError: The URL is no SQLAlchemy URL, or of another database.
        """
        try:
            parsed = make_url(url)
        except sa.exc.ArgumentError:
            raise ConfigurationError(
                "DATABASE_URL is not a database address",
                "Write sqlite:////folder/control.db or postgresql://user:password@host/database.",
            ) from None
        backend = parsed.get_backend_name()
        if backend == "sqlite":
            return cls(_sqlite(parsed))
        if backend == "postgresql":
            return cls(_postgresql(parsed))
        raise ConfigurationError(
            f"The control plane cannot live in {backend}", "Use SQLite or PostgreSQL."
        )

    @property
    def is_postgresql(self) -> bool:
        """Whether this is the scaled-out store."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A snapshot to read from."""
        with self._opened() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction to write in."""
        with self._opened() as opened:
            connection = opened.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Closes every connection."""
        self.engine.dispose()

    @contextmanager
    def _opened(self) -> Iterator[Connection]:
        try:
            connection = self.engine.connect()
        except sa.exc.DatabaseError as error:
            raise StoreError(
                f"The control plane at {self.engine.url.render_as_string(hide_password=True)} "
                f"cannot be opened ({_first_line(error)})",
                "Check DATABASE_URL, and that the server is up.",
            ) from error
        with connection:
            try:
                yield connection
            except sa.exc.DatabaseError as error:
                if type(error) not in {sa.exc.OperationalError, sa.exc.DatabaseError}:
                    raise  # a defect of ours, not of the store
                said = _first_line(error)
                if "locked" in said:
                    advice = f"Another process wrote for more than {BUSY_SECONDS} s; try again."
                elif "full" in said or "space" in said:
                    advice = "Free some space and run again; nothing half-written was kept."
                else:
                    advice = "Try again; `clientlore doctor` says which store is at fault."
                raise StoreError(f"The control plane refused ({said})", advice) from error


def insert_ignore(connection: Connection, table: sa.Table, rows: list[dict[str, Any]]) -> int:
    """Inserts the rows whose unique keys are new; returns how many were. The others stay as they are.

    All rows must have the same columns.
    """
    if not rows:
        return 0
    # One statement and many parameters: compiled once, where a statement of many rows is compiled each time.
    return connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows).rowcount


def upsert(connection: Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Inserts the rows, or overwrites those that have the same primary key; of two with one key, the later counts.

    All rows must have the same columns.
    """
    if not rows:
        return
    insert = _insert(connection, table)
    key = [column.name for column in table.primary_key.columns]
    changed = {name: insert.excluded[name] for name in rows[0] if name not in key}
    statement = (
        insert.on_conflict_do_update(index_elements=key, set_=changed)
        if changed
        else insert.on_conflict_do_nothing()
    )
    last = list({tuple(row[name] for name in key): row for row in rows}.values())
    connection.execute(statement, last)


def _insert(connection: Connection, table: sa.Table) -> Any:
    """The INSERT of this database, which knows conflicts."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(table)
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert

    return postgresql_insert(table)


def _first_line(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).splitlines()[0] if error.orig is not None else type(error).__name__


def _sqlite(url: URL) -> Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        url,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        json_deserializer=from_json,
    )

    def on_connect(raw: Any, _record: object) -> None:
        raw.isolation_level = None  # we say BEGIN ourselves
        cursor = raw.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA journal_mode=WAL")
        # A mail that went out must not be forgotten by a power cut.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    def on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    sa.event.listen(engine, "connect", on_connect)
    sa.event.listen(engine, "begin", on_begin)
    return engine


def _postgresql(url: URL) -> Engine:
    try:
        return sa.create_engine(
            url, pool_pre_ping=True, pool_size=5, connect_args={"options": "-c timezone=UTC"}
        )
    except ModuleNotFoundError:
        raise ConfigurationError(
            "DATABASE_URL names PostgreSQL, and its driver is not installed",
            "pip install 'clientlore[postgres]'",
        ) from None
