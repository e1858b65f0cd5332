"""One writer for each tenant. Whoever writes a tenant's derived tables or index holds its lock.

Embedded, the lock is an OS file lock; with PostgreSQL, an advisory lock. Both are freed when the holder dies.
Different tenants proceed side by side.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.engine import Connection, Engine

from clientlore.errors import BusyError, StoreError
from clientlore.ids import stable_id

OnWait = Callable[[str], None]


class TenantLocks(Protocol):
    """Gives out the lock of a tenant."""

    def hold(
        self,
        tenant_id: str,
        who: str,
        on_wait: OnWait | None = None,
        patience: float | None = None,
    ) -> AbstractContextManager[None]:
        """Holds the lock while the block runs.

        Args:
            tenant_id: Whose.
            who: The run, for the message others get.
            on_wait: Called once with a message if somebody else holds it.
            patience: Seconds to wait for it; never longer than we may, and as long as that if not given.

        Raises:
            BusyError: Somebody else held it for as long as we may wait.
            StoreError: It cannot be asked for, or was lost while the block ran, since the server went away.
        """
        ...


class FileLocks:
    """Locks as files in a folder, for one machine. Not re-entrant."""

    def __init__(self, folder: Path, timeout: float) -> None:
        self.folder = folder
        self.timeout = timeout

    @contextmanager
    def hold(
        self,
        tenant_id: str,
        who: str,
        on_wait: OnWait | None = None,
        patience: float | None = None,
    ) -> Iterator[None]:
        """See `TenantLocks.hold`."""
        timeout = _shorter(patience, self.timeout)
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / f"{tenant_id}.lock")
        note = self.folder / f"{tenant_id}.holder.json"
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if on_wait is not None:
                on_wait(f"waiting for tenant '{tenant_id}', which {_holder(note)} is writing")
            try:
                lock.acquire(timeout=timeout, poll_interval=0.05)
            except Timeout:
                raise _busy(tenant_id, _holder(note), timeout) from None
        try:
            # Only a courtesy to whoever waits: a full disk must not cost the lock.
            with suppress(OSError):
                note.write_text(json.dumps({"who": who, "pid": os.getpid()}))
            yield
        finally:
            lock.release()


class AdvisoryLocks:
    """Locks in PostgreSQL, for any number of machines. Held by a connection of its own, outside transactions."""

    def __init__(self, engine: Engine, timeout: float) -> None:
        self.engine = engine
        self.timeout = timeout

    @contextmanager
    def hold(
        self,
        tenant_id: str,
        who: str,  # noqa: ARG002 - the server knows no holders by name
        on_wait: OnWait | None = None,
        patience: float | None = None,
    ) -> Iterator[None]:
        """See `TenantLocks.hold`."""
        key = int(stable_id("clientlore-tenant", tenant_id, size=8), 16) - (1 << 63)
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(self.engine.connect())
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")
                timeout = _shorter(patience, self.timeout)
                self._take(connection, key, tenant_id, on_wait, timeout)
            except sa.exc.DBAPIError as error:
                raise StoreError(
                    f"The lock of tenant '{tenant_id}' cannot be asked for: PostgreSQL does not answer",
                    "Check DATABASE_URL and that the server runs.",
                ) from error
            give_back = sa.select(sa.func.pg_advisory_unlock(key))
            try:
                yield
            except BaseException:
                with suppress(sa.exc.DBAPIError):
                    connection.execute(give_back)
                raise
            try:
                connection.execute(give_back)
            except sa.exc.DBAPIError as error:
                raise StoreError(
                    f"The lock of tenant '{tenant_id}' was lost before its work was done",
                    "The connection to PostgreSQL broke; run again, which makes the day anew.",
                ) from error

    def _take(
        self,
        connection: Connection,
        key: int,
        tenant_id: str,
        on_wait: OnWait | None,
        timeout: float,
    ) -> None:
        take = sa.select(sa.func.pg_try_advisory_lock(key))
        deadline = time.monotonic() + timeout
        waited = False
        while not connection.execute(take).scalar_one():
            if not waited and on_wait is not None:
                on_wait(f"waiting for tenant '{tenant_id}', which another run is writing")
            waited = True
            if time.monotonic() >= deadline:
                raise _busy(tenant_id, "another run", timeout)
            time.sleep(0.05)


def _shorter(patience: float | None, timeout: float) -> float:
    return timeout if patience is None else min(patience, timeout)


def _holder(note: Path) -> str:
    try:
        held = json.loads(note.read_text())
        return f"{held['who']} (process {held['pid']})"
    except (OSError, ValueError, KeyError):
        return "another run"


def _busy(tenant_id: str, holder: str, timeout: float) -> BusyError:
    return BusyError(
        f"Tenant '{tenant_id}' is being written by {holder}, and still was after {timeout:g} s",
        "Wait for that run to end, or raise CLIENTLORE_LOCK_TIMEOUT.",
    )
