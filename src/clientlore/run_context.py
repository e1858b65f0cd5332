"""What a run knows about itself, handed to everything that works within it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from clientlore.control.audit import Audit
from clientlore.ids import new_id
from clientlore.providers.judging import Embedder, Scorer
from clientlore.workspace import Workspace

Progress = Callable[[str, dict[str, Any]], None]


def quiet(_what: str, _detail: dict[str, Any]) -> None:
    """Says nothing."""


@dataclass(frozen=True)
class Scope:
    """What a run was asked to do.

    Attributes:
        tenants: Tenants whose files it may rewrite; none means all.
        clients: Narrows collection to these clients; what is derived is always for whole tenants.
        fires: Fires that it may claim, and so open windows.
        force_mock: Ask the mocks instead of the real sources; only for mock tenants.
        refresh_config: Take the configuration of the day anew.
        collect: Whether sources are asked; without, days are made again from what is stored.
        tasks: Tasks of memory that it does, and then nothing else of its upkeep.
    """

    tenants: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    fires: tuple[str, ...] = ()
    force_mock: bool = False
    refresh_config: bool = False
    collect: bool = True
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunContext:
    """A run at work.

    Attributes:
        run_id: Its id, that of Dagster where Dagster runs it.
        root_run_id: The id of the run it re-executes, or its own.
        is_backfill: Whether it belongs to a backfill: then it opens no window, whatever else it is told.
        progress: Called with what is going on, for people who wait.
        scorer: Who judges relevance; the rules if not given.
        embedder: Who makes vectors of memories; nobody if not given.
        memories: Memory by tenant, as stages have read it, for those after them.
    """

    workspace: Workspace
    run_id: str = field(default_factory=new_id)
    root_run_id: str = ""
    job: str = "inline"
    scope: Scope = Scope()
    is_backfill: bool = False
    progress: Progress = quiet
    scorer: Scorer | None = None
    embedder: Embedder | None = None
    memories: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def root(self) -> str:
        """The root of its re-executions."""
        return self.root_run_id or self.run_id

    def audit(self, reason: str) -> Audit:
        """This run as one who changes the control plane."""
        return self.workspace.audit(f"run:{self.run_id}", reason)
