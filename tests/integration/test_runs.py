"""Who is alive: a run whose process is gone is dead, one that beats is not, and a run ends once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import psutil
import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import runs
from clientlore.control import tables as t
from clientlore.control.engine import ControlPlane
from clientlore.control.runs import SILENT_SECONDS, Heartbeat, Process
from clientlore.errors import NotFoundError, StoreError
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours that waits for ever."""
    made = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    yield made
    made.kill()
    made.communicate()


def process_of(child: subprocess.Popen[bytes]) -> Process:
    return replace(Process.here(), pid=child.pid, started=psutil.Process(child.pid).create_time())


def begin(workspace: Workspace, run_id: str, process: Process | None = None) -> None:
    with workspace.control.write() as connection:
        runs.begin(
            connection,
            run_id=run_id,
            root_run_id=run_id,
            job="client_monitoring",
            is_backfill=False,
            scope={"tenants": ["acme"]},
            now=workspace.clock.now(),
            process=process,
        )


def dead(workspace: Workspace) -> list[str]:
    with workspace.control.read() as connection:
        return [row["run_id"] for row in runs.find_dead(connection, workspace.clock.now())]


def outcome(workspace: Workspace, run_id: str) -> tuple[object, object]:
    with workspace.control.read() as connection:
        row = runs.get_run(connection, run_id)
    return row["outcome"], row["error"]


def test_this_process_is_alive_however_long_it_has_been_silent(
    workspace: Workspace, clock: FrozenClock
) -> None:
    assert Process.here().is_gone() is False
    begin(workspace, "run-1")
    clock.advance(timedelta(days=1))
    assert dead(workspace) == []


def test_a_run_whose_process_was_killed_is_dead_at_once(
    workspace: Workspace, child: subprocess.Popen[bytes]
) -> None:
    begin(workspace, "run-1", process_of(child))
    begin(workspace, "run-2")
    assert dead(workspace) == []
    os.kill(child.pid, signal.SIGKILL)
    # Not waited for: a zombie is as dead as one that was reaped.
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert dead(workspace) == ["run-1"]
    child.wait()
    assert dead(workspace) == ["run-1"]


def test_a_number_that_another_process_got_since_does_not_keep_a_run_alive(
    workspace: Workspace, child: subprocess.Popen[bytes]
) -> None:
    earlier = process_of(child)
    begin(workspace, "run-1", replace(earlier, started=earlier.started - 3600))
    assert dead(workspace) == ["run-1"]


def test_a_run_on_another_host_is_dead_when_it_has_been_silent_for_too_long(
    workspace: Workspace, clock: FrozenClock
) -> None:
    elsewhere = Process("another-host.example", 1, 0.0)
    assert elsewhere.is_gone() is None
    begin(workspace, "run-1", elsewhere)
    clock.advance(timedelta(seconds=SILENT_SECONDS))
    assert dead(workspace) == []
    with workspace.control.write() as connection:
        runs.beat(connection, "run-1", clock.now())
    clock.advance(timedelta(seconds=SILENT_SECONDS))
    assert dead(workspace) == []
    clock.advance(timedelta(seconds=1))
    assert dead(workspace) == ["run-1"]


def test_a_process_one_may_not_look_at_is_judged_by_its_heartbeat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_self: psutil.Process) -> float:
        raise psutil.AccessDenied

    here = Process.here()
    monkeypatch.setattr(psutil.Process, "create_time", refuse)
    assert here.is_gone() is None


def test_a_run_ends_once(workspace: Workspace) -> None:
    begin(workspace, "run-1")
    now = workspace.clock.now()
    with workspace.control.write() as connection:
        assert runs.end(connection, "run-1", "succeeded", now)
        assert not runs.end(connection, "run-1", "dead", now, "too late")
        assert not runs.end(connection, "run-x", "dead", now)
    assert outcome(workspace, "run-1") == ("succeeded", None)


def test_a_run_that_ended_beats_no_more_and_is_not_found_dead(
    workspace: Workspace, clock: FrozenClock
) -> None:
    begin(workspace, "run-1", Process("another-host.example", 1, 0.0))
    ended = clock.now()
    with workspace.control.write() as connection:
        runs.end(connection, "run-1", "failed", ended, "no space")
    clock.advance(timedelta(hours=1))
    with workspace.control.write() as connection:
        runs.beat(connection, "run-1", clock.now())
        assert runs.get_run(connection, "run-1")["heartbeat_at"] == ended
    assert dead(workspace) == []


def test_a_run_that_starts_again_under_its_id_is_alive_again(workspace: Workspace) -> None:
    begin(workspace, "run-1", Process("another-host.example", 1, 0.0))
    with workspace.control.write() as connection:
        runs.end(connection, "run-1", "dead", workspace.clock.now(), "gone")
    begin(workspace, "run-1")
    assert outcome(workspace, "run-1") == (None, None)


def test_the_reaper_tells_first_and_marks_then_so_that_its_own_death_loses_nothing(
    workspace: Workspace,
) -> None:
    begin(workspace, "run-1", Process(Process.here().host, 2**22 + 1, 0.0))
    begin(workspace, "run-2")
    told: list[tuple[str, str]] = []

    def die(run_id: str, why: str) -> None:
        told.append((run_id, why))
        assert outcome(workspace, run_id) == (None, None)
        if len(told) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs.reap(workspace.control, workspace.clock, die)
    assert runs.reap(workspace.control, workspace.clock, die) == ["run-1"]
    assert runs.reap(workspace.control, workspace.clock, die) == []
    why = f"its process {2**22 + 1} on {Process.here().host} is gone"
    assert told == [("run-1", why)] * 2
    assert outcome(workspace, "run-1") == ("dead", why)
    assert outcome(workspace, "run-2") == (None, None)


def heartbeat_at(workspace: Workspace) -> object:
    with workspace.control.read() as connection:
        return runs.get_run(connection, "run-1")["heartbeat_at"]


@pytest.fixture
def beats(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Heartbeats come every 10 ms; the event is set by the next one that is through."""
    through = threading.Event()
    real = runs.beat

    def beat(*args: object) -> None:
        real(*args)  # type: ignore[arg-type]
        through.set()

    monkeypatch.setattr(runs, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(runs, "beat", beat)
    return through


def test_the_heartbeat_beats_while_a_run_works_and_stops_with_it(
    workspace: Workspace, clock: FrozenClock, beats: threading.Event
) -> None:
    begin(workspace, "run-1")
    clock.advance(timedelta(seconds=30))
    heart = Heartbeat(workspace.control, "run-1", clock)
    assert beats.wait(10)
    heart.close()
    assert heartbeat_at(workspace) == clock.now()
    assert not [x for x in threading.enumerate() if x.name == "heartbeat-run-1"]
    clock.advance(timedelta(seconds=30))
    beats.clear()
    assert not beats.wait(0.05)
    assert heartbeat_at(workspace) != clock.now()


def test_the_heartbeat_survives_a_store_that_is_away_for_a_while(
    workspace: Workspace,
    clock: FrozenClock,
    beats: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin(workspace, "run-1")
    refused = threading.Event()
    real = ControlPlane.write

    def write(self: ControlPlane) -> object:
        if not refused.is_set():
            refused.set()
            raise StoreError("the control plane refused")
        return real(self)

    monkeypatch.setattr(ControlPlane, "write", write)
    heart = Heartbeat(workspace.control, "run-1", clock)
    try:
        assert refused.wait(10)
        assert beats.wait(10)
    finally:
        heart.close()


def test_stages_are_told_in_the_order_in_which_they_ended(workspace: Workspace) -> None:
    put_tenant(workspace, "tenant: acme\nname: Acme\n")
    with workspace.control.write() as connection:
        for run_id, stage in (
            ("run-1", "core/events"),
            ("run-1", "core/relevance"),
            ("run-2", "x"),
        ):
            runs.record_stage(
                connection,
                run_id=run_id,
                stage=stage,
                tenant_id="acme",
                day=date(2026, 11, 20),
                state="done",
                rows=3,
                counts={"folded": 2},
                seconds=0.5,
                error=None,
                now=workspace.clock.now(),
            )
        found = runs.stages_of(connection, ["run-1"])
    assert [(row["stage"], row["rows"], row["counts"]) for row in found] == [
        ("core/events", 3, {"folded": 2}),
        ("core/relevance", 3, {"folded": 2}),
    ]


def test_a_component_says_when_it_last_ticked(workspace: Workspace, clock: FrozenClock) -> None:
    for _ in range(2):
        clock.advance(timedelta(seconds=30))
        with workspace.control.write() as connection:
            runs.beat_component(connection, "sensor:due_schedules", clock.now(), "2 fires")
    with workspace.control.read() as connection:
        (beat,) = runs.component_beats(connection)
    assert (beat["component"], beat["at"], beat["detail"]) == (
        "sensor:due_schedules",
        clock.now(),
        "2 fires",
    )


def test_the_newest_runs_come_first_and_one_that_is_not_known_is_said_so(
    workspace: Workspace, clock: FrozenClock
) -> None:
    for run_id in ("run-1", "run-2", "run-3"):
        begin(workspace, run_id)
        clock.advance(timedelta(seconds=1))
    with workspace.control.read() as connection:
        assert [r["run_id"] for r in runs.recent_runs(connection, 2)] == ["run-3", "run-2"]
        assert connection.execute(sa.select(sa.func.count()).select_from(t.runs)).scalar() == 3
        with pytest.raises(NotFoundError, match="There is no run run-9"):
            runs.get_run(connection, "run-9")
