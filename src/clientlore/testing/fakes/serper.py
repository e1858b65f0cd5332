"""Serper's news endpoint."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from clientlore.testing.fakes import news
from clientlore.testing.fakes.serving import Fake

_SPAN = re.compile(r"^cdr:1,cd_min:(\d\d/\d\d/\d{4}),cd_max:(\d\d/\d\d/\d{4})$")


def routes(fake: Fake) -> Sequence[Route]:
    """`POST /serper/news`."""

    async def answer(request: Request) -> JSONResponse:
        if not news.key_is_right(fake, "serper", request.headers.get("x-api-key")):
            return JSONResponse({"message": "Unauthorized.", "statusCode": 403}, 403)
        if news.is_used_up(fake, "serper"):
            return JSONResponse({"message": "Not enough credits", "statusCode": 400}, 400)
        asked: dict[str, Any] = await request.json()
        span = _SPAN.match(asked.get("tbs", ""))
        if not asked.get("q") or not span:
            return JSONResponse({"message": "Missing or wrong parameter", "statusCode": 400}, 400)
        found = news.stories(fake, news.name_in(asked["q"]), news.day(span[1]), news.after(span[2]))
        size = min(int(asked.get("num", 10)), 100)
        offset = (int(asked.get("page", 1)) - 1) * size
        now = news.now_of(fake)
        told = [
            {
                "title": story.title,
                "link": story.url,
                "snippet": story.text,
                "date": _ago(story.at, now),
                "source": story.publisher,
                "imageUrl": f"https://www.{story.domain}/i/{story.story_id}.jpg",
                "position": offset + place,
            }
            for place, story in enumerate(news.page(fake, "serper", found, offset, size), 1)
        ]
        return JSONResponse(
            {
                "searchParameters": {**asked, "type": "news", "engine": "google"},
                "news": told,
                "credits": 1 if size <= 10 else 2,
            }
        )

    return [Route("/serper/news", answer, methods=["POST"])]


def _ago(at: datetime, now: datetime) -> str:
    minutes = max(1, int((now - at).total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} minute{'s' * (minutes > 1)} ago"
    if minutes < 24 * 60:
        return f"{minutes // 60} hour{'s' * (minutes >= 120)} ago"
    days = minutes // (24 * 60)
    return f"{days} day{'s' * (days > 1)} ago" if days < 14 else f"{at:%b %d, %Y}"
