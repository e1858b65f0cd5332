"""How a schedule counts what its fires came to: five failures in a row switch it off and say so."""

from __future__ import annotations

from datetime import timedelta

import pytest

from clientlore.clock import FrozenClock
from clientlore.control import alerts, fires, schedules
from clientlore.control.model import Schedule
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace


def set_up(workspace: Workspace) -> None:
    """A tenant with an hourly schedule."""
    put_tenant(
        workspace,
        "tenant: acme\nname: Acme\nschedules: [{name: news, type: hourly, at: '00:00'}]\n",
    )


def news(workspace: Workspace) -> Schedule:
    with workspace.control.read() as connection:
        return schedules.find_schedule(connection, "acme", "news")


def fire_ends(workspace: Workspace, clock: FrozenClock, outcome: str, **more: bool) -> None:
    """An hour later a fire comes due, is dispatched, claimed and ends so."""
    clock.advance(timedelta(hours=1))
    now = clock.now()
    with workspace.control.write() as connection:
        fires.record_due(connection, now)
        (fire,) = fires.dispatch(connection, now)
        fires.claim(connection, [fire.fire_id], "run-1", now)
        error = None if outcome == "done" else "the feed was gone"
        audit = workspace.audit("run:run-1", "it ended")
        fires.finish(connection, audit, [fire.fire_id], outcome, error, **more)


def fail_times(workspace: Workspace, clock: FrozenClock, times: int) -> None:
    for _ in range(times):
        fire_ends(workspace, clock, "failed")


def test_four_failures_in_a_row_are_counted_and_five_switch_the_schedule_off_with_an_alert(
    workspace: Workspace, clock: FrozenClock
) -> None:
    set_up(workspace)
    fail_times(workspace, clock, 4)
    schedule = news(workspace)
    assert (schedule.is_active, schedule.consecutive_failures) == (True, 4)
    with workspace.control.read() as connection:
        assert alerts.unsent_alerts(connection, "acme") == []
    fail_times(workspace, clock, 1)
    schedule = news(workspace)
    assert (schedule.is_active, schedule.off_because, schedule.next_run_at) == (
        False,
        "failures",
        None,
    )
    assert (schedule.consecutive_failures, schedule.last_error_message) == (5, "the feed was gone")
    with workspace.control.read() as connection:
        (alert,) = alerts.unsent_alerts(connection, "acme")
        assert alerts.recent_alerts(connection) == [alert]
    assert alert["subject"] == "Schedule news switched itself off"
    assert "It failed 5 times in a row. The last error: the feed was gone" in alert["text"]
    assert "clientlore schedule activate 'news'" in alert["text"]
    clock.advance(timedelta(hours=5))
    with workspace.control.write() as connection:
        assert fires.record_due(connection, clock.now()) == 0


def test_activation_resets_the_count(workspace: Workspace, clock: FrozenClock) -> None:
    set_up(workspace)
    fail_times(workspace, clock, 5)
    with workspace.control.write() as connection:
        chosen = [schedules.find_schedule(connection, "acme", "news")]
        schedules.set_active(connection, workspace.audit("cli:me", "x"), chosen, active=True)
    fail_times(workspace, clock, 4)
    assert news(workspace).is_active
    assert news(workspace).consecutive_failures == 4


@pytest.mark.parametrize(
    ("outcome", "more", "failures"),
    [
        ("done", {}, 0),
        ("degraded", {}, 0),
        ("degraded", {"counts_as_failure": True}, 5),
        ("failed", {}, 5),
    ],
)
def test_a_success_between_failures_starts_the_count_anew_and_a_mock_in_place_counts(
    workspace: Workspace, clock: FrozenClock, outcome: str, more: dict[str, bool], failures: int
) -> None:
    set_up(workspace)
    fail_times(workspace, clock, 4)
    fire_ends(workspace, clock, outcome, **more)
    schedule = news(workspace)
    assert schedule.consecutive_failures == failures
    assert schedule.is_active == (failures < 5)


def test_an_alert_is_raised_once_a_day(workspace: Workspace, clock: FrozenClock) -> None:
    set_up(workspace)
    raised = []
    for hours in (0, 10, 10):
        clock.advance(timedelta(hours=hours))
        with workspace.control.write() as connection:
            audit = workspace.audit("run:1", "x")
            raised.append(
                alerts.raise_alert(connection, audit, tenant_id="acme", subject="s", text="t")
            )
    assert raised == [True, False, True]
