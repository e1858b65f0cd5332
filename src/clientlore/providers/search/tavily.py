"""Tavily: news by day, at most twenty a question and no second page, so that each day is asked for alone."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from clientlore.clock import Clock, days_between
from clientlore.control.model import Mode
from clientlore.providers.base import Ask, Fetched, Item, Parsed, Response
from clientlore.providers.http import Http, HttpResponse
from clientlore.providers.kinds import Kind, Terms
from clientlore.providers.search import api
from clientlore.providers.text import plain_text
from clientlore.settings import Settings

MOST = 20
_KNOWN = frozenset(["title", "url", "content", "score", "raw_content", "published_date", "favicon"])


class Tavily:
    """Asks `POST /search` with the topic news."""

    name = "tavily"
    mode: Mode = "live"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._door = api.Door(
            title="Tavily",
            base=settings.search.tavily_base,
            # 100 a minute is what a key for development may.
            rate=100 / 60,
            burst=20,
            variable="TAVILY_API_KEY",
            key=settings.search.tavily_key,
            fix="make one at https://app.tavily.com",
            quota=frozenset({402, 432, 433}),
        )

    async def fetch(self, ask: Ask, http: Http) -> Fetched:
        """See `Provider.fetch`."""
        client = api.client_of(ask, "Tavily")
        span = api.span_of(ask, self._clock.now())
        headers = {"authorization": f"Bearer {self._door.secret()}"}
        days = days_between(*span.days)
        query = api.any_of(api.names_of(client, domain=False))

        def page(number: int, _before: HttpResponse | None) -> api.Page | None:
            if number >= len(days):
                return None
            # The end is the first day that is not wanted.
            asked = {
                "query": query,
                "topic": "news",
                "search_depth": "basic",
                "start_date": days[number].isoformat(),
                "end_date": (days[number] + timedelta(days=1)).isoformat(),
                "max_results": MOST,
            }
            return self._door.page(http, "POST", "/search", asked, headers=headers)

        return await api.Asker(self.name, self._clock).ask_pages(ask, span, page)

    def parse(self, response: Response, ask_day: date) -> Parsed:
        """See `Provider.parse`."""
        found = api.read_json(response.body, "Tavily")

        def make(position: int, record: Mapping[str, Any]) -> Item:
            return Item(
                position=position,
                origin_id=str(record["url"]),
                title=plain_text(record["title"], 500),
                text=plain_text(record.get("content")),
                url=str(record["url"]),
                published_at=_published(record.get("published_date")),
            )

        return api.read_items(
            api.listed(found, "results", "Tavily", optional=False),
            response=response,
            day=ask_day,
            required=("title", "url"),
            known=_KNOWN,
            make=make,
        )


def _published(said: Any) -> datetime | None:
    """A date as mail writes it, or as ISO 8601 does."""
    if not said:
        return None
    try:
        at = email.utils.parsedate_to_datetime(str(said))
    except ValueError:
        return api.instant(said)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


KIND = Kind(
    table="search_results",
    make=Tavily,
    stand_in="mock_search",
    title="Tavily",
    needs=("TAVILY_API_KEY",),
    terms=Terms(
        may_store_text=True,
        shown_to="tenant",
        page="https://www.tavily.com/terms",
        note="texts belong to their publishers",
    ),
)
