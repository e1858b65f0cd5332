"""One writer for each tenant at a time; the others are told who it is and wait as long as they may."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from clientlore.errors import BusyError
from clientlore.storage.locks import FileLocks


def test_a_second_writer_of_the_same_tenant_is_told_who_holds_it(tmp_path: Path) -> None:
    locks, told = FileLocks(tmp_path / "locks", 0.1), []
    with (
        locks.hold("acme", "run-1"),
        pytest.raises(BusyError) as caught,
        locks.hold("acme", "run-2", told.append),
    ):
        pytest.fail("two writers at once")
    holder = f"run-1 (process {os.getpid()})"
    assert told == [f"waiting for tenant 'acme', which {holder} is writing"]
    assert str(caught.value) == (
        f"Tenant 'acme' is being written by {holder}, and still was after 0.1 s. "
        "Wait for that run to end, or raise CLIENTLORE_LOCK_TIMEOUT."
    )


def test_who_has_little_patience_gives_up_sooner_than_it_must(tmp_path: Path) -> None:
    locks = FileLocks(tmp_path / "locks", 60)
    with (
        locks.hold("acme", "run-1"),
        pytest.raises(BusyError, match=r"still was after 0\.01 s"),
        locks.hold("acme", "a search", patience=0.01),
    ):
        pytest.fail("two writers at once")


def test_different_tenants_proceed_side_by_side(tmp_path: Path) -> None:
    locks, told = FileLocks(tmp_path, 0), []
    with locks.hold("acme", "run-1", told.append), locks.hold("beta", "run-2", told.append):
        assert told == []


def test_the_lock_is_given_back_when_the_work_is_done_and_when_it_fails(tmp_path: Path) -> None:
    locks, told = FileLocks(tmp_path, 0), []
    with locks.hold("acme", "run-1"):
        pass
    with pytest.raises(ValueError, match="a defect"), locks.hold("acme", "run-2"):
        raise ValueError("a defect")
    with locks.hold("acme", "run-3", told.append):
        assert told == []


def test_a_waiting_writer_goes_on_as_soon_as_the_first_is_done(tmp_path: Path) -> None:
    locks, waiting, order = FileLocks(tmp_path, 10), threading.Event(), []

    def second() -> None:
        with locks.hold("acme", "run-2", lambda _told: waiting.set()):
            order.append("second")

    thread = threading.Thread(target=second)
    with locks.hold("acme", "run-1"):
        thread.start()
        assert waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_of_many_writers_one_writes_at_a_time(tmp_path: Path) -> None:
    locks, inside, most, done = FileLocks(tmp_path, 20), [], [0], []

    def work(name: str) -> None:
        with locks.hold("acme", name):
            inside.append(name)
            most[0] = max(most[0], len(inside))
            time.sleep(0.002)
            inside.remove(name)
            done.append(name)

    threads = [threading.Thread(target=work, args=(f"run-{n}",)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (most, len(done)) == ([1], 5)


def test_a_note_that_cannot_be_read_or_written_costs_nobody_the_lock(tmp_path: Path) -> None:
    (tmp_path / "acme.holder.json").mkdir()
    locks, told = FileLocks(tmp_path, 0), []
    with (
        locks.hold("acme", "run-1"),
        pytest.raises(BusyError, match="by another run"),
        locks.hold("acme", "run-2", told.append),
    ):
        pytest.fail("two writers at once")
    assert told == ["waiting for tenant 'acme', which another run is writing"]
