"""Shorter texts that answer the same questions: words that carry no content go, the emptiest first.

Names, numbers, negations and every word that search looks for stay. The full text stays in the log; undo brings it
back.
"""

from __future__ import annotations

import json
from datetime import datetime

import polars as pl

from clientlore.memory.log import Operation
from clientlore.memory.maintenance.decay import strength
from clientlore.memory.maintenance.plan import EXAMPLES, Plan, actor_of, told

FEATURE = "compression"
SHORTEST = 60
"""Characters below which a text is left alone."""
_LEVELS = (
    r"really|very|just|basically|actually|literally|simply|quite|rather|perhaps|maybe|somewhat|you know|i mean|i think|"
    r"i guess|sort of|kind of|of course|in fact|as you know|well|oh|hey|wow|um|uh|yeah|please|so|also",
    r"the|a|an|that|which|this|these|those|there|then|than|such|some|any|each|own|same|other|both|all",
    r"is|are|was|were|be|been|being|am|do|does|did|has|have|had|having|will|would|shall|should|could|can|may|might|"
    r"it|its|it's|i'm|i've|i'll|we're|you're|they're|that's|there's",
    r"and|or|but|if|as|at|by|for|in|into|of|off|on|onto|to|with|within|about|from|over|up|out",
    r"i|me|my|we|us|our|you|your|he|him|his|she|her|they|them|their|who|whom|whose|what|when|where|why|how",
)


def shortened(text: pl.Expr, target: float) -> pl.Expr:
    """The text with just so many levels of words left out that it is shorter by the target, or with all of them."""
    levels = [text]
    for words in _LEVELS:
        cut = levels[-1].str.replace_all(
            rf"(?i)(^|[\s(\"])(?:(?:{words})(?:[\s,]+|$|\b(?:[.;!?])))+", "$1"
        )
        levels.append(
            cut.str.replace_all(r"\s{2,}", " ")
            .str.replace_all(r"\s+([.,;:!?])", "$1")
            .str.strip_chars(" ,")
        )
    wanted = text.str.len_chars() * (1 - target)
    chosen = levels[-1]
    for level in reversed(levels[:-1]):
        chosen = pl.when(level.str.len_chars() <= wanted).then(level).otherwise(chosen)
    return chosen


def compress(
    state: pl.DataFrame, at: datetime, target: float = 0.30, below: float | None = 0.5
) -> Plan:
    """Shortens memories that count little any more; those that were shortened already stay as they are.

    Args:
        state: The living memories, columns of `fold.STATE`.
        at: When it is done.
        target: By which share texts are to be shorter, 0 to 1.
        below: Only memories that have kept less than this share of their importance; None for all.
    """
    rows = told(state.filter(pl.col("text").is_not_null())).with_columns(strength=strength(at))
    chosen = rows.filter(
        pl.col("standing") != "compress", pl.col("text").str.len_chars() >= SHORTEST
    )
    if below is not None:
        chosen = chosen.filter(pl.col("strength") < below * pl.col("importance").clip(1e-9))
    chosen = (
        chosen.with_columns(shorter=shortened(pl.col("text"), target))
        .filter(
            pl.col("shorter").str.len_chars() < pl.col("text").str.len_chars(),
            pl.col("shorter") != "",
        )
        .sort("memory_id")
    )
    saved = int((chosen["text"].str.len_chars() - chosen["shorter"].str.len_chars()).sum() or 0)
    characters = int(state["text"].str.len_chars().sum() or 0)
    touched = int(chosen["text"].str.len_chars().sum() or 0)
    operations = tuple(
        Operation(
            tenant_id=row["tenant_id"],
            owner_id=row["owner_id"],
            memory_id=row["memory_id"],
            op="compress",
            kind=row["kind"],
            text=row["shorter"],
            recorded_at=at,
            actor=actor_of(FEATURE),
            reason=f"shorter by {1 - len(row['shorter']) / len(row['text']):.0%}, counts little any more",
            origin=f"compress:{row['memory_id']}",
            generation=row["operations"],
            valid_from=row["valid_from"],
            valid_to=row["valid_to"],
            attributes=json.loads(row["attributes"]),
            sources=tuple(row["sources"] or ()),
        )
        for row in chosen.iter_rows(named=True)
    )
    return Plan(
        FEATURE,
        operations,
        before={"memories": state.height, "characters": characters},
        after={"memories": state.height, "characters": characters - saved},
        examples=tuple(
            chosen.head(EXAMPLES).select("memory_id", "text", "shorter").iter_rows(named=True)
        ),
        result={
            "compressed": chosen.height,
            "reduction": round(saved / touched, 4) if touched else 0.0,
        },
    )
