"""What passes between collection and a provider: what is asked, the response as it came, and what is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from clientlore.control.model import Client, Mode, Source, SourceState
from clientlore.control.quarantine import Reject
from clientlore.errors import ProviderError
from clientlore.ids import sha256, stable_id
from clientlore.providers.http import Http


@dataclass(frozen=True)
class Ask:
    """What collection wants to know.

    Attributes:
        source: Whom to ask.
        client: About whom; None for a source that is bound to no client.
        clients: All clients of the tenant, for sources that speak about many.
        day: The UTC day of collection.
        is_today: Whether that day is still going on. A day that is past is a historical fetch.
        state: What the source said last.
        owners: Mail addresses of the people a made-up CRM may name as owners.
    """

    source: Source
    client: Client | None
    clients: tuple[Client, ...]
    day: date
    is_today: bool
    state: SourceState
    owners: tuple[str, ...] = ()


@dataclass(frozen=True)
class Response:
    """A response as it came: its bytes are kept for good."""

    source_id: str
    client_id: str | None
    provider: str
    request: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    fetched_at: datetime
    mode: Mode

    @property
    def body_sha(self) -> str:
        """SHA-256 of the bytes."""
        return sha256(self.body)

    def response_id(self, batch_id: str) -> str:
        """The id under which a batch keeps it."""
        return stable_id(batch_id, self.source_id, self.request, self.body_sha)


@dataclass(frozen=True)
class Fetched:
    """What came of asking: responses, and the state to keep once they are stored.

    No responses means that nothing is new since last time.

    Attributes:
        fault: What ended the asking before all was asked. What came before it is kept, and asked for again.
    """

    responses: tuple[Response, ...]
    state: SourceState
    attempts: int = 1
    fault: ProviderError | None = None


@dataclass(frozen=True)
class Item:
    """One piece of news in a response.

    Attributes:
        position: Its place in the response, from 0.
        origin_id: What the origin calls it; two items of a source with one origin id are versions of one thing.
    """

    position: int
    origin_id: str
    title: str
    text: str
    url: str | None = None
    author: str | None = None
    publisher: str | None = None
    language: str | None = None
    published_at: datetime | None = None


@dataclass(frozen=True)
class Account:
    """A company as the CRM knows it.

    Attributes:
        owner_id: What the CRM calls its owner, where it tells the address elsewhere; see `Owner`.
        is_deleted: That the CRM has it no longer.
    """

    position: int
    account_id: str
    name: str
    domain: str | None = None
    ticker: str | None = None
    industry: str | None = None
    owner_email: str | None = None
    aliases: tuple[str, ...] = ()
    contact_name: str | None = None
    contact_email: str | None = None
    contact_role: str | None = None
    owner_id: str | None = None
    is_deleted: bool = False


@dataclass(frozen=True)
class Contact:
    """A person as the CRM knows them.

    Attributes:
        account_id: The company they are at; None where they are at none any more.
        is_deleted: That the CRM has them no longer.
    """

    position: int
    contact_id: str
    account_id: str | None
    name: str
    email: str | None = None
    phone: str | None = None
    role: str | None = None
    is_deleted: bool = False


@dataclass(frozen=True)
class Owner:
    """A user of the CRM, to whom accounts belong."""

    position: int
    owner_id: str
    email: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Activity:
    """Something that people did with a client: a meeting, a call, a note."""

    position: int
    activity_id: str
    account_id: str
    kind: str
    subject: str
    text: str
    occurred_at: datetime | None = None
    owner_email: str | None = None


@dataclass(frozen=True)
class Parsed:
    """What is in a response.

    Attributes:
        items: News; accounts, contacts, owners and activities where the source is a CRM.
        rejects: What could not be used: `(position, reason, detail)`; position -1 is the whole response.
        drift: Fields the adapter does not know, with how often they came. They stay in the raw response.
        degraded: Why only a part could be read, if so.
    """

    items: tuple[Item, ...] = ()
    accounts: tuple[Account, ...] = ()
    contacts: tuple[Contact, ...] = ()
    owners: tuple[Owner, ...] = ()
    activities: tuple[Activity, ...] = ()
    rejects: tuple[tuple[int, str, str], ...] = ()
    drift: Mapping[str, int] = field(default_factory=dict)
    degraded: str | None = None

    @property
    def count(self) -> int:
        """How many usable things there are."""
        return sum(len(things) for things in self.things)

    @property
    def things(self) -> tuple[tuple[Item | Account | Contact | Owner | Activity, ...], ...]:
        """All that is usable, kind by kind."""
        return self.items, self.accounts, self.contacts, self.owners, self.activities

    def at(self, position: int) -> Parsed:
        """What stands at a place of the response."""
        return Parsed(
            items=tuple(x for x in self.items if x.position == position),
            accounts=tuple(x for x in self.accounts if x.position == position),
            contacts=tuple(x for x in self.contacts if x.position == position),
            owners=tuple(x for x in self.owners if x.position == position),
            activities=tuple(x for x in self.activities if x.position == position),
        )

    def as_rejects(self, response_id: str, source_id: str) -> list[Reject]:
        """The rejects as rows of the quarantine, pointing at the stored response."""
        return [
            Reject(f"response:{response_id}#{position}", reason, detail, source_id)
            for position, reason, detail in self.rejects
        ]


class Provider(Protocol):
    """A source of news or of CRM data.

    Attributes:
        name: Stamped on every row.
        mode: Whether what it says is real.
    """

    name: str
    mode: Mode

    async def fetch(self, ask: Ask, http: Http) -> Fetched:
        """Asks, and returns the bytes as they came.

        Raises:
            ProviderError: One of its five kinds.
        """
        ...

    def parse(self, response: Response, ask_day: date) -> Parsed:
        """Reads a stored response; pure, so that it can be done again years later.

        Raises:
            BadDataError: It is not what it should be.
        """
        ...


def describe_request(method: str, location: str, **parameters: Any) -> str:
    """The request as it is kept: JSON, without anything secret."""
    return json.dumps(
        {"method": method, "url": location, **({"params": parameters} if parameters else {})},
        sort_keys=True,
    )
