"""Tables of the lake that come from the control plane: the configuration of each day, and what runs did."""

from __future__ import annotations

import json

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.storage.lake import UTC_TIME, Table, columns

CONFIG_SNAPSHOT = Table(
    "core",
    "config_snapshot",
    columns(
        {
            "tenant_id": pl.String,
            "day": pl.Date,
            "kind": pl.String,
            "entity_id": pl.String,
            "label": pl.String,
            "attributes": pl.String,
        }
    ),
    ("kind", "entity_id"),
    "A client, person or source as it was configured when the day's snapshot was taken.",
)
RUN_LEDGER = Table(
    "out",
    "run_ledger",
    columns(
        {
            "tenant_id": pl.String,
            "run_id": pl.String,
            "root_run_id": pl.String,
            "job": pl.String,
            "is_backfill": pl.Boolean,
            "run_outcome": pl.String,
            "stage": pl.String,
            "day": pl.Date,
            "state": pl.String,
            "rows": pl.Int64,
            "counts": pl.String,
            "seconds": pl.Float64,
            "error": pl.String,
            "run_started_at": UTC_TIME,
            "run_ended_at": UTC_TIME,
            "finished_at": UTC_TIME,
            "seq": pl.Int64,
        }
    ),
    ("seq",),
    "What one stage of one run did for the tenant.",
)


def run_ledger_of(connection: Connection, tenant_id: str) -> pl.DataFrame:
    """Every stage of every run that worked for a tenant, in the columns of `RUN_LEDGER`."""
    rows = connection.execute(
        sa.select(
            t.stage_runs,
            t.runs.c.root_run_id,
            t.runs.c.job,
            t.runs.c.is_backfill,
            t.runs.c.outcome.label("run_outcome"),
            t.runs.c.started_at.label("run_started_at"),
            t.runs.c.ended_at.label("run_ended_at"),
        )
        .join(t.runs, t.runs.c.run_id == t.stage_runs.c.run_id, isouter=True)
        .where(t.stage_runs.c.tenant_id == tenant_id)
    ).mappings()
    return RUN_LEDGER.frame(
        [
            {name: row[name] for name in RUN_LEDGER.schema}
            | {"counts": json.dumps(row["counts"], sort_keys=True)}
            for row in rows
        ]
    )
