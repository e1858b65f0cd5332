"""What was removed because a provider's terms say so."""

import sqlalchemy as sa
from alembic import op

from clientlore.control.types import UtcDateTime

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
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
