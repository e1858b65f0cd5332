"""What becomes of something told: a new memory, a reinforcement of one that is there, or a change of a fact.

Here: deciding, purely, from what is known about the same subject. Not here: reading and writing the log (`service`).

A fact is kept as a timeline. Each time it is told is an observation with the instant from which it held; neighbours
with one value are one memory, and each memory ends where the next begins. Since the timeline is made from all
observations, it is the same in whatever order they arrive, and a value that comes back is there again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl

from clientlore.clock import utc
from clientlore.errors import BadDataError
from clientlore.ids import stable_id
from clientlore.memory import kinds
from clientlore.memory.facts import Fact, mentions, parse
from clientlore.memory.fold import alive, fold, undone
from clientlore.memory.log import Operation, memory_id_for
from clientlore.memory.texts import content

MOST_CHARACTERS = 1_000_000
_ENDED = "the fact has another value from then on"


@dataclass(frozen=True)
class Statement:
    """Something told about an owner.

    Attributes:
        owner_id: The client, contact or user that it is about.
        origin: Whence it comes, in a form that is the same when it comes again.
        told_at: When the source knew it.
        held_from: Since when it has been so, as far as the source said; when it was told otherwise.
        kind: One of `kinds.KINDS`; told by rules if not given.
        importance: 0 to 1; `confidence`: 0 to 1, None until somebody judged.
        tier: One of `kinds.TIERS`.
        fact: What it says of whom, where the source says so itself; found by rules if not given.
    """

    owner_id: str
    text: str
    origin: str
    told_at: datetime
    actor: str = "library"
    reason: str = "told"
    held_from: datetime | None = None
    kind: str | None = None
    importance: float = kinds.IMPORTANCE
    confidence: float | None = None
    tier: str = "general"
    fact: Fact | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    def checked(self) -> Statement:
        """The same, with its kind and with times in UTC.

        Raises:
            BadDataError: Something about it cannot be; the message says what to write instead.
        """
        if not self.text.strip():
            raise BadDataError(f"Memory '{self.origin}' has no text", "Give it one.")
        if len(self.text) > MOST_CHARACTERS:
            raise BadDataError(
                f"Memory '{self.origin}' has {len(self.text):,} characters",
                f"At most {MOST_CHARACTERS:,} are kept; add it as a document.",
            )
        if self.kind is not None and self.kind not in kinds.KINDS:
            raise BadDataError(
                f"Memory '{self.origin}' is of the unknown kind '{self.kind}'",
                f"Write one of {', '.join(kinds.KINDS)}.",
            )
        if self.tier not in kinds.TIERS:
            raise BadDataError(
                f"Memory '{self.origin}' is of the unknown tier '{self.tier}'",
                f"Write one of {', '.join(kinds.TIERS)}.",
            )
        for name, value in (("importance", self.importance), ("confidence", self.confidence)):
            if value is not None and not 0 <= value <= 1:
                raise BadDataError(
                    f"Memory '{self.origin}' has {name} {value}", "Give a number from 0 to 1."
                )
        held = self.held_from or self.told_at
        return replace(
            self,
            kind=self.kind or kinds.classify(self.text).kind,
            told_at=utc(self.told_at),
            held_from=utc(held),
        )


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


def lookup_of(
    tenant_id: str, statement: Statement, fact: Fact | None
) -> str:
    """What a statement is about, hashed: its fact, or else its words whatever their order and endings."""
    if fact is not None:
        return fact.key(tenant_id, statement.owner_id)
    return stable_id("text", tenant_id, statement.owner_id, *content(statement.text))


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
    there = _there(before)
    by_lookup: dict[str, list[tuple[Statement, Fact | None]]] = {}
    for statement, fact in zip(statements, facts, strict=True):
        lookup = lookup_of(tenant_id, statement, fact)
        by_lookup.setdefault(lookup, []).append((statement, fact))
    made = _Made({}, {}, [], dict(before.group_by("memory_id").len().iter_rows()))
    for lookup, told in by_lookup.items():
        seen = there.observed.get(lookup, [])
        new = [(s, f) for s, f in told if not _known(there, s, made)]
        if told[0][1] is None:
            _say_again(tenant_id, lookup, seen, [s for s, _ in new], made)
        elif new:
            fresh = [_Observation.of(s, f) for s, f in new if f is not None]
            _tell_fact(tenant_id, lookup, [*seen, *fresh], there.living, made, None)
    return Arrived(tuple(made.operations), made.outcomes, made.memory_ids)


def mend(
    tenant_id: str, before: pl.DataFrame, at: datetime, actor: str
) -> tuple[Operation, ...]:
    """The operations by which facts have the intervals that their observations say; after something was undone.

    Args:
        tenant_id: Whose memory.
        before: As for `arrive`.
        at: When it is done; `actor`: by whom.
    """
    there = _there(before)
    made = _Made({}, {}, [], dict(before.group_by("memory_id").len().iter_rows()))
    for lookup, seen in sorted(there.observed.items()):
        if all(s.value for s in seen):
            _tell_fact(tenant_id, lookup, seen, there.living, made, (at, actor))
    return tuple(made.operations)


@dataclass(frozen=True)
class _Observation:
    """A statement of a fact, from the log or new."""

    held_from: datetime
    told_at: datetime
    origin: str
    value: str
    memory_id: str | None
    statement: Statement | None
    row: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, statement: Statement, fact: Fact) -> _Observation:
        assert statement.held_from is not None
        stated = replace(statement, fact=fact)
        return cls(
            statement.held_from, statement.told_at, statement.origin, fact.value, None, stated
        )

    @property
    def order(self) -> tuple[datetime, datetime, str]:
        return (self.held_from, self.told_at, self.origin)


@dataclass
class _Made:
    """What has been decided so far."""

    outcomes: dict[str, str]
    memory_ids: dict[str, str]
    operations: list[Operation]
    counts: dict[str, int]

    def add(self, operation: Operation) -> None:
        generation = self.counts.get(operation.memory_id, 0)
        self.operations.append(replace(operation, generation=generation))
        self.counts[operation.memory_id] = generation + 1

    def told(self, origin: str, memory_id: str, outcome: str) -> None:
        self.outcomes[origin] = outcome
        self.memory_ids[origin] = memory_id


@dataclass(frozen=True)
class _There:
    """What the log says about some lookups.

    Attributes:
        living: The memories that are alive, by id.
        observed: By lookup, what was told and holds.
        origins: By origin, its memory and up to when what it tells is settled; None where for good.
    """

    living: Mapping[str, Mapping[str, Any]]
    observed: Mapping[str, list[_Observation]]
    origins: Mapping[str, tuple[str, datetime | None]]


def _there(before: pl.DataFrame) -> _There:
    state = fold(before)
    living = {row["memory_id"]: row for row in alive(state).iter_rows(named=True)}
    folded = dict(state.select("memory_id", "folded_into").drop_nulls().iter_rows())
    last = dict(before.group_by("memory_id").agg(pl.col("recorded_at").max()).iter_rows())
    rows = before.filter(
        pl.col("op").is_in(["add", "reinforce"]), ~pl.col("op_id").is_in(list(undone(before)))
    ).sort("seq")
    observed: dict[str, list[_Observation]] = {}
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
        seen = _Observation(
            told_held_from(row, told),
            row["recorded_at"],
            row["origin"],
            told.get("value", ""),
            memory_id,
            None,
            row,
        )
        observed.setdefault(row["lookup"], []).append(seen)
    return _There(living, observed, origins)


def _standing_for(
    memory_id: str, folded: Mapping[str, str], living: Mapping[str, Any]
) -> str | None:
    """The living memory into which another was folded; itself if it is alive; None where neither is."""
    seen: set[str] = set()
    while memory_id not in living and memory_id in folded and memory_id not in seen:
        seen.add(memory_id)
        memory_id = folded[memory_id]
    return memory_id if memory_id in living else None


def _known(there: _There, statement: Statement, made: _Made) -> bool:
    """Whether an origin has told this before; what was taken back since may be told again later."""
    if statement.origin in made.outcomes:
        return True
    memory_id, settled = there.origins.get(statement.origin, (None, None))
    if memory_id is None or (settled is not None and statement.told_at > settled):
        return False
    made.told(statement.origin, memory_id, "known")
    return True


def told_held_from(row: Mapping[str, Any], told: Mapping[str, Any]) -> datetime:
    """Since when it has been so, as the source of an operation said."""
    said = told.get("held_from")
    if said is not None:
        return datetime.fromisoformat(said)
    held: datetime = row["valid_from"] or row["recorded_at"]
    return held


def _say_again(
    tenant_id: str,
    lookup: str,
    there: Sequence[_Observation],
    told: Sequence[Statement],
    made: _Made,
) -> None:
    """Something that is no fact: the first is a memory, the others reinforce it."""
    memory_id = there[0].memory_id if there else None
    for statement in told:
        if statement.origin in made.outcomes:
            continue
        if memory_id is None:
            operation = _add(tenant_id, statement, lookup, None, None)
            memory_id = operation.memory_id
            made.told(statement.origin, memory_id, "added")
        else:
            operation = _reinforce(tenant_id, statement, lookup, memory_id)
            made.told(statement.origin, memory_id, "reinforced")
        made.add(operation)


def _tell_fact(
    tenant_id: str,
    lookup: str,
    observations: Sequence[_Observation],
    living: Mapping[str, Mapping[str, Any]],
    made: _Made,
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
                made.add(_reinforce(tenant_id, seen.statement, lookup, own))
                made.told(seen.origin, own, "reinforced")
    for own, run in zip(owns, runs, strict=True):
        for spare in sorted({s.memory_id for s in run if s.memory_id} - taken):
            at, actor = mending or _cause(run, [])
            made.add(_spare(tenant_id, living[spare], own, at, actor))
            taken.add(spare)


def _cause(run: Sequence[_Observation], after: Sequence[_Observation]) -> tuple[datetime, str]:
    """When and through whom an interval became another one: what follows it, else what is new in it."""
    for part in (after, run):
        fresh = [s.statement for s in part if s.statement is not None]
        if fresh:
            first = min(fresh, key=lambda s: s.told_at)
            return first.told_at, first.actor
    last = max([*run, *after], key=lambda s: s.told_at)
    return last.told_at, last.row["actor"] if last.row else "library"


def _runs(observations: Iterable[_Observation]) -> list[list[_Observation]]:
    """Neighbours in time with one value, in the order of time."""
    runs: list[list[_Observation]] = []
    for seen in sorted(observations, key=lambda s: s.order):
        if runs and runs[-1][0].value == seen.value:
            runs[-1].append(seen)
        else:
            runs.append([seen])
    return runs


def _begin(
    tenant_id: str,
    lookup: str,
    run: Sequence[_Observation],
    after: Sequence[_Observation],
    made: _Made,
) -> tuple[str, str]:
    """Adds a memory for a run that has none; returns its id and the origin that it was made from."""
    first = run[0]
    stated = next((s.statement for s in run if s.statement is not None), None)
    stated = first.statement or stated or _restated(first)
    operation = _add(tenant_id, stated, lookup, first.held_from, None)
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


def _restated(seen: _Observation) -> Statement:
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
        tier=told.get("tier", "general"),
        fact=Fact(told["subject"], told["attribute"], told["value"]),
        sources=tuple(row["sources"] or ()),
    )


def _bound(
    tenant_id: str,
    held: Mapping[str, Any],
    since: datetime,
    until: datetime | None,
    cause: tuple[datetime, str],
    made: _Made,
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


def _add(
    tenant_id: str,
    told: Statement,
    lookup: str,
    since: datetime | None,
    until: datetime | None,
) -> Operation:
    assert told.kind is not None
    return Operation(
        tenant_id=tenant_id,
        owner_id=told.owner_id,
        memory_id=memory_id_for(tenant_id, told.owner_id, told.kind, told.origin),
        op="add",
        kind=told.kind,
        text=told.text,
        recorded_at=told.told_at,
        actor=told.actor,
        reason=told.reason,
        origin=told.origin,
        valid_from=since or told.held_from,
        valid_to=until,
        attributes=_attributes(told),
        sources=told.sources,
        lookup=lookup,
    )


def _reinforce(tenant_id: str, told: Statement, lookup: str, memory_id: str) -> Operation:
    return Operation(
        tenant_id=tenant_id,
        owner_id=told.owner_id,
        memory_id=memory_id,
        op="reinforce",
        kind=None,
        text=None,
        recorded_at=told.told_at,
        actor=told.actor,
        reason="told again",
        origin=told.origin,
        valid_from=told.held_from,
        attributes={**_attributes(told), "told": told.text, "kind": told.kind},
        sources=told.sources,
        lookup=lookup,
    )


def _attributes(told: Statement) -> dict[str, Any]:
    assert told.held_from is not None
    made = {
        **told.attributes,
        "importance": told.importance,
        "confidence": told.confidence,
        "tier": told.tier,
        "held_from": told.held_from.isoformat(),
    }
    if told.fact is not None:
        made |= {
            "subject": told.fact.subject,
            "attribute": told.fact.attribute,
            "value": told.fact.value,
        }
    return made


def _mentioned(text: str, known: Sequence[Fact], names: Sequence[str]) -> Fact | None:
    for fact in {(f.subject, f.attribute): f for f in known}.values():
        value = mentions(text, fact, names)
        if value is not None:
            return replace(fact, value=value)
    return None
