"""What Dagster loads: `defs`, made by `build_defs`. Tests, commands and CI each build their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets import collect, deliver, operate, remember, understand
from orchestration.jobs import JOBS
from resources.collaborators import EmbedderResource, ScorerResource
from resources.run import RunResource
from sensors.due_schedules import due_schedules
from sensors.reaper import dead_runs
from sensors.waiting_mail import waiting_mail


def build_defs(*, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Fresh definitions.

    Args:
        resources: Take the place of the usual ones, by key: run, scorer, embedder.
    """
    usual = {"run": RunResource(), "scorer": ScorerResource(), "embedder": EmbedderResource()}
    return dg.Definitions(
        assets=dg.load_assets_from_modules([collect, understand, remember, deliver, operate]),
        jobs=JOBS,
        sensors=[due_schedules, dead_runs, waiting_mail],
        resources={**usual, **(resources or {})},
        # A step costs 2 s in a process of its own and 0.05 s here. For the whole location, since backfills do not
        # ask the job.
        executor=dg.in_process_executor,
    )


defs = build_defs()
