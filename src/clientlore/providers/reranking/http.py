"""Relevance from an endpoint that takes `{model, query, documents, top_n}` and gives `{results: [{index, ...}]}`.

Cohere (v2), Jina, vLLM and many gateways speak this. Text Embeddings Inference does not: its `/rerank` takes `texts`
and gives a list.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Annotated, Any

import httpx
from pydantic import BaseModel, Field, SecretStr, ValidationError

from clientlore.clock import Clock
from clientlore.control.model import Mode
from clientlore.errors import BadDataError, PermanentError, ProviderError
from clientlore.ids import stable_id
from clientlore.providers.http import Http, HttpResponse, Said, open_client
from clientlore.providers.limits import Allowance, Limits
from clientlore.providers.llm.faults import TimedOutError, by_status
from clientlore.providers.refusals import code_and_message
from clientlore.providers.waiting import run

CHARS_PER_TOKEN = 4
RATE = 20.0
"""Calls a second of one account, and as many at once."""
TITLE = "The rerank endpoint"
VARIABLE = "RERANK_API_KEY"
_SHAPE = (
    "RERANK_URL must name an endpoint that takes model, query, documents and top_n, as those of Cohere, Jina and vLLM "
    "do; Text Embeddings Inference has another shape"
)


class _Result(BaseModel):
    index: int
    relevance_score: Annotated[float, Field(allow_inf_nan=False)]


class _Usage(BaseModel):
    total_tokens: Annotated[int, Field(ge=0)] | None = None


class _Answer(BaseModel):
    """What every such endpoint says; what else it says differs and is left alone."""

    results: list[_Result]
    usage: _Usage | None = None


class HttpReranker:
    """Asks an endpoint, and counts the calls and the tokens that it took.

    Args:
        model: Its name at the endpoint.
        url: The whole address, such as `https://api.cohere.com/v2/rerank`.
        api_key: None for a server that wants none.
        attempts: How often it is asked at most.
        timeout: Seconds after which it is given up, retries among them: somebody waits.
        ca: Certificates that are trusted besides the usual ones.
        transport: How requests travel; the network if not given.
    """

    mode: Mode = "live"

    def __init__(
        self,
        model: str,
        url: str,
        *,
        api_key: SecretStr | None,
        clock: Clock,
        limits: Limits | None = None,
        attempts: int = 3,
        timeout: float = 10.0,
        ca: Any = None,
        rng: Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.model = model
        self._url = url
        self._key = api_key
        self._clock = clock
        self._limits = limits or Limits()
        self._attempts = attempts
        self._timeout = timeout
        self._ca = ca
        self._rng = rng or Random()  # noqa: S311 - how long to wait before a retry is no secret
        self._sleep = sleep
        self._transport = transport
        account = stable_id(url, "" if api_key is None else api_key.get_secret_value(), size=4)
        self._allowance = Allowance(f"rerank:{account}", RATE, int(RATE))
        self.calls = self.tokens = 0

    def close(self) -> None:
        """Nothing stays open between calls."""

    def rerank(self, query: str, texts: Sequence[str]) -> tuple[float, ...]:
        """See `Reranker.rerank`. One call, whatever the number of texts.

        Raises:
            ProviderError: The endpoint did not answer, or not with a relevance for each text.
        """
        if not texts:
            return ()
        documents = [text or " " for text in texts]  # an empty one is refused by some
        answer = self._read(run(self._asked(query, documents)))
        by_index = {one.index: one.relevance_score for one in answer.results}
        if len(answer.results) != len(texts) or set(by_index) != set(range(len(texts))):
            raise BadDataError(
                f"{self.model} ranked {len(answer.results)} texts and was asked about {len(texts)}",
                f"{_SHAPE}.",
            )
        told = None if answer.usage is None else answer.usage.total_tokens
        self.tokens += tokens_of(query, documents) if told is None else told
        return tuple(by_index[n] for n in range(len(texts)))

    async def _asked(self, query: str, documents: list[str]) -> HttpResponse:
        key = (
            {} if self._key is None else {"authorization": f"Bearer {self._key.get_secret_value()}"}
        )
        options: dict[str, Any] = {"event_hooks": {"request": [self._count]}}
        if self._transport is not None:
            options["transport"] = self._transport
        async with open_client(self._timeout, self._ca, **options) as client:
            http = Http(
                client,
                clock=self._clock,
                rng=self._rng,
                attempts=self._attempts,
                deadline_seconds=self._timeout,
                sleep=self._sleep,
                limits=self._limits,
            )
            try:
                async with asyncio.timeout(self._timeout):
                    return await http.request(
                        "POST",
                        self._url,
                        headers=key,
                        json={
                            "model": self.model,
                            "query": query,
                            "documents": documents,
                            "top_n": len(documents),
                        },
                        judge=self._judge,
                        allowance=self._allowance,
                    )
            except TimeoutError:
                fault = TimedOutError(
                    f"{TITLE} gave no answer within {self._timeout:g} s",
                    "Raise RERANK_TIMEOUT, or let fewer hits be reranked.",
                )
                self._limits.breaker(self._allowance).failed(fault, self._clock.now())
                raise fault from None

    async def _count(self, _request: httpx.Request) -> None:
        self.calls += 1

    def _judge(self, said: Said) -> ProviderError | None:
        if said.status < 300:
            return None
        if said.status < 400:
            return PermanentError(
                f"{TITLE} answered {said.status}", "Name in RERANK_URL the address it leads to."
            )
        if said.status in {400, 405, 413, 422}:
            # What the server says may repeat what it was sent.
            return PermanentError(
                f"{TITLE} answered {said.status}",
                f"{_SHAPE}. Or {self.model} takes shorter or fewer texts.",
            )
        code, _ = code_and_message(said.body)
        return by_status(
            TITLE,
            VARIABLE,
            self.model,
            status=said.status,
            code=code if code.replace("_", "").isalpha() else None,
            headers=said.headers,
            now=self._clock.now(),
        )

    def _read(self, response: HttpResponse) -> _Answer:
        try:
            return _Answer.model_validate_json(response.body)
        except ValidationError:
            raise BadDataError(f"What {TITLE.lower()} sent is no ranking", f"{_SHAPE}.") from None


def tokens_of(query: str, documents: Sequence[str]) -> int:
    """About how many tokens a call takes, where the server does not say: each text is read with the question."""
    chars = sum(map(len, documents)) + len(query) * len(documents)
    return -(-chars // CHARS_PER_TOKEN)
