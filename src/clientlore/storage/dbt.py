"""dbt in this process: parsing a project once, and running commands of it from what was parsed.

Parsing costs about as much as everything else, so it is done when the environment is set up and kept with a
fingerprint of the project. Nothing is written below the project; telemetry is off. dbt is imported when it is first
used (2 s).
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clientlore.errors import ClientloreError, ConfigurationError, StoreError
from clientlore.storage.files import write_bytes

FOLDER_VARIABLE = "CLIENTLORE_DBT_FOLDER"
MANIFEST = "manifest.json"
_PARSED = "partial_parse.msgpack"
_STAMP = "fingerprint"
_SOURCES = ("*.sql", "*.yml", "*.md")
_QUIET = (
    "--quiet",
    "--log-level-file",
    "none",
    "--no-use-colors",
    "--no-version-check",
    "--no-send-anonymous-usage-stats",
)
_alone = threading.Lock()


@dataclass(frozen=True)
class NodeResult:
    """What became of a model or a test.

    Attributes:
        node_id: Its id in the manifest.
        state: `success`, `pass`, `warn`, `fail`, `error` or `skipped`.
        seconds: How long it took.
        failures: Rows that a test found wrong.
        message: What dbt said.
    """

    node_id: str
    state: str
    seconds: float
    failures: int
    message: str

    @property
    def ok(self) -> bool:
        """Whether nothing that comes after must stop for it."""
        return self.state in {"success", "pass", "warn"}


@dataclass(frozen=True)
class Invocation:
    """What a command did."""

    results: tuple[NodeResult, ...]
    warnings: tuple[str, ...]

    @property
    def broken(self) -> list[NodeResult]:
        """What failed; what was left out because of it is not counted."""
        return [r for r in self.results if not r.ok and r.state != "skipped"]


def default_folder() -> Path:
    """Where the parsed project of this environment lies: with the environment, for it belongs to no home."""
    return Path(sys.prefix) / "share" / "clientlore" / "dbt"


def fingerprint(project: Path) -> str:
    """SHA-256 over the names and contents of a project's files."""
    found = sorted(p for pattern in _SOURCES for p in project.rglob(pattern))
    digest = hashlib.sha256()
    for path in found:
        digest.update(f"{path.relative_to(project).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_prepared(project: Path, folder: Path) -> bool:
    """Whether the folder holds what this very project was parsed into."""
    try:
        return (folder / _STAMP).read_text() == fingerprint(project)
    except OSError:
        return False


def prepare(project: Path, folder: Path) -> Path:
    """Parses a project unless that was done; returns its manifest.

    Raises:
        ConfigurationError: dbt is not installed, or the project has a mistake.
    """
    if not is_prepared(project, folder):
        folder.mkdir(parents=True, exist_ok=True)
        _invoke(["parse", "--no-partial-parse"], project, folder, folder, None)
        write_bytes(folder / _STAMP, fingerprint(project).encode())
    return folder / MANIFEST


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest that `prepare` left, as dbt documents it."""
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    return manifest


def run(
    command: Sequence[str], *, project: Path, prepared: Path, target: Path, databases: Path
) -> Invocation:
    """Runs a command of dbt on a prepared project.

    Args:
        command: `["build"]`, `["docs", "generate"]` and so on.
        project: Its folder; only read.
        prepared: Where `prepare` left what it parsed.
        target: Where dbt writes what it compiles.
        databases: Where the project's two DuckDB files are.

    Raises:
        ConfigurationError: dbt is not installed, or the project has a mistake.
        StoreError: The command could not be carried out at all. A failing model or test is no error here.
    """
    return _invoke(command, project, target, databases, prepared)


def _invoke(
    command: Sequence[str], project: Path, target: Path, databases: Path, prepared: Path | None
) -> Invocation:
    try:
        from dbt.cli.main import dbtRunner
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "The marts need dbt, which is not installed", "Install clientlore[warehouse]."
        ) from error
    warnings: list[str] = []

    def heard(event: Any) -> None:
        if event.info.level == "warn":
            warnings.append(f"{event.info.name}: {event.info.msg}")

    arguments = [
        *command,
        *_QUIET,
        "--project-dir",
        str(project),
        "--profiles-dir",
        str(project),
        "--target-path",
        str(target),
        "--log-path",
        str(target),
    ]
    with _alone, _environment({FOLDER_VARIABLE: str(databases)}):
        try:
            manifest = None if prepared is None else _load(prepared)
            done = dbtRunner(manifest=manifest, callbacks=[heard]).invoke(arguments)
        finally:
            _let_go()
    if done.exception is not None:
        said = " ".join(str(done.exception).split())[:600]
        raise _fault(command, said) from done.exception
    results = getattr(done.result, "results", None) or ()
    return Invocation(tuple(_result(r) for r in results if hasattr(r, "node")), tuple(warnings))


def _fault(command: Sequence[str], said: str) -> ClientloreError:
    what = f"dbt {' '.join(command)} could not be carried out ({said})"
    if command[0] == "parse":
        return ConfigurationError(what, "Correct the file it names.")
    return StoreError(what, "Nothing was published.")


def _result(found: Any) -> NodeResult:
    return NodeResult(
        node_id=found.node.unique_id,
        state=str(found.status),
        seconds=round(float(found.execution_time), 4),
        failures=int(found.failures or 0),
        message=str(found.message or ""),
    )


def _load(prepared: Path) -> Any:
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    return Manifest.from_msgpack(
        (prepared / _PARSED).read_bytes(), decoder=extended_mashumuro_decoder
    )


def _let_go() -> None:
    """Closes dbt's connection, which it would keep: until then the newest rows are in the write-ahead log."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.adapters.factory import reset_adapters

    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    reset_adapters()  # type: ignore[no-untyped-call]


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables that the project's profile reads, for the time of a command."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
