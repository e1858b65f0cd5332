"""What is exported and imported again is the same memory, with its past; what other systems export comes in whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import tables as t
from clientlore.errors import BadDataError, ConfigurationError
from clientlore.memory.maintenance.running import maintain
from clientlore.memory.portability import export, import_
from clientlore.memory.service import MemoryService
from clientlore.memory.statements import Statement
from clientlore.memory.store import MemoryStore
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

T0 = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
QUERIES = ("CFO", "plants in Lisbon", "Harbor", "boxes")


@pytest.fixture
def service(workspace: Workspace) -> MemoryService:
    put_tenant(workspace, "tenant: t1\nname: T\nmode: mock\n")
    made = MemoryService(workspace, "t1")
    made.remember(
        [
            Statement("harbor", "The CFO of Harbor is Ann", "n1", T0),
            Statement("harbor", "Harbor opened a plant in Lisbon", "n2", T0 + timedelta(days=1)),
            Statement(
                "calder", "Calder opened a plant in Lisbon and sells boxes", "n3", T0, tier="secret"
            ),
        ]
    )
    made.remember([Statement("harbor", "The CFO of Harbor is Bo", "n4", T0 + timedelta(days=9))])
    maintain(made, "compression", NOW)
    made.undo("n2", "cli:ann")
    made.remember([Statement("harbor", "Harbor sells boxes", "n5", T0 + timedelta(days=12))])
    return made


def found(service: MemoryService) -> list[Any]:
    store = MemoryStore(service.workspace)
    return [store.search(service.tenant_id, query, limit=50) for query in QUERIES]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_export_wipe_import_gives_identical_search_results_and_the_same_past(
    service: MemoryService, tmp_path: Path, suffix: str
) -> None:
    before, state = found(service), service.state()
    then = service.state(T0 + timedelta(days=5))
    assert any(answer.hits for answer in before)
    out = export(service, tmp_path / f"out.{suffix}")
    with service.workspace.control.write() as connection:
        connection.execute(sa.delete(t.memory_log))
    MemoryStore(service.workspace).update("t1", rebuild=True)
    assert not any(answer.hits for answer in found(service))
    done = import_(service, out.path)
    assert (done.appended, done.known, done.left_out) == (out.operations, 0, 0)
    MemoryStore(service.workspace).update("t1", rebuild=True)
    assert found(service) == before
    assert service.state().equals(state)
    assert service.state(T0 + timedelta(days=5)).equals(then)
    assert import_(service, out.path).appended == 0


def test_one_owner_can_be_taken_to_another_tenant_and_home(
    service: MemoryService, tmp_path: Path
) -> None:
    out = export(service, tmp_path / "harbor.jsonl", owner="harbor")
    with open_workspace(tmp_path / "other", FrozenClock(NOW)) as there:
        put_tenant(there, "tenant: t2\nname: T\nmode: mock\n")
        other = MemoryService(there, "t2")
        import_(other, out.path)
        assert import_(other, out.path).appended == 0
        shown = ["memory_id", "owner_id", "text", "valid_from", "valid_to"]
        assert other.state().select(shown).equals(service.state(owner="harbor").select(shown))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Record 2 is no JSON"),
        ("[1]", "Record 2 is no object"),
        ('{"op": "add"}', "Record 2 lacks op_id"),
    ],
)
def test_a_broken_line_is_named_and_nothing_comes_in(
    service: MemoryService, tmp_path: Path, line: str, said: str
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"format": "clientlore memory 1"}\n' + line + "\n")
    count = service.log().height
    with pytest.raises(BadDataError, match=said):
        import_(service, path)
    assert service.log().height == count


def test_another_file_or_source_is_refused(service: MemoryService, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"neither \.jsonl nor \.parquet"):
        export(service, tmp_path / "x.csv")
    with pytest.raises(ConfigurationError, match="no importer for 'letta'"):
        import_(service, tmp_path / "x.jsonl", "letta")
    other = tmp_path / "y.jsonl"
    other.write_text('{"memory": "x"}\n')
    with pytest.raises(BadDataError, match="--from"):
        import_(service, other)


def test_memories_of_mem0_come_in_word_for_word(service: MemoryService, tmp_path: Path) -> None:
    path = tmp_path / "mem0.json"
    row = {
        "id": "8c1f", "memory": "Prefers tea over coffee", "user_id": "zoe", "hash": "x", "metadata": {"team": "north"},
        "created_at": "2026-02-03T10:00:00-08:00", "updated_at": None, "categories": ["food"],
    }  # fmt: skip
    path.write_text(json.dumps({"results": [row]}))
    assert import_(service, path, "mem0").appended == 1
    assert import_(service, path, "mem0").appended == 0
    (made,) = service.state(owner="zoe").to_dicts()
    assert (made["text"], made["kind"]) == ("Prefers tea over coffee", "preference")
    assert made["recorded_at"] == datetime(2026, 2, 3, 18, tzinfo=UTC)
    assert json.loads(made["attributes"])["metadata"] == {"team": "north", "categories": ["food"]}


def test_memories_of_hippocampai_come_in_with_their_kind_and_importance(
    service: MemoryService, tmp_path: Path
) -> None:
    path = tmp_path / "h.jsonl"
    row = {
        "id": "h1", "text": "Runs each morning", "user_id": "zoe", "type": "habit", "importance": 8.0,
        "confidence": 0.9, "tags": ["sport"], "created_at": "2026-02-03T10:00:00",
    }  # fmt: skip
    path.write_text(json.dumps(row) + "\n")
    import_(service, path, "hippocampai")
    (made,) = service.state(owner="zoe").to_dicts()
    told = json.loads(made["attributes"])
    assert (made["kind"], told["importance"], told["confidence"]) == ("preference", 0.8, 0.9)
    path.write_text('{"text": "x", "created_at": "2026-02-03"}\n')
    with pytest.raises(BadDataError, match="Record 1 says of nobody"):
        import_(service, path, "hippocampai")
