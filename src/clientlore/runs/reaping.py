"""What is done about runs that died: they are failed, and what their processes left half written is taken away."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clientlore.control import runs
from clientlore.storage.files import sweep_partials
from clientlore.workspace import Workspace


def reap(workspace: Workspace, report: Callable[[str, str], None]) -> Sequence[str]:
    """Finds runs that died, tells the orchestrator, marks them dead and tidies up; returns their ids.

    Args:
        workspace: Where they ran.
        report: Called with a run's id and what happened to it.
    """
    dead = runs.reap(workspace.control, workspace.clock, report)
    if dead:
        settings = workspace.settings
        for folder in {
            settings.home,
            settings.lake,
            settings.blobs,
            settings.vectors,
            settings.mail,
        }:
            sweep_partials(folder)
    return dead
