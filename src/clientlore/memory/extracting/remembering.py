"""What files and documents say: found in texts that are given, or told to memory with the place cited."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

from clientlore.control import clients, tenants
from clientlore.errors import ConfigurationError
from clientlore.memory.documents import Documents
from clientlore.memory.documents.model import Document
from clientlore.memory.extracting.choosing import (
    extracted,
    extractor_for,
    names_of,
    statement_of,
)
from clientlore.memory.extracting.model import Extractor, Source
from clientlore.memory.kinds import OPEN, TIERS
from clientlore.memory.service import MemoryService
from clientlore.memory.statements import MOST_CHARACTERS, Statement
from clientlore.workspace import Workspace

BATCH = 100
"""Texts that are read together."""


class TextLine(BaseModel):
    """A text of a file; what else the line holds is left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)

    id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    text: Annotated[str, StringConstraints(max_length=MOST_CHARACTERS)]
    owner: Annotated[str, StringConstraints(max_length=64)] = ""


@dataclass(frozen=True)
class Remembered:
    """What documents said.

    Attributes:
        texts: Passages that were read.
        left_to_rules: Passages that a model should have read and the rules did.
        outcomes: How many memories were added, changed, reinforced or known.
    """

    texts: int
    left_to_rules: int
    outcomes: dict[str, int]


def answers(extractor: Extractor, lines: Sequence[TextLine]) -> Iterator[dict[str, Any]]:
    """What each text says, in the order of the texts; nothing is remembered.

    Args:
        extractor: Who finds it; closed by the caller.
        lines: The texts.
    """
    for start in range(0, len(lines), BATCH):
        part = lines[start : start + BATCH]
        sources = [
            Source(f"line:{start + n}", line.owner, line.text) for n, line in enumerate(part)
        ]
        found = extractor.extract(sources).found
        for line, source in zip(part, sources, strict=True):
            told = [
                {
                    k: getattr(one, k)
                    for k in ("kind", "text", "start", "end", "confidence", "method")
                }
                for one in found
                if one.source_id == source.source_id
            ]
            yield {"id": line.id, "memories": told}


def remember_documents(
    workspace: Workspace, tenant_id: str, document_ids: Collection[str], actor: str
) -> Remembered:
    """Tells memory what documents say, passage by passage; told again, it is known.

    Args:
        workspace: The stores.
        tenant_id: Whose.
        document_ids: Of the documents.
        actor: Under which name it stands in the log.

    Raises:
        ConfigurationError: The tenant has extraction switched off, or its model cannot be asked.
        NotFoundError: There is no such document.
    """
    with workspace.control.read() as connection:
        tenant = tenants.get_tenant(connection, tenant_id)
        names = names_of(clients.clients_of(connection, tenant_id))
    extractor = extractor_for(workspace, tenant)
    if extractor is None:
        raise ConfigurationError(
            f"'{tenant_id}' has extraction switched off", "Write `extraction: rules` in its file."
        )
    documents = Documents(workspace, tenant_id, actor)
    of_source: dict[str, Document] = {}
    sources: list[Source] = []
    for document in map(documents.get_document, dict.fromkeys(document_ids)):
        for passage in documents.get_chunks(document.document_id):
            source = Source(
                f"document:{document.document_id}#{passage.number}",
                document.owner_id,
                passage.text,
                is_secret=document.security not in OPEN,
            )
            sources.append(source)
            of_source[source.source_id] = document
    done = extracted(extractor, sources)
    stated = [
        replace(
            statement_of(
                one,
                document.owner_id,
                document.changed_at,
                document.date,
                (f"blob:{document.blob}",),
                names=names.get(document.owner_id, ()),
                actor=actor,
            ),
            # What a document says is as secret as the document.
            tier=document.security or TIERS[0],
        )
        for one in done.found
        for document in (of_source[one.source_id],)
    ]
    told = MemoryService(workspace, tenant_id).remember(_each_once(stated))
    outcomes = [one.outcome for one in told]
    return Remembered(
        len(sources), len(done.left_to_rules), {o: outcomes.count(o) for o in sorted(set(outcomes))}
    )


def _each_once(statements: Iterable[Statement]) -> list[Statement]:
    return list({statement.origin: statement for statement in reversed(list(statements))}.values())[
        ::-1
    ]
