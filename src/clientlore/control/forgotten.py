"""Whom a tenant has forgotten: who that was while it is going on, hashes of their names afterwards, and the gate.

Here: finding out under which ids and names somebody is known, taking them out of the control plane's tables, and
saying whether a row that comes in belongs to somebody who was forgotten. Not here: files (`storage.erasing`), the order
of things (`runs.forgetting`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.engine import insert_ignore
from clientlore.ids import sha256

REMOVED = "[forgotten]"
SHORTEST = 4
"""Characters below which a name is not looked for inside of texts: it would be found in every second word."""
_NAMED_BY = ("owner_id", "client_id", "contact_id", "memory_id", "event_id", "story_id", "item_id")
_GO_IF_MENTIONED = frozenset({"memory_log", "quarantine", "notifications", "alerts", "feedback"})
_STAYS = frozenset({"forgettings", "forgotten_keys", "alembic_version"})
_ANONYMOUS = frozenset({"users"})
_KEPT = frozenset({"audit_log", "tenants"})


@dataclass(frozen=True)
class Subject:
    """Who is to be forgotten, and what is known to be theirs.

    Attributes:
        owner: The id that was named.
        ids: Ids that are theirs whole: of clients, contacts, accounts, memories, events, items, mails.
        words: Names, addresses and numbers that are looked for inside of texts.
        keys: What says that a row which comes in is theirs: ids and names in lower case.
        responses: Raw responses with something of theirs among other things.
        files: Mail files; `blobs`: blobs, by their SHA-256.
    """

    owner: str
    ids: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    responses: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As JSON, to go on after a crash."""
        return {
            name: sorted(v) if isinstance(v, frozenset) else v for name, v in asdict(self).items()
        }

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Subject:
        """From what `plain` gave."""
        rest = {k: tuple(v) for k, v in stored.items() if k not in {"owner", "ids"}}
        return cls(owner=stored["owner"], ids=frozenset(stored["ids"]), **rest)

    def adding(self, *ids: str) -> Subject:
        """With more ids."""
        return replace(self, ids=self.ids | frozenset(ids))

    @property
    def needles(self) -> list[str]:
        """What is looked for inside of texts: words, long ids, and short ids as they stand in JSON."""
        made = {w for w in self.words if len(w) >= SHORTEST}
        made |= {json.dumps(w)[1:-1] for w in made}
        made |= {i if _is_hash(i) else f'"{i}"' for i in self.ids}
        return sorted(made, key=lambda n: (-len(n), n))


def key_hash(tenant_id: str, key: str) -> str:
    """Hash by which somebody forgotten is known again; tells nothing but equality."""
    said = " ".join(key.lower().split())
    return hashlib.blake2b(f"{tenant_id}\x1f{said}".encode(), digest_size=32).hexdigest()


@dataclass(frozen=True)
class Gate:
    """Says whether something that comes in belongs to somebody who was forgotten."""

    tenant_id: str
    hashes: frozenset[str] = field(default_factory=frozenset)

    def __bool__(self) -> bool:
        """Whether anybody was forgotten at all."""
        return bool(self.hashes)

    def knows(self, *keys: str | None) -> bool:
        """Whether one of these ids, names or addresses is that of somebody forgotten."""
        return bool(self.hashes) and any(
            key_hash(self.tenant_id, key) in self.hashes for key in keys if key
        )


def gate(connection: Connection, tenant_id: str) -> Gate:
    """The gate of a tenant, with those too whose forgetting is not finished."""
    found = connection.execute(
        sa.select(t.forgotten_keys.c.key_hash).where(t.forgotten_keys.c.tenant_id == tenant_id)
    ).scalars()
    return Gate(tenant_id, frozenset(found))


def put_keys(connection: Connection, tenant_id: str, forget_id: str, keys: Iterable[str]) -> None:
    """Closes the gate for somebody."""
    hashes = {key_hash(tenant_id, key) for key in keys if key}
    rows = [{"tenant_id": tenant_id, "key_hash": h, "forget_id": forget_id} for h in sorted(hashes)]
    insert_ignore(connection, t.forgotten_keys, rows)


def known_as(connection: Connection, tenant_id: str, owner: str) -> Subject:
    """Under which ids and names somebody is known: a client with its contacts, a contact, a user, or an id alone."""
    ids, words, keys = {owner}, set[str](), {owner}
    client = _row(connection, t.clients, tenant_id, t.clients.c.client_id == owner)
    of_contact = t.contacts.c.client_id == owner if client else t.contacts.c.contact_id == owner
    if client is not None:
        words |= {client["name"], client["domain"] or "", client["external_id"] or ""}
        words |= set((client["profile"] or {}).get("aliases", []))
        keys |= {client["name"], client["domain"] or "", client["external_id"] or ""}
        ids |= {client["external_id"] or owner}
    for contact in _rows(connection, t.contacts, tenant_id, of_contact):
        told = {contact["name"], contact["email"] or "", contact["phone_number"] or ""}
        ids |= {contact["contact_id"], contact["external_id"] or owner}
        words |= told
        keys |= {contact["contact_id"], contact["external_id"] or "", contact["email"] or ""}
        if client is None:
            keys |= told
    user = _row(
        connection,
        t.users,
        tenant_id,
        sa.or_(t.users.c.user_id == owner, t.users.c.handle == owner),
    )
    if user is not None:
        ids |= {user["user_id"]}
        told = {user["name"], user["email"] or "", user["phone_number"] or ""}
        words |= told
        keys |= {user["user_id"], *told}
    own = _rows(connection, t.sources, tenant_id, t.sources.c.client_id == owner)
    ids |= {source["source_id"] for source in own}
    words |= {source["location"] for source in own}
    return Subject(
        owner, frozenset(ids), tuple(sorted(filter(None, words))), tuple(sorted(filter(None, keys)))
    )


def scrub(connection: Connection, tenant_id: str, subject: Subject) -> dict[str, int]:
    """Takes somebody out of every table of a tenant; returns how many rows went or were changed, by table.

    A row that is theirs goes; one that only mentions them keeps the rest. What a model answered goes for the whole
    tenant: an answer does not say whom it was about. The audit log keeps that something happened, not to whom.
    """
    done: dict[str, int] = {}
    _let_change(connection, allowed=True)
    for table in reversed(t.metadata.sorted_tables):
        if table.name in _STAYS:
            continue
        if table.name == "llm_judgements":
            gone = connection.execute(
                sa.delete(table).where(table.c.tenant_id == tenant_id)
            ).rowcount
            count = max(0, gone)
        elif table.name == "memory_log":
            count = _delete_memories(connection, tenant_id, subject)
        else:
            count = _scrub_table(connection, table, tenant_id, subject)
        if count:
            done[table.name] = count
    _let_change(connection, allowed=False)
    return done


def _scrub_table(connection: Connection, table: sa.Table, tenant_id: str, subject: Subject) -> int:
    query = sa.select(table)
    if "tenant_id" in table.c:
        query = query.where(sa.or_(table.c.tenant_id == tenant_id, table.c.tenant_id.is_(None)))
    needles = subject.needles
    keys = [column.name for column in table.primary_key.columns]
    count = 0
    for found in connection.execute(query).mappings().all():
        row = dict(found)
        theirs = any(row.get(name) in subject.ids for name in (*_NAMED_BY, *keys) if row.get(name))
        if table.name in _ANONYMOUS:
            changes = _anonymous(row) if theirs else {}
        elif theirs and table.name not in _KEPT:
            connection.execute(sa.delete(table).where(_is_row(table, keys, row)))
            count += 1
            continue
        else:
            changes = {
                name: clean
                for name, value in row.items()
                if name not in keys
                and not table.c[name].foreign_keys
                and (clean := cleaned(value, subject.ids, needles)) != value
            }
            _follow(table, changes)
        if changes and table.name in _GO_IF_MENTIONED:
            connection.execute(sa.delete(table).where(_is_row(table, keys, row)))
            count += 1
        elif changes:
            connection.execute(sa.update(table).where(_is_row(table, keys, row)).values(**changes))
            count += 1
    return count


def _follow(table: sa.Table, changes: dict[str, Any]) -> None:
    """What must change with what was changed."""
    if table.name == "config_snapshots" and "content" in changes:
        canonical = json.dumps(changes["content"], sort_keys=True, ensure_ascii=False)
        changes["content_sha"] = sha256(canonical.encode())
    if table.name == "automation_schedules" and changes.get("clients") == []:
        changes["is_active"] = False  # without a client named it would be about all of them


def cleaned(value: Any, ids: Collection[str], needles: Sequence[str]) -> Any:
    """A value without what is somebody's: their entries leave lists, their words are replaced in texts."""
    if isinstance(value, str):
        if value in ids:
            return REMOVED
        low = value.lower()
        for needle in needles:
            if needle.lower() in low:
                value = replaced(value, needle)
                low = value.lower()
        return value
    if isinstance(value, Mapping):
        return {k: cleaned(v, ids, needles) for k, v in value.items() if k not in ids}
    if isinstance(value, list | tuple):
        return [
            cleaned(v, ids, needles)
            for v in value
            if not (isinstance(v, str) and v in ids)
            and not (
                isinstance(v, Mapping) and any(x in ids for x in v.values() if isinstance(x, str))
            )
        ]
    return value


def replaced(text: str, needle: str, mark: str = REMOVED) -> str:
    """A text with a mark wherever a needle was, whatever its case."""
    low, wanted, start = text.lower(), needle.lower(), 0
    parts = []
    while (at := low.find(wanted, start)) >= 0:
        parts += [text[start:at], mark]
        start = at + len(wanted)
    return "".join([*parts, text[start:]])


def _anonymous(row: Mapping[str, Any]) -> dict[str, Any]:
    hidden = key_hash(row["tenant_id"], row["user_id"])[:16]
    return {
        "handle": f"forgotten-{hidden}",
        "name": REMOVED,
        "email": None,
        "phone_number": None,
        "preferences": {},
        "is_active": False,
    }


def _delete_memories(connection: Connection, tenant_id: str, subject: Subject) -> int:
    gone = 0
    ids = sorted(subject.ids)
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        gone += max(
            0,
            connection.execute(
                sa.delete(t.memory_log).where(
                    t.memory_log.c.tenant_id == tenant_id,
                    sa.or_(t.memory_log.c.owner_id.in_(part), t.memory_log.c.memory_id.in_(part)),
                )
            ).rowcount,
        )
    return gone


def _is_row(table: sa.Table, keys: Sequence[str], row: Mapping[str, Any]) -> sa.ColumnElement[bool]:
    return sa.and_(*(table.c[name] == row[name] for name in keys))


def _let_change(connection: Connection, *, allowed: bool) -> None:
    """The audit log can be neither changed nor deleted, except here: within the transaction, for a forgetting."""
    if connection.dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            name = f"audit_log_no_{verb}"
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
            if not allowed:
                connection.exec_driver_sql(
                    f"CREATE TRIGGER {name} BEFORE {verb} ON audit_log "
                    "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
                )
        return
    state = "DISABLE" if allowed else "ENABLE"
    connection.exec_driver_sql(f"ALTER TABLE audit_log {state} TRIGGER audit_log_is_append_only")


def _rows(
    connection: Connection, table: sa.Table, tenant_id: str, where: sa.ColumnElement[bool]
) -> list[dict[str, Any]]:
    query = sa.select(table).where(table.c.tenant_id == tenant_id, where)
    return [dict(row) for row in connection.execute(query).mappings()]


def _row(
    connection: Connection, table: sa.Table, tenant_id: str, where: sa.ColumnElement[bool]
) -> dict[str, Any] | None:
    return next(iter(_rows(connection, table, tenant_id, where)), None)


def _is_hash(value: str) -> bool:
    return len(value) >= 32 and all(c in "0123456789abcdef-" for c in value)
