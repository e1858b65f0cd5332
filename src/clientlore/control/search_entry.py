"""Providers of news in a tenant file: whom to ask about each client."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import StringConstraints, field_validator, model_validator

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
        accept_terms: That its terms were read and fit, for a provider that asks for it.
    """

    provider: Annotated[str, StringConstraints(max_length=24)]
    on_failure: Literal["fail", "skip", "mock"] = "skip"
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] | None = None
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
        return self.model_dump(exclude={"provider", "on_failure"}, exclude_defaults=True)
