"""Vertex AI Search: a site's pages, 25 at a time by token, errors in Google's form.

`fake.state["vertex_search"]["private"] = True` makes it a data store that takes no API key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from clientlore.testing.fakes import news
from clientlore.testing.fakes.every import VERTEX_CONFIG as CONFIG
from clientlore.testing.fakes.serving import Fake

_KEPT = timedelta(days=5)


def routes(fake: Fake) -> Sequence[Route]:
    """`POST /vertex_search/v1/{serving config}:searchLite`."""

    async def answer(request: Request) -> JSONResponse:
        if not news.key_is_right(fake, "vertex_search", request.headers.get("x-goog-api-key")):
            return _refusal(
                400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."
            )
        if fake.state["vertex_search"].get("private"):
            return _refusal(
                400, "FAILED_PRECONDITION", "searchLite needs a public website data store."
            )
        if news.is_used_up(fake, "vertex_search"):
            return _refusal(
                429, "RESOURCE_EXHAUSTED", "Quota exceeded for limit 'Search requests per day'."
            )
        asked = await request.json()
        size, token = int(asked.get("pageSize", 10)), str(asked.get("pageToken", "0"))
        if request.path_params["config"] != CONFIG or not 1 <= size <= 25 or not token.isdecimal():
            return _refusal(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
        offset, now = int(token), news.now_of(fake)
        found = news.stories(fake, news.name_in(asked["query"]), now - _KEPT, now)
        told = news.page(fake, "vertex_search", found, offset, size)
        body: dict[str, Any] = {
            "totalSize": len(found),
            "attributionToken": "wAHwvwoMCPe8",
            "summary": {},
            "results": [_result(story) for story in told],
        }
        if offset + size < len(found):
            body["nextPageToken"] = str(offset + size)
        return JSONResponse({k: v for k, v in body.items() if v != []})

    return [Route("/vertex_search/v1/{config:path}:searchLite", answer, methods=["POST"])]


def _result(story: news.Story) -> dict[str, Any]:
    name = (
        f"{CONFIG.partition('/engines')[0]}/dataStores/site/branches/0/documents/{story.story_id}"
    )
    return {
        "id": story.story_id,
        "document": {
            "name": name,
            "id": story.story_id,
            "derivedStructData": {
                "title": story.title,
                "htmlTitle": f"<b>{story.title}</b>",
                "link": story.url,
                "displayLink": f"www.{story.domain}",
                "formattedUrl": story.url,
                "snippets": [{"snippet": story.text, "snippet_status": "SUCCESS"}],
                "pagemap": {"metatags": [{"article:published_time": story.at.isoformat()}]},
            },
        },
    }


def _refusal(code: int, status: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message, "status": status}}, code)
