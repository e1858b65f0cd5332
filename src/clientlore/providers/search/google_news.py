"""Google News as a feed: only where the owner says that its terms are met, since they allow personal use alone.

Its links are opaque and change, so that an article is known by title, publisher and date. Its texts are lists of
links and are left out.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from clientlore.clock import Clock
from clientlore.control.model import Mode
from clientlore.errors import PermanentError
from clientlore.ids import stable_id
from clientlore.providers.base import Ask, Fetched, Item, Parsed, Response
from clientlore.providers.http import Http, HttpResponse
from clientlore.providers.kinds import Kind, Terms
from clientlore.providers.search import api
from clientlore.providers.search.rss import RssProvider
from clientlore.settings import Settings

_PATH = "/rss/search"


class GoogleNews:
    """Asks for the feed of a question; at most a hundred entries come, in no order, and there is no second page."""

    name = "google_news"
    mode: Mode = "live"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._feeds = RssProvider(clock, settings.max_feed_bytes, env={})
        self._door = api.Door(
            title="Google News", base=settings.search.google_news_base, rate=0.5, burst=2
        )

    async def fetch(self, ask: Ask, http: Http) -> Fetched:
        """See `Provider.fetch`."""
        client = api.client_of(ask, "Google News")
        if ask.source.options.get("accept_terms") is not True:
            raise PermanentError(
                "Google News is for personal, non-commercial use, and nobody said that this is",
                "Write {provider: google_news, accept_terms: true} in the tenant file, or take it out.",
            )
        span = api.span_of(ask, self._clock.now())
        first, last = span.days
        country = str(ask.source.options.get("country", "US")).upper()
        language = str(ask.source.options.get("language", "en"))
        names = api.any_of(api.names_of(client, domain=False))
        # `before` leaves its own day out.
        asked = {
            "q": f"{names} after:{first} before:{last + timedelta(days=1)}",
            "hl": f"{language}-{country}",
            "gl": country,
            "ceid": f"{country}:{language}",
        }

        def page(number: int, _before: HttpResponse | None) -> api.Page | None:
            if number > 0:
                return None
            return self._door.page(http, "GET", _PATH, asked)

        return await api.Asker(self.name, self._clock).ask_pages(ask, span, page)

    def parse(self, response: Response, ask_day: date) -> Parsed:
        """See `Provider.parse`."""
        found = self._feeds.parse(response, ask_day)
        return replace(found, items=tuple(_by_what_it_says(item) for item in found.items))


def _by_what_it_says(item: Item) -> Item:
    """The title ends with ` - Publisher`, which may itself have a dash; the entry's source says which."""
    title, publisher = item.title, item.publisher
    if publisher and title.endswith(f" - {publisher}"):
        title = title.removesuffix(f" - {publisher}")
    elif " - " in title:
        title, _, publisher = title.rpartition(" - ")
    day = item.published_at.date() if item.published_at else None
    return replace(
        item,
        origin_id=stable_id("google-news", title, publisher, day),
        title=title,
        text="",
        publisher=publisher,
    )


KIND = Kind(
    table="search_results",
    make=GoogleNews,
    stand_in="mock_search",
    title="Google News",
    terms=Terms(
        may_store_text=False,
        shown_to="owner",
        page="https://news.google.com/rss",
        keep_days=30,
        note="the feed allows personal, non-commercial use in a feed reader",
    ),
)
