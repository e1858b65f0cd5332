"""The analysts' database: one read-only DuckDB file for each build, and a link to the one that is out.

    warehouse/builds/<id>/warehouse.duckdb   never changed after it was published
    warehouse/current -> builds/<id>         replaced atomically

DuckDB lets no second process in while one writes, so nobody ever writes to what others read: a build is finished
elsewhere, moved into a folder of its own, and the link turned to it. A reader that opens the link gets the old build
or the new one, whole; one that holds the old one goes on reading it.

Here: publishing, what is out, pruning. Not here: what is in the file (`dbt_project/`) and how it is built
(`clientlore.runs.marts`). DuckDB is imported when it is first used.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from clientlore.errors import ConfigurationError, NotFoundError, StoreError
from clientlore.ids import new_id
from clientlore.storage.files import write_bytes

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FILE = "warehouse.duckdb"
KEEP_BUILDS = 3
"""The newest builds are kept, however old they are."""
KEEP_FOR = timedelta(hours=6)
"""How long a build is kept after another took its place: somebody may be about to open it, or to open it again."""
_ABANDONED = timedelta(days=1)
_NOTE = "build.json"
_PARTIAL = ".partial-"


@dataclass(frozen=True)
class Build:
    """A published build.

    Attributes:
        snapshot: The newest entry of the run ledger when reading began: what was written later is not in it.
        taken_at: When reading began.
        rows: Rows by table.
        size: Bytes of the file.
    """

    build_id: str
    file: Path
    snapshot: int
    taken_at: datetime
    published_at: datetime
    rows: dict[str, int]
    size: int


class Warehouse:
    """The builds under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def file(self) -> Path:
        """What analysts open: the same path for every build."""
        return self.root / "current" / FILE

    def work(self, name: str) -> Path:
        """A folder of its own for one build in the making."""
        return self.root / "work" / name

    def current(self) -> Build | None:
        """What is out; None before the first build."""
        try:
            folder = (self.root / "current").resolve(strict=True)
        except OSError:
            return None
        return _read(folder)

    def builds(self) -> list[Build]:
        """Every build that is kept, the oldest first."""
        folders = (self.root / "builds").glob("[!.]*")
        found = [build for build in (_read(folder) for folder in folders) if build is not None]
        return sorted(found, key=lambda build: (build.published_at, build.build_id))

    def connect(self) -> DuckDBPyConnection:
        """Opens what is out, for reading. Open it anew to see a newer build.

        Raises:
            NotFoundError: Nothing was published yet.
        """
        # By its own path: within one process DuckDB hands out again what it has open under a path, and under the
        # link's that could be an older build.
        build = self.current()
        if build is None:
            raise NotFoundError(
                f"No warehouse was published under {self.root} yet", "Run `make warehouse`."
            )
        opened: DuckDBPyConnection = duckdb().connect(str(build.file), read_only=True)
        return opened

    def publish(self, file: Path, now: datetime) -> Build:
        """Moves a finished database file into a build of its own and turns the link to it.

        Args:
            file: Closed, in a folder of the same disk, with a table `build` of one row (build_id, snapshot,
                taken_at). It is gone from there afterwards.
            now: The present.

        Raises:
            NotFoundError: There is no such file.
            StoreError: It is still being written, has no build's mark, is older than what is out, or the disk
                refused. What is out stays out.
        """
        if not file.is_file():
            raise NotFoundError(
                f"There is no database at {file} to publish", "Build the marts first, in one run."
            )
        _refuse_unfinished(file)
        mark, rows = _look_into(file)
        with self._publishing():
            out = self.current()
            if out is not None and (mark[1], mark[2]) < (out.snapshot, out.taken_at):
                raise StoreError(
                    f"Build {mark[0]} saw the run ledger up to {mark[1]}, and build {out.build_id}, which is out, "
                    f"up to {out.snapshot}: it is older and was not published",
                    "Build anew. Where the control plane was restored from a backup, first remove "
                    f"{self.root / 'current'}.",
                )
            build = Build(
                build_id=mark[0],
                file=self.root / "builds" / mark[0] / FILE,
                snapshot=mark[1],
                taken_at=mark[2],
                published_at=now,
                rows=rows,
                size=file.stat().st_size,
            )
            try:
                self._put(file, build)
                self._turn_link(build)
            except OSError as error:
                raise StoreError(
                    f"Build {build.build_id} could not be published ({error.strerror})",
                    f"Look at the disk and the permissions of {self.root}; what was out is still out.",
                ) from error
        return build

    def prune(
        self, now: datetime, *, keep: int = KEEP_BUILDS, keep_for: timedelta = KEEP_FOR
    ) -> list[str]:
        """Removes builds that nobody should be reading any more; returns their ids.

        Never what is out, never one of the `keep` newest, and never one whose place another took less than
        `keep_for` ago. A process that still holds one goes on reading it.
        """
        removed = []
        with self._publishing():
            out = self.current()
            builds = self.builds()
            for build, successor in zip(builds, [*builds[1:], None], strict=True):
                newest = build in builds[max(0, len(builds) - keep) :]
                if newest or successor is None or (out and build.build_id == out.build_id):
                    continue
                if now - successor.published_at >= keep_for:
                    _remove(build.file.parent)
                    removed.append(build.build_id)
            self._sweep(now)
        return removed

    @contextmanager
    def _publishing(self) -> Iterator[None]:
        """Whoever compares with what is out and then changes it does so alone."""
        self.root.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / ".publish.lock"):
            yield

    def _put(self, file: Path, build: Build) -> None:
        """Moves the file into its folder, whole and read-only before the folder has its name."""
        builds = self.root / "builds"
        builds.mkdir(exist_ok=True)
        partial = builds / f"{_PARTIAL}{build.build_id}"
        partial.mkdir()
        file.replace(partial / FILE)
        (partial / FILE).chmod(0o444)
        _sync(partial / FILE)
        told = {
            "build_id": build.build_id,
            "snapshot": build.snapshot,
            "taken_at": build.taken_at.isoformat(),
            "published_at": build.published_at.isoformat(),
            "rows": build.rows,
        }
        write_bytes(partial / _NOTE, json.dumps(told, indent=1).encode())
        partial.replace(build.file.parent)
        # Nobody can put a write-ahead log beside it: who opens it for writing is told so at once.
        build.file.parent.chmod(0o555)
        _sync(builds)

    def _turn_link(self, build: Build) -> None:
        fresh = self.root / f"{_PARTIAL}{new_id()}"
        fresh.symlink_to(Path("builds") / build.build_id, target_is_directory=True)
        fresh.replace(self.root / "current")
        _sync(self.root)

    def _sweep(self, now: datetime) -> None:
        """Removes what killed builds and publishers left."""
        for folder in (self.root / "builds").glob(f"{_PARTIAL}*"):
            _remove(folder)
        for link in self.root.glob(f"{_PARTIAL}*"):
            link.unlink()
        for folder in (self.root / "work").glob("*"):
            if now.timestamp() - folder.stat().st_mtime > _ABANDONED.total_seconds():
                _remove(folder)


def duckdb() -> Any:
    """The package.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        import duckdb as package
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "The warehouse needs DuckDB, which is not installed", "Install clientlore[warehouse]."
        ) from error
    return package


def _refuse_unfinished(file: Path) -> None:
    log = file.with_name(file.name + ".wal")
    if log.exists():
        raise StoreError(
            f"{log.name} lies beside {file}: what is in it would be missing from the published file",
            "Close every connection to it, which writes it out, and publish again.",
        )


def _look_into(file: Path) -> tuple[tuple[str, int, datetime], dict[str, int]]:
    """The mark of the build and its rows by table."""
    package = duckdb()
    try:
        with package.connect(str(file), read_only=True) as opened:
            mark = opened.execute(
                "SELECT build_id, snapshot, epoch_us(taken_at) FROM build"
            ).fetchone()
            names = opened.execute(
                "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' ORDER BY 1"
            ).fetchall()
            rows = {
                name: int(opened.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])  # noqa: S608 - a name from its catalogue
                for (name,) in names
            }
    except package.Error as error:
        raise StoreError(
            f"{file} cannot be published ({str(error).splitlines()[0]})", "Build it anew."
        ) from error
    if mark is None:
        raise StoreError(f"{file} does not say which build it is", "Build it anew.")
    from datetime import UTC

    taken = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(mark[2]))
    return (str(mark[0]), int(mark[1]), taken), rows


def _read(folder: Path) -> Build | None:
    """The build in a folder; None where it is being removed, or is none."""
    try:
        told = json.loads((folder / _NOTE).read_text())
        return Build(
            build_id=told["build_id"],
            file=folder / FILE,
            snapshot=told["snapshot"],
            taken_at=datetime.fromisoformat(told["taken_at"]),
            published_at=datetime.fromisoformat(told["published_at"]),
            rows=told["rows"],
            size=(folder / FILE).stat().st_size,
        )
    except (OSError, ValueError, KeyError):
        return None


def _remove(folder: Path) -> None:
    with suppress(FileNotFoundError):
        folder.chmod(0o755)
    shutil.rmtree(folder, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
