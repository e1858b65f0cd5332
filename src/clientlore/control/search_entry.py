"""Providers of news in a tenant file: whom to ask about each client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from clientlore.control.budgets import Limits
from clientlore.control.tenant_entries import Strict
from clientlore.control.yaml_lines import suggest
from clientlore.plugins import SEARCHABLE, searchable


class SearchEntry(Strict):
    """A provider that is asked about each client, with what it is told besides the client's names.

    Attributes:
        provider: Its name; `clientlore providers` lists all.
        on_failure: What its failure means: `fail` stops the tenant's day, `skip` goes on without it, `mock` puts
            made-up data in its place (mock tenants only).
        language: Only what is in this language, where the provider can tell; two letters.
        country: Only what is of this country, where the provider can tell; two letters.
        budget_calls: At most this many calls on a UTC date, pages and retries among them; none: no limit.
        budget_usd: At most this many dollars, by the price of a call.
        storage_rights: That the plan with the provider allows keeping what it gives: then nothing of it is taken
            out or removed.
        accept_terms: That its terms were read and fit, for a provider that asks for it.
    """

    provider: Annotated[str, StringConstraints(max_length=24)]
    on_failure: Literal["fail", "skip", "mock"] = "skip"
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] | None = None
    budget_calls: Annotated[int, Field(ge=0)] | None = None
    budget_usd: Annotated[float, Field(ge=0)] | None = None
    storage_rights: bool = False
    accept_terms: bool = False

    @field_validator("provider")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in SEARCHABLE and value not in (known := searchable()):
            msg = (
                f"there is no search provider '{value}'{suggest(value, known) or '.'} "
                f"Allowed: {', '.join(sorted(known))}"
            )
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _consent(self) -> SearchEntry:
        consent = SEARCHABLE[self.provider].consent if self.provider in SEARCHABLE else None
        if consent and not self.accept_terms:
            msg = (
                f"{self.provider}: {consent}; if yours is, write "
                f"{{provider: {self.provider}, accept_terms: true}}"
            )
            raise ValueError(msg)
        return self

    @property
    def options(self) -> dict[str, Any]:
        """What the adapter is told."""
        return self.model_dump(
            exclude={"provider", "on_failure", "budget_calls", "budget_usd"}, exclude_defaults=True
        )


def limits_for(settings: Mapping[str, Any], provider: str) -> Limits:
    """What asking a provider may cost a tenant on one date, as its settings say it now."""
    for entry in settings.get("search", ()):
        if entry["provider"] == provider:
            return Limits(calls=entry.get("budget_calls"), usd=entry.get("budget_usd"))
    return Limits()
