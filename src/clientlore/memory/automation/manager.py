"""Tasks in the background: the calls that people know from HippocampAI, done by Dagster's runs or in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clientlore.errors import ConfigurationError
from clientlore.memory.automation import policies, tasks
from clientlore.memory.automation.controller import AutomationController, execute, fire_due
from clientlore.memory.automation.tasks import BackgroundTask, TaskPriority, TaskStatus

INLINE, BACKGROUND = "inline", "dagster"
_NAMES = {"inline": INLINE, "dagster": BACKGROUND, "celery": BACKGROUND, "rq": BACKGROUND}


class Cancels(Protocol):
    """Who can stop a run."""

    def cancel(self, run_id: str) -> bool:
        """Stops it; False where it is over."""
        ...


class TaskManager:
    """Hands tasks on and tells how they stand.

    Args:
        controller: Policies and tasks of a tenant.
        backend: `inline` does a task in this process; `dagster` leaves it to the sensor, which starts a run within half
            a minute. `celery` and `rq` mean the latter: Dagster's queue is in their place.
        orchestrator: Stops runs, where there is one: without, only what has not begun can be cancelled.
    """

    def __init__(
        self,
        controller: AutomationController,
        backend: str = INLINE,
        orchestrator: Cancels | None = None,
    ) -> None:
        if backend not in _NAMES:
            raise ConfigurationError(
                f"There is no backend '{backend}' for tasks", f"Choose {', '.join(_NAMES)}."
            )
        self.controller = controller
        self.backend = _NAMES[backend]
        self._orchestrator = orchestrator
        self._workspace = controller.workspace
        self._tenant_id = controller.tenant_id

    def submit_task(
        self,
        user_id: str,
        task_type: str,
        priority: TaskPriority = TaskPriority.NORMAL,
        async_execution: bool = True,
        *,
        force: bool = False,
        max_retries: int = tasks.MAX_RETRIES,
    ) -> BackgroundTask:
        """Asks for a task: one of the features, or `all`.

        Args:
            user_id: The owner of the memories; `*` for the whole tenant.
            task_type: What is to be done; HippocampAI's names `health_check` and the like are understood.
            priority: How soon, where others wait.
            async_execution: Without, it is done here and now, whatever the backend.
            force: Pass by thresholds and times.
            max_retries: How often it is tried again.
        """
        name = _feature(task_type)
        with self._workspace.control.write() as connection:
            task_id = tasks.submit(
                connection,
                tenant_id=self._tenant_id,
                owner=user_id,
                task_type=name,
                now=self._workspace.clock.now(),
                priority=TaskPriority(priority),
                force=force,
                max_retries=max_retries,
            )
            assert task_id is not None
            task = tasks.find(connection, task_id)
        if self.backend == INLINE or not async_execution:
            return self.execute_task(task)
        return task

    def execute_task(self, task: BackgroundTask) -> BackgroundTask:
        """Does a task in this process; one that fails is told as it stands: to be tried again, or failed."""
        try:
            return execute(self._workspace, task)
        except Exception:  # noqa: BLE001 - its error is in the task, and it may be tried again
            return self.get_task(task.task_id)

    def get_task(self, task_id: str) -> BackgroundTask:
        """A task as it stands.

        Raises:
            NotFoundError: This tenant has none of this id.
        """
        with self._workspace.control.read() as connection:
            return tasks.find(connection, task_id, self._tenant_id)

    def get_user_tasks(
        self, user_id: str, status: TaskStatus | None = None, limit: int = 100
    ) -> list[BackgroundTask]:
        """The tasks of an owner, the newest first."""
        with self._workspace.control.read() as connection:
            return tasks.listed(
                connection, self._tenant_id, owner=user_id, status=status, limit=limit
            )

    def cancel_task(self, task_id: str) -> bool:
        """Takes a task back, or stops its run where somebody can; False where it is over."""
        with self._workspace.control.write() as connection:
            if tasks.cancel(connection, self._tenant_id, task_id, self._workspace.clock.now()):
                return True
            task = tasks.find(connection, task_id, self._tenant_id)
        if task.status is not TaskStatus.RUNNING or task.run_id is None:
            return False
        return self._orchestrator is not None and self._orchestrator.cancel(task.run_id)

    def run_scheduled_tasks(self, user_ids: Sequence[str] = ()) -> None:
        """Does what the policies ask for now; in the background, hands it on."""
        made = fire_due(self._workspace, [self._tenant_id])
        if self.backend == INLINE:
            for task in made:
                if not user_ids or task.user_id in user_ids:
                    self.execute_task(task)


def _feature(task_type: str) -> str:
    short = {
        "health_check": "health",
        "conflict_resolution": "conflicts",
        "importance_decay": "decay",
    }
    name = short.get(task_type, task_type)
    return name if name == "all" else policies.known_feature(name)
