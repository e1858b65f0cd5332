"""What becomes of something told: a new memory, a reinforcement of one that is there, or a change of a fact.

Here: deciding, purely, from what is known about the same subject. Not here: the timeline of a fact (`timeline`),
reading and writing the log (`service`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

from clientlore.memory.facts import Fact, mentions, parse
from clientlore.memory.fold import alive, fold, undone
from clientlore.memory.log import Operation
from clientlore.memory.statements import Statement, add_of, lookup_of, reinforce_of
from clientlore.memory.timeline import Made, Observation, tell_fact, told_held_from


@dataclass(frozen=True)
class Arrived:
    """What became of statements.

    Attributes:
        operations: To be appended to the log.
        outcomes: By origin: `added`, `reinforced`, `changed` or `known` (told before by the same origin).
        memory_ids: By origin, the memory that it became or reinforced.
    """

    operations: tuple[Operation, ...]
    outcomes: Mapping[str, str]
    memory_ids: Mapping[str, str]


def facts_in(
    statements: Sequence[Statement],
    known: Mapping[str, Sequence[Fact]],
    owner_names: Mapping[str, Sequence[str]],
) -> list[Fact | None]:
    """The fact that each statement states: as given, by rules, or by what is known about its owner.

    Args:
        statements: What was told.
        known: By owner, the facts of which something is known.
        owner_names: By owner, how it is called.
    """
    seen = {owner: list(facts) for owner, facts in known.items()}
    found: list[Fact | None] = []
    for told in statements:
        names = owner_names.get(told.owner_id, ())
        about = seen.setdefault(told.owner_id, [])
        fact = told.fact or parse(told.text, names) or _mentioned(told.text, about, names)
        if fact is not None:
            about.append(fact)
        found.append(fact)
    return found


def arrive(
    tenant_id: str,
    before: pl.DataFrame,
    statements: Sequence[Statement],
    facts: Sequence[Fact | None],
) -> Arrived:
    """What statements do to memory; pure.

    Args:
        tenant_id: Whose memory.
        before: The log of every memory with one of the statements' lookups, and of those that they were folded into;
            columns of `log.OPERATIONS`.
        statements: What was told, checked.
        facts: The fact of each, or None.
    """
    there = there_of(before)
    by_lookup: dict[str, list[tuple[Statement, Fact | None]]] = {}
    for statement, fact in zip(statements, facts, strict=True):
        lookup = lookup_of(tenant_id, statement, fact)
        by_lookup.setdefault(lookup, []).append((statement, fact))
    made = Made({}, {}, [], dict(before.group_by("memory_id").len().iter_rows()))
    for lookup, told in by_lookup.items():
        seen = there.observed.get(lookup, [])
        new = [(s, f) for s, f in told if not _known(there, s, made)]
        if told[0][1] is None:
            _say_again(tenant_id, lookup, seen, [s for s, _ in new], made)
        elif new:
            fresh = [Observation.of(s, f) for s, f in new if f is not None]
            tell_fact(tenant_id, lookup, [*seen, *fresh], there.living, made, None)
    return Arrived(tuple(made.operations), made.outcomes, made.memory_ids)


def mend(tenant_id: str, before: pl.DataFrame, at: datetime, actor: str) -> tuple[Operation, ...]:
    """The operations by which facts have the intervals that their observations say; after something was undone.

    Args:
        tenant_id: Whose memory.
        before: As for `arrive`.
        at: When it is done.
        actor: By whom.
    """
    there = there_of(before)
    made = Made({}, {}, [], dict(before.group_by("memory_id").len().iter_rows()))
    for lookup, seen in sorted(there.observed.items()):
        if all(s.value for s in seen):
            tell_fact(tenant_id, lookup, seen, there.living, made, (at, actor))
    return tuple(made.operations)


@dataclass(frozen=True)
class There:
    """What the log says about some lookups.

    Attributes:
        living: The memories that are alive, by id.
        observed: By lookup, what was told and holds.
        origins: By origin, its memory and up to when what it tells is settled; None where for good.
    """

    living: Mapping[str, Mapping[str, Any]]
    observed: Mapping[str, list[Observation]]
    origins: Mapping[str, tuple[str, datetime | None]]


def there_of(before: pl.DataFrame) -> There:
    """What the log of some memories says about their lookups; columns of `log.OPERATIONS`."""
    state = fold(before)
    living = {row["memory_id"]: row for row in alive(state).iter_rows(named=True)}
    folded = dict(state.select("memory_id", "folded_into").drop_nulls().iter_rows())
    last = dict(before.group_by("memory_id").agg(pl.col("recorded_at").max()).iter_rows())
    rows = before.filter(
        pl.col("op").is_in(["add", "reinforce"]), ~pl.col("op_id").is_in(list(undone(before)))
    ).sort("seq")
    observed: dict[str, list[Observation]] = {}
    origins: dict[str, tuple[str, datetime | None]] = {}
    for row in rows.iter_rows(named=True):
        memory_id = _standing_for(row["memory_id"], folded, living)
        if memory_id is None:
            origins[row["origin"]] = (row["memory_id"], last[row["memory_id"]])
            continue
        origins[row["origin"]] = (memory_id, None)
        if row["lookup"] is None:
            continue
        told = json.loads(row["attributes"])
        seen = Observation(
            told_held_from(row, told),
            row["recorded_at"],
            row["origin"],
            told.get("value", ""),
            memory_id,
            None,
            row,
        )
        observed.setdefault(row["lookup"], []).append(seen)
    return There(living, observed, origins)


def _standing_for(
    memory_id: str, folded: Mapping[str, str], living: Mapping[str, Any]
) -> str | None:
    """The living memory into which another was folded; itself if it is alive; None where neither is."""
    seen: set[str] = set()
    while memory_id not in living and memory_id in folded and memory_id not in seen:
        seen.add(memory_id)
        memory_id = folded[memory_id]
    return memory_id if memory_id in living else None


def _known(there: There, statement: Statement, made: Made) -> bool:
    """Whether an origin has told this before; what was taken back since may be told again later."""
    if statement.origin in made.outcomes:
        return True
    memory_id, settled = there.origins.get(statement.origin, (None, None))
    if memory_id is None or (settled is not None and statement.told_at > settled):
        return False
    made.told(statement.origin, memory_id, "known")
    return True


def _say_again(
    tenant_id: str,
    lookup: str,
    there: Sequence[Observation],
    told: Sequence[Statement],
    made: Made,
) -> None:
    """Something that is no fact: the first is a memory, the others reinforce it."""
    memory_id = there[0].memory_id if there else None
    for statement in told:
        if statement.origin in made.outcomes:
            continue
        if memory_id is None:
            operation = add_of(tenant_id, statement, lookup, None, None)
            memory_id = operation.memory_id
            made.told(statement.origin, memory_id, "added")
        else:
            operation = reinforce_of(tenant_id, statement, lookup, memory_id)
            made.told(statement.origin, memory_id, "reinforced")
        made.add(operation)


def _mentioned(text: str, known: Sequence[Fact], names: Sequence[str]) -> Fact | None:
    for fact in {(f.subject, f.attribute): f for f in known}.values():
        value = mentions(text, fact, names)
        if value is not None:
            return replace(fact, value=value)
    return None
