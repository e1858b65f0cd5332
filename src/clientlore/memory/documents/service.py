"""The documents of a tenant: adding them, listing them, taking them back, searching in them.

What was given is written first, as a blob named by its content; then the operations of a batch in one transaction;
then the index. After a crash, giving the same again completes it. Who writes holds the tenant's lock.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from typing import Any

import polars as pl
from sqlalchemy.engine import Connection

from clientlore.control import forgotten, tenants
from clientlore.errors import BadDataError, ConfigurationError, NotFoundError
from clientlore.memory import log
from clientlore.memory.documents import keeping
from clientlore.memory.documents.chunking import passages_of
from clientlore.memory.documents.extracting import Extracted, extracted
from clientlore.memory.documents.keeping import Reading
from clientlore.memory.documents.model import Added, Document, NewDocument, Passage
from clientlore.memory.embedding import embedder_of
from clientlore.memory.fold import alive, fold
from clientlore.memory.kinds import PASSAGE, Tier
from clientlore.memory.search import Hit, Mode
from clientlore.memory.store import MemoryStore
from clientlore.workspace import Workspace

_log = logging.getLogger(__name__)
BATCH = 10
"""Documents that are committed together."""
MOST_LISTED = 1_000


@dataclass(frozen=True)
class Page:
    """Some documents of a list, and how many there are in all."""

    documents: tuple[Document, ...]
    total: int
    has_more: bool


@dataclass(frozen=True)
class DocumentHit:
    """A document that was found, by the best of its passages.

    Attributes:
        content: The passage.
        section: The text of the section in which it stands, if that was asked for.
        hit: The passage as memory's search found it, with its score and what that is made of.
    """

    document_id: str
    document_name: str
    document_type: str
    owner_id: str
    content: str
    score: float
    metadata: Mapping[str, Any]
    section: str | None
    hit: Hit = field(repr=False)


class Documents:
    """The documents of a tenant.

    Args:
        workspace: The stores.
        tenant_id: Whose.
        actor: Under which name what is done stands in the log.
    """

    def __init__(
        self, workspace: Workspace, tenant_id: str, actor: str = "library:documents"
    ) -> None:
        self.workspace = workspace
        self.tenant_id = tenant_id
        self.actor = actor
        with workspace.control.read() as connection:
            tenant = tenants.get_tenant(connection, tenant_id)
        self.store = MemoryStore(workspace, embedder_of(workspace, tenant))

    def add_document(self, document: NewDocument) -> Added:
        """Keeps a document; the same owner and id at origin again replace its passages and keep its id.

        Raises:
            BadDataError: It cannot be kept.
        """
        done = self.add_documents([document])[0]
        if done.error is not None:
            raise BadDataError(done.error)
        return done

    def add_documents(
        self, documents: Iterable[NewDocument], *, batch: int = BATCH, index: bool = True
    ) -> list[Added]:
        """Keeps documents, a batch a transaction; what is wrong with one is told of that one alone.

        Args:
            documents: In their order; they are read as they are needed.
            batch: Documents that are committed together.
            index: Bring the index up to them. Without, the next search does.

        Raises:
            StoreError: A store cannot be written; batches before are kept.
        """
        done: list[Added] = []
        rest = iter(documents)
        with self.workspace.locks.hold(self.tenant_id, "documents"):
            while part := list(islice(rest, max(1, batch))):
                done += self._add(part)
            if index:
                self.store.update(self.tenant_id)
        return done

    def list_documents(
        self,
        *,
        owner: str | None = None,
        types: Collection[str] = (),
        where: Mapping[str, Any] | None = None,
        offset: int = 0,
        limit: int = 20,
    ) -> Page:
        """Documents, those changed last first.

        Args:
            owner: Only this owner's.
            types: Only of these types.
            where: Only with this metadata: a value, or a list of values one of which must be there.
            offset: How many to pass over.
            limit: At most this many, 1 to 1,000.

        Raises:
            ConfigurationError: The limits cannot be.
        """
        if offset < 0 or not 1 <= limit <= MOST_LISTED:
            raise ConfigurationError(
                f"An offset of {offset} with a limit of {limit} cannot be",
                f"Use an offset from 0 and a limit of 1 to {MOST_LISTED:,}.",
            )
        found = self._heads(owner=owner).filter(keeping.narrowed(types, where or {}))
        ordered = found.sort("revised_at", "memory_id", descending=[True, False])
        shown = ordered.slice(offset, limit)
        documents = tuple(keeping.document_of(row) for row in shown.iter_rows(named=True))
        return Page(documents, found.height, offset + len(documents) < found.height)

    def frame(self, owner: str | None = None) -> pl.DataFrame:
        """Every document as a row, columns of `keeping.DOCUMENTS`: what a mail's head says has columns of its own."""
        return keeping.frame_of(self.tenant_id, self._heads(owner=owner))

    def get_document(self, document_id: str) -> Document:
        """A document by its id.

        Raises:
            NotFoundError: There is none.
        """
        found = self._heads(ids=[document_id])
        if found.is_empty():
            raise _no_document(document_id)
        return keeping.document_of(found.row(0, named=True))

    def get_chunks(self, document_id: str) -> list[Passage]:
        """The passages of a document, in their order.

        Raises:
            NotFoundError: There is no such document.
        """
        document = self.get_document(document_id)
        return list(self._passages(document, range(document.chunks), None).values())

    def original(self, document_id: str) -> bytes:
        """A document as it came.

        Raises:
            NotFoundError: There is no such document.
            StoreError: Its blob is gone or changed.
        """
        return self.workspace.blobs.get(self.tenant_id, self.get_document(document_id).blob)

    def delete_documents(
        self,
        document_ids: Collection[str] = (),
        *,
        owner: str | None = None,
        types: Collection[str] = (),
        where: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Takes documents back, by their ids or by a filter; search finds them no longer.

        They stay in the log and may be brought back; forgetting an owner is what wipes.

        Returns:
            The ids of what was taken back.

        Raises:
            ConfigurationError: Neither ids nor a filter were given: not everything is meant.
            NotFoundError: An id is not there; nothing was taken back.
        """
        if not (document_ids or owner or types or where):
            raise ConfigurationError(
                "It is not said which documents to delete", "Name ids, an owner, types or metadata."
            )
        with self.workspace.locks.hold(self.tenant_id, "documents"):
            found = self._heads(owner=owner, ids=document_ids or None)
            missing = sorted(set(document_ids) - set(found["memory_id"]))
            if missing:
                raise _no_document(missing[0])
            found = found.filter(keeping.narrowed(types, where or {}))
            gone = [keeping.document_of(row) for row in found.iter_rows(named=True)]
            with self.workspace.control.write() as connection:
                for document in gone:
                    held = keeping.held(connection, self.tenant_id, document.document_id)
                    operations = keeping.retractions(held, self.actor, self.workspace.clock.now())
                    log.append(connection, operations, self.workspace.clock.now())
            if gone:
                self.store.update(self.tenant_id)
        return [document.document_id for document in gone]

    def search(
        self,
        query: str,
        *,
        owners: Sequence[str] | None = None,
        types: Collection[str] = (),
        where: Mapping[str, Any] | None = None,
        sender: str | None = None,
        since: datetime | date | None = None,
        until: datetime | date | None = None,
        as_of: datetime | None = None,
        clearance: Tier | None = None,
        mode: Mode = "hybrid",
        limit: int = 20,
        sections: bool = False,
    ) -> tuple[DocumentHit, ...]:
        """Documents by the best of their passages, best first.

        Args:
            query: Words, or a question.
            owners: Only documents about these.
            types: Only of these types.
            where: Only with this metadata.
            sender: Only mails from this address.
            since: Only dated from then on, that instant or day included.
            until: Only dated up to then, that instant or day included.
            as_of: As it was known at this instant.
            clearance: Nothing above this tier.
            mode: By words and meaning, or by one of them.
            limit: At most this many documents.
            sections: Give the section of each passage too.

        Raises:
            ConfigurationError: It cannot be answered.
        """
        told: dict[str, Any] = dict(where or {})
        if types:
            told["document_type"] = sorted(types)
        if sender:
            told["mail.from"] = sender.lower()
        found = self.store.search(
            self.tenant_id,
            query,
            owners=owners,
            kinds=(PASSAGE,),
            where=told,
            since=since,
            until=until,
            as_of=as_of,
            clearance=clearance,
            mode=mode,
            limit=limit,
            by_session=True,
        )
        if found.not_reranked:
            _log.warning("Documents of '%s' not reranked: %s", self.tenant_id, found.not_reranked)
        heads = self._heads(ids={hit.attributes["session"] for hit in found.hits}, as_of=as_of)
        by_id = {row["memory_id"]: row for row in heads.iter_rows(named=True)}
        return tuple(
            self._hit(hit, keeping.document_of(by_id[hit.attributes["session"]]), as_of, sections)
            for hit in found.hits
            if hit.attributes["session"] in by_id
        )

    def _hit(
        self, hit: Hit, document: Document, as_of: datetime | None, sections: bool
    ) -> DocumentHit:
        section = None
        if sections:
            first, last = hit.attributes["section"]
            around = self._passages(document, range(first, last + 1), as_of)
            section = "\n\n".join(passage.text for passage in around.values())
        return DocumentHit(
            document_id=document.document_id,
            document_name=document.name,
            document_type=document.type,
            owner_id=hit.owner_id,
            content=hit.text,
            score=hit.score,
            metadata=document.metadata,
            section=section,
            hit=hit,
        )

    def _heads(
        self,
        *,
        owner: str | None = None,
        ids: Collection[str] | None = None,
        as_of: datetime | None = None,
    ) -> pl.DataFrame:
        with self.workspace.control.read() as connection:
            return keeping.heads(connection, self.tenant_id, owner=owner, ids=ids, as_of=as_of)

    def _passages(
        self, document: Document, numbers: Iterable[int], as_of: datetime | None
    ) -> dict[int, Passage]:
        ids = [
            keeping.passage_id(self.tenant_id, document.owner_id, document.id_at_origin, n)
            for n in numbers
        ]
        with self.workspace.control.read() as connection:
            state = alive(fold(log.read(connection, self.tenant_id, memory_ids=ids), as_of))
        made = [keeping.passage_of(row) for row in state.iter_rows(named=True)]
        return {passage.number: passage for passage in sorted(made, key=lambda p: p.number)}

    def _add(self, part: Sequence[NewDocument]) -> list[Added]:
        with self.workspace.control.read() as connection:
            gate = forgotten.gate(connection, self.tenant_id)
        made = [self._read(document, gate) for document in part]
        done: list[Added] = []
        with self.workspace.control.write() as connection:
            for document, read in zip(part, made, strict=True):
                done.append(
                    _failed(document, read)
                    if isinstance(read, BadDataError)
                    else self._keep(connection, read)
                )
        return done

    def _read(self, document: NewDocument, gate: forgotten.Gate) -> Reading | BadDataError:
        """What a document says and where its bytes are; those are written."""
        started = time.perf_counter()
        try:
            checked = document.checked()
            told = extracted(checked)
            _let_in(checked, told, gate)
        except BadDataError as error:
            return error
        return Reading(
            document=checked,
            told=told,
            passages=passages_of(told.text, checked.type or ""),
            blob=self.workspace.blobs.put(self.tenant_id, checked.data),
            seconds=time.perf_counter() - started,
        )

    def _keep(self, connection: Connection, read: Reading) -> Added:
        started = time.perf_counter()
        now = self.workspace.clock.now()
        document_id = keeping.document_id(self.tenant_id, read.document)
        held = keeping.held(connection, self.tenant_id, document_id, len(read.passages), read)
        operations = keeping.operations(self.tenant_id, read, held, self.actor, now)
        log.append(connection, operations, now)
        seconds = read.seconds + time.perf_counter() - started
        outcome = ("replaced" if held.lives else "added") if operations else "known"
        return Added(
            owner_id=read.document.owner_id,
            id_at_origin=read.document.id_at_origin,
            outcome=outcome,
            document_id=document_id,
            chunks_created=sum(op.kind == PASSAGE for op in operations),
            processing_time_ms=round(seconds * 1_000, 3),
        )


def _let_in(document: NewDocument, told: Extracted, gate: forgotten.Gate) -> None:
    mail = told.mail or {}
    people = [mail.get("from"), *mail.get("to", ()), *mail.get("cc", ())]
    if gate.knows(document.owner_id, *people):
        raise BadDataError(
            f"Document '{document.id_at_origin}' belongs to somebody who was forgotten",
            "What was forgotten is not kept again.",
        )


def _failed(document: NewDocument, error: BadDataError) -> Added:
    return Added(document.owner_id, document.id_at_origin, "failed", error=str(error))


def _no_document(document_id: str) -> NotFoundError:
    return NotFoundError(
        f"There is no document '{document_id}'", "`clientlore document list` shows what there is."
    )
