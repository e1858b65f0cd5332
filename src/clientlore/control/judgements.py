"""The judgements that were bought from language models: looked up before a call and kept after it.

So nothing is bought twice. The key says what was judged, for whom, by which prompt and model. An answer that could
not be used is kept as well: the same question would be paid for again, and answered so again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.engine import insert_ignore

_AT_ONCE = 500  # parameters of one query; SQLite takes 32,766


@dataclass(frozen=True)
class Judgement:
    """What a model said about one item and client, or why what it said cannot be used.

    Attributes:
        answer: score, category, confidence, summary and reason; or `why`, where it is unusable.
        tokens: This item's part of what the calls used.
        nano_usd: Its part of what they cost; None where the model has no known price.
    """

    cache_key: str
    provider: str
    model: str
    prompt: str
    outcome: Literal["judged", "unusable"]
    answer: Mapping[str, Any] = field(default_factory=dict)
    tokens: int = 0
    nano_usd: int | None = None


def find(connection: Connection, tenant_id: str, keys: Collection[str]) -> dict[str, Judgement]:
    """The judgements of a tenant that are there, by key."""
    c = t.llm_judgements.c
    wanted = sorted(set(keys))
    found = {}
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        rows = connection.execute(
            sa.select(t.llm_judgements).where(c.tenant_id == tenant_id, c.cache_key.in_(part))
        ).mappings()
        for row in rows:
            values = {k: v for k, v in row.items() if k not in {"tenant_id", "judged_at"}}
            found[row["cache_key"]] = Judgement(**values)
    return found


def keep(
    connection: Connection, tenant_id: str, judgements: Collection[Judgement], now: datetime
) -> None:
    """Keeps judgements; one that is there already stays as it is, so that what was told stays told."""
    insert_ignore(
        connection,
        t.llm_judgements,
        [
            {
                "tenant_id": tenant_id,
                "cache_key": j.cache_key,
                "provider": j.provider,
                "model": j.model,
                "prompt": j.prompt,
                "outcome": j.outcome,
                "answer": dict(j.answer),
                "tokens": j.tokens,
                "nano_usd": j.nano_usd,
                "judged_at": now,
            }
            for j in judgements
        ],
    )
