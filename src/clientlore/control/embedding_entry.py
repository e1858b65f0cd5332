"""What vectors may cost a tenant, as its file says it. Who makes them is said by the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from clientlore.control.budgets import Limits


class EmbeddingsEntry(BaseModel):
    """What search by meaning may cost.

    Attributes:
        budget_calls: At most this many calls on a UTC date.
        budget_tokens: At most this many tokens.
        budget_usd: At most this many dollars.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    budget_calls: Annotated[int, Field(ge=0)] | None = None
    budget_tokens: Annotated[int, Field(ge=0)] | None = None
    budget_usd: Annotated[float, Field(ge=0)] | None = None

    def settings(self) -> dict[str, Any]:
        """As the tenant's settings; empty where nothing is limited."""
        values = self.model_dump(exclude_none=True)
        limits = {name.removeprefix("budget_"): value for name, value in values.items()}
        return {"embedding_budget": limits} if limits else {}


def limits_of(settings: Mapping[str, Any]) -> Limits:
    """What vectors may cost a tenant on one date."""
    return Limits(**settings.get("embedding_budget", {}))
