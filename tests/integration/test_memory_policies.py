"""Policies fire when count or time says, once, and say why not; code written for HippocampAI's calls runs."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clientlore.clock import FrozenClock
from clientlore.errors import ConfigurationError, NotFoundError
from clientlore.memory.automation import (
    AutomationController,
    AutomationPolicy,
    AutomationSchedule,
    PolicyType,
    TaskManager,
    TaskPriority,
    TaskStatus,
    tasks,
)
from clientlore.memory.automation.controller import execute, fire_due
from clientlore.memory.automation.policies import Mark, decide, parse_policy
from clientlore.memory.log import Operation
from clientlore.memory.maintenance.running import FEATURES
from clientlore.memory.service import MemoryService
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

T0 = datetime(2026, 11, 20, 9, tzinfo=UTC)
OLD = T0 - timedelta(days=90)


@pytest.fixture
def service(workspace: Workspace) -> MemoryService:
    put_tenant(workspace, "tenant: t1\nname: T\nmode: mock\n")
    return MemoryService(workspace, "t1")


def load(service: MemoryService, first: int, last: int, owner: str = "ann") -> None:
    """Memories by number, the last not included; nothing about one is like another."""
    service.append(
        [
            Operation(
                "t1", owner, f"{owner}-{n}", "add", "event", f"word{n} thing{n * 7} place{n * 13}",
                OLD, "load", "loaded", f"{owner}:{n}", valid_from=OLD,
            )
            for n in range(first, last)
        ]
    )  # fmt: skip


def policy(**values: Any) -> AutomationPolicy:
    return AutomationPolicy(user_id="ann", **values)


def fired(workspace: Workspace) -> list[str]:
    return [task.task_type for task in fire_due(workspace)]


def test_500_do_not_fire_a_threshold_of_more_than_500_and_501_do_once(
    service: MemoryService,
) -> None:
    workspace = service.workspace
    AutomationController(service).create_policy(policy(auto_summarization=True))
    load(service, 0, 500)
    assert fired(workspace) == []
    load(service, 500, 501)
    assert fired(workspace) == ["summarization"]
    assert fired(workspace) == []
    load(service, 501, 510)
    assert fired(workspace) == []


def test_it_fires_once_over_restarts_and_two_daemons(
    service: MemoryService, clock: FrozenClock
) -> None:
    AutomationController(service).create_policy(
        policy(auto_summarization=True, summarization_threshold=3)
    )
    load(service, 0, 4)
    home = service.workspace.settings.home
    found: list[str] = []

    def look() -> None:
        with open_workspace(home, clock) as own:
            for _ in range(3):
                found.extend(fired(own))

    daemons = [threading.Thread(target=look) for _ in range(4)]
    for daemon in daemons:
        daemon.start()
    for daemon in daemons:
        daemon.join()
    with open_workspace(home, clock) as restarted:
        found.extend(fired(restarted))
    assert found == ["summarization"]


def test_it_fires_again_when_the_count_has_been_below_and_a_day_later_when_it_has_not(
    service: MemoryService, clock: FrozenClock
) -> None:
    AutomationController(service).create_policy(
        policy(auto_summarization=True, summarization_threshold=3)
    )
    load(service, 0, 4)
    (task,) = fire_due(service.workspace)
    assert execute(service.workspace, task).status is TaskStatus.COMPLETED
    load(service, 100, 103)
    assert service.state().height > 3
    # It sank below with the summary if one was made; else it stays above and waits for a day.
    first = fired(service.workspace)
    clock.advance(timedelta(hours=25))
    assert first + fired(service.workspace)
    assert fired(service.workspace) == []


@pytest.mark.parametrize("count", [0, 499, 500, 501, 10_000])
def test_a_threshold_is_strict(count: int) -> None:
    due = decide(
        policy(auto_summarization=True), "summarization", Mark(), count=count, head=1, now=T0
    )
    assert due.due == (count > 500)


def test_what_is_switched_off_or_manual_never_fires_and_says_so() -> None:
    off = decide(policy(), "summarization", Mark(), count=9999, head=1, now=T0)
    assert (off.due, off.reason) == (False, "summarization is switched off")
    hand = policy(policy_type=PolicyType.MANUAL, auto_summarization=True)
    assert "manual" in decide(hand, "summarization", Mark(), count=9999, head=1, now=T0).reason
    paused = policy(enabled=False, auto_summarization=True)
    assert not decide(paused, "summarization", Mark(), count=9999, head=1, now=T0).due


def test_a_cron_schedule_fires_at_its_time_once_and_once_for_what_was_missed() -> None:
    daily = AutomationSchedule(cron_expression="0 12 * * *")
    wanted = policy(
        policy_type=PolicyType.SCHEDULE, auto_consolidation=True, consolidation_schedule=daily
    )
    mark, times = Mark(), []
    for hours in [*range(30), 100, 101]:
        found = decide(
            wanted, "consolidation", mark, count=1, head=1, now=T0 + timedelta(hours=hours)
        )
        mark = found.mark
        times += [hours] if found.due else []
    assert times == [3, 27, 100]


def test_an_interval_fires_every_so_many_hours_at_once_where_asked() -> None:
    often = AutomationSchedule(interval_hours=6, run_immediately=True)
    wanted = policy(policy_type=PolicyType.SCHEDULE, importance_decay=True, decay_schedule=often)
    mark, times = Mark(), []
    for hours in range(14):
        found = decide(wanted, "decay", mark, count=1, head=1, now=T0 + timedelta(hours=hours))
        mark = found.mark
        times += [hours] if found.due else []
    assert times == [0, 6, 12]


def test_continuous_fires_for_what_was_told_and_not_within_its_pause_nor_for_its_own_work() -> None:
    wanted = policy(
        policy_type=PolicyType.CONTINUOUS, auto_resolve_conflicts=True, debounce_seconds=60
    )
    first = decide(wanted, "conflicts", Mark(), count=1, head=5, now=T0)
    assert first.due
    assert not decide(
        wanted, "conflicts", first.mark, count=1, head=5, now=T0 + timedelta(hours=1)
    ).due
    assert not decide(
        wanted, "conflicts", first.mark, count=1, head=6, now=T0 + timedelta(seconds=59)
    ).due
    assert decide(
        wanted, "conflicts", first.mark, count=1, head=6, now=T0 + timedelta(seconds=60)
    ).due


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"conflict_strategy": "coin"}, "conflict_strategy: .*no strategy 'coin'"),
        ({"summarization_threshold": -1}, "summarization_threshold"),
        ({"decay_schedule": {"cron_expression": "often"}}, "no cron expression"),
        ({"decay_schedule": {"cron_expression": "* * * * *", "interval_hours": 1}}, "not both"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_by_its_field(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse_policy({"user_id": "ann", **values})


def test_code_written_for_the_other_calls_runs(service: MemoryService) -> None:
    load(service, 0, 12)
    controller = AutomationController(memory_service=service, llm=None, embedder=None)
    made = controller.create_policy(
        AutomationPolicy(
            user_id="ann", policy_type=PolicyType.THRESHOLD, auto_summarization=True, summarization_threshold=10,
            auto_consolidation=True, consolidation_threshold=50, health_monitoring=True, importance_decay=True,
        )
    )  # fmt: skip
    assert controller.get_policy("ann") == made
    assert controller.should_run_summarization("ann") is True
    assert controller.should_run_consolidation("ann") is False
    assert controller.run_consolidation("ann") == {
        "status": "skipped", "reason": "12 memories are not more than 50",
    }  # fmt: skip
    assert controller.run_consolidation("ann", force=True)["status"] == "success"
    assert controller.run_compression("ann", force=True) == {
        "status": "skipped", "reason": "compression is switched off",
    }  # fmt: skip
    health = controller.run_health_check("ann")
    assert health["alert_needed"] == (health["health_score"] < 60)
    every = controller.run_all_optimizations("ann")
    assert set(every) == set(FEATURES)
    assert every["summarization"]["summaries"] == 1
    told = controller.get_user_statistics("ann")
    assert (told["total_memories"], told["by_kind"]) == (1, {"summary": 1})
    assert controller.run_decay("bob") == {"status": "skipped", "reason": "there is no policy"}
    assert controller.update_policy("ann", summarization_threshold=99).summarization_threshold == 99
    assert controller.delete_policy("ann") is True
    assert controller.delete_policy("ann") is False
    assert controller.get_policy("ann") is None


def test_tasks_are_done_inline_or_wait_and_are_told_by_owner(service: MemoryService) -> None:
    load(service, 0, 6)
    controller = AutomationController(service)
    controller.create_policy(policy(health_monitoring=True))
    inline = TaskManager(controller)
    done = inline.submit_task("ann", "health_check")
    assert (done.status, done.result["status"]) == (TaskStatus.COMPLETED, "success")
    behind = TaskManager(controller, backend="celery")
    waits = behind.submit_task("ann", "health", TaskPriority.HIGH)
    assert waits.status is TaskStatus.PENDING
    assert {task.task_id for task in behind.get_user_tasks("ann")} == {done.task_id, waits.task_id}
    assert behind.get_user_tasks("ann", TaskStatus.PENDING) == [waits]
    assert behind.cancel_task(waits.task_id) is True
    assert behind.cancel_task(waits.task_id) is False
    assert behind.get_task(waits.task_id).status is TaskStatus.CANCELLED
    with pytest.raises(NotFoundError, match="no task"):
        behind.get_task("x")
    with pytest.raises(ConfigurationError, match="no backend 'cron'"):
        TaskManager(controller, backend="cron")


def test_a_failing_task_is_tried_again_later_each_time_until_its_retries_are_used_up(
    service: MemoryService, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is full")

    load(service, 0, 2)
    controller = AutomationController(service)
    controller.create_policy(policy(health_monitoring=True))
    monkeypatch.setattr("clientlore.memory.automation.controller.maintain", broken)
    task = TaskManager(controller).submit_task("ann", "health", max_retries=2)
    waited = []
    while task.status is TaskStatus.PENDING:
        start = clock.now()
        while True:
            with service.workspace.control.write() as connection:
                due = tasks.dispatch(connection, clock.now())
            if due:
                break
            clock.advance(timedelta(seconds=10))
        waited.append((clock.now() - start).total_seconds())
        task = TaskManager(controller).execute_task(due[0])
    assert (task.status, task.attempts, waited) == (TaskStatus.FAILED, 3, [30, 60])
    assert task.error == "RuntimeError: the disk is full"


def test_a_task_is_dispatched_once_and_again_when_nobody_claimed_it(
    service: MemoryService, clock: FrozenClock
) -> None:
    controller = AutomationController(service)
    for priority in (TaskPriority.LOW, TaskPriority.CRITICAL, TaskPriority.NORMAL):
        TaskManager(controller, "dagster").submit_task("ann", "health", priority)

    def dispatched() -> list[str]:
        with service.workspace.control.write() as connection:
            return [task.priority.value for task in tasks.dispatch(connection, clock.now())]

    assert dispatched() == ["critical", "normal", "low"]
    assert dispatched() == []
    clock.advance(timedelta(seconds=121))
    assert len(dispatched()) == 3


def test_scheduled_tasks_of_an_owner_are_done(service: MemoryService) -> None:
    load(service, 0, 6)
    controller = AutomationController(service)
    controller.create_policy(policy(health_monitoring=True))
    manager = TaskManager(controller)
    manager.run_scheduled_tasks(["ann"])
    manager.run_scheduled_tasks(["ann"])
    assert [task.status for task in manager.get_user_tasks("ann")] == [TaskStatus.COMPLETED]
