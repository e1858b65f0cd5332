"""Who: tenants, users, their preferences, clients, contacts, assignments."""

from __future__ import annotations

import sqlalchemy as sa

from clientlore.control.tables.base import Key, Name, metadata, one_of, tenant_column, times
from clientlore.control.types import Json, UtcDateTime

tenants = sa.Table(
    "tenants",
    metadata,
    sa.Column("tenant_id", Key, primary_key=True),
    sa.Column("name", Name, nullable=False),
    sa.Column("mode", sa.String(8), nullable=False),
    sa.Column("status", sa.String(8), nullable=False),
    sa.Column("held_reason", sa.Text),
    sa.Column("held_at", UtcDateTime),
    sa.Column("allow_live_send", sa.Boolean, nullable=False),
    sa.Column("settings", Json, nullable=False),
    # How often operations that were in the memory log already were changed: what was made from it is made anew.
    sa.Column("memory_edition", sa.Integer, nullable=False, server_default="0"),
    *times(),
    one_of("mode", "live", "mock"),
    one_of("status", "active", "held"),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("user_id", sa.String(36), primary_key=True),
    tenant_column(),
    sa.Column("handle", Key, nullable=False),
    sa.Column("name", Name, nullable=False),
    sa.Column("email", Name),
    sa.Column("phone_number", sa.String(20)),
    sa.Column("security_level", sa.Integer, nullable=False),
    sa.Column("preferences", Json, nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    *times(),
    sa.UniqueConstraint("tenant_id", "handle"),
    sa.UniqueConstraint("tenant_id", "email"),
    sa.UniqueConstraint("tenant_id", "phone_number"),
    sa.CheckConstraint("security_level BETWEEN 1 AND 4", name="security_level"),
)

user_preferences = sa.Table(
    "user_preferences",
    metadata,
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.user_id"), primary_key=True),
    tenant_column(),
    sa.Column("relevance_threshold", sa.Float, nullable=False),
    sa.Column("categories", Json, nullable=False),
    sa.Column("frequency", sa.String(8), nullable=False),
    sa.Column("timezone", Key, nullable=False),
    sa.Column("local_time", sa.String(5), nullable=False),
    sa.Column("weekday", sa.Integer, nullable=False),
    sa.Column("quiet_from", sa.String(5)),
    sa.Column("quiet_to", sa.String(5)),
    sa.Column("max_items", sa.Integer, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("relevance_threshold BETWEEN 0.0 AND 1.0", name="relevance_threshold"),
    sa.CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
    one_of("frequency", "instant", "daily", "weekly"),
)

clients = sa.Table(
    "clients",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("client_id", Key, primary_key=True),
    sa.Column("name", Name, nullable=False),
    sa.Column("domain", Name),
    sa.Column("ticker", sa.String(16)),
    sa.Column("industry", Name),
    sa.Column("profile", Json, nullable=False),
    sa.Column("external_id", Name),
    sa.Column("origin", sa.String(8), nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    *times(),
    one_of("origin", "file", "crm", "cli"),
)

contacts = sa.Table(
    "contacts",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("contact_id", Key, primary_key=True),
    sa.Column("client_id", Key, nullable=False),
    sa.Column("name", Name, nullable=False),
    sa.Column("email", Name),
    sa.Column("phone_number", sa.String(20)),
    sa.Column("relationship_type", sa.String(100)),
    sa.Column("external_id", Name),
    sa.Column("origin", sa.String(8), nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    *times(),
    sa.ForeignKeyConstraint(["tenant_id", "client_id"], ["clients.tenant_id", "clients.client_id"]),
    one_of("origin", "file", "crm", "cli"),
)

assignments = sa.Table(
    "assignments",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("client_id", Key, primary_key=True),
    sa.Column("user_id", sa.String(36), sa.ForeignKey("users.user_id"), primary_key=True),
    sa.Column("origin", sa.String(8), primary_key=True),
    sa.Column("is_active", sa.Boolean, nullable=False),
    *times(),
    sa.ForeignKeyConstraint(["tenant_id", "client_id"], ["clients.tenant_id", "clients.client_id"]),
    one_of("origin", "file", "crm", "cli"),
)
