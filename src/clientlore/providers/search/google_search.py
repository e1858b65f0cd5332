"""Google Custom Search, for those who still have an engine: it takes no new customers and ends on 1 January 2027.

Google's own client makes the requests and checks their parameters; they are sent by our HTTP layer, with the key in
a header, so that no address holds it.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from clientlore.clock import Clock
from clientlore.control.model import Mode
from clientlore.errors import (
    AuthenticationError,
    PermanentError,
    ProviderError,
    QuotaExhaustedError,
)
from clientlore.providers.base import Ask, Fetched, Item, Parsed, Response
from clientlore.providers.http import Http, HttpResponse, Said
from clientlore.providers.kinds import Kind, Terms
from clientlore.providers.search import api
from clientlore.providers.text import plain_text
from clientlore.settings import Settings

log = logging.getLogger("clientlore")

ENDS = date(2027, 1, 1)
ENDS_SAID = f"it ends on {ENDS:%-d %B %Y}; move to another provider, such as serper or brave"
PAGE = 10
MAX_PAGES = 10
_PATH = "/customsearch/v1"
_KNOWN = frozenset(
    ["kind", "title", "htmlTitle", "link", "displayLink", "snippet", "htmlSnippet", "formattedUrl",
     "htmlFormattedUrl", "pagemap", "cacheId", "mime", "fileFormat", "image", "labels"]
)  # fmt: skip


class GoogleSearch:
    """Asks `GET /customsearch/v1`: at most ten pages of ten."""

    name = "google_search"
    mode: Mode = "live"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._engine = settings.search.google_engine
        self._warned = False
        self._door = api.Door(
            title="Google Custom Search",
            base=settings.search.google_search_base,
            rate=100 / 60,
            burst=10,
            variable="GOOGLE_SEARCH_API_KEY",
            key=settings.search.google_key,
            fix="it takes no new customers, so that without a key another provider is needed",
            quota=frozenset({402, "dailyLimitExceeded", "quotaExceeded"}),
            refused=frozenset({"keyInvalid"}),
            judge=_in_words,
        )

    async def fetch(self, ask: Ask, http: Http) -> Fetched:
        """See `Provider.fetch`."""
        client = api.client_of(ask, "Google Custom Search")
        self._mind_the_end(self._clock.now())
        headers = {"x-goog-api-key": self._door.secret()}
        if not self._engine:
            raise AuthenticationError(
                "Google Custom Search needs the variable GOOGLE_SEARCH_ENGINE_ID, which is not set",
                "Set it to the id of your engine, as https://programmablesearchengine.google.com has it.",
            )
        span = api.span_of(ask, self._clock.now())
        query = {
            "q": api.any_of(api.names_of(client)),
            "cx": self._engine,
            "num": PAGE,
            "sort": "date",
            "dateRestrict": f"d{(self._clock.now().date() - span.start.date()).days + 1}",
        }
        if language := ask.source.options.get("language"):
            query["lr"] = f"lang_{language}"
        if country := ask.source.options.get("country"):
            query["gl"] = country
        cse = _requests()

        def page(number: int, before: HttpResponse | None) -> api.Page | None:
            if number >= MAX_PAGES or (before is not None and not _has_next(before.body)):
                return None
            asked = {**query, "start": number * PAGE + 1}
            # The parameters alone: what it would send itself would not know our limits.
            made = cse.list(**asked)
            path = f"{_PATH}?{made.uri.partition('?')[2]}"
            return api.Page(
                made.method,
                f"{self._door.base}{_PATH}",
                {**asked, "since": span.start.isoformat()},
                lambda: self._door.ask(http, made.method, path, headers=headers),
            )

        return await api.Asker(self.name, self._clock).ask_pages(ask, span, page)

    def parse(self, response: Response, ask_day: date) -> Parsed:
        """See `Provider.parse`. When a page was published only its own metadata say, if they do.

        It can only be asked for all since some days ago, so that what is older than the span is left out here.
        """
        since = str(json.loads(response.request).get("params", {}).get("since", ""))
        found = api.read_json(response.body, "Google Custom Search")

        def make(position: int, record: Mapping[str, Any]) -> Item | None:
            tags = ((record.get("pagemap") or {}).get("metatags") or [{}])[0]
            at = api.instant(tags.get("article:published_time"))
            if at is not None and at.isoformat() < since:
                return None
            return Item(
                position=position,
                origin_id=str(record["link"]),
                title=plain_text(record["title"], 500),
                text=plain_text(record.get("snippet")),
                url=str(record["link"]),
                publisher=plain_text(tags.get("og:site_name"), 200)
                or plain_text(record.get("displayLink"), 200)
                or None,
                published_at=at,
            )

        return api.read_items(
            api.listed(
                found, "items", "Google Custom Search", optional="searchInformation" in found
            ),
            response=response,
            day=ask_day,
            required=("title", "link"),
            known=_KNOWN,
            make=make,
        )

    def _mind_the_end(self, now: datetime) -> None:
        """Warns once a process; after the end it refuses.

        Raises:
            PermanentError: It has ended.
        """
        if now.date() >= ENDS:
            raise PermanentError(
                f"Google ended the Custom Search API on {ENDS:%-d %B %Y}",
                "Put another provider under 'search:' in the tenant file, such as serper or brave.",
            )
        if not self._warned:
            self._warned = True
            log.warning("google_search: %s (%d days left)", ENDS_SAID, (ENDS - now.date()).days)


@functools.cache
def _requests() -> Any:
    """Google's own maker of requests; it reads a description of the interface that it brings along."""
    try:
        from googleapiclient.discovery import build
        from httplib2 import Http as Unused
    except ImportError:
        raise PermanentError(
            "Google Custom Search needs Google's client, which is not installed",
            "Install clientlore[google].",
        ) from None
    return build("customsearch", "v1", http=Unused(), static_discovery=True).cse()


def _has_next(body: bytes) -> bool:
    return bool(api.records(body, "queries", "nextPage"))


def _in_words(said: Said) -> ProviderError | None:
    """What only its messages tell apart: a wrong key under 400, a used-up day under 429."""
    body = said.body.lower()
    if said.status == 400 and b"api key not valid" in body:
        return AuthenticationError(
            "Google Custom Search refused what GOOGLE_SEARCH_API_KEY says (400: API key not valid)",
            "Check GOOGLE_SEARCH_API_KEY in the environment or in .env.",
        )
    if said.status == 429 and b"per day" in body:
        return QuotaExhaustedError(
            "Google Custom Search says that the day's queries are used up",
            "It begins anew at midnight in California; 100 a day are free.",
        )
    return None


KIND = Kind(
    table="search_results",
    make=GoogleSearch,
    stand_in="mock_search",
    title="Google Custom Search",
    needs=("GOOGLE_SEARCH_API_KEY", "GOOGLE_SEARCH_ENGINE_ID"),
    text_fields=frozenset(
        {"snippet", "htmlSnippet", "description", "og:description", "twitter:description"}
    ),
    terms=Terms(
        may_store_text=False,
        shown_to="tenant",
        page="https://developers.google.com/terms",
        keep_days=30,
        note="results may not be kept longer than Google's answers allow",
    ),
    ends=ENDS_SAID,
)
