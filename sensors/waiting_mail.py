"""Sends what waited: mail held back for quiet hours, and mail that a server asked to send later."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from clientlore.control import runs
from clientlore.delivery.outbox import due_now
from resources.run import open_workspace
from sensors.unfinished import unfinished_runs

JOB = "send_waiting_mail"


@dg.sensor(
    name="waiting_mail",
    job_name=JOB,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts the sending of mail whose time has come: after quiet hours, or after a server said later. "
    "It opens no window and so tells nobody anything new.",
)
def waiting_mail(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    with open_workspace() as workspace:
        now = workspace.clock.now()
        with workspace.control.write() as connection:
            runs.beat_component(connection, "sensor:waiting_mail", now)
            waiting = due_now(connection, now)
    unfinished = unfinished_runs(context, JOB)
    if waiting and not unfinished:
        yield dg.RunRequest(tags={"clientlore/messages": str(waiting)})
    else:
        yield dg.SkipReason(f"{waiting} messages wait, {unfinished} runs are sending")
