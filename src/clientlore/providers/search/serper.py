"""Serper: the news that Google finds. Dates come as people say them (`2 hours ago`) and are counted from the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from clientlore.clock import Clock
from clientlore.control.model import Mode
from clientlore.errors import ProviderError, QuotaExhaustedError
from clientlore.providers.base import Ask, Fetched, Item, Parsed, Response
from clientlore.providers.http import Http, HttpResponse, Said
from clientlore.providers.kinds import Kind, Terms
from clientlore.providers.refusals import plain_line
from clientlore.providers.search import api
from clientlore.providers.text import plain_text
from clientlore.settings import Settings

PAGE = 50
MAX_PAGES = 4
_KNOWN = frozenset({"title", "link", "snippet", "date", "source", "imageUrl", "position"})
_AGO = re.compile(r"^(\d+|an?)\s+(second|sec|minute|min|hour|day|week|month|year)s?\s+ago$")
_SECONDS = {
    "second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3_600, "day": 86_400,
    "week": 604_800, "month": 2_592_000, "year": 31_536_000,
}  # fmt: skip


class Serper:
    """Asks `POST /news`, page by page."""

    name = "serper"
    mode: Mode = "live"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._door = api.Door(
            title="Serper",
            base=settings.search.serper_base,
            rate=50,
            burst=50,
            variable="SERPER_API_KEY",
            key=settings.search.serper_key,
            fix="make one at https://serper.dev/api-keys",
            judge=_not_enough_credits,
        )

    async def fetch(self, ask: Ask, http: Http) -> Fetched:
        """See `Provider.fetch`."""
        client = api.client_of(ask, "Serper")
        span = api.span_of(ask, self._clock.now())
        first, last = span.days
        headers = {"x-api-key": self._door.secret()}
        body = {
            "q": api.any_of(api.names_of(client)),
            "num": PAGE,
            "tbs": f"cdr:1,cd_min:{first:%m/%d/%Y},cd_max:{last:%m/%d/%Y}",
            **{k: ask.source.options[v] for k, v in _OPTIONS.items() if v in ask.source.options},
        }
        seen = api.Seen(("news",), "link", set())

        def page(number: int, before: HttpResponse | None) -> api.Page | None:
            if number >= MAX_PAGES or (before is not None and not seen.goes_on(before, PAGE)):
                return None
            asked = {**body, "page": number + 1}
            return self._door.page(http, "POST", "/news", asked, headers=headers)

        return await api.Asker(self.name, self._clock).ask_pages(ask, span, page)

    def parse(self, response: Response, ask_day: date) -> Parsed:
        """See `Provider.parse`."""
        found = api.read_json(response.body, "Serper")

        def make(position: int, record: Mapping[str, Any]) -> Item:
            return Item(
                position=position,
                origin_id=str(record["link"]),
                title=plain_text(record["title"], 500),
                text=plain_text(record.get("snippet")),
                url=str(record["link"]),
                publisher=plain_text(record.get("source"), 200) or None,
                published_at=said_when(record.get("date"), response.fetched_at),
            )

        return api.read_items(
            api.listed(found, "news", "Serper", optional="searchParameters" in found),
            response=response,
            day=ask_day,
            required=("title", "link"),
            known=_KNOWN,
            make=make,
        )


_OPTIONS = {"gl": "country", "hl": "language"}


def _not_enough_credits(said: Said) -> ProviderError | None:
    # A used-up account is refused with 400 and words.
    if said.status == 400 and b"credits" in said.body.lower():
        return QuotaExhaustedError(
            "Serper says that the account has no credits left",
            "Buy credits at https://serper.dev/billing.",
            detail=plain_line(said.body),
        )
    return None


def said_when(said: Any, now: datetime) -> datetime | None:
    """When `2 hours ago`, `yesterday` or `Nov 12, 2026` was, to the precision of the words; None for other words."""
    text = str(said or "").strip().lower()
    if match := _AGO.match(text):
        count = 1 if match[1].startswith("a") else int(match[1])
        unit = _SECONDS[match[2]]
        at = now - timedelta(seconds=count * unit)
        # No more precise than what was said, so that the next answer says the same of the same article.
        if unit >= 86_400:
            return at.replace(hour=0, minute=0, second=0, microsecond=0)
        return at.replace(minute=0 if unit >= 3_600 else at.minute, second=0, microsecond=0)
    if text == "yesterday":
        return (now - timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    for form in ("%b %d, %Y", "%d %b %Y", "%B %d, %Y"):
        try:
            return datetime.strptime(text.title(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


KIND = Kind(
    table="search_results",
    make=Serper,
    stand_in="mock_search",
    title="Serper",
    needs=("SERPER_API_KEY",),
    terms=Terms(
        may_store_text=True,
        shown_to="tenant",
        page="https://serper.dev/terms",
        note="snippets belong to their publishers",
    ),
)
