"""The schema of the control plane: built by migrations, the same on both databases, and taken back again."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from clientlore.control import migrate
from clientlore.control.engine import ControlPlane
from clientlore.control.tables import metadata
from clientlore.errors import StoreError


def test_migrations_build_exactly_the_declared_tables(empty_control: ControlPlane) -> None:
    migrate.upgrade(empty_control)
    with empty_control.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_downgrade_to_base_leaves_no_table_and_an_upgrade_brings_all_back(
    empty_control: ControlPlane,
) -> None:
    migrate.upgrade(empty_control)
    migrate.downgrade(empty_control, "base")
    with empty_control.read() as connection:
        assert set(sa.inspect(connection).get_table_names()) <= {"alembic_version"}
    assert migrate.current(empty_control) is None
    migrate.upgrade(empty_control)
    assert migrate.current(empty_control) == migrate.HEAD


def test_an_empty_database_is_brought_up_by_itself_and_another_version_is_refused(
    empty_control: ControlPlane,
) -> None:
    migrate.ensure_current(empty_control)
    assert migrate.current(empty_control) == migrate.HEAD
    for version, advice in (("0000", "db upgrade"), ("9999", "newer release")):
        with empty_control.write() as connection:
            connection.execute(
                sa.text("UPDATE alembic_version SET version_num = :v"), {"v": version}
            )
        with pytest.raises(StoreError, match=advice):
            migrate.ensure_current(empty_control)


def test_head_is_the_newest_script() -> None:
    assert ScriptDirectory("src/clientlore/control/migrations").get_heads() == [migrate.HEAD]


def test_the_audit_log_can_be_neither_changed_nor_deleted(empty_control: ControlPlane) -> None:
    migrate.upgrade(empty_control)
    with empty_control.write() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO audit_log (at, actor, action, entity, entity_id, reason, changes) "
                "VALUES ('2026-11-20T00:00:00.000000Z', 'me', 'create', 'x', 'y', 'z', '{}')"
            )
        )
    for statement in ("UPDATE audit_log SET actor = 'you'", "DELETE FROM audit_log"):
        with (
            pytest.raises(sa.exc.DBAPIError, match="append-only"),
            empty_control.write() as connection,
        ):
            connection.execute(sa.text(statement))
