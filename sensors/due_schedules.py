"""Dispatches what is due: one run for each day with fires, however many tenants and people are in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import groupby
from typing import Any

import dagster as dg

from clientlore.control import fires, runs
from clientlore.control.model import Fire
from clientlore.ids import stable_id
from resources.run import open_workspace

JOB = "client_monitoring"


def run_request(day: date, due: list[Fire]) -> dg.RunRequest:
    """The run for the fires of a day.

    Its key tells attempts apart: a key that was used once blocks for ever, so it is a convenience, not the guarantee.
    The guarantee is the ledger, in which a fire is claimed once.
    """
    ids = [fire.fire_id for fire in due]
    tenants = sorted({fire.tenant_id for fire in due})
    config: dict[str, Any] = {"tenants": tenants, "fires": ids}
    clients = sorted({client for fire in due for client in fire.clients})
    if clients and all(fire.clients for fire in due) and len(tenants) == 1:
        config["clients"] = clients
    attempts = "-".join(str(fire.attempt) for fire in due)
    return dg.RunRequest(
        run_key=stable_id(*ids, attempts),
        job_name=JOB,
        partition_key=day.isoformat(),
        run_config={"resources": {"run": {"config": config}}},
        tags={"clientlore/fires": str(len(ids))},
    )


@dg.sensor(
    name="due_schedules",
    job_name=JOB,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reads the schedules that people have set (`clientlore schedule list`) and starts one run for what "
    "is due: collection, and the digests of those whose hour has come. Leave it on; a schedule is changed as data.",
)
def due_schedules(
    context: dg.SensorEvaluationContext,
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    with open_workspace() as workspace:
        now = workspace.clock.now()
        audit = workspace.audit("sensor:due_schedules", "schedules came due")
        with workspace.control.write() as connection:
            fires.record_due(connection, now)
            fires.release_stale(connection, audit)
            due = fires.dispatch(connection, now)
            runs.beat_component(connection, "sensor:due_schedules", now)
    if not due:
        yield dg.SkipReason("nothing is due")
    for day, group in groupby(sorted(due, key=lambda fire: fire.day), key=lambda fire: fire.day):
        yield run_request(day, list(group))
