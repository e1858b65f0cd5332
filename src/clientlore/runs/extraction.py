"""What the texts of a day say: found by rules or by the tenant's model, and what is said when that model fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from clientlore.control.model import Tenant
from clientlore.control.snapshots import Snapshot
from clientlore.errors import ClientloreError
from clientlore.memory.derive import Wanted
from clientlore.memory.extracting import RulesExtractor
from clientlore.memory.extracting.choosing import (
    extracted,
    extractor_for,
    names_of,
    sources_in,
    wanted_from,
)
from clientlore.workspace import Workspace


@dataclass(frozen=True)
class Said:
    """What the texts of a day say.

    Attributes:
        wanted: Memories that the day calls for because of it.
        trouble: Why the rules did what was a model's to do, if they did.
    """

    wanted: tuple[Wanted, ...] = ()
    counts: Mapping[str, int | float] = field(default_factory=dict)
    trouble: str | None = None
    notes: tuple[str, ...] = ()


def of_day(
    workspace: Workspace, tenant: Tenant, snapshot: Snapshot, told: Sequence[Wanted]
) -> Said:
    """What the activities of a day say. News keeps the one memory that its judgement gave it.

    Args:
        workspace: The stores.
        tenant: Whose.
        snapshot: The configuration of the day.
        told: What the day calls for.
    """
    texts = [want for want in told if want.kind == "activity"]
    if not texts:
        return Said()
    try:
        extractor, trouble = extractor_for(workspace, tenant, snapshot.settings), None
    except ClientloreError as error:
        # What people noted must not wait for a key.
        extractor, trouble = RulesExtractor(), str(error)
    if extractor is None:
        return Said()
    done = extracted(extractor, sources_in(texts))
    left = len(done.left_to_rules)
    if left and trouble is None:
        trouble = min(done.left_to_rules.values())
    wanted = wanted_from(tenant.tenant_id, texts, done.found, names_of(snapshot.clients))
    return Said(
        tuple(wanted),
        {"extracted": len(wanted), **done.counts},
        None if trouble is None else f"the rules read: {trouble}",
        (f"{left} texts were read by the rules; made again, the day asks about them again",)
        if left
        else (),
    )
