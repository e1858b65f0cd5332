"""`python -m bench.upkeep`: a day of upkeep of 100,000 memories.

The day is what the job `daily_memory` does for a tenant, stage by stage, with everything switched on: the page of what
would be done, the tasks, connections, insights and the index. Aim: a day under 30 s. Medians of fresh homes; the
processor's time stands beside the clock's, since a busy machine shows in the clock alone.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import numpy as np

from bench.memory import texts_of
from clientlore.clock import FrozenClock
from clientlore.memory import bulk
from clientlore.memory.automation import AutomationController, AutomationPolicy, PolicyType
from clientlore.memory.automation.policies import EVERYBODY
from clientlore.memory.service import MemoryService
from clientlore.run_context import RunContext, Scope
from clientlore.runs.stages import run_stage
from clientlore.testing.workspaces import open_workspace

TENANT = "bench"
NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)
DAYS = 720
STAGES = ("core/memory_maintenance", "core/connections", "core/insights", "core/memories")
ROLES = ("CEO", "CFO", "COO", "chairman")


def lines_of(count: int, owners: int, seed: int = 0) -> list[bulk.Line]:
    """Memories told over two years: a third facts, the rest happenings; one in ten said before in the same words."""
    rng = np.random.default_rng(seed)
    texts = texts_of(count, 14, seed)
    when = [NOW - timedelta(days=float(d)) for d in rng.uniform(0.1, DAYS, count)]
    names = [f"Nam{n:04} Sur{n % 97:02}" for n in rng.integers(0, 5_000, count)]
    kinds = rng.choice(["fact", "event", "activity", "context"], count, p=[0.3, 0.3, 0.2, 0.2])
    told: list[bulk.Line] = []
    for n, (text, at, name, kind) in enumerate(zip(texts, when, names, kinds, strict=True)):
        owner = f"o{n % owners}"
        if n >= owners and n % 10 == 0:
            before = told[int(rng.integers(0, n // owners)) * owners + n % owners]
            told.append(before.model_copy(update={"id": str(n), "occurred_at": at}))
            continue
        said = f"{text}, said {name}."
        if kind == "fact" and n % 7 == 0:
            said = f"The {ROLES[n % 4]} of Firm{n % 211:03} is {name}"
        told.append(bulk.Line(id=str(n), owner=owner, text=said, kind=str(kind), occurred_at=at))
    return told


def spent() -> float:
    """Seconds of processor time of this process, all threads, so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def a_day(home: Path, lines: list[bulk.Line], owners: list[str]) -> dict[str, tuple[float, float]]:
    """Seconds by the clock and of the processor, for each stage of a day in a fresh home."""
    clock = FrozenClock(NOW)
    with open_workspace(home, clock) as workspace:
        bulk.prepare(workspace, TENANT)
        bulk.load(workspace, TENANT, lines, name="bench")
        controller = AutomationController(MemoryService(workspace, TENANT))
        for owner in owners:
            controller.create_policy(everything_on(owner))
        told = {}
        for which in ("first day", "next day"):
            clock.advance(timedelta(days=which == "next day"))
            ctx = RunContext(workspace, scope=Scope(tenants=(TENANT,)))
            whole = (0.0, 0.0)
            for stage in STAGES:
                began, used = time.perf_counter(), spent()
                report = run_stage(ctx, stage, [(NOW - timedelta(days=1)).date()])
                took = (time.perf_counter() - began, spent() - used)
                whole = (whole[0] + took[0], whole[1] + took[1])
                told[f"{which}: {stage.partition('/')[2]}"] = took
                if any(o.state != "done" for o in report.outcomes):
                    sys.exit(f"{stage}: {[o.error for o in report.outcomes]}")
            told[f"{which}, whole"] = whole
    return told


def everything_on(owner: str) -> AutomationPolicy:
    """A policy that wants every task done."""
    return AutomationPolicy(
        user_id=owner,
        policy_type=PolicyType.THRESHOLD,
        auto_summarization=True,
        summarization_threshold=100,
        auto_consolidation=True,
        consolidation_threshold=100,
        auto_compression=True,
        compression_threshold=100,
        auto_resolve_conflicts=True,
        importance_decay=True,
        health_monitoring=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memories", type=int, default=100_000)
    parser.add_argument("--owners", type=int, default=100)
    parser.add_argument(
        "--each", action="store_true", help="a policy for each owner, not one for all"
    )
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    lines = lines_of(asked.memories, asked.owners)
    owners = sorted({line.owner for line in lines}) if asked.each else [EVERYBODY]
    runs = []
    for _ in range(asked.repeats):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(a_day(Path(folder, "home"), lines, owners))
    what = f"{asked.memories:,} memories of {asked.owners} owners, {len(owners)} policies"
    print(f"{what}; medians of {asked.repeats}, seconds")
    print(f"  {'':34}{'clock':>8}{'processor':>11}")
    for part in runs[0]:
        clock, used = (median(run[part][n] for run in runs) for n in (0, 1))
        print(f"  {part:34}{clock:8.1f}{used:11.1f}")


if __name__ == "__main__":
    main()
