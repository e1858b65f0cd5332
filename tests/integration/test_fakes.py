"""What the fakes of the providers share: a log, and faults that come when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from clientlore.testing.fakes.serving import Fake, Fault, serving


def part(_fake: Fake) -> Sequence[Route]:
    async def hello(request: Request) -> JSONResponse:
        return JSONResponse({"hello": request.query_params.get("name")})

    return [Route("/hello/world", hello)]


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def address(fake: Fake) -> Iterator[str]:
    with serving(fake, [part]) as found:
        yield found


def test_what_is_asked_is_in_the_log(fake: Fake, address: str) -> None:
    answer = httpx.get(f"{address}/hello/world", params={"name": "Ann"}, headers={"X-Key": "k"})
    assert answer.json() == {"hello": "Ann"}
    (asked,) = fake.asked("/hello")
    assert (asked.method, asked.path, asked.query, asked.status) == (
        "GET",
        "/hello/world",
        {"name": "Ann"},
        200,
    )
    assert asked.headers["x-key"] == "k"


def test_faults_come_one_request_each_in_their_order_and_then_no_more(
    fake: Fake, address: str
) -> None:
    fake.fail("/hello", Fault(429, b"slow down", {"Retry-After": "2"}), Fault(cut_to=5))
    first, second, third = (httpx.get(f"{address}/hello/world") for _ in range(3))
    assert (first.status_code, first.text, first.headers["retry-after"]) == (429, "slow down", "2")
    assert second.text == '{"hel'
    assert third.json() == {"hello": None}
    assert [asked.status for asked in fake.asked()] == [429, 200, 200]


def test_a_silent_fake_makes_its_client_wait(address: str, fake: Fake) -> None:
    fake.fail("/", Fault(seconds=0.5))
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{address}/hello/world", timeout=0.1)
