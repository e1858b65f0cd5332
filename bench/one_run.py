"""One run in this fresh process, with what it cost as JSON: `python -m bench.one_run dagster|library|prepare HOME`."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()


def by_dagster(home: Path) -> dict[str, Any]:
    """The job, as `clientlore run --deliver --no-collect` starts it."""
    os.environ["CLIENTLORE_HOME"] = str(home)
    import dagster as dg

    from bench.material import DAY
    from clientlore.run_context import Scope
    from clientlore.runs.orchestrator import with_fires
    from orchestration.definitions import defs
    from orchestration.home import instance
    from orchestration.running import run_config
    from resources.run import open_workspace

    with open_workspace() as workspace:
        scope = with_fires(workspace, Scope(collect=False), DAY, "bench")
    imported = time.perf_counter()
    with instance() as opened:
        result = defs.resolve_job_def("client_monitoring").execute_in_process(
            instance=opened, partition_key=str(DAY), run_config=run_config(scope)
        )
    ended = time.perf_counter()
    stages: dict[str, dict[str, float]] = {}
    for event in result.get_asset_materialization_events():
        assert isinstance(event.asset_key, dg.AssetKey)
        metadata = event.materialization.metadata
        stages[event.asset_key.to_user_string()] = {
            name: float(metadata[name].value or 0)  # type: ignore[arg-type]
            for name in ("seconds", "check_seconds", "plot_seconds")
        }
    return {"imports": imported - STARTED, "run": ended - imported, "stages": stages}


def by_library(home: Path) -> dict[str, Any]:
    """The same stages without an orchestrator."""
    from bench.material import DAY
    from clientlore.run_context import Scope
    from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
    from clientlore.settings import Settings
    from clientlore.workspace import Workspace

    stages: dict[str, dict[str, float]] = {}

    def progress(what: str, detail: dict[str, Any]) -> None:
        if what == "stage":
            stages[detail["stage"]] = {
                "seconds": detail["seconds"],
                "check_seconds": detail["check_seconds"],
                "plot_seconds": 0.0,
            }

    imported = time.perf_counter()
    with Workspace.open(Settings(home=home)) as workspace:
        request = RunRequest(DAY, DAY, Scope(collect=False), deliver=True)
        (result,) = InlineOrchestrator(workspace, progress).launch(request)
    assert result.outcome == "succeeded", result
    return {"imports": imported - STARTED, "run": time.perf_counter() - imported, "stages": stages}


def prepare(home: Path) -> None:
    """Makes Dagster's own storage, as the first command in a new home does."""
    os.environ["CLIENTLORE_HOME"] = str(home)
    from orchestration.home import instance

    with instance() as opened:
        opened.get_runs_count()


def main() -> None:
    how, home = sys.argv[1], Path(sys.argv[2])
    if how == "prepare":
        prepare(home)
        return
    import lancedb  # noqa: F401 - imported here, so that it is counted apart

    imported = time.perf_counter() - STARTED
    told = (by_dagster if how == "dagster" else by_library)(home)
    told["imports"] -= imported
    told["import_lancedb"] = imported
    told["wall"] = time.perf_counter() - STARTED
    told["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
