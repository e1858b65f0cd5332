"""Memory's life: reinforcing and undoing, policies and their tasks, what was forgotten."""

import sqlalchemy as sa
from alembic import op

from clientlore.control.types import BigId, Json, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_BEFORE = (
    "op IN ('add', 'revise', 'supersede', 'merge', 'summarise', 'compress', 'decay', 'retract', "
    "'forget')"
)
_AFTER = (
    "op IN ('add', 'revise', 'supersede', 'merge', 'summarise', 'compress', 'decay', 'retract', "
    "'forget', 'reinforce', 'undo')"
)
_NEW = "op NOT IN ('reinforce', 'undo')"


def _log(rule: str, *more: sa.schema.SchemaItem) -> sa.Table:
    """The memory log, for databases that cannot alter a table and copy it instead."""
    return sa.Table(
        "memory_log",
        sa.MetaData(),
        sa.Column("seq", BigId, autoincrement=True, nullable=False),
        sa.Column("op_id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("owner_id", sa.String(length=64), nullable=False),
        sa.Column("memory_id", sa.String(length=32), nullable=False),
        sa.Column("op", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("attributes", Json, nullable=False),
        sa.Column("valid_from", UtcDateTime(), nullable=True),
        sa.Column("valid_to", UtcDateTime(), nullable=True),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.Column("appended_at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.Column("origin_day", sa.Date(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("sources", Json, nullable=False),
        sa.CheckConstraint(rule, name="ck_memory_log_op"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name="fk_memory_log_tenant_id"
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_memory_log"),
        sa.UniqueConstraint("op_id", name="uq_memory_log_op_id"),
        sa.Index("ix_memory_log_tenant_id_memory_id", "tenant_id", "memory_id"),
        sa.Index("ix_memory_log_tenant_id_origin_day", "tenant_id", "origin_day"),
        sa.Index("ix_memory_log_tenant_id_seq", "tenant_id", "seq"),
        *more,
    )


def upgrade() -> None:
    with op.batch_alter_table("memory_log", copy_from=_log(_BEFORE)) as batch:
        batch.drop_constraint(op.f("ck_memory_log_op"), type_="check")
        batch.create_check_constraint(op.f("ck_memory_log_op"), _AFTER)
        batch.add_column(sa.Column("lookup", sa.String(length=32), nullable=True))
        batch.create_index("ix_memory_log_tenant_id_lookup", ["tenant_id", "lookup"])
    op.create_table(
        "automation_policies",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("owner_id", sa.String(length=64), nullable=False),
        sa.Column("policy_type", sa.String(length=16), nullable=False),
        sa.Column("policy", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "policy_type IN ('threshold', 'schedule', 'continuous', 'manual')",
            name=op.f("ck_automation_policies_policy_type"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_automation_policies_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "owner_id", name=op.f("pk_automation_policies")),
    )
    op.create_table(
        "policy_marks",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("owner_id", sa.String(length=64), nullable=False),
        sa.Column("feature", sa.String(length=16), nullable=False),
        sa.Column("is_above", sa.Boolean(), nullable=False),
        sa.Column("fires", sa.Integer(), nullable=False),
        sa.Column("head", sa.BigInteger(), nullable=False),
        sa.Column("looked_at", UtcDateTime(), nullable=False),
        sa.Column("fired_at", UtcDateTime(), nullable=True),
        sa.Column("next_due_at", UtcDateTime(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_policy_marks_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "owner_id", "feature", name=op.f("pk_policy_marks")),
    )
    op.create_table(
        "memory_tasks",
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("owner_id", sa.String(length=64), nullable=False),
        sa.Column("task_type", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.String(length=8), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("trigger", sa.String(length=16), nullable=False),
        sa.Column("fire_key", sa.String(length=255), nullable=True),
        sa.Column("is_forced", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_retries", sa.Integer(), nullable=False),
        sa.Column("not_before", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.Column("result", Json, nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("dispatched_at", UtcDateTime(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "priority IN ('low', 'normal', 'high', 'critical')",
            name=op.f("ck_memory_tasks_priority"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'completed', 'failed', 'cancelled')",
            name=op.f("ck_memory_tasks_status"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_memory_tasks_tenant_id")
        ),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_memory_tasks")),
        sa.UniqueConstraint(
            "tenant_id", "fire_key", name=op.f("uq_memory_tasks_tenant_id_fire_key")
        ),
    )
    op.create_index(
        op.f("ix_memory_tasks_status_not_before"),
        "memory_tasks",
        ["status", "not_before"],
        unique=False,
    )
    op.create_table(
        "forgettings",
        sa.Column("forget_id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("subject", Json, nullable=False),
        sa.Column("subject_hash", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("proof", Json, nullable=False),
        sa.Column("backups_expire_on", sa.Date(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'done')", name=op.f("ck_forgettings_state")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_forgettings_tenant_id")
        ),
        sa.PrimaryKeyConstraint("forget_id", name=op.f("pk_forgettings")),
    )
    op.create_table(
        "forgotten_keys",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("forget_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["forget_id"], ["forgettings.forget_id"], name=op.f("fk_forgotten_keys_forget_id")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_forgotten_keys_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "key_hash", name=op.f("pk_forgotten_keys")),
    )


def downgrade() -> None:
    op.drop_table("forgotten_keys")
    op.drop_table("forgettings")
    op.drop_index(op.f("ix_memory_tasks_status_not_before"), table_name="memory_tasks")
    op.drop_table("memory_tasks")
    op.drop_table("policy_marks")
    op.drop_table("automation_policies")
    # An operation that the older program does not know would stop it: what it says goes with it.
    op.execute(f"DELETE FROM memory_log WHERE NOT ({_NEW})")  # noqa: S608 - two constants
    lookup = sa.Column("lookup", sa.String(length=32), nullable=True)
    index = sa.Index("ix_memory_log_tenant_id_lookup", "tenant_id", "lookup")
    with op.batch_alter_table("memory_log", copy_from=_log(_AFTER, lookup, index)) as batch:
        batch.drop_index("ix_memory_log_tenant_id_lookup")
        batch.drop_column("lookup")
        batch.drop_constraint(op.f("ck_memory_log_op"), type_="check")
        batch.create_check_constraint(op.f("ck_memory_log_op"), _BEFORE)
