"""What an account may ask: the bucket, the server's windows, the breaker, and what the HTTP layer makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientlore.clock import FrozenClock
from clientlore.errors import (
    AuthenticationError,
    BadDataError,
    PermanentError,
    ProviderError,
    QuotaExhaustedError,
    RetriableError,
)
from clientlore.providers.http import Http, HttpResponse, Said, open_client
from clientlore.providers.limits import (
    OPEN_FOR,
    OPEN_FOR_QUOTA,
    Allowance,
    Breaker,
    Limits,
    TokenBucket,
    Window,
    windows,
)

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
URL = "https://api.example/search"
ACCOUNT = Allowance("example:1", rate=10, burst=2)


@given(st.floats(0.1, 1_000), st.integers(1, 50), st.lists(st.floats(0, 5), min_size=1))
def test_a_bucket_never_lets_more_through_than_burst_and_rate_allow(
    rate: float, burst: int, pauses: list[float]
) -> None:
    bucket, now, used = TokenBucket(rate, burst), 100.0, []
    for pause in pauses * 3:
        now += pause
        wait = bucket.wait(now)
        assert wait is not None
        used.append(now + wait)
    assert used == sorted(used)
    for first, start in enumerate(used):
        for last in range(first, len(used)):
            allowed = burst + (used[last] - start) * rate
            assert last - first + 1 <= allowed + 1e-3


def test_a_bucket_gives_its_burst_at_once_and_then_the_rate() -> None:
    bucket = TokenBucket(10, 3)
    waits = [bucket.wait(5.0) or 0.0 for _ in range(6)]
    assert waits == pytest.approx([0, 0, 0, 0.1, 0.2, 0.3])


def test_a_turn_that_is_too_far_away_is_not_taken() -> None:
    bucket = TokenBucket(1, 1)
    assert bucket.wait(0.0) == 0
    assert bucket.wait(0.0, at_most=0.5) is None
    assert bucket.wait(0.0) == 1


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (
            {"x-ratelimit-remaining": "0, 14999", "x-ratelimit-reset": "1, 1419704"},
            [Window(0, 1.0), Window(14999, 1419704.0)],
        ),
        ({"ratelimit-remaining": "5", "ratelimit-reset": "30"}, [Window(5, 30.0)]),
        (
            {
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": str(int(NOW.timestamp()) + 90),
            },
            [Window(0, 90.0)],
        ),
        ({"x-ratelimit-remaining": "many", "x-ratelimit-reset": "1"}, []),
        ({"x-ratelimit-remaining": "1"}, []),
        ({}, []),
    ],
)
def test_rate_headers_are_read_in_every_form_that_servers_write(
    headers: dict[str, str], found: list[Window]
) -> None:
    assert windows(headers, NOW) == found


@pytest.mark.parametrize(
    ("error", "failures", "pause"),
    [
        (RetriableError("down"), 5, OPEN_FOR),
        (AuthenticationError("refused"), 3, OPEN_FOR),
        (QuotaExhaustedError("used up"), 1, OPEN_FOR_QUOTA),
    ],
)
def test_a_breaker_opens_after_so_many_failures_and_repeats_their_fault_for_a_while(
    error: ProviderError, failures: int, pause: timedelta
) -> None:
    breaker = Breaker()
    for _ in range(failures):
        breaker.check(NOW)
        breaker.failed(error, NOW)
    with pytest.raises(type(error), match=f"{error.what}; not asked again before") as caught:
        breaker.check(NOW)
    breaker.failed(caught.value, NOW + pause / 2)
    with pytest.raises(type(error)) as again:
        breaker.check(NOW + pause / 2)
    assert str(again.value) == str(caught.value)
    breaker.check(NOW + pause)
    breaker.succeeded()
    breaker.failed(RetriableError("down"), NOW + pause)
    breaker.check(NOW + pause)


def test_after_its_pause_one_more_failure_opens_a_breaker_again() -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(RetriableError("down"), NOW)
    later = NOW + OPEN_FOR
    breaker.check(later)
    breaker.failed(RetriableError("still down"), later)
    with pytest.raises(RetriableError, match="still down"):
        breaker.check(later)


@pytest.mark.parametrize("error", [PermanentError("gone"), BadDataError("odd")])
def test_what_concerns_one_request_alone_opens_no_breaker(error: ProviderError) -> None:
    breaker = Breaker()
    for _ in range(50):
        breaker.failed(error, NOW)
    breaker.check(NOW)


@dataclass
class Wire:
    """A server and a clock of seconds that moves when somebody sleeps."""

    answer: Callable[[httpx.Request], httpx.Response]
    asked: list[httpx.Request] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    now: float = 0.0
    clock: FrozenClock = field(default_factory=lambda: FrozenClock(NOW))
    limits: Limits = field(default_factory=Limits)

    def ask(self, *calls: dict[str, Any], attempts: int = 1) -> list[HttpResponse | BaseException]:
        async def sleep(seconds: float) -> None:
            self.now += seconds

        def answer(request: httpx.Request) -> httpx.Response:
            self.asked.append(request)
            self.at.append(self.now)
            return self.answer(request)

        async def all_of_them() -> list[HttpResponse | BaseException]:
            transport = httpx.MockTransport(answer)
            async with open_client(5, transport=transport) as client:
                http = Http(
                    client, clock=self.clock, rng=Random(1), sleep=sleep, attempts=attempts,
                    limits=self.limits, monotonic=lambda: self.now,
                )  # fmt: skip
                said: list[HttpResponse | BaseException] = []
                for call in calls:
                    try:
                        said.append(await http.request(**{"method": "GET", "url": URL, **call}))
                    except ProviderError as error:
                        said.append(error)
                return said

        return asyncio.run(all_of_them())


def test_a_request_sends_its_query_its_json_and_its_headers() -> None:
    wire = Wire(lambda _: httpx.Response(207, json={"ok": True}))
    (got,) = wire.ask(
        {"method": "POST", "params": {"page": 2}, "json": {"q": "Acme"}, "headers": {"x-key": "k"}}
    )
    assert isinstance(got, HttpResponse)
    assert (got.status, got.body) == (207, b'{"ok":true}')
    (sent,) = wire.asked
    assert (sent.method, sent.url.params["page"], sent.content) == ("POST", "2", b'{"q":"Acme"}')
    assert (sent.headers["x-key"], sent.headers["content-type"]) == ("k", "application/json")
    (raw,) = wire.ask({"method": "PUT", "content": b"raw"})
    assert isinstance(raw, HttpResponse)
    assert wire.asked[-1].content == b"raw"


def test_a_key_does_not_follow_a_redirect() -> None:
    wire = Wire(lambda _: httpx.Response(302, headers={"location": "https://evil.example/"}))
    (got,) = wire.ask({"headers": {"x-key": "k"}})
    assert isinstance(got, PermanentError)
    assert [r.url.host for r in wire.asked] == ["api.example"]


def test_an_account_is_asked_at_its_rate() -> None:
    wire = Wire(lambda _: httpx.Response(200))
    wire.ask(*[{"allowance": ACCOUNT}] * 5)
    assert wire.at == pytest.approx([0, 0, 0.1, 0.2, 0.3])


def test_retries_take_tokens_too() -> None:
    answers = iter([httpx.Response(500), httpx.Response(500), httpx.Response(200)])
    wire = Wire(lambda _: next(answers))
    slow = Allowance("slow", rate=0.01)
    (got,) = wire.ask({"allowance": slow}, attempts=3)
    assert isinstance(got, HttpResponse)
    assert wire.at == pytest.approx([0, 100, 200])


def test_the_account_waits_as_long_as_its_server_says() -> None:
    spent = {"x-ratelimit-remaining": "0, 99", "x-ratelimit-reset": "7, 9999999"}
    wire = Wire(lambda _: httpx.Response(200, headers=spent))
    wire.ask({"allowance": ACCOUNT}, {"allowance": ACCOUNT})
    assert wire.at == pytest.approx([0, 7])
    told = iter([httpx.Response(429, headers={"retry-after": "9"}), httpx.Response(200)])
    wire = Wire(lambda _: next(told))
    wire.ask({"allowance": ACCOUNT}, {"allowance": ACCOUNT})
    assert wire.at == pytest.approx([0, 9])


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (402, {}),
        (429, {"x-ratelimit-remaining": "0, 0", "x-ratelimit-reset": "1, 1419704"}),
    ],
)
def test_a_used_up_account_is_not_asked_again_before_a_quarter_of_an_hour_has_passed(
    status: int, headers: dict[str, str]
) -> None:
    wire = Wire(lambda _: httpx.Response(status, headers=headers))
    first, second = wire.ask({"allowance": ACCOUNT}, {"allowance": ACCOUNT}, attempts=3)
    assert isinstance(first, QuotaExhaustedError)
    assert isinstance(second, QuotaExhaustedError)
    assert len(wire.asked) == 1
    wire.clock.advance(OPEN_FOR_QUOTA)
    wire.ask({"allowance": ACCOUNT})
    assert len(wire.asked) == 2


def test_other_accounts_go_on_while_one_is_refused() -> None:
    wire = Wire(lambda request: httpx.Response(401 if request.headers["x-key"] == "bad" else 200))
    bad = {"allowance": Allowance("bad", 100, 10), "headers": {"x-key": "bad"}}
    good = {"allowance": Allowance("good", 100, 10), "headers": {"x-key": "good"}}
    *_, last, other = wire.ask(bad, bad, bad, bad, bad, good)
    assert isinstance(last, AuthenticationError)
    assert "not asked again before 09:01:00 UTC" in str(last)
    assert isinstance(other, HttpResponse)
    assert len(wire.asked) == 4


def test_who_would_wait_too_long_for_a_turn_is_left_for_a_later_run() -> None:
    wire = Wire(lambda _: httpx.Response(200))
    slow = Allowance("slow", rate=0.001)
    _, late = wire.ask({"allowance": slow}, {"allowance": slow})
    assert isinstance(late, RetriableError)
    assert "rate of 0.001 a second" in str(late)
    assert len(wire.asked) == 1


def test_the_judge_sees_refusals_and_answers_and_its_word_counts() -> None:
    seen: list[Said] = []

    def judge(said: Said) -> ProviderError | None:
        seen.append(said)
        if said.body.startswith(b"Please limit"):
            return RetriableError("slow down", retry_after=0)
        return QuotaExhaustedError("used up") if said.status == 432 else None

    answers = iter(
        [
            httpx.Response(200, content=b"Please limit requests"),
            httpx.Response(200, content=b"{}"),
            httpx.Response(432, content=b"x" * 9_000),
            httpx.Response(404, content=b"no"),
        ]
    )
    wire = Wire(lambda _: next(answers))
    got = wire.ask({"judge": judge}, {"judge": judge}, {"judge": judge}, attempts=2)
    assert [type(g) for g in got] == [HttpResponse, QuotaExhaustedError, PermanentError]
    assert got[0].attempts == 2  # type: ignore[union-attr]
    assert [(s.status, len(s.body)) for s in seen] == [(200, 21), (200, 2), (432, 4_000), (404, 2)]
    assert {s.host for s in seen} == {"api.example"}
