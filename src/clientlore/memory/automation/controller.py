"""One place for policies and what they do: the calls that people know from HippocampAI, over one tenant's memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.memory import log
from clientlore.memory.automation import policies, tasks
from clientlore.memory.automation.policies import EVERYBODY, AutomationPolicy, Decision, Mark
from clientlore.memory.fold import MAINTENANCE, remembered
from clientlore.memory.maintenance.plan import told
from clientlore.memory.maintenance.running import FEATURES, maintain
from clientlore.memory.service import MemoryService
from clientlore.workspace import Workspace

SKIPPED = "skipped"


class AutomationController:
    """Policies of a tenant, and the maintenance that they ask for.

    A `user_id` is an owner of memories; `*` is the whole memory of the tenant. Results are dictionaries with `status`:
    `success`, or `skipped` and a `reason`.

    Args:
        memory_service: The memory of the tenant.
        llm: Not needed: what is done here follows from rules.
        embedder: Not needed.
        storage_backend: Not needed: policies lie in the control plane.
        is_locked: Whether the caller holds the tenant's lock already.
    """

    def __init__(
        self,
        memory_service: MemoryService,
        llm: object | None = None,
        embedder: object | None = None,
        storage_backend: object | None = None,
        *,
        is_locked: bool = False,
    ) -> None:
        self.memory_service = memory_service
        self.workspace = memory_service.workspace
        self.tenant_id = memory_service.tenant_id
        self._unused = (llm, embedder, storage_backend)
        self._is_locked = is_locked

    def create_policy(self, policy: AutomationPolicy) -> AutomationPolicy:
        """Keeps a policy, in the place of the owner's earlier one."""
        audit = self.workspace.audit("library", "a policy of automation is set")
        with self.workspace.control.write() as connection:
            policies.put_policy(connection, audit, self.tenant_id, policy)
        return policy

    def get_policy(self, user_id: str) -> AutomationPolicy | None:
        """The policy of an owner."""
        with self.workspace.control.read() as connection:
            return policies.find_policy(connection, self.tenant_id, user_id)

    def update_policy(self, user_id: str, **changes: Any) -> AutomationPolicy:
        """Changes fields of a policy; makes one where there is none.

        Raises:
            ConfigurationError: A value cannot be.
        """
        before = self.get_policy(user_id) or AutomationPolicy(user_id=user_id)
        return self.create_policy(
            policies.parse_policy({**before.model_dump(mode="json"), **changes})
        )

    def delete_policy(self, user_id: str) -> bool:
        """Deletes a policy; False where there was none."""
        audit = self.workspace.audit("library", "a policy of automation is deleted")
        with self.workspace.control.write() as connection:
            return policies.delete_policy(connection, audit, self.tenant_id, user_id)

    def should_run_summarization(self, user_id: str) -> bool:
        """Whether there is more to keep than the policy wants, or the time has come."""
        return self.should_run("summarization", user_id).due

    def should_run_consolidation(self, user_id: str) -> bool:
        """As for summarization."""
        return self.should_run("consolidation", user_id).due

    def should_run_compression(self, user_id: str) -> bool:
        """As for summarization."""
        return self.should_run("compression", user_id).due

    def should_run(self, feature: str, user_id: str) -> Decision:
        """Whether a feature's condition holds now, and why or why not; remembers nothing.

        Unlike the sensor, which fires once when a count is exceeded, it says so for as long as it is.
        """
        policies.known_feature(feature)
        policy = self.get_policy(user_id)
        if policy is None:
            return Decision(False, "there is no policy", Mark())
        with self.workspace.control.read() as connection:
            mark = policies.marks_of(connection, self.tenant_id, user_id).get(feature, Mark())
            head = head_of(connection, self.tenant_id, user_id)
        count = self._count(user_id)
        now = self.workspace.clock.now()
        fresh = Mark(False, mark.fires, mark.head, mark.fired_at, mark.next_due_at)
        return policies.decide(policy, feature, fresh, count=count, head=head, now=now)

    def run_summarization(self, user_id: str, force: bool = False) -> dict[str, Any]:
        """Tells old happenings in few sentences, if the policy wants it; `force` passes by its condition."""
        return self.run("summarization", user_id, force=force)

    def run_consolidation(self, user_id: str, force: bool = False) -> dict[str, Any]:
        """Folds what says the same."""
        return self.run("consolidation", user_id, force=force)

    def run_compression(self, user_id: str, force: bool = False) -> dict[str, Any]:
        """Shortens what counts little any more."""
        return self.run("compression", user_id, force=force)

    def run_conflict_resolution(self, user_id: str, force: bool = False) -> dict[str, Any]:
        """Ends what does not hold any more."""
        return self.run("conflicts", user_id, force=force)

    def run_decay(self, user_id: str, force: bool = False) -> dict[str, Any]:
        """Says how much weaker memory is; it has no condition of its own."""
        return self.run("decay", user_id, force=force)

    def run_health_check(self, user_id: str, force: bool = False) -> dict[str, Any]:
        """Says how well memory is; it has no condition of its own."""
        return self.run("health", user_id, force=force)

    def run_all_optimizations(self, user_id: str, force: bool = False) -> dict[str, Any]:
        """Does every task in its order; each has its own result."""
        return {feature: self.run(feature, user_id, force=force) for feature in FEATURES}

    def run(self, feature: str, user_id: str, *, force: bool = False) -> dict[str, Any]:
        """Does a feature now, in this process.

        Args:
            feature: One of `running.FEATURES`.
            user_id: The owner.
            force: Pass by thresholds and times; what is switched off stays off.
        """
        policies.known_feature(feature)
        policy = self.get_policy(user_id)
        if policy is None:
            return {"status": SKIPPED, "reason": "there is no policy"}
        if not policy.switched_on(feature):
            return {"status": SKIPPED, "reason": f"{feature} is switched off"}
        conditional = policy.threshold(feature) is not None
        if conditional and not force:
            decision = self.should_run(feature, user_id)
            if not decision.due:
                return {"status": SKIPPED, "reason": decision.reason}
        owner = None if user_id == EVERYBODY else user_id
        with self._lock(feature):
            if not self._count(user_id):
                return {"status": SKIPPED, "reason": "no memories"}
            done = maintain(
                self.memory_service, feature, self.workspace.clock.now(), policy.limits(), owner
            )
        return {"status": "success", **_shown(feature, policy, done.told())}

    def get_user_statistics(self, user_id: str) -> dict[str, Any]:
        """Counts of an owner's memory, and which features are on."""
        state = told(self.memory_service.state(owner=None if user_id == EVERYBODY else user_id))
        policy = self.get_policy(user_id)
        kinds = state.group_by("kind").len().sort("kind").iter_rows()
        mean = state["importance"].mean()
        return {
            "user_id": user_id,
            "total_memories": state.height,
            "by_kind": dict(kinds),
            "average_importance": round(float(mean), 4) if isinstance(mean, float) else None,
            "oldest": state["recorded_at"].min(),
            "newest": state["seen_at"].max(),
            "policy_type": policy.policy_type.value if policy else None,
            "features": {f: policy.switched_on(f) if policy else False for f in FEATURES},
        }

    def _lock(self, feature: str) -> AbstractContextManager[None]:
        if self._is_locked:
            return nullcontext()
        return self.workspace.locks.hold(self.tenant_id, f"memory {feature}")

    def _count(self, user_id: str) -> int:
        owner = None if user_id == EVERYBODY else user_id
        return remembered(self.memory_service.state(owner=owner)).height


def fire_due(
    workspace: Workspace, tenant_ids: Sequence[str] | None = None
) -> list[tasks.BackgroundTask]:
    """Looks at every policy and writes a task for each feature that is due, once, however many look.

    What is decided on and what is remembered of it are one transaction, and the task's key says which firing it is.

    Returns:
        The tasks that are new.
    """
    with workspace.control.read() as connection:
        found = policies.all_policies(connection, tenant_ids)
    made: list[str] = []
    for tenant_id, policy in found:
        made += _fire(workspace, tenant_id, policy)
    with workspace.control.read() as connection:
        return [tasks.find(connection, task_id) for task_id in made]


def _fire(workspace: Workspace, tenant_id: str, policy: AutomationPolicy) -> list[str]:
    """The tasks that one policy asks for now."""
    owner, now, made = policy.user_id, workspace.clock.now(), []
    with workspace.control.read() as connection:
        marks = policies.marks_of(connection, tenant_id, owner)
        newest = log.head(connection, tenant_id)
        told_ = head_of(connection, tenant_id, owner)
    counted = [f for f in FEATURES if _counts(policy, f)]
    # A count cannot have changed where nothing was appended: then the log is not read.
    changed = [f for f in counted if _may_have_changed(marks.get(f), newest, now)]
    service = MemoryService(workspace, tenant_id)
    count = 0
    if changed:
        count = remembered(service.state(owner=None if owner == EVERYBODY else owner)).height
    with workspace.control.write() as connection:
        current = policies.marks_of(connection, tenant_id, owner)
        for feature in FEATURES:
            if marks.get(feature) != current.get(feature):
                continue  # somebody else has just looked
            if feature in counted and feature not in changed:
                continue
            mark = current.get(feature, Mark())
            decision = policies.decide(
                policy,
                feature,
                mark,
                count=count,
                head=newest if feature in counted else told_,
                now=now,
            )
            if decision.mark != mark or feature not in current:
                policies.put_mark(connection, tenant_id, owner, feature, decision, now)
            if decision.due:
                task_id = tasks.submit(
                    connection,
                    tenant_id=tenant_id,
                    owner=owner,
                    task_type=feature,
                    now=now,
                    trigger=policy.policy_type.value,
                    fire_key=f"{owner}:{feature}:{decision.mark.fires}",
                    force=True,
                )
                made += [task_id] if task_id else []
    return made


def _may_have_changed(mark: Mark | None, newest: int, now: datetime) -> bool:
    if mark is None or mark.head != newest:
        return True
    return mark.is_above and policies.waits_no_longer(mark, now)


def execute(
    workspace: Workspace,
    task: tasks.BackgroundTask,
    run_id: str | None = None,
    *,
    is_locked: bool = False,
) -> tasks.BackgroundTask:
    """Claims a task and does it; what fails is tried again later. Does nothing where somebody else has it.

    Args:
        workspace: The stores.
        task: Which.
        run_id: The run that does it.
        is_locked: Whether the caller holds the tenant's lock already.
    """
    now = workspace.clock.now
    with workspace.control.write() as connection:
        if not tasks.claim(connection, task.task_id, run_id, now()):
            return tasks.find(connection, task.task_id)
    service = MemoryService(workspace, task.tenant_id)
    controller = AutomationController(service, is_locked=is_locked)
    try:
        if task.task_type == "all":
            result = controller.run_all_optimizations(task.user_id, force=task.force)
        else:
            result = controller.run(task.task_type, task.user_id, force=task.force)
    except Exception as error:
        with workspace.control.write() as connection:
            tasks.fail(connection, task.task_id, f"{type(error).__name__}: {error}"[:500], now())
        raise
    with workspace.control.write() as connection:
        tasks.complete(connection, task.task_id, result, now())
        return tasks.find(connection, task.task_id)


def head_of(connection: Connection, tenant_id: str, owner: str) -> int:
    """The newest operation on an owner's memory that a source or a person gave rise to; 0 where there is none."""
    query = sa.select(t.memory_log.c.seq).where(
        t.memory_log.c.tenant_id == tenant_id, ~t.memory_log.c.actor.startswith(MAINTENANCE)
    )
    if owner != EVERYBODY:
        query = query.where(t.memory_log.c.owner_id == owner)
    # From the newest backwards: what was told last stands near the end of a long log.
    newest = query.order_by(t.memory_log.c.seq.desc()).limit(1)
    return int(connection.execute(newest).scalar() or 0)


def _counts(policy: AutomationPolicy, feature: str) -> bool:
    by_count = policy.policy_type is policies.PolicyType.THRESHOLD
    return by_count and policy.threshold(feature) is not None and policy.switched_on(feature)


def _shown(feature: str, policy: AutomationPolicy, result: Mapping[str, Any]) -> dict[str, Any]:
    shown = dict(result)
    if feature == "health":
        score = shown.pop("score")
        shown |= {
            "health_score": score,
            "health_status": shown.pop("status"),
            "alert_needed": score is not None and score < policy.health_alert_threshold,
        }
    return shown
