"""GDELT DOC 2.0: what the world's web news said in the last three months. No key, no pages, and little patience.

Its titles come without texts, and its dates are when it saw an article, which may be hours after it was published.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from clientlore.clock import Clock
from clientlore.control.model import Mode
from clientlore.errors import PermanentError, ProviderError, RetriableError
from clientlore.providers.base import Ask, Fetched, Item, Parsed, Response
from clientlore.providers.http import Http, HttpResponse, Said
from clientlore.providers.kinds import Kind, Terms
from clientlore.providers.refusals import plain_line
from clientlore.providers.search import api
from clientlore.providers.text import plain_text
from clientlore.settings import Settings

MOST = 250
MAX_PAGES = 8
SECONDS_BETWEEN = 5.0
"""It asks for no more than one request in this time."""
_PATH = "/api/v2/doc/doc"
_STAMP = "%Y%m%d%H%M%S"
_SEEN = "%Y%m%dT%H%M%SZ"
_KNOWN = frozenset(
    ["url", "url_mobile", "title", "seendate", "socialimage", "domain", "language", "sourcecountry"]
)
_LANGUAGES = {
    "English": "en", "German": "de", "French": "fr", "Spanish": "es", "Italian": "it",
    "Portuguese": "pt", "Dutch": "nl", "Chinese": "zh", "Japanese": "ja", "Russian": "ru",
}  # fmt: skip


class Gdelt:
    """Asks for the list of articles of a span; where that is full, for what came before its oldest."""

    name = "gdelt"
    mode: Mode = "live"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._door = api.Door(
            title="GDELT",
            base=settings.search.gdelt_base,
            rate=1 / SECONDS_BETWEEN,
            judge=_words_in_place_of_json,
        )

    async def fetch(self, ask: Ask, http: Http) -> Fetched:
        """See `Provider.fetch`."""
        names = api.names_of(api.client_of(ask, "GDELT"), domain=False)
        query = api.any_of(names, longest=250)
        span = api.span_of(ask, self._clock.now())
        end = span.end

        def page(number: int, before: HttpResponse | None) -> api.Page | None:
            nonlocal end
            if before is not None:
                found = api.records(before.body, "articles")
                if len(found) < MOST or number >= MAX_PAGES:
                    return None
                oldest = min(filter(None, map(_seen_at, found)), default=end) + timedelta(seconds=1)
                if oldest >= end:
                    return None
                end = oldest
            asked = {
                "query": f"({query})" if len(names) > 1 else query,
                "mode": "artlist",
                "format": "json",
                "maxrecords": MOST,
                "startdatetime": span.start.strftime(_STAMP),
                "enddatetime": end.strftime(_STAMP),
                "sort": "datedesc",
            }
            return self._door.page(http, "GET", _PATH, asked)

        return await api.Asker(self.name, self._clock).ask_pages(ask, span, page)

    def parse(self, response: Response, ask_day: date) -> Parsed:
        """See `Provider.parse`."""
        found = api.read_json(response.body, "GDELT")

        def make(position: int, record: Mapping[str, Any]) -> Item:
            return Item(
                position=position,
                origin_id=str(record["url"]),
                title=plain_text(record["title"], 500),
                text="",
                url=str(record["url"]),
                publisher=plain_text(record.get("domain"), 200) or None,
                language=_LANGUAGES.get(str(record.get("language"))),
                published_at=_seen_at(record),
            )

        return api.read_items(
            api.listed(found, "articles", "GDELT", optional=True),
            response=response,
            day=ask_day,
            required=("title", "url"),
            known=_KNOWN,
            make=make,
        )


def _seen_at(record: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.strptime(str(record.get("seendate")), _SEEN).replace(tzinfo=UTC)
    except ValueError:
        return None


def _words_in_place_of_json(said: Said) -> ProviderError | None:
    """It refuses with plain text under 200."""
    start = said.body[:300].lstrip()
    if said.status != 200 or not start or start.startswith((b"{", b"[")):
        return None
    line = plain_line(start)
    if b"limit requests" in start.lower():
        return RetriableError(
            "GDELT asks for fewer requests", "It will be asked again.", retry_after=SECONDS_BETWEEN
        )
    return PermanentError(
        f"GDELT does not answer this question: {line}",
        "Look at the client's name and aliases; it knows about three months.",
        detail=line,
    )


KIND = Kind(
    table="search_results",
    make=Gdelt,
    stand_in="mock_search",
    title="GDELT",
    terms=Terms(
        may_store_text=True,
        shown_to="anyone",
        page="https://www.gdeltproject.org/about.html#termsofuse",
        note="free for any use; GDELT is to be named",
    ),
)
