"""Documents as operations of the memory log, and back. Pure but for reading the log.

A document is a memory of the kind `document` whose text is its name, and a memory of the kind `passage` for each of its
passages, all of one session. Replacing it revises those that changed, adds what is more and retracts what is less.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.errors import ConfigurationError
from clientlore.memory import log
from clientlore.memory.documents.chunking import CHUNKER
from clientlore.memory.documents.extracting import Extracted
from clientlore.memory.documents.model import Document, NewDocument, Passage
from clientlore.memory.fold import alive, fold
from clientlore.memory.kinds import DOCUMENT, PASSAGE
from clientlore.memory.log import Operation, canonical, memory_id_for
from clientlore.memory.search import is_key
from clientlore.storage.lake import UTC_TIME, columns

DOCUMENTS = columns(
    {
        "tenant_id": pl.String,
        "owner_id": pl.String,
        "document_id": pl.String,
        "id_at_origin": pl.String,
        "name": pl.String,
        "type": pl.String,
        "date": UTC_TIME,
        "blob": pl.String,
        "size": pl.Int64,
        "characters": pl.Int64,
        "chunks": pl.Int64,
        "metadata": pl.String,
        "added_at": UTC_TIME,
        "changed_at": UTC_TIME,
        "mail_from": pl.String,
        "mail_to": pl.List(pl.String),
        "mail_cc": pl.List(pl.String),
        "mail_date": UTC_TIME,
        "thread_id": pl.String,
        "labels": pl.List(pl.String),
        "has_attachments": pl.Boolean,
        "attachments": pl.List(pl.String),
    }
)
"""Documents as a frame; metadata is JSON, and what is a mail's is empty for everything else."""
MOST_FILTERED = 255
"""Characters up to which a value of metadata stands with each passage too, so that searches can filter by it."""


@dataclass(frozen=True)
class Reading:
    """A document that was read and cut; its bytes are kept as a blob."""

    document: NewDocument
    told: Extracted
    passages: Sequence[Passage]
    blob: str
    seconds: float


@dataclass(frozen=True)
class Held:
    """What is there of a document: each of its memories as it stands, by id."""

    document_id: str
    rows: Mapping[str, Mapping[str, Any]]

    @property
    def lives(self) -> bool:
        """Whether the document is there."""
        return self.is_alive(self.document_id)

    def is_alive(self, memory_id: str) -> bool:
        """Whether one of its memories is there."""
        row = self.rows.get(memory_id)
        return row is not None and row["standing"] in {"add", "revise", "compress"}

    def count(self, memory_id: str) -> int:
        """How many operations a memory has."""
        row = self.rows.get(memory_id)
        return 0 if row is None else int(row["operations"])


def document_id(tenant_id: str, document: NewDocument) -> str:
    """The id of a document: it follows from owner and id at origin, and never changes."""
    return memory_id_for(
        tenant_id, document.owner_id, DOCUMENT, f"document:{document.id_at_origin}"
    )


def passage_id(tenant_id: str, owner_id: str, id_at_origin: str, number: int) -> str:
    """The id of a passage: it follows from its document and its place."""
    return memory_id_for(tenant_id, owner_id, PASSAGE, f"document:{id_at_origin}#{number}")


def held(
    connection: Connection, tenant_id: str, head_id: str, more: int = 0, read: Reading | None = None
) -> Held:
    """What the log has of a document.

    Args:
        connection: Any.
        tenant_id: Whose.
        head_id: The document's id.
        more: Look at as many passages at least: some may have been there and be gone.
        read: What is to be kept under this id, if something is.
    """
    before = fold(log.read(connection, tenant_id, memory_ids=[head_id]))
    rows = {row["memory_id"]: row for row in before.iter_rows(named=True)}
    owner = origin = None
    count = more
    if read is not None:
        owner, origin = read.document.owner_id, read.document.id_at_origin
    if head_id in rows and rows[head_id]["attributes"] is not None:
        told = json.loads(rows[head_id]["attributes"])
        owner, origin = rows[head_id]["owner_id"], told["id"]
        count = max(count, told["chunks"])
    if owner is None or origin is None:
        return Held(head_id, rows)
    ids = [passage_id(tenant_id, owner, origin, n) for n in range(count)]
    parts = fold(log.read(connection, tenant_id, memory_ids=ids))
    return Held(head_id, {**rows, **{row["memory_id"]: row for row in parts.iter_rows(named=True)}})


def operations(
    tenant_id: str, read: Reading, before: Held, actor: str, now: datetime
) -> list[Operation]:
    """What makes the log say what was read; nothing where it does already."""
    document = read.document
    date = document.date or read.told.date
    wanted = [(before.document_id, DOCUMENT, _name(read), _head(read, before.document_id))]
    shared = _shared(read, before.document_id)
    for passage in read.passages:
        place = passage_id(tenant_id, document.owner_id, document.id_at_origin, passage.number)
        wanted.append((place, PASSAGE, passage.text, {**shared, **_place(passage)}))
    version = f"document:{before.document_id}:{before.count(before.document_id)}"
    made = []
    for memory_id, kind, text, attributes in wanted:
        lives = before.is_alive(memory_id)
        row = before.rows.get(memory_id, {})
        if lives and (row["kind"], row["text"], row["valid_from"], row["attributes"]) == (
            kind,
            text,
            date,
            canonical(attributes),
        ):
            continue
        made.append(
            Operation(
                tenant_id=tenant_id,
                owner_id=document.owner_id,
                memory_id=memory_id,
                op="revise" if lives else "add",
                kind=kind,
                text=text,
                recorded_at=now,
                actor=actor,
                reason="a document was given",
                origin=version,
                generation=before.count(memory_id),
                valid_from=date,
                attributes=attributes,
                sources=(f"blob:{read.blob}",),
            )
        )
    kept = {memory_id for memory_id, *_ in wanted}
    return made + retractions(before, actor, now, spared=kept, origin=version)


def retractions(
    before: Held,
    actor: str,
    now: datetime,
    *,
    spared: Collection[str] = (),
    origin: str | None = None,
) -> list[Operation]:
    """What takes a document back, or those of its memories that are not spared."""
    head = before.document_id
    return [
        Operation(
            tenant_id=row["tenant_id"],
            owner_id=row["owner_id"],
            memory_id=memory_id,
            op="retract",
            kind=None,
            text=None,
            recorded_at=now,
            actor=actor,
            reason="a document was taken back" if origin is None else "a document was replaced",
            origin=origin or f"document-delete:{head}:{before.count(head)}",
            generation=row["operations"],
        )
        for memory_id, row in before.rows.items()
        if memory_id not in spared and before.is_alive(memory_id)
    ]


def heads(
    connection: Connection,
    tenant_id: str,
    *,
    owner: str | None = None,
    ids: Collection[str] | None = None,
    as_of: datetime | None = None,
) -> pl.DataFrame:
    """The documents that are there, columns of `fold.STATE`."""
    query = sa.select(t.memory_log.c.memory_id).where(
        t.memory_log.c.tenant_id == tenant_id, t.memory_log.c.kind == DOCUMENT
    )
    if owner is not None:
        query = query.where(t.memory_log.c.owner_id == owner)
    if ids is not None:
        query = query.where(t.memory_log.c.memory_id.in_(sorted(ids)[:30_000]))
    found = set(connection.execute(query.distinct()).scalars())
    return alive(fold(log.read(connection, tenant_id, memory_ids=found), as_of))


def narrowed(types: Collection[str], where: Mapping[str, Any]) -> pl.Expr:
    """Which documents have one of some types, and some metadata.

    Raises:
        ConfigurationError: A name of metadata cannot be one.
    """
    attributes = pl.col("attributes")
    wanted = [pl.lit(value=True)]
    if types:
        wanted.append(attributes.str.json_path_match("$.document_type").is_in(sorted(types)))
    for key, value in where.items():
        if not is_key(key):
            raise ConfigurationError(
                f"'{key}' is no name of metadata", "Use letters, digits, - and _."
            )
        values = value if isinstance(value, list | tuple) else [value]
        said = [one if isinstance(one, str) else json.dumps(one) for one in values]
        there = attributes.str.json_path_match(f"$.metadata.{key}").is_in(said)
        wanted.append(there.fill_null(value=False))
    return pl.all_horizontal(wanted)


def document_of(row: Mapping[str, Any]) -> Document:
    """A document from its memory."""
    told = json.loads(row["attributes"])
    return Document(
        document_id=row["memory_id"],
        owner_id=row["owner_id"],
        id_at_origin=told["id"],
        name=row["text"],
        type=told["document_type"],
        date=row["valid_from"],
        metadata=told.get("metadata", {}),
        blob=told["blob"],
        size=told["size"],
        characters=told["characters"],
        chunks=told["chunks"],
        added_at=row["recorded_at"],
        changed_at=row["revised_at"],
        mail=told.get("mail"),
        security=told.get("security", "general"),
    )


def passage_of(row: Mapping[str, Any]) -> Passage:
    """A passage from its memory."""
    told = json.loads(row["attributes"])
    first, last = told["section"]
    return Passage(told["order"] - 1, row["text"], (first, last), told.get("heading"))


def frame_of(tenant_id: str, state: pl.DataFrame) -> pl.DataFrame:
    """Documents as rows, columns of `DOCUMENTS`."""
    rows = []
    for row in state.sort("owner_id", "memory_id").iter_rows(named=True):
        one = document_of(row)
        mail = one.mail or {}
        rows.append(
            {
                "tenant_id": tenant_id,
                **{name: getattr(one, name) for name in list(DOCUMENTS)[1:11]},
                "metadata": canonical(one.metadata),
                "added_at": one.added_at,
                "changed_at": one.changed_at,
                "mail_from": mail.get("from"),
                "mail_to": mail.get("to"),
                "mail_cc": mail.get("cc"),
                "mail_date": datetime.fromisoformat(mail["date"]) if mail.get("date") else None,
                "thread_id": mail.get("thread_id"),
                "labels": mail.get("labels"),
                "has_attachments": mail.get("has_attachments"),
                "attachments": [a["name"] for a in mail["attachments"]] if mail else None,
            }
        )
    return pl.DataFrame(rows, DOCUMENTS, orient="row")


def _name(read: Reading) -> str:
    return (read.told.name or read.document.name)[:255]


def _head(read: Reading, head_id: str) -> dict[str, Any]:
    document = read.document
    told = {
        **_common(read),
        "session": head_id,
        "order": 0,
        "size": len(document.data),
        "characters": len(read.told.text),
        "chunks": len(read.passages),
        "chunker": CHUNKER,
        "mail": read.told.mail,
        "metadata": dict(document.metadata),
    }
    return {key: value for key, value in told.items() if value is not None}


def _shared(read: Reading, head_id: str) -> dict[str, Any]:
    """What every passage of a document says beside its text."""
    mail = read.told.mail
    told = {
        **_common(read),
        "session": head_id,
        "document_name": _name(read),
        "speaker": mail and (mail["from_name"] or mail["from"]),
        "mail": mail and {k: mail[k] for k in ("from", "thread_id", "date", "has_attachments")},
        "metadata": {
            key: value
            for key, value in read.document.metadata.items()
            if len(json.dumps(value, ensure_ascii=False)) <= MOST_FILTERED
        },
    }
    return {key: value for key, value in told.items() if value is not None}


def _common(read: Reading) -> dict[str, Any]:
    document = read.document
    said = {"security": document.security} if document.security else {}
    return {
        "id": document.id_at_origin,
        "document_type": document.type,
        "blob": read.blob,
        **said,
    }


def _place(passage: Passage) -> dict[str, Any]:
    told = {
        "order": passage.number + 1,
        "section": list(passage.section),
        "heading": passage.heading,
    }
    return {key: value for key, value in told.items() if value is not None}
