"""Matches in doubt, which wait for a person or were decided by one."""

import sqlalchemy as sa
from alembic import op

from clientlore.control.types import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reviews",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("review_id", sa.String(length=32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("item_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('open', 'accepted', 'rejected', 'settled')",
            name=op.f("ck_reviews_state"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_reviews_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "review_id", name=op.f("pk_reviews")),
    )
    op.create_index(op.f("ix_reviews_tenant_id_day"), "reviews", ["tenant_id", "day"])


def downgrade() -> None:
    op.drop_index(op.f("ix_reviews_tenant_id_day"), table_name="reviews")
    op.drop_table("reviews")
