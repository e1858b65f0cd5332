"""What Dagster loads: `defs`, made by `build_defs`. Tests, commands and CI each build their own."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from assets import analyse, collect, deliver, evaluate, operate, remember, train, understand, upkeep
from clientlore.storage import dbt
from orchestration.inbox import take_inbox
from orchestration.jobs import JOBS, SCHEDULES
from resources.collaborators import EmbedderResource, ScorerResource
from resources.run import RunResource
from sensors.due_schedules import due_schedules
from sensors.inbox import inbox
from sensors.memory_policies import memory_policies
from sensors.reaper import dead_runs
from sensors.waiting_mail import waiting_mail

log = logging.getLogger("clientlore")


def build_defs(
    *, resources: Mapping[str, Any] | None = None, prepared: Path | None = None
) -> dg.Definitions:
    """Fresh definitions.

    Args:
        resources: Take the place of the usual ones, by key: run, scorer, embedder.
        prepared: Where the dbt project was parsed; that of the environment if not given.
    """
    usual = {"run": RunResource(), "scorer": ScorerResource(), "embedder": EmbedderResource()}
    return dg.Definitions(
        assets=[
            *dg.load_assets_from_modules(
                [
                    collect,
                    understand,
                    train,
                    remember,
                    upkeep,
                    deliver,
                    operate,
                    evaluate,
                    analyse,
                ]
            ),
            *_marts(prepared or dbt.default_folder()),
        ],
        jobs=[*JOBS, take_inbox],
        schedules=SCHEDULES,
        sensors=[due_schedules, dead_runs, waiting_mail, memory_policies, inbox],
        resources={**usual, **(resources or {})},
        # A step costs 2 s in a process of its own and 0.05 s here. For the whole location, since backfills do not
        # ask the job.
        executor=dg.in_process_executor,
    )


def _marts(prepared: Path) -> Sequence[dg.AssetsDefinition]:
    """The assets of the dbt project; none, with a warning, where it was not parsed."""
    if not (prepared / dbt.MANIFEST).is_file():
        log.warning(
            "out/marts and out/warehouse are left out: run `make setup`, which parses dbt_project"
        )
        return []
    if not dbt.is_prepared(analyse.PROJECT, prepared):
        log.warning(
            "dbt_project has changed since it was parsed: run `make setup` to see its new models"
        )
    return analyse.marts_and_warehouse(prepared)


defs = build_defs()
