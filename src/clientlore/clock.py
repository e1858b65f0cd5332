"""Time as an argument: whoever decides by the time of day takes a `Clock`; nobody reads the wall clock directly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Gives the present instant, in UTC and with its zone."""

    def now(self) -> datetime:
        """The present instant."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """The present instant, to the millisecond: what every store can keep."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


@dataclass
class FrozenClock:
    """A clock that stands still until it is told to move; for tests and for replaying a day."""

    at: datetime

    def now(self) -> datetime:
        """The instant it was last set to."""
        return self.at

    def advance(self, delta: timedelta) -> None:
        """Moves the clock by `delta`."""
        self.at += delta


def utc(value: datetime) -> datetime:
    """The same instant in UTC. Raises `ValueError` for a time without a zone: it names no instant."""
    if value.tzinfo is None:
        msg = f"{value.isoformat()} has no zone"
        raise ValueError(msg)
    return value.astimezone(UTC)


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """First instant of a UTC day, and of the day after it."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return start, start + timedelta(days=1)


def days_between(first: date, last: date) -> list[date]:
    """Every day from `first` to `last`, both included; empty where `last` is earlier."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
