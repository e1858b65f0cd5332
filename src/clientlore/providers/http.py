"""The one HTTP layer: an account's limits, timeouts, retries with full jitter, Retry-After, a fault for each failure.

Clock, sleep and randomness are injected, so that a test of an hour of waiting takes no time.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from clientlore import __version__
from clientlore.clock import Clock
from clientlore.errors import (
    AuthenticationError,
    PermanentError,
    ProviderError,
    QuotaExhaustedError,
    RetriableError,
)
from clientlore.providers.headers import kept
from clientlore.providers.limits import IN_QUEUE, Allowance, Limits, retry_after, windows
from clientlore.providers.metering import Meter
from clientlore.providers.trust import trusted

USER_AGENT = f"Clientlore/{__version__}"
BASE_DELAY = 0.5
LONGEST_WAIT = 20.0
"""Seconds a call may sleep between tries; a server that asks for more is left for a later run."""
LONGEST_QUEUE = 600.0
"""Seconds a call may wait for its turn in an account's bucket."""
HOSTS_AT_ONCE = 8
"""How many servers may be asked with full concurrency at a time."""
MAX_BYTES = 10_000_000
_SAID_BYTES = 4_000
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOVED_FOR_GOOD = frozenset({301, 308})


@dataclass(frozen=True)
class HttpResponse:
    """An answer with a status that the caller can use.

    Attributes:
        moved_to: The address to ask from now on, where every redirect on the way was for good.
        attempts: How often it was asked.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    moved_to: str | None
    attempts: int


@dataclass(frozen=True)
class Said:
    """What a server said, for whoever knows its errors; of a refusal the first 4,000 bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    host: str


Judge = Callable[[Said], ProviderError | None]
"""Tells the fault in what a provider said, where its status alone does not; None leaves it to the status."""


@dataclass(frozen=True)
class _Call:
    """One call with all that its tries share."""

    method: str
    url: str
    sent: Mapping[str, Any]
    max_bytes: int
    follow: bool
    accepted: Callable[[int], bool]
    judge: Judge | None
    allowance: Allowance | None


class Http:
    """Asks servers: at most `concurrency` requests at a time to one server, and a few times that to all."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        clock: Clock,
        rng: Random,
        concurrency: int = 32,
        attempts: int = 3,
        deadline_seconds: float = 60.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        limits: Limits | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._clock = clock
        self._rng = rng
        self._concurrency = concurrency
        self._all = asyncio.Semaphore(concurrency * HOSTS_AT_ONCE)
        self._hosts: dict[str, asyncio.Semaphore] = {}
        self._attempts = attempts
        self._deadline = deadline_seconds
        self._sleep = sleep
        self._limits = limits or Limits()
        self._monotonic = monotonic
        self._meter: Meter | None = None

    def metered(self, meter: Meter | None) -> Self:
        """The same, with each try of each call counted by a meter; it may refuse, and then nothing is asked."""
        made = copy.copy(self)
        made._meter = meter  # noqa: SLF001 - it is one of us
        return made

    async def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, max_bytes: int
    ) -> HttpResponse:
        """GET of a document that anybody may read, following redirects; see `request`."""
        return await self._ask(
            _Call(
                method="GET",
                url=url,
                sent={"headers": headers or {}},
                max_bytes=max_bytes,
                follow=True,
                accepted=frozenset({200, 304}).__contains__,
                judge=None,
                allowance=None,
            )
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
        max_bytes: int = MAX_BYTES,
        judge: Judge | None = None,
        allowance: Allowance | None = None,
    ) -> HttpResponse:
        """Asks with retries. A redirect is not followed: the headers may hold a key.

        Args:
            method: GET, POST, ...
            url: http or https.
            headers: Added to our own.
            params: The query.
            json: Sent as JSON.
            content: Sent as it is.
            max_bytes: Decoded bytes after which the answer is given up.
            judge: Knows the provider's errors.
            allowance: The account's: its bucket is waited for, its breaker may refuse.

        Raises:
            RetriableError: It failed in a way that may pass, and went on failing.
            QuotaExhaustedError: The account has no more for now.
            AuthenticationError: 401 or 403.
            PermanentError: Gone, not found, too large, or another status that asking again does not mend.
            BadDataError: The judge says so.
        """
        sent: dict[str, Any] = {"headers": headers or {}}
        if params is not None:
            sent["params"] = dict(params)
        if json is not None:
            sent["json"] = json
        if content is not None:
            sent["content"] = content
        return await self._ask(
            _Call(
                method=method,
                url=url,
                sent=sent,
                max_bytes=max_bytes,
                follow=False,
                accepted=lambda status: 200 <= status < 300 or status == 304,
                judge=judge,
                allowance=allowance,
            )
        )

    async def _ask(self, call: _Call) -> HttpResponse:
        breaker = self._limits.breaker(call.allowance) if call.allowance else None
        try:
            answer = await self._tries(call)
        except ProviderError as error:
            if breaker is not None:
                breaker.failed(error, self._clock.now())
            raise
        if breaker is not None:
            breaker.succeeded()
        return answer

    async def _tries(self, call: _Call) -> HttpResponse:
        host = host_of(call.url)
        last: RetriableError | None = None
        for attempt in range(1, self._attempts + 1):
            try:
                await self._wait_for_turn(call, host)
                async with AsyncExitStack() as stack:
                    await stack.enter_async_context(self._slots(host))
                    await stack.enter_async_context(self._all)
                    await stack.enter_async_context(asyncio.timeout(self._deadline))
                    if not self._has_room(last):
                        break
                    return await self._once(call, attempt)
            except RetriableError as error:
                last = error
            except (TimeoutError, httpx.TimeoutException):
                last = RetriableError(f"{host} did not answer in time", "Try again later.")
            except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
                raise PermanentError(
                    f"{host} cannot be asked ({_plain(error)})", "Correct the address."
                ) from None
            except httpx.DecodingError as error:
                last = RetriableError(
                    f"The answer of {host} cannot be unpacked ({_plain(error)})", "Try again later."
                )
            except httpx.TransportError as error:
                last = RetriableError(
                    f"{host} cannot be reached ({_plain(error)})",
                    "Check the address and the network.",
                )
            wait = self._delay(attempt, last.retry_after)
            if attempt == self._attempts or wait is None:
                break
            await self._sleep(wait)
        assert last is not None
        raise last

    def _has_room(self, last: RetriableError | None) -> bool:
        """Whether the budget lets a try through; without room for a retry, what failed before it is the fault.

        Raises:
            QuotaExhaustedError: There is no room for the first try.
        """
        if self._meter is None:
            return True
        try:
            self._meter.take()
        except QuotaExhaustedError:
            if last is None:
                raise
            return False
        return True

    def _slots(self, host: str) -> asyncio.Semaphore:
        return self._hosts.setdefault(host, asyncio.Semaphore(self._concurrency))

    async def _wait_for_turn(self, call: _Call, host: str) -> None:
        """Waits for the account's bucket; asks its breaker before and after, since much may happen meanwhile."""
        if call.allowance is None:
            return
        breaker = self._limits.breaker(call.allowance)
        breaker.check(self._clock.now())
        wait = self._limits.bucket(call.allowance).wait(self._monotonic(), at_most=LONGEST_QUEUE)
        if wait is None:
            raise RetriableError(
                f"{host} is asked by too many at once for its rate of {call.allowance.rate:g} a second",
                "It will be asked in a later run; spread the clients over more hours.",
                detail=IN_QUEUE,
                retry_after=LONGEST_QUEUE,
            )
        if wait > 0:
            await self._sleep(wait)
            breaker.check(self._clock.now())

    def _delay(self, attempt: int, asked: float | None) -> float | None:
        """Seconds to sleep: what the server asked for, else full jitter; None where that is too long."""
        if asked is not None:
            return asked if asked <= LONGEST_WAIT else None
        return self._rng.uniform(0, min(LONGEST_WAIT, BASE_DELAY * 2**attempt))

    async def _once(self, call: _Call, attempt: int) -> HttpResponse:
        sent = {**call.sent, "headers": {"user-agent": USER_AGENT, **call.sent["headers"]}}
        async with self._client.stream(
            call.method, call.url, follow_redirects=call.follow, **sent
        ) as answer:
            status = answer.status_code
            self._heed(call, answer)
            if not call.accepted(status):
                raise await self._fault(call, answer)
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > call.max_bytes:
                    raise PermanentError(
                        f"The answer of {host_of(call.url)} is larger than {call.max_bytes:,} bytes",
                        "Ask for a smaller feed, or raise CLIENTLORE_MAX_FEED_BYTES.",
                    )
            if call.judge is not None and (
                fault := call.judge(Said(status, answer.headers, bytes(body), host_of(call.url)))
            ):
                raise fault
            for_good = bool(answer.history) and all(
                hop.status_code in _MOVED_FOR_GOOD for hop in answer.history
            )
            return HttpResponse(
                status=status,
                headers=kept(answer.headers),
                body=bytes(body),
                url=str(answer.url),
                moved_to=str(answer.url) if for_good else None,
                attempts=attempt,
            )

    def _heed(self, call: _Call, answer: httpx.Response) -> None:
        """Lets the whole account wait where the server says that it must."""
        if call.allowance is None:
            return
        now = self._clock.now()
        waits = [w.resets_in for w in windows(answer.headers, now) if w.remaining <= 0]
        if answer.status_code in {429, 503}:
            after = retry_after(answer.headers.get("retry-after"), now)
            waits += [after] if after is not None else []
        if waits and min(waits) <= LONGEST_WAIT:
            # A longer one is a quota, or left to a later run: nobody sleeps for it.
            pause = max(w for w in waits if w <= LONGEST_WAIT)
            self._limits.bucket(call.allowance).pause(self._monotonic() + pause)

    async def _fault(self, call: _Call, answer: httpx.Response) -> ProviderError:
        status, host = answer.status_code, host_of(str(answer.url))
        if call.judge is not None:
            said = bytearray()
            async for chunk in answer.aiter_bytes():
                said += chunk
                if len(said) >= _SAID_BYTES:
                    break
            told = call.judge(Said(status, answer.headers, bytes(said[:_SAID_BYTES]), host))
            if told is not None:
                return told
        where = f"{host} answered {status} {answer.reason_phrase}".rstrip()
        now = self._clock.now()
        if call.allowance is not None and status in {402, 429}:
            spent = [w for w in windows(answer.headers, now) if w.remaining <= 0 and w.is_quota]
            if spent or status == 402:
                return QuotaExhaustedError(where, "The account is used up; look at its plan.")
        if status in _RETRIED or status >= 500:
            after = retry_after(answer.headers.get("retry-after"), now)
            return RetriableError(where, "It will be asked again.", retry_after=after)
        if status in {401, 403}:
            return AuthenticationError(where, "Check whether the feed needs a key or an account.")
        if status == 410:
            return PermanentError(where, "The feed is gone for good; remove it.", detail="gone")
        hint = "Check the feed's address" + ("." if status == 404 else " in a browser.")
        return PermanentError(where, hint)


def open_client(timeout: float, ca: Path | None = None, **options: Any) -> httpx.AsyncClient:
    """The client behind `Http`: pooled, trusting the proxies of the environment.

    What it would log of its own are addresses, which may hold a key. How many connections there are is bounded by
    `Http`, where waiting for one does not count as the server's silence. `ca` is a file of certificates that are
    trusted besides the usual ones.

    Raises:
        ConfigurationError: That file cannot be read.
    """
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.AsyncClient(
        verify=trusted(ca),
        timeout=timeout,
        max_redirects=5,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
        **options,
    )


def host_of(url: str) -> str:
    """The server of an address, for people; what follows it may be secret."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or "The address"
    except ValueError:
        return "The address"


def _plain(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
