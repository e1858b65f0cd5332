"""Takes what lies in the inbox: starts one run when files wait there that nobody is writing to."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from clientlore.control import runs
from resources.run import open_workspace
from sensors.unfinished import unfinished_runs

JOB = "take_inbox"


@dg.sensor(
    name="inbox",
    job_name=JOB,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts one run when files or mails lie in a tenant's inbox folder (inbox/<tenant>/<owner>/ in the "
    "home) and nobody is writing to them. What it keeps leaves the folder; what it cannot keep is set aside.",
)
def inbox(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    from clientlore.memory.documents.inbox import tenants_waiting

    with open_workspace() as workspace:
        waiting = tenants_waiting(workspace)
        with workspace.control.write() as connection:
            runs.beat_component(connection, "sensor:inbox", workspace.clock.now())
    unfinished = unfinished_runs(context, JOB)
    if waiting and not unfinished:
        yield dg.RunRequest(tags={"clientlore/tenants": ",".join(waiting)})
    else:
        yield dg.SkipReason(
            f"{len(waiting)} tenants have files waiting, {unfinished} runs take them"
        )
