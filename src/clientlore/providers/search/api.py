"""What the adapters of search APIs share: the way in, the question, the days asked about, pages, and reading JSON.

Not here: anything that only one provider does.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

from pydantic import SecretStr

from clientlore.clock import Clock, day_bounds
from clientlore.control.model import Client
from clientlore.errors import (
    AuthenticationError,
    BadDataError,
    PermanentError,
    ProviderError,
    QuotaExhaustedError,
)
from clientlore.ids import stable_id
from clientlore.names import without_legal_form
from clientlore.providers.base import Ask, Fetched, Item, Parsed, Response, describe_request
from clientlore.providers.http import Http, HttpResponse, Judge, Said
from clientlore.providers.limits import Allowance
from clientlore.providers.refusals import code_and_message

OVERLAP = timedelta(days=1)
"""How far before what is known the next question begins: search engines find things late."""
LONGEST_LOOK_BACK = timedelta(days=30)
MAX_NAMES = 6
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class Span:
    """From an instant to another, the last not included."""

    start: datetime
    end: datetime

    @property
    def days(self) -> tuple[date, date]:
        """First and last day."""
        return self.start.date(), (self.end - timedelta(microseconds=1)).date()


@dataclass(frozen=True)
class Door:
    """The way to one account of one provider.

    Attributes:
        title: The provider's name for people.
        base: Its address, without a slash at the end.
        rate: Requests a second that the account may make, with `burst` at once.
        variable: The environment variable of the key; None where there is none.
        key: The key.
        fix: What to do without a key, as the end of a sentence.
        quota: Statuses and codes that say that the account is used up.
        refused: Codes, beside 401 and 403, that say that the key is wrong.
        judge: Looked at first: what else the provider says.
    """

    title: str
    base: str
    rate: float
    burst: int = 1
    variable: str | None = None
    key: SecretStr | None = None
    fix: str = ""
    quota: frozenset[int | str] = frozenset({402})
    refused: frozenset[str] = frozenset()
    judge: Judge | None = None

    def secret(self) -> str:
        """The key.

        Raises:
            AuthenticationError: The variable is not set; the message names it.
        """
        if self.key is None:
            raise AuthenticationError(
                f"{self.title} needs the variable {self.variable}, which is not set",
                f"Set {self.variable} in the environment or in .env; {self.fix}.",
            )
        return self.key.get_secret_value()

    async def ask(self, http: Http, method: str, path: str, **sent: Any) -> HttpResponse:
        """Asks, under the account's limits; see `Http.request`."""
        known = stable_id(self.title, self.key.get_secret_value() if self.key else "", size=4)
        allowance = Allowance(f"{self.title}:{known}", self.rate, self.burst)
        return await http.request(
            method, f"{self.base}{path}", judge=self._judge, allowance=allowance, **sent
        )

    def page(
        self,
        http: Http,
        method: str,
        path: str,
        asked: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        """A question of several: by GET in the query, by POST as JSON. It is kept as it is asked."""
        sent = {"params" if method == "GET" else "json": asked}
        return Page(
            method,
            f"{self.base}{path}",
            asked,
            lambda: self.ask(http, method, path, headers=headers, **sent),
        )

    def _judge(self, said: Said) -> ProviderError | None:
        told = self.judge(said) if self.judge is not None else None
        if told is not None or said.status < 400:
            return told
        code, message = code_and_message(said.body)
        if self.key is not None:
            message = message.replace(self.key.get_secret_value(), "***")
        about = f"{said.status}: {message}" if message else str(said.status)
        if code in self.quota or said.status in self.quota:
            return QuotaExhaustedError(
                f"{self.title} says that the account is used up ({about})",
                "Wait for its next period, or look at its plan.",
                detail=message,
            )
        if said.status in {401, 403} or code in self.refused:
            if self.variable is None:
                return None
            return AuthenticationError(
                f"{self.title} refused what {self.variable} says ({about})",
                f"Check {self.variable} in the environment or in .env; {self.fix}.",
                detail=message,
            )
        if said.status in {400, 404, 422, 426}:
            return PermanentError(
                f"{self.title} does not answer this question ({about})",
                "Look at the client's name and aliases, and at the plan of the account.",
                detail=message,
            )
        return None


def client_of(ask: Ask, title: str) -> Client:
    """The client that is asked about.

    Raises:
        PermanentError: The source is bound to none.
    """
    if ask.client is None:
        raise PermanentError(
            f"{title} is asked about one client at a time, and this source is bound to none",
            "Put the provider under 'search:' in the tenant file and apply it.",
        )
    return ask.client


def names_of(client: Client, *, domain: bool = True) -> list[str]:
    """What the client is looked for by: its name without legal form, its aliases, its site; no name twice."""
    named = [without_legal_form(client.name), *client.profile.get("aliases", ())]
    named += [client.domain] if domain and client.domain else []
    plain = [_SPACES.sub(" ", name.replace('"', " ")).strip() for name in named]
    return list({name.lower(): name for name in plain if name}.values())[:MAX_NAMES]


def any_of(names: Sequence[str], *, longest: int = 400) -> str:
    """A query for any of the names, each as a phrase; the last ones are left out where it gets too long."""
    while len(query := " OR ".join(f'"{name}"' for name in names)) > longest and len(names) > 1:
        names = names[:-1]
    return query[:longest]


def span_of(ask: Ask, now: datetime) -> Span:
    """What is asked about: the day with an overlap; on the day itself, all since it was last read.

    The mark of how far it was read moves only after what it covers is stored.
    """
    start, end = day_bounds(ask.day)
    if not ask.is_today:
        return Span(start - OVERLAP, end)
    known = ask.state.synced_to
    since = start if known is None else min(start, known)
    return Span(max(since - OVERLAP, now - LONGEST_LOOK_BACK), max(now, start))


@dataclass(frozen=True)
class Page:
    """One question of several, as it is kept and as it is asked."""

    method: str
    location: str
    parameters: Mapping[str, Any]
    ask: Callable[[], Awaitable[HttpResponse]]


@dataclass(frozen=True)
class Asker:
    """Who asks, for the responses that are kept.

    Attributes:
        knows_client: Whether everything found is about the client. A search by words knows it not: what it finds
            is matched like any other news.
    """

    name: str
    clock: Clock
    knows_client: bool = False

    async def ask_pages(
        self,
        ask: Ask,
        span: Span,
        next_page: Callable[[int, HttpResponse | None], Page | None],
    ) -> Fetched:
        """Asks page after page until there is none.

        A fault on the first page is raised; one on a later page ends the asking, and the pages before it are kept.

        Args:
            ask: What is wanted.
            span: What the pages cover; on the day itself the mark moves to its end.
            next_page: The page of a number (from 0), given the answer before it; None to end.

        Raises:
            ProviderError: The first page could not be had.
        """
        found: list[Response] = []
        attempts, number, answer = 0, 0, None
        while (page := next_page(number, answer)) is not None:
            try:
                answer = await page.ask()
            except ProviderError as fault:
                if not found:
                    raise
                return Fetched(tuple(found), ask.state, attempts + 1, fault)
            attempts += answer.attempts
            found.append(self._response(ask, page, answer))
            number += 1
        state = replace(ask.state, synced_to=span.end) if ask.is_today else ask.state
        return Fetched(tuple(found), state, attempts)

    def _response(self, ask: Ask, page: Page, answer: HttpResponse) -> Response:
        return Response(
            source_id=ask.source.source_id,
            client_id=ask.source.client_id if self.knows_client else None,
            provider=self.name,
            request=describe_request(page.method, page.location, **page.parameters),
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            fetched_at=self.clock.now(),
            mode="live",
        )


@dataclass
class Seen:
    """What the pages so far had, to know when nothing new comes: pages shift while they are read."""

    path: tuple[str, ...]
    name: str
    known: set[str]

    def goes_on(self, answer: HttpResponse, full: int) -> bool:
        """Whether a page was full and had something that none before it had."""
        ids = {str(record.get(self.name)) for record in records(answer.body, *self.path)}
        new = ids - self.known
        self.known |= ids
        return bool(new) and len(ids) >= full


def records(body: bytes, *path: str) -> list[dict[str, Any]]:
    """The records at a path of a JSON document; none where it cannot be read, which is for `parse` to say."""
    try:
        found = json.loads(body, strict=False)
        for name in path:
            found = found[name]
    except (ValueError, KeyError, TypeError):
        return []
    return [r for r in found if isinstance(r, dict)] if isinstance(found, list) else []


def read_json(body: bytes, title: str) -> dict[str, Any]:
    """The JSON object that an answer is; control characters within texts are let through.

    Raises:
        BadDataError: It is none.
    """
    try:
        found = json.loads(body, strict=False)
    except (ValueError, UnicodeDecodeError):
        raise BadDataError(
            f"The answer of {title} is no JSON",
            "Look at the stored response with `clientlore trace`.",
            detail="not_json",
        ) from None
    if not isinstance(found, dict):
        raise BadDataError(f"The answer of {title} is no JSON object", detail="not_json")
    return cast("dict[str, Any]", found)


def listed(found: Mapping[str, Any], name: str, title: str, *, optional: bool) -> list[Any]:
    """The list under a name.

    Raises:
        BadDataError: There is none, and there must be; or it is something else.
    """
    value = found.get(name)
    if value is None and optional:
        return []
    if not isinstance(value, list):
        raise BadDataError(
            f"The answer of {title} has no list '{name}'",
            "Look at the stored response with `clientlore trace`.",
            detail="no_list",
        )
    return value


def read_items(
    found: Iterable[Any],
    *,
    response: Response,
    day: date,
    required: Sequence[str],
    known: frozenset[str],
    make: Callable[[int, Mapping[str, Any]], Item | None],
) -> Parsed:
    """Items of records: what lacks a field is set aside, what has unknown ones is noted, both with their place.

    Of a past day only what was published by its end is taken, and what has no date. `make` gives None for what is
    no news, and raises `ValueError` or `TypeError` for what cannot be read.
    """
    items: list[Item] = []
    rejects: list[tuple[int, str, str]] = []
    drift = Counter[str]()
    latest = day_bounds(day)[1]
    for position, record in enumerate(found):
        if not isinstance(record, Mapping):
            rejects.append((position, "not_a_record", f"it is {type(record).__name__}"))
            continue
        drift.update(name for name in record if name not in known)
        missing = [name for name in required if not record.get(name)]
        if missing:
            rejects.append((position, "missing_field", f"no {', '.join(missing)}"))
            continue
        try:
            item = make(position, record)
        except (ValueError, TypeError) as error:
            rejects.append((position, "bad_field", str(error)[:200]))
            continue
        if item is not None and (
            item.published_at is None
            or item.published_at < latest
            or day == response.fetched_at.date()
        ):
            items.append(item)
    return Parsed(items=tuple(items), rejects=tuple(rejects), drift=dict(drift))


def instant(value: Any) -> datetime | None:
    """An instant as ISO 8601 writes it, in UTC where it names no zone; None for nothing.

    Raises:
        ValueError: It is none.
    """
    if value in {None, ""}:
        return None
    at = datetime.fromisoformat(str(value))
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
