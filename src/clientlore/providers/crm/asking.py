"""What the CRMs that are asked share: what has changed since when, walking page by page, and reading records.

Not here: anything that only one CRM does.
"""

from __future__ import annotations

import email.utils
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

from clientlore.clock import Clock, day_bounds
from clientlore.errors import BadDataError, ProviderError
from clientlore.providers.base import Ask, Fetched, Provider, Response, describe_request
from clientlore.providers.http import HttpResponse
from clientlore.providers.kinds import Kind
from clientlore.providers.search.api import Page
from clientlore.settings import Settings

What = Literal["accounts", "activities"]
OVERLAP = timedelta(minutes=5)
"""How far before the mark the next question begins: what is saved while it is asked may be found late."""
FIRST_ACTIVITIES = timedelta(days=90)
"""How far back the first question for activities goes. Accounts and contacts are all asked for."""
T = TypeVar("T")


def kind_of(
    make: Callable[[What, Settings, Clock], Provider], what: What, *, title: str, needs: str
) -> Kind:
    """The kind of source of a half of a CRM that is asked.

    Args:
        make: Makes its provider.
        what: Which half.
        title: The CRM's name for people.
        needs: The variable without which it cannot be asked.
    """
    return Kind(
        table=f"crm_{what}",
        make=lambda settings, clock: make(what, settings, clock),
        stand_in=f"mock_{what}",
        title=title,
        needs=(needs,),
        incremental=True,
    )


@dataclass(frozen=True)
class Changes:
    """What is asked for: all that was changed from an instant to another, the last not included.

    Attributes:
        since: None for all there is.
        until: None for all until now.
    """

    since: datetime | None
    until: datetime | None


def changes_of(ask: Ask, what: What, now: datetime) -> Changes:
    """What is asked for: on the day itself all since the mark, or all there is; of a past day its own changes."""
    if not ask.is_today:
        start, end = day_bounds(ask.day)
        return Changes(start - OVERLAP, end)
    if ask.state.synced_to is not None:
        return Changes(ask.state.synced_to - OVERLAP, None)
    return Changes(now - FIRST_ACTIVITIES if what == "activities" else None, None)


def mark_of(started: datetime, first: HttpResponse | None) -> datetime:
    """Up to when all was asked for: when the asking began, by our clock or the server's, whichever is earlier."""
    told = first.headers.get("date") if first is not None else None
    try:
        at = email.utils.parsedate_to_datetime(told) if told else started
    except ValueError:
        return started
    return min(started, at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC))


Walk = Callable[[HttpResponse | None], Awaitable[Page | None]]
"""Gives the page after an answer, or the first one; None at the end."""


async def walk_all(ask: Ask, name: str, clock: Clock, walks: Sequence[Walk]) -> Fetched:
    """Asks walk after walk, page after page.

    A fault on the very first page is raised; one on a later page ends the asking: the pages before it are kept, and
    the mark stays where it was.

    Raises:
        ProviderError: The first page could not be had.
    """
    found: list[Response] = []
    attempts, started = 0, clock.now()
    first: HttpResponse | None = None
    for walk in walks:
        answer: HttpResponse | None = None
        try:
            while (page := await walk(answer)) is not None:
                answer = await page.ask()
                first = first or answer
                attempts += answer.attempts
                found.append(_response(ask, name, clock, page, answer))
        except ProviderError as fault:
            if not found:
                raise
            return Fetched(tuple(found), ask.state, attempts + 1, fault)
    state = replace(ask.state, synced_to=mark_of(started, first)) if ask.is_today else ask.state
    return Fetched(tuple(found), state, attempts)


def _response(ask: Ask, name: str, clock: Clock, page: Page, answer: HttpResponse) -> Response:
    return Response(
        source_id=ask.source.source_id,
        client_id=None,
        provider=name,
        request=describe_request(page.method, page.location, **page.parameters),
        status=answer.status,
        headers=answer.headers,
        body=answer.body,
        fetched_at=clock.now(),
        mode="live",
    )


def repeats(title: str) -> BadDataError:
    """The fault of pages that do not go on."""
    return BadDataError(
        f"{title} gave a page that it had given before",
        "It will be asked again for all since the last mark.",
        detail="repeated_page",
    )


@dataclass(frozen=True)
class Read:
    """Things that were read, with what could not be used and what nobody knows."""

    things: tuple[Any, ...]
    rejects: tuple[tuple[int, str, str], ...]
    drift: Mapping[str, int]


def read_records(
    found: Iterable[Any],
    *,
    fields: Callable[[Mapping[str, Any]], Iterable[str]],
    known: frozenset[str],
    make: Callable[[int, Mapping[str, Any]], T | None],
) -> Read:
    """Things of records; what cannot be used is set aside with its place, and unknown fields are counted.

    Args:
        found: The records.
        fields: The names of what a record has.
        known: Those names that the adapter knows.
        make: Makes a thing, None for what is none. Raises `KeyError` with the name of a field that is missing,
            `ValueError` or `TypeError` for what cannot be read.
    """
    things: list[T] = []
    rejects: list[tuple[int, str, str]] = []
    drift = Counter[str]()
    for position, record in enumerate(found):
        if not isinstance(record, Mapping):
            rejects.append((position, "not_a_record", f"it is {type(record).__name__}"))
            continue
        try:
            drift.update(name for name in fields(record) if name not in known)
            thing = make(position, record)
        except KeyError as error:
            rejects.append((position, "missing_field", f"no {error.args[0]}"))
        except (ValueError, TypeError, AttributeError) as error:
            rejects.append((position, "bad_field", str(error)[:200]))
        else:
            things += [thing] if thing is not None else []
    return Read(tuple(things), tuple(rejects), dict(drift))


def needed(name: str, value: str | None) -> str:
    """A value that must be there.

    Raises:
        KeyError: It is not; with the name of the field.
    """
    if not value:
        raise KeyError(name)
    return value


def text_of(value: Any) -> str | None:
    """A value as one line of text, None for nothing; half a surrogate pair is replaced, since no store takes it."""
    if value is None:
        return None
    return " ".join(str(value).split()).encode(errors="replace").decode() or None


def domain_of(value: Any) -> str | None:
    """The host of an address or of what people write for one."""
    told = (text_of(value) or "").lower().split("://")[-1].split("/")[0].split("?")[0]
    return told.removeprefix("www.") or None


def address_of(value: Any) -> str | None:
    """A mail address in lower case."""
    told = text_of(value)
    return told.lower() if told else None
