"""The control plane as it begins."""

import sqlalchemy as sa
from alembic import op

from clientlore.control.types import BigId, Json, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SQLITE = """
CREATE TRIGGER audit_log_no_{verb} BEFORE {verb} ON audit_log
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
"""
_POSTGRESQL = (
    """
    CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$
    """,
    """
    CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only()
    """,
)


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("seq", BigId, autoincrement=True, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("entity", sa.String(length=64), nullable=False),
        sa.Column("entity_id", sa.String(length=255), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changes", Json, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_log")),
    )
    op.create_index(
        op.f("ix_audit_log_tenant_id_at"), "audit_log", ["tenant_id", "at"], unique=False
    )
    op.create_table(
        "beats",
        sa.Column("component", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("component", name=op.f("pk_beats")),
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("root_run_id", sa.String(length=36), nullable=False),
        sa.Column("job", sa.String(length=255), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_started", sa.Float(), nullable=False),
        sa.Column("is_backfill", sa.Boolean(), nullable=False),
        sa.Column("scope", Json, nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("heartbeat_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('succeeded', 'degraded', 'failed', 'dead')", name=op.f("ck_runs_outcome")
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_runs")),
    )
    op.create_index(op.f("ix_runs_ended_at"), "runs", ["ended_at"], unique=False)
    op.create_table(
        "tenants",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("mode", sa.String(length=8), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("held_reason", sa.Text(), nullable=True),
        sa.Column("held_at", UtcDateTime(), nullable=True),
        sa.Column("allow_live_send", sa.Boolean(), nullable=False),
        sa.Column("settings", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("mode IN ('live', 'mock')", name=op.f("ck_tenants_mode")),
        sa.CheckConstraint("status IN ('active', 'held')", name=op.f("ck_tenants_status")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenants")),
    )
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("raised_at", UtcDateTime(), nullable=False),
        sa.Column("outbox_id", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_alerts_tenant_id")
        ),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alerts")),
    )
    op.create_table(
        "clients",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=True),
        sa.Column("ticker", sa.String(length=16), nullable=True),
        sa.Column("industry", sa.String(length=255), nullable=True),
        sa.Column("profile", Json, nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=True),
        sa.Column("origin", sa.String(length=8), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("origin IN ('file', 'crm', 'cli')", name=op.f("ck_clients_origin")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_clients_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "client_id", name=op.f("pk_clients")),
    )
    op.create_table(
        "collections",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("error_kind", sa.String(length=16), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('collected', 'unchanged', 'empty', 'degraded', 'failed', 'skipped')",
            name=op.f("ck_collections_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_collections_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "day", "source_id", name=op.f("pk_collections")),
    )
    op.create_table(
        "config_snapshots",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("content", Json, nullable=False),
        sa.Column("content_sha", sa.String(length=64), nullable=False),
        sa.Column("taken_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_config_snapshots_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "day", name=op.f("pk_config_snapshots")),
    )
    op.create_table(
        "memory_log",
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
        sa.CheckConstraint(
            "op IN ('add', 'revise', 'supersede', 'merge', 'summarise', 'compress', 'decay', 'retract', 'forget')",
            name=op.f("ck_memory_log_op"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_memory_log_tenant_id")
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_memory_log")),
        sa.UniqueConstraint("op_id", name=op.f("uq_memory_log_op_id")),
    )
    op.create_index(
        op.f("ix_memory_log_tenant_id_memory_id"),
        "memory_log",
        ["tenant_id", "memory_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_memory_log_tenant_id_origin_day"),
        "memory_log",
        ["tenant_id", "origin_day"],
        unique=False,
    )
    op.create_index(
        op.f("ix_memory_log_tenant_id_seq"), "memory_log", ["tenant_id", "seq"], unique=False
    )
    op.create_table(
        "quarantine",
        sa.Column("quarantine_id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("source_id", sa.String(length=64), nullable=True),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('open', 'replayed', 'resolved')", name=op.f("ck_quarantine_state")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_quarantine_tenant_id")
        ),
        sa.PrimaryKeyConstraint("quarantine_id", name=op.f("pk_quarantine")),
    )
    op.create_index(
        op.f("ix_quarantine_tenant_id_day"), "quarantine", ["tenant_id", "day"], unique=False
    )
    op.create_table(
        "raw_batches",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("table_name", sa.String(length=64), nullable=False),
        sa.Column("batch_id", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('NEW', 'PROCESSED', 'FAILED', 'SKIPPED')",
            name=op.f("ck_raw_batches_status"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_raw_batches_tenant_id")
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "day", "table_name", "batch_id", name=op.f("pk_raw_batches")
        ),
    )
    op.create_table(
        "source_state",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("moved_to", sa.Text(), nullable=True),
        sa.Column("gone_at", UtcDateTime(), nullable=True),
        sa.Column("not_before", UtcDateTime(), nullable=True),
        sa.Column("synced_to", UtcDateTime(), nullable=True),
        sa.Column("last_success_at", UtcDateTime(), nullable=True),
        sa.Column("last_failure_at", UtcDateTime(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("consecutive_failures", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_source_state_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "source_id", name=op.f("pk_source_state")),
    )
    op.create_table(
        "sources",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=True),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("on_failure", sa.String(length=8), nullable=False),
        sa.Column("options", Json, nullable=False),
        sa.Column("origin", sa.String(length=8), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "on_failure IN ('fail', 'skip', 'mock')", name=op.f("ck_sources_on_failure")
        ),
        sa.CheckConstraint("origin IN ('file', 'crm', 'cli')", name=op.f("ck_sources_origin")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_sources_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "source_id", name=op.f("pk_sources")),
    )
    op.create_table(
        "stage_runs",
        sa.Column("seq", BigId, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("counts", Json, nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_stage_runs_tenant_id")
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_stage_runs")),
    )
    op.create_index(op.f("ix_stage_runs_run_id"), "stage_runs", ["run_id"], unique=False)
    op.create_table(
        "tenant_days",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("content_sha", sa.String(length=64), nullable=True),
        sa.Column("inputs_sha", sa.String(length=64), nullable=True),
        sa.Column("code_version", sa.String(length=64), nullable=False),
        sa.Column("counts", Json, nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('done', 'degraded', 'failed', 'held')", name=op.f("ck_tenant_days_state")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_tenant_days_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "day", "stage", name=op.f("pk_tenant_days")),
    )
    op.create_table(
        "users",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("handle", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=True),
        sa.Column("phone_number", sa.String(length=20), nullable=True),
        sa.Column("security_level", sa.Integer(), nullable=False),
        sa.Column("preferences", Json, nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("security_level BETWEEN 1 AND 4", name=op.f("ck_users_security_level")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_users_tenant_id")
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_users")),
        sa.UniqueConstraint("tenant_id", "email", name=op.f("uq_users_tenant_id_email")),
        sa.UniqueConstraint("tenant_id", "handle", name=op.f("uq_users_tenant_id_handle")),
        sa.UniqueConstraint(
            "tenant_id", "phone_number", name=op.f("uq_users_tenant_id_phone_number")
        ),
    )
    op.create_table(
        "assignments",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("origin", sa.String(length=8), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("origin IN ('file', 'crm', 'cli')", name=op.f("ck_assignments_origin")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "client_id"],
            ["clients.tenant_id", "clients.client_id"],
            name=op.f("fk_assignments_tenant_id_client_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_assignments_tenant_id")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_assignments_user_id")
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "client_id", "user_id", "origin", name=op.f("pk_assignments")
        ),
    )
    op.create_table(
        "automation_schedules",
        sa.Column("schedule_id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("purpose", sa.String(length=8), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("schedule_type", sa.String(length=8), nullable=False),
        sa.Column("cron", sa.String(length=128), nullable=True),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("clients", Json, nullable=False),
        sa.Column("overlap_policy", sa.String(length=8), nullable=False),
        sa.Column("catch_up", sa.String(length=8), nullable=False),
        sa.Column("catch_up_limit", sa.Integer(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("off_because", sa.String(length=8), nullable=True),
        sa.Column("origin", sa.String(length=8), nullable=False),
        sa.Column("last_run_at", UtcDateTime(), nullable=True),
        sa.Column("next_run_at", UtcDateTime(), nullable=True),
        sa.Column("last_error_message", sa.Text(), nullable=True),
        sa.Column("consecutive_failures", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "catch_up IN ('skip', 'latest', 'all')", name=op.f("ck_automation_schedules_catch_up")
        ),
        sa.CheckConstraint(
            "off_because IN ('failures', 'hand')", name=op.f("ck_automation_schedules_off_because")
        ),
        sa.CheckConstraint(
            "overlap_policy IN ('skip', 'queue')",
            name=op.f("ck_automation_schedules_overlap_policy"),
        ),
        sa.CheckConstraint(
            "purpose IN ('monitor', 'digest')", name=op.f("ck_automation_schedules_purpose")
        ),
        sa.CheckConstraint(
            "schedule_type IN ('manual', 'hourly', 'daily', 'weekly', 'monthly', 'cron')",
            name=op.f("ck_automation_schedules_schedule_type"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_automation_schedules_tenant_id")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_automation_schedules_user_id")
        ),
        sa.PrimaryKeyConstraint("schedule_id", name=op.f("pk_automation_schedules")),
        sa.UniqueConstraint(
            "tenant_id", "name", name=op.f("uq_automation_schedules_tenant_id_name")
        ),
    )
    op.create_index(
        op.f("ix_automation_schedules_is_active_next_run_at"),
        "automation_schedules",
        ["is_active", "next_run_at"],
        unique=False,
    )
    op.create_table(
        "contacts",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("contact_id", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=True),
        sa.Column("phone_number", sa.String(length=20), nullable=True),
        sa.Column("relationship_type", sa.String(length=100), nullable=True),
        sa.Column("external_id", sa.String(length=255), nullable=True),
        sa.Column("origin", sa.String(length=8), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("origin IN ('file', 'crm', 'cli')", name=op.f("ck_contacts_origin")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "client_id"],
            ["clients.tenant_id", "clients.client_id"],
            name=op.f("fk_contacts_tenant_id_client_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_contacts_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "contact_id", name=op.f("pk_contacts")),
    )
    op.create_table(
        "user_preferences",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("relevance_threshold", sa.Float(), nullable=False),
        sa.Column("categories", Json, nullable=False),
        sa.Column("frequency", sa.String(length=8), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("local_time", sa.String(length=5), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("quiet_from", sa.String(length=5), nullable=True),
        sa.Column("quiet_to", sa.String(length=5), nullable=True),
        sa.Column("max_items", sa.Integer(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "frequency IN ('instant', 'daily', 'weekly')",
            name=op.f("ck_user_preferences_frequency"),
        ),
        sa.CheckConstraint(
            "relevance_threshold BETWEEN 0.0 AND 1.0",
            name=op.f("ck_user_preferences_relevance_threshold"),
        ),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name=op.f("ck_user_preferences_weekday")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_user_preferences_tenant_id")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_user_preferences_user_id")
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_user_preferences")),
    )
    op.create_table(
        "fires",
        sa.Column("fire_id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("schedule_id", sa.String(length=36), nullable=True),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("clients", Json, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("root_run_id", sa.String(length=36), nullable=True),
        sa.Column("dispatched_at", UtcDateTime(), nullable=True),
        sa.Column("claimed_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('monitor', 'digest', 'adhoc')", name=op.f("ck_fires_kind")),
        sa.CheckConstraint(
            "state IN ('due', 'dispatched', 'claimed', 'done', 'degraded', 'failed', 'missed', 'skipped')",
            name=op.f("ck_fires_state"),
        ),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["automation_schedules.schedule_id"], name=op.f("fk_fires_schedule_id")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_fires_tenant_id")
        ),
        sa.PrimaryKeyConstraint("fire_id", name=op.f("pk_fires")),
        sa.UniqueConstraint("schedule_id", "due_at", name=op.f("uq_fires_schedule_id_due_at")),
    )
    op.create_index(op.f("ix_fires_state_due_at"), "fires", ["state", "due_at"], unique=False)
    op.create_table(
        "windows",
        sa.Column("window_id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("frequency", sa.String(length=8), nullable=False),
        sa.Column("window_key", sa.String(length=64), nullable=False),
        sa.Column("fire_id", sa.String(length=36), nullable=False),
        sa.Column("as_of_day", sa.Date(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("counts", Json, nullable=False),
        sa.CheckConstraint(
            "frequency IN ('instant', 'daily', 'weekly', 'adhoc')",
            name=op.f("ck_windows_frequency"),
        ),
        sa.CheckConstraint(
            "outcome IN ('mailed', 'empty', 'no_address')", name=op.f("ck_windows_outcome")
        ),
        sa.ForeignKeyConstraint(["fire_id"], ["fires.fire_id"], name=op.f("fk_windows_fire_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_windows_tenant_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_windows_user_id")),
        sa.PrimaryKeyConstraint("window_id", name=op.f("pk_windows")),
        sa.UniqueConstraint(
            "tenant_id",
            "user_id",
            "frequency",
            "window_key",
            name=op.f("uq_windows_tenant_id_user_id_frequency_window_key"),
        ),
    )
    op.create_table(
        "notifications",
        sa.Column("notification_id", sa.String(length=32), nullable=False),
        sa.Column("window_id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("story_id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reference", sa.String(length=9), nullable=False),
        sa.Column("shown_item_id", sa.String(length=32), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("category", sa.String(length=32), nullable=False),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "decision IN ('sent', 'over_cap', 'already_sent', 'no_address')",
            name=op.f("ck_notifications_decision"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_notifications_tenant_id")
        ),
        sa.ForeignKeyConstraint(
            ["window_id"], ["windows.window_id"], name=op.f("fk_notifications_window_id")
        ),
        sa.PrimaryKeyConstraint("notification_id", name=op.f("pk_notifications")),
        sa.UniqueConstraint(
            "window_id", "event_id", name=op.f("uq_notifications_window_id_event_id")
        ),
    )
    op.create_index(
        op.f("ix_notifications_tenant_id_reference"),
        "notifications",
        ["tenant_id", "reference"],
        unique=False,
    )
    op.create_index(
        op.f("ix_notifications_tenant_id_user_id_event_id"),
        "notifications",
        ["tenant_id", "user_id", "event_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_notifications_window_id"), "notifications", ["window_id"], unique=False
    )
    op.create_table(
        "outbox",
        sa.Column("outbox_id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("window_id", sa.String(length=32), nullable=True),
        sa.Column("recipient", sa.String(length=255), nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("blob", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("not_before", UtcDateTime(), nullable=False),
        sa.Column("lease_owner", sa.String(length=36), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_reply", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("channel IN ('folder', 'smtp')", name=op.f("ck_outbox_channel")),
        sa.CheckConstraint(
            "state IN ('pending', 'sending', 'sent', 'uncertain', 'failed')",
            name=op.f("ck_outbox_state"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_outbox_tenant_id")
        ),
        sa.ForeignKeyConstraint(
            ["window_id"], ["windows.window_id"], name=op.f("fk_outbox_window_id")
        ),
        sa.PrimaryKeyConstraint("outbox_id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("message_id", name=op.f("uq_outbox_message_id")),
        sa.UniqueConstraint(
            "window_id", "recipient", "channel", name=op.f("uq_outbox_window_id_recipient_channel")
        ),
    )
    op.create_index(
        op.f("ix_outbox_state_not_before"), "outbox", ["state", "not_before"], unique=False
    )
    op.create_table(
        "email_logs",
        sa.Column("seq", BigId, autoincrement=True, nullable=False),
        sa.Column("outbox_id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("recipient", sa.String(length=255), nullable=False),
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("transport", sa.String(length=8), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reply_code", sa.Integer(), nullable=True),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("provider_message_id", sa.String(length=255), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("opened_at", UtcDateTime(), nullable=True),
        sa.Column("clicked_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('sending', 'sent', 'deferred', 'failed', 'uncertain')",
            name=op.f("ck_email_logs_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["outbox_id"], ["outbox.outbox_id"], name=op.f("fk_email_logs_outbox_id")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_email_logs_tenant_id")
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_email_logs")),
        sa.UniqueConstraint("outbox_id", "attempt", name=op.f("uq_email_logs_outbox_id_attempt")),
    )
    op.create_index(op.f("ix_email_logs_outbox_id"), "email_logs", ["outbox_id"], unique=False)
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(_SQLITE.format(verb=verb))
    else:
        for statement in _POSTGRESQL:
            op.execute(statement)


def downgrade() -> None:
    op.drop_index(op.f("ix_email_logs_outbox_id"), table_name="email_logs")
    op.drop_table("email_logs")
    op.drop_index(op.f("ix_outbox_state_not_before"), table_name="outbox")
    op.drop_table("outbox")
    op.drop_index(op.f("ix_notifications_window_id"), table_name="notifications")
    op.drop_index(op.f("ix_notifications_tenant_id_user_id_event_id"), table_name="notifications")
    op.drop_index(op.f("ix_notifications_tenant_id_reference"), table_name="notifications")
    op.drop_table("notifications")
    op.drop_table("windows")
    op.drop_index(op.f("ix_fires_state_due_at"), table_name="fires")
    op.drop_table("fires")
    op.drop_table("user_preferences")
    op.drop_table("contacts")
    op.drop_index(
        op.f("ix_automation_schedules_is_active_next_run_at"), table_name="automation_schedules"
    )
    op.drop_table("automation_schedules")
    op.drop_table("assignments")
    op.drop_table("users")
    op.drop_table("tenant_days")
    op.drop_index(op.f("ix_stage_runs_run_id"), table_name="stage_runs")
    op.drop_table("stage_runs")
    op.drop_table("sources")
    op.drop_table("source_state")
    op.drop_table("raw_batches")
    op.drop_index(op.f("ix_quarantine_tenant_id_day"), table_name="quarantine")
    op.drop_table("quarantine")
    op.drop_index(op.f("ix_memory_log_tenant_id_seq"), table_name="memory_log")
    op.drop_index(op.f("ix_memory_log_tenant_id_origin_day"), table_name="memory_log")
    op.drop_index(op.f("ix_memory_log_tenant_id_memory_id"), table_name="memory_log")
    op.drop_table("memory_log")
    op.drop_table("config_snapshots")
    op.drop_table("collections")
    op.drop_table("clients")
    op.drop_table("alerts")
    op.drop_table("tenants")
    op.drop_index(op.f("ix_runs_ended_at"), table_name="runs")
    op.drop_table("runs")
    op.drop_table("beats")
    op.drop_index(op.f("ix_audit_log_tenant_id_at"), table_name="audit_log")
    op.drop_table("audit_log")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_log_is_append_only()")
