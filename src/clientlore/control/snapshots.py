"""The configuration of a day: what clients, people and preferences were. Taken once for each (tenant, day).

Whatever is derived for a day reads the snapshot, never the tables it was taken from, so that a day made again
next month comes out as it did. Addresses are not in it: mail goes to where a person is reached today.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import clients, people, sources
from clientlore.control import tables as t
from clientlore.control.audit import Audit
from clientlore.control.engine import insert_ignore
from clientlore.control.model import Client, Mode, Preferences, Source, Tenant
from clientlore.control.rows import dump, load
from clientlore.errors import NotFoundError
from clientlore.ids import sha256

DEFAULT_SETTINGS: Mapping[str, Any] = {
    "memory_threshold": 0.5,
    "max_age_days": None,
    "mail_horizon_days": 31,
    "judge": None,
    "extraction": "rules",
}


@dataclass(frozen=True)
class Reader:
    """A person with what they want, as of the day."""

    user_id: str
    handle: str
    name: str
    preferences: Preferences


@dataclass(frozen=True)
class Snapshot:
    """The configuration of one (tenant, day).

    Attributes:
        owners: User ids by client id.
        sha: SHA-256 of the content, without tenant and day.
    """

    tenant_id: str
    day: date
    name: str
    mode: Mode
    settings: Mapping[str, Any]
    clients: tuple[Client, ...]
    readers: tuple[Reader, ...]
    owners: Mapping[str, tuple[str, ...]]
    sources: tuple[Source, ...]
    sha: str
    taken_at: datetime

    def setting(self, name: str) -> Any:
        """A setting of the tenant, or its default."""
        return self.settings.get(name, DEFAULT_SETTINGS[name])


def take(
    connection: Connection,
    audit: Audit,
    tenant: Tenant,
    day: date,
    *,
    refresh: bool = False,
    run_id: str | None = None,
) -> Snapshot:
    """The snapshot of a (tenant, day): taken now if there is none yet, or if it shall be retaken."""
    row = {
        "tenant_id": tenant.tenant_id,
        "day": day,
        "taken_at": audit.now(),
        "run_id": run_id,
        **_content_columns(connection, tenant),
    }
    if refresh:
        found = find(connection, tenant.tenant_id, day)
        if found is not None and found.sha != row["content_sha"]:
            connection.execute(
                sa.delete(t.config_snapshots).where(
                    t.config_snapshots.c.tenant_id == tenant.tenant_id,
                    t.config_snapshots.c.day == day,
                )
            )
            audit.log(
                connection,
                "retake",
                "config_snapshots",
                day.isoformat(),
                tenant_id=tenant.tenant_id,
                changes={"content_sha": [found.sha, row["content_sha"]]},
            )
    insert_ignore(connection, t.config_snapshots, [row])
    return get(connection, tenant.tenant_id, day)


def is_outdated(connection: Connection, tenant: Tenant, day: date) -> bool:
    """Whether the configuration has changed since the snapshot of that day was taken."""
    found = find(connection, tenant.tenant_id, day)
    return found is not None and found.sha != _content_columns(connection, tenant)["content_sha"]


def get(connection: Connection, tenant_id: str, day: date) -> Snapshot:
    """The snapshot of a (tenant, day).

    Raises:
        NotFoundError: None was taken.
    """
    found = find(connection, tenant_id, day)
    if found is None:
        raise NotFoundError(
            f"No configuration was kept for tenant '{tenant_id}' on {day}",
            "Materialize core/config_snapshot for that day first; `clientlore run` does.",
        )
    return found


def find(connection: Connection, tenant_id: str, day: date) -> Snapshot | None:
    """The snapshot of a (tenant, day), if it was taken."""
    row = (
        connection.execute(
            sa.select(t.config_snapshots).where(
                t.config_snapshots.c.tenant_id == tenant_id, t.config_snapshots.c.day == day
            )
        )
        .mappings()
        .first()
    )
    if row is None:
        return None
    content = row["content"]
    return Snapshot(
        tenant_id=tenant_id,
        day=day,
        name=content["name"],
        mode=content["mode"],
        settings=content["settings"],
        clients=tuple(load(Client, {"tenant_id": tenant_id, **c}) for c in content["clients"]),
        readers=tuple(_reader(tenant_id, r) for r in content["readers"]),
        owners={client: tuple(users) for client, users in content["owners"].items()},
        sources=tuple(load(Source, {"tenant_id": tenant_id, **s}) for s in content["sources"]),
        sha=row["content_sha"],
        taken_at=row["taken_at"],
    )


def _content_columns(connection: Connection, tenant: Tenant) -> dict[str, Any]:
    wanted = people.preferences_of(connection, tenant.tenant_id)
    readers = [
        Reader(
            u.user_id,
            u.handle,
            u.name,
            wanted.get(u.user_id, Preferences(u.user_id, tenant.tenant_id)),
        )
        for u in people.users_of(connection, tenant.tenant_id)
    ]
    content = {
        "name": tenant.name,
        "mode": tenant.mode,
        "settings": {k: v for k, v in tenant.settings.items() if k in DEFAULT_SETTINGS},
        "clients": [
            _without_tenant(dump(c)) for c in clients.clients_of(connection, tenant.tenant_id)
        ],
        "readers": [
            {
                "user_id": r.user_id,
                "handle": r.handle,
                "name": r.name,
                "preferences": _without_tenant(dump(r.preferences)),
            }
            for r in readers
        ],
        "owners": clients.responsible(connection, tenant.tenant_id),
        "sources": [
            _without_tenant(dump(s)) for s in sources.sources_of(connection, tenant.tenant_id)
        ],
    }
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return {"content": content, "content_sha": sha256(canonical.encode())}


def _reader(tenant_id: str, content: Mapping[str, Any]) -> Reader:
    preferences = load(Preferences, {"tenant_id": tenant_id, **content["preferences"]})
    return Reader(content["user_id"], content["handle"], content["name"], preferences)


def _without_tenant(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "tenant_id"}


def export_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The snapshot as analysts read it: a row for each client, person and source, attributes as JSON."""
    rows: list[dict[str, Any]] = []
    for client in snapshot.clients:
        values = asdict(client) | {"owners": list(snapshot.owners.get(client.client_id, ()))}
        rows.append(_export("client", client.client_id, client.name, values))
    for reader in snapshot.readers:
        values = {f.name: getattr(reader.preferences, f.name) for f in fields(Preferences)}
        rows.append(_export("user", reader.user_id, reader.handle, values))
    rows += [_export("source", s.source_id, s.kind, asdict(s)) for s in snapshot.sources]
    return [{"tenant_id": snapshot.tenant_id, "day": snapshot.day, **row} for row in rows]


def _export(kind: str, entity_id: str, label: str, values: Mapping[str, Any]) -> dict[str, Any]:
    told = {k: v for k, v in values.items() if k not in {"tenant_id", "user_id"}}
    return {
        "kind": kind,
        "entity_id": entity_id,
        "label": label,
        "attributes": json.dumps(told, sort_keys=True, ensure_ascii=False, default=str),
    }
