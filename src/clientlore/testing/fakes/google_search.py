"""Google Custom Search: pages of ten up to a hundred, errors in Google's form."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from clientlore.testing.fakes import news
from clientlore.testing.fakes.serving import Fake


def routes(fake: Fake) -> Sequence[Route]:
    """`GET /google_search/customsearch/v1`."""

    async def answer(request: Request) -> JSONResponse:
        asked = request.query_params
        if not news.key_is_right(fake, "google_search", request.headers.get("x-goog-api-key")):
            return _refusal(400, "badRequest", "API key not valid. Please pass a valid API key.")
        if news.is_used_up(fake, "google_search"):
            return _refusal(
                429,
                "rateLimitExceeded",
                "Quota exceeded for quota metric 'Queries' and limit 'Queries per day'.",
            )
        size, start = int(asked.get("num", 10)), int(asked.get("start", 1))
        if asked.get("cx") != news.ENGINE or not 1 <= size <= 10 or not 1 <= start <= 91:
            return _refusal(400, "badRequest", "Request contains an invalid argument.")
        days = int(asked["dateRestrict"].removeprefix("d"))
        now = news.now_of(fake)
        found = news.stories(fake, news.name_in(asked["q"]), now - timedelta(days=days), now)
        told = news.page(fake, "google_search", found, start - 1, size)
        queries: dict[str, Any] = {
            "request": [{"totalResults": str(len(found)), "count": size, "startIndex": start}]
        }
        if start - 1 + size < min(len(found), 100):
            queries["nextPage"] = [{"startIndex": start + size}]
        items = [
            {
                "kind": "customsearch#result",
                "title": story.title,
                "htmlTitle": f"<b>{story.title}</b>",
                "link": story.url,
                "displayLink": f"www.{story.domain}",
                "snippet": f"{story.at:%b %d, %Y} ... {story.text}",
                "formattedUrl": story.url,
                "pagemap": {
                    "metatags": [
                        {
                            "article:published_time": story.at.isoformat(),
                            "og:site_name": story.publisher,
                        }
                    ]
                },
            }
            for story in told
        ]
        body = {
            "kind": "customsearch#search",
            "url": {"type": "application/json"},
            "queries": queries,
            "searchInformation": {"searchTime": 0.2, "totalResults": str(len(found))},
        }
        # No results, no list.
        return JSONResponse({**body, **({"items": items} if items else {})})

    return [Route("/google_search/customsearch/v1", answer)]


def _refusal(status: int, reason: str, message: str) -> JSONResponse:
    error = {"message": message, "domain": "global", "reason": reason}
    return JSONResponse({"error": {"code": status, "message": message, "errors": [error]}}, status)
