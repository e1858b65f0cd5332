"""What happened to the memories about one owner is read without reading those about the others."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        op.f("ix_memory_log_tenant_id_owner_id_seq"),
        "memory_log",
        ["tenant_id", "owner_id", "seq"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_memory_log_tenant_id_owner_id_seq"), table_name="memory_log")
