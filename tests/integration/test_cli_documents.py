"""`clientlore document`: the commands, as they are typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clientlore.memory.bulk import prepare
from clientlore.memory.service import MemoryService
from clientlore.memory.store import MemoryStore
from clientlore.settings import load_settings
from clientlore.workspace import Workspace
from tests.support.typed import Commands

Typed = Callable[..., str]


@pytest.fixture
def typed(typed: Commands) -> Typed:
    """Types a command over documents; gives what it said on either stream."""
    with Workspace.open(load_settings()) as workspace:
        prepare(workspace, "acme")
    return lambda *arguments, status=0: typed("document", *arguments, status=status).both


def told(typed: Typed, *arguments: str, status: int = 0) -> Any:
    return json.loads(typed(*arguments, "--json", status=status))


def test_a_document_is_added_shown_found_written_out_and_deleted(typed: Typed) -> None:
    Path("plan.md").write_text("# Plan\n\nHarbor opens two plants")
    add = ("add", "plan.md", "--owner", "harbor", "--date", "2026-11-19")
    (done,) = told(typed, *add, "--metadata", '{"project": "north"}')
    assert (done["outcome"], done["chunks_created"], done["error"]) == ("added", 1, None)
    document_id = done["document_id"]
    assert "added" in typed("add", "plan.md", "--owner", "bo", "--id", "7")
    page = told(typed, "list", "--where", "project=north")
    assert (page["total"], page["has_more"]) == (1, False)
    assert page["documents"][0]["date"] == "2026-11-19T00:00:00+00:00"
    assert "1 of 1" in typed("list", "--owner", "bo")
    assert told(typed, "get", document_id, "--chunks")["passages"][0]["heading"] == "Plan"
    assert "two plants" in typed("get", document_id, "--chunks", "--out", "copy.md")
    assert Path("copy.md").read_bytes() == Path("plan.md").read_bytes()
    day = ("--since", "2026-11-19", "--until", "2026-11-19")
    (hit,) = told(typed, "search", "plant", "--owner", "harbor", "--sections", *day)
    assert (hit["document_id"], hit["metadata"]) == (document_id, {"project": "north"})
    assert hit["section"] == "# Plan\n\nHarbor opens two plants"
    assert "two plants" in typed("search", "plant")
    assert told(typed, "delete", document_id, "--yes")["deleted_count"] == 1
    assert "No document says that" in typed("search", "plant", "--owner", "harbor")
    assert "deleted" in typed("delete", "--owner", "bo", "--yes")
    assert "not said which" in typed("delete", "--yes", status=1)


def test_what_is_wrong_with_one_file_is_told_and_the_status_says_in_part(typed: Typed) -> None:
    Path("good.txt").write_text("Words")
    Path("bad.bin").write_bytes(b"\0\1")
    Path("huge.txt").write_bytes(b"x" * 10_000_001)
    done = told(typed, "add", "good.txt", "bad.bin", "huge.txt", "--owner", "harbor", status=3)
    assert sorted(d["outcome"] for d in done) == ["added", "failed", "failed"]
    assert "is no text" in typed("add", "bad.bin", "--owner", "harbor", status=1)
    assert "--id names one" in typed("add", "good.txt", "bad.bin", "--owner", "h", "--id", "x", status=2)  # fmt: skip
    for wrong in ("[]", "{"):
        assert "JSON object" in typed("add", "good.txt", "--owner", "h", "--metadata", wrong, status=2)  # fmt: skip
    assert "KEY=VALUE" in typed("list", "--where", "x", status=2)
    assert "There is no document" in typed("get", "none", status=1)


def test_the_inbox_is_taken_by_hand_at_once(typed: Typed, tmp_path: Path) -> None:
    folder = tmp_path / "home" / "inbox" / "acme" / "harbor"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("Words")
    assert told(typed, "inbox")["added"] == 1
    assert "acme" in typed("inbox", "--tenant", "acme")
    assert told(typed, "list")["total"] == 1


def test_what_documents_say_is_remembered_at_its_place_and_tier_and_known_when_told_again(
    typed: Typed,
) -> None:
    Path("note.txt").write_text("Nice day. The CFO of Harbor is Jane Doe.")
    add = ("add", "note.txt", "--owner", "harbor", "--security", "secret", "--extract")
    assert "1 added" in typed(*add)
    assert "1 known" in typed(*add)
    with Workspace.open(load_settings()) as workspace:
        held = MemoryService(workspace, "acme").state(owner="harbor").filter(kind="fact")
        (row,) = held.to_dicts()
        found = MemoryStore(workspace).search("acme", "CFO of Harbor", clearance="general").hits
    assert row["text"] == "The CFO of Harbor is Jane Doe."
    assert any(source.endswith("#0@10-40") for source in row["sources"])
    assert found == ()
