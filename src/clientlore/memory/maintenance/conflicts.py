"""Facts of which memory says two things at once, and which of them holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import polars as pl

from clientlore.errors import ConfigurationError
from clientlore.memory.facts import Fact, parse
from clientlore.memory.fold import holding
from clientlore.memory.log import Operation
from clientlore.memory.maintenance.plan import EXAMPLES, Plan, actor_of, told

FEATURE = "conflicts"
STRATEGIES = ("temporal", "confidence", "importance", "keep_both", "review")
STATED = ("fact", "preference", "relationship")
MOST_READ = 20_000
"""Memories without a fact of their own whose texts are read for one in a run: the newest ones."""
Read = Callable[[str], Fact | None]
_ORDER = {
    "temporal": ("valid_from", "recorded_at", "memory_id"),
    "confidence": ("confidence", "valid_from", "recorded_at", "memory_id"),
    "importance": ("importance", "valid_from", "recorded_at", "memory_id"),
}
_FACT = ["owner_id", "subject", "attribute"]


def checked_strategy(name: str) -> str:
    """The name itself.

    Raises:
        ConfigurationError: There is no such strategy.
    """
    if name not in STRATEGIES:
        raise ConfigurationError(
            f"There is no strategy '{name}' for conflicts", f"Choose {', '.join(STRATEGIES)}."
        )
    return name


def contradictions(state: pl.DataFrame, at: datetime, read: Read = parse) -> pl.DataFrame:
    """The memories that hold at an instant and of whose fact another value holds too; columns of `plan.told`."""
    rows = _with_facts(told(holding(state, at)), read)
    return rows.filter(
        pl.col("subject").is_not_null(), pl.col("value").n_unique().over(_FACT) > 1
    ).sort(*_FACT, "valid_from", "recorded_at", "memory_id")


def resolve(
    state: pl.DataFrame, at: datetime, strategy: str = "temporal", read: Read = parse
) -> Plan:
    """Ends the interval of what does not hold any more; `keep_both` and `review` only tell.

    Args:
        state: The living memories, columns of `fold.STATE`.
        at: When it is done.
        strategy: Which value wins: the newest, the surest, the most important; ties go to the newest.
        read: Takes the fact out of a text, as `facts.parse` does.

    Raises:
        ConfigurationError: There is no such strategy.
    """
    checked_strategy(strategy)
    found = contradictions(state, at, read)
    facts = found.select(_FACT).unique().height
    examples = tuple(
        found.head(EXAMPLES)
        .select("memory_id", *_FACT, "value", "valid_from")
        .iter_rows(named=True)
    )
    before = {"memories": state.height, "conflicts": facts}
    if strategy not in _ORDER or found.is_empty():
        open_ = facts if strategy in {"keep_both", "review"} else 0
        return Plan(
            FEATURE,
            before=before,
            after={"memories": state.height, "conflicts": open_},
            examples=examples,
            result={"strategy": strategy, "for_review": facts if strategy == "review" else 0},
        )
    best = (
        found.sort(_ORDER[strategy], descending=True, nulls_last=True)
        .group_by(_FACT, maintain_order=True)
        .first()
        .select(*_FACT, winner="memory_id", won="value", since="valid_from")
    )
    losing = found.join(best, on=_FACT).filter(pl.col("value") != pl.col("won"))
    operations = tuple(
        Operation(
            tenant_id=row["tenant_id"],
            owner_id=row["owner_id"],
            memory_id=row["memory_id"],
            op="supersede",
            kind=None,
            text=None,
            recorded_at=at,
            actor=actor_of(FEATURE),
            reason=f"another value holds, by {strategy}",
            origin=f"conflict:{row['winner']}",
            generation=row["operations"],
            valid_to=max(filter(None, (row["since"], row["valid_from"])), default=at),
            attributes={"for": row["winner"]},
        )
        for row in losing.iter_rows(named=True)
    )
    return Plan(
        FEATURE,
        operations,
        before=before,
        after={"memories": state.height, "conflicts": 0},
        examples=examples,
        result={"strategy": strategy, "for_review": 0, "ended": len(operations)},
    )


def _with_facts(rows: pl.DataFrame, read: Read) -> pl.DataFrame:
    """Reads the facts of memories that came without one, such as those that were loaded word for word."""
    bare = rows.filter(pl.col("subject").is_null(), pl.col("kind").is_in(STATED))
    bare = bare.sort("recorded_at", "memory_id", descending=True).head(MOST_READ)
    found = [
        (memory_id, fact.subject, fact.attribute, fact.value)
        for memory_id, text in bare.select("memory_id", "text").iter_rows()
        if (fact := read(text or "")) is not None
    ]
    if not found:
        return rows
    names = ["subject", "attribute", "value"]
    facts = pl.DataFrame(found, schema=["memory_id", *names], orient="row")
    return rows.join(facts, on="memory_id", how="left", suffix="_read").with_columns(
        pl.coalesce(name, f"{name}_read").alias(name) for name in names
    )
