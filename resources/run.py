"""The run: opens the workspace for its time, keeps its heartbeat, claims its fires, and gives it one outcome.

Its configuration is what a person may ask of a run in the launchpad:

    resources:
      run:
        config: {clients: [acme], force_mock: true}
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from clientlore.run_context import Progress, RunContext, Scope
from clientlore.runs.session import Session, running
from clientlore.settings import load_settings
from clientlore.workspace import Workspace

BACKFILL_TAG = "dagster/backfill"
_progress: list[Progress] = []


def show_progress(progress: Progress) -> None:
    """Sets who is told how runs of this process come along: the command that somebody waits for."""
    _progress[:] = [progress]


@contextmanager
def open_workspace(home: str | None = None) -> Generator[Workspace]:
    """The workspace of the environment, or of another home; for sensors and commands."""
    settings = load_settings(home=Path(home) if home else None)
    with Workspace.open(settings) as workspace:
        yield workspace


class RunResource(dg.ConfigurableResource[Session]):
    """What a run is asked to do. Without configuration: everything, for all tenants, and mail to nobody."""

    tenants: list[str] = Field(
        default=[], description="Tenants whose files the run may rewrite; none named means all."
    )
    clients: list[str] = Field(
        default=[],
        description="Narrows collection to these clients, by id or name. What is derived is always for whole tenants.",
    )
    fires: list[str] = Field(
        default=[],
        description="Fires that the run may claim. Only a claimed fire opens windows, so only it sends mail.",
    )
    force_mock: bool = Field(
        default=False,
        description="Ask the mocks instead of real sources; refused for live tenants.",
    )
    refresh_config: bool = Field(
        default=False, description="Take the configuration of the day anew."
    )
    collect: bool = Field(
        default=True,
        description="Without, no source is asked: days are made again from what is stored.",
    )
    tasks: list[str] = Field(
        default=[],
        description="Tasks of memory that the run does; without, its upkeep follows the policies.",
    )
    home: str | None = Field(
        default=None, description="Where the stores are; CLIENTLORE_HOME if not given."
    )

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Session]:
        """The session of the run, ended whatever happens."""
        run = context.run
        assert run is not None
        with open_workspace(self.home) as workspace:
            ctx = RunContext(
                workspace=workspace,
                run_id=run.run_id,
                root_run_id=run.root_run_id or run.run_id,
                job=run.job_name,
                scope=Scope(
                    tenants=tuple(self.tenants),
                    clients=tuple(self.clients),
                    fires=tuple(self.fires),
                    force_mock=self.force_mock,
                    refresh_config=self.refresh_config,
                    collect=self.collect,
                    tasks=tuple(self.tasks),
                ),
                is_backfill=BACKFILL_TAG in run.tags,
                **_shown(),
            )
            with running(ctx) as session:
                yield session


def _shown() -> dict[str, Any]:
    return {"progress": _progress[0]} if _progress else {}
