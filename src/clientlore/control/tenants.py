"""Tenants: who uses this installation, whether they are live or mock, and whether they are held."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.audit import Audit, put
from clientlore.control.model import Tenant
from clientlore.control.rows import dump, load, load_all
from clientlore.errors import ConfigurationError, NotFoundError


def all_tenants(connection: Connection) -> list[Tenant]:
    """Every tenant, by id."""
    return load_all(connection, Tenant, sa.select(t.tenants).order_by(t.tenants.c.tenant_id))


def find_tenant(connection: Connection, tenant_id: str) -> Tenant | None:
    """The tenant of that id, if there is one."""
    row = (
        connection.execute(sa.select(t.tenants).where(t.tenants.c.tenant_id == tenant_id))
        .mappings()
        .first()
    )
    return None if row is None else load(Tenant, row)


def get_tenant(connection: Connection, tenant_id: str) -> Tenant:
    """The tenant of that id.

    Raises:
        NotFoundError: There is none.
    """
    tenant = find_tenant(connection, tenant_id)
    if tenant is None:
        known = ", ".join(x.tenant_id for x in all_tenants(connection)) or "none yet"
        raise NotFoundError(f"There is no tenant '{tenant_id}'", f"Known: {known}.")
    return tenant


def chosen_tenants(connection: Connection, wanted: Collection[str]) -> list[Tenant]:
    """The wanted tenants, or all of them where none is named."""
    if not wanted:
        return all_tenants(connection)
    return [get_tenant(connection, tenant_id) for tenant_id in sorted(set(wanted))]


def only_tenant(connection: Connection, wanted: str | None) -> Tenant:
    """The wanted tenant, or the only one there is; a live one beside mock ones is meant, as after the demo.

    Raises:
        ConfigurationError: None is named and there are several.
    """
    if wanted is not None:
        return get_tenant(connection, wanted)
    found = all_tenants(connection)
    if not found:
        raise NotFoundError("There is no tenant yet", "Run `clientlore init`, then `apply`.")
    meant = [x for x in found if x.mode == "live"] or found
    if len(meant) == 1:
        return meant[0]
    names = ", ".join(x.tenant_id for x in found)
    raise ConfigurationError("Several tenants are known", f"Name one with --tenant: {names}.")


def put_tenant(connection: Connection, audit: Audit, tenant: Tenant) -> dict[str, object]:
    """Creates or changes a tenant.

    Raises:
        ConfigurationError: The mode differs from that under which it was created.
    """
    before = find_tenant(connection, tenant.tenant_id)
    if before is not None and before.mode != tenant.mode:
        raise ConfigurationError(
            f"Tenant '{tenant.tenant_id}' was created as {before.mode} and cannot become {tenant.mode}",
            "A tenant's mode is set once, so that made-up rows never mix with real ones. "
            "Use another tenant id.",
        )
    row = dump(tenant)
    if before is not None:
        row["status"], row["held_reason"] = before.status, before.held_reason
    return put(connection, audit, t.tenants, row)


def hold(connection: Connection, audit: Audit, tenant_id: str, reason: str) -> bool:
    """Holds a tenant: nothing is derived or mailed for it until it is released. False if it was held already."""
    changed = connection.execute(
        sa.update(t.tenants)
        .where(t.tenants.c.tenant_id == tenant_id, t.tenants.c.status == "active")
        .values(status="held", held_reason=reason, held_at=audit.now(), updated_at=audit.now())
    ).rowcount
    if changed:
        audit.log(
            connection, "hold", "tenants", tenant_id, tenant_id=tenant_id, changes={"why": reason}
        )
    return bool(changed)


def release(connection: Connection, audit: Audit, tenant_id: str) -> bool:
    """Lets a held tenant go on. False if it was not held."""
    get_tenant(connection, tenant_id)
    changed = connection.execute(
        sa.update(t.tenants)
        .where(t.tenants.c.tenant_id == tenant_id, t.tenants.c.status == "held")
        .values(status="active", held_reason=None, held_at=None, updated_at=audit.now())
    ).rowcount
    if changed:
        audit.log(connection, "release", "tenants", tenant_id, tenant_id=tenant_id)
    return bool(changed)
