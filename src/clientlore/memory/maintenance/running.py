"""Doing the tasks of maintenance for a tenant or one owner of it: look, plan, append, say what changed.

The order of a day is that of `FEATURES`: what contradicts is ended and what says the same folded before what is old is
summarised and shortened; health is looked at last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import polars as pl

from clientlore.errors import ConfigurationError
from clientlore.memory.facts import parse
from clientlore.memory.fold import remembered
from clientlore.memory.maintenance.compress import compress
from clientlore.memory.maintenance.conflicts import MOST_READ, resolve
from clientlore.memory.maintenance.consolidate import clusters, consolidate
from clientlore.memory.maintenance.decay import decay
from clientlore.memory.maintenance.health import health
from clientlore.memory.maintenance.plan import Plan, told
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


class _Looked:
    """What several tasks work out from one and the same state, once."""

    def __init__(self) -> None:
        self._living = self.state = pl.DataFrame()
        self.read = lru_cache(maxsize=2 * MOST_READ)(parse)
        self._clusters: dict[float, pl.DataFrame] = {}

    def at(self, living: pl.DataFrame) -> _Looked:
        """Itself, for what lives; what was worked out from another state is dropped, but for what single texts say."""
        if living is not self._living and not living.equals(self._living):
            self.state, self._clusters = told(remembered(living)), {}
        self._living = living
        return self

    def clusters(self, similarity: float) -> pl.DataFrame:
        """As `consolidate.clusters` gives them."""
        if similarity not in self._clusters:
            self._clusters[similarity] = clusters(self.state, similarity)
        return self._clusters[similarity]


_LOOKED: WeakKeyDictionary[MemoryService, _Looked] = WeakKeyDictionary()
_TASKS: Mapping[str, Callable[[_Looked, datetime, Limits], Plan]] = {
    "conflicts": lambda s, at, by: resolve(s.state, at, by.conflict_strategy, s.read),
    "consolidation": lambda s, at, by: consolidate(
        s.state, at, found=s.clusters(by.consolidation_similarity)
    ),
    "summarization": lambda s, at, by: summarise(s.state, at, by.summarization_age_days),
    "compression": lambda s, at, by: compress(s.state, at, by.compression_target_reduction),
    "decay": lambda s, at, by: decay(s.state, at, by.decay_half_life_days),
    "health": lambda s, at, by: health(
        s.state, at, found=s.clusters(by.consolidation_similarity), read=s.read
    ),
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
    known(feature)
    looked = _LOOKED.setdefault(service, _Looked()).at(service.state(owner=owner))
    return _TASKS[feature](looked, at, limits or Limits())


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


def known(feature: str) -> str:
    """The name of a task itself.

    Raises:
        ConfigurationError: There is none.
    """
    if feature not in _TASKS:
        raise ConfigurationError(
            f"There is no task '{feature}' of maintenance", f"Choose {', '.join(FEATURES)}."
        )
    return feature
