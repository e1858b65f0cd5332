"""NewsAPI.org: articles of many outlets by instant, a hundred a page. The free plan is for development, a day late."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from clientlore.clock import Clock
from clientlore.control.model import Mode
from clientlore.providers.base import Ask, Fetched, Item, Parsed, Response
from clientlore.providers.http import Http, HttpResponse
from clientlore.providers.kinds import Kind, Terms
from clientlore.providers.search import api
from clientlore.providers.text import plain_text
from clientlore.settings import Settings

PAGE = 100
MAX_PAGES = 10
_PATH = "/v2/everything"
_KNOWN = frozenset(
    ["source", "author", "title", "description", "url", "urlToImage", "publishedAt", "content"]
)


class NewsApi:
    """Asks `GET /v2/everything`, newest first."""

    name = "newsapi"
    mode: Mode = "live"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._door = api.Door(
            title="NewsAPI",
            base=settings.search.newsapi_base,
            rate=5,
            burst=5,
            variable="NEWSAPI_KEY",
            key=settings.search.newsapi_key,
            fix="make one at https://newsapi.org/account",
            quota=frozenset({402, "apiKeyExhausted"}),
            refused=frozenset({"apiKeyInvalid", "apiKeyMissing", "apiKeyDisabled"}),
        )

    async def fetch(self, ask: Ask, http: Http) -> Fetched:
        """See `Provider.fetch`."""
        client = api.client_of(ask, "NewsAPI")
        span = api.span_of(ask, self._clock.now())
        headers = {"x-api-key": self._door.secret()}
        query = {
            "q": api.any_of(api.names_of(client, domain=False), longest=500),
            "from": f"{span.start:%Y-%m-%dT%H:%M:%S}",
            "to": f"{span.end:%Y-%m-%dT%H:%M:%S}",
            "sortBy": "publishedAt",
            "pageSize": PAGE,
        }
        if language := ask.source.options.get("language"):
            query["language"] = language
        seen = api.Seen(("articles",), "url", set())

        def page(number: int, before: HttpResponse | None) -> api.Page | None:
            if number >= MAX_PAGES or (before is not None and not seen.goes_on(before, PAGE)):
                return None
            asked = {**query, "page": number + 1}
            return self._door.page(http, "GET", _PATH, asked, headers=headers)

        return await api.Asker(self.name, self._clock).ask_pages(ask, span, page)

    def parse(self, response: Response, ask_day: date) -> Parsed:
        """See `Provider.parse`. An article that its outlet took back is no news."""
        found = api.read_json(response.body, "NewsAPI")

        def make(position: int, record: Mapping[str, Any]) -> Item | None:
            if record["title"] == "[Removed]":
                return None
            outlet = record.get("source") or {}
            # `content` is the beginning of the text and a count of what is left out.
            texts = (record.get("description"), str(record.get("content") or "").split("[+")[0])
            return Item(
                position=position,
                origin_id=str(record["url"]),
                title=plain_text(record["title"], 500),
                text=max((plain_text(text) for text in texts), key=len),
                url=str(record["url"]),
                author=plain_text(record.get("author"), 200) or None,
                publisher=plain_text(outlet.get("name"), 200) or None,
                published_at=api.instant(record.get("publishedAt")),
            )

        return api.read_items(
            api.listed(found, "articles", "NewsAPI", optional=False),
            response=response,
            day=ask_day,
            required=("title", "url"),
            known=_KNOWN,
            make=make,
        )


KIND = Kind(
    table="search_results",
    make=NewsApi,
    stand_in="mock_search",
    title="NewsAPI",
    needs=("NEWSAPI_KEY",),
    terms=Terms(
        may_store_text=True,
        shown_to="tenant",
        page="https://newsapi.org/terms",
        note="the free plan is for development alone",
    ),
)
