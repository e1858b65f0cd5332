"""Something told about an owner, checked where it comes in, and the operations that say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from clientlore.clock import utc
from clientlore.errors import BadDataError
from clientlore.ids import stable_id
from clientlore.memory import kinds
from clientlore.memory.facts import Fact
from clientlore.memory.log import Operation, memory_id_for
from clientlore.memory.texts import content

MOST_CHARACTERS = 1_000_000


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


def lookup_of(tenant_id: str, statement: Statement, fact: Fact | None) -> str:
    """What a statement is about, hashed: its fact, or else its words whatever their order and endings."""
    if fact is not None:
        return fact.key(tenant_id, statement.owner_id)
    return stable_id("text", tenant_id, statement.owner_id, *content(statement.text))


def add_of(
    tenant_id: str,
    told: Statement,
    lookup: str,
    since: datetime | None,
    until: datetime | None,
) -> Operation:
    """The operation by which a statement becomes a memory of its own."""
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


def reinforce_of(tenant_id: str, told: Statement, lookup: str, memory_id: str) -> Operation:
    """The operation by which a statement says again what a memory says."""
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
        "security": told.tier,
        "held_from": told.held_from.isoformat(),
    }
    if told.fact is not None:
        made |= {
            "subject": told.fact.subject,
            "attribute": told.fact.attribute,
            "value": told.fact.value,
        }
    return made
