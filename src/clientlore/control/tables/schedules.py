"""When: schedules and their fires, runs and their heartbeats, the ledger of (day, tenant)."""

from __future__ import annotations

import sqlalchemy as sa

from clientlore.control.tables.base import Key, Name, metadata, one_of, tenant_column, times
from clientlore.control.types import BigId, Json, UtcDateTime

automation_schedules = sa.Table(
    "automation_schedules",
    metadata,
    sa.Column("schedule_id", sa.String(36), primary_key=True),
    tenant_column(),
    sa.Column("name", Name, nullable=False),
    sa.Column("purpose", sa.String(8), nullable=False),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.user_id")),
    sa.Column("schedule_type", sa.String(8), nullable=False),
    sa.Column("cron", sa.String(128)),
    sa.Column("timezone", Key, nullable=False),
    sa.Column("clients", Json, nullable=False),
    sa.Column("overlap_policy", sa.String(8), nullable=False),
    sa.Column("catch_up", sa.String(8), nullable=False),
    sa.Column("catch_up_limit", sa.Integer, nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    sa.Column("off_because", sa.String(8)),
    sa.Column("origin", sa.String(8), nullable=False),
    sa.Column("last_run_at", UtcDateTime),
    sa.Column("next_run_at", UtcDateTime),
    sa.Column("last_error_message", sa.Text),
    sa.Column("consecutive_failures", sa.Integer, nullable=False),
    *times(),
    sa.UniqueConstraint("tenant_id", "name"),
    one_of("purpose", "monitor", "digest"),
    one_of("schedule_type", "manual", "hourly", "daily", "weekly", "monthly", "cron"),
    one_of("overlap_policy", "skip", "queue"),
    one_of("catch_up", "skip", "latest", "all"),
    one_of("off_because", "failures", "hand"),
    sa.Index(None, "is_active", "next_run_at"),
)

fires = sa.Table(
    "fires",
    metadata,
    sa.Column("fire_id", sa.String(36), primary_key=True),
    tenant_column(),
    sa.Column("schedule_id", sa.String(36), sa.ForeignKey("automation_schedules.schedule_id")),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("user_id", sa.String(36)),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("clients", Json, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("root_run_id", sa.String(36)),
    sa.Column("dispatched_at", UtcDateTime),
    sa.Column("claimed_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("error", sa.Text),
    sa.UniqueConstraint("schedule_id", "due_at"),
    one_of("kind", "monitor", "digest", "adhoc"),
    one_of(
        "state",
        "due",
        "dispatched",
        "claimed",
        "done",
        "degraded",
        "failed",
        "missed",
        "skipped",
    ),
    sa.Index(None, "state", "due_at"),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.String(36), primary_key=True),
    sa.Column("root_run_id", sa.String(36), nullable=False),
    sa.Column("job", Name, nullable=False),
    sa.Column("host", Name, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("process_started", sa.Float, nullable=False),
    sa.Column("is_backfill", sa.Boolean, nullable=False),
    sa.Column("scope", Json, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("heartbeat_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("outcome", sa.String(16)),
    sa.Column("error", sa.Text),
    one_of("outcome", "succeeded", "degraded", "failed", "dead"),
    sa.Index(None, "ended_at"),
)

tenant_days = sa.Table(
    "tenant_days",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("stage", Key, primary_key=True),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("content_sha", sa.String(64)),
    sa.Column("inputs_sha", sa.String(64)),
    sa.Column("code_version", Key, nullable=False),
    sa.Column("counts", Json, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("run_id", sa.String(36)),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    one_of("state", "done", "degraded", "failed", "held"),
)

stage_runs = sa.Table(
    "stage_runs",
    metadata,
    sa.Column("seq", BigId, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.String(36), nullable=False),
    sa.Column("stage", Key, nullable=False),
    tenant_column(),
    sa.Column("day", sa.Date),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("counts", Json, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("finished_at", UtcDateTime, nullable=False),
    sa.Index(None, "run_id"),
)

config_snapshots = sa.Table(
    "config_snapshots",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("content", Json, nullable=False),
    sa.Column("content_sha", sa.String(64), nullable=False),
    sa.Column("taken_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String(36)),
)

beats = sa.Table(
    "beats",
    metadata,
    sa.Column("component", Key, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("detail", sa.Text),
)
