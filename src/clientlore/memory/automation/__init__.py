"""When memory is kept in order: policies that people set, the tasks that come of them, and calls over both.

    from clientlore.memory.automation import AutomationController, AutomationPolicy, PolicyType

Here: whether something is due, once, and what becomes of it. Not here: the doing (`memory.maintenance`), Dagster.
"""

from clientlore.memory.automation.controller import AutomationController
from clientlore.memory.automation.manager import TaskManager
from clientlore.memory.automation.policies import (
    AutomationPolicy,
    AutomationSchedule,
    PolicyType,
)
from clientlore.memory.automation.tasks import BackgroundTask, TaskPriority, TaskStatus

__all__ = [
    "AutomationController",
    "AutomationPolicy",
    "AutomationSchedule",
    "BackgroundTask",
    "PolicyType",
    "TaskManager",
    "TaskPriority",
    "TaskStatus",
]
