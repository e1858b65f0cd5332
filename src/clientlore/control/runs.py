"""Runs as the control plane sees them: who is alive, who died, how each ended.

A run leaves a heartbeat with its host, process and the start time of that process. On the same host a run is
dead as soon as its process is gone; on another, when its heartbeat is older than `SILENT_SECONDS`.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import psutil
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.clock import Clock
from clientlore.control import tables as t
from clientlore.control.engine import ControlPlane, upsert
from clientlore.errors import NotFoundError, StoreError

BEAT_SECONDS = 5.0
SILENT_SECONDS = 45.0


@dataclass(frozen=True)
class Process:
    """One process of one machine, told apart from a later one with the same number by its start time."""

    host: str
    pid: int
    started: float

    @classmethod
    def here(cls) -> Process:
        """This process."""
        pid = os.getpid()
        return cls(socket.gethostname(), pid, psutil.Process(pid).create_time())

    def is_gone(self) -> bool | None:
        """Whether it has ended; None where it runs on another host and cannot be asked."""
        if self.host != socket.gethostname():
            return None
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 1.0
            return not same or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return None


def begin(
    connection: Connection,
    *,
    run_id: str,
    root_run_id: str,
    job: str,
    is_backfill: bool,
    scope: dict[str, Any],
    now: datetime,
    process: Process | None = None,
) -> None:
    """Writes the row of a run that starts, or starts again under the same id."""
    process = process or Process.here()
    row = {
        "run_id": run_id,
        "root_run_id": root_run_id,
        "job": job,
        "host": process.host,
        "pid": process.pid,
        "process_started": process.started,
        "is_backfill": is_backfill,
        "scope": scope,
        "started_at": now,
        "heartbeat_at": now,
        "ended_at": None,
        "outcome": None,
        "error": None,
    }
    upsert(connection, t.runs, [row])


def beat(connection: Connection, run_id: str, now: datetime) -> None:
    """Says that the run is alive."""
    connection.execute(
        sa.update(t.runs)
        .where(t.runs.c.run_id == run_id, t.runs.c.ended_at.is_(None))
        .values(heartbeat_at=now)
    )


def end(
    connection: Connection, run_id: str, outcome: str, now: datetime, error: str | None = None
) -> bool:
    """Writes how a run ended, once; says whether it was this call that did."""
    return bool(
        connection.execute(
            sa.update(t.runs)
            .where(t.runs.c.run_id == run_id, t.runs.c.ended_at.is_(None))
            .values(outcome=outcome, ended_at=now, error=error)
        ).rowcount
    )


def find_dead(connection: Connection, now: datetime) -> list[dict[str, Any]]:
    """Runs that have not ended and whose process is gone or has been silent for too long."""
    rows = connection.execute(sa.select(t.runs).where(t.runs.c.ended_at.is_(None))).mappings()
    dead = []
    for row in rows:
        gone = Process(row["host"], row["pid"], row["process_started"]).is_gone()
        silent = now - row["heartbeat_at"] > timedelta(seconds=SILENT_SECONDS)
        if gone or (gone is None and silent):
            dead.append(dict(row))
    return dead


class Heartbeat:
    """A thread that says every `BEAT_SECONDS` that the run is alive; stops when it is closed or the process dies."""

    def __init__(self, control: ControlPlane, run_id: str, clock: Clock) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(control, run_id, clock), name=f"heartbeat-{run_id}", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stops the thread and waits for it."""
        self._stop.set()
        self._thread.join()

    def _run(self, control: ControlPlane, run_id: str, clock: Clock) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                with control.write() as connection:
                    beat(connection, run_id, clock.now())
            except StoreError:
                # The next beat may get through; the run itself will meet a store that stays away.
                continue


def record_stage(
    connection: Connection,
    *,
    run_id: str,
    stage: str,
    tenant_id: str,
    day: date | None,
    state: str,
    rows: int,
    counts: dict[str, Any],
    seconds: float,
    error: str | None,
    now: datetime,
) -> None:
    """Appends what one stage of a run did for one tenant."""
    connection.execute(
        sa.insert(t.stage_runs).values(
            run_id=run_id,
            stage=stage,
            tenant_id=tenant_id,
            day=day,
            state=state,
            rows=rows,
            counts=counts,
            seconds=seconds,
            error=error,
            finished_at=now,
        )
    )


def beat_component(
    connection: Connection, component: str, now: datetime, detail: str | None = None
) -> None:
    """Says that a sensor or another long-lived part has just ticked: what a dead-man switch looks at."""
    upsert(connection, t.beats, [{"component": component, "at": now, "detail": detail}])


def component_beats(connection: Connection) -> list[dict[str, Any]]:
    """When each long-lived part last ticked."""
    return [
        dict(r)
        for r in connection.execute(sa.select(t.beats).order_by(t.beats.c.component)).mappings()
    ]


def stages_of(connection: Connection, run_ids: Sequence[str]) -> list[dict[str, Any]]:
    """What the stages of some runs did, in the order in which they ended."""
    rows = connection.execute(
        sa.select(t.stage_runs)
        .where(t.stage_runs.c.run_id.in_(list(run_ids)))
        .order_by(t.stage_runs.c.seq)
    ).mappings()
    return [dict(row) for row in rows]


def get_run(connection: Connection, run_id: str) -> dict[str, Any]:
    """The row of a run.

    Raises:
        NotFoundError: There is none.
    """
    row = connection.execute(sa.select(t.runs).where(t.runs.c.run_id == run_id)).mappings().first()
    if row is None:
        raise NotFoundError(f"There is no run {run_id}", "`clientlore status` lists the newest.")
    return dict(row)


def recent_runs(connection: Connection, limit: int = 10) -> list[dict[str, Any]]:
    """The newest runs."""
    rows = connection.execute(
        sa.select(t.runs).order_by(t.runs.c.started_at.desc()).limit(limit)
    ).mappings()
    return [dict(row) for row in rows]


def reap(
    control: ControlPlane,
    clock: Clock,
    report: Callable[[str, str], None],
) -> Sequence[str]:
    """Finds runs that died, tells the orchestrator, and marks them dead; returns their ids.

    The orchestrator is told first: if we die between the two, the next reaper tells it again.

    Args:
        control: The control plane.
        clock: The present.
        report: Called with a run's id and what happened to it.
    """
    with control.read() as connection:
        dead = find_dead(connection, clock.now())
    for row in dead:
        message = f"its process {row['pid']} on {row['host']} is gone"
        report(row["run_id"], message)
        with control.write() as connection:
            end(connection, row["run_id"], "dead", clock.now(), message)
    return [row["run_id"] for row in dead]
