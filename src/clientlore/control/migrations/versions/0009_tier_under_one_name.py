"""Memories said under the key `tier` how secret they are, and search goes by `security`: one name for both.

A summary of secret memories that was made as a general one is as secret as what it tells. A tenant whose log changed
has another edition of it, so that an index of what it said before is no longer searched.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.engine import Connection

from clientlore.control.types import BigId, Json, UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TIERS = ("general", "confidential", "secret", "ultra_secret")
_BATCH = 10_000
_SUMMARIES = 500
_LISTED = ", ".join(f"'{tier}'" for tier in _TIERS)

_LOG = sa.table(
    "memory_log",
    sa.column("seq", BigId),
    sa.column("tenant_id", sa.String),
    sa.column("memory_id", sa.String),
    sa.column("op", sa.String),
    sa.column("kind", sa.String),
    sa.column("attributes", Json),
    sa.column("sources", Json),
)
_TENANTS = sa.table(
    "tenants", sa.column("tenant_id", sa.String), sa.column("memory_edition", sa.Integer)
)
_AUDIT = sa.table(
    "audit_log",
    sa.column("at", UtcDateTime),
    *(sa.column(n, sa.String) for n in ("actor", "action", "entity", "entity_id", "tenant_id")),
    sa.column("reason", sa.Text),
    sa.column("changes", Json),
)

# By database: how a key is read, how one takes another's place, and how one is put beside another.
_VALUE = {
    "sqlite": "CASE json_valid(attributes) WHEN 1 THEN json_extract(attributes, '$.{}') END",
    "postgresql": "attributes ->> '{}'",
}
_HAS = {
    "sqlite": "(CASE json_valid(attributes) WHEN 1 THEN json_type(attributes, '$.{}') END) IS NOT NULL",
    "postgresql": "jsonb_exists(attributes, '{}')",
}
_RENAMED = {
    "sqlite": "json_remove(json_set(attributes, '$.security', json_extract(attributes, '$.tier')), '$.tier')",
    "postgresql": "(attributes - 'tier') || jsonb_build_object('security', attributes -> 'tier')",
}
_DOUBLED = {
    "sqlite": "json_set(attributes, '$.tier', json_extract(attributes, '$.security'))",
    "postgresql": "attributes || jsonb_build_object('tier', attributes -> 'security')",
}


def upgrade() -> None:
    edition = sa.Column("memory_edition", sa.Integer(), nullable=False, server_default="0")
    op.add_column("tenants", edition)
    connection = op.get_bind()
    there = _there(connection, "tier", "security")
    changed = _rewrite(connection, _RENAMED[connection.dialect.name], there)
    for tenant_id, count in sorted(changed.items()):
        raised = _raise_summaries(connection, tenant_id)
        connection.execute(
            sa.update(_TENANTS)
            .where(_TENANTS.c.tenant_id == tenant_id)
            .values(memory_edition=_TENANTS.c.memory_edition + 1)
        )
        told = {"attributes.tier": "attributes.security", "operations": count, "raised": raised}
        connection.execute(
            sa.insert(_AUDIT).values(
                at=datetime.now(UTC),
                actor="migration:0009",
                action="rename",
                entity="memory_log",
                entity_id=tenant_id,
                tenant_id=tenant_id,
                reason="search goes by one name of the tier",
                changes=told,
            )
        )


def downgrade() -> None:
    # Programs of the version before read either name: what is above general says it under both.
    connection = op.get_bind()
    there = _there(connection, "security", "tier") + (
        f" AND {_VALUE[connection.dialect.name].format('security')} <> 'general'"
        f" AND {_HAS[connection.dialect.name].format('importance')}"
    )
    _rewrite(connection, _DOUBLED[connection.dialect.name], there)
    op.drop_column("tenants", "memory_edition")


def _there(connection: Connection, key: str, lacks: str) -> str:
    """Whether an operation says its tier under one key and nothing under another."""
    database = connection.dialect.name
    return f"{_VALUE[database].format(key)} IN ({_LISTED}) AND NOT {_HAS[database].format(lacks)}"


def _rewrite(connection: Connection, attributes: str, there: str) -> dict[str, int]:
    """Gives operations other attributes, some at a time; returns how many of each tenant."""
    counted = f"SELECT tenant_id, count(*), min(seq), max(seq) FROM memory_log WHERE {there} GROUP BY tenant_id"  # noqa: S608 - constants
    found = connection.execute(sa.text(counted)).all()
    if not found:
        return {}
    changed = sa.text(
        f"UPDATE memory_log SET attributes = {attributes} "  # noqa: S608 - constants
        f"WHERE seq BETWEEN :first AND :last AND {there}"
    )
    last = max(row[3] for row in found)
    for first in range(min(row[2] for row in found), last + 1, _BATCH):
        connection.execute(changed, {"first": first, "last": first + _BATCH - 1})
    return {row[0]: row[1] for row in found}


def _raise_summaries(connection: Connection, tenant_id: str) -> int:
    """Makes summaries as secret as the most secret of what they tell; returns how many operations that changed."""
    mine = sa.select(_LOG.c.seq, _LOG.c.attributes, _LOG.c.sources).where(
        _LOG.c.tenant_id == tenant_id, _LOG.c.kind == "summary"
    )
    raised, last = 0, 0
    while True:
        part = connection.execute(
            mine.where(_LOG.c.seq > last).order_by(_LOG.c.seq).limit(_SUMMARIES)
        ).all()
        if not part:
            return raised
        last = part[-1].seq
        cited = {row.seq: _memories(row.sources) for row in part}
        tiers = _tiers(connection, tenant_id, sorted({m for ids in cited.values() for m in ids}))
        for row in part:
            own = _rank(row.attributes)
            most = max([own, *(tiers.get(m, 0) for m in cited[row.seq])])
            if most > own:
                told = {**row.attributes, "security": _TIERS[most]}
                connection.execute(
                    sa.update(_LOG).where(_LOG.c.seq == row.seq).values(attributes=told)
                )
                raised += 1


def _memories(sources: Sequence[str]) -> list[str]:
    return [s.removeprefix("memory:") for s in sources if s.startswith("memory:")]


def _tiers(connection: Connection, tenant_id: str, ids: Sequence[str]) -> dict[str, int]:
    """The highest tier that each memory ever had, by its place; only those above general."""
    found: dict[str, int] = {}
    for start in range(0, len(ids), 500):
        said = sa.select(_LOG.c.memory_id, _LOG.c.attributes).where(
            _LOG.c.tenant_id == tenant_id,
            _LOG.c.memory_id.in_(ids[start : start + 500]),
            _LOG.c.op.in_(["add", "revise", "compress"]),
        )
        for memory_id, attributes in connection.execute(said):
            found[memory_id] = max(found.get(memory_id, 0), _rank(attributes))
    return found


def _rank(attributes: Mapping[str, Any]) -> int:
    """The place of a tier; the first where none is said, the last where it is not known."""
    said = attributes.get("security", _TIERS[0])
    return _TIERS.index(said) if said in _TIERS else len(_TIERS) - 1
