"""Tasks: one thing to be done with a tenant's memory, from asked for to done, in the control plane.

A task is claimed once, whoever asked for it and however many processes look; a fire of a policy is a task whose key is
unique. Not here: doing it (`controller`), starting runs (the application).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.engine import insert_ignore
from clientlore.errors import NotFoundError
from clientlore.ids import new_id

STALE = timedelta(seconds=120)
"""After which a task that was dispatched and not claimed is dispatched again."""
FIRST_WAIT = timedelta(seconds=30)
"""Before the first retry; it doubles each time."""
MAX_RETRIES = 3


class TaskPriority(StrEnum):
    """How soon; the application turns it into the priority of a run."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


PRIORITIES: Mapping[TaskPriority, int] = {
    TaskPriority.LOW: -10,
    TaskPriority.NORMAL: 0,
    TaskPriority.HIGH: 10,
    TaskPriority.CRITICAL: 20,
}
"""Priority of the run queue, by that of a task."""


class TaskStatus(StrEnum):
    """Where a task stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class BackgroundTask:
    """A task as it stands.

    Attributes:
        user_id: The owner whose memories it is about; `*` for all of the tenant's.
        trigger: What asked for it: a type of policy, or a person.
        result: Counts and findings, once it is done.
    """

    task_id: str
    tenant_id: str
    user_id: str
    task_type: str
    priority: TaskPriority
    status: TaskStatus
    trigger: str
    force: bool
    attempts: int
    max_retries: int
    run_id: str | None
    result: Mapping[str, Any]
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def submit(
    connection: Connection,
    *,
    tenant_id: str,
    owner: str,
    task_type: str,
    now: datetime,
    priority: TaskPriority = TaskPriority.NORMAL,
    trigger: str = "manual",
    fire_key: str | None = None,
    force: bool = False,
    max_retries: int = MAX_RETRIES,
) -> str | None:
    """Asks for a task; its id, or None where this fire was written before."""
    task_id = new_id()
    row: dict[str, Any] = {
        "task_id": task_id,
        "tenant_id": tenant_id,
        "owner_id": owner,
        "task_type": task_type,
        "priority": priority.value,
        "status": "pending",
        "trigger": trigger,
        "fire_key": fire_key,
        "is_forced": force,
        "attempts": 0,
        "max_retries": max_retries,
        "not_before": now,
        "result": {},
        "created_at": now,
        "updated_at": now,
    }
    return task_id if insert_ignore(connection, t.memory_tasks, [row]) else None


def dispatch(connection: Connection, now: datetime) -> list[BackgroundTask]:
    """The pending tasks whose time has come, marked as dispatched, the most urgent first; none twice within `STALE`."""
    table = t.memory_tasks
    where = sa.and_(
        table.c.status == "pending",
        table.c.not_before <= now,
        sa.or_(table.c.dispatched_at.is_(None), table.c.dispatched_at <= now - STALE),
    )
    found = connection.execute(sa.select(table).where(where).with_for_update()).mappings()
    tasks = [_task(dict(row)) for row in found]
    for task in tasks:
        connection.execute(
            sa.update(table)
            .where(table.c.task_id == task.task_id)
            .values(dispatched_at=now, updated_at=now)
        )
    return sorted(
        tasks, key=lambda task: (-PRIORITIES[task.priority], task.created_at, task.task_id)
    )


def claim(connection: Connection, task_id: str, run_id: str | None, now: datetime) -> bool:
    """Takes a pending task; False where somebody else has it, or it is over."""
    table = t.memory_tasks
    taken = connection.execute(
        sa.update(table)
        .where(table.c.task_id == task_id, table.c.status == "pending")
        .values(
            status="running",
            run_id=run_id,
            attempts=table.c.attempts + 1,
            started_at=now,
            updated_at=now,
        )
    )
    return taken.rowcount == 1


def complete(
    connection: Connection, task_id: str, result: Mapping[str, Any], now: datetime
) -> None:
    """Notes what a task did."""
    _end(connection, task_id, now, status="completed", result=dict(result), error=None)


def fail(connection: Connection, task_id: str, error: str, now: datetime) -> TaskStatus:
    """Notes why a task failed; it is pending again, later each time, until its retries are used up."""
    task = find(connection, task_id)
    if task.attempts > task.max_retries:
        _end(connection, task_id, now, status="failed", error=error)
        return TaskStatus.FAILED
    wait = FIRST_WAIT * 2 ** max(0, task.attempts - 1)
    connection.execute(
        sa.update(t.memory_tasks)
        .where(t.memory_tasks.c.task_id == task_id)
        .values(
            status="pending", error=error, not_before=now + wait, dispatched_at=None, updated_at=now
        )
    )
    return TaskStatus.PENDING


def release_dead(connection: Connection, now: datetime) -> int:
    """Fails the attempt of tasks whose run has ended without an outcome; returns how many there were."""
    table = t.memory_tasks
    dead = connection.execute(
        sa.select(table.c.task_id)
        .join(t.runs, t.runs.c.run_id == table.c.run_id)
        .where(table.c.status == "running", t.runs.c.ended_at.is_not(None))
    ).scalars()
    ids = list(dead)
    for task_id in ids:
        fail(connection, task_id, "its run ended without an outcome", now)
    return len(ids)


def cancel(connection: Connection, tenant_id: str, task_id: str, now: datetime) -> bool:
    """Takes back a task that has not begun; False where it has, or is over."""
    table = t.memory_tasks
    done = connection.execute(
        sa.update(table)
        .where(
            table.c.task_id == task_id, table.c.tenant_id == tenant_id, table.c.status == "pending"
        )
        .values(status="cancelled", finished_at=now, updated_at=now)
    )
    return done.rowcount == 1


def find(connection: Connection, task_id: str, tenant_id: str | None = None) -> BackgroundTask:
    """A task.

    Raises:
        NotFoundError: There is none of this id, or it is another tenant's.
    """
    query = sa.select(t.memory_tasks).where(t.memory_tasks.c.task_id == task_id)
    if tenant_id is not None:
        query = query.where(t.memory_tasks.c.tenant_id == tenant_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFoundError(f"There is no task '{task_id}'", "`clientlore task list` names them.")
    return _task(dict(row))


def listed(
    connection: Connection,
    tenant_id: str,
    *,
    owner: str | None = None,
    status: TaskStatus | None = None,
    ids: Sequence[str] | None = None,
    limit: int = 100,
) -> list[BackgroundTask]:
    """Tasks of a tenant, the newest first."""
    table = t.memory_tasks
    query = sa.select(table).where(table.c.tenant_id == tenant_id)
    if owner is not None:
        query = query.where(table.c.owner_id == owner)
    if status is not None:
        query = query.where(table.c.status == status.value)
    if ids is not None:
        query = query.where(table.c.task_id.in_(ids))
    query = query.order_by(table.c.created_at.desc(), table.c.task_id).limit(limit)
    return [_task(dict(row)) for row in connection.execute(query).mappings()]


def _end(connection: Connection, task_id: str, now: datetime, **values: Any) -> None:
    connection.execute(
        sa.update(t.memory_tasks)
        .where(t.memory_tasks.c.task_id == task_id)
        .values(finished_at=now, updated_at=now, **values)
    )


def _task(row: Mapping[str, Any]) -> BackgroundTask:
    return BackgroundTask(
        task_id=row["task_id"],
        tenant_id=row["tenant_id"],
        user_id=row["owner_id"],
        task_type=row["task_type"],
        priority=TaskPriority(row["priority"]),
        status=TaskStatus(row["status"]),
        trigger=row["trigger"],
        force=row["is_forced"],
        attempts=row["attempts"],
        max_retries=row["max_retries"],
        run_id=row["run_id"],
        result=row["result"],
        error=row["error"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
    )
