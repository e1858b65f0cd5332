"""What every test may use: a frozen clock, a workspace in a temporary folder, markers by folder."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clientlore.clock import FrozenClock
from clientlore.testing.workspaces import open_copy, open_workspace
from clientlore.workspace import Workspace

KINDS = ("unit", "glue", "integration", "e2e")
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)

# Nothing of the machine's may reach a test.
for name in [
    n
    for n in os.environ
    if n.startswith(
        (
            "CLIENTLORE_",
            "SMTP_",
            "DAGSTER_",
            "OPENAI_",
            "ANTHROPIC_",
            "LLM_",
            "EMBEDDING_",
            "RERANK_",
            "SALESFORCE_",
            "HUBSPOT_",
        )
    )
]:
    del os.environ[name]
for name in ("DATABASE_URL", "FILE_STORAGE_PATH", "LOG_LEVEL", "MAIL_FROM"):
    os.environ.pop(name, None)
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"

# Most of what a test writes is forced to the disk as a product must, and gone a moment later. Where there is a file
# system in memory with room, it lies there.
_MEMORY = Path("/dev/shm")
if os.access(_MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(_MEMORY).free > 4 * 2**30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test by the folder it lies in."""
    here = Path(__file__).parent
    for item in items:
        kind = item.path.relative_to(here).parts[0]
        if kind in KINDS:
            item.add_marker(kind)


@pytest.fixture
def clock() -> FrozenClock:
    """A clock that stands at 09:00 UTC on Friday 20 November 2026."""
    return FrozenClock(NOW)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if what checks shapes and draws pictures were not installed: a third of a run's time, and more at first."""
    for name in ("great_expectations", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose control plane has its tables and nothing in them; to be copied, never used."""
    home = tmp_path_factory.mktemp("empty") / "home"
    open_workspace(home, FrozenClock(NOW)).close()
    return home


@pytest.fixture
def workspace(tmp_path: Path, clock: FrozenClock, empty_home: Path) -> Iterator[Workspace]:
    """An empty workspace on the embedded default."""
    # Making the tables costs more than most tests do.
    with open_copy(empty_home, tmp_path / "home", clock) as opened:
        yield opened
