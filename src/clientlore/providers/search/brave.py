"""Brave Search: news of an index of its own, by days, at most ten pages of fifty."""

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

PAGE = 50
MAX_PAGES = 10
_PATH = "/res/v1/news/search"
_KNOWN = frozenset(
    ["type", "url", "title", "description", "age", "page_age", "page_fetched", "breaking", "thumbnail",
     "meta_url", "extra_snippets", "is_source_local", "is_source_both", "profile", "family_friendly",
     "fetched_content_timestamp", "language", "is_live"]
)  # fmt: skip
_OPTIONS = {"country": "country", "search_lang": "language"}


class Brave:
    """Asks `GET /res/v1/news/search`."""

    name = "brave"
    mode: Mode = "live"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._door = api.Door(
            title="Brave Search",
            base=settings.search.brave_base,
            # What the smallest plan allows; the server's own headers say when to wait.
            rate=1,
            burst=1,
            variable="BRAVE_API_KEY",
            key=settings.search.brave_key,
            fix="make one at https://api-dashboard.search.brave.com/app/keys",
            refused=frozenset({"SUBSCRIPTION_TOKEN_INVALID"}),
            quota=frozenset({402, "QUOTA_LIMITED", "USAGE_LIMIT_EXCEEDED"}),
        )

    async def fetch(self, ask: Ask, http: Http) -> Fetched:
        """See `Provider.fetch`."""
        client = api.client_of(ask, "Brave Search")
        span = api.span_of(ask, self._clock.now())
        first, last = span.days
        headers = {"x-subscription-token": self._door.secret(), "accept": "application/json"}
        query = {
            "q": api.any_of(api.names_of(client)),
            "count": PAGE,
            "freshness": f"{first}to{last}",
            "extra_snippets": "true",
            **{k: ask.source.options[v] for k, v in _OPTIONS.items() if v in ask.source.options},
        }
        seen = api.Seen(("results",), "url", set())

        def page(number: int, before: HttpResponse | None) -> api.Page | None:
            if number >= MAX_PAGES or (before is not None and not seen.goes_on(before, PAGE)):
                return None
            asked = {**query, "offset": number}
            return self._door.page(http, "GET", _PATH, asked, headers=headers)

        return await api.Asker(self.name, self._clock).ask_pages(ask, span, page)

    def parse(self, response: Response, ask_day: date) -> Parsed:
        """See `Provider.parse`."""
        found = api.read_json(response.body, "Brave Search")

        def make(position: int, record: Mapping[str, Any]) -> Item:
            texts = [record.get("description"), *(record.get("extra_snippets") or ())]
            site = record.get("meta_url") or {}
            return Item(
                position=position,
                origin_id=str(record["url"]),
                title=plain_text(record["title"], 500),
                text=" ".join(filter(None, (plain_text(text) for text in texts))),
                url=str(record["url"]),
                publisher=plain_text(site.get("hostname"), 200) or None,
                published_at=api.instant(record.get("page_age")),
            )

        return api.read_items(
            api.listed(found, "results", "Brave Search", optional=found.get("type") == "news"),
            response=response,
            day=ask_day,
            required=("title", "url"),
            known=_KNOWN,
            make=make,
        )


KIND = Kind(
    table="search_results",
    make=Brave,
    stand_in="mock_search",
    title="Brave Search",
    needs=("BRAVE_API_KEY",),
    text_fields=frozenset({"description", "extra_snippets"}),
    terms=Terms(
        may_store_text=False,
        shown_to="tenant",
        page="https://api-dashboard.search.brave.com/terms-of-service",
        note="results may be kept only under a plan with storage rights",
    ),
)
