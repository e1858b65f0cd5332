"""Vertex AI Search: what a tenant's own sites say about its clients. It knows those sites alone, and no other news.

Google's own client makes the requests and checks their names and fields; they are sent by our HTTP layer, with the key
in a header. An API key is taken for public sites only, by `searchLite`.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import urlsplit

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

PAGE = 25
MAX_PAGES = 10
_CONFIG = re.compile(
    r"^projects/[^/]+/locations/[^/]+/collections/[^/]+/(engines|dataStores)/[^/]+/servingConfigs/[^/]+$"
)
_KNOWN = frozenset(["id", "document", "modelScores", "rankSignals", "retrievalSignals"])


class VertexSearch:
    """Asks `POST /v1/{serving config}:searchLite`, page by page."""

    name = "vertex_search"
    mode: Mode = "live"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._config = settings.search.vertex_config
        self._door = api.Door(
            title="Vertex AI Search",
            base=settings.search.vertex_search_base,
            rate=5,
            burst=5,
            variable="VERTEX_SEARCH_API_KEY",
            key=settings.search.vertex_key,
            fix="make one for the project at https://console.cloud.google.com/apis/credentials",
            quota=frozenset({402}),
            refused=frozenset({"keyInvalid"}),
            judge=_in_words,
        )

    async def fetch(self, ask: Ask, http: Http) -> Fetched:
        """See `Provider.fetch`. It cannot be asked by date: what is older is left out when it is read."""
        client = api.client_of(ask, "Vertex AI Search")
        headers = {"x-goog-api-key": self._door.secret()}
        config, made = self._request()
        span = api.span_of(ask, self._clock.now())
        body: dict[str, Any] = {
            "query": api.any_of(api.names_of(client)),
            "pageSize": PAGE,
            "contentSearchSpec": {"snippetSpec": {"returnSnippet": True}},
        }
        if language := ask.source.options.get("language"):
            body["languageCode"] = language

        def page(number: int, before: HttpResponse | None) -> api.Page | None:
            asked = dict(body)
            if before is not None:
                token = _next(before.body)
                if token is None or number >= MAX_PAGES:
                    return None
                asked["pageToken"] = token
            request = made(servingConfig=config, body=asked)
            path = urlsplit(request.uri).path
            return api.Page(
                request.method,
                f"{self._door.base}{path}",
                {**asked, "since": span.start.isoformat()},
                lambda: self._door.ask(http, request.method, path, headers=headers, json=asked),
            )

        return await api.Asker(self.name, self._clock).ask_pages(ask, span, page)

    def parse(self, response: Response, ask_day: date) -> Parsed:
        """See `Provider.parse`. When a page was published only its own metadata say, if they do."""
        since = str(json.loads(response.request).get("params", {}).get("since", ""))
        found = api.read_json(response.body, "Vertex AI Search")

        def make(position: int, record: Mapping[str, Any]) -> Item | None:
            told = record["document"].get("derivedStructData") or {}
            if not told.get("link") or not told.get("title"):
                msg = "the document has no link or no title: the data store is none of a site"
                raise ValueError(msg)
            tags = ((told.get("pagemap") or {}).get("metatags") or [{}])[0]
            at = api.instant(tags.get("article:published_time"))
            if at is not None and at.isoformat() < since:
                return None
            snippets = [str(s.get("snippet") or "") for s in told.get("snippets") or ()]
            return Item(
                position=position,
                origin_id=str(told["link"]),
                title=plain_text(told["title"], 500),
                text=plain_text(" ".join(snippets)),
                url=str(told["link"]),
                publisher=plain_text(told.get("displayLink"), 200) or None,
                published_at=at,
            )

        return api.read_items(
            # No results, no list; then the answer has its token alone.
            api.listed(found, "results", "Vertex AI Search", optional="attributionToken" in found),
            response=response,
            day=ask_day,
            required=("document",),
            known=_KNOWN,
            make=make,
        )

    def _request(self) -> tuple[str, Any]:
        """The serving config, and what makes a request to it.

        Raises:
            AuthenticationError: It is not set.
            PermanentError: It is no name of one.
        """
        if not self._config:
            raise AuthenticationError(
                "Vertex AI Search needs the variable VERTEX_SEARCH_SERVING_CONFIG, which is not set",
                "Set it to projects/.../locations/.../collections/default_collection/engines/.../servingConfigs/"
                "default_search.",
            )
        match = _CONFIG.match(self._config)
        if match is None:
            raise PermanentError(
                f"VERTEX_SEARCH_SERVING_CONFIG says '{self._config}', which is no name of a serving config",
                "It begins with projects/ and ends with /servingConfigs/default_search.",
            )
        collections = _requests().projects().locations().collections()
        return self._config, getattr(collections, match[1])().servingConfigs().searchLite


@functools.cache
def _requests() -> Any:
    """Google's own maker of requests; it reads a description of the interface that it brings along."""
    try:
        from googleapiclient.discovery import build
        from httplib2 import Http as Unused
    except ImportError:
        raise PermanentError(
            "Vertex AI Search needs Google's client, which is not installed",
            "Install clientlore[google].",
        ) from None
    return build("discoveryengine", "v1", http=Unused(), static_discovery=True)


def _next(body: bytes) -> str | None:
    try:
        found = json.loads(body, strict=False)
    except ValueError:
        return None
    token = found.get("nextPageToken") if isinstance(found, dict) else None
    return token if isinstance(token, str) and token else None


def _in_words(said: Said) -> ProviderError | None:
    """What only its messages tell apart: a wrong key, and a store that takes none, both under 400."""
    if said.status == 429 and b"per day" in said.body:
        return QuotaExhaustedError(
            "Vertex AI Search says that the day's queries are used up",
            "It begins anew at midnight in California; ask Google for a larger quota.",
        )
    if said.status != 400:
        return None
    if b"API key not valid" in said.body:
        return AuthenticationError(
            "Vertex AI Search refused what VERTEX_SEARCH_API_KEY says (400: API key not valid)",
            "Check VERTEX_SEARCH_API_KEY in the environment or in .env.",
        )
    if b"FAILED_PRECONDITION" in said.body:
        return PermanentError(
            "Vertex AI Search takes no API key for this data store (400: FAILED_PRECONDITION)",
            "Name the serving config of an engine of public sites.",
        )
    return None


KIND = Kind(
    table="search_results",
    make=VertexSearch,
    stand_in="mock_search",
    title="Vertex AI Search",
    needs=("VERTEX_SEARCH_API_KEY", "VERTEX_SEARCH_SERVING_CONFIG"),
    terms=Terms(
        may_store_text=True,
        shown_to="tenant",
        page="https://cloud.google.com/terms",
        note="the tenant's own sites",
    ),
)
