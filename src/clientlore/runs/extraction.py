"""What the texts of a day say: found by rules or by the tenant's model, and what is said when that model fails.

Texts are what people noted in the CRM, which does not wait for a key, and the documents that the day reads, which
wait for whoever is to read them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from clientlore.clock import day_bounds
from clientlore.control import ledger
from clientlore.control.model import Tenant
from clientlore.control.snapshots import Snapshot
from clientlore.errors import ClientloreError
from clientlore.memory.derive import Wanted, is_of_document
from clientlore.memory.documents.unread import Unread, unread
from clientlore.memory.extracting import RulesExtractor
from clientlore.memory.extracting.choosing import (
    extracted,
    extractor_for,
    names_of,
    sources_in,
    wanted_from,
)
from clientlore.workspace import Workspace

STAGE = "core/memory_log"


@dataclass(frozen=True)
class Said:
    """What the texts of a day say.

    Attributes:
        wanted: Memories that the day calls for because of it.
        read_again: Memories drawn on some day from the passages that this one read.
        read_through: Up to which sequence number of the log documents are read then.
        trouble: Why it is only a part, or the rules did what was a model's to do.
    """

    wanted: tuple[Wanted, ...] = ()
    read_again: frozenset[str] = frozenset()
    read_through: int | None = None
    counts: Mapping[str, int | float] = field(default_factory=dict)
    trouble: str | None = None
    notes: tuple[str, ...] = ()


def of_day(
    workspace: Workspace, tenant: Tenant, snapshot: Snapshot, told: Sequence[Wanted]
) -> Said:
    """What the activities of a day say, and the documents that it reads. News keeps the one memory of its judgement.

    Args:
        workspace: The stores.
        tenant: Whose.
        snapshot: The configuration of the day.
        told: What the day calls for.
    """
    notes = [want for want in told if want.kind == "activity"]
    documents = _documents(workspace, snapshot)
    if not notes and not documents.touched:
        return Said(read_through=documents.through)
    trouble: str | None = None
    try:
        extractor = extractor_for(workspace, tenant, snapshot.settings)
    except ClientloreError as error:
        # What people noted must not wait for a key; what was given is there when there is one.
        extractor, trouble = RulesExtractor(), str(error)
    if extractor is None:
        return Said()
    passages = documents.texts() if trouble is None else []
    done = extracted(extractor, sources_in([*notes, *passages]))
    waits = done.unanswered if trouble is None else {one.source_id for one in documents.touched}
    read = documents.before(waits)
    texts = [*notes, *read.texts()]
    here = {text.origin for text in texts}
    by_rules = [why for source, why in done.left_to_rules.items() if source in here]
    found = [one for one in done.found if one.source_id in here]
    wanted = wanted_from(tenant.tenant_id, texts, found, names_of(snapshot.clients))
    said = []
    if by_rules or (trouble and notes):
        said.append(f"the rules read: {trouble or min(by_rules)}")
    if late := read.waiting - documents.waiting:
        why = trouble or min(done.left_to_rules[source] for source in waits)
        said.append(f"{late} passages of documents wait: {why}")
    return Said(
        tuple(wanted),
        read.memories(),
        read.through,
        {
            "extracted": len(wanted),
            **done.counts,
            "passages_read": len(texts) - len(notes),
            "passages_waiting": read.waiting,
            "from_documents": sum(is_of_document(want.attributes) for want in wanted),
        },
        "; ".join(said) or None,
        (
            f"{len(by_rules)} texts were read by the rules; made again, the day asks about them again",
        )
        if by_rules
        else (),
    )


def _documents(workspace: Workspace, snapshot: Snapshot) -> Unread:
    tenant_id, day = snapshot.tenant_id, snapshot.day
    with workspace.control.read() as connection:
        start, stop = ledger.read_through(connection, tenant_id, STAGE, day)
        return unread(connection, tenant_id, snapshot.mode, start, stop, day_bounds(day)[1])
