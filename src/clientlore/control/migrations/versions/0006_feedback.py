"""What people said of what they were told."""

import sqlalchemy as sa
from alembic import op

from clientlore.control.types import BigId, Json, UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("seq", BigId, autoincrement=True, nullable=False),
        sa.Column("feedback_id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("category", sa.String(length=32), nullable=True),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("judgement", Json, nullable=False),
        sa.Column("given_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('useful', 'not_useful', 'wrong_client', 'wrong_category')",
            name=op.f("ck_feedback_kind"),
        ),
        sa.CheckConstraint("channel IN ('cli', 'link')", name=op.f("ck_feedback_channel")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.tenant_id"], name=op.f("fk_feedback_tenant_id")
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_feedback")),
        sa.UniqueConstraint("feedback_id", name=op.f("uq_feedback_feedback_id")),
    )
    op.create_index(
        op.f("ix_feedback_tenant_id_seq"), "feedback", ["tenant_id", "seq"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_feedback_tenant_id_seq"), table_name="feedback")
    op.drop_table("feedback")
