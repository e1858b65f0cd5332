"""The made-up tenant of `clientlore demo`, worked from collection to mail in this process, without Dagster."""

from __future__ import annotations

from datetime import timedelta
from importlib.resources import files

from clientlore.run_context import Scope
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

TENANT = "demo"


def play_demo(workspace: Workspace, days: int = 3) -> None:
    """Applies the demo's tenant file and works its days up to the clock's, each with its mails."""
    put_tenant(workspace, files("clientlore.cli").joinpath("demo.yaml").read_text())
    today = workspace.clock.now().date()
    asked = RunRequest(
        today - timedelta(days=days - 1), today, Scope(tenants=(TENANT,)), deliver=True
    )
    for result in InlineOrchestrator(workspace).launch(asked):
        assert result.outcome == "succeeded", result.error
