"""The HTTP layer: retries, Retry-After, limits, redirects, and a fault for every failure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientlore import __version__
from clientlore.clock import FrozenClock
from clientlore.errors import AuthenticationError, PermanentError, ProviderError, RetriableError
from clientlore.providers.http import (
    BASE_DELAY,
    LONGEST_WAIT,
    Http,
    HttpResponse,
    open_client,
    retry_after,
)

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
URL = "https://feeds.example/acme.xml?key=secret"
Answers = Sequence[httpx.Response | Exception]


class HighestJitter(Random):
    """Draws the longest wait there may be."""

    def uniform(self, a: float, b: float) -> float:
        assert a == 0
        return b


@dataclass
class Wire:
    """Answers one after another, the last one for ever; remembers what was asked and slept."""

    answers: Answers
    asked: list[httpx.Request] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def get(self, *, max_bytes: int = 1_000, url: str = URL, **options: Any) -> HttpResponse:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        async def ask() -> HttpResponse:
            transport = httpx.MockTransport(self._answer)
            async with open_client(5, transport=transport) as client:
                given = {"clock": FrozenClock(NOW), "rng": Random(1), "sleep": sleep, **options}
                headers = {"if-none-match": '"e1"'}
                return await Http(client, **given).get(url, headers=headers, max_bytes=max_bytes)

        return asyncio.run(ask())

    def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _say(status: int, body: bytes = b"", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, content=body)


def _fault(wire: Wire, kind: type[ProviderError], **options: Any) -> ProviderError:
    with pytest.raises(kind) as caught:
        wire.get(**options)
    assert "secret" not in str(caught.value)
    return caught.value


def test_an_answer_carries_status_body_and_the_headers_that_matter() -> None:
    answer = _say(200, b"<rss/>", etag='"e2"', last_modified="yesterday", set_cookie="a=b", x="y")
    wire = Wire([answer])
    got = wire.get()
    assert (got.status, got.body, got.url, got.attempts) == (200, b"<rss/>", URL, 1)
    assert dict(got.headers) == {"etag": '"e2"', "last-modified": "yesterday"}
    assert got.moved_to is None
    assert wire.slept == []


def test_a_request_says_who_asks_and_what_is_known() -> None:
    wire = Wire([_say(304)])
    assert wire.get().status == 304
    assert wire.asked[0].headers["user-agent"] == f"Clientlore/{__version__}"
    assert wire.asked[0].headers["if-none-match"] == '"e1"'


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_asked_again(status: int) -> None:
    wire = Wire([_say(status), _say(status), _say(200, b"ok")])
    got = wire.get()
    assert (got.body, got.attempts) == (b"ok", 3)
    assert len(wire.slept) == 2


def test_waits_are_drawn_from_nought_to_a_bound_that_doubles() -> None:
    wire = Wire([_say(500)])
    _fault(wire, RetriableError, attempts=8, rng=HighestJitter())
    bounds = [min(LONGEST_WAIT, BASE_DELAY * 2**n) for n in range(1, 8)]
    assert wire.slept == bounds == [1, 2, 4, 8, 16, 20, 20]
    drawn = Wire([_say(500)])
    _fault(drawn, RetriableError, attempts=8, rng=Random(7))
    rng = Random(7)
    assert drawn.slept == [rng.uniform(0, bound) for bound in bounds]


def test_after_the_last_try_it_says_what_the_server_said() -> None:
    wire = Wire([_say(503)])
    error = _fault(wire, RetriableError, attempts=3)
    assert str(error) == ("feeds.example answered 503 Service Unavailable. It will be asked again.")
    assert isinstance(error, RetriableError)
    assert error.retry_after is None
    assert len(wire.asked) == 3
    assert len(wire.slept) == 2


@pytest.mark.parametrize(
    "asked_for", ["7", format_datetime(NOW + timedelta(seconds=7), usegmt=True)]
)
def test_a_short_wait_that_the_server_asks_for_is_kept_to_the_second(asked_for: str) -> None:
    wire = Wire([_say(429, retry_after=asked_for), _say(200, b"ok")])
    assert wire.get().body == b"ok"
    assert wire.slept == [7.0]


@pytest.mark.parametrize(
    "asked_for", ["3600", format_datetime(NOW + timedelta(hours=1), usegmt=True)]
)
def test_a_long_wait_is_left_to_a_later_run(asked_for: str) -> None:
    wire = Wire([_say(503, retry_after=asked_for)])
    error = _fault(wire, RetriableError)
    assert isinstance(error, RetriableError)
    assert error.retry_after == 3600.0
    assert wire.slept == []
    assert len(wire.asked) == 1


@pytest.mark.parametrize(
    ("status", "kind", "detail"),
    [
        (400, PermanentError, ""),
        (404, PermanentError, ""),
        (410, PermanentError, "gone"),
        (401, AuthenticationError, ""),
        (403, AuthenticationError, ""),
        (204, PermanentError, ""),
    ],
)
def test_what_will_not_pass_is_asked_once(
    status: int, kind: type[ProviderError], detail: str
) -> None:
    wire = Wire([_say(status)])
    error = _fault(wire, kind)
    assert error.detail == detail
    assert str(error).startswith(f"feeds.example answered {status}")
    assert len(wire.asked) == 1
    assert wire.slept == []


def test_an_answer_may_be_as_large_as_the_limit_and_no_larger() -> None:
    assert len(Wire([_say(200, b"x" * 1_000)]).get(max_bytes=1_000).body) == 1_000
    wire = Wire([_say(200, b"x" * 1_001)])
    error = _fault(wire, PermanentError, max_bytes=1_000)
    assert str(error).startswith("The answer of feeds.example is larger than 1,000 bytes")
    assert len(wire.asked) == 1


@pytest.mark.parametrize(
    ("hops", "moved_to"),
    [
        ([301], "https://new.example/0"),
        ([308], "https://new.example/0"),
        ([301, 308], "https://new.example/1"),
        ([302], None),
        ([307], None),
        ([301, 302], None),
        ([302, 301], None),
    ],
)
def test_only_a_way_that_moved_for_good_gives_a_new_address(
    hops: list[int], moved_to: str | None
) -> None:
    answers = [_say(s, location=f"https://new.example/{n}") for n, s in enumerate(hops)]
    got = Wire([*answers, _say(200, b"ok")]).get()
    assert got.body == b"ok"
    assert got.moved_to == moved_to
    assert got.url == f"https://new.example/{len(hops) - 1}"


def test_a_circle_of_redirects_is_given_up_without_telling_the_address() -> None:
    wire = Wire([_say(301, location=URL)])
    error = _fault(wire, PermanentError)
    assert str(error).startswith("feeds.example cannot be asked")
    assert len(wire.asked) == 6


@pytest.mark.parametrize(
    "url",
    ["ftp://feeds.example/?key=secret", "http://℀.example/?key=secret", "https:///?key=secret"],
)
def test_an_address_that_cannot_be_asked_is_no_matter_of_trying_again(url: str) -> None:
    async def ask() -> HttpResponse:
        async with open_client(5) as client:
            http = Http(client, clock=FrozenClock(NOW), rng=Random(1))
            return await http.get(url, max_bytes=10)

    with pytest.raises(PermanentError) as caught:
        asyncio.run(ask())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (httpx.ReadTimeout("slow"), "feeds.example did not answer in time"),
        (httpx.ConnectError("refused"), "feeds.example cannot be reached (refused)"),
        (httpx.RemoteProtocolError("cut"), "feeds.example cannot be reached (cut)"),
        (httpx.ConnectError(""), "feeds.example cannot be reached (ConnectError)"),
        (
            httpx.DecodingError("no gzip"),
            "The answer of feeds.example cannot be unpacked (no gzip)",
        ),
    ],
)
def test_trouble_on_the_way_is_tried_again_and_then_told(failure: Exception, said: str) -> None:
    assert Wire([failure, _say(200, b"ok")]).get().attempts == 2
    wire = Wire([failure])
    assert str(_fault(wire, RetriableError)).startswith(said)
    assert len(wire.asked) == 3


def test_a_call_that_takes_longer_than_its_deadline_is_cut_off() -> None:
    async def ask() -> HttpResponse:
        async def never(_request: httpx.Request) -> httpx.Response:
            await asyncio.Event().wait()
            raise AssertionError

        async with open_client(60, transport=httpx.MockTransport(never)) as client:
            http = Http(
                client, clock=FrozenClock(NOW), rng=Random(1), attempts=1, deadline_seconds=0.02
            )
            return await http.get(URL, max_bytes=10)

    with pytest.raises(RetriableError, match="did not answer in time"):
        asyncio.run(ask())


def test_no_more_calls_than_allowed_run_at_once() -> None:
    running, most = 0, 0

    async def slow(_request: httpx.Request) -> httpx.Response:
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        await asyncio.sleep(0.005)
        running -= 1
        return _say(200, b"ok")

    async def ask() -> None:
        async with open_client(5, transport=httpx.MockTransport(slow)) as client:
            http = Http(client, clock=FrozenClock(NOW), rng=Random(1), concurrency=3)
            await asyncio.gather(*(http.get(URL, max_bytes=10) for _ in range(9)))

    asyncio.run(ask())
    assert most == 3


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Fri, 20 Nov 2026 09:02:00 GMT", 120.0),
        ("Fri, 20 Nov 2026 11:02:00 +0200", 120.0),
        ("Fri, 20 Nov 2026 09:02:00 -0000", 120.0),
        ("Fri, 20 Nov 2026 08:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("Fri, 20 Nov 2026 09:02:00 +9999", None),
        ("", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.integers(0, 10**8), st.integers(-14 * 60, 14 * 60))
def test_a_date_of_any_zone_is_the_same_wait(seconds: int, minutes: int) -> None:
    there = (NOW + timedelta(seconds=seconds)).astimezone(timezone(timedelta(minutes=minutes)))
    assert retry_after(format_datetime(there), NOW) == seconds


@given(st.text(max_size=40))
def test_whatever_a_server_writes_there_is_a_wait_or_nothing(value: str) -> None:
    seconds = retry_after(value, NOW)
    assert seconds is None or seconds >= 0
