"""What is known: the append-only memory log; what keeps it in order, and what was forgotten."""

from __future__ import annotations

import sqlalchemy as sa

from clientlore.control.tables.base import Key, Name, metadata, one_of, tenant_column, times
from clientlore.control.types import BigId, Json, UtcDateTime

memory_log = sa.Table(
    "memory_log",
    metadata,
    sa.Column("seq", BigId, primary_key=True, autoincrement=True),
    sa.Column("op_id", sa.String(32), nullable=False, unique=True),
    tenant_column(),
    sa.Column("owner_id", Key, nullable=False),
    sa.Column("memory_id", sa.String(32), nullable=False),
    sa.Column("op", sa.String(16), nullable=False),
    sa.Column("kind", sa.String(32)),
    sa.Column("text", sa.Text),
    sa.Column("attributes", Json, nullable=False),
    sa.Column("valid_from", UtcDateTime),
    sa.Column("valid_to", UtcDateTime),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Column("appended_at", UtcDateTime, nullable=False),
    sa.Column("actor", Name, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("origin", Name, nullable=False),
    sa.Column("origin_day", sa.Date),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("sources", Json, nullable=False),
    # What an add or a reinforcement is about, hashed: by it what is said again is found without reading everything.
    sa.Column("lookup", sa.String(32)),
    one_of(
        "op",
        "add",
        "revise",
        "supersede",
        "merge",
        "summarise",
        "compress",
        "decay",
        "retract",
        "forget",
        "reinforce",
        "undo",
    ),
    sa.Index(None, "tenant_id", "seq"),
    sa.Index(None, "tenant_id", "origin_day"),
    sa.Index(None, "tenant_id", "memory_id"),
    sa.Index(None, "tenant_id", "owner_id", "seq"),
    sa.Index(None, "tenant_id", "lookup"),
)

automation_policies = sa.Table(
    "automation_policies",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("owner_id", Key, primary_key=True),
    sa.Column("policy_type", sa.String(16), nullable=False),
    sa.Column("policy", Json, nullable=False),
    *times(),
    one_of("policy_type", "threshold", "schedule", "continuous", "manual"),
)

policy_marks = sa.Table(
    "policy_marks",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("owner_id", Key, primary_key=True),
    sa.Column("feature", sa.String(16), primary_key=True),
    sa.Column("is_above", sa.Boolean, nullable=False),
    sa.Column("fires", sa.Integer, nullable=False),
    sa.Column("head", sa.BigInteger, nullable=False),
    sa.Column("looked_at", UtcDateTime, nullable=False),
    sa.Column("fired_at", UtcDateTime),
    sa.Column("next_due_at", UtcDateTime),
    sa.Column("answer", sa.Text, nullable=False),
)

memory_tasks = sa.Table(
    "memory_tasks",
    metadata,
    sa.Column("task_id", sa.String(36), primary_key=True),
    tenant_column(),
    sa.Column("owner_id", Key, nullable=False),
    sa.Column("task_type", sa.String(16), nullable=False),
    sa.Column("priority", sa.String(8), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("trigger", sa.String(16), nullable=False),
    sa.Column("fire_key", Name),
    sa.Column("is_forced", sa.Boolean, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("max_retries", sa.Integer, nullable=False),
    sa.Column("not_before", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String(36)),
    sa.Column("result", Json, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("dispatched_at", UtcDateTime),
    sa.Column("started_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime),
    *times(),
    sa.UniqueConstraint("tenant_id", "fire_key"),
    one_of("priority", "low", "normal", "high", "critical"),
    one_of("status", "pending", "running", "completed", "failed", "cancelled"),
    sa.Index(None, "status", "not_before"),
)

forgettings = sa.Table(
    "forgettings",
    metadata,
    sa.Column("forget_id", sa.String(36), primary_key=True),
    tenant_column(),
    # Whom, as long as it is not done; emptied with the last step.
    sa.Column("subject", Json, nullable=False),
    sa.Column("subject_hash", sa.String(64), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("actor", Name, nullable=False),
    sa.Column("proof", Json, nullable=False),
    sa.Column("backups_expire_on", sa.Date, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    one_of("state", "open", "done"),
)

forgotten_keys = sa.Table(
    "forgotten_keys",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("key_hash", sa.String(64), primary_key=True),
    sa.Column("forget_id", sa.String(36), sa.ForeignKey("forgettings.forget_id"), nullable=False),
)
