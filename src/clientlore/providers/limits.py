"""What an account may ask, and when to stop asking: a token bucket, the server's own rate headers, a circuit breaker.

All arithmetic on instants that are passed in; who sleeps is `clientlore.providers.http`. Not here: budgets by day.
"""

from __future__ import annotations

import email.utils
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from clientlore.errors import (
    AuthenticationError,
    ProviderError,
    QuotaExhaustedError,
    RetriableError,
)

FAILURES_TO_OPEN = 5
REFUSALS_TO_OPEN = 3
OPEN_FOR = timedelta(minutes=1)
OPEN_FOR_QUOTA = timedelta(minutes=15)
IN_QUEUE = "queue"
"""The detail of a fault that is ours: nobody was asked, so nobody failed."""
IN_BUDGET = "budget"
"""The detail of a fault that is ours too: the tenant's budget of the date has no room."""
_LONG = 3_600.0
"""A window of the server's that ends later than this is a quota, not a rate."""
_EPOCH = 1_000_000_000.0


@dataclass(frozen=True)
class Allowance:
    """What one account may ask of one provider.

    Attributes:
        name: Provider and account; never the key itself.
        rate: Requests a second in the long run.
        burst: Requests at once after a pause.
    """

    name: str
    rate: float
    burst: int = 1


@dataclass
class TokenBucket:
    """Tells each request how long to wait so that the rate is kept; first come, first served.

    Instants are seconds of a clock that only goes forward.
    """

    rate: float
    burst: int
    _due: float = float("-inf")
    _blocked_until: float = float("-inf")

    def wait(self, now: float, *, at_most: float = float("inf")) -> float | None:
        """Takes a token; returns the seconds until it may be used, or None, taking nothing, beyond `at_most`."""
        due = max(self._due, now - (self.burst - 1) / self.rate, self._blocked_until)
        wait = max(0.0, due - now)
        if wait > at_most:
            return None
        self._due = due + 1 / self.rate
        return wait

    def pause(self, until: float) -> None:
        """Lets nobody through before an instant: the server said so."""
        self._blocked_until = max(self._blocked_until, until)


@dataclass
class Breaker:
    """Stops asking an account that goes on failing, and tells why. Not for one server's many feeds."""

    _failures: int = 0
    _refusals: int = 0
    _open_until: datetime | None = None
    _because: ProviderError | None = None

    def check(self, now: datetime) -> None:
        """Raises the fault that opened it, while it is open.

        Raises:
            ProviderError: Of the kind that opened it; nothing is asked.
        """
        if self._open_until is None or now >= self._open_until:
            return
        assert self._because is not None
        until = f"{self._open_until:%H:%M:%S} UTC"
        what = f"{self._because.what}; not asked again before {until}"
        raise type(self._because)(what, self._because.next_step, detail=self._because.detail)

    def succeeded(self) -> None:
        """A request got its answer."""
        self._failures = self._refusals = 0
        self._open_until = self._because = None

    def failed(self, error: ProviderError, now: datetime) -> None:
        """A request failed for good, after its own retries. While it is open, nothing new is learnt."""
        if error.detail in {IN_QUEUE, IN_BUDGET} or (
            self._open_until is not None and now < self._open_until
        ):
            return
        if isinstance(error, QuotaExhaustedError):
            self._open(error, now + OPEN_FOR_QUOTA)
        elif isinstance(error, AuthenticationError):
            self._refusals += 1
            if self._refusals >= REFUSALS_TO_OPEN:
                self._open(error, now + OPEN_FOR)
        elif isinstance(error, RetriableError):
            self._failures += 1
            if self._failures >= FAILURES_TO_OPEN:
                self._open(error, now + OPEN_FOR)

    def _open(self, error: ProviderError, until: datetime) -> None:
        self._open_until, self._because = until, error


@dataclass
class Limits:
    """The buckets and breakers of a process, by account. Runs of one process share them."""

    _buckets: dict[str, TokenBucket] = field(default_factory=dict)
    _breakers: dict[str, Breaker] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def bucket(self, allowance: Allowance) -> TokenBucket:
        """The bucket of an account."""
        with self._lock:
            return self._buckets.setdefault(
                allowance.name, TokenBucket(allowance.rate, allowance.burst)
            )

    def breaker(self, allowance: Allowance) -> Breaker:
        """The breaker of an account."""
        with self._lock:
            return self._breakers.setdefault(allowance.name, Breaker())


@dataclass(frozen=True)
class Window:
    """What is left of one of the server's windows, and the seconds until it begins anew."""

    remaining: int
    resets_in: float

    @property
    def is_quota(self) -> bool:
        """Whether it is so long that waiting for its end is no use."""
        return self.resets_in > _LONG


def windows(headers: Mapping[str, str], now: datetime) -> list[Window]:
    """The windows that rate headers tell of: `X-RateLimit-*` or `RateLimit-*`, several in one value where there are.

    A reset is a number of seconds, or an instant of the epoch; one that cannot be read is left out.
    """
    for prefix in ("x-ratelimit-", "ratelimit-"):
        remaining = headers.get(f"{prefix}remaining")
        reset = headers.get(f"{prefix}reset")
        if remaining is not None and reset is not None:
            return list(_windows(remaining, reset, now))
    return []


def _windows(remaining: str, reset: str, now: datetime) -> Iterator[Window]:
    for left, seconds in zip(remaining.split(","), reset.split(","), strict=False):
        try:
            count, after = int(left), float(seconds)
        except ValueError:
            continue
        yield Window(
            count, max(0.0, after - now.timestamp()) if after > _EPOCH else max(0.0, after)
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
