"""A made-up CRM for mock tenants: the same for the same clients and day."""

from __future__ import annotations

import json
from datetime import date, timedelta
from random import Random
from typing import Any

from clientlore.clock import Clock, day_bounds
from clientlore.control.model import Client, Mode
from clientlore.errors import BadDataError
from clientlore.ids import slug, stable_id
from clientlore.providers.base import Ask, Fetched, Parsed, Response, describe_request
from clientlore.providers.crm.files import What, parse_rows
from clientlore.providers.http import Http
from clientlore.providers.search.mock_texts import FIRST, LAST, PRODUCTS

_ROLES = ("Chief Financial Officer", "Head of Procurement", "Managing Director", "General Counsel")
_ACTIVITIES = (
    (
        "meeting",
        "Quarterly review with {contact}",
        "Went through open points; next review in three months.",
    ),
    (
        "call",
        "Call with {contact} about {product}",
        "Interested in {product}; wants figures by Friday.",
    ),
    ("email", "Sent the offer for {product} to {contact}", "They compare it with another offer."),
    ("note", "{contact} prefers calls before noon", "Asked us to ring in the morning."),
)


class MockCrm:
    """Invents accounts for every client, or what was done with them on a day."""

    mode: Mode = "mock"

    def __init__(self, what: What, clock: Clock) -> None:
        self.name = f"mock_{what}"
        self._what = what
        self._clock = clock

    async def fetch(self, ask: Ask, http: Http) -> Fetched:  # noqa: ARG002 - a mock asks nobody
        """See `Provider.fetch`."""
        make = _account if self._what == "accounts" else _activities
        records = [row for client in ask.clients for row in make(client, ask.day, ask.owners)]
        body = json.dumps({"records": records}, ensure_ascii=False, indent=1).encode()
        response = Response(
            source_id=ask.source.source_id,
            client_id=None,
            provider=self.name,
            request=describe_request("GET", f"mock:{self._what}", day=ask.day.isoformat()),
            status=200,
            headers={"content-type": "application/json"},
            body=body,
            fetched_at=self._clock.now(),
            mode=self.mode,
        )
        return Fetched((response,), ask.state)

    def parse(self, response: Response, ask_day: date) -> Parsed:
        """See `Provider.parse`."""
        try:
            rows: list[dict[str, Any]] = json.loads(response.body)["records"]
        except (ValueError, KeyError, TypeError):
            raise BadDataError("This is no answer of the mock CRM") from None
        headers = list(dict.fromkeys(key for row in rows for key in row))
        if not rows:
            return Parsed()
        return parse_rows(self._what, rows, headers, "the mock CRM", ask_day)


def _person(client: Client) -> tuple[str, str, str]:
    rng = Random(stable_id("mock-contact", client.client_id, client.name))  # noqa: S311
    name = f"{rng.choice(FIRST)} {rng.choice(LAST)}"
    domain = client.domain or f"{slug(client.name)}.example"
    return name, f"{slug(name).replace('-', '.')}@{domain}", rng.choice(_ROLES)


def _account(client: Client, _day: date, owners: tuple[str, ...]) -> list[dict[str, Any]]:
    name, email, role = _person(client)
    rng = Random(stable_id("mock-owner", client.client_id))  # noqa: S311
    return [
        {
            "id": f"001{stable_id(client.client_id, size=6)}",
            "name": client.name,
            "domain": client.domain,
            "industry": client.industry,
            "owner_email": rng.choice(owners) if owners else None,
            "contact_name": name,
            "contact_email": email,
            "contact_role": role,
        }
    ]


def _activities(client: Client, day: date, owners: tuple[str, ...]) -> list[dict[str, Any]]:
    rng = Random(stable_id("mock-activity", client.client_id, client.name, day))  # noqa: S311
    if rng.random() < 0.6:
        return []
    kind, subject, text = rng.choice(_ACTIVITIES)
    facts = {"contact": _person(client)[0], "product": rng.choice(PRODUCTS)}
    at = day_bounds(day)[0] - timedelta(minutes=rng.randrange(5, 10 * 60))
    return [
        {
            "id": f"00T{stable_id(client.client_id, day, size=6)}",
            "account_id": f"001{stable_id(client.client_id, size=6)}",
            "type": kind,
            "subject": subject.format(**facts),
            "description": text.format(**facts),
            "date": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "owner_email": rng.choice(owners) if owners else None,
        }
    ]
