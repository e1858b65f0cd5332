"""Doing the tasks of maintenance for a tenant or one owner of it: look, plan, append, say what changed.

The order of a day is that of `FEATURES`: what contradicts is ended and what says the same folded before what is old is
summarised and shortened; health is looked at last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from clientlore.errors import ConfigurationError
from clientlore.memory import log
from clientlore.memory.fold import alive, fold, remembered
from clientlore.memory.maintenance.compress import compress
from clientlore.memory.maintenance.conflicts import resolve
from clientlore.memory.maintenance.consolidate import consolidate
from clientlore.memory.maintenance.decay import decay
from clientlore.memory.maintenance.health import health
from clientlore.memory.maintenance.plan import Plan
from clientlore.memory.maintenance.summarise import summarise
from clientlore.memory.service import MemoryService


@dataclass(frozen=True)
class Limits:
    """By what the tasks go; a policy sets them.

    Attributes:
        summarization_age_days: Only what was told last before that is summarised.
        consolidation_similarity: The least similarity of stems that is folded, 0 to 1.
        compression_target_reduction: By which share texts get shorter, 0 to 1.
        decay_half_life_days: For every kind, instead of each kind's own; None for those.
        conflict_strategy: One of `conflicts.STRATEGIES`.
    """

    summarization_age_days: float = 30
    consolidation_similarity: float = 0.85
    compression_target_reduction: float = 0.30
    decay_half_life_days: float | None = None
    conflict_strategy: str = "temporal"


_TASKS: Mapping[str, Callable[[pl.DataFrame, datetime, Limits], Plan]] = {
    "conflicts": lambda s, at, by: resolve(s, at, by.conflict_strategy),
    "consolidation": lambda s, at, by: consolidate(s, at, by.consolidation_similarity),
    "summarization": lambda s, at, by: summarise(s, at, by.summarization_age_days),
    "compression": lambda s, at, by: compress(s, at, by.compression_target_reduction),
    "decay": lambda s, at, by: decay(s, at, by.decay_half_life_days),
    "health": lambda s, at, by: health(s, at, by.consolidation_similarity),
}
FEATURES = tuple(_TASKS)


@dataclass(frozen=True)
class Maintained:
    """What a task did."""

    plan: Plan
    appended: int
    seconds: float

    def told(self) -> dict[str, Any]:
        """Counts and findings, without contents."""
        return {
            "feature": self.plan.feature,
            "before": dict(self.plan.before),
            "after": dict(self.plan.after),
            "operations": self.appended,
            "seconds": round(self.seconds, 3),
            **self.plan.result,
        }


def preview(
    service: MemoryService,
    feature: str,
    at: datetime,
    limits: Limits | None = None,
    owner: str | None = None,
) -> Plan:
    """What a task would do now; does nothing.

    Raises:
        ConfigurationError: There is no such task.
    """
    return task(feature)(remembered(service.state(owner=owner)), at, limits or Limits())


def maintain(
    service: MemoryService,
    feature: str,
    at: datetime,
    limits: Limits | None = None,
    owner: str | None = None,
) -> Maintained:
    """Does a task; doing it again does nothing more.

    Args:
        service: The memory of the tenant.
        feature: One of `FEATURES`.
        at: The instant as of which it is done.
        limits: By what it goes.
        owner: Only memories about this owner.

    Raises:
        ConfigurationError: There is no such task.
    """
    started = time.perf_counter()
    plan = preview(service, feature, at, limits, owner)
    appended = service.append(plan.operations)
    return Maintained(plan, appended, time.perf_counter() - started)


def maintain_day(
    service: MemoryService,
    at: datetime,
    limits: Limits | None = None,
    *,
    features: Sequence[str] = FEATURES,
    owner: str | None = None,
) -> tuple[list[Maintained], pl.DataFrame]:
    """Does several tasks, each on what the one before left, reading the log once.

    Returns:
        What each did, and the living memories after all of them. The caller holds the tenant's lock.
    """
    operations = service.log(owner)
    state = alive(fold(operations))
    done = []
    for feature in features:
        started = time.perf_counter()
        plan = task(feature)(remembered(state), at, limits or Limits())
        appended = service.append(plan.operations)
        if plan.operations:
            operations = log.appended(operations, plan.operations)
            state = alive(fold(operations))
        done.append(Maintained(plan, appended, time.perf_counter() - started))
    return done, state


def task(feature: str) -> Callable[[pl.DataFrame, datetime, Limits], Plan]:
    """The task of a name.

    Raises:
        ConfigurationError: There is none.
    """
    if feature not in _TASKS:
        raise ConfigurationError(
            f"There is no task '{feature}' of maintenance", f"Choose {', '.join(FEATURES)}."
        )
    return _TASKS[feature]
