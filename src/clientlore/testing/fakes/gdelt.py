"""GDELT DOC 2.0: JSON with control characters in it, refusals in plain text under 200, no one without a user agent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from clientlore.testing.fakes import news
from clientlore.testing.fakes.serving import Fake

SLOW_DOWN = b"Please limit requests to one every 5 seconds or contact us for larger queries.\n"


def routes(fake: Fake) -> Sequence[Route]:
    """`GET /gdelt/api/v2/doc/doc`."""

    async def answer(request: Request) -> Response:
        asked = request.query_params
        if not request.headers.get("user-agent"):
            return PlainTextResponse("Too many requests", 429)
        name = news.name_in(asked.get("query", ""))
        if len(name) < 3:
            return PlainTextResponse("The specified phrase is too short.\n")
        start, end = (
            datetime.strptime(asked[which], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
            for which in ("startdatetime", "enddatetime")
        )
        most = min(int(asked.get("maxrecords", 75)), 250)
        told = [
            {
                "url": story.url,
                "url_mobile": "",
                "title": f"{story.title}\x1f",
                "seendate": f"{story.at:%Y%m%dT%H%M%SZ}",
                "socialimage": "",
                "domain": story.domain,
                "language": "English",
                "sourcecountry": "United Kingdom",
            }
            for story in news.stories(fake, name, start, end)[:most]
        ]
        # The real one escapes nothing.
        body = json.dumps({"articles": told} if told else {}).replace("\\u001f", "\x1f")
        return Response(body, media_type="application/json")

    return [Route("/gdelt/api/v2/doc/doc", answer)]
