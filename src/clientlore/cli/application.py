"""Finds the Dagster application and speaks to it: a process that is given a request and answers in JSON lines.

Where there is none, what can run in this process does.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clientlore.errors import ClientloreError, ConfigurationError, StoreError

if TYPE_CHECKING:
    from clientlore.run_context import Progress
    from clientlore.runs.orchestrator import Orchestrator, OrchestratorStatus, RunRequest, RunResult
    from clientlore.workspace import Workspace


def orchestrator(workspace: Workspace, progress: Progress) -> Orchestrator:
    """The application's orchestrator where an application is found, else the inline one."""
    from clientlore.runs.orchestrator import InlineOrchestrator
    from clientlore.settings import find_app

    app = find_app()
    if app is None:
        return InlineOrchestrator(workspace, progress)
    return AppOrchestrator(app, workspace, progress)


class AppOrchestrator:
    """The application in a process of its own. See `clientlore.runs.orchestrator.Orchestrator`."""

    def __init__(self, app: Path, workspace: Workspace, progress: Progress) -> None:
        self._app = app
        self._workspace = workspace
        self._progress = progress

    def launch(self, request: RunRequest) -> list[RunResult]:
        """See `Orchestrator.launch`."""
        return self._results("run", _as_json(request))

    def publish(self) -> RunResult:
        """See `Orchestrator.publish`."""
        return self._results("publish")[0]

    def _results(self, command: str, given: str = "") -> list[RunResult]:
        from clientlore.runs.orchestrator import RunResult

        for event in self._ask([command], given):
            if event["event"] == "result":
                return [RunResult(**{**r, "days": tuple(r["days"])}) for r in event["runs"]]
        raise _silent(command)

    def backfill(self, request: RunRequest) -> str:
        """See `Orchestrator.backfill`."""
        for event in self._ask(["backfill"], _as_json(request)):
            if event["event"] == "backfill":
                return str(event["backfill_id"])
        raise _silent("backfill")

    def cancel(self, run_id: str) -> bool:
        """See `Orchestrator.cancel`."""
        for event in self._ask(["cancel", "--run-id", run_id]):
            if event["event"] == "cancelled":
                return bool(event["was_running"])
        raise _silent("cancel")

    def status(self, *, thorough: bool = False) -> OrchestratorStatus:
        """See `Orchestrator.status`."""
        from clientlore.runs.orchestrator import OrchestratorStatus

        for event in self._ask(["doctor" if thorough else "status"]):
            if event["event"] == "status":
                return OrchestratorStatus(
                    event["name"],
                    event["daemon_alive"],
                    event["detail"],
                    tuple(event["reaped"]),
                    tuple(event["limits"]),
                )
        raise _silent("status")

    def _ask(self, arguments: list[str], given: str = "") -> Iterator[dict[str, Any]]:
        """Starts the application, tells the progress and gives out every event.

        Raises:
            ClientloreError: What the application said went wrong.
        """
        if importlib.util.find_spec("dagster") is None:
            raise ConfigurationError(
                f"The application in {self._app} needs Dagster, which this Python does not have",
                "Use the clientlore of its own environment (.venv/bin/clientlore), or install clientlore[app].",
            )
        settings = self._workspace.settings
        environment = {**os.environ, "CLIENTLORE_HOME": str(settings.home)}
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own arguments
            [sys.executable, "-m", "orchestration", *arguments],
            cwd=self._app,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(given)
            process.stdin.close()
            for line in process.stdout:
                event = _event(line)
                if event is None:
                    continue
                if event["event"] == "error":
                    raise ClientloreError(event["what"], event["next_step"])
                self._progress(event["event"], event)
                yield event
        finally:
            if process.poll() is None and sys.exc_info()[0] is KeyboardInterrupt:
                process.terminate()
            if process.stdout is not None:
                process.stdout.close()
            process.wait()


def _event(line: str) -> dict[str, Any] | None:
    """A line of the application's as an event; None for what others print."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def _as_json(request: RunRequest) -> str:
    return json.dumps(
        {
            "first": request.first.isoformat(),
            "last": request.last.isoformat(),
            "scope": asdict(request.scope),
            "deliver": request.deliver,
        }
    )


def _silent(command: str) -> StoreError:
    return StoreError(
        f"The Dagster application ended without an answer to '{command}'",
        "Its messages are above; `clientlore doctor` looks for the cause.",
    )
