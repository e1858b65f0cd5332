"""NewsAPI.org: all articles, with the ends of a plan that gives only the first hundred where it is told to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from clientlore.testing.fakes import news
from clientlore.testing.fakes.serving import Fake


def routes(fake: Fake) -> Sequence[Route]:
    """`GET /newsapi/v2/everything`; `fake.state["newsapi"]["most"]` articles can be reached."""

    async def answer(request: Request) -> JSONResponse:
        asked = request.query_params
        if not news.key_is_right(fake, "newsapi", request.headers.get("x-api-key")):
            return _refusal(401, "apiKeyInvalid", "Your API key is invalid or incorrect.")
        if news.is_used_up(fake, "newsapi"):
            return _refusal(429, "apiKeyExhausted", "Your API key has no more requests available.")
        if not asked.get("q"):
            return _refusal(400, "parametersMissing", "Required parameters are missing.")
        size, number = min(int(asked.get("pageSize", 100)), 100), int(asked.get("page", 1))
        most = int(str(fake.state["newsapi"].get("most", 10_000)))
        if (number - 1) * size >= most:
            return _refusal(
                426,
                "maximumResultsReached",
                f"You have requested too many results. You are limited to a max of {most} results.",
            )
        start, end = (
            datetime.fromisoformat(asked[name]).replace(tzinfo=UTC) for name in ("from", "to")
        )
        found = news.stories(fake, news.name_in(asked["q"]), start, end)
        told = [
            {
                "source": {"id": None, "name": story.publisher},
                "author": story.author,
                "title": story.title,
                "description": story.text,
                "url": story.url,
                "urlToImage": None,
                "publishedAt": f"{story.at:%Y-%m-%dT%H:%M:%SZ}",
                "content": f"{story.text[:60]}... [+1234 chars]",
            }
            for story in news.page(fake, "newsapi", found, (number - 1) * size, size)
        ]
        if number == 1:
            removed = {"id": None, "name": "[Removed]"}
            told.append(
                {
                    **dict.fromkeys(("author", "urlToImage")),
                    **dict.fromkeys(("title", "description", "content"), "[Removed]"),
                    "source": removed,
                    "url": "https://removed.com",
                    "publishedAt": "1970-01-01T00:00:00Z",
                }
            )
        return JSONResponse({"status": "ok", "totalResults": len(found), "articles": told})

    return [Route("/newsapi/v2/everything", answer)]


def _refusal(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"status": "error", "code": code, "message": message}, status)
