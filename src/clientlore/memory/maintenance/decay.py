"""How strongly a memory counts at an instant. Lowers rank; deletes nothing and writes nothing.

    strength = importance * max(FLOOR, 2 ^ (-age / (half_life * (1 + ln(1 + reinforced) / 2))))

`age` are the days since it was told last, `half_life` those of its kind (`kinds.HALF_LIFE_DAYS`). Exponential
forgetting with a half-life that grows with repetition is the form of Settles and Meeder (2016). Closed in elapsed
time: the strength of a day is the same, however often and whenever it was looked at before.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from clientlore.memory.maintenance.plan import EXAMPLES, Plan, age_days, told

FLOOR = 0.05
FAINT = 0.25
"""Share of its importance below which a memory is faint: two half-lives."""
FEATURE = "decay"


def strength(at: datetime, half_life_days: float | None = None) -> pl.Expr:
    """The strength of memories at an instant, 0 to 1; for a frame of `plan.told`.

    Args:
        at: The instant.
        half_life_days: For every kind, instead of each kind's own.
    """
    half_life = pl.col("half_life") if half_life_days is None else pl.lit(half_life_days)
    slower = 1 + (1 + pl.col("reinforced")).log() / 2
    kept = (-(age_days(at) / (half_life * slower)) * pl.lit(2.0).log()).exp()
    return pl.col("importance") * kept.clip(FLOOR, 1.0)


def decay(state: pl.DataFrame, at: datetime, half_life_days: float | None = None) -> Plan:
    """What time has done to the living memories: sums of importance before, of strength after."""
    rows = told(state).with_columns(strength=strength(at, half_life_days))
    kept = pl.col("strength") / pl.col("importance").clip(1e-9)
    faint = rows.filter(kept < FAINT)
    weakest = rows.sort("strength", "memory_id").head(EXAMPLES)
    return Plan(
        FEATURE,
        before={"memories": rows.height, "importance": round(float(rows["importance"].sum()), 6)},
        after={
            "memories": rows.height,
            "importance": round(float(rows["strength"].sum()), 6),
            "faint": faint.height,
        },
        examples=tuple(
            weakest.select("memory_id", "kind", "importance", "strength").iter_rows(named=True)
        ),
    )
