"""`python -m orchestration`: starts and inspects runs for the command line. Speaks JSON lines on standard output.

run       runs what the request on standard input asks for, and waits
backfill  asks the running Dagster for a range in the background
cancel    asks a run to stop
status    how Dagster is doing; finds and fails dead runs on the way
doctor    as status, with the limits in force compared with dagster.yaml
publish   builds the analysts' database anew and publishes it
prepare   parses the dbt project, once for each environment
dev       the Dagster UI and its daemon, on loopback
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from dataclasses import asdict
from datetime import date
from typing import Any, NoReturn

from clientlore.errors import ClientloreError
from clientlore.settings import load_settings
from orchestration.home import APP, instance, limits_in_force, prepare_home

_COMMANDS = ("run", "backfill", "cancel", "status", "doctor", "publish", "prepare", "dev")


def tell(what: str, detail: dict[str, Any]) -> None:
    """Writes one JSON line."""
    sys.stdout.write(json.dumps({"event": what, **detail}, default=str) + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m orchestration", description=__doc__)
    parser.add_argument("command", choices=list(_COMMANDS))
    parser.add_argument("--run-id")
    parser.add_argument("--port", type=int, default=3000)
    asked = parser.parse_args(arguments)
    settings = load_settings(start=APP)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("clientlore").setLevel(settings.log_level)
    try:
        if asked.command == "dev":
            _dev(asked.port)
        if asked.command == "cancel":
            return _cancel(asked.run_id)
        if asked.command in {"status", "doctor"}:
            return _status(with_limits=asked.command == "doctor")
        alone = {"run": _run, "backfill": _backfill, "publish": _publish, "prepare": _prepare}
        return alone[asked.command]()
    except ClientloreError as error:
        tell("error", {"what": error.what, "next_step": error.next_step})
        return 1


def _run() -> int:
    from orchestration.running import launch
    from resources.run import open_workspace, show_progress
    from sensors.reaper import reap

    request = _request()
    show_progress(tell)
    with instance() as opened, open_workspace() as workspace:
        for run_id in reap(opened, workspace):
            tell("reaped", {"run_id": run_id})
        results = launch(opened, workspace, request, tell)
    tell("result", {"runs": [asdict(result) for result in results]})
    return 0


def _publish() -> int:
    from orchestration.running import publish
    from resources.run import open_workspace, show_progress

    show_progress(tell)
    with instance() as opened, open_workspace() as workspace:
        result = publish(opened, workspace, tell)
    tell("result", {"runs": [asdict(result)]})
    return 0


def _prepare() -> int:
    from assets.analyse import PROJECT
    from clientlore.storage import dbt

    tell("prepared", {"manifest": str(dbt.prepare(PROJECT, dbt.default_folder()))})
    return 0


def _request() -> Any:
    from clientlore.run_context import Scope
    from clientlore.runs.orchestrator import RunRequest

    asked = json.load(sys.stdin)
    scope: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in asked["scope"].items()
    }
    return RunRequest(
        first=date.fromisoformat(asked["first"]),
        last=date.fromisoformat(asked["last"]),
        scope=Scope(**scope),
        deliver=asked["deliver"],
    )


def _backfill() -> int:
    from orchestration.backfills import ask_backfill

    with instance() as opened:
        tell("backfill", {"backfill_id": ask_backfill(opened, _request())})
    return 0


def _cancel(run_id: str) -> int:
    with instance() as opened:
        run = opened.get_run_by_id(run_id)
        stopped = run is not None and not run.is_finished and opened.run_launcher.terminate(run_id)
    tell("cancelled", {"run_id": run_id, "was_running": bool(stopped)})
    return 0


def _status(*, with_limits: bool) -> int:
    from orchestration.backfills import daemon_state
    from resources.run import open_workspace
    from sensors.reaper import reap

    with instance() as opened, open_workspace() as workspace:
        reaped = reap(opened, workspace)
        alive, detail = daemon_state(opened)
        limits = limits_in_force(opened) if with_limits else []
    tell(
        "status",
        {
            "name": "dagster",
            "daemon_alive": alive,
            "detail": detail,
            "reaped": reaped,
            "limits": limits,
        },
    )
    return 0


def _dev(port: int) -> NoReturn:
    """Becomes the Dagster UI with its daemon; stops as it does, on Ctrl-C."""
    prepare_home()
    program = [sys.executable, "-m", "dagster", "dev"]
    listen = [
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workspace",
        str(APP / "workspace.yaml"),
    ]
    os.chdir(APP)
    # The command line that the newer `dg dev` wraps; it is told apart by a warning that helps nobody here.
    os.environ["PYTHONWARNINGS"] = "ignore"
    os.execv(program[0], [*program, *listen])  # noqa: S606 - our own interpreter, our own arguments


if __name__ == "__main__":
    sys.exit(main())
