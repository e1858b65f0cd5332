"""What every table of the control plane shares: the metadata, key types, the tenant column, times."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from clientlore.control.types import UtcDateTime

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = sa.MetaData(naming_convention=NAMING)

Key = sa.String(64)
Name = sa.String(255)


def tenant_column(*, primary_key: bool = False) -> sa.Column[str]:
    """Whose the row is."""
    return sa.Column(
        "tenant_id",
        Key,
        sa.ForeignKey("tenants.tenant_id"),
        primary_key=primary_key,
        nullable=False,
    )


def times() -> tuple[sa.Column[datetime], sa.Column[datetime]]:
    """When the row was made and last changed."""
    return (
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    )


def one_of(column: str, *values: str) -> sa.CheckConstraint:
    """The column holds one of these."""
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)
