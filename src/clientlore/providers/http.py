"""The one HTTP layer: timeouts, retries with full jitter, Retry-After, size limits, and a fault for every failure.

Clock, sleep and randomness are injected, so that a test of an hour of waiting takes no time.
"""

from __future__ import annotations

import asyncio
import email.utils
import functools
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx

from clientlore import __version__
from clientlore.clock import Clock
from clientlore.errors import (
    AuthenticationError,
    PermanentError,
    ProviderError,
    RetriableError,
)

USER_AGENT = f"Clientlore/{__version__}"
BASE_DELAY = 0.5
LONGEST_WAIT = 20.0
"""Seconds a call may sleep between tries; a server that asks for more is left for a later run."""
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOVED_FOR_GOOD = frozenset({301, 308})
_KEPT_HEADERS = (
    "content-type",
    "content-language",
    "date",
    "etag",
    "last-modified",
    "retry-after",
    "location",
)


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


class Http:
    """Asks servers, at most `concurrency` at a time."""

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
    ) -> None:
        self._client = client
        self._clock = clock
        self._rng = rng
        self._slots = asyncio.Semaphore(concurrency)
        self._attempts = attempts
        self._deadline = deadline_seconds
        self._sleep = sleep

    async def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, max_bytes: int
    ) -> HttpResponse:
        """GET with retries.

        Args:
            url: http or https.
            headers: Added to our own.
            max_bytes: Decoded bytes after which the answer is given up.

        Raises:
            RetriableError: It failed in a way that may pass, and went on failing.
            AuthenticationError: 401 or 403.
            PermanentError: Gone, not found, too large, or another status that asking again does not mend.
        """
        last: RetriableError | None = None
        for attempt in range(1, self._attempts + 1):
            try:
                async with self._slots, asyncio.timeout(self._deadline):
                    return await self._once(url, headers or {}, max_bytes, attempt)
            except RetriableError as error:
                last = error
            except (TimeoutError, httpx.TimeoutException):
                last = RetriableError(f"{_host(url)} did not answer in time", "Try again later.")
            except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
                raise PermanentError(
                    f"{_host(url)} cannot be asked ({_plain(error)})", "Correct the address."
                ) from None
            except httpx.DecodingError as error:
                last = RetriableError(
                    f"The answer of {_host(url)} cannot be unpacked ({_plain(error)})",
                    "Try again later.",
                )
            except httpx.TransportError as error:
                last = RetriableError(
                    f"{_host(url)} cannot be reached ({_plain(error)})",
                    "Check the address and the network.",
                )
            wait = self._delay(attempt, last.retry_after)
            if attempt == self._attempts or wait is None:
                break
            await self._sleep(wait)
        assert last is not None
        raise last

    def _delay(self, attempt: int, asked: float | None) -> float | None:
        """Seconds to sleep: what the server asked for, else full jitter; None where that is too long."""
        if asked is not None:
            return asked if asked <= LONGEST_WAIT else None
        return self._rng.uniform(0, min(LONGEST_WAIT, BASE_DELAY * 2**attempt))

    async def _once(
        self, url: str, headers: Mapping[str, str], max_bytes: int, attempt: int
    ) -> HttpResponse:
        sent = {"user-agent": USER_AGENT, **headers}
        async with self._client.stream("GET", url, headers=sent, follow_redirects=True) as answer:
            status = answer.status_code
            if status not in {200, 304}:
                raise self._fault(status, answer)
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > max_bytes:
                    raise PermanentError(
                        f"The answer of {_host(url)} is larger than {max_bytes:,} bytes",
                        "Ask for a smaller feed, or raise CLIENTLORE_MAX_FEED_BYTES.",
                    )
            for_good = bool(answer.history) and all(
                hop.status_code in _MOVED_FOR_GOOD for hop in answer.history
            )
            kept = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
            return HttpResponse(
                status=status,
                headers=kept,
                body=bytes(body),
                url=str(answer.url),
                moved_to=str(answer.url) if for_good else None,
                attempts=attempt,
            )

    def _fault(self, status: int, answer: httpx.Response) -> ProviderError:
        where = f"{_host(str(answer.url))} answered {status} {answer.reason_phrase}".rstrip()
        if status in _RETRIED or status >= 500:
            after = retry_after(answer.headers.get("retry-after"), self._clock.now())
            return RetriableError(where, "It will be asked again.", retry_after=after)
        if status in {401, 403}:
            return AuthenticationError(where, "Check whether the feed needs a key or an account.")
        if status == 410:
            return PermanentError(where, "The feed is gone for good; remove it.", detail="gone")
        if status == 404:
            return PermanentError(where, "Check the feed's address.")
        return PermanentError(where, "Check the feed's address in a browser.")


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The certificates that are trusted, read once: it costs more than most of what is then asked."""
    return httpx.create_ssl_context()


def open_client(timeout: float, **options: Any) -> httpx.AsyncClient:
    """The client behind `Http`: pooled, trusting the proxies of the environment.

    What it would log of its own are addresses, which may hold a key.
    """
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.AsyncClient(
        verify=_trusted(),
        timeout=timeout,
        max_redirects=5,
        limits=httpx.Limits(max_connections=100),
        **options,
    )


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for: a number, or a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    value = value.strip()
    if value.isdecimal():
        return float(value)
    try:
        at = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())


def _host(url: str) -> str:
    """The server of an address, for people; what follows it may be secret."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or "The address"
    except ValueError:
        return "The address"


def _plain(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
