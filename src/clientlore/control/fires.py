"""The ledger of fires: each due time happens once, whatever dies in between.

A fire goes `due`, `dispatched` (a run was asked for), `claimed` (that run began) and ends `done`, `degraded`
or `failed`; `missed` and `skipped` fires never ran and say why. What stays unclaimed for `CLAIM_SECONDS`, or
whose run ended without an outcome, is dispatched again, at most `MAX_ATTEMPTS` times.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.alerts import raise_alert
from clientlore.control.audit import Audit
from clientlore.control.engine import insert_ignore
from clientlore.control.model import Fire, Schedule
from clientlore.control.rows import dump, load_all
from clientlore.control.schedules import DISABLE_AFTER, due_now, set_active
from clientlore.ids import new_id, stable_uuid

CLAIM_SECONDS = 120
MAX_ATTEMPTS = 3
BATCH = 500
"""How many schedules and fires one tick looks at, oldest first: a tick has 60 s."""

_ACTIVE = ("due", "dispatched", "claimed")


def record_due(connection: Connection, now: datetime, limit: int = BATCH) -> int:
    """Writes a fire for every due time that has come, and plans what is next; returns how many are new."""
    due = load_all(
        connection,
        Schedule,
        sa.select(t.automation_schedules)
        .join(t.tenants, t.tenants.c.tenant_id == t.automation_schedules.c.tenant_id)
        .where(
            t.automation_schedules.c.is_active,
            t.automation_schedules.c.next_run_at <= now,
            t.tenants.c.status == "active",
        )
        .order_by(t.automation_schedules.c.next_run_at)
        .limit(limit),
    )
    new = 0
    for schedule in due:
        plan = due_now(schedule, now)
        busy = schedule.overlap_policy == "skip" and _is_busy(connection, schedule.schedule_id)
        rows = [_fire(schedule, at, "missed", "the scheduler was away") for at in plan.missed]
        for at in plan.fires:
            state = "skipped" if busy else "due"
            rows.append(_fire(schedule, at, state, "the one before still ran" if busy else None))
            # Missed ones that shall all happen wait for one another; `dispatch` keeps them in order.
            busy = busy or (schedule.overlap_policy == "skip" and schedule.catch_up != "all")
        new += insert_ignore(connection, t.fires, [dump(fire) for fire in rows])
        connection.execute(
            sa.update(t.automation_schedules)
            .where(t.automation_schedules.c.schedule_id == schedule.schedule_id)
            .values(next_run_at=plan.next_run_at)
        )
    return new


def release_stale(connection: Connection, audit: Audit) -> int:
    """Makes due again what was dispatched and never claimed, and what was claimed by a run that died.

    A fire that has used up its attempts fails instead. Returns how many fires were due again.
    """
    now = audit.now()
    running = sa.select(t.runs.c.root_run_id).where(t.runs.c.ended_at.is_(None))
    waited = t.fires.c.dispatched_at <= now - timedelta(seconds=CLAIM_SECONDS)
    stale = sa.or_(
        sa.and_(t.fires.c.state == "dispatched", waited),
        sa.and_(t.fires.c.state == "claimed", t.fires.c.root_run_id.not_in(running)),
    )
    # Locked (on PostgreSQL; SQLite has one writer), so that a run that claims at this very moment keeps its fire.
    rows = connection.execute(sa.select(t.fires).where(stale).with_for_update()).mappings().all()
    exhausted = [row["fire_id"] for row in rows if row["attempt"] >= MAX_ATTEMPTS]
    again = [row["fire_id"] for row in rows if row["attempt"] < MAX_ATTEMPTS]
    connection.execute(
        sa.update(t.fires)
        .where(t.fires.c.fire_id.in_(again))
        .values(state="due", root_run_id=None, claimed_at=None)
    )
    finish(connection, audit, exhausted, "failed", f"no run ended it in {MAX_ATTEMPTS} attempts")
    return len(again)


def dispatch(connection: Connection, now: datetime, limit: int = BATCH) -> list[Fire]:
    """Takes what is due, oldest first, marks it dispatched and returns it. The caller starts one run for each day.

    With the overlap rule `queue`, a fire waits until the one before has ended.
    """
    newer = t.fires.alias("newer")
    running = (
        sa.select(newer.c.fire_id)
        .where(
            newer.c.schedule_id == t.fires.c.schedule_id,
            newer.c.state.in_(_ACTIVE),
            newer.c.due_at < t.fires.c.due_at,
        )
        .exists()
    )
    found = load_all(
        connection,
        Fire,
        sa.select(t.fires)
        .join(t.tenants, t.tenants.c.tenant_id == t.fires.c.tenant_id)
        .where(t.fires.c.state == "due", ~running, t.tenants.c.status == "active")
        .order_by(t.fires.c.due_at, t.fires.c.fire_id)
        .limit(limit)
        .with_for_update(of=t.fires, skip_locked=True),
    )
    connection.execute(
        sa.update(t.fires)
        .where(t.fires.c.fire_id.in_([fire.fire_id for fire in found]))
        .values(state="dispatched", attempt=t.fires.c.attempt + 1, dispatched_at=now)
    )
    return [replace(fire, state="dispatched", attempt=fire.attempt + 1) for fire in found]


def write_by_hand(
    connection: Connection,
    audit: Audit,
    *,
    tenant_id: str,
    day: date,
    schedule: Schedule | None = None,
    queued: bool = False,
) -> Fire:
    """Writes a fire that a person asked for: the only way by which a command opens windows.

    Args:
        connection: A writing transaction.
        audit: Who asks.
        tenant_id: For whom.
        day: The UTC day whose matches may be mailed, with what is late from before.
        schedule: The schedule that is triggered; its plan stays as it is.
        queued: Left to the dispatching sensor; otherwise the command starts the run itself.
    """
    now = audit.now()
    due_at = now if schedule is None else _free_moment(connection, schedule, now)
    fire = Fire(
        fire_id=new_id(),
        tenant_id=tenant_id,
        # A digest by hand leaves the person's scheduled window alone.
        kind="monitor" if schedule is not None and schedule.purpose == "monitor" else "adhoc",
        due_at=due_at,
        day=day,
        state="due" if queued else "dispatched",
        schedule_id=None if schedule is None else schedule.schedule_id,
        user_id=None if schedule is None else schedule.user_id,
        clients=() if schedule is None else schedule.clients,
        attempt=0 if queued else 1,
    )
    row = dump(fire) | {"dispatched_at": None if queued else now}
    connection.execute(sa.insert(t.fires).values(**row))
    audit.log(
        connection,
        "fire",
        "fires",
        fire.fire_id,
        tenant_id=tenant_id,
        changes={"day": day.isoformat(), "kind": fire.kind},
    )
    return fire


def _free_moment(connection: Connection, schedule: Schedule, now: datetime) -> datetime:
    """Now, or the next millisecond at which the schedule has no fire yet: two hands may be as quick as each other."""
    taken = set(
        connection.execute(
            sa.select(t.fires.c.due_at).where(
                t.fires.c.schedule_id == schedule.schedule_id, t.fires.c.due_at >= now
            )
        ).scalars()
    )
    while now in taken:
        now += timedelta(milliseconds=1)
    return now


def claim(
    connection: Connection, fire_ids: Iterable[str], root_run_id: str, now: datetime
) -> list[Fire]:
    """Claims dispatched fires for a run, by the root of its re-executions; returns those that are its own.

    What another root has claimed, and what has ended, is not returned: a copy of a run is authorised to nothing.
    """
    wanted = list(fire_ids)
    connection.execute(
        sa.update(t.fires)
        .where(t.fires.c.fire_id.in_(wanted), t.fires.c.state == "dispatched")
        .values(state="claimed", root_run_id=root_run_id, claimed_at=now)
    )
    return load_all(
        connection,
        Fire,
        sa.select(t.fires)
        .where(
            t.fires.c.fire_id.in_(wanted),
            t.fires.c.state == "claimed",
            t.fires.c.root_run_id == root_run_id,
        )
        .order_by(t.fires.c.due_at, t.fires.c.fire_id),
    )


def claimed_by(connection: Connection, root_run_id: str) -> list[Fire]:
    """The fires that a run, by its root, has claimed and not ended."""
    query = (
        sa.select(t.fires)
        .where(t.fires.c.state == "claimed", t.fires.c.root_run_id == root_run_id)
        .order_by(t.fires.c.due_at, t.fires.c.fire_id)
    )
    return load_all(connection, Fire, query)


def finish(
    connection: Connection,
    audit: Audit,
    fires: Sequence[str],
    outcome: str,
    error: str | None = None,
    *,
    counts_as_failure: bool | None = None,
) -> None:
    """Gives fires their one outcome and keeps their schedules' count of failures.

    Args:
        connection: A writing transaction.
        audit: Who reports.
        fires: Ids; those that have ended already are left alone.
        outcome: `done`, `degraded` or `failed`.
        error: The original error, for `degraded` and `failed`.
        counts_as_failure: Whether the schedule's count goes up; by default for `failed` alone. A provider that
            was replaced by its mock is `degraded` and counts.
    """
    failed = outcome == "failed" if counts_as_failure is None else counts_as_failure
    now = audit.now()
    for fire_id in fires:
        ended = connection.execute(
            sa.update(t.fires)
            .where(t.fires.c.fire_id == fire_id, t.fires.c.state.in_(_ACTIVE))
            .values(state=outcome, finished_at=now, error=error)
        ).rowcount
        if ended:
            _count(connection, audit, fire_id, now, failed=failed, error=error)


def _count(
    connection: Connection,
    audit: Audit,
    fire_id: str,
    now: datetime,
    *,
    failed: bool,
    error: str | None,
) -> None:
    joined = sa.select(t.automation_schedules).join(
        t.fires, t.fires.c.schedule_id == t.automation_schedules.c.schedule_id
    )
    for schedule in load_all(connection, Schedule, joined.where(t.fires.c.fire_id == fire_id)):
        failures = schedule.consecutive_failures + 1 if failed else 0
        connection.execute(
            sa.update(t.automation_schedules)
            .where(t.automation_schedules.c.schedule_id == schedule.schedule_id)
            .values(last_run_at=now, last_error_message=error, consecutive_failures=failures)
        )
        if failures < DISABLE_AFTER or not schedule.is_active:
            continue
        counted = replace(
            schedule, consecutive_failures=failures, last_error_message=error, last_run_at=now
        )
        set_active(connection, audit, [counted], active=False, because="failures")
        raise_alert(
            connection,
            audit,
            tenant_id=schedule.tenant_id,
            subject=f"Schedule {schedule.name} switched itself off",
            text=f"It failed {failures} times in a row. The last error: {error or 'unknown'}\n"
            f"Mend the cause, then: clientlore schedule activate '{schedule.name}'",
        )


def _is_busy(connection: Connection, schedule_id: str) -> bool:
    query = sa.select(sa.func.count()).where(
        t.fires.c.schedule_id == schedule_id, t.fires.c.state.in_(_ACTIVE)
    )
    return bool(connection.execute(query).scalar_one())


def _fire(schedule: Schedule, due_at: datetime, state: str, error: str | None) -> Fire:
    return Fire(
        fire_id=stable_uuid("fire", schedule.schedule_id, due_at.isoformat()),
        tenant_id=schedule.tenant_id,
        kind=schedule.purpose,
        due_at=due_at,
        day=due_at.astimezone(UTC).date(),
        state=state,
        schedule_id=schedule.schedule_id,
        user_id=schedule.user_id,
        clients=schedule.clients,
        error=error,
    )
