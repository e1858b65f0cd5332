"""Made-up news for mock tenants: the same for the same client and day, and as untidy as the real thing.

Copies under other headlines, addresses with tracking parameters, corrections under the same id, namesakes,
passing mentions and noise. Every row it gives is marked `mock`; a live tenant never uses it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from clientlore.clock import Clock, day_bounds
from clientlore.control.model import Client, Mode
from clientlore.errors import BadDataError, PermanentError
from clientlore.ids import slug, stable_id
from clientlore.providers.base import Ask, Fetched, Item, Parsed, Response, describe_request
from clientlore.providers.http import Http
from clientlore.providers.search import mock_texts as texts

_FIELDS = {"id", "url", "title", "body", "outlet", "author", "language", "published_at"}
_REQUIRED = ("id", "title", "published_at")


class MockSearch:
    """Invents what a search about a client might find on a day."""

    name = "mock_search"
    mode: Mode = "mock"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def fetch(self, ask: Ask, http: Http) -> Fetched:  # noqa: ARG002 - a mock asks nobody
        """See `Provider.fetch`."""
        if ask.client is None:
            raise PermanentError("The mock search needs a client", "Bind the source to one.")
        body = json.dumps(
            {"query": ask.client.name, "articles": articles(ask.client, ask.day)},
            ensure_ascii=False,
            indent=1,
        ).encode()
        response = Response(
            source_id=ask.source.source_id,
            client_id=ask.client.client_id,
            provider=self.name,
            request=describe_request(
                "GET", f"mock:{ask.client.client_id}", day=ask.day.isoformat()
            ),
            status=200,
            headers={"content-type": "application/json"},
            body=body,
            fetched_at=self._clock.now(),
            mode=self.mode,
        )
        return Fetched((response,), ask.state)

    def parse(self, response: Response, ask_day: date) -> Parsed:  # noqa: ARG002 - it answers for one day only
        """See `Provider.parse`."""
        try:
            found = json.loads(response.body)["articles"]
        except (ValueError, KeyError, TypeError):
            raise BadDataError("This is no answer of the mock search") from None
        items, rejects, drift = [], [], dict[str, int]()
        for position, article in enumerate(found):
            missing = [name for name in _REQUIRED if not article.get(name)]
            if missing:
                rejects.append((position, "missing_field", f"no {', '.join(missing)}"))
                continue
            for name in set(article) - _FIELDS:
                drift[name] = drift.get(name, 0) + 1
            items.append(_item(position, article))
        return Parsed(items=tuple(items), rejects=tuple(rejects), drift=drift)


def articles(client: Client, day: date) -> list[dict[str, Any]]:
    """What the mock search finds about a client on a day. Pure: the same arguments, the same articles."""
    rng = Random(stable_id("mock-search", client.client_id, client.name, day))  # noqa: S311
    found: list[dict[str, Any]] = []
    for number in range(_how_many(client, day)):
        found += _told(_subject(client, day, number), rng)
    if rng.random() < 0.3:
        found.append(_update_of_yesterday(client, day))
    found += _noise(client, day, rng)
    return found


@dataclass(frozen=True)
class _Subject:
    """One thing that happened: its kind, its facts and where it was told first."""

    story: texts.Story
    facts: dict[str, str]
    outlet: int
    story_id: str
    at: datetime


def _how_many(client: Client, day: date) -> int:
    rng = Random(stable_id("mock-count", client.client_id, day))  # noqa: S311
    return rng.choice((1, 1, 1, 2, 2, 3))


def _subject(client: Client, day: date, number: int) -> _Subject:
    rng = Random(stable_id("mock-story", client.client_id, client.name, day, number))  # noqa: S311
    # News of a day is what was published in the sixteen hours before it began: never in the future.
    at = day_bounds(day)[0] - timedelta(minutes=rng.randrange(5, 16 * 60))
    return _Subject(
        story=rng.choice(texts.STORIES),
        facts=_facts(client, rng),
        outlet=rng.randrange(len(texts.OUTLETS)),
        story_id=stable_id(client.client_id, day, number, size=5),
        at=at,
    )


def _facts(client: Client, rng: Random) -> dict[str, str]:
    cities = rng.sample(texts.CITIES, 2)
    firsts, lasts = rng.sample(texts.FIRST, 2), rng.sample(texts.LAST, 2)
    return {
        "name": client.name,
        "short": client.name.split(",")[0],
        "first": client.name.split()[0],
        "industry": client.industry or "services",
        "city": cities[0],
        "city2": cities[1],
        "person": f"{firsts[0]} {lasts[0]}",
        "person2": f"{firsts[1]} {lasts[1]}",
        "amount": f"${rng.randrange(12, 940)} million",
        "percent": f"{rng.randrange(3, 48)}%",
        "count": str(rng.randrange(40, 900)),
        "product": rng.choice(texts.PRODUCTS),
        "other": rng.choice(texts.OTHERS),
        "quarter": rng.choice(("January", "the spring", "the third quarter", "late autumn")),
    }


def _told(subject: _Subject, rng: Random) -> list[dict[str, Any]]:
    """A story as several outlets tell it."""
    facts, story = subject.facts, subject.story
    title = story.title.format(**facts)
    body = " ".join(story.sentences).format(**facts)
    first = _article(subject, 0, title, body)
    told = [first]
    if rng.random() < 0.35:
        told.append(
            {
                **first,
                "id": f"{first['id']}-b",
                "url": f"{first['url']}?utm_source=feed&utm_medium=rss",
            }
        )
    if rng.random() < 0.6:
        told.append(_article(subject, 1, title, body))
    if rng.random() < 0.45:
        extra = rng.choice(texts.EXTRA).format(**facts)
        told.append(_article(subject, 2, story.retitled.format(**facts), f"{body} {extra}"))
    if rng.random() < 0.25:
        corrected = body.replace(facts["count"], str(int(facts["count"]) + 7))
        told.append(_again(first, f"CORRECTED: {title}", corrected, _stamp(subject.at, 90)))
    return told


def _update_of_yesterday(client: Client, day: date) -> dict[str, Any]:
    """A story of the day before under its old id, with one sentence more."""
    yesterday = day - timedelta(days=1)
    subject = _subject(client, yesterday, 0)
    body = " ".join((*subject.story.sentences, texts.EXTRA[0])).format(**subject.facts)
    title = subject.story.title.format(**subject.facts)
    first = _article(subject, 0, title, body)
    return _again(first, f"UPDATE 1-{title}", body, _stamp(day_bounds(day)[0], -60))


def _again(first: dict[str, Any], title: str, body: str, at: str) -> dict[str, Any]:
    """A later version of an article: same id, same address."""
    return {**first, "title": title, "body": body, "published_at": at}


def _noise(client: Client, day: date, rng: Random) -> list[dict[str, Any]]:
    found = []
    pieces: list[tuple[str, str]] = []
    if rng.random() < 0.45:
        pieces.append(rng.choice(texts.NAMESAKES))
    if rng.random() < 0.4:
        pieces.append(texts.ROUNDUP)
    if rng.random() < 0.4:
        pieces.append(rng.choice(texts.UNRELATED))
    for number, (title, body) in enumerate(pieces):
        facts = _facts(client, rng)
        subject = _Subject(
            story=texts.STORIES[0],
            facts=facts,
            outlet=rng.randrange(len(texts.OUTLETS)),
            story_id=stable_id("noise", client.client_id, day, number, size=5),
            at=day_bounds(day)[0] - timedelta(minutes=rng.randrange(5, 600)),
        )
        found.append(_article(subject, 0, title.format(**facts), body.format(**facts)))
    return found


def _article(subject: _Subject, copy: int, title: str, body: str) -> dict[str, Any]:
    outlet, domain = texts.OUTLETS[(subject.outlet + copy) % len(texts.OUTLETS)]
    return {
        "id": f"{domain}/{subject.story_id}",
        "url": f"https://www.{domain}/{subject.at:%Y/%m/%d}/{slug(title)}-{subject.story_id}",
        "title": title,
        "body": body,
        "outlet": outlet,
        "author": subject.facts["person2"],
        "language": "en",
        "published_at": _stamp(subject.at, copy * 25),
    }


def _stamp(at: datetime, minutes: int) -> str:
    # A copy may be told later, but not on the next day.
    latest = at.replace(hour=23, minute=59, second=0)
    return min(at + timedelta(minutes=minutes), max(latest, at)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _item(position: int, article: dict[str, Any]) -> Item:
    return Item(
        position=position,
        origin_id=str(article["id"]),
        title=str(article["title"]),
        text=str(article.get("body") or ""),
        url=article.get("url"),
        author=article.get("author"),
        publisher=article.get("outlet"),
        language=article.get("language"),
        published_at=datetime.strptime(article["published_at"], "%Y-%m-%dT%H:%M:%SZ").replace(
            tzinfo=UTC
        ),
    )
