"""Versions of the control plane: which one a database has, and how to bring it up or down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control.engine import ControlPlane
from clientlore.errors import StoreError

if TYPE_CHECKING:
    from alembic.config import Config

# The newest version in `control/migrations/versions`; a test compares.
HEAD = "0009"


def current(control: ControlPlane) -> str | None:
    """The version of the database; None where it is empty."""
    with control.read() as connection:
        return _version(connection)


def upgrade(control: ControlPlane, revision: str = "head") -> None:
    """Brings the database up to a version, in one transaction where the database can."""
    from alembic import command

    with control.write() as connection:
        command.upgrade(_config(connection), revision)


def downgrade(control: ControlPlane, revision: str) -> None:
    """Takes the database back to a version (`base` empties it). What only the newer version held is lost."""
    from alembic import command

    with control.write() as connection:
        command.downgrade(_config(connection), revision)


def ensure_current(control: ControlPlane) -> None:
    """Creates the tables of an empty database; refuses one of another version.

    Raises:
        StoreError: The database is older or newer than this program.
    """
    version = current(control)
    if version == HEAD:
        return
    if version is None:
        with control.write() as connection:
            # Another process may have been quicker between our look and our lock.
            if _version(connection) is None:
                from alembic import command

                command.upgrade(_config(connection), "head")
        return
    if version < HEAD:
        raise StoreError(
            f"The control plane is at version {version}, this program needs {HEAD}",
            "Run `clientlore db upgrade`.",
        )
    raise StoreError(
        f"The control plane is at version {version}, newer than this program ({HEAD})",
        "Install the newer release, or restore the backup taken before the upgrade.",
    )


def _version(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "clientlore.control:migrations")
    config.attributes["connection"] = connection
    return config
