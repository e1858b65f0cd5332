"""Memories said when their tier stood under another name are as secret after the upgrade as they were meant to be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.clock import FrozenClock
from clientlore.control import migrate
from clientlore.control import tables as t
from clientlore.memory import log
from clientlore.memory.log import Operation, memory_id_for
from clientlore.memory.portability import export, import_
from clientlore.memory.service import MemoryService
from clientlore.memory.statements import Statement
from clientlore.memory.store import MemoryStore
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

T0 = datetime(2026, 3, 1, tzinfo=UTC)
OTHER = [
    {"security": "general", "tier": "secret"},
    {"tier": "gold"},
    {"metadata": {"tier": "secret"}},
    {"security": "secret", "id": "7"},
]


@pytest.fixture
def workspace(database_url: str, tmp_path: Path, clock: FrozenClock) -> Iterator[Workspace]:
    with open_workspace(tmp_path / "home", clock, database_url=database_url) as opened:
        for tenant in ("acme", "calm"):
            put_tenant(opened, f"tenant: {tenant}\nname: {tenant}\nmode: mock\n")
        yield opened


def as_before(workspace: Workspace) -> None:
    """A log as it was said before, indexed by a program of then."""
    service = MemoryService(workspace, "acme")
    service.remember(
        [
            Statement("ann", "A merger of the Lisbon plant is planned", "n1", T0, tier="secret"),
            Statement("ann", "The Porto plant was painted", "n2", T0),
        ]
    )
    service.append([*summary(), *(kept(n, told) for n, told in enumerate(OTHER))])
    MemoryService(workspace, "calm").append([kept(9, {"security": "secret"}, "calm")])
    with workspace.control.write() as connection:
        for seq, told in attributes(connection).items():
            if "held_from" in told or "claims" in told:
                old = {("tier" if k == "security" else k): v for k, v in told.items()}
                connection.execute(
                    sa.update(t.memory_log).where(t.memory_log.c.seq == seq).values(attributes=old)
                )
    store = MemoryStore(workspace)
    for tenant in ("acme", "calm"):
        store.update(tenant)
    migrate.downgrade(workspace.control, "0008")


def summary() -> list[Operation]:
    """What was told of a secret memory as if it were a general one."""
    child = kept(20, {"security": "secret"})
    made = kept(21, {"security": "general", "claims": [], "importance": 0.5})
    cites = {"sources": (f"memory:{child.memory_id}",), "kind": "summary"}
    return [child, Operation(**{**vars(made), **cites})]


def kept(n: int, told: dict[str, Any], tenant: str = "acme") -> Operation:
    return Operation(
        tenant_id=tenant,
        owner_id="ann",
        memory_id=memory_id_for(tenant, "ann", "event", f"k{n}"),
        op="add",
        kind="event",
        text=f"The plant of number {n}",
        recorded_at=T0 + timedelta(minutes=n),
        actor="test",
        reason="a test",
        origin=f"k{n}",
        attributes=told,
    )


def attributes(connection: Connection) -> dict[int, dict[str, Any]]:
    rows = connection.execute(
        sa.select(t.memory_log.c.seq, t.memory_log.c.attributes).order_by("seq")
    )
    return {row.seq: row.attributes for row in rows}


def shown(workspace: Workspace, clearance: Any, **narrowed: Any) -> set[str]:
    found = MemoryStore(workspace).search(
        "acme", "plant merger", clearance=clearance, limit=99, **narrowed
    )
    return {hit.text for hit in found.hits}


def test_what_was_said_in_secret_before_is_not_shown_to_a_general_search_after_the_upgrade(
    workspace: Workspace,
) -> None:
    as_before(workspace)
    mark = workspace.vectors.root / "calm" / "memories.json"
    untouched = mark.read_bytes()
    migrate.upgrade(workspace.control)
    secret, told = "A merger of the Lisbon plant is planned", "The plant of number 21"
    general = {"The Porto plant was painted", *(f"The plant of number {n}" for n in (0, 1, 2))}
    assert shown(workspace, "general") == general
    assert shown(workspace, "general", as_of=T0 + timedelta(days=1)).isdisjoint({secret, told})
    assert {secret, told} <= shown(workspace, "secret")
    # Nobody else's index is made again.
    MemoryStore(workspace).search("calm", "plant")
    assert mark.read_bytes() == untouched
    with workspace.control.read() as connection:
        (entry,) = connection.execute(
            sa.select(t.audit_log).where(t.audit_log.c.actor == "migration:0009")
        ).all()
    assert (entry.tenant_id, entry.changes["operations"], entry.changes["raised"]) == ("acme", 3, 1)


def test_an_index_from_before_the_upgrade_is_not_searched_while_somebody_else_writes(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_before(workspace)
    migrate.upgrade(workspace.control)
    monkeypatch.setattr("clientlore.memory.store.PATIENCE_SECONDS", 0.0)
    with workspace.locks.hold("acme", "a test"):
        assert shown(workspace, "general") == set()
    assert shown(workspace, "general")


def test_what_says_both_or_something_else_stays_as_it_is_there_and_back_and_there_again(
    workspace: Workspace,
) -> None:
    as_before(workspace)
    migrate.upgrade(workspace.control)
    once = shown(workspace, "general")
    with workspace.control.read() as connection:
        others = [a for a in attributes(connection).values() if "held_from" not in a]
        said = log.read(connection, "acme")["attributes"].str.json_decode(infer_schema_length=None)
    assert [a for a in others if a in OTHER] == OTHER
    assert said.struct.field("security").to_list()[:2] == ["secret", "general"]
    migrate.downgrade(workspace.control, "0008")
    with workspace.control.read() as connection:
        back = attributes(connection).values()
    assert [a.get("tier") for a in back if "held_from" in a] == ["secret", None]
    migrate.upgrade(workspace.control)
    assert shown(workspace, "general") == once


def test_an_export_from_before_comes_in_as_secret_as_it_was_said(
    workspace: Workspace, tmp_path: Path
) -> None:
    service = MemoryService(workspace, "acme")
    service.remember([Statement("ann", "A merger is planned", "n1", T0, tier="secret")])
    out = export(service, tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in out.path.read_text().splitlines()]
    lines[1]["attributes"]["tier"] = lines[1]["attributes"].pop("security")
    out.path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    import_(MemoryService(workspace, "calm"), out.path)
    store = MemoryStore(workspace)
    assert store.search("calm", "merger", clearance="general").hits == ()
    assert (
        store.search("calm", "merger", clearance="secret").hits[0].attributes["security"]
        == "secret"
    )
