"""A token bucket: at most so many calls a minute, after a burst of as many as fit a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """Lets calls through at a rate; several threads may wait on it.

    Args:
        per_minute: How many a minute.
        now: Seconds of a clock that never goes back.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        per_minute: int,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._rate = per_minute / 60
        self._burst = max(1.0, self._rate)
        self._room = self._burst
        self._at = now()
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Returns when the next call may be made."""
        with self._lock:
            at = self._now()
            self._room = min(self._burst, self._room + (at - self._at) * self._rate) - 1
            self._at = at
            # Below nothing, the room says how long the line is: whoever comes next waits behind.
            ahead = -self._room / self._rate if self._room < 0 else 0.0
        if ahead:
            self._sleep(ahead)
