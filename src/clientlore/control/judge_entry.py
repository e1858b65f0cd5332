"""Who judges for a tenant, as its file says it and as the control plane keeps it: the rules, or a model on a budget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clientlore.control.budgets import Limits

DEFAULT_CALLS = 500
"""Calls a day where the file names no budget: money is never spent without one."""
_BUDGET = {"budget_calls": "calls", "budget_tokens": "tokens", "budget_usd": "usd"}


class JudgeEntry(BaseModel):
    """Who judges relevance.

    Attributes:
        provider: `rules`, or whose model is asked on what the rules find.
        model: Of the provider; that of the environment if not given.
        batch: Items in one call. With one, no article can touch what is said of another.
        from_score: What the rules score lower is left to them.
        redact: Whether addresses, numbers and the names of known people are taken out of what is sent.
        bulk: Whether past days are judged through the provider's batch API: at half the price, within a day.
        budget_calls: At most this many calls on a UTC date, retries among them.
        budget_tokens: At most this many tokens.
        budget_usd: At most this many dollars.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: Literal["rules", "openai", "anthropic"] = "rules"
    model: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    batch: Annotated[int, Field(ge=1, le=50)] = 4
    from_score: Annotated[float, Field(ge=0.0, le=1.0)] = 0.2
    redact: bool = False
    bulk: bool = False
    budget_calls: Annotated[int, Field(ge=0)] | None = None
    budget_tokens: Annotated[int, Field(ge=0)] | None = None
    budget_usd: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _rules_cost_nothing(self) -> JudgeEntry:
        given = self.model_fields_set - {"provider"}
        if self.provider == "rules" and given:
            msg = f"the rules take no '{min(given)}'; name a provider: openai or anthropic"
            raise ValueError(msg)
        return self

    def settings(self) -> dict[str, Any]:
        """As the tenant's settings: what changes judgements apart from what limits them. Empty for the rules."""
        if self.provider == "rules":
            return {}
        values = self.model_dump(exclude_none=True)
        if not self.bulk:
            del values["bulk"]
        limits = {name: values.pop(key) for key, name in _BUDGET.items() if key in values}
        return {"judge": values, "judge_budget": limits or {"calls": DEFAULT_CALLS}}


def judge_of(settings: Mapping[str, Any]) -> JudgeEntry:
    """Who judges, from the settings of a tenant or of a snapshot."""
    return JudgeEntry.model_validate(settings.get("judge") or {})


def limits_of(settings: Mapping[str, Any]) -> Limits:
    """What judging may cost a tenant on one date; nothing where the tenant asks for no model."""
    found = settings.get("judge_budget")
    return Limits(calls=0) if found is None else Limits(**found)
