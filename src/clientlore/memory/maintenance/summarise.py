"""Old happenings told in few sentences, each taken word for word from a memory and citing it.

Facts, preferences and relationships are not summarised: what holds must be found. Which sentences are taken follows
from how many of the others share their words (the degree centrality of LexRank, Erkan and Radev 2004).
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from clientlore.ids import stable_id
from clientlore.memory.log import Operation, memory_id_for
from clientlore.memory.maintenance.plan import EXAMPLES, Plan, actor_of, stems_of, told

FEATURE = "summarization"
HAPPENED = ("event", "activity", "task", "context")
FEWEST = 5
"""Memories of a month that are worth a summary."""
SHARE, MOST = 0.2, 10
"""How many of the memories a summary tells: this share, and never more."""
_GROUP = ["owner_id", "tier", "month"]


def summarise(state: pl.DataFrame, at: datetime, older_than_days: float = 30) -> Plan:
    """Tells each owner's old months in one memory each and folds what they tell into it.

    Args:
        state: The living memories, columns of `fold.STATE`.
        at: When it is done.
        older_than_days: Only what was told last before that.
    """
    rows = _candidates(state, at - timedelta(days=older_than_days))
    before = {"memories": state.height}
    if rows.is_empty():
        return Plan(FEATURE, before=before, after=before, result={"summaries": 0, "folded": 0})
    tenant_id = rows["tenant_id"][0]
    rows = rows.join(_central(rows), on="memory_id", how="left", maintain_order="left")
    actor = actor_of(FEATURE)
    operations: list[Operation] = []
    examples = []
    for (owner, tier, month), children in _groups(rows).items():
        ids = sorted(child.memory_id for child in children)
        origin = f"summary:{stable_id(owner, tier, month, *ids)}"
        summary = memory_id_for(tenant_id, owner, "summary", origin)
        claims = [
            {
                "source": child.memory_id,
                "text": _sentence(child.text),
                "day": f"{child.happened:%Y-%m-%d}",
            }
            for child in children
            if child.is_central
        ]
        text = " ".join(f"{c['day']}: {c['text']}" for c in claims)
        operations.append(
            Operation(
                tenant_id=tenant_id,
                owner_id=owner,
                memory_id=summary,
                op="add",
                kind="summary",
                text=text,
                recorded_at=at,
                actor=actor,
                reason=f"{len(ids)} memories of {month}, older than {older_than_days:g} days",
                origin=origin,
                valid_from=children[0].happened,
                attributes={
                    "claims": claims,
                    "folds": len(ids),
                    "security": tier,
                    "importance": round(max(child.importance for child in children), 6),
                },
                sources=tuple(f"memory:{c['source']}" for c in claims),
            )
        )
        folded = {"into": summary}
        operations += [
            Operation(
                tenant_id=tenant_id,
                owner_id=owner,
                memory_id=child.memory_id,
                op="summarise",
                kind=None,
                text=None,
                recorded_at=at,
                actor=actor,
                reason=f"told by the summary of {month}",
                origin=origin,
                generation=child.operations,
                attributes=folded,
            )
            for child in children
        ]
        examples.append({"owner_id": owner, "month": month, "memories": len(ids), "text": text})
    made = len(examples)
    return Plan(
        FEATURE,
        tuple(operations),
        before=before,
        after={"memories": state.height - rows.height + made},
        examples=tuple(examples[:EXAMPLES]),
        result={"summaries": made, "folded": rows.height},
    )


class _Child(NamedTuple):
    """A memory that a summary tells of."""

    memory_id: str
    text: str
    happened: datetime
    importance: float
    operations: int
    is_central: bool | None


def _groups(rows: pl.DataFrame) -> dict[tuple[str, str, str], list[_Child]]:
    """What is told together, in the order in which it happened."""
    found: dict[tuple[str, str, str], list[_Child]] = {}
    ordered = rows.sort("happened", "memory_id").select(*_GROUP, *_Child._fields)
    for owner, tier, month, *child in ordered.iter_rows():
        found.setdefault((owner, tier, month), []).append(_Child(*child))
    return found


def _candidates(state: pl.DataFrame, before: datetime) -> pl.DataFrame:
    happened = pl.coalesce("valid_from", "recorded_at")
    rows = told(state).with_columns(happened=happened, month=happened.dt.strftime("%Y-%m"))
    return rows.filter(
        pl.col("kind").is_in(HAPPENED), pl.col("seen_at") < before, pl.col("text").is_not_null()
    ).filter(pl.len().over(_GROUP) >= FEWEST)


def _central(rows: pl.DataFrame) -> pl.DataFrame:
    """Of each group, the memories whose words the others share most: `memory_id`, `is_central` (always true)."""
    words = stems_of(rows).join(rows.select("memory_id", *_GROUP[1:]), on="memory_id")
    scored = (
        words.with_columns(shared=pl.len().over([*_GROUP, "stem"]))
        .group_by("memory_id", *_GROUP)
        .agg(score=pl.col("shared").sum() / pl.len().sqrt())
    )
    sizes = rows.group_by(_GROUP).len("size")
    most = (pl.col("size") * SHARE).ceil().clip(1, MOST)
    return (
        scored.join(sizes, on=_GROUP)
        .sort("score", "memory_id", descending=[True, False])
        .with_columns(rank=pl.int_range(pl.len()).over(_GROUP))
        .filter(pl.col("rank") < most)
        .select("memory_id", is_central=pl.lit(value=True))
    )


def _sentence(text: str) -> str:
    """The first sentence, or the beginning of a long one."""
    end = text.find(". ", 25)
    told_ = text if end < 0 else text[: end + 1]
    return told_ if len(told_) <= 300 else f"{told_[: math.floor(297)].rsplit(' ', 1)[0]} …"
