"""Brave's news search, with the headers that tell of two windows in one value."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from clientlore.testing.fakes import news
from clientlore.testing.fakes.serving import Fake


def routes(fake: Fake) -> Sequence[Route]:
    """`GET /brave/res/v1/news/search`."""

    async def answer(request: Request) -> JSONResponse:
        asked = request.query_params
        if not news.key_is_right(fake, "brave", request.headers.get("x-subscription-token")):
            return _refusal(
                422, "SUBSCRIPTION_TOKEN_INVALID", "The provided subscription token is invalid."
            )
        left = fake.state["brave"].get("left")
        if news.is_used_up(fake, "brave"):
            return _refusal(429, "QUOTA_LIMITED", "Monthly quota reached.", _windows(0, 0))
        query, span = asked.get("q", ""), asked.get("freshness", "").split("to")
        if not query or len(query) > 400 or len(query.split()) > 50 or len(span) != 2:
            return _refusal(422, "VALIDATION", "Unable to validate request parameter(s)")
        size, offset = min(int(asked.get("count", 20)), 50), int(asked.get("offset", 0))
        if offset > 9:
            return _refusal(422, "VALIDATION", "offset must be at most 9")
        found = news.stories(fake, news.name_in(query), news.day(span[0]), news.after(span[1]))
        told = [
            {
                "type": "news_result",
                "url": story.url,
                "title": story.title,
                "description": story.text,
                "age": "today",
                "page_age": f"{story.at:%Y-%m-%dT%H:%M:%S}",
                "page_fetched": f"{story.at:%Y-%m-%dT%H:%M:%SZ}",
                "breaking": False,
                "thumbnail": {"src": f"https://imgs.example/{story.story_id}"},
                "meta_url": {"scheme": "https", "hostname": f"www.{story.domain}"},
                "extra_snippets": [f"Told by {story.author}."],
            }
            for story in news.page(fake, "brave", found, offset * size, size)
        ]
        return JSONResponse(
            {"type": "news", "query": {"original": query, "altered": None}, "results": told},
            headers=_windows(50, 15_000 if left is None else int(str(left))),
        )

    return [Route("/brave/res/v1/news/search", answer)]


def _windows(second: int, month: int) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": "50, 15000",
        "X-RateLimit-Policy": "50;w=1, 15000;w=2592000",
        "X-RateLimit-Remaining": f"{second}, {month}",
        "X-RateLimit-Reset": "1, 1419704",
    }


def _refusal(
    status: int, code: str, detail: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    told = {"id": "0", "status": status, "code": code, "detail": detail}
    return JSONResponse({"type": "ErrorResponse", "error": told}, status, headers)
