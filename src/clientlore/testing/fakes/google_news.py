"""Google News and Google Alerts as feeds: opaque links, publishers in titles, wrapped addresses."""

from __future__ import annotations

import base64
import email.utils
import html
import re
from collections.abc import Sequence
from random import Random
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clientlore.testing.fakes import news
from clientlore.testing.fakes.serving import Fake


def routes(fake: Fake) -> Sequence[Route]:
    """`GET /google_news/rss/search` and `GET /google_news/alerts/feeds?q=`."""

    async def search(request: Request) -> Response:
        query = request.query_params.get("q", "")
        first, last = (re.search(rf"{word}:(\S+)", query) for word in ("after", "before"))
        start = news.day(first[1]) if first else news.day("2026-01-01")
        end = news.day(last[1]) if last else news.now_of(fake)
        found = news.stories(fake, news.name_in(query), start, end)[:100]
        Random(fake.seed).shuffle(found)
        entries = []
        for story in found:
            opaque = base64.urlsafe_b64encode(story.story_id.encode()).decode()
            link = f"https://news.google.com/rss/articles/CBMi{opaque}?oc=5"
            listed = f'<a href="{link}">{story.title}</a>&nbsp;<font color="#6f6f6f">{story.publisher}</font>'
            entries.append(
                f"<item><title>{html.escape(story.title)} - {html.escape(story.publisher)}</title>"
                f"<link>{link}</link><guid isPermaLink='false'>CBMi{opaque}</guid>"
                f"<pubDate>{email.utils.format_datetime(story.at, usegmt=True)}</pubDate>"
                f"<description>{html.escape(listed)}</description>"
                f"<source url='https://www.{story.domain}'>{html.escape(story.publisher)}</source></item>"
            )
        title = f"<title>{html.escape(query)} - Google News</title>"
        body = f"<rss version='2.0'><channel>{title}{''.join(entries)}</channel></rss>"
        return Response(body, media_type="application/xml; charset=utf-8")

    async def alerts(request: Request) -> Response:
        name = request.query_params.get("q", "Acme")
        now = news.now_of(fake)
        found = news.stories(fake, name, now.replace(hour=0, minute=0), now)
        entries = []
        for story in found:
            link = (
                f"https://www.google.com/url?rct=j&sa=t&url={quote(story.url, safe='')}&ct=ga&cd=1"
            )
            bold = html.escape(story.title.replace(name, f"<b>{name}</b>"))
            entries.append(
                f"<entry><id>tag:google.com,2013:googlealerts/feed:{story.story_id}</id>"
                f"<title type='html'>{bold} &amp;amp; more</title><link href='{html.escape(link)}'/>"
                f"<published>{story.at:%Y-%m-%dT%H:%M:%SZ}</published>"
                f"<content type='html'>{html.escape(html.escape(story.text))}</content></entry>"
            )
        title = f"<title>Google Alert - {html.escape(name)}</title>"
        body = (
            f"<feed xmlns='http://www.w3.org/2005/Atom'>{title}<id>tag:google.com,2005:reader/user/1</id>"
            f"{''.join(entries)}</feed>"
        )
        return Response(body, media_type="application/atom+xml; charset=utf-8")

    return [Route("/google_news/rss/search", search), Route("/google_news/alerts/feeds", alerts)]
