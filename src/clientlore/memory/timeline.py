"""A fact as a timeline, made from everything that was told of it, and the operations by which memory becomes that.

Each time it is told is an observation with the instant from which it held; neighbours with one value are one memory,
and each memory ends where the next begins. Since the timeline is made from all observations, it is the same in whatever
order they arrive, and a value that comes back is there again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from clientlore.memory import kinds
from clientlore.memory.facts import Fact
from clientlore.memory.log import Operation
from clientlore.memory.statements import Statement, add_of, reinforce_of

_ENDED = "the fact has another value from then on"


@dataclass(frozen=True)
class Observation:
    """A statement of a fact, from the log or new."""

    held_from: datetime
    told_at: datetime
    origin: str
    value: str
    memory_id: str | None
    statement: Statement | None
    row: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, statement: Statement, fact: Fact) -> Observation:
        """That of a new statement."""
        assert statement.held_from is not None
        stated = replace(statement, fact=fact)
        return cls(
            statement.held_from, statement.told_at, statement.origin, fact.value, None, stated
        )

    @property
    def order(self) -> tuple[datetime, datetime, str]:
        """Its place in the timeline."""
        return (self.held_from, self.told_at, self.origin)


@dataclass
class Made:
    """What has been decided so far."""

    outcomes: dict[str, str]
    memory_ids: dict[str, str]
    operations: list[Operation]
    counts: dict[str, int]

    def add(self, operation: Operation) -> None:
        """Takes an operation, as the next one on its memory."""
        generation = self.counts.get(operation.memory_id, 0)
        self.operations.append(replace(operation, generation=generation))
        self.counts[operation.memory_id] = generation + 1

    def told(self, origin: str, memory_id: str, outcome: str) -> None:
        """Notes what became of a statement."""
        self.outcomes[origin] = outcome
        self.memory_ids[origin] = memory_id


def told_held_from(row: Mapping[str, Any], told: Mapping[str, Any]) -> datetime:
    """Since when it has been so, as the source of an operation said."""
    said = told.get("held_from")
    if said is not None:
        return datetime.fromisoformat(said)
    held: datetime = row["valid_from"] or row["recorded_at"]
    return held


def tell_fact(
    tenant_id: str,
    lookup: str,
    observations: Sequence[Observation],
    living: Mapping[str, Mapping[str, Any]],
    made: Made,
    mending: tuple[datetime, str] | None,
) -> None:
    """A fact: its timeline from all observations, and the operations by which memory becomes that."""
    taken: set[str] = set()
    runs = _runs(observations)
    owns: list[str] = []
    for position, run in enumerate(runs):
        after = runs[position + 1] if position + 1 < len(runs) else []
        until = after[0].held_from if after else None
        own = next((s.memory_id for s in run if s.memory_id and s.memory_id not in taken), None)
        begun = None
        if own is None:
            own, begun = _begin(tenant_id, lookup, run, after, made)
            made.told(begun, own, "changed" if len(runs) > 1 else "added")
        else:
            cause = mending or _cause(run, after)
            _bound(tenant_id, living[own], run[0].held_from, until, cause, made)
        taken.add(own)
        owns.append(own)
        for seen in run:
            if seen.statement is not None and seen.origin != begun:
                made.add(reinforce_of(tenant_id, seen.statement, lookup, own))
                made.told(seen.origin, own, "reinforced")
    for own, run in zip(owns, runs, strict=True):
        for spare in sorted({s.memory_id for s in run if s.memory_id} - taken):
            at, actor = mending or _cause(run, [])
            made.add(_spare(tenant_id, living[spare], own, at, actor))
            taken.add(spare)


def _cause(run: Sequence[Observation], after: Sequence[Observation]) -> tuple[datetime, str]:
    """When and through whom an interval became another one: what follows it, else what is new in it."""
    for part in (after, run):
        fresh = [s.statement for s in part if s.statement is not None]
        if fresh:
            first = min(fresh, key=lambda s: s.told_at)
            return first.told_at, first.actor
    last = max([*run, *after], key=lambda s: s.told_at)
    return last.told_at, last.row["actor"] if last.row else "library"


def _runs(observations: Iterable[Observation]) -> list[list[Observation]]:
    """Neighbours in time with one value, in the order of time."""
    runs: list[list[Observation]] = []
    for seen in sorted(observations, key=lambda s: s.order):
        if runs and runs[-1][0].value == seen.value:
            runs[-1].append(seen)
        else:
            runs.append([seen])
    return runs


def _begin(
    tenant_id: str,
    lookup: str,
    run: Sequence[Observation],
    after: Sequence[Observation],
    made: Made,
) -> tuple[str, str]:
    """Adds a memory for a run that has none; returns its id and the origin that it was made from."""
    first = run[0]
    stated = next((s.statement for s in run if s.statement is not None), None)
    stated = first.statement or stated or _restated(first)
    operation = add_of(tenant_id, stated, lookup, first.held_from, None)
    made.add(operation)
    if after:
        # What ends it may have been known later than it itself.
        at, actor = _cause([], after)
        made.add(
            Operation(
                tenant_id=tenant_id,
                owner_id=operation.owner_id,
                memory_id=operation.memory_id,
                op="supersede",
                kind=None,
                text=None,
                recorded_at=max(at, operation.recorded_at),
                actor=actor,
                reason=_ENDED,
                origin=f"timeline:{operation.memory_id}",
                valid_to=after[0].held_from,
            )
        )
    return operation.memory_id, operation.origin


def _restated(seen: Observation) -> Statement:
    """The statement of an observation in the log: a value that had been told again and now stands apart."""
    assert seen.row is not None
    row, told = seen.row, json.loads(seen.row["attributes"])
    return Statement(
        owner_id=row["owner_id"],
        text=told.get("told") or row["text"] or seen.value,
        origin=f"again:{row['origin']}"[:255],
        told_at=row["recorded_at"],
        held_from=seen.held_from,
        actor=row["actor"],
        reason="told again, and between the two it was otherwise",
        kind=told.get("kind") or row["kind"],
        importance=told.get("importance", kinds.IMPORTANCE),
        confidence=told.get("confidence"),
        tier=told.get("security", "general"),
        fact=Fact(told["subject"], told["attribute"], told["value"]),
        sources=tuple(row["sources"] or ()),
    )


def _bound(
    tenant_id: str,
    held: Mapping[str, Any],
    since: datetime,
    until: datetime | None,
    cause: tuple[datetime, str],
    made: Made,
) -> None:
    """Gives a memory the interval that its timeline says, if it has another."""
    if held["valid_from"] == since and held["valid_to"] == until:
        return
    closes = held["valid_from"] == since and until is not None
    at, actor = cause
    made.add(
        Operation(
            tenant_id=tenant_id,
            owner_id=held["owner_id"],
            memory_id=held["memory_id"],
            op="supersede" if closes else "revise",
            kind=None if closes else held["kind"],
            text=None if closes else held["text"],
            recorded_at=at,
            actor=actor,
            reason=_ENDED if closes else "the fact held from another time on",
            origin=f"timeline:{held['memory_id']}",
            valid_from=None if closes else since,
            valid_to=until,
            attributes={} if closes else json.loads(held["attributes"]),
            sources=() if closes else tuple(held["sources"] or ()),
        )
    )


def _spare(
    tenant_id: str, held: Mapping[str, Any], own: str, at: datetime, actor: str
) -> Operation:
    """Folds a memory into the one that tells the same of the same time."""
    return Operation(
        tenant_id=tenant_id,
        owner_id=held["owner_id"],
        memory_id=held["memory_id"],
        op="merge",
        kind=None,
        text=None,
        recorded_at=at,
        actor=actor,
        reason="another memory says the same of the same time",
        origin=f"timeline:{own}",
        attributes={"into": own},
    )
