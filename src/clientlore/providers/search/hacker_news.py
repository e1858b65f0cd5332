"""Hacker News by way of Algolia: stories by instant. Only a thousand hits can be reached, so that more are sliced."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from clientlore.clock import Clock
from clientlore.control.model import Mode
from clientlore.providers.base import Ask, Fetched, Item, Parsed, Response
from clientlore.providers.http import Http, HttpResponse
from clientlore.providers.kinds import Kind, Terms
from clientlore.providers.search import api
from clientlore.providers.text import plain_text
from clientlore.settings import Settings

MOST = 1_000
MAX_PAGES = 8
_PATH = "/api/v1/search_by_date"
_PAGE_OF_STORY = "https://news.ycombinator.com/item?id="
_KNOWN = frozenset(
    ["objectID", "title", "url", "author", "points", "num_comments", "created_at", "created_at_i", "_tags",
     "_highlightResult", "story_id", "story_text", "updated_at", "children", "story_title", "story_url"]
)  # fmt: skip


class HackerNews:
    """Asks `GET /search_by_date`, a question for each name: Algolia knows no OR."""

    name = "hacker_news"
    mode: Mode = "live"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._door = api.Door(
            title="Hacker News",
            base=settings.search.hacker_news_base,
            # 10,000 an hour for an address.
            rate=10_000 / 3_600,
            burst=100,
        )

    async def fetch(self, ask: Ask, http: Http) -> Fetched:
        """See `Provider.fetch`."""
        names = api.names_of(api.client_of(ask, "Hacker News"))
        span = api.span_of(ask, self._clock.now())
        end = whole = int(span.end.timestamp())

        def page(number: int, before: HttpResponse | None) -> api.Page | None:
            nonlocal end
            if before is not None:
                times = [
                    int(r.get("created_at_i") or end) for r in api.records(before.body, "hits")
                ]
                oldest = min(times, default=end) + 1
                if len(times) >= MOST and oldest < end:
                    end = oldest
                else:
                    names.pop(0)
                    end = whole
            if not names or number >= MAX_PAGES:
                return None
            asked = {
                "query": f'"{names[0]}"',
                "tags": "story",
                "numericFilters": f"created_at_i>={int(span.start.timestamp())},created_at_i<{end}",
                "hitsPerPage": MOST,
                "page": 0,
                "typoTolerance": "false",
                "advancedSyntax": "true",
            }
            return self._door.page(http, "GET", _PATH, asked)

        return await api.Asker(self.name, self._clock).ask_pages(ask, span, page)

    def parse(self, response: Response, ask_day: date) -> Parsed:
        """See `Provider.parse`. A story without an address is its own page."""
        found = api.read_json(response.body, "Hacker News")

        def make(position: int, record: Mapping[str, Any]) -> Item:
            return Item(
                position=position,
                origin_id=str(record["objectID"]),
                title=plain_text(record["title"], 500),
                text=plain_text(record.get("story_text")),
                url=str(record.get("url") or f"{_PAGE_OF_STORY}{record['objectID']}"),
                author=plain_text(record.get("author"), 200) or None,
                publisher="Hacker News",
                published_at=datetime.fromtimestamp(int(record["created_at_i"]), UTC),
            )

        return api.read_items(
            api.listed(found, "hits", "Hacker News", optional=False),
            response=response,
            day=ask_day,
            required=("objectID", "title", "created_at_i"),
            known=_KNOWN,
            make=make,
        )


KIND = Kind(
    table="search_results",
    make=HackerNews,
    stand_in="mock_search",
    title="Hacker News",
    terms=Terms(may_store_text=True, shown_to="anyone", page="https://hn.algolia.com/api"),
)
