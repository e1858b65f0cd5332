"""What a reranker may see of a tenant's memory and what it may cost, as its file says it.

Who reranks is said by the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from clientlore.control.budgets import Limits


class RerankEntry(BaseModel):
    """What a reranker may see of what a search finds, and what it may cost.

    Attributes:
        up_to: Texts up to this security tier are sent; what is above it stays where it stands. `none` sends nothing.
        redact: Whether addresses, numbers and the names of known people are taken out of what is sent; so they are
            where `judge` says it.
        budget_calls: At most this many calls on a UTC date.
        budget_tokens: At most this many tokens.
        budget_usd: At most this many dollars.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    up_to: Literal["none", "general", "confidential", "secret", "ultra_secret"] = "general"
    redact: bool = False
    budget_calls: Annotated[int, Field(ge=0)] | None = None
    budget_tokens: Annotated[int, Field(ge=0)] | None = None
    budget_usd: Annotated[float, Field(ge=0)] | None = None

    def settings(self) -> dict[str, Any]:
        """As the tenant's settings; empty where all is as it is without."""
        values = self.model_dump(exclude_defaults=True)
        return {"rerank": values} if values else {}

    @property
    def limits(self) -> Limits:
        """What reranking may cost on one date."""
        return Limits(self.budget_calls, self.budget_tokens, self.budget_usd)


def rerank_of(settings: Mapping[str, Any]) -> RerankEntry:
    """What a tenant allows, from its settings."""
    return RerankEntry.model_validate(settings.get("rerank") or {})
