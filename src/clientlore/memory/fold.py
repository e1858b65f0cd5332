"""The state of memory: the fold of the log up to an instant. Pure."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from clientlore.errors import StoreError
from clientlore.memory import kinds
from clientlore.storage.lake import UTC_TIME, columns

STATE = columns(
    {
        "tenant_id": pl.String,
        "owner_id": pl.String,
        "memory_id": pl.String,
        "kind": pl.String,
        "text": pl.String,
        "attributes": pl.String,
        "valid_from": UTC_TIME,
        "valid_to": UTC_TIME,
        "recorded_at": UTC_TIME,
        "revised_at": UTC_TIME,
        "sources": pl.List(pl.String),
        "operations": pl.Int32,
        "last_op": pl.String,
        "last_actor": pl.String,
        "standing": pl.String,
        "folded_into": pl.String,
        "seen_at": UTC_TIME,
        "superseded_at": UTC_TIME,
        "reinforced": pl.Int32,
    }
)
"""A memory as it stands.

`standing` is the operation that says whether it is alive; `folded_into` the memory that it was merged or summarised
into; `seen_at` when it was told last, `reinforced` how often it was told again; `superseded_at` when it became known
that it holds no longer.
"""
MAINTENANCE = "maintenance:"
"""What the name of an actor begins with who keeps memory in order and adds nothing to it."""
BEARS_CONTENT = ("add", "revise", "compress")
FOLDS = ("merge", "summarise")
NEEDED = (
    "seq", "op_id", "tenant_id", "owner_id", "memory_id", "op", "kind", "text", "attributes",
    "valid_from", "valid_to", "recorded_at", "actor", "sources",
)  # fmt: skip
"""The columns of the log that a fold looks at."""
_STANDS = (*BEARS_CONTENT, *FOLDS, "retract")
_KNOWN = (*_STANDS, "supersede", "reinforce", "undo")


def fold(operations: pl.DataFrame, as_of: datetime | None = None) -> pl.DataFrame:
    """Every memory as it stands, those too that are not alive (`standing` says so), by id.

    Args:
        operations: Columns of `log.OPERATIONS`, those of `NEEDED` at least, in any order.
        as_of: What was recorded later is left out.

    Raises:
        StoreError: An operation is not known to this program.
    """
    if as_of is not None:
        operations = operations.filter(pl.col("recorded_at") <= as_of)
    unknown = operations.filter(~pl.col("op").is_in(_KNOWN))["op"].unique().to_list()
    if unknown:
        raise StoreError(
            f"The memory log has operations that this program does not know: {', '.join(unknown)}",
            "Install the release that wrote them.",
        )
    void = undone(operations)
    counts = ~pl.col("op_id").is_in(list(void)) if void else pl.lit(value=True)
    op = pl.when(counts).then(pl.col("op"))
    content, again = op.is_in(BEARS_CONTENT), op == "reinforce"
    stands, closes = op.is_in(_STANDS), op == "supersede"
    bounds = content | closes
    newest = [
        pl.col(name).filter(content).last().alias(name)
        for name in ("kind", "text", "attributes", "valid_from")
    ]
    told = pl.concat_list(
        pl.col("_sources").list.drop_nulls(),
        pl.col("_again").fill_null([]).list.drop_nulls(),
    ).list.unique(maintain_order=True)
    state = (
        operations.sort("seq")
        .group_by("tenant_id", "owner_id", "memory_id")
        .agg(
            *newest,
            pl.col("valid_to").filter(bounds).last(),
            revised_at=pl.col("recorded_at").filter(content).last(),
            operations=pl.len().cast(pl.Int32),
            last_op=pl.col("op").last(),
            last_actor=pl.col("actor").last(),
            standing=pl.col("op").filter(stands).last(),
            _into=pl.col("attributes").filter(stands).last(),
            seen_at=pl.col("recorded_at").filter(content | again).max(),
            superseded_at=pl.col("recorded_at").filter(bounds).last(),
            reinforced=again.sum().cast(pl.Int32),
            first=pl.col("recorded_at").filter(content).first(),
            _sources=pl.col("sources").filter(content).last(),
            _again=pl.col("sources")
            .filter(again)
            .list.explode(keep_nulls=False, empty_as_null=False),
        )
        .rename({"first": "recorded_at"})
        .with_columns(
            # A memory whose operations are all undone has no content, and no sources rather than an empty list.
            sources=pl.when(pl.col("_sources").is_not_null()).then(told),
            folded_into=pl.when(pl.col("standing").is_in(FOLDS)).then(
                pl.col("_into").str.json_path_match("$.into")
            ),
            superseded_at=pl.when(pl.col("valid_to").is_not_null()).then("superseded_at"),
        )
    )
    return state.select(list(STATE)).cast(STATE).sort("memory_id")


def alive(state: pl.DataFrame) -> pl.DataFrame:
    """The memories that are neither retracted nor folded into another, whose interval is closed or not."""
    return state.filter(pl.col("standing").is_in(BEARS_CONTENT))


def remembered(state: pl.DataFrame) -> pl.DataFrame:
    """Of some memories, those that are no documents or parts of documents: what upkeep and dossiers go by."""
    return state.filter(~pl.col("kind").is_in([kinds.DOCUMENT, kinds.PASSAGE]))


def holding(state: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Of some memories, those that held in the world at an instant: `valid_from <= at < valid_to`."""
    since, until = pl.col("valid_from"), pl.col("valid_to")
    return state.filter((since.is_null() | (since <= at)) & (until.is_null() | (until > at)))


def undone(operations: pl.DataFrame) -> set[str]:
    """The ids of operations that another undid, where that other was not undone itself."""
    undoing = (
        operations.filter(pl.col("op") == "undo")
        .sort("seq", descending=True)
        .select("op_id", pl.col("attributes").str.json_path_match("$.undoes"))
    )
    void: set[str] = set()
    for op_id, target in undoing.iter_rows():
        if op_id not in void:
            void.add(target)
    return void


def without_maintenance(operations: pl.DataFrame) -> pl.DataFrame:
    """The log without what keeps it in order, and without what undid that: what sources and people said."""
    kept = pl.col("actor").str.starts_with(MAINTENANCE)
    upkeep = operations.filter(kept)["op_id"]
    undoes = pl.col("attributes").str.json_path_match("$.undoes")
    return operations.filter(
        ~kept & ~((pl.col("op") == "undo") & undoes.is_in(upkeep.implode())).fill_null(value=False)
    )
