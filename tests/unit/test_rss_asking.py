"""What a feed is asked, and what is remembered of its answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from random import Random

import httpx
import pytest

from clientlore.clock import FrozenClock
from clientlore.control.model import Source, SourceState
from clientlore.errors import AuthenticationError, PermanentError
from clientlore.providers.base import Ask, Fetched
from clientlore.providers.http import Http, open_client
from clientlore.providers.search.rss import RssProvider

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
FEED = "https://feeds.example/acme.xml"
KNOWN = SourceState(etag='"old"', last_modified="Thu, 19 Nov 2026 09:00:00 GMT")
Answer = Callable[[httpx.Request], httpx.Response]


def _fetch(
    answer: Answer,
    *,
    location: str = FEED,
    state: SourceState = KNOWN,
    is_today: bool = True,
    env: dict[str, str] | None = None,
) -> Fetched:
    ask = Ask(
        source=Source("acme-inc", "s-1", "rss", location, client_id="kiln"),
        client=None,
        clients=(),
        day=NOW.date() if is_today else date(2026, 11, 18),
        is_today=is_today,
        state=state,
    )
    clock = FrozenClock(NOW)

    async def go() -> Fetched:
        async with open_client(5, transport=httpx.MockTransport(answer)) as client:
            provider = RssProvider(clock, 1_000, env or {})
            return await provider.fetch(ask, Http(client, clock=clock, rng=Random(1)))

    return asyncio.run(go())


def _never(request: httpx.Request) -> httpx.Response:
    raise AssertionError(request.url)


def test_a_feed_is_asked_whether_it_has_anything_new() -> None:
    asked: list[httpx.Request] = []

    def unchanged(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(304)

    fetched = _fetch(unchanged)
    assert asked[0].headers["if-none-match"] == '"old"'
    assert asked[0].headers["if-modified-since"] == "Thu, 19 Nov 2026 09:00:00 GMT"
    assert "application/rss+xml" in asked[0].headers["accept"]
    assert fetched == Fetched((), KNOWN, 1)


def test_an_answer_is_kept_as_it_came_with_its_validators() -> None:
    headers = {"etag": '"new"', "content-type": "application/rss+xml", "server": "x"}
    fetched = _fetch(lambda _: httpx.Response(200, headers=headers, content=b"<rss/>"))
    (response,) = fetched.responses
    assert (response.body, response.status, response.mode) == (b"<rss/>", 200, "live")
    assert (response.source_id, response.client_id, response.provider) == ("s-1", "kiln", "rss")
    assert response.fetched_at == NOW
    assert json.loads(response.request) == {"method": "GET", "url": FEED}
    assert dict(response.headers) == {"etag": '"new"', "content-type": "application/rss+xml"}
    # A validator that was not given again would ask for another version than the one that is kept.
    assert fetched.state == SourceState(etag='"new"', last_modified=None)


def test_an_unchanged_feed_may_give_a_new_validator() -> None:
    fetched = _fetch(lambda _: httpx.Response(304, headers={"etag": '"newer"'}))
    assert fetched.state == replace(KNOWN, etag='"newer"')


def test_a_past_day_is_asked_without_conditions_and_leaves_no_trace() -> None:
    asked: list[httpx.Request] = []

    def moved(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.url.path == "/acme.xml":
            return httpx.Response(301, headers={"location": "/new.xml"})
        return httpx.Response(200, headers={"etag": '"new"'}, content=b"<rss/>")

    fetched = _fetch(moved, is_today=False)
    assert len(fetched.responses) == 1
    assert fetched.state == KNOWN
    assert not {"if-none-match", "if-modified-since"} & set(asked[0].headers)


def test_a_feed_that_moved_for_good_is_asked_at_its_new_place_from_then_on() -> None:
    asked: list[str] = []

    def moved(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        if request.url.path == "/acme.xml":
            return httpx.Response(301, headers={"location": "https://new.example/a.xml"})
        return httpx.Response(200, content=b"<rss/>")

    first = _fetch(moved, state=SourceState())
    assert first.state.moved_to == "https://new.example/a.xml"
    again = _fetch(moved, state=first.state)
    assert asked == [FEED, "https://new.example/a.xml", "https://new.example/a.xml"]
    assert again.state.moved_to == "https://new.example/a.xml"


def test_a_feed_that_is_elsewhere_for_now_is_asked_at_its_own_place_again() -> None:
    def elsewhere(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/acme.xml":
            return httpx.Response(302, headers={"location": "/tmp.xml"})
        return httpx.Response(200, content=b"<rss/>")

    assert _fetch(elsewhere, state=SourceState()).state.moved_to is None


def test_a_feed_that_is_gone_is_not_asked() -> None:
    with pytest.raises(PermanentError) as caught:
        _fetch(_never, state=SourceState(gone_at=NOW))
    assert str(caught.value) == (
        f"The feed {FEED} has been gone since 2026-11-20. Remove it from the tenant file."
    )


def test_a_secret_comes_from_the_environment_and_is_kept_nowhere() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if "/new" not in request.url.path:
            return httpx.Response(301, headers={"location": "/new?key=hush"})
        return httpx.Response(200, content=b"<rss/>")

    fetched = _fetch(answer, location=f"{FEED}?key=${{WIRE_KEY}}", env={"WIRE_KEY": "hush"})
    assert str(asked[0].url) == f"{FEED}?key=hush"
    assert "hush" not in repr(fetched)
    assert json.loads(fetched.responses[0].request)["url"] == f"{FEED}?key=${{WIRE_KEY}}"


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(AuthenticationError, match="needs the variable WIRE_KEY, which is not set"):
        _fetch(_never, location=f"{FEED}?key=${{WIRE_KEY}}")


def test_user_and_password_of_an_address_are_not_kept() -> None:
    fetched = _fetch(
        lambda _: httpx.Response(200, content=b"<rss/>"),
        location="https://reader:${WIRE_KEY}@feeds.example/acme.xml",
        env={"WIRE_KEY": "hush"},
    )
    assert json.loads(fetched.responses[0].request)["url"] == FEED


def test_a_feed_that_is_too_large_is_given_up() -> None:
    with pytest.raises(PermanentError, match="larger than 1,000 bytes"):
        _fetch(lambda _: httpx.Response(200, content=b"x" * 1_001))
