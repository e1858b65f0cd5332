"""The state of memory: the fold of the log up to an instant. Pure."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from clientlore.errors import StoreError
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
    }
)
_BEARS_CONTENT = ("add", "revise")
_KNOWN = (*_BEARS_CONTENT, "supersede", "retract")


def fold(operations: pl.DataFrame, as_of: datetime | None = None) -> pl.DataFrame:
    """Every memory as it stands, retracted ones too (their `last_op` says so), by id.

    Args:
        operations: Columns of `log.OPERATIONS`, in any order.
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
    content = pl.col("op").is_in(_BEARS_CONTENT)
    closes = pl.col("op") == "supersede"
    newest = [
        pl.col(name).filter(content).last().alias(name)
        for name in ("kind", "text", "attributes", "valid_from", "sources")
    ]
    return (
        operations.sort("seq")
        .group_by("tenant_id", "owner_id", "memory_id")
        .agg(
            *newest,
            pl.col("valid_to").filter(content | closes).last(),
            revised_at=pl.col("recorded_at").filter(content).last(),
            operations=pl.len().cast(pl.Int32),
            last_op=pl.col("op").last(),
            last_actor=pl.col("actor").last(),
            first=pl.col("recorded_at").filter(content).first(),
        )
        .rename({"first": "recorded_at"})
        .select(list(STATE))
        .sort("memory_id")
    )


def alive(state: pl.DataFrame) -> pl.DataFrame:
    """The memories that are not retracted."""
    return state.filter(pl.col("last_op") != "retract")
