"""What was spent on providers, and the judgements that were bought."""

import sqlalchemy as sa
from alembic import op

from clientlore.control.types import Json, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "llm_judgements",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("cache_key", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=255), nullable=False),
        sa.Column("prompt", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("answer", Json, nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("nano_usd", sa.BigInteger(), nullable=True),
        sa.Column("judged_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('judged', 'unusable')", name=op.f("ck_llm_judgements_outcome")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenants.tenant_id"],
            name=op.f("fk_llm_judgements_tenant_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "cache_key", name=op.f("pk_llm_judgements")),
    )
    op.create_table(
        "provider_spending",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("spent_on", sa.Date(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("reserved_calls", sa.BigInteger(), nullable=False),
        sa.Column("reserved_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reserved_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenants.tenant_id"],
            name=op.f("fk_provider_spending_tenant_id"),
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "provider", "spent_on", name=op.f("pk_provider_spending")
        ),
    )


def downgrade() -> None:
    op.drop_table("provider_spending")
    op.drop_table("llm_judgements")
