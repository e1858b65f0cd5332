"""The application in process: definitions of a temporary home, runs on an ephemeral instance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from clientlore.clock import SystemClock
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace
from orchestration.definitions import build_defs
from resources.run import RunResource

DAY = "2026-11-20"
MOCK_TENANT = """
    tenant: acme
    name: Acme Advisors
    mode: mock
    users:
      - {id: ann, name: Ann Okafor, email: ann@acme.example, zone: Europe/London}
      - {id: bo, name: Bo Lind, email: bo@acme.example, zone: Asia/Tokyo, threshold: 0.6}
    clients:
      - {name: Harbor Foods, industry: food, owners: [ann]}
      - {name: Vela Logistics SE, industry: logistics, owners: [ann, bo]}
      - {name: Umbra Power AG, industry: energy, owners: [bo]}
"""

RunJob = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that the environment names, as it does for sensors."""
    folder = tmp_path / "home"
    monkeypatch.setenv("CLIENTLORE_HOME", str(folder))
    return folder


@pytest.fixture
def real_time(home: Path) -> Iterator[Workspace]:
    """A workspace in that home, with the machine's clock, as runs have it."""
    with open_workspace(home, SystemClock()) as opened:
        yield opened


@pytest.fixture
def tenant(real_time: Workspace) -> Workspace:
    """The workspace with a mock tenant of three clients and two readers."""
    put_tenant(real_time, MOCK_TENANT)
    return real_time


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance that is gone afterwards."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def run_job(home: Path, instance: dg.DagsterInstance) -> RunJob:
    """Runs a job in process: `run_job("client_monitoring", day, clients=[...], tags={...})`."""
    defs = build_defs(resources={"run": RunResource(home=str(home))})

    def run(
        job: str, day: str | None = DAY, *, tags: dict[str, str] | None = None, **config: Any
    ) -> dg.ExecuteInProcessResult:
        return defs.resolve_job_def(job).execute_in_process(
            instance=instance,
            partition_key=day,
            run_config={"resources": {"run": {"config": config}}},
            tags=tags,
            raise_on_error=False,
        )

    return run
