"""The index of memory in LanceDB: it follows the log, finds words by their stems, and can always be made again."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clientlore.clock import FrozenClock
from clientlore.errors import ConfigurationError, StoreError
from clientlore.ids import stable_id
from clientlore.memory import log, store
from clientlore.memory.log import Operation, memory_id_for
from clientlore.memory.search import Found
from clientlore.memory.store import MemoryStore
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path, clock: FrozenClock) -> Iterator[Workspace]:
    """Two tenants; whoever waits for a lock gives up soon."""
    with open_workspace(tmp_path / "home", clock, lock_timeout_seconds=0.05) as opened:
        for tenant in ("acme", "other"):
            put_tenant(opened, f"tenant: {tenant}\nname: {tenant}\nmode: mock\n")
        yield opened


def append(
    workspace: Workspace,
    text: str | None,
    name: str = "n1",
    *,
    tenant: str = "acme",
    owner: str = "harbor",
    op: Any = "add",
    kind: str = "event",
    generation: int = 0,
) -> str:
    """Appends one operation to the log; returns the id of its memory."""
    operation = Operation(
        tenant_id=tenant,
        owner_id=owner,
        memory_id=memory_id_for(tenant, owner, kind, name),
        op=op,
        kind=None if text is None else kind,
        text=text,
        recorded_at=T0 + timedelta(minutes=generation),
        actor="test",
        reason="a test",
        origin=name,
        generation=generation,
        attributes={} if text is None else {"url": "https://news.example/1"},
        sources=() if text is None else (f"item:{name}",),
    )
    with workspace.control.write() as connection:
        assert log.append(connection, [operation], T0) == 1
    return operation.memory_id


def texts(found: Found) -> list[str]:
    return sorted(hit.text for hit in found.hits)


def index_rows(workspace: Workspace, made: MemoryStore, tenant: str = "acme") -> list[Any]:
    table = workspace.vectors.open(tenant, made.table_name)
    assert table is not None
    return sorted(table.search().limit(None).to_list(), key=lambda row: str(row["memory_id"]))


def test_an_add_is_found_at_once_by_its_stems(workspace: Workspace) -> None:
    made = MemoryStore(workspace)
    assert made.search("acme", "factory") == Found((), "lexical", 0)
    memory_id = append(workspace, "Harbor Foods is opening two factories in Lisbon")
    found = made.search("acme", "FACTORY opens")
    (hit,) = found.hits
    assert (hit.memory_id, hit.owner_id, hit.kind) == (memory_id, "harbor", "event")
    assert (hit.attributes, hit.sources) == (
        {"url": "https://news.example/1"},
        ("item:n1",),
    )
    assert (hit.recorded_at, hit.legs) == (T0, {"lexical": 1})
    assert (found.mode, found.behind) == ("lexical", 0)
    assert made.search("acme", "mining").hits == ()


def test_a_revision_replaces_and_a_retraction_removes_and_an_add_brings_back(
    workspace: Workspace,
) -> None:
    made = MemoryStore(workspace)
    append(workspace, "A plant opens")
    assert texts(made.search("acme", "plant")) == ["A plant opens"]
    append(workspace, "A plant closes", op="revise", generation=1)
    assert texts(made.search("acme", "plant")) == ["A plant closes"]
    append(workspace, None, op="retract", generation=2)
    assert texts(made.search("acme", "plant")) == []
    append(workspace, "A plant opens", generation=3)
    assert texts(made.search("acme", "plant")) == ["A plant opens"]
    assert made.duplicates("acme") == []


def test_catching_up_gives_the_same_rows_as_building_from_the_log(workspace: Workspace) -> None:
    made = MemoryStore(workspace)
    for n in range(6):
        append(workspace, f"Plant {n} opens", f"n{n}")
        made.update("acme")
    append(workspace, "Plant 2 closes", "n2", op="revise", generation=1)
    append(workspace, None, "n4", op="retract", generation=1)
    caught_up = made.update("acme")
    assert (caught_up.rows, caught_up.applied, caught_up.rebuilt) == (5, 4, False)
    rows = index_rows(workspace, made)
    rebuilt = made.update("acme", rebuild=True)
    assert (rebuilt.rows, rebuilt.applied, rebuilt.rebuilt) == (5, 8, True)
    assert index_rows(workspace, made) == rows
    assert [row["memory_id"] for row in rows] == made.state("acme")["memory_id"].to_list()


def test_an_update_without_news_changes_nothing(workspace: Workspace) -> None:
    made = MemoryStore(workspace)
    append(workspace, "A plant opens")
    first = made.update("acme")
    again = made.update("acme")
    assert (again.rows, again.applied, again.rebuilt, again.head) == (1, 0, False, first.head)


def test_state_as_of_an_instant_comes_from_the_log_alone(workspace: Workspace) -> None:
    made = MemoryStore(workspace)
    append(workspace, "A plant opens")
    append(workspace, "A plant closes", op="revise", generation=60)
    as_of = made.state("acme", T0 + timedelta(minutes=59))
    assert as_of["text"].to_list() == ["A plant opens"]
    assert made.state("acme")["text"].to_list() == ["A plant closes"]
    assert not workspace.vectors.root.exists()


def test_no_search_leaks_from_another_tenant_or_owner(workspace: Workspace) -> None:
    made = MemoryStore(workspace)
    for tenant in ("acme", "other"):
        for owner in ("harbor", "calder", 'O\'Brien "& Sons" -- x'):
            append(
                workspace, f"The plant of {tenant} for {owner}", owner, tenant=tenant, owner=owner
            )
    for tenant in ("acme", "other"):
        every = made.search(tenant, "plant", limit=1_000)
        assert len(every.hits) == 3
        assert all(tenant in hit.text for hit in every.hits)
        for owner in ("harbor", 'O\'Brien "& Sons" -- x'):
            only = made.search(tenant, "plant", owners=[owner])
            assert texts(only) == [f"The plant of {tenant} for {owner}"]
        assert made.search(tenant, "plant", owners=["x' OR '1'='1"]).hits == ()
        assert made.search(tenant, "plant", owners=[]).hits == ()


def test_a_search_can_be_narrowed_to_kinds(workspace: Workspace) -> None:
    made = MemoryStore(workspace)
    append(workspace, "A plant opens")
    append(workspace, "A call about the plant", kind="activity")
    assert texts(made.search("acme", "plant", kinds=["activity"])) == ["A call about the plant"]
    assert len(made.search("acme", "plant", kinds=["activity", "event"]).hits) == 2


def test_the_better_match_comes_first_and_no_more_than_the_limit(workspace: Workspace) -> None:
    made = MemoryStore(workspace)
    append(workspace, "Nothing but a word about a plant among many others that say little", "n1")
    append(workspace, "A plant, a plant", "n2")
    append(workspace, "Mining goes on", "n3")
    found = made.search("acme", "plant")
    assert [hit.text[:7] for hit in found.hits] == ["A plant", "Nothing"]
    assert found.hits[0].score > found.hits[1].score
    assert made.search("acme", "plant", limit=1).hits == found.hits[:1]


@pytest.mark.parametrize("query", ["the", "!!!", '"plant', "a AND (", "'; DROP TABLE", "ö 日本"])
def test_odd_words_find_nothing_or_something_and_never_break(
    workspace: Workspace, query: str
) -> None:
    append(workspace, "Mining goes on")
    assert MemoryStore(workspace).search("acme", query).hits == ()


@pytest.mark.parametrize("limit", [0, -1, 1_001])
def test_a_limit_out_of_range_is_refused(workspace: Workspace, limit: int) -> None:
    with pytest.raises(ConfigurationError, match=f"A limit of {limit} cannot be"):
        MemoryStore(workspace).search("acme", "plant", limit=limit)


@pytest.mark.parametrize("query", ["", "  \n"])
def test_an_empty_query_is_refused(workspace: Workspace, query: str) -> None:
    with pytest.raises(ConfigurationError, match="nothing to search for"):
        MemoryStore(workspace).search("acme", query)


def test_while_somebody_else_writes_a_search_says_how_far_it_is_behind(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PATIENCE_SECONDS", 0.05)  # whatever time a run may wait
    with open_workspace(tmp_path / "home", clock, lock_timeout_seconds=60) as workspace:
        put_tenant(workspace, "tenant: acme\nname: acme\nmode: mock\n")
        is_behind_while_written(workspace)


def is_behind_while_written(workspace: Workspace) -> None:
    made = MemoryStore(workspace)
    append(workspace, "A plant opens")
    made.update("acme")
    append(workspace, "A second plant opens", "n2")
    append(workspace, "A third plant opens", "n3")
    writing, done = threading.Event(), threading.Event()

    def write() -> None:
        with workspace.locks.hold("acme", "a run"):
            writing.set()
            done.wait(10)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert writing.wait(10)
        found = made.search("acme", "plant")
    finally:
        done.set()
        writer.join()
    assert (texts(found), found.behind) == (["A plant opens"], 2)
    assert (len(made.search("acme", "plant").hits), made.behind("acme")) == (3, 0)


def wreck(folder: Path, how: str) -> None:
    if how == "everything is gone":
        shutil.rmtree(folder)
    elif how == "the table is gone":
        shutil.rmtree(folder / "memories.lance")
    elif how == "the mark is gone":
        (folder / "memories.json").unlink()
    elif how == "the mark is broken":
        (folder / "memories.json").write_text("{half of")
    else:
        for path in folder.rglob("*.manifest"):
            path.write_bytes(b"junk")


WRECKS = ["everything is gone", "the table is gone", "the mark is gone", "the mark is broken"]


@pytest.mark.parametrize("how", WRECKS)
def test_an_index_that_went_missing_is_made_again_by_the_next_search(
    workspace: Workspace, how: str
) -> None:
    made = MemoryStore(workspace)
    append(workspace, "A plant opens")
    made.update("acme")
    wreck(workspace.vectors.root / "acme", how)
    assert made.behind("acme") > 0
    assert texts(made.search("acme", "plant")) == ["A plant opens"]


def test_a_broken_index_is_a_clear_error_and_a_rebuild_repairs_it(workspace: Workspace) -> None:
    made = MemoryStore(workspace)
    append(workspace, "A plant opens")
    made.update("acme")
    wreck(workspace.vectors.root / "acme", "broken")
    with pytest.raises(StoreError, match="clientlore memory rebuild --tenant acme"):
        made.search("acme", "plant")
    assert made.update("acme", rebuild=True).rebuilt
    assert texts(made.search("acme", "plant")) == ["A plant opens"]


def test_an_index_of_another_version_is_made_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = MemoryStore(workspace)
    append(workspace, "A plant opens")
    made.update("acme")
    monkeypatch.setattr(store, "INDEX_VERSION", store.INDEX_VERSION + 1)
    assert made.update("acme").rebuilt
    assert not made.update("acme").rebuilt


def test_an_empty_log_is_an_empty_index(workspace: Workspace) -> None:
    made = MemoryStore(workspace)
    assert made.duplicates("acme") == []
    assert made.update("acme").rows == 0
    assert made.search("acme", "plant") == Found((), "lexical", 0)


def test_a_key_that_stands_twice_is_named(workspace: Workspace) -> None:
    made = MemoryStore(workspace)
    memory_id = append(workspace, "A plant opens")
    append(workspace, "A second plant opens", "n2")
    made.update("acme")
    table = workspace.vectors.open("acme", "memories")
    assert table is not None
    table.add([row for row in index_rows(workspace, made) if row["memory_id"] == memory_id])
    assert made.duplicates("acme") == [memory_id]
    made.update("acme", rebuild=True)
    assert made.duplicates("acme") == []


@dataclass
class Letters:
    """An embedder that counts letters: texts that share letters are near each other."""

    dimension: int = 26
    model: str = "letters/v1"
    really: int = 26

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        made = np.zeros((len(texts), self.really), dtype=np.float32)
        for n, text in enumerate(texts):
            for letter in text.lower():
                if "a" <= letter <= "z":
                    made[n, (ord(letter) - ord("a")) % self.really] += 1
        return made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9)

    def close(self) -> None:
        pass


def test_with_an_embedder_search_is_hybrid_in_a_table_of_its_own(workspace: Workspace) -> None:
    words, both = MemoryStore(workspace), MemoryStore(workspace, Letters())
    assert both.table_name == "memories_letters_v1_26"
    append(workspace, "A plant opens", "n1")
    append(workspace, "Zzz zzz", "n2")
    assert words.search("acme", "tnalp").hits == ()
    found = both.search("acme", "tnalp")
    assert (found.mode, found.hits[0].text) == ("hybrid", "A plant opens")
    assert found.hits[0].legs == {"vector": 1}
    (hit, *_) = both.search("acme", "plant").hits
    assert hit.legs == {"lexical": 1, "vector": 1}
    assert set(hit.parts) == {"words", "session", "embedding"}
    assert {p.stem for p in (workspace.vectors.root / "acme").glob("*.lance")} == {
        "memories",
        "memories_letters_v1_26",
    }


def test_hybrid_search_is_filtered_by_tenant_and_owner_in_both_legs(workspace: Workspace) -> None:
    made = MemoryStore(workspace, Letters())
    for tenant in ("acme", "other"):
        for owner in ("harbor", "calder"):
            append(
                workspace, f"plant {stable_id(tenant, owner)}", owner, tenant=tenant, owner=owner
            )
    for tenant in ("acme", "other"):
        found = made.search(tenant, "plant", owners=["harbor"], limit=10)
        assert [hit.owner_id for hit in found.hits] == ["harbor"]
        assert texts(found) == [f"plant {stable_id(tenant, 'harbor')}"]


def test_an_embedder_that_gives_other_dimensions_than_it_says_is_a_clear_error(
    workspace: Workspace,
) -> None:
    append(workspace, "A plant opens")
    made = MemoryStore(workspace, Letters(really=13))
    with pytest.raises(ConfigurationError, match="letters/v1 says 26 dimensions and gives 13"):
        made.update("acme")
    assert made.behind("acme") > 0


def test_an_index_that_cannot_be_written_is_a_clear_error_and_the_log_keeps_everything(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    append(workspace, "A plant opens")
    with monkeypatch.context() as patched:
        patched.setattr(workspace.vectors, "replace", full)
        with pytest.raises(StoreError, match=r"cannot be written .*No space left"):
            MemoryStore(workspace).update("acme")
    assert texts(MemoryStore(workspace).search("acme", "plant")) == ["A plant opens"]
