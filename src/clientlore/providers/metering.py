"""The calls of one tenant to one provider in one collection, within the tenant's budget of the date.

Room is taken from the control plane for many calls at once, since a transaction for each would cost more than the
call. What was taken and not used is given back at the end; where a process dies, it counts until the date ends.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from clientlore.control.budgets import Budget, Reservation, Spent
from clientlore.errors import QuotaExhaustedError
from clientlore.providers.limits import IN_BUDGET

AT_ONCE = 10
"""Calls for which room is taken at a time, once the first ones are used up."""


@dataclass
class Meter:
    """Counts calls, and lets none through for which the budget has no room.

    Args:
        title: The provider, for people.
        nano_usd: What a call costs, in billionths of a dollar.
    """

    title: str
    budget: Budget
    nano_usd: int = 0
    _free: int = 0
    _held: list[tuple[Reservation, int]] = field(default_factory=list)
    _used: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def prepare(self, calls: int) -> int:
        """Takes room for the first calls of as many sources, or for as many as there is; returns how many."""
        with self._lock:
            self._fetch(calls)
            return self._free

    def take(self) -> None:
        """Counts one call.

        Raises:
            QuotaExhaustedError: The budget has no room; the next step says what to do.
        """
        with self._lock:
            if not self._free:
                self._fetch(AT_ONCE)
            if not self._free:
                raise self.refusal()
            self._free -= 1
            self._used += 1

    def refusal(self) -> QuotaExhaustedError:
        """Why a call is not made."""
        return QuotaExhaustedError(
            f"'{self.budget.tenant_id}' may spend {self.budget.limits} a day at {self.title}, and that is used up",
            "It is asked on a later day, whoever waited longest first; or raise its budget in the tenant file.",
            detail=IN_BUDGET,
        )

    def close(self) -> None:
        """Puts what was used in the place of what was taken."""
        with self._lock:
            left = self._used
            for room, calls in self._held:
                spent = min(left, calls)
                left -= spent
                self.budget.settle(room, Spent(spent, 0, spent * self.nano_usd))
            self._held, self._free, self._used = [], 0, 0

    def _fetch(self, calls: int) -> None:
        room = self.budget.reserve_some(calls, Spent(1, 0, self.nano_usd))
        if room is not None:
            self._held.append((room, room.estimate.calls))
            self._free += room.estimate.calls
