"""Nine steps with a made-up memory: from an empty tenant to upkeep that was asked for and upkeep that was due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from clientlore.control.apply import apply_tenant_file
from clientlore.control.tenant_file import parse_tenant_file
from clientlore.ids import new_id
from clientlore.memory.automation import (
    AutomationController,
    AutomationPolicy,
    PolicyType,
    TaskManager,
)
from clientlore.memory.service import MemoryService
from clientlore.memory.statements import Statement
from clientlore.workspace import Workspace

TENANT = "memory-demo"
_TENANT_FILE = f"tenant: {TENANT}\nname: Memory demo\nmode: mock\n"
_VISITS = ("the plant", "the new dock", "the head office", "the test kitchen", "the warehouse")


@dataclass(frozen=True)
class Step:
    """One step and what it showed."""

    what: str
    found: Mapping[str, Any]


def play(workspace: Workspace) -> list[Step]:
    """Plays the nine steps; each time with an owner of its own, so that it may be played again."""
    now, owner = workspace.clock.now(), f"visitor-{new_id()[:8]}"
    audit = workspace.audit("demo", "the demo of memory")
    wanted = parse_tenant_file(_TENANT_FILE)
    apply_tenant_file(workspace.control, audit, wanted, workspace.settings.home)
    service = MemoryService(workspace, TENANT)
    controller = AutomationController(service)
    manager = TaskManager(controller)
    steps = [
        Step("initialise: a tenant, its memory, its controller", {"tenant": TENANT, "owner": owner})
    ]

    policy = controller.create_policy(
        AutomationPolicy(
            user_id=owner,
            policy_type=PolicyType.THRESHOLD,
            auto_summarization=True,
            summarization_threshold=10,
            auto_consolidation=True,
            consolidation_threshold=100,
            auto_resolve_conflicts=True,
            importance_decay=True,
            health_monitoring=True,
        )
    )
    steps.append(
        Step("a policy: summarise above 10", {"type": policy.policy_type.value, "above": 10})
    )

    start = now - timedelta(days=100)
    told = [
        Statement(owner, f"Visited {_VISITS[n % 5]} in week {n}, and met team {n}", f"{owner}:{n}",
                  start + timedelta(days=n % 20),                   kind="activity", actor="demo", sources=("demo",))
        for n in range(12)
    ]  # fmt: skip
    told += [
        Statement(owner, "The preferred drink of Ann is tea", f"{owner}:a", start, actor="demo", sources=("demo",)),
        Statement(owner, "Ann's preferred drink is coffee", f"{owner}:b", now, actor="demo", sources=("demo",)),
        Statement(owner, "The preferred drink of Ann is coffee", f"{owner}:c", now, actor="demo", sources=("demo",)),
    ]  # fmt: skip
    outcomes = [t.outcome for t in service.remember(told)]
    steps.append(
        Step(
            "add memories: one says it again, one changes a fact",
            {name: outcomes.count(name) for name in sorted(set(outcomes))},
        )
    )
    steps.append(
        Step(
            "what is due",
            {
                "summarization": controller.should_run_summarization(owner),
                "consolidation": controller.should_run_consolidation(owner),
                "compression": controller.should_run_compression(owner),
            },
        )
    )
    every = controller.run_all_optimizations(owner)
    steps.append(
        Step(
            "run all of it",
            {
                name: result.get("operations", result.get("reason"))
                for name, result in every.items()
            },
        )
    )
    task = manager.submit_task(owner, "health_check")
    steps.append(
        Step(
            "a task",
            {"status": task.status.value, "health": task.result.get("health_score")},
        )
    )
    stats = controller.get_user_statistics(owner)
    steps.append(Step("statistics", {"memories": stats["total_memories"], **stats["by_kind"]}))
    changed = controller.update_policy(owner, summarization_threshold=50, auto_compression=True)
    steps.append(Step("the policy changed", {"summarise above": changed.summarization_threshold}))
    history = manager.get_user_tasks(owner)
    steps.append(
        Step(
            "history",
            {"tasks": len(history), "operations": service.log(owner).height},
        )
    )
    return steps
