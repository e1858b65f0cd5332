"""Edges between memories, clients and contacts, each with its type and a score; made from what they name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from clientlore.memory.fold import holding
from clientlore.memory.maintenance.plan import told
from clientlore.memory.texts import STOP
from clientlore.storage.lake import UTC_TIME, Table, columns

CONNECTIONS = Table(
    "core",
    "connections",
    columns(
        {
            "tenant_id": pl.String,
            "source_id": pl.String,
            "source_owner": pl.String,
            "target_id": pl.String,
            "target_owner": pl.String,
            "type": pl.String,
            "score": pl.Float64,
            "through": pl.String,
            "made_at": UTC_TIME,
        }
    ),
    ("source_id", "target_id", "type"),
    "A connection between two memories, or between a memory and a client or contact that it names.",
)
MOST_SHARED = 50
"""A name in more memories than this connects no two of them."""
LEAST_SCORE = 0.5
MOST_EDGES = 20
"""Edges of a type that lead away from one memory: the strongest ones."""
_SPAN = (
    r"\b\p{Lu}[\p{L}\p{N}&'\u2019-]*(?:\s\p{Lu}[\p{L}\p{N}&'\u2019-]*)*|\b[\p{Lu}\p{N}]+-\p{N}+\b"
)


def connect(
    state: pl.DataFrame, at: datetime, entities: Mapping[str, tuple[str, ...]]
) -> pl.DataFrame:
    """The connections among the memories that hold at an instant, columns of `CONNECTIONS`.

    `mentions`: a memory names a client or contact, score 1. `about`: two memories name the same rare things; the score
    is 1 - product of (1 - rarity), where the rarity of a name in d of n memories is ln(n / d) / ln(n). `leads_to`: the
    value of one fact is the subject of another.

    Args:
        state: The living memories, columns of `fold.STATE`.
        at: The instant.
        entities: Clients and contacts: id to names.
    """
    rows = told(holding(state, at).filter(pl.col("text").is_not_null()))
    if rows.is_empty():
        return CONNECTIONS.empty()
    named = names_in(rows)
    owners = rows.select("memory_id", "owner_id")
    edges = pl.concat(
        [_about(named, rows.height), _mentions(named, owners, entities), _leads(rows)]
    )
    found = owners.rename({"memory_id": "source_id", "owner_id": "source_owner"})
    other = owners.rename({"memory_id": "target_id", "owner_id": "target_owner"})
    return (
        edges.filter(pl.col("score") >= LEAST_SCORE)
        .unique(["source_id", "target_id", "type"], maintain_order=True)
        .sort("score", "target_id", descending=[True, False])
        .filter(pl.int_range(pl.len()).over("source_id", "type") < MOST_EDGES)
        .join(found, on="source_id", how="left")
        .join(other, on="target_id", how="left")
        .with_columns(
            tenant_id=pl.lit(rows["tenant_id"][0]),
            made_at=pl.lit(at),
            target_owner=pl.coalesce("target_owner", "target_id"),
        )
        .select(pl.col(name).cast(kind) for name, kind in CONNECTIONS.schema.items())
        .sort(list(CONNECTIONS.sort))
    )


def names_in(rows: pl.DataFrame) -> pl.DataFrame:
    """Names and codes that texts name: `memory_id`, `name` (lower case), each once."""
    return (
        rows.select("memory_id", name=pl.col("text").str.extract_all(_SPAN))
        .explode("name")
        .drop_nulls()
        .with_columns(
            # A sentence begins with a capital too: its first word alone names nothing if it is a common one.
            pl.col("name").str.to_lowercase().str.replace(r"(?:'s|\u2019s|')$", "")
        )
        .filter(~pl.col("name").is_in(sorted(STOP)), pl.col("name").str.len_chars() > 1)
        .with_columns(pl.col("name").str.replace(rf"^(?:{'|'.join(sorted(STOP))})\s", ""))
        .unique()
    )


def _about(named: pl.DataFrame, count: int) -> pl.DataFrame:
    shared = (
        named.with_columns(d=pl.len().over("name"))
        .filter(pl.col("d").is_between(2, MOST_SHARED))
        .with_columns(rarity=((count / pl.col("d")).log() / pl.lit(float(max(count, 2))).log()))
    )
    return (
        shared.lazy()
        .join(shared.lazy(), on="name", suffix="_right")
        .filter(pl.col("memory_id") < pl.col("memory_id_right"))
        .group_by("memory_id", "memory_id_right")
        .agg(
            score=1 - (1 - pl.col("rarity").clip(0, 0.999999)).product(),
            through=pl.col("name").sort().str.join(", "),
        )
        .select(
            source_id="memory_id",
            target_id="memory_id_right",
            type=pl.lit("about"),
            score="score",
            through="through",
        )
        .collect()
    )


def _mentions(
    named: pl.DataFrame, owners: pl.DataFrame, entities: Mapping[str, tuple[str, ...]]
) -> pl.DataFrame:
    known = pl.DataFrame(
        [(entity, name.lower()) for entity, names in sorted(entities.items()) for name in names],
        schema={"entity": pl.String, "name": pl.String},
        orient="row",
    )
    return (
        named.join(known, on="name")
        .join(owners, on="memory_id")
        .filter(pl.col("entity") != pl.col("owner_id"))
        .select(
            source_id="memory_id",
            target_id="entity",
            type=pl.lit("mentions"),
            score=pl.lit(1.0),
            through="name",
        )
    )


def _leads(rows: pl.DataFrame) -> pl.DataFrame:
    facts = rows.filter(pl.col("subject").is_not_null()).select("memory_id", "subject", "value")
    return facts.join(facts, left_on="value", right_on="subject", suffix="_right").select(
        source_id="memory_id",
        target_id="memory_id_right",
        type=pl.lit("leads_to"),
        score=pl.lit(1.0),
        through="value",
    )
