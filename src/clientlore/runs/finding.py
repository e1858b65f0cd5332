"""What is somebody's, in every store: looked for before anything is taken away, so that it can be gone on with."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import sqlalchemy as sa

from clientlore.control import forgotten
from clientlore.control import tables as t
from clientlore.control.forgotten import Subject
from clientlore.memory import log
from clientlore.monitoring import raw
from clientlore.monitoring.events import MEMBERS
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.storage import erasing
from clientlore.workspace import Workspace

_COLLECTED = (
    raw.SEARCH_RESULTS,
    raw.CRM_ACCOUNTS,
    raw.CRM_CONTACTS,
    raw.CRM_OWNERS,
    raw.CRM_ACTIVITIES,
)


def find(workspace: Workspace, tenant_id: str, subject: Subject) -> Subject:
    """What is theirs in the stores: memories, raw rows, events that are only about them, mails, blobs."""
    lake, own = workspace.lake, list(subject.ids)
    needles = [w for w in subject.words if len(w) >= forgotten.SHORTEST]
    with workspace.control.read() as connection:
        operations = log.read(connection, tenant_id)
    # What only mentions them goes as a whole too: a memory is a sentence, and half of one is none.
    memories = operations.filter(erasing.theirs(operations, own, needles))
    # A document of which a passage goes is packed or encoded, and cannot be looked into: it goes as it came.
    documents = set(memories["attributes"].str.json_path_match("$.blob").drop_nulls())
    items, responses = set[str](), set[str]()
    for table in _COLLECTED:
        rows = lake.collect(table, lake.scan(table, [tenant_id]))
        hit = rows.filter(erasing.theirs(rows, own, needles))
        responses |= set(hit["response_id"])
        items |= set(hit["item_id"]) if "item_id" in hit.columns else set()
    events = _events_of(workspace, tenant_id, subject, items)
    told = Subject(subject.owner, subject.ids | set(memories["memory_id"]) | items | events)
    responses |= _responses_of(workspace, tenant_id, told)
    files, blobs, mails = _mails_of(workspace, tenant_id, told, needles)
    return replace(
        subject,
        ids=told.ids | mails,
        responses=tuple(sorted(responses)),
        files=tuple(sorted(files)),
        blobs=tuple(sorted(blobs | documents)),
    )


def _events_of(workspace: Workspace, tenant_id: str, subject: Subject, items: set[str]) -> set[str]:
    """Events made of their items alone, and events that were judged for nobody but them; their items too."""
    lake = workspace.lake
    members = lake.collect(MEMBERS, lake.scan(MEMBERS, [tenant_id])).select("event_id", "item_id")
    judged = lake.collect(RELEVANCE, lake.scan(RELEVANCE, [tenant_id]))
    mine = pl.col("client_id").is_in(list(subject.ids))
    only = set(judged.group_by("event_id").agg(mine.all()).filter("client_id")["event_id"])
    whole = members.group_by("event_id").agg(pl.col("item_id").is_in(list(items)).all())
    found = only | set(whole.filter("item_id")["event_id"].drop_nulls())
    of_them = members.filter(pl.col("event_id").is_in(list(found)))
    return found | set(of_them["item_id"])


def _responses_of(workspace: Workspace, tenant_id: str, subject: Subject) -> set[str]:
    lake, table = workspace.lake, raw.SEARCH_RESULTS
    rows = lake.scan(table, [tenant_id]).filter(pl.col("item_id").is_in(list(subject.ids)))
    return set(lake.collect(table, rows.select("response_id"))["response_id"])


def _mails_of(
    workspace: Workspace, tenant_id: str, subject: Subject, needles: list[str]
) -> tuple[set[str], set[str], set[str]]:
    """Files and blobs of mails that told of them, and the ids of their notifications."""
    files, blobs, ids = set[str](), set[str](), set[str]()
    mine = list(subject.ids)
    with workspace.control.read() as connection:
        told = connection.execute(
            sa.select(t.notifications).where(t.notifications.c.tenant_id == tenant_id)
        ).mappings()
        windows = {
            row["window_id"] for row in told if row["client_id"] in mine or row["event_id"] in mine
        }
        for row in connection.execute(
            sa.select(t.outbox).where(t.outbox.c.tenant_id == tenant_id)
        ).mappings():
            path = workspace.blobs.path(tenant_id, row["blob"])
            said = erasing.text_of(path.read_bytes()).lower() if path.exists() else ""
            if row["window_id"] in windows or any(n.lower() in said for n in needles):
                files.add(row["file_name"])
                blobs.add(row["blob"])
        for table in t.metadata.sorted_tables:
            # Whatever has an owner and a blob: documents, attachments.
            held = [c for c in table.c if "blob" in c.name or c.name == "content_sha256"]
            if "owner_id" in table.c and "tenant_id" in table.c and held:
                query = sa.select(*held).where(
                    table.c.tenant_id == tenant_id, table.c.owner_id.in_(mine[:30_000])
                )
                blobs |= {str(v) for row in connection.execute(query) for v in row if v}
    return files, blobs, ids
