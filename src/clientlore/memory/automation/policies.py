"""Policies of automation: what a person wants done with an owner's memory, and whether it is due. Deciding is pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import sqlalchemy as sa
from cronsim import CronSim, CronSimError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.audit import Audit, put
from clientlore.control.engine import upsert
from clientlore.errors import ConfigurationError
from clientlore.memory.maintenance.conflicts import STRATEGIES
from clientlore.memory.maintenance.running import FEATURES, Limits

EVERYBODY = "*"
"""Whose policy it is when it is about the whole memory of a tenant."""
USUAL_HOURS = 24.0
"""How often that is done which has no threshold, where no schedule says otherwise."""
AGAIN_AFTER = timedelta(hours=24)
"""How long after it fired a threshold that is still exceeded fires again."""


class PolicyType(StrEnum):
    """What makes a policy fire: a count, the time, any change, or only a person."""

    THRESHOLD = "threshold"
    SCHEDULE = "schedule"
    CONTINUOUS = "continuous"
    MANUAL = "manual"


class AutomationSchedule(BaseModel):
    """When something is done: by a cron expression in UTC, or every so many hours."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = True
    cron_expression: str | None = None
    interval_hours: Annotated[float | None, Field(gt=0, le=24 * 366)] = None
    run_immediately: bool = False

    @field_validator("cron_expression")
    @classmethod
    def _is_cron(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                next(CronSim(value, datetime(2024, 1, 1, tzinfo=UTC)))
            except (CronSimError, StopIteration) as error:
                msg = f"'{value}' is no cron expression that ever comes due ({error})"
                raise ValueError(msg) from error
        return value

    @model_validator(mode="after")
    def _one_of_both(self) -> AutomationSchedule:
        if self.cron_expression is not None and self.interval_hours is not None:
            msg = "a schedule has a cron expression or an interval, not both"
            raise ValueError(msg)
        return self

    def after(self, instant: datetime) -> datetime:
        """The first due time after an instant."""
        if self.cron_expression is not None:
            return next(CronSim(self.cron_expression, instant.astimezone(UTC)))
        return instant + timedelta(hours=self.interval_hours or USUAL_HOURS)


class AutomationPolicy(BaseModel):
    """What is done with an owner's memory without being asked. Everything is off until it is switched on."""

    model_config = ConfigDict(extra="forbid")

    user_id: Annotated[str, Field(min_length=1, max_length=64)]
    policy_type: PolicyType = PolicyType.THRESHOLD
    enabled: bool = True

    auto_summarization: bool = False
    summarization_threshold: Annotated[int, Field(ge=0)] = 500
    summarization_age_days: Annotated[float, Field(ge=0)] = 30
    summarization_schedule: AutomationSchedule | None = None

    auto_consolidation: bool = False
    consolidation_threshold: Annotated[int, Field(ge=0)] = 300
    consolidation_similarity: Annotated[float, Field(gt=0, le=1)] = 0.85
    consolidation_schedule: AutomationSchedule | None = None

    auto_compression: bool = False
    compression_threshold: Annotated[int, Field(ge=0)] = 1000
    compression_target_reduction: Annotated[float, Field(gt=0, lt=1)] = 0.30
    compression_schedule: AutomationSchedule | None = None

    importance_decay: bool = False
    decay_half_life_days: Annotated[float, Field(gt=0)] = 90
    decay_schedule: AutomationSchedule | None = None

    health_monitoring: bool = False
    health_alert_threshold: Annotated[float, Field(ge=0, le=100)] = 60
    health_schedule: AutomationSchedule | None = None

    auto_resolve_conflicts: bool = False
    conflict_strategy: str = "temporal"
    conflicts_schedule: AutomationSchedule | None = None

    debounce_seconds: Annotated[float, Field(ge=0)] = 300

    @field_validator("conflict_strategy")
    @classmethod
    def _known_strategy(cls, value: str) -> str:
        if value not in STRATEGIES:
            msg = f"there is no strategy '{value}'; choose {', '.join(STRATEGIES)}"
            raise ValueError(msg)
        return value

    def switched_on(self, feature: str) -> bool:
        """Whether a feature may be done at all."""
        return self.enabled and bool(getattr(self, _TOGGLES[feature]))

    def threshold(self, feature: str) -> int | None:
        """More memories than this make a feature due; None for what has no threshold."""
        found = getattr(self, f"{feature}_threshold", None)
        return int(found) if found is not None else None

    def schedule(self, feature: str) -> AutomationSchedule | None:
        """When a feature is due."""
        found = getattr(self, f"{feature}_schedule")
        assert found is None or isinstance(found, AutomationSchedule)
        return found

    def limits(self) -> Limits:
        """By what the tasks go."""
        return Limits(
            summarization_age_days=self.summarization_age_days,
            consolidation_similarity=self.consolidation_similarity,
            compression_target_reduction=self.compression_target_reduction,
            decay_half_life_days=self.decay_half_life_days,
            conflict_strategy=self.conflict_strategy,
        )


_TOGGLES: Mapping[str, str] = {
    "conflicts": "auto_resolve_conflicts",
    "consolidation": "auto_consolidation",
    "summarization": "auto_summarization",
    "compression": "auto_compression",
    "decay": "importance_decay",
    "health": "health_monitoring",
}


@dataclass(frozen=True)
class Mark:
    """What a feature of a policy has seen and done so far.

    Attributes:
        is_above: Whether the count was above the threshold at the last look.
        fires: How often it fired.
        head: The newest operation when it looked at a count last, or when it fired for a change.
        next_due_at: When its schedule is due.
    """

    is_above: bool = False
    fires: int = 0
    head: int = 0
    fired_at: datetime | None = None
    next_due_at: datetime | None = None


@dataclass(frozen=True)
class Decision:
    """Whether a feature is due, why or why not, and what is to be remembered of having looked."""

    due: bool
    reason: str
    mark: Mark


def decide(
    policy: AutomationPolicy, feature: str, mark: Mark, *, count: int, head: int, now: datetime
) -> Decision:
    """Whether a feature of a policy is due; pure, so that looking twice says the same.

    Args:
        policy: What is wanted.
        feature: One of `running.FEATURES`.
        mark: What it has seen and done so far.
        count: The living memories of the owner.
        head: The newest operation, for a policy of changes that of a source or a person; 0 where there is none.
        now: The instant.
    """
    if not policy.switched_on(feature):
        return Decision(False, f"{feature} is switched off", mark)
    if policy.policy_type is PolicyType.MANUAL:
        return Decision(False, "the policy is manual: only a person starts it", mark)
    if policy.policy_type is PolicyType.CONTINUOUS:
        return _continuous(policy, mark, head, now)
    threshold = policy.threshold(feature)
    if policy.policy_type is PolicyType.THRESHOLD and threshold is not None:
        return _by_count(mark, count, threshold, head, now)
    return _by_time(
        policy.schedule(feature) or AutomationSchedule(run_immediately=True), mark, head, now
    )


def _by_count(mark: Mark, count: int, threshold: int, head: int, now: datetime) -> Decision:
    above = count > threshold
    seen = replace(mark, is_above=above, head=head)
    if not above:
        return Decision(False, f"{count} memories are not more than {threshold}", seen)
    if mark.is_above and not waits_no_longer(mark, now):
        return Decision(
            False, f"{count} memories are more than {threshold}; it fired for that", seen
        )
    return Decision(True, f"{count} memories are more than {threshold}", _fired(seen, head, now))


def waits_no_longer(mark: Mark, now: datetime) -> bool:
    """Whether a threshold that is still exceeded may fire again."""
    return mark.fired_at is not None and now - mark.fired_at >= AGAIN_AFTER


def _by_time(schedule: AutomationSchedule, mark: Mark, head: int, now: datetime) -> Decision:
    if not schedule.enabled:
        return Decision(False, "its schedule is switched off", mark)
    due_at = mark.next_due_at
    if due_at is None:
        due_at = now if schedule.run_immediately else schedule.after(now)
    seen = replace(mark, next_due_at=due_at)
    if due_at > now:
        return Decision(False, f"it is due at {due_at:%Y-%m-%d %H:%M} UTC", seen)
    following = schedule.after(due_at)
    # What was missed while nothing ran is done once, not once for each time.
    following = following if following > now else schedule.after(now)
    fired = replace(_fired(seen, head, now), next_due_at=following)
    return Decision(True, f"it was due at {due_at:%Y-%m-%d %H:%M} UTC", fired)


def _continuous(policy: AutomationPolicy, mark: Mark, head: int, now: datetime) -> Decision:
    if head <= mark.head:
        return Decision(False, "nothing was told since it was done", mark)
    quiet = timedelta(seconds=policy.debounce_seconds)
    if mark.fired_at is not None and now - mark.fired_at < quiet:
        return Decision(False, f"it was done less than {policy.debounce_seconds:g} s ago", mark)
    return Decision(True, "something was told since it was done", _fired(mark, head, now))


def _fired(mark: Mark, head: int, now: datetime) -> Mark:
    return replace(mark, fires=mark.fires + 1, head=head, fired_at=now)


def parse_policy(values: Mapping[str, Any]) -> AutomationPolicy:
    """A policy from what somebody wrote.

    Raises:
        ConfigurationError: A value cannot be; the message names the field.
    """
    try:
        return AutomationPolicy.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "policy"
        raise ConfigurationError(
            f"The policy cannot be: {place}: {first['msg']}", "Correct it; nothing was changed."
        ) from error


def put_policy(
    connection: Connection, audit: Audit, tenant_id: str, policy: AutomationPolicy
) -> None:
    """Keeps a policy, in the place of the owner's earlier one."""
    row = {
        "tenant_id": tenant_id,
        "owner_id": policy.user_id,
        "policy_type": policy.policy_type.value,
        "policy": policy.model_dump(mode="json"),
    }
    put(connection, audit, t.automation_policies, row)


def find_policy(connection: Connection, tenant_id: str, owner: str) -> AutomationPolicy | None:
    """The policy of an owner, if it has one of its own."""
    found = connection.execute(
        sa.select(t.automation_policies.c.policy).where(
            t.automation_policies.c.tenant_id == tenant_id,
            t.automation_policies.c.owner_id == owner,
        )
    ).scalar()
    return None if found is None else AutomationPolicy.model_validate(found)


def all_policies(
    connection: Connection, tenant_ids: Sequence[str] | None = None
) -> list[tuple[str, AutomationPolicy]]:
    """Policies with their tenants, in order."""
    query = sa.select(t.automation_policies).order_by(
        t.automation_policies.c.tenant_id, t.automation_policies.c.owner_id
    )
    if tenant_ids is not None:
        query = query.where(t.automation_policies.c.tenant_id.in_(tenant_ids))
    rows = connection.execute(query).mappings()
    return [(row["tenant_id"], AutomationPolicy.model_validate(row["policy"])) for row in rows]


def delete_policy(connection: Connection, audit: Audit, tenant_id: str, owner: str) -> bool:
    """Deletes a policy and what it has seen; False where there was none."""
    gone = 0
    for table in (t.policy_marks, t.automation_policies):
        where = (table.c.tenant_id == tenant_id, table.c.owner_id == owner)
        gone = connection.execute(sa.delete(table).where(*where)).rowcount
    if gone:
        audit.log(connection, "delete", "automation_policies", owner, tenant_id=tenant_id)
    return bool(gone)


def marks_of(connection: Connection, tenant_id: str, owner: str) -> dict[str, Mark]:
    """What the features of a policy have seen and done, by feature."""
    rows = connection.execute(
        sa.select(t.policy_marks).where(
            t.policy_marks.c.tenant_id == tenant_id, t.policy_marks.c.owner_id == owner
        )
    ).mappings()
    return {
        row["feature"]: Mark(
            row["is_above"], row["fires"], row["head"], row["fired_at"], row["next_due_at"]
        )
        for row in rows
    }


def put_mark(
    connection: Connection,
    tenant_id: str,
    owner: str,
    feature: str,
    decision: Decision,
    now: datetime,
) -> None:
    """Remembers a look and its answer."""
    mark = decision.mark
    row = {
        "tenant_id": tenant_id,
        "owner_id": owner,
        "feature": feature,
        "is_above": mark.is_above,
        "fires": mark.fires,
        "head": mark.head,
        "looked_at": now,
        "fired_at": mark.fired_at,
        "next_due_at": mark.next_due_at,
        "answer": decision.reason,
    }
    upsert(connection, t.policy_marks, [row])


def known_feature(name: str) -> str:
    """The name itself.

    Raises:
        ConfigurationError: There is no such feature.
    """
    if name not in FEATURES:
        raise ConfigurationError(f"There is no task '{name}'", f"Choose {', '.join(FEATURES)}.")
    return name
