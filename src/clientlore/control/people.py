"""People who read: users and what they want to be sent."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.audit import Audit, put
from clientlore.control.model import Preferences, User
from clientlore.control.rows import dump, load, load_all
from clientlore.errors import NotFoundError
from clientlore.ids import stable_uuid


def user_id_for(tenant_id: str, handle: str) -> str:
    """The UUID of a person, from the tenant and the handle that the tenant file gives."""
    return stable_uuid("user", tenant_id, handle)


def users_of(connection: Connection, tenant_id: str, *, active_only: bool = True) -> list[User]:
    """The people of a tenant, by handle."""
    query = sa.select(t.users).where(t.users.c.tenant_id == tenant_id).order_by(t.users.c.handle)
    if active_only:
        query = query.where(t.users.c.is_active)
    return load_all(connection, User, query)


def find_user(connection: Connection, tenant_id: str, name: str) -> User:
    """The person with that handle, address or id.

    Raises:
        NotFoundError: There is none in this tenant; the message lists the handles.
    """
    row = (
        connection.execute(
            sa.select(t.users).where(
                t.users.c.tenant_id == tenant_id,
                sa.or_(
                    t.users.c.handle == name, t.users.c.email == name, t.users.c.user_id == name
                ),
            )
        )
        .mappings()
        .first()
    )
    if row is None:
        known = ", ".join(u.handle for u in users_of(connection, tenant_id, active_only=False))
        raise NotFoundError(
            f"There is no user '{name}' in tenant '{tenant_id}'", f"Known: {known or 'none'}."
        )
    return load(User, row)


def preferences_of(connection: Connection, tenant_id: str) -> dict[str, Preferences]:
    """What each person of a tenant wants, by user id."""
    query = sa.select(t.user_preferences).where(t.user_preferences.c.tenant_id == tenant_id)
    return {p.user_id: p for p in load_all(connection, Preferences, query)}


def put_user(connection: Connection, audit: Audit, user: User) -> dict[str, object]:
    """Creates or changes a person."""
    return put(connection, audit, t.users, dump(user))


def put_preferences(
    connection: Connection, audit: Audit, preferences: Preferences
) -> dict[str, object]:
    """Creates or changes what a person wants."""
    return put(connection, audit, t.user_preferences, dump(preferences))


def deactivate_user(connection: Connection, audit: Audit, user: User) -> None:
    """Stops all mail to a person; the history stays."""
    put(connection, audit, t.users, {**dump(user), "is_active": False})
