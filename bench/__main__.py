"""`make bench`: 10,000 raw items of 100 clients from raw to rendered digests, with Dagster and without, side by side.

Each variant runs in fresh processes on copies of one home; the table shows medians. Aims: library under 4 s, what
Dagster adds under 1.5 s, the whole run in a fresh process under 15 s.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from bench.material import make_home

ROOT = Path(__file__).resolve().parent.parent


def measure(how: str, home: Path, repeats: int) -> list[dict[str, Any]]:
    """What runs cost in fresh processes, each on a copy of the home."""
    told = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "home")
            shutil.copytree(home, copy)
            told.append(json.loads(one_run(how, copy).splitlines()[-1]))
    return told


def one_run(how: str, home: Path) -> str:
    """What `bench.one_run` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.one_run", how, str(home)],
        cwd=ROOT,
        env={**os.environ, "CLIENTLORE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr[-4_000:])
    return done.stdout


def column(told: list[dict[str, Any]]) -> dict[str, float]:
    """Medians by name, in seconds but for the memory."""

    def total(run: dict[str, Any], name: str) -> float:
        return sum(stage[name] for stage in run["stages"].values())

    rows: dict[str, float] = {
        f"  {stage}": median(run["stages"].get(stage, {"seconds": 0.0})["seconds"] for run in told)
        for stage in told[0]["stages"]
    }
    library = median(total(run, "seconds") for run in told)
    checks = median(total(run, "check_seconds") for run in told)
    plots = median(total(run, "plot_seconds") for run in told)
    spent = median(
        run["run"] - sum(total(run, n) for n in ("seconds", "check_seconds", "plot_seconds"))
        for run in told
    )
    return {
        "inside the library": library,
        **rows,
        "checks (Great Expectations with its import)": checks,
        "plots (matplotlib with its import)": plots,
        "what the orchestrator adds": spent,
        "import of LanceDB": median(run["import_lancedb"] for run in told),
        "other imports before the run": median(run["imports"] for run in told),
        "whole process": median(run["wall"] for run in told),
        "peak memory, MiB": median(run["peak_mib"] for run in told),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument(
        "--look-back-days", type=int, default=0, help="earlier days of as many items each"
    )
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        sys.stderr.write("making the material ...\n")
        make_home(
            home,
            items=asked.items,
            clients=asked.clients,
            users=asked.users,
            look_back_days=asked.look_back_days,
        )
        if asked.look_back_days:
            work_look_back(home, asked.look_back_days)
        one_run("prepare", home)
        columns = {}
        for how in ("dagster", "library"):
            sys.stderr.write(f"{how}: {asked.repeats} runs in fresh processes ...\n")
            columns[how] = column(measure(how, home, asked.repeats))
    what = f"{asked.items:,} items of {asked.clients} clients, {asked.users} people, {asked.look_back_days} days back"
    print(f"\n{what}; medians of {asked.repeats}, seconds\n")
    print(f"{'':48}{'Dagster':>10}{'library':>10}")
    for name in columns["dagster"]:
        print(f"{name:48}{columns['dagster'][name]:10.2f}{columns['library'].get(name, 0.0):10.2f}")


def work_look_back(home: Path, days: int) -> None:
    """Works the earlier days, which is not measured."""
    from datetime import timedelta

    from bench.material import DAY
    from clientlore.run_context import Scope
    from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
    from clientlore.settings import Settings
    from clientlore.workspace import Workspace

    with Workspace.open(Settings(home=home)) as workspace:
        request = RunRequest(
            DAY - timedelta(days=days), DAY - timedelta(days=1), Scope(collect=False)
        )
        InlineOrchestrator(workspace).launch(request)


if __name__ == "__main__":
    main()
