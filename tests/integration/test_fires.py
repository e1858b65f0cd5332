"""The ledger of fires: each due time happens once, whatever dies in between."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.clock import FrozenClock
from clientlore.control import fires, runs, schedules, tenants
from clientlore.control import tables as t
from clientlore.control.model import Fire, Schedule
from clientlore.control.rows import load_all
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

FILE = """
tenant: acme
name: Acme
users: [{{id: ana, name: Ana}}]
clients: [{{name: Harbor}}]
schedules:
  - {{name: news, type: hourly, at: "00:00", clients: [harbor], {more}}}
"""


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}:00+00:00")


def set_up(workspace: Workspace, more: str = "overlap: queue") -> Schedule:
    """A tenant with an hourly schedule; the first due time is 10:00 on the 20th."""
    put_tenant(workspace, FILE.format(more=more))
    return news(workspace)


def news(workspace: Workspace) -> Schedule:
    with workspace.control.read() as connection:
        return schedules.find_schedule(connection, "acme", "news")


def tick(workspace: Workspace) -> list[Fire]:
    """What the dispatching sensor does in one transaction."""
    now = workspace.clock.now()
    with workspace.control.write() as connection:
        fires.record_due(connection, now)
        fires.release_stale(connection, workspace.audit("sensor:x", "tick"))
        return fires.dispatch(connection, now)


def ledger(workspace: Workspace) -> list[tuple[datetime, str]]:
    """Due time and state of the fires of the hourly schedule."""
    with workspace.control.read() as connection:
        return [(f.due_at, f.state) for f in every_fire(connection) if f.kind == "monitor"]


def every_fire(connection: Connection) -> list[Fire]:
    return load_all(connection, Fire, sa.select(t.fires).order_by(t.fires.c.due_at))


def begin(connection: Connection, run_id: str, now: datetime, root: str | None = None) -> None:
    runs.begin(
        connection,
        run_id=run_id,
        root_run_id=root or run_id,
        job="x",
        is_backfill=False,
        scope={},
        now=now,
    )


def claim(workspace: Workspace, fire: Fire, run_id: str, root: str | None = None) -> list[Fire]:
    """A run begins and claims a fire."""
    now = workspace.clock.now()
    with workspace.control.write() as connection:
        begin(connection, run_id, now, root)
        return fires.claim(connection, [fire.fire_id], root or run_id, now)


def end(workspace: Workspace, run_id: str) -> None:
    with workspace.control.write() as connection:
        runs.end(connection, run_id, "dead", workspace.clock.now())


def finish(workspace: Workspace, fire: Fire, outcome: str) -> None:
    with workspace.control.write() as connection:
        fires.finish(connection, workspace.audit("run:1", "it ended"), [fire.fire_id], outcome)


def test_what_comes_due_is_dispatched_once_for_its_day_and_clients(
    workspace: Workspace, clock: FrozenClock
) -> None:
    set_up(workspace)
    clock.at = at("20T09:59")
    assert tick(workspace) == []
    clock.at = at("20T10:00")
    (fire,) = tick(workspace)
    assert (fire.kind, fire.due_at, fire.day) == ("monitor", at("20T10:00"), date(2026, 11, 20))
    assert (fire.state, fire.attempt, fire.clients) == ("dispatched", 1, ("harbor",))
    assert tick(workspace) == []
    assert news(workspace).next_run_at == at("20T11:00")


def test_the_day_of_a_fire_is_the_utc_date_of_its_due_time(
    workspace: Workspace, clock: FrozenClock
) -> None:
    put_tenant(
        workspace,
        "tenant: acme\nname: Acme\nusers: [{name: Ken, zone: Asia/Tokyo, digest: {at: '07:00'}}]\n",
    )
    clock.at = at("20T22:00")
    (fire,) = tick(workspace)
    assert (fire.kind, fire.day) == ("digest", date(2026, 11, 20))
    assert fire.user_id is not None


def test_a_due_time_is_in_the_ledger_once_however_often_it_is_recorded(
    workspace: Workspace, clock: FrozenClock
) -> None:
    set_up(workspace)
    clock.at = at("20T10:00")
    assert len(tick(workspace)) == 1
    with workspace.control.write() as connection:
        # As if the plan had been lost in a crash of another store, or restored from a backup.
        connection.execute(
            sa.update(t.automation_schedules)
            .where(t.automation_schedules.c.name == "news")
            .values(next_run_at=at("20T10:00"))
        )
        assert fires.record_due(connection, clock.now()) == 0
        row = dict(connection.execute(sa.select(t.fires)).mappings().one())
    with (
        pytest.raises(sa.exc.IntegrityError, match="UNIQUE"),
        workspace.control.write() as connection,
    ):
        connection.execute(sa.insert(t.fires).values({**row, "fire_id": "another"}))


def test_only_one_root_gets_a_fire_and_its_re_execution_gets_it_again(
    workspace: Workspace, clock: FrozenClock
) -> None:
    set_up(workspace)
    clock.at = at("20T10:00")
    (fire,) = tick(workspace)
    (mine,) = claim(workspace, fire, "run-1")
    assert (mine.state, mine.root_run_id) == ("claimed", "run-1")
    assert claim(workspace, fire, "run-2") == []
    assert claim(workspace, fire, "run-3", root="run-1") == [mine]
    with workspace.control.read() as connection:
        assert fires.claimed_by(connection, "run-1") == [mine]
        assert fires.claimed_by(connection, "run-2") == []
    finish(workspace, fire, "done")
    assert claim(workspace, fire, "run-4", root="run-1") == []


def test_what_was_never_dispatched_cannot_be_claimed(
    workspace: Workspace, clock: FrozenClock
) -> None:
    set_up(workspace)
    clock.at = at("20T10:00")
    with workspace.control.write() as connection:
        fires.record_due(connection, clock.now())
        (fire,) = every_fire(connection)[:1]
    assert claim(workspace, fire, "run-1") == []


def test_what_stays_unclaimed_for_two_minutes_is_dispatched_again_until_it_is_given_up(
    workspace: Workspace, clock: FrozenClock
) -> None:
    set_up(workspace)
    clock.at = at("20T10:00")
    (fire,) = tick(workspace)
    for attempt in (2, 3):
        clock.advance(timedelta(seconds=119))
        assert tick(workspace) == []
        clock.advance(timedelta(seconds=1))
        (again,) = tick(workspace)
        assert (again.fire_id, again.attempt) == (fire.fire_id, attempt)
    clock.advance(timedelta(seconds=120))
    assert tick(workspace) == []
    assert ledger(workspace) == [(at("20T10:00"), "failed")]
    schedule = news(workspace)
    assert schedule.consecutive_failures == 1
    assert schedule.last_error_message == "no run ended it in 3 attempts"


def test_a_run_that_comes_late_gets_the_fire_and_the_one_that_replaced_it_does_not(
    workspace: Workspace, clock: FrozenClock
) -> None:
    set_up(workspace)
    clock.at = at("20T10:00")
    (fire,) = tick(workspace)
    clock.advance(timedelta(seconds=121))
    assert len(tick(workspace)) == 1
    assert len(claim(workspace, fire, "slow")) == 1
    assert claim(workspace, fire, "quick") == []


def test_a_fire_whose_run_died_is_dispatched_again_and_one_whose_run_lives_is_not(
    workspace: Workspace, clock: FrozenClock
) -> None:
    set_up(workspace)
    clock.at = at("20T10:00")
    (fire,) = tick(workspace)
    claim(workspace, fire, "run-1")
    clock.advance(timedelta(minutes=30))
    assert tick(workspace) == []
    end(workspace, "run-1")
    (again,) = tick(workspace)
    assert (again.fire_id, again.attempt, again.root_run_id) == (fire.fire_id, 2, None)
    assert len(claim(workspace, again, "run-2")) == 1


def test_a_fire_has_one_outcome(workspace: Workspace, clock: FrozenClock) -> None:
    set_up(workspace)
    clock.at = at("20T10:00")
    (fire,) = tick(workspace)
    claim(workspace, fire, "run-1")
    finish(workspace, fire, "done")
    finish(workspace, fire, "failed")
    assert ledger(workspace) == [(at("20T10:00"), "done")]
    assert news(workspace).consecutive_failures == 0
    assert news(workspace).last_run_at == clock.now()


def test_a_missed_fire_is_recorded_with_its_reason(
    workspace: Workspace, clock: FrozenClock
) -> None:
    set_up(workspace)
    clock.at = at("20T12:30")
    (fire,) = tick(workspace)
    assert fire.due_at == at("20T12:00")
    with workspace.control.read() as connection:
        told = [(f.state, f.error) for f in every_fire(connection)]
    assert told[:2] == [("missed", "the scheduler was away")] * 2


def test_with_skip_what_comes_due_while_the_one_before_runs_is_skipped(
    workspace: Workspace, clock: FrozenClock
) -> None:
    set_up(workspace, "overlap: skip")
    clock.at = at("20T10:00")
    (fire,) = tick(workspace)
    claim(workspace, fire, "run-1")
    clock.at = at("20T11:00")
    assert tick(workspace) == []
    finish(workspace, fire, "done")
    clock.at = at("20T12:00")
    assert len(tick(workspace)) == 1
    assert [state for _, state in ledger(workspace)] == ["done", "skipped", "dispatched"]


def test_with_queue_what_comes_due_while_the_one_before_runs_waits_for_it(
    workspace: Workspace, clock: FrozenClock
) -> None:
    set_up(workspace, "overlap: queue")
    clock.at = at("20T10:00")
    (fire,) = tick(workspace)
    claim(workspace, fire, "run-1")
    clock.at = at("20T11:00")
    assert tick(workspace) == []
    clock.at = at("20T12:00")
    finish(workspace, fire, "done")
    assert [f.due_at for f in tick(workspace)] == [at("20T11:00")]


@pytest.mark.parametrize("overlap", ["skip", "queue"])
def test_with_catch_up_all_the_missed_ones_happen_one_after_another(
    workspace: Workspace, clock: FrozenClock, overlap: str
) -> None:
    set_up(workspace, f"overlap: {overlap}, catch_up: all, catch_up_limit: 2")
    clock.at = at("20T12:30")
    done = []
    for n in range(3):
        for fire in tick(workspace):
            claim(workspace, fire, f"run-{n}")
            finish(workspace, fire, "done")
            done.append(fire.due_at)
    assert done == [at("20T11:00"), at("20T12:00")]
    assert [state for _, state in ledger(workspace)] == ["missed", "done", "done"]


def test_a_held_tenant_gets_nothing_until_it_is_released(
    workspace: Workspace, clock: FrozenClock
) -> None:
    set_up(workspace)
    audit = workspace.audit("cli:me", "x")
    with workspace.control.write() as connection:
        tenants.hold(connection, audit, "acme", "a mock row")
    clock.at = at("20T10:00")
    assert tick(workspace) == []
    assert ledger(workspace) == []
    with workspace.control.write() as connection:
        tenants.release(connection, audit, "acme")
    assert len(tick(workspace)) == 1


def test_a_manual_trigger_leaves_the_plan_as_it_is(workspace: Workspace) -> None:
    schedule = set_up(workspace)
    with workspace.control.write() as connection:
        made = fires.write_by_hand(
            connection,
            workspace.audit("cli:me", "schedule trigger"),
            tenant_id="acme",
            day=date(2026, 11, 20),
            schedule=schedule,
            queued=True,
        )
    assert news(workspace) == schedule
    (fire,) = tick(workspace)
    assert (fire.fire_id, fire.kind, fire.attempt) == (made.fire_id, "monitor", 1)
    assert fire.clients == ("harbor",)
    claim(workspace, fire, "run-1")
    finish(workspace, fire, "done")
    assert news(workspace).next_run_at == schedule.next_run_at


def test_two_triggers_at_the_same_moment_are_two_fires(workspace: Workspace) -> None:
    schedule = set_up(workspace)
    audit = workspace.audit("cli:me", "schedule trigger")
    for _ in range(2):
        with workspace.control.write() as connection:
            fires.write_by_hand(
                connection,
                audit,
                tenant_id="acme",
                day=date(2026, 11, 20),
                schedule=schedule,
                queued=True,
            )
    assert len(ledger(workspace)) == 2


def test_a_fire_by_hand_leaves_scheduled_windows_alone_and_is_audited(workspace: Workspace) -> None:
    set_up(workspace)
    with workspace.control.write() as connection:
        digest = schedules.find_schedule(connection, "acme", "digest:ana")
        audit = workspace.audit("cli:me", "run --deliver")
        day = date(2026, 11, 19)
        plain = fires.write_by_hand(connection, audit, tenant_id="acme", day=day)
        mine = fires.write_by_hand(connection, audit, tenant_id="acme", day=day, schedule=digest)
        logged = connection.execute(
            sa.select(t.audit_log).where(t.audit_log.c.action == "fire")
        ).all()
    assert (plain.kind, plain.state, plain.attempt, plain.schedule_id) == (
        "adhoc",
        "dispatched",
        1,
        None,
    )
    assert (mine.kind, mine.user_id) == ("adhoc", digest.user_id)
    assert [(row.entity_id, row.changes["day"]) for row in logged] == [
        (plain.fire_id, "2026-11-19"),
        (mine.fire_id, "2026-11-19"),
    ]
    assert len(claim(workspace, plain, "run-1")) == 1


def test_the_fires_of_a_deleted_schedule_stay(workspace: Workspace, clock: FrozenClock) -> None:
    schedule = set_up(workspace)
    clock.at = at("20T10:00")
    tick(workspace)
    with workspace.control.write() as connection:
        schedules.delete_schedules(connection, workspace.audit("cli:me", "old"), [schedule])
        assert [(f.schedule_id, f.due_at) for f in every_fire(connection)] == [
            (None, at("20T10:00"))
        ]
