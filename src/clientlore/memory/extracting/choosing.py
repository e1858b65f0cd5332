"""Who finds what a tenant's texts say, and what is found as memories that a day calls for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from clientlore.control import clients, people
from clientlore.control.judge_entry import judge_of
from clientlore.control.model import Client, Tenant
from clientlore.control.snapshots import DEFAULT_SETTINGS
from clientlore.errors import ConfigurationError
from clientlore.ids import stable_id
from clientlore.memory import kinds
from clientlore.memory.derive import Wanted
from clientlore.memory.extracting.asking import EXTRACTING, ModelExtractor, extraction_prompt
from clientlore.memory.extracting.model import Extracted, Extraction, Extractor, Source
from clientlore.memory.extracting.rules import RulesExtractor
from clientlore.memory.facts import Fact, parse
from clientlore.memory.statements import Statement, lookup_of
from clientlore.monitoring.judges import asker_for
from clientlore.workspace import Workspace


def extractor_for(
    workspace: Workspace, tenant: Tenant, settings: Mapping[str, Any] | None = None
) -> Extractor | None:
    """Who finds what a tenant's texts say; None where nobody is to. The caller closes the model of one that has one.

    Args:
        workspace: The stores.
        tenant: Whose texts; its budget counts.
        settings: As of a day; as they are now if not given.

    Raises:
        ConfigurationError: A model is asked for, and there is no judge, or its key, library or price is missing.
    """
    said = tenant.settings if settings is None else settings
    wanted = said.get("extraction", DEFAULT_SETTINGS["extraction"])
    if wanted == "none":
        return None
    if wanted == "rules":
        return RulesExtractor()
    judge = judge_of(said)
    if judge.provider == "rules" or "judge" not in tenant.settings:
        raise ConfigurationError(
            f"'{tenant.tenant_id}' leaves extraction to its judge, and its judge is the rules",
            "Name a provider under `judge` in the tenant file, or write `extraction: rules`.",
        )
    with workspace.control.read() as connection:
        about = {c.client_id: c.name for c in clients.clients_of(connection, tenant.tenant_id)}
        known = clients.contact_names(connection, tenant.tenant_id)
        known += [user.name for user in people.users_of(connection, tenant.tenant_id)]
    model, asker = asker_for(workspace, tenant, judge, extraction_prompt(), EXTRACTING)
    return ModelExtractor(
        model,
        asker,
        tenant.tenant_id,
        (workspace.control, workspace.clock),
        about,
        redact=judge.redact,
        known_people=known,
    )


def extracted(extractor: Extractor, sources: Sequence[Source]) -> Extraction:
    """What the sources say, and the extractor's model closed behind it."""
    try:
        return extractor.extract(sources)
    finally:
        if isinstance(extractor, ModelExtractor):
            extractor.model.close()


def names_of(known: Sequence[Client]) -> dict[str, list[str]]:
    """By client, how it is called."""
    return {c.client_id: [c.name, *(str(a) for a in c.profile.get("aliases", ()))] for c in known}


def sources_in(told: Sequence[Wanted]) -> list[Source]:
    """The texts of memories, each under its memory's origin."""
    return [
        Source(
            want.origin,
            want.owner_id,
            want.text,
            is_secret=want.attributes.get("security", kinds.TIERS[0]) not in kinds.OPEN,
        )
        for want in told
    ]


def statement_of(
    found: Extracted,
    owner_id: str,
    told_at: datetime,
    held_from: datetime | None = None,
    sources: Sequence[str] = (),
    *,
    names: Sequence[str] = (),
    actor: str = "library",
) -> Statement:
    """What was found, as something that memory can be told.

    Args:
        found: What a text says.
        owner_id: Whom the text is about.
        told_at: When the text was known.
        held_from: Since when it holds, as far as the text's date says.
        sources: What is cited before the place in the text.
        names: How the owner is called.
        actor: Who tells it.
    """
    fact = parse(found.text, names)
    about = (fact.subject, fact.attribute, fact.value) if fact else None
    return Statement(
        owner_id,
        found.text,
        # All that decides what it stands for: a text that says otherwise is another origin.
        f"said:{stable_id(found.source_id, owner_id, found.kind, found.text, held_from, about)}",
        told_at,
        actor=actor,
        reason="a text says so",
        held_from=held_from,
        kind=found.kind,
        confidence=found.confidence,
        fact=fact,
        attributes={"method": found.method, "cites": found.citation},
        sources=(*sources, found.citation),
    ).checked()


def wanted_from(
    tenant_id: str,
    told: Sequence[Wanted],
    found: Sequence[Extracted],
    names: Mapping[str, Sequence[str]],
) -> list[Wanted]:
    """What was found in memories of a day, as memories that the day calls for, by origin.

    Args:
        tenant_id: Whose memory.
        told: The memories in whose texts it was found.
        found: What was found.
        names: By owner, how it is called.
    """
    by_origin = {want.origin: want for want in told}
    made: dict[str, Wanted] = {}
    for one in found:
        want = by_origin[one.source_id]
        known = names.get(want.owner_id, ())
        stated = statement_of(
            one, want.owner_id, want.recorded_at, want.valid_from, want.sources, names=known
        )
        made.setdefault(stated.origin, _wanted(tenant_id, want, stated))
    return sorted(made.values(), key=lambda wanted: (wanted.origin, wanted.owner_id))


def _wanted(tenant_id: str, source: Wanted, stated: Statement) -> Wanted:
    assert stated.kind is not None
    # An undated text is collected again and again: when that was must not make it another memory.
    since = source.valid_from
    return Wanted(
        owner_id=stated.owner_id,
        kind=stated.kind,
        text=stated.text,
        origin=stated.origin,
        recorded_at=stated.told_at,
        valid_from=since,
        attributes={
            **stated.attributes,
            "source_mode": source.attributes["source_mode"],
            "importance": kinds.IMPORTANCE,
            "confidence": stated.confidence,
            # What a document says is as secret as the document.
            "security": source.attributes.get("security", stated.tier),
            **({} if since is None else {"held_from": since.isoformat()}),
            **_told(stated.fact),
        },
        sources=stated.sources,
        reason=stated.reason,
        lookup=lookup_of(tenant_id, stated, stated.fact),
    )


def _told(fact: Fact | None) -> dict[str, str]:
    if fact is None:
        return {}
    return {"subject": fact.subject, "attribute": fact.attribute, "value": fact.value}
