"""What was removed because a provider's terms say so, and questions that wait in batches at providers of models."""

import sqlalchemy as sa
from alembic import op

from clientlore.control.types import Json, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "llm_batches",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("batch_id", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=255), nullable=False),
        sa.Column("prompt", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("vendor_id", sa.String(length=255), nullable=True),
        sa.Column("requests", Json, nullable=False),
        sa.Column("spent_on", sa.Date(), nullable=False),
        sa.Column("reserved_calls", sa.BigInteger(), nullable=False),
        sa.Column("reserved_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reserved_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("submitted_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "state IN ('submitting', 'submitted', 'done', 'lost')",
            name=op.f("ck_llm_batches_state"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_llm_batches_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "batch_id", name=op.f("pk_llm_batches")),
    )
    op.create_table(
        "retentions",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("responses", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("texts", sa.Integer(), nullable=False),
        sa.Column("removed_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_retentions_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "provider", "day", name=op.f("pk_retentions")),
    )


def downgrade() -> None:
    op.drop_table("retentions")
    op.drop_table("llm_batches")
