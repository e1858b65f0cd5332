"""A workspace: the stores of one installation, opened together and closed together.

    with Workspace.open() as workspace:
        ...

Everything the library does takes one. Tests open theirs on a temporary folder with a frozen clock.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from clientlore.clock import Clock, SystemClock
from clientlore.control import migrate
from clientlore.control.audit import Audit
from clientlore.control.engine import ControlPlane
from clientlore.errors import ClientloreError, StoreError
from clientlore.ids import new_id
from clientlore.providers.judging import Embedder, Reranker
from clientlore.providers.registry import Providers
from clientlore.settings import Settings, load_settings
from clientlore.storage.blobs import Blobs
from clientlore.storage.files import write_bytes
from clientlore.storage.lake import Lake
from clientlore.storage.locks import AdvisoryLocks, FileLocks, TenantLocks
from clientlore.storage.vectors import Vectors
from clientlore.storage.warehouse import Warehouse

log = logging.getLogger("clientlore")


@dataclass(frozen=True)
class StoreHealth:
    """How a store answered just now."""

    store: str
    ok: bool
    latency_ms: float
    error: str | None = None


class Workspace:
    """The control plane, the lake, the vectors and the blobs, with the clock and the locks.

    Args:
        settings: Where the stores are.
        clock: The present.
        control: The control plane, already connected.
        providers: Who is asked for news and CRM data.
    """

    def __init__(
        self, settings: Settings, clock: Clock, control: ControlPlane, providers: Providers
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.control = control
        self.providers = providers
        self.lake = Lake(settings.lake)
        self.blobs = Blobs(settings.blobs)
        self.vectors = Vectors(settings.vectors)
        self.warehouse = Warehouse(settings.warehouse)
        self.locks: TenantLocks = (
            AdvisoryLocks(control.engine, settings.lock_timeout_seconds)
            if control.is_postgresql
            else FileLocks(settings.home / "locks", settings.lock_timeout_seconds)
        )

    @classmethod
    def open(
        cls,
        settings: Settings | None = None,
        *,
        clock: Clock | None = None,
        providers: Providers | None = None,
        migrated: bool = True,
    ) -> Workspace:
        """Opens the stores, making the home and an empty control plane if there are none.

        Args:
            settings: Those of the environment if not given.
            clock: That of the machine if not given.
            providers: The usual ones if not given.
            migrated: Whether the control plane must be of this program's version.

        Raises:
            ConfigurationError: A setting cannot be.
            StoreError: A store cannot be opened, or is of another version.
        """
        settings = settings or load_settings()
        clock = clock or SystemClock()
        try:
            settings.home.mkdir(parents=True, exist_ok=True)
            control = ControlPlane.connect(settings.control_url)
        except OSError as error:
            raise StoreError(
                f"The home {settings.home} cannot be used ({error.strerror})",
                "Point CLIENTLORE_HOME at a folder that may be written.",
            ) from error
        try:
            if migrated:
                migrate.ensure_current(control)
        except BaseException:
            control.close()
            raise
        return cls(settings, clock, control, providers or Providers(settings, clock))

    @cached_property
    def embedder(self) -> Embedder | None:
        """Who makes vectors of memories, as the environment says; None where nobody does."""
        if self.settings.embedding.model is None:
            return None
        from clientlore.providers.embeddings.choosing import embedder_for

        return embedder_for(self.settings, self.clock)

    @cached_property
    def reranker(self) -> Reranker | None:
        """Who puts the best hits of a search in order, as the environment says; None where nobody does.

        Raises:
            ConfigurationError: The environment says only half of it.
        """
        from clientlore.providers.reranking.choosing import reranker_for

        return reranker_for(self.settings, self.clock, self.providers.limits)

    def close(self) -> None:
        """Closes every connection."""
        self.control.close()
        for name in ("embedder", "reranker"):
            made = self.__dict__.get(name)
            if made is not None:
                made.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def audit(self, actor: str, reason: str) -> Audit:
        """Somebody who changes the control plane, for a reason."""
        return Audit(actor, reason, self.clock)

    def validate_connections(self) -> list[StoreHealth]:
        """Asks every store whether it can be used, with a real read or write in each."""
        return [
            _probe("control plane", self._probe_control),
            _probe("lake", lambda: self._probe_folder(self.lake.root)),
            _probe("blobs", lambda: self._probe_folder(self.blobs.root)),
            _probe("vectors", self.vectors.probe),
        ]

    def _probe_control(self) -> None:
        with self.control.write() as connection:
            connection.execute(sa.text("SELECT 1")).scalar_one()
        found = migrate.current(self.control)
        if found != migrate.HEAD:
            msg = f"its version is {found}, needed is {migrate.HEAD}"
            raise ClientloreError(msg, "Run `clientlore db upgrade`.")

    @staticmethod
    def _probe_folder(folder: Path) -> None:
        probe = folder / f".probe-{new_id()}"
        write_bytes(probe, b"probe")
        probe.unlink()


def _probe(store: str, ask: Callable[[], None]) -> StoreHealth:
    started = time.perf_counter()
    error: str | None = None
    try:
        ask()
    except (ClientloreError, OSError, sa.exc.SQLAlchemyError, RuntimeError) as failure:
        error = str(failure).splitlines()[0]
    return StoreHealth(store, error is None, (time.perf_counter() - started) * 1000, error)
