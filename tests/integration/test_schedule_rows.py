"""Schedules as rows: what applying a file may change, and what a person or five failures have switched off."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import schedules
from clientlore.control import tables as t
from clientlore.control.model import Schedule
from clientlore.errors import NotFoundError
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

FILE = """
tenant: acme
name: Acme
schedules:
  - {{name: news, type: daily, at: "{at}", zone: {zone}, active: {active}}}
"""


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00+00:00")


def apply(
    workspace: Workspace, time: str = "06:00", zone: str = "UTC", *, active: bool = True
) -> None:
    put_tenant(workspace, FILE.format(at=time, zone=zone, active=str(active).lower()))


def found(workspace: Workspace) -> Schedule:
    with workspace.control.read() as connection:
        return schedules.find_schedule(connection, "acme", "news")


def switch(workspace: Workspace, *, active: bool, because: str = "hand") -> None:
    with workspace.control.write() as connection:
        chosen = [schedules.find_schedule(connection, "acme", "news")]
        audit = workspace.audit("cli:me", "switch")
        schedules.set_active(connection, audit, chosen, active=active, because=because)


def test_a_changed_time_or_zone_replans_only_what_is_to_come(
    workspace: Workspace, clock: FrozenClock
) -> None:
    apply(workspace)
    assert found(workspace).next_run_at == at("2026-11-21T06:00")
    # Due and not yet seen by the sensor: applying the same again must not lose it.
    clock.at = at("2026-11-21T06:00")
    apply(workspace)
    assert found(workspace).next_run_at == at("2026-11-21T06:00")
    apply(workspace, "08:00")
    assert found(workspace).next_run_at == at("2026-11-21T08:00")
    apply(workspace, "08:00", "Asia/Tokyo")
    assert found(workspace).next_run_at == at("2026-11-21T23:00")


@pytest.mark.parametrize("because", ["failures", "hand"])
def test_applying_does_not_switch_on_what_failures_or_a_person_switched_off(
    workspace: Workspace, clock: FrozenClock, because: str
) -> None:
    apply(workspace)
    switch(workspace, active=False, because=because)
    clock.advance(timedelta(days=1))
    for time in ("06:00", "08:00"):
        apply(workspace, time)
        off = found(workspace)
        assert (off.is_active, off.off_because, off.next_run_at) == (False, because, None)
    apply(workspace, active=False)
    apply(workspace, active=True)
    assert not found(workspace).is_active
    switch(workspace, active=True)
    on = found(workspace)
    assert (on.is_active, on.off_because) == (True, None)
    assert on.next_run_at == at("2026-11-22T06:00")


def test_what_the_file_switched_off_the_file_switches_on(workspace: Workspace) -> None:
    apply(workspace, active=False)
    assert (found(workspace).is_active, found(workspace).next_run_at) == (False, None)
    apply(workspace)
    assert (found(workspace).is_active, found(workspace).off_because) == (True, None)
    assert found(workspace).next_run_at == at("2026-11-21T06:00")


def test_switching_on_forgets_past_failures_and_plans_from_now(
    workspace: Workspace, clock: FrozenClock
) -> None:
    apply(workspace)
    with workspace.control.write() as connection:
        connection.execute(
            sa.update(t.automation_schedules).values(
                consecutive_failures=3, last_error_message="the feed was gone"
            )
        )
    switch(workspace, active=False)
    clock.advance(timedelta(days=3))
    switch(workspace, active=True)
    on = found(workspace)
    assert (on.consecutive_failures, on.last_error_message) == (0, None)
    assert on.next_run_at == at("2026-11-24T06:00")


def test_a_schedule_is_found_by_name_or_id_and_deleted_with_a_trace(workspace: Workspace) -> None:
    apply(workspace)
    chosen = found(workspace)
    with workspace.control.write() as connection:
        assert schedules.find_schedule(connection, "acme", chosen.schedule_id) == chosen
        with pytest.raises(NotFoundError, match="Known: news"):
            schedules.find_schedule(connection, "acme", "evening")
        schedules.delete_schedules(connection, workspace.audit("cli:me", "old"), [chosen])
        assert schedules.schedules_of(connection) == []
        row = connection.execute(sa.select(t.audit_log).order_by(t.audit_log.c.seq.desc())).first()
    assert row is not None
    assert (row.action, row.entity_id, row.changes) == (
        "delete",
        chosen.schedule_id,
        {"name": "news"},
    )
