"""The control plane keeps its promises alike on SQLite and on PostgreSQL, also when many ask at once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.clock import FrozenClock
from clientlore.control import alerts, fires, migrate, quarantine, runs, schedules, snapshots
from clientlore.control import tables as t
from clientlore.control.apply import Change, apply_tenant_file
from clientlore.control.audit import Audit
from clientlore.control.engine import ControlPlane, insert_ignore, upsert
from clientlore.control.model import Fire
from clientlore.control.quarantine import Reject
from clientlore.control.rows import load_all
from clientlore.control.runs import Process
from clientlore.control.tenant_file import parse_tenant_file
from clientlore.control.tenants import get_tenant

DAY = date(2026, 11, 20)
FILE = """
tenant: acme
name: Acme Watch
alert_email: ops@acme.example
users:
  - {id: ana, name: Ana, email: ana@acme.example, zone: Europe/London, categories: [risk]}
  - {id: bo, name: Bo, email: bo@acme.example, digest: {frequency: weekly}}
clients:
  - {name: Harbor Foods, owners: [ana], feeds: [https://f.example/x], contacts: [{name: Lena}]}
schedules:
  - {name: news, type: hourly, at: "00:00", overlap: queue, catch_up: all, catch_up_limit: 40}
"""


@pytest.fixture
def control(empty_control: ControlPlane) -> ControlPlane:
    """A control plane with its tables, on each kind of database in turn."""
    migrate.upgrade(empty_control)
    return empty_control


@pytest.fixture
def audit(clock: FrozenClock) -> Audit:
    return Audit("cli:me", "a test", clock)


def apply(
    control: ControlPlane, audit: Audit, text: str = FILE, *, dry_run: bool = False
) -> list[Change]:
    wanted = parse_tenant_file(text)
    return apply_tenant_file(control, audit, wanted, Path("/etc"), dry_run=dry_run)


def everything(control: ControlPlane) -> dict[str, list[tuple[object, ...]]]:
    with control.read() as connection:
        return {
            table.name: sorted((tuple(r) for r in connection.execute(sa.select(table))), key=str)
            for table in t.metadata.sorted_tables
        }


def together(work: Callable[[int], object], times: int) -> list[object]:
    """Results of the work, done by so many threads that start at the same moment."""
    start = threading.Barrier(times)

    def one(number: int) -> object:
        start.wait(10)
        return work(number)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def test_applying_twice_changes_nothing_and_a_dry_run_tells_what_would_change(
    control: ControlPlane, audit: Audit, clock: FrozenClock
) -> None:
    told = apply(control, audit, dry_run=True)
    assert all(not rows for rows in everything(control).values())
    assert apply(control, audit) == told
    before = everything(control)
    clock.advance(timedelta(hours=30))
    assert apply(control, audit) == []
    assert everything(control) == before
    swapped = FILE.replace("ana@", "x@").replace("bo@", "ana@").replace("x@", "bo@")
    assert apply(control, audit, swapped, dry_run=True) == apply(control, audit, swapped)
    assert apply(control, audit, swapped) == []


def test_a_failure_in_the_middle_of_applying_leaves_nothing(
    control: ControlPlane, audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise OSError("the process died here")

    monkeypatch.setattr(schedules, "put_schedule", fail)
    with pytest.raises(OSError, match="died here"):
        apply(control, audit)
    assert all(not rows for rows in everything(control).values())


def test_every_change_has_its_row_in_the_audit_log(control: ControlPlane, audit: Audit) -> None:
    changes = apply(control, audit)
    changes += apply(control, audit, FILE.replace("Harbor Foods", "Quarry").replace("Bo", "Bob"))
    with control.read() as connection:
        logged = connection.execute(sa.select(t.audit_log).order_by(t.audit_log.c.seq)).all()
    assert [(r.action, r.entity, r.entity_id, r.changes) for r in logged] == [
        (c.action, c.entity, c.entity_id, c.fields) for c in changes
    ]
    assert {(r.actor, r.reason, r.at) for r in logged} == {("cli:me", "a test", audit.now())}
    assert "@" not in str([r.changes for r in logged])


INSTANTS = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(476, 9, 4, 12, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 10, 25, 1, 30, tzinfo=ZoneInfo("Europe/London")),
    datetime(2026, 10, 25, 1, 30, fold=1, tzinfo=ZoneInfo("Europe/London")),
    datetime(2026, 11, 20, 9, 0, 0, 1, tzinfo=timezone(timedelta(hours=-9, minutes=-30))),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]


def test_an_instant_comes_back_in_utc_to_the_microsecond_and_in_order(
    control: ControlPlane,
) -> None:
    with control.write() as connection:
        for number, instant in enumerate(reversed(INSTANTS)):
            runs.beat_component(connection, f"c{number}", instant)
    with control.read() as connection:
        found = list(connection.execute(sa.select(t.beats.c.at).order_by(t.beats.c.at)).scalars())
        late = sa.select(sa.func.count()).where(t.beats.c.at > INSTANTS[2])
        assert connection.execute(late).scalar_one() == 4
    assert found == [instant.astimezone(UTC) for instant in INSTANTS]
    assert {instant.utcoffset() for instant in found} == {timedelta(0)}


def test_a_time_without_a_zone_is_refused(control: ControlPlane) -> None:
    naive = datetime(2026, 11, 20)  # noqa: DTZ001 - what is refused
    with (
        pytest.raises(sa.exc.StatementError, match="has no zone and names no instant"),
        control.write() as connection,
    ):
        runs.beat_component(connection, "c", naive)


def beats(numbers: range, detail: str | None) -> list[dict[str, object]]:
    return [{"component": f"c{n}", "at": INSTANTS[2], "detail": detail} for n in numbers]


def test_rows_are_inserted_once_and_overwritten_by_key_in_any_number(control: ControlPlane) -> None:
    details = sa.select(t.beats.c.detail, sa.func.count()).group_by(t.beats.c.detail)
    with control.write() as connection:
        assert insert_ignore(connection, t.beats, []) == 0
        assert insert_ignore(connection, t.beats, beats(range(100), "old")) == 100
        assert insert_ignore(connection, t.beats, beats(range(12_000), "new")) == 11_900
        upsert(connection, t.beats, [])
        upsert(connection, t.beats, beats(range(50, 11_950), "newer"))
        counts = {row[0]: row[1] for row in connection.execute(details)}
    assert counts == {"old": 50, "new": 50, "newer": 11_900}


def test_of_two_rows_with_one_key_the_later_counts(control: ControlPlane) -> None:
    with control.write() as connection:
        upsert(connection, t.beats, [*beats(range(2), "one"), *beats(range(1), "two")])
        found = connection.execute(sa.select(t.beats.c.detail).order_by(t.beats.c.component))
        assert list(found.scalars()) == ["two", "one"]
        assert insert_ignore(connection, t.beats, beats(range(1), "three") * 2) == 0


def test_a_transaction_that_fails_leaves_nothing(control: ControlPlane) -> None:
    def write(error: BaseException | None) -> None:
        with control.write() as connection:
            upsert(connection, t.beats, beats(range(3), None))
            if error is not None:
                raise error
            connection.execute(sa.insert(t.beats), beats(range(1), None))

    for error in (ValueError("a defect"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            write(error)
    with pytest.raises(sa.exc.IntegrityError):
        write(None)
    with control.read() as connection:
        assert runs.component_beats(connection) == []


def due(control: ControlPlane, audit: Audit, clock: FrozenClock, hours: int) -> list[Fire]:
    """Fires of an hourly schedule, dispatched."""
    apply(control, audit)
    clock.advance(timedelta(hours=hours))
    with control.write() as connection:
        fires.record_due(connection, clock.now())
        # Without their schedule the fires do not wait for one another.
        connection.execute(sa.update(t.fires).values(schedule_id=None))
        return fires.dispatch(connection, clock.now())


def test_ticks_at_the_same_time_record_and_dispatch_each_fire_once(
    control: ControlPlane, audit: Audit, clock: FrozenClock
) -> None:
    apply(control, audit)
    clock.at = datetime(2026, 11, 20, 19, 30, tzinfo=UTC)

    def record(_number: int) -> int:
        with control.write() as connection:
            return fires.record_due(connection, clock.now())

    assert sum(int(str(n)) for n in together(record, 4)) == 10
    with control.write() as connection:
        # Without their schedule the fires do not wait for one another.
        connection.execute(sa.update(t.fires).values(schedule_id=None))

    def dispatch(_number: int) -> list[str]:
        with control.write() as connection:
            return [f.fire_id for f in fires.dispatch(connection, clock.now(), limit=4)]

    got = [fire_id for part in (*together(dispatch, 4), dispatch(0)) for fire_id in part]  # type: ignore[attr-defined]
    assert len(got) == len(set(got)) == 10
    with control.read() as connection:
        states = connection.execute(sa.select(t.fires.c.state, t.fires.c.attempt).distinct())
        assert [tuple(row) for row in states] == [("dispatched", 1)]


def test_of_many_threads_each_fire_is_claimed_by_one(
    control: ControlPlane, audit: Audit, clock: FrozenClock
) -> None:
    ids = [fire.fire_id for fire in due(control, audit, clock, 12)]
    assert len(ids) == 12

    def claim(number: int) -> list[str]:
        mine = []
        for fire_id in ids if number % 2 else reversed(ids):
            with control.write() as connection:
                mine += fires.claim(connection, [fire_id], f"run-{number}", clock.now())
        return [fire.fire_id for fire in mine]

    got = [fire_id for part in together(claim, 6) for fire_id in part]  # type: ignore[attr-defined]
    assert sorted(got) == sorted(ids)


CLAIM = """
import json, sys
from datetime import UTC, datetime
from clientlore.control import fires
from clientlore.control.engine import ControlPlane
url, root, *ids = sys.argv[1:]
control = ControlPlane.connect(url)
print("ready", flush=True)
sys.stdin.readline()
got = []
for fire_id in ids:
    with control.write() as connection:
        got += [f.fire_id for f in fires.claim(connection, [fire_id], root, datetime.now(UTC))]
control.close()
print(json.dumps(got))
"""


@pytest.fixture
def claimers(control: ControlPlane) -> Iterator[Callable[[list[str]], list[list[str]]]]:
    """What each of three processes has claimed, that all began at the same moment."""
    started: list[subprocess.Popen[str]] = []

    def run(ids: list[str]) -> list[list[str]]:
        url = control.engine.url.render_as_string(hide_password=False)
        for number in range(3):
            command = [sys.executable, "-c", CLAIM, url, f"run-{number}", *ids]
            started.append(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return [json.loads(process.communicate(timeout=240)[0]) for process in started]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_of_many_processes_each_fire_is_claimed_by_one(
    control: ControlPlane,
    audit: Audit,
    clock: FrozenClock,
    claimers: Callable[[list[str]], list[list[str]]],
) -> None:
    ids = [fire.fire_id for fire in due(control, audit, clock, 20)]
    got = claimers(ids)
    assert sorted(fire_id for part in got for fire_id in part) == sorted(ids)
    with control.read() as connection:
        for number, part in enumerate(got):
            mine = fires.claimed_by(connection, f"run-{number}")
            assert {fire.fire_id for fire in mine} == set(part)


def one_fire(connection: Connection) -> Fire:
    return load_all(connection, Fire, sa.select(t.fires).order_by(t.fires.c.due_at))[-1]


def test_a_fire_goes_its_way_and_five_failures_switch_its_schedule_off(
    control: ControlPlane, audit: Audit, clock: FrozenClock
) -> None:
    apply(control, audit)
    for number in range(5):
        clock.advance(timedelta(hours=1))
        with control.write() as connection:
            fires.record_due(connection, clock.now())
            (fire,) = fires.dispatch(connection, clock.now())
        clock.advance(timedelta(seconds=120))
        with control.write() as connection:
            assert fires.release_stale(connection, audit) == 1
            assert fires.dispatch(connection, clock.now()) == [
                Fire(**{**fire.__dict__, "attempt": 2})
            ]
            assert len(fires.claim(connection, [fire.fire_id], f"run-{number}", clock.now())) == 1
            fires.finish(connection, audit, [fire.fire_id], "failed", "the feed was gone")
            assert one_fire(connection).state == "failed"
            found = schedules.find_schedule(connection, "acme", "news")
            assert (found.consecutive_failures, found.is_active) == (number + 1, number < 4)
    with control.read() as connection:
        assert len(alerts.unsent_alerts(connection, "acme")) == 1
        assert found.off_because == "failures"


def test_snapshots_quarantine_and_runs_behave_alike(
    control: ControlPlane, audit: Audit, clock: FrozenClock
) -> None:
    apply(control, audit)
    with control.write() as connection:
        tenant = get_tenant(connection, "acme")
        taken = snapshots.take(connection, audit, tenant, DAY)
        assert snapshots.take(connection, audit, tenant, DAY) == taken
        assert snapshots.take(connection, audit, tenant, DAY, refresh=True) == taken
        assert taken.owners == {"harbor-foods": (taken.readers[0].user_id,)}
        new = [
            quarantine.put_rejects(
                connection,
                tenant_id="acme",
                day=DAY,
                stage="core/events",
                rejects=[Reject("response:r1#0", "no_text", "nothing to read")],
                run_id=None,
                now=clock.now(),
                complete=True,
            )
            for _ in range(2)
        ]
        assert new == [1, 0]
        runs.begin(
            connection,
            run_id="run-1",
            root_run_id="run-1",
            job="x",
            is_backfill=True,
            scope={"tenants": []},
            now=clock.now(),
            process=Process("another-host.example", 1, 1.5),
        )
    clock.advance(timedelta(minutes=1))
    told: list[tuple[str, str]] = []
    assert runs.reap(control, clock, lambda run_id, why: told.append((run_id, why))) == ["run-1"]
    assert told == [("run-1", "its process 1 on another-host.example is gone")]
    with control.read() as connection:
        assert runs.get_run(connection, "run-1")["outcome"] == "dead"
