"""The rerank endpoint behind the HTTP layer: what is sent, what is made of answers and refusals, and who is chosen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from clientlore.clock import FrozenClock
from clientlore.errors import (
    AuthenticationError,
    BadDataError,
    ConfigurationError,
    PermanentError,
    ProviderError,
    QuotaExhaustedError,
    RetriableError,
)
from clientlore.providers.limits import Limits
from clientlore.providers.reranking.choosing import missing, reranker_for
from clientlore.providers.reranking.http import HttpReranker, tokens_of
from clientlore.providers.reranking.mock import MockReranker
from clientlore.settings import Settings, load_settings

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
URL = "https://rank.example/v2/rerank"
KEY = "rk-secret"
Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def ranked(*pairs: tuple[int, float], **more: Any) -> httpx.Response:
    results = [{"index": n, "relevance_score": score} for n, score in pairs]
    return httpx.Response(200, json={"results": results, **more})


@dataclass
class Endpoint:
    """Answers one after another, the last one for ever; remembers what was asked and slept."""

    answers: Sequence[Answer]
    asked: list[httpx.Request] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    clock: FrozenClock = field(default_factory=lambda: FrozenClock(NOW))
    limits: Limits = field(default_factory=Limits)

    def reranker(self, **options: Any) -> HttpReranker:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        given: dict[str, Any] = {
            "api_key": SecretStr(KEY), "clock": self.clock, "limits": self.limits, "rng": Random(1),
            "sleep": sleep, "transport": httpx.MockTransport(self._answer), **options,
        }  # fmt: skip
        return HttpReranker("rank-1", URL, **given)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)


def test_one_call_asks_about_all_texts_and_gives_their_relevance_in_their_order() -> None:
    end = Endpoint([ranked((1, 0.9), (2, 0.5), (0, -1.5), usage={"total_tokens": 41})])
    made = end.reranker()
    assert made.rerank("Who runs it?", ["Ann", "Bo runs it", ""]) == (-1.5, 0.9, 0.5)
    (asked,) = end.asked
    assert (asked.method, str(asked.url)) == ("POST", URL)
    assert json.loads(asked.content) == {
        "model": "rank-1",
        "query": "Who runs it?",
        "documents": ["Ann", "Bo runs it", " "],
        "top_n": 3,
    }
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert (made.calls, made.tokens) == (1, 41)
    assert made.rerank("Who?", []) == ()
    assert len(end.asked) == 1


def test_a_server_that_wants_no_key_is_sent_none_and_tokens_it_does_not_tell_are_reckoned() -> None:
    meta = {"billed_units": {"search_units": 1}}
    end = Endpoint([ranked((0, 0.2), (1, 0.1), meta=meta)])
    made = end.reranker(api_key=None)
    made.rerank("abcd", ["efghij", "kl"])
    assert "authorization" not in end.asked[0].headers
    assert made.tokens == tokens_of("abcd", ["efghij", "kl"]) == 4


def test_code_that_runs_in_a_loop_can_ask_too() -> None:
    made = Endpoint([ranked((0, 0.2), (1, 0.1))]).reranker()

    async def notebook() -> tuple[float, ...]:
        return made.rerank("a", ["b", "c"])

    assert asyncio.run(notebook()) == (0.2, 0.1)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, json=[{"index": 0, "score": 0.5}, {"index": 1, "score": 0.1}]),
        httpx.Response(200, content=b'{"results": [{"index": 0, "relevance_score": NaN}]}'),
        ranked((0, 0.5)),
        ranked((0, 0.5), (0, 0.4)),
        ranked((0, 0.5), (2, 0.4)),
        ranked((-1, 0.5), (0, 0.4)),
        ranked((0, 0.5), (1, 0.4), (1, 0.3)),
    ],
)
def test_what_is_no_ranking_of_the_texts_is_bad_data(answer: httpx.Response) -> None:
    with pytest.raises(BadDataError, match="Text Embeddings Inference has another shape"):
        Endpoint([answer]).reranker().rerank("a", ["b", "c"])


@pytest.mark.parametrize(
    ("status", "kind", "calls"),
    [
        (401, AuthenticationError, 1),
        (403, AuthenticationError, 1),
        (402, QuotaExhaustedError, 1),
        (400, PermanentError, 1),
        (404, PermanentError, 1),
        (422, PermanentError, 1),
        (308, PermanentError, 1),
        (429, RetriableError, 3),
        (503, RetriableError, 3),
    ],
)
def test_a_refusal_is_the_fault_that_it_means_and_repeats_neither_key_nor_texts(
    status: int, kind: type[ProviderError], calls: int
) -> None:
    body = {"message": f"{KEY} may not read 'Bo Lind'", "code": f"{KEY} Bo Lind"}
    end = Endpoint([httpx.Response(status, json=body, headers={"location": "https://x.example"})])
    made = end.reranker()
    with pytest.raises(kind) as caught:
        made.rerank("a", ["Bo Lind", "b"])
    assert (len(end.asked), made.calls, made.tokens) == (calls, calls, 0)
    assert KEY not in str(caught.value)
    assert "Bo Lind" not in str(caught.value)
    assert caught.value.next_step


def test_what_may_pass_is_asked_again_after_as_long_as_the_server_says() -> None:
    busy = httpx.Response(429, headers={"retry-after": "3"})
    end = Endpoint([busy, ranked((0, 0.2), (1, 0.1))])
    assert end.reranker().rerank("a", ["b", "c"]) == (0.2, 0.1)
    assert (len(end.asked), end.slept[0]) == (2, 3.0)
    end = Endpoint([httpx.ConnectError("refused"), ranked((0, 0.2), (1, 0.1))])
    made = end.reranker()
    assert made.rerank("a", ["b", "c"]) == (0.2, 0.1)
    assert made.calls == 2
    assert 0 <= end.slept[0] <= 2.0
    end = Endpoint([httpx.Response(429, headers={"retry-after": "90"})])
    with pytest.raises(RetriableError):
        end.reranker().rerank("a", ["b", "c"])
    assert (len(end.asked), end.slept) == (1, [])


def test_a_silent_server_is_given_up_and_after_five_times_left_alone_for_a_minute() -> None:
    class Silent(httpx.AsyncBaseTransport):
        asked = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.asked += 1
            await asyncio.sleep(60)
            raise AssertionError

    end, silent = Endpoint([]), Silent()
    made = end.reranker(transport=silent, timeout=0.01)
    for _ in range(6):
        with pytest.raises(RetriableError, match="gave no answer within"):
            made.rerank("a", ["b", "c"])
    assert silent.asked == 5
    end.clock.advance(timedelta(minutes=2))
    with pytest.raises(RetriableError):
        made.rerank("a", ["b", "c"])
    assert silent.asked == 6


def chosen(tmp_path: Path, **env: str) -> Settings:
    return load_settings({k.upper(): v for k, v in env.items()}, start=tmp_path)


def test_nobody_reranks_unless_a_model_and_its_address_are_named(tmp_path: Path) -> None:
    clock, limits = FrozenClock(NOW), Limits()
    assert reranker_for(chosen(tmp_path), clock, limits) is None
    assert missing(chosen(tmp_path).rerank) == ("RERANK_MODEL", "RERANK_URL")
    both = chosen(tmp_path, rerank_model="rank-1", rerank_url=URL, rerank_api_key=KEY)
    made = reranker_for(both, clock, limits)
    assert isinstance(made, HttpReranker)
    assert (made.model, made.mode) == ("rank-1", "live")
    assert KEY not in repr(both)
    for half, absent in (
        ({"rerank_model": "m"}, "RERANK_URL"),
        ({"rerank_url": URL}, "RERANK_MODEL"),
    ):
        with pytest.raises(ConfigurationError, match=f"without {absent}"):
            reranker_for(chosen(tmp_path, **half), clock, limits)


@pytest.mark.parametrize(
    "url", ["rank.example", "ftp://rank.example", "https://ann:pw@rank.example", f"{URL}?key=1"]
)
def test_an_address_holds_no_secret_and_is_one_of_the_web(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError, match="RERANK_URL: ") as caught:
        chosen(tmp_path, rerank_model="m", rerank_url=url)
    assert url not in str(caught.value)


def test_the_mock_is_chosen_by_name_marked_and_counts_common_words(tmp_path: Path) -> None:
    made = reranker_for(chosen(tmp_path, rerank_model="mock"), FrozenClock(NOW), Limits())
    assert isinstance(made, MockReranker)
    assert made.mode == "mock"
    assert made.rerank("A new plant?", ["A plant", "NEW: a plant", "mine"]) == (2 / 3, 1, 0)
