"""Commands in processes of their own: a home for each test, and nothing but loopback within reach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clientlore.clock import SystemClock
from clientlore.testing.feeds import FeedServer
from clientlore.testing.workspaces import open_workspace
from clientlore.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).parent / "clientlore"


def python_path(*, bare: bool) -> str:
    """What keeps a process on loopback, and if `bare` from what it can do without."""
    folders = ["loopback_only", "bare"] if bare else ["loopback_only"]
    return os.pathsep.join(str(ROOT / "tests" / "support" / name) for name in folders)


@dataclass
class Commands:
    """Runs `clientlore` and `python -m orchestration` against one home.

    Attributes:
        bare: Without the packages that are left out where they are missing (shapes and pictures): half of the time
            of a run, for tests that promise nothing about them.
    """

    home: Path
    log: Path
    bare: bool = False
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            k: v
            for k, v in os.environ.items()
            if k in {"PATH", "HOME", "LANG"} or k.startswith("COV")
        }
        return {
            **kept,
            "CLIENTLORE_HOME": str(self.home),
            "CLIENTLORE_APP": str(ROOT),
            "PYTHONPATH": python_path(bare=self.bare),
            "LOOPBACK_ONLY_LOG": str(self.log),
            "COLUMNS": "200",
            **self.extra,
        }

    def run(self, *arguments: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Runs a command and checks how it ended."""
        done = subprocess.run(
            [str(COMMAND), *arguments],
            cwd=self.home.parent,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if status is not None:
            assert done.returncode == status, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str, status: int | None = 0) -> Any:
        """Runs a command with --json and reads what it says."""
        return json.loads(self.run(*arguments, "--json", status=status).stdout)

    def apply(self, text: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Writes a tenant file and applies it."""
        file = self.home.parent / "tenant.yaml"
        file.write_text(text)
        return self.run("apply", str(file), status=status)

    def reached(self) -> list[str]:
        """Hosts beyond loopback that somebody tried to reach."""
        return self.log.read_text().split() if self.log.exists() else []


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    """Commands on an empty home; nothing beyond loopback may have been tried in the end."""
    made = Commands(tmp_path / "home", tmp_path / "reached.txt")
    yield made
    assert made.reached() == []


@pytest.fixture
def look(commands: Commands) -> Iterator[Callable[[], Workspace]]:
    """Opens the home's stores to look into them."""
    opened: list[Workspace] = []

    def look_into() -> Workspace:
        opened.append(open_workspace(commands.home, SystemClock()))
        return opened[-1]

    yield look_into
    for workspace in opened:
        workspace.close()


@pytest.fixture
def server() -> Iterator[FeedServer]:
    """A web server on loopback."""
    with FeedServer() as running:
        yield running
