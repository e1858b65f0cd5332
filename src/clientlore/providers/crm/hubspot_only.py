"""HubSpot's filters for the companies that are wanted, as far as its search can tell them.

A search knows a company's owner by number, and a contact by its company's number: both are heard from the answers that
come before. Not here: how it is asked (`hubspot`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from clientlore.errors import PermanentError
from clientlore.providers.crm.asking import Walk, address_of
from clientlore.providers.crm.wanted import Only, Value
from clientlore.providers.http import HttpResponse
from clientlore.providers.search import api

MOST_GROUPS = 5
"""Groups of filters in one search; one of them must hold."""
MOST_VALUES = 100
"""Values of one filter."""
_ID, _OWNER = "hs_object_id", "hubspot_owner_id"
Filter = dict[str, Any]


@dataclass
class Scope:
    """Which companies are wanted, with what was heard of them so far.

    Attributes:
        owners: Numbers of the owners whose addresses are wanted.
        companies: Numbers of the companies that came.
    """

    only: Only
    owners: list[str] = field(default_factory=list)
    companies: list[str] = field(default_factory=list)

    def hear_owners(self, answer: HttpResponse) -> None:
        """Notes the owners that are wanted."""
        for record in api.records(answer.body, "results"):
            if address_of(record.get("email")) in self.only.owners:
                self.owners.append(str(record.get("id")))

    def hear_companies(self, answer: HttpResponse) -> None:
        """Notes the companies that came."""
        self.companies += [str(r.get("id")) for r in api.records(answer.body, "results")]

    def wanted(self) -> list[Filter]:
        """What holds of a company that is wanted.

        Raises:
            PermanentError: HubSpot knows none of the owners.
        """
        return [*self._by_id(), *self._by_owner(), *self._by_fields()]

    def unwanted(self) -> list[list[Filter]]:
        """Groups of filters, one of which holds of a company that is not wanted, or not any more."""
        ends: list[Filter] = []
        for told in (*self._by_owner(), *self._by_fields()):
            name = told["propertyName"]
            # What is empty is neither among values nor unequal to one.
            ends.append({"propertyName": name, "operator": "NOT_HAS_PROPERTY"})
            ends.append({**told, "operator": {"IN": "NOT_IN", "EQ": "NEQ"}[told["operator"]]})
        return [[*self._by_id(), end] for end in ends]

    def contacts(self) -> list[list[Filter]]:
        """Groups of filters, to be asked for one by one, under which contacts are of the companies that came."""
        ids = self.companies
        return [
            [_among("associatedcompanyid", ids[start : start + MOST_VALUES])]
            for start in range(0, len(ids), MOST_VALUES)
        ]

    def _by_id(self) -> Iterator[Filter]:
        if self.only.accounts:
            yield _among(_ID, self.only.accounts)

    def _by_owner(self) -> Iterator[Filter]:
        if not self.only.owners:
            return
        if not self.owners:
            raise PermanentError(
                "HubSpot knows none of the owners whose companies are wanted",
                "Check the addresses under 'crm: only: owners:', or of the users, in the tenant file.",
            )
        yield _among(_OWNER, self.owners)

    def _by_fields(self) -> Iterator[Filter]:
        for name, value in self.only.where.items():
            yield {"propertyName": name, "operator": "EQ", "value": _text(value)}


def heard(walk: Walk, hear: Any) -> Walk:
    """A walk whose answers somebody hears."""

    async def following(before: HttpResponse | None) -> api.Page | None:
        if before is not None:
            hear(before)
        return await walk(before)

    return following


def _among(name: str, values: Any) -> Filter:
    return {"propertyName": name, "operator": "IN", "values": list(values)}


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
