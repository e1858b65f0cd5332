"""Documents: kept, replaced, listed, found, taken back, brought back, forgotten; and the inbox."""

from __future__ import annotations

import os
from datetime import date, timedelta
from email.message import EmailMessage
from mailbox import mbox
from pathlib import Path
from typing import Any

import pytest

from clientlore.clock import FrozenClock
from clientlore.control import quarantine
from clientlore.errors import BadDataError, ConfigurationError, NotFoundError, StoreError
from clientlore.memory.bulk import prepare
from clientlore.memory.documents import Documents, NewDocument, inbox
from clientlore.memory.documents.keeping import DOCUMENTS
from clientlore.memory.maintenance.running import FEATURES, preview
from clientlore.memory.service import MemoryService
from clientlore.memory.store import MemoryStore
from clientlore.runs import forgetting
from clientlore.workspace import Workspace
from tests.conftest import NOW
from tests.support.bytes import where

TENANT = "acme"
LONG = "\n\n".join(
    f"# Part {n}\n\n" + f"Plant number {n} makes widgets of colour {n}. " * 30 for n in range(4)
)


@pytest.fixture
def documents(workspace: Workspace) -> Documents:
    for tenant_id in (TENANT, "other"):
        prepare(workspace, tenant_id)
    return Documents(workspace, TENANT)


def new(origin: str = "a", content: bytes | str = "Harbor opens two plants", **more: Any) -> Any:
    name = more.pop("name", f"{origin}.md")
    return NewDocument(more.pop("owner", "harbor"), origin, name, content, **more)


def mail(subject: str, body: str, sender: str = "jane@x.example", day: int = 19) -> bytes:
    message = EmailMessage()
    message["From"] = f"Jane Doe <{sender}>"
    message["To"] = "bo@y.example"
    message["Subject"] = subject
    message["Date"] = f"{day} Nov 2026 23:30:00 +0000"
    message["Message-ID"] = f"<{subject.replace(' ', '-')}@x.example>"
    message.set_content(body)
    return message.as_bytes()


def lay(workspace: Workspace, place: str, data: bytes, age: float = 60) -> Path:
    path = workspace.settings.inbox / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    when = workspace.clock.now().timestamp() - age
    os.utime(path, (when, when))
    return path


def test_the_same_again_changes_nothing_and_another_text_replaces_under_the_same_id(
    documents: Documents, clock: FrozenClock
) -> None:
    first = documents.add_document(new(content=LONG))
    assert (first.outcome, first.chunks_created) == ("added", 8)
    operations = MemoryService(documents.workspace, TENANT).log().height
    again = documents.add_document(new(content=LONG))
    assert (again.outcome, again.chunks_created) == ("known", 0)
    assert MemoryService(documents.workspace, TENANT).log().height == operations
    clock.advance(timedelta(days=1))
    other = documents.add_document(new(content="Nothing but gardening"))
    assert (other.outcome, other.document_id) == ("replaced", first.document_id)
    assert documents.search("widgets") == ()
    assert [h.content for h in documents.search("gardens")] == ["Nothing but gardening"]
    # What was known before is still found as of then, and growing again finds its old places free.
    then = documents.search("widgets", as_of=NOW, sections=True)
    assert [h.document_id for h in then] == [first.document_id]
    assert then[0].section is not None
    assert then[0].content in then[0].section
    clock.advance(timedelta(days=1))
    assert documents.add_document(new(content=LONG)).chunks_created == 8
    chunks = documents.get_chunks(str(first.document_id))
    assert " ".join(c.text for c in chunks).split() == LONG.split()
    assert documents.get_document(str(first.document_id)).chunks == 8


def test_one_bad_document_of_a_batch_is_told_and_the_others_are_kept(documents: Documents) -> None:
    given = [new(f"d{n}", f"Text number {n}") for n in range(12)]
    given[3] = new("d3", b"\x00\x01")
    given[11] = new("d11", "x" * 1_000_001)
    done = documents.add_documents(given)
    assert [d.id_at_origin for d in done if d.outcome == "failed"] == ["d3", "d11"]
    assert "is no text" in str(done[3].error)
    assert "Document too large" in str(done[11].error)
    assert documents.list_documents().total == 10
    with pytest.raises(BadDataError, match="is no text"):
        documents.add_document(given[3])


def test_lists_are_filtered_and_say_whether_there_is_more(documents: Documents) -> None:
    documents.add_documents(
        [new(f"d{n}", f"Text {n}", metadata={"year": 2000 + n % 2}) for n in range(5)]
        + [new("page", "<p>Text</p>", name="p.html", owner="bo")]
    )
    Documents(documents.workspace, "other").add_document(new("d0", "Of another tenant"))
    page = documents.list_documents(limit=4)
    assert (len(page.documents), page.total, page.has_more) == (4, 6, True)
    rest = documents.list_documents(offset=4, limit=4)
    assert (len(rest.documents), rest.total, rest.has_more) == (2, 6, False)
    assert len({d.document_id for d in page.documents + rest.documents}) == 6
    assert documents.list_documents(types=["html"]).documents[0].owner_id == "bo"
    assert documents.list_documents(where={"year": 2001}).total == 2
    assert documents.list_documents(where={"year": [2000, 2001]}, owner="harbor").total == 5
    for wrong in ({"limit": 0}, {"offset": -1}, {"where": {"a'b": 1}}):
        with pytest.raises(ConfigurationError):
            documents.list_documents(**wrong)  # type: ignore[arg-type]


def test_documents_are_found_by_their_best_passage_and_no_text_comes_twice(
    documents: Documents,
) -> None:
    documents.add_documents([new("long", LONG), new("b", "A widget")])
    documents.add_document(new("c", "A widget of bo", owner="bo"))
    Documents(documents.workspace, "other").add_document(new("d", "A widget elsewhere"))
    hits = documents.search("widgets", owners=["harbor"], sections=True)
    assert sorted(h.document_name for h in hits) == ["b.md", "long.md"]
    found = MemoryStore(documents.workspace).search(TENANT, "widgets plant part", limit=50).hits
    assert len({h.text for h in found}) == len(found)
    assert documents.search("widgets", types=["html"]) == ()


def test_what_was_given_comes_back_byte_for_byte(documents: Documents) -> None:
    data = "Café".encode("cp1252")
    done = documents.add_document(new(content=data))
    assert documents.original(str(done.document_id)) == data
    with pytest.raises(NotFoundError, match="There is no document"):
        documents.get_document("none")


def test_a_document_whose_batch_was_never_committed_left_only_a_blob_and_comes_with_the_next(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clientlore.memory import log

    def fail(*_: object) -> int:
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(log, "append", fail)
        with pytest.raises(StoreError):
            documents.add_document(new())
    assert documents.list_documents().total == 0
    assert documents.add_document(new()).outcome == "added"
    assert len([p for p in documents.workspace.blobs.root.rglob("*") if p.is_file()]) == 1


def test_deleting_needs_to_be_said_of_what_and_can_be_undone(documents: Documents) -> None:
    documents.add_documents([new(f"d{n}", f"Widget {n}", metadata={"n": n}) for n in range(4)])
    ids = [d.document_id for d in documents.list_documents().documents]
    with pytest.raises(ConfigurationError, match="not said which"):
        documents.delete_documents()
    with pytest.raises(NotFoundError):
        documents.delete_documents([ids[0], "none"])
    assert documents.list_documents().total == 4
    assert len(documents.delete_documents(where={"n": [0, 1]})) == 2
    left = [d.document_id for d in documents.list_documents().documents]
    assert documents.delete_documents(left[:1]) == left[:1]
    assert len(documents.search("widget")) == 1
    service = MemoryService(documents.workspace, TENANT)
    origin = service.log().filter(memory_id=left[0])["origin"][-1]
    service.undo(origin, "test")
    assert {h.document_id for h in documents.search("widget")} == set(left)


def test_mails_have_columns_of_their_own_and_are_found_by_sender_and_day(
    documents: Documents,
) -> None:
    documents.add_documents(
        [
            new("m1", mail("Plants", "Two plants"), type="email"),
            new("m2", mail("Plants", "Three plants", "roe@x.example", 20), type="email"),
            new("t", "Plants in a text"),
        ]
    )
    assert [h.metadata for h in documents.search("plants", sender="JANE@x.example")] == [{}]
    day = date(2026, 11, 19)
    hits = documents.search("plants", types=["email"], since=day, until=day)
    assert [h.hit.attributes["id"] for h in hits] == ["m1"]
    frame = documents.frame()
    assert frame.schema == DOCUMENTS
    row = frame.filter(id_at_origin="m1").row(0, named=True)
    assert (row["name"], row["mail_from"]) == ("Plants", "jane@x.example")
    assert (row["mail_to"], row["labels"]) == (["bo@y.example"], [])
    assert (row["has_attachments"], row["thread_id"]) == (False, "Plants@x.example")
    assert frame.filter(id_at_origin="t")["mail_from"].to_list() == [None]


def test_upkeep_leaves_documents_alone(documents: Documents) -> None:
    documents.add_documents([new(f"d{n}", "The very same words in each of them") for n in range(3)])
    service = MemoryService(documents.workspace, TENANT)
    for feature in FEATURES:
        assert preview(service, feature, NOW + timedelta(days=900)).operations == (), feature


def test_the_index_is_made_again_from_the_log_with_the_same_answers(documents: Documents) -> None:
    documents.add_documents([new("long", LONG), new("b", "A widget")])
    before = [(h.document_id, h.score) for h in documents.search("plant widgets")]
    with documents.workspace.locks.hold(TENANT, "test"):
        documents.store.update(TENANT, rebuild=True)
    after = Documents(documents.workspace, TENANT).search("plant widgets")
    assert [(h.document_id, h.score) for h in after] == before


def test_a_forgotten_owner_leaves_no_byte_of_documents_and_none_comes_in_again(
    documents: Documents,
) -> None:
    home = documents.workspace.settings.home
    kept = documents.add_document(new("k", "Of somebody else", owner="bo"))
    packed = new("m1", mail("zyxcanary", "zyxcanary told"), owner="ann", type="email")
    documents.add_documents([packed, new("n", "zyxcanary again", owner="ann")])
    documents.delete_documents(owner="ann", types=["markdown"])
    lay(documents.workspace, f"{TENANT}/ann/later.txt", b"zyxcanary waits")
    lay(documents.workspace, f".rejected/{TENANT}/ann/bad.bin", b"\0zyxcanary")
    assert where(home, "zyxcanary")
    forgetting.forget(documents.workspace, TENANT, "ann", "test")
    assert where(home, "zyxcanary") == []
    assert [d.document_id for d in documents.list_documents().documents] == [kept.document_id]
    with pytest.raises(BadDataError, match="was forgotten"):
        documents.add_document(packed)
    assert where(home, "zyxcanary") == []


def test_the_inbox_becomes_documents_and_what_cannot_be_kept_is_set_aside(
    documents: Documents,
) -> None:
    workspace = documents.workspace
    lay(workspace, f"{TENANT}/harbor/deals/plan.md", b"# Plan\n\nTwo plants")
    lay(workspace, f"{TENANT}/harbor/one.eml", mail("One", "Hello"))
    lay(workspace, f"{TENANT}/harbor/bad.docx", b"no zip")
    lay(workspace, f"{TENANT}/harbor/huge.txt", b"x" * 10_000_001)
    lay(workspace, f"{TENANT}/harbor/.hidden", b"no")
    lay(workspace, f"{TENANT}/harbor/growing.txt", b"half", age=1)
    lay(workspace, f"{TENANT}/loose.txt", b"nobody's")
    box = mbox(lay(workspace, f"{TENANT}/bo/all.mbox", b""))
    for n in range(12):
        box.add(mail(f"Mail {n}", f"Number {n}"))
    box.flush()
    box.close()
    os.utime(workspace.settings.inbox / TENANT / "bo" / "all.mbox", (0, 0))
    (workspace.settings.inbox / TENANT / "harbor" / "link.txt").symlink_to("/etc/hostname")
    assert inbox.tenants_waiting(workspace) == [TENANT]
    (taken,) = inbox.take_all(workspace)
    assert (taken.files, taken.added, taken.failed) == (5, 14, 2)
    assert inbox.tenants_waiting(workspace) == []
    origins = {d.id_at_origin for d in documents.list_documents(owner="harbor").documents}
    assert origins == {"deals/plan.md", "One@x.example"}
    assert documents.list_documents(owner="bo").total == 12
    rejected = workspace.settings.inbox / ".rejected" / TENANT / "harbor"
    assert sorted(p.name for p in rejected.iterdir()) == ["bad.docx", "huge.txt"]
    with workspace.control.read() as connection:
        rows, _ = quarantine.listed(connection, tenant_id=TENANT)
    assert {(r["stage"], r["reference"]) for r in rows} == {
        ("inbox", "inbox:harbor/bad.docx"),
        ("inbox", "inbox:harbor/huge.txt"),
    }
    lay(workspace, f"{TENANT}/harbor/one.eml", mail("One", "Hello"))
    assert inbox.take(workspace, TENANT).known == 1
