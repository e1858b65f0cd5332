"""Tavily's search, with its statuses of its own for used-up plans."""

from __future__ import annotations

import email.utils
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from clientlore.testing.fakes import news
from clientlore.testing.fakes.serving import Fake


def routes(fake: Fake) -> Sequence[Route]:
    """`POST /tavily/search`."""

    async def answer(request: Request) -> JSONResponse:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not news.key_is_right(fake, "tavily", given):
            return _refusal(401, "Unauthorized: missing or invalid API key.")
        if news.is_used_up(fake, "tavily"):
            return _refusal(432, "This request exceeds your plan's set usage limit.")
        asked: dict[str, Any] = await request.json()
        if not asked.get("query") or len(asked["query"]) > 400:
            return _refusal(
                400, "Query is missing or too long. Max query length is 400 characters."
            )
        if not 0 < asked.get("max_results", 5) <= 20:
            return _refusal(400, "max_results must be between 0 and 20.")
        start, end = news.day(asked["start_date"]), news.day(asked["end_date"])
        found = news.stories(fake, news.name_in(asked["query"]), start, end)
        told = [
            {
                "title": story.title,
                "url": story.url,
                "content": story.text,
                "score": 0.9,
                "raw_content": None,
                "published_date": email.utils.format_datetime(story.at, usegmt=True),
            }
            for story in found[: asked.get("max_results", 5)]
        ]
        return JSONResponse(
            {
                "query": asked["query"],
                "follow_up_questions": None,
                "answer": None,
                "images": [],
                "results": told,
                "response_time": 0.7,
                "request_id": f"fake-{len(fake.log)}",
            }
        )

    return [Route("/tavily/search", answer, methods=["POST"])]


def _refusal(status: int, error: str) -> JSONResponse:
    return JSONResponse({"detail": {"error": error}}, status)
