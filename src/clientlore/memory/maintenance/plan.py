"""What a task of maintenance would do, and the columns that all of them look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from clientlore.memory import kinds
from clientlore.memory.fold import MAINTENANCE
from clientlore.memory.log import Operation
from clientlore.memory.texts import NEGATIONS, STOP, number
from clientlore.stemming import stem

EXAMPLES = 20
"""How many examples a plan shows."""


@dataclass(frozen=True)
class Plan:
    """What a task would do; nothing is done until its operations are appended.

    Attributes:
        feature: Which task.
        operations: For the log, none where memory is so already.
        before: Counts of memory as it is; `after`: as it would be.
        examples: Some of what would happen, for people.
        result: What the task found out, beside its counts.
    """

    feature: str
    operations: tuple[Operation, ...] = ()
    before: Mapping[str, float] = field(default_factory=dict)
    after: Mapping[str, float] = field(default_factory=dict)
    examples: tuple[Mapping[str, Any], ...] = ()
    result: Mapping[str, Any] = field(default_factory=dict)


def actor_of(feature: str) -> str:
    """Under which name a task writes to the log."""
    return f"{MAINTENANCE}{feature}"


def told(state: pl.DataFrame) -> pl.DataFrame:
    """The state with what its attributes say as columns.

    Adds `subject`, `attribute`, `value`, `tier`, `event_id` (texts), `importance`, `confidence` (0 to 1),
    `half_life` (days). A state that has them already is given back.
    """
    if "half_life" in state.columns:
        return state

    def said(name: str) -> pl.Expr:
        return pl.col("attributes").str.json_path_match(f"$.{name}")

    return state.with_columns(
        said("subject").alias("subject"),
        said("attribute").alias("attribute"),
        said("value").alias("value"),
        said("security").fill_null("general").alias("tier"),
        said("event_id").alias("event_id"),
        said("importance")
        .cast(pl.Float64, strict=False)
        .fill_null(kinds.IMPORTANCE)
        .clip(0, 1)
        .alias("importance"),
        said("confidence").cast(pl.Float64, strict=False).alias("confidence"),
        pl.col("kind")
        .replace_strict(
            dict(kinds.HALF_LIFE_DAYS), default=kinds.OTHER_HALF_LIFE, return_dtype=pl.Float64
        )
        .alias("half_life"),
    )


def age_days(at: datetime, column: str = "seen_at") -> pl.Expr:
    """Days from a column of instants to another instant; 0 for what lies after it."""
    return ((pl.lit(at) - pl.col(column)).dt.total_seconds(fractional=True) / 86_400).clip(0)


def stems_of(frame: pl.DataFrame) -> pl.DataFrame:
    """The stems of texts: `memory_id`, `owner_id`, `stem`, `firm`, each stem of a memory once.

    `firm` are names, numbers and negations: two texts that differ in one of them say something different.
    """
    found, stems = stem_numbers(frame)
    return found.select(
        memory_id=frame["memory_id"].gather(found["row"]),
        owner_id=frame["owner_id"].gather(found["row"]),
        stem=stems.gather(found["stem"]),
        firm="firm",
    )


def stem_numbers(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """As `stems_of`, in numbers: `row` (of the frame), `stem` (place in the series, which is sorted), `firm`.

    The words of all texts are looked at once each, not once a text.
    """
    words = (
        frame.select(
            word=pl.col("text")
            .str.replace_all("n't", " nt", literal=True)
            .str.extract_all(r"[\p{L}\p{N}]+(?:[.,]\d+)*"),
        )
        .with_row_index("row")
        .explode("word")
        .drop_nulls("word")
        .with_columns(first=pl.col("row").ne_missing(pl.col("row").shift()))
    )
    vocabulary = words["word"].unique().to_list()
    looked = pl.DataFrame(
        [(w, *_looked_up(w)) for w in vocabulary],
        schema={"word": pl.String, "said": pl.String, "fixed": pl.Boolean, "named": pl.Boolean},
        orient="row",
    ).drop_nulls("said")
    stems = looked["said"].unique().sort()
    places = pl.DataFrame({"said": stems}).with_row_index("stem")
    firm = pl.col("fixed") | (pl.col("named") & ~pl.col("first"))
    found = (
        words.lazy()
        .join(looked.lazy().join(places.lazy(), on="said").drop("said"), on="word")
        .select("row", "stem", firm=firm)
        .group_by("row", "stem")
        .agg(pl.col("firm").any())
        .collect()
    )
    return found, stems


def _looked_up(word: str) -> tuple[str | None, bool, bool]:
    low = word.lower()
    if low in STOP and low not in NEGATIONS:
        return None, False, False
    exact = number(low)
    if exact is not None:
        return exact, True, False
    return stem(low), low in NEGATIONS or any(c.isdigit() for c in low), word[:1].isupper()
