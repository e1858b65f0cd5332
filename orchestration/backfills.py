"""Backfills, and whether somebody is there to work them."""

from __future__ import annotations

import time

import dagster as dg

# Not public: the library offers backfills only through its web server.
from dagster._core.execution.backfill import PartitionBackfill

from assets.showing import key_of
from clientlore.errors import ConfigurationError
from clientlore.ids import new_id
from clientlore.runs.orchestrator import RunRequest
from clientlore.runs.stages import DAILY
from orchestration.definitions import defs
from orchestration.running import run_config


def ask_backfill(opened: dg.DagsterInstance, request: RunRequest) -> str:
    """Asks the daemon to work a range of days, in order; returns the backfill's id. It mails nobody.

    Raises:
        ConfigurationError: No daemon is running.
    """
    alive, detail = daemon_state(opened)
    if not alive:
        raise ConfigurationError(
            f"Nobody would work the backfill: {detail}",
            "Start one with `make dev`, or use `clientlore run`.",
        )
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id=new_id()[:8],
        asset_graph=defs.resolve_asset_graph(),
        partition_names=[day.isoformat() for day in request.days],
        asset_selection=[key_of(key) for key in DAILY],
        backfill_timestamp=time.time(),
        tags={"clientlore/asked_by": "command"},
        dynamic_partitions_store=opened,
        all_partitions=False,
        title=f"{request.first} to {request.last}",
        description="asked for on the command line",
        run_config=run_config(request.scope),
    )
    opened.add_backfill(backfill)
    return backfill.backfill_id


def daemon_state(opened: dg.DagsterInstance) -> tuple[bool, str]:
    """Whether every daemon that is needed has been heard of lately, and which has not."""
    statuses = opened.get_daemon_statuses()
    silent = sorted(
        name for name, status in statuses.items() if status.required and not status.healthy
    )
    if not silent:
        return True, "every daemon is alive"
    if len(silent) == len([s for s in statuses.values() if s.required]):
        return False, "no Dagster daemon is running"
    return False, f"silent daemons: {', '.join(silent)}"
