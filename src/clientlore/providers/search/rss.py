"""RSS and Atom over HTTP: conditional requests, moved and gone feeds, encodings, entries without guid or date."""

from __future__ import annotations

import json
import os
import re
from calendar import timegm
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

from clientlore.clock import Clock, day_bounds
from clientlore.control.model import Mode
from clientlore.errors import AuthenticationError, BadDataError, PermanentError
from clientlore.ids import stable_id
from clientlore.providers.base import Ask, Fetched, Item, Parsed, Response, describe_request
from clientlore.providers.http import Http
from clientlore.providers.text import plain_text

_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
_FEED_LINK = re.compile(
    rb"""<link[^>]+type=["']application/(?:rss|atom)\+xml["'][^>]*>""", re.IGNORECASE
)
_HREF = re.compile(rb"""href=["']([^"'>]+)["']""", re.IGNORECASE)
_ENTRY_END = re.compile(rb"</(?:\w+:)?(?:item|entry)\s*>", re.IGNORECASE)
_FEED_END = re.compile(rb"</(?:\w+:)?(?:rss|feed|rdf)\s*>", re.IGNORECASE)
_REFERENCE = re.compile(rb"&#(?:[xX]([0-9a-fA-F]+)|([0-9]+));?")
_ACCESSION = "urn:tag:sec.gov,2008:accession-number="
"""A filing with the SEC comes once for each company that has a part in it, under one id."""
_KNOWN = frozenset(
    [
        "title",
        "title_detail",
        "link",
        "links",
        "id",
        "guidislink",
        "summary",
        "summary_detail",
        "content",
        "published",
        "published_parsed",
        "updated",
        "updated_parsed",
        "created",
        "created_parsed",
        "author",
        "authors",
        "author_detail",
        "tags",
        "language",
        "source",
        "comments",
        "media_content",
        "media_thumbnail",
        "media_credit",
        "credit",
        "media_description",
        "media_keywords",
        "contributors",
        "publisher",
        "publisher_detail",
        "rights",
        "rights_detail",
        "enclosures",
        "href",
        "slash_comments",
        "thr_total",
        "wfw_commentrss",
        "feedburner_origlink",
        "dc_date",
    ]
)


class RssProvider:
    """Reads feeds of any version that feedparser knows."""

    name = "rss"
    mode: Mode = "live"

    def __init__(
        self,
        clock: Clock,
        max_bytes: int,
        env: Mapping[str, str] | None = None,
        contact: str | None = None,
    ) -> None:
        self._clock = clock
        self._contact = contact
        self._max_bytes = max_bytes
        self._env = os.environ if env is None else env

    async def fetch(self, ask: Ask, http: Http) -> Fetched:
        """See `Provider.fetch`. A feed only knows its present: for a past day it is asked without conditions."""
        state = ask.state
        location = state.moved_to or ask.source.location
        if state.gone_at is not None:
            raise PermanentError(
                f"The feed {_shown(location)} has been gone since {state.gone_at:%Y-%m-%d}",
                "Remove it from the tenant file.",
            )
        headers = {
            "accept": "application/rss+xml, application/atom+xml, application/xml;q=0.9, */*;q=0.5"
        }
        if ask.is_today and state.etag:
            headers["if-none-match"] = state.etag
        if ask.is_today and state.last_modified:
            headers["if-modified-since"] = state.last_modified
        url = self._expand(location)
        if self._contact and (urlsplit(url).hostname or "").endswith("sec.gov"):
            # The SEC answers only those who say who they are.
            headers["user-agent"] = self._contact
        answer = await http.get(url, headers=headers, max_bytes=self._max_bytes)
        if ask.is_today:
            moved = answer.moved_to if answer.moved_to and url == location else None
            state = replace(
                state,
                etag=answer.headers.get("etag", state.etag if answer.status == 304 else None),
                last_modified=answer.headers.get(
                    "last-modified", state.last_modified if answer.status == 304 else None
                ),
                moved_to=moved or state.moved_to,
            )
        if answer.status == 304:
            return Fetched((), state, answer.attempts)
        response = Response(
            source_id=ask.source.source_id,
            client_id=ask.source.client_id,
            provider=self.name,
            request=describe_request("GET", _shown(location)),
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            fetched_at=self._clock.now(),
            mode=self.mode,
        )
        return Fetched((response,), state, answer.attempts)

    def parse(self, response: Response, ask_day: date) -> Parsed:
        """See `Provider.parse`. Of a past day only what was published by its end is taken, and what has no date."""
        import feedparser

        body = response.body
        if not body.strip():
            raise BadDataError(
                "The feed is empty: not one byte", "Ask its publisher, or remove it."
            )
        try:
            feed = feedparser.parse(
                _REFERENCE.sub(_character, body),
                response_headers=_parser_headers(response),
                sanitize_html=False,
            )
        except (ValueError, LookupError) as error:
            raise BadDataError(
                f"The feed cannot be decoded ({type(error).__name__})",
                "Look at the stored response with `clientlore trace`.",
            ) from error
        if not feed.version and not feed.entries:
            raise _not_a_feed(body, response)
        whole = len(feed.entries)
        degraded = None
        rejects: list[tuple[int, str, str]] = []
        if feed.bozo and (whole_entries := _whole_before_cut(body)) is not None:
            whole = min(whole, whole_entries)
            degraded = f"the feed breaks off after {whole} whole entries"
            rejects = [
                (
                    n,
                    "cut_off",
                    "the feed broke off inside this entry; it comes again with the next fetch",
                )
                for n in range(whole, len(feed.entries))
            ]
        items, drift = [], Counter[str]()
        shared = _shared_guids(feed.entries)
        publisher = plain_text(feed.feed.get("title"), 200) or urlsplit(_url_of(response)).netloc
        latest = day_bounds(ask_day)[1]
        filed: set[str] = set()
        for position, entry in enumerate(feed.entries[:whole]):
            drift.update(key for key in entry if key not in _KNOWN)
            item = _item(position, entry, response, publisher, shared, feed.feed.get("language"))
            if item is not None and item.origin_id.startswith(_ACCESSION):
                if item.origin_id in filed:
                    continue
                filed.add(item.origin_id)
            if item is None:
                rejects.append((position, "no_text", "the entry has neither title nor text"))
            elif (
                item.published_at is None
                or item.published_at < latest
                or ask_day == response.fetched_at.date()
            ):
                items.append(item)
        return Parsed(
            items=tuple(items), rejects=tuple(rejects), drift=dict(drift), degraded=degraded
        )

    def _expand(self, location: str) -> str:
        """Puts the environment's values in place of `${NAME}`, so that no secret stands in a tenant file."""

        def value(match: re.Match[str]) -> str:
            found = self._env.get(match[1])
            if not found:
                raise AuthenticationError(
                    f"The feed {_shown(location)} needs the variable {match[1]}, which is not set",
                    f"Set {match[1]} in the environment or in .env.",
                )
            return found

        return _VARIABLE.sub(value, location)


def _character(match: re.Match[bytes]) -> bytes:
    """A reference that names no character, such as half of a surrogate pair, becomes the mark for that."""
    digits = match[1] or match[2]
    number = int(digits, 16 if match[1] else 10) if len(digits.lstrip(b"0")) < 8 else 0x110000
    return match[0] if number < 0xD800 or 0xDFFF < number < 0x110000 else b"&#xFFFD;"


def _whole_before_cut(body: bytes) -> int | None:
    """How many entries came whole before the feed broke off; None where it did not."""
    # In UTF-16 every other byte of a tag is zero.
    plain = body.replace(b"\0", b"")
    ends = [match.end() for match in _ENTRY_END.finditer(plain)]
    return None if _FEED_END.search(plain, ends[-1] if ends else 0) else len(ends)


def unwrapped(link: str | None) -> str | None:
    """The address that a Google Alert leads to by way of Google; any other address as it is."""
    parts = urlsplit(link or "")
    if parts.path == "/url" and re.fullmatch(
        r"(?:www\.)?google\.(?:com?\.)?[a-z]{2,3}", parts.hostname or ""
    ):
        wrapped = parse_qs(parts.query)
        return next(iter(wrapped.get("url") or wrapped.get("q") or [link or ""]))
    return link


def _shown(location: str) -> str:
    """An address without user and password."""
    parts = urlsplit(location)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _url_of(response: Response) -> str:
    return str(json.loads(response.request)["url"])


def _parser_headers(response: Response) -> dict[str, str]:
    kept = {"content-location": _url_of(response)}
    for name in ("content-type", "content-language"):
        if name in response.headers:
            kept[name] = response.headers[name]
    return kept


def _not_a_feed(body: bytes, response: Response) -> BadDataError:
    start = body[:2_000].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start:
        hint = "Open it in a browser and look for its feed."
        for link in _FEED_LINK.findall(body[:200_000]):
            href = _HREF.search(link)
            if href:
                found = urljoin(_url_of(response), href[1].decode("utf-8", "replace"))
                hint = f"The page names this feed: {found}"
                break
        return BadDataError("This is a web page, not a feed", hint, detail="html")
    return BadDataError(
        "This is neither RSS nor Atom", "Look at the stored response with `clientlore trace`."
    )


def _shared_guids(entries: list[Any]) -> set[str]:
    """Guids that stand on entries with different links: such a guid names nothing."""
    links: dict[str, set[str]] = {}
    for entry in entries:
        if entry.get("id") and not entry["id"].startswith(_ACCESSION):
            links.setdefault(entry["id"], set()).add(entry.get("link") or "")
    return {guid for guid, named in links.items() if len(named) > 1}


def _item(
    position: int,
    entry: Any,
    response: Response,
    publisher: str,
    shared: set[str],
    language: str | None,
) -> Item | None:
    title = plain_text(entry.get("title"), 500)
    texts = [part.get("value", "") for part in entry.get("content", [])] or [""]
    text = max((plain_text(part) for part in [*texts, entry.get("summary")]), key=len)
    if not title and not text:
        return None
    link = unwrapped(entry.get("link") or None)
    guid = entry.get("id") or ""
    if guid in shared:
        guid = f"{guid}|{link}"
    source = entry.get("source") or {}
    return Item(
        position=position,
        origin_id=guid or link or f"text:{stable_id(title, text)}",
        title=title or text[:120],
        text=text,
        url=urljoin(_url_of(response), link) if link else None,
        author=plain_text(entry.get("author"), 200) or None,
        publisher=plain_text(source.get("title"), 200) or publisher,
        language=language,
        published_at=_instant(entry, response.fetched_at),
    )


def _instant(entry: Any, fetched_at: datetime) -> datetime | None:
    """When it was published; None where the entry does not say, or says what cannot be."""
    for name in ("published_parsed", "updated_parsed", "created_parsed"):
        # Its own `get` answers with the other date, and warns.
        parsed = dict.get(entry, name)
        if parsed is None:
            continue
        try:
            at = datetime.fromtimestamp(timegm(parsed), UTC)
        except (ValueError, OverflowError, OSError):
            continue
        if at.year >= 1970 and at <= fetched_at + timedelta(days=366):
            return at
    return None
