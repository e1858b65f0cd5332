"""Hacker News by way of Algolia: no more than a thousand hits of a question can be reached."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from clientlore.testing.fakes import news
from clientlore.testing.fakes.serving import Fake

_SPAN = re.compile(r"^created_at_i>=(\d+),created_at_i<(\d+)$")


def routes(fake: Fake) -> Sequence[Route]:
    """`GET /hacker_news/api/v1/search_by_date`; `fake.state["hacker_news"]["most"]` hits come at a time."""

    async def answer(request: Request) -> JSONResponse:
        asked = request.query_params
        span = _SPAN.match(asked.get("numericFilters", ""))
        if not span:
            return JSONResponse({"message": "invalid numericFilters", "status": 400}, 400)
        start, end = (datetime.fromtimestamp(int(s), UTC) for s in span.groups())
        # A story is told under the company's name; its site and its aliases are found in nothing.
        name = news.name_in(asked["query"])
        found = [] if "." in name else news.stories(fake, name, start, end)
        most = int(str(fake.state["hacker_news"].get("most", 1_000)))
        size = min(int(asked.get("hitsPerPage", 20)), most)
        hits = [
            {
                "objectID": str(int(story.story_id, 16) % 10**9),
                "title": story.title,
                "url": None if place % 5 == 4 else story.url,
                "author": story.author.split()[0].lower(),
                "points": 12,
                "num_comments": 3,
                "created_at": f"{story.at:%Y-%m-%dT%H:%M:%SZ}",
                "created_at_i": int(story.at.timestamp()),
                "_tags": ["story"],
            }
            for place, story in enumerate(found[:size])
        ]
        return JSONResponse(
            {"hits": hits, "nbHits": len(found), "page": 0, "nbPages": 1, "hitsPerPage": size}
        )

    return [Route("/hacker_news/api/v1/search_by_date", answer)]
