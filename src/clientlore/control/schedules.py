"""When things are due. Everything but the few reads and writes at the end is pure: the instant is an argument.

A schedule's type becomes a cron expression, read in the schedule's own zone: a due time that a clock change
skips happens at the first instant after the gap, one that it repeats happens once (Debian's cron rules, as
`cronsim` has them).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from cronsim import CronSim, CronSimError
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.audit import Audit, put
from clientlore.control.model import Preferences, Schedule
from clientlore.control.rows import dump, load_all
from clientlore.errors import ConfigurationError, NotFoundError
from clientlore.ids import stable_uuid

GRACE = timedelta(minutes=15)
"""How late a fire may start and still count as on time."""
MOST_MISSED = 1_000
"""How many missed due times are looked at; what lies further back is not even recorded."""
DISABLE_AFTER = 5
"""Failures in a row after which a schedule switches itself off."""

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def cron_for(
    schedule_type: str, *, local_time: str = "07:00", weekday: int = 0, day_of_month: str = "1"
) -> str | None:
    """The cron expression of a schedule type; None for `manual`.

    Args:
        schedule_type: hourly, daily, weekly, monthly or manual.
        local_time: `HH:MM`; an hourly schedule uses its minutes.
        weekday: 0 is Monday.
        day_of_month: `1` to `28`, or `last`.
    """
    hour, minute = (int(part) for part in local_time.split(":"))
    day = "L" if day_of_month == "last" else day_of_month
    return {
        "hourly": f"{minute} * * * *",
        "daily": f"{minute} {hour} * * *",
        "weekly": f"{minute} {hour} * * {(weekday + 1) % 7}",
        "monthly": f"{minute} {hour} {day} * *",
        "manual": None,
    }[schedule_type]


def check_cron(expression: str) -> str:
    """The expression, if it is one.

    Raises:
        ConfigurationError: It is not; the message says which field.
    """
    if len(expression.split()) > 5:
        raise ConfigurationError(
            f"'{expression}' is no cron expression (Wrong number of fields)",
            "Five fields: minute hour day-of-month month day-of-week.",
        )
    try:
        next(CronSim(expression, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        raise ConfigurationError(
            f"'{expression}' is no cron expression ({str(error) or 'it never fires'})",
            "Five fields: minute hour day-of-month month day-of-week.",
        ) from None
    return expression


def next_due(cron: str | None, zone: str, after: datetime) -> datetime | None:
    """First due instant strictly after `after`, in UTC; None for a schedule without a cron expression."""
    if cron is None:
        return None
    times = (due.astimezone(UTC) for due in CronSim(cron, after.astimezone(ZoneInfo(zone))))
    # Asked within an hour that the clock repeats, cronsim first names a time of that hour's first pass.
    return next(due for due in times if due > after)


@dataclass(frozen=True)
class Due:
    """What a tick makes of one schedule.

    Attributes:
        fires: Due instants that shall happen.
        missed: Due instants that passed unheard and are only recorded.
        next_run_at: When the schedule is due next.
    """

    fires: tuple[datetime, ...]
    missed: tuple[datetime, ...]
    next_run_at: datetime | None


def due_now(schedule: Schedule, now: datetime) -> Due:
    """Which due times of a schedule shall happen at `now`, by its catch-up rule.

    - `skip`: what is later than `GRACE` is missed.
    - `latest`: the newest happens, however late; the others are missed.
    - `all`: the newest `catch_up_limit` happen, in order; the others are missed.
    """
    if schedule.next_run_at is None or schedule.next_run_at > now or not schedule.is_active:
        return Due((), (), schedule.next_run_at)
    times: list[datetime] = []
    upcoming: datetime | None = schedule.next_run_at
    while upcoming is not None and upcoming <= now:
        times.append(upcoming)
        if len(times) > MOST_MISSED:
            times.pop(0)
        upcoming = next_due(schedule.cron, schedule.timezone, upcoming)
    if schedule.catch_up == "skip":
        fires = [at for at in times if now - at <= GRACE]
    elif schedule.catch_up == "latest":
        fires = times[-1:]
    else:
        fires = times[-schedule.catch_up_limit :]
    missed = [at for at in times if at not in set(fires)]
    return Due(tuple(fires), tuple(missed), upcoming)


def schedule_id_for(tenant_id: str, name: str) -> str:
    """The id of a schedule, from its name."""
    return stable_uuid("schedule", tenant_id, name)


def digest_schedule(handle: str, preferences: Preferences) -> Schedule | None:
    """The schedule that a person's preferences amount to; None where mail follows each monitoring run."""
    if preferences.frequency == "instant":
        return None
    name = f"digest:{handle}"
    return Schedule(
        schedule_id=schedule_id_for(preferences.tenant_id, name),
        tenant_id=preferences.tenant_id,
        name=name,
        purpose="digest",
        schedule_type=preferences.frequency,
        cron=cron_for(
            preferences.frequency,
            local_time=preferences.local_time,
            weekday=preferences.weekday,
        ),
        timezone=preferences.timezone,
        user_id=preferences.user_id,
    )


def schedules_of(connection: Connection, tenant_id: str | None = None) -> list[Schedule]:
    """The schedules of a tenant, or of all, by name."""
    query = sa.select(t.automation_schedules).order_by(
        t.automation_schedules.c.tenant_id, t.automation_schedules.c.name
    )
    if tenant_id is not None:
        query = query.where(t.automation_schedules.c.tenant_id == tenant_id)
    return load_all(connection, Schedule, query)


def find_schedule(connection: Connection, tenant_id: str, name: str) -> Schedule:
    """The schedule of that name or id.

    Raises:
        NotFoundError: There is none; the message lists the names.
    """
    known = schedules_of(connection, tenant_id)
    for schedule in known:
        if name in {schedule.name, schedule.schedule_id}:
            return schedule
    raise NotFoundError(
        f"There is no schedule '{name}' in tenant '{tenant_id}'",
        f"Known: {', '.join(s.name for s in known) or 'none'}.",
    )


def put_schedule(connection: Connection, audit: Audit, schedule: Schedule) -> dict[str, object]:
    """Creates or changes a schedule. Its history stays; a changed time or zone re-plans only what is to come.

    What failures or a person switched off stays off until a person switches it on.
    """
    row = dump(schedule)
    plan = next_due(schedule.cron, schedule.timezone, audit.now())
    found = load_all(
        connection,
        Schedule,
        sa.select(t.automation_schedules).where(
            t.automation_schedules.c.schedule_id == schedule.schedule_id
        ),
    )
    for before in found:
        for kept in ("last_run_at", "last_error_message", "consecutive_failures", "off_because"):
            row[kept] = getattr(before, kept)
        row["is_active"] = schedule.is_active and before.off_because is None
        unchanged = (before.cron, before.timezone) == (schedule.cron, schedule.timezone)
        if unchanged and before.is_active and row["is_active"]:
            plan = before.next_run_at
    row["next_run_at"] = plan if row["is_active"] else None
    return put(connection, audit, t.automation_schedules, row)


def set_active(
    connection: Connection,
    audit: Audit,
    schedules: Sequence[Schedule],
    *,
    active: bool,
    because: str = "hand",
) -> None:
    """Switches schedules on or off. Switching on forgets past failures and plans from now."""
    for schedule in schedules:
        row = {**dump(schedule), "is_active": active, "off_because": None if active else because}
        if active:
            row["consecutive_failures"] = 0
            row["last_error_message"] = None
            row["next_run_at"] = next_due(schedule.cron, schedule.timezone, audit.now())
        else:
            row["next_run_at"] = None
        put(connection, audit, t.automation_schedules, row)


def delete_schedules(connection: Connection, audit: Audit, schedules: Sequence[Schedule]) -> None:
    """Deletes schedules for good; their fires stay in the ledger, without a schedule."""
    ids = [s.schedule_id for s in schedules]
    connection.execute(
        sa.update(t.fires).where(t.fires.c.schedule_id.in_(ids)).values(schedule_id=None)
    )
    connection.execute(
        sa.delete(t.automation_schedules).where(t.automation_schedules.c.schedule_id.in_(ids))
    )
    for schedule in schedules:
        audit.log(
            connection,
            "delete",
            "automation_schedules",
            schedule.schedule_id,
            tenant_id=schedule.tenant_id,
            changes={"name": schedule.name},
        )
