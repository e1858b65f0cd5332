"""Budgets of providers that cost money: calls, tokens and dollars for each tenant, provider and UTC date.

What a call may cost is reserved before it and settled after it, each in a short transaction of its own, so that
several processes never spend together what one of them may not. A reservation whose holder died stays counted
until the date ends: the money may be gone.

    if budget.reserve(estimate) is None:
        ...  # left for another day
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.clock import Clock
from clientlore.control import tables as t
from clientlore.control.engine import ControlPlane, insert_ignore

NANO = 1_000_000_000
"""Billionths in a dollar."""


@dataclass(frozen=True)
class Limits:
    """What may be spent on one date; None for no limit.

    Attributes:
        usd: Dollars.
    """

    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None

    def __str__(self) -> str:
        told = []
        if self.calls is not None:
            told.append(f"{self.calls:,} calls")
        if self.tokens is not None:
            told.append(f"{self.tokens:,} tokens")
        if self.usd is not None:
            told.append(f"${self.usd:,.2f}")
        return " and ".join(told) or "no limit"


@dataclass(frozen=True)
class Spent:
    """What something costs, or what was spent.

    Attributes:
        nano_usd: Billionths of a dollar.
    """

    calls: int = 0
    tokens: int = 0
    nano_usd: int = 0

    @property
    def usd(self) -> float:
        """Dollars."""
        return self.nano_usd / NANO


@dataclass(frozen=True)
class SpendingDay:
    """How a tenant stands with a provider on one date.

    Attributes:
        reserved: What calls that are under way, or were never settled, may cost.
        refused: How often there was no room for a call.
    """

    tenant_id: str
    provider: str
    spent_on: date
    settled: Spent
    reserved: Spent
    refused: int


@dataclass(frozen=True)
class Reservation:
    """Room that was made for a call."""

    spent_on: date
    estimate: Spent


@dataclass(frozen=True)
class Budget:
    """The budget of one tenant with one provider."""

    control: ControlPlane
    clock: Clock
    tenant_id: str
    provider: str
    limits: Limits

    def reserve(self, estimate: Spent) -> Reservation | None:
        """Makes room for a call; None where what is left of the date's budget is less.

        Args:
            estimate: The most that the call may cost.
        """
        now = self.clock.now()
        with self.control.write() as connection:
            return reserve(connection, self.key(now.date()), self.limits, estimate, now)

    def reserve_some(self, calls: int, each: Spent) -> Reservation | None:
        """Makes room for several calls, or for as many of them as there is room; None where there is none.

        Args:
            calls: How many are wanted.
            each: The most that one may cost.
        """
        now = self.clock.now()
        with self.control.write() as connection:
            return reserve_some(connection, self.key(now.date()), self.limits, (calls, each), now)

    def settle(self, reservation: Reservation, actual: Spent) -> None:
        """Puts what a call did cost in the place of what was reserved for it."""
        with self.control.write() as connection:
            settle(
                connection, self.key(reservation.spent_on), reservation, actual, self.clock.now()
            )

    def today(self) -> SpendingDay:
        """How it stands on the present date."""
        with self.control.read() as connection:
            on = self.clock.now().date()
            found = spending(connection, self.tenant_id, on, on, self.provider)
        nothing = Spent()
        return (
            found[0]
            if found
            else SpendingDay(self.tenant_id, self.provider, on, nothing, nothing, 0)
        )

    def key(self, on: date) -> dict[str, Any]:
        """Its row on a date, for `reserve` and `settle`."""
        return {"tenant_id": self.tenant_id, "provider": self.provider, "spent_on": on}


def reserve(
    connection: Connection, key: dict[str, Any], limits: Limits, estimate: Spent, now: datetime
) -> Reservation | None:
    """Makes room for a call, in a transaction of the caller; None where there is none, which is counted."""
    c = t.provider_spending.c
    _begin(connection, key, now)
    nano_limit = None if limits.usd is None else round(limits.usd * NANO)
    fits = [
        used + held + wanted <= limit
        for used, held, wanted, limit in (
            (c.calls, c.reserved_calls, estimate.calls, limits.calls),
            (c.tokens, c.reserved_tokens, estimate.tokens, limits.tokens),
            (c.nano_usd, c.reserved_nano_usd, estimate.nano_usd, nano_limit),
        )
        if limit is not None
    ]
    # One statement asks and takes: between a look and a write another process might take the same room.
    taken = connection.execute(
        sa.update(t.provider_spending)
        .where(*_is(key), *fits)
        .values(
            reserved_calls=c.reserved_calls + estimate.calls,
            reserved_tokens=c.reserved_tokens + estimate.tokens,
            reserved_nano_usd=c.reserved_nano_usd + estimate.nano_usd,
            updated_at=now,
        )
    ).rowcount
    if taken:
        return Reservation(key["spent_on"], estimate)
    connection.execute(
        sa.update(t.provider_spending)
        .where(*_is(key))
        .values(refused=c.refused + 1, updated_at=now)
    )
    return None


def reserve_some(
    connection: Connection,
    key: dict[str, Any],
    limits: Limits,
    wanted: tuple[int, Spent],
    now: datetime,
) -> Reservation | None:
    """Makes room for as many calls as there is, in a transaction of the caller; see `Budget.reserve_some`."""
    calls, each = wanted
    _begin(connection, key, now)
    # The row stays ours until the transaction ends: SQLite has one writer, PostgreSQL locks it.
    row = (
        connection.execute(sa.select(t.provider_spending).where(*_is(key)).with_for_update())
        .mappings()
        .one()
    )
    nano_limit = None if limits.usd is None else round(limits.usd * NANO)
    fitting = [
        max(0, limit - row[name] - row[f"reserved_{name}"]) // cost
        for name, cost, limit in (
            ("calls", each.calls, limits.calls),
            ("tokens", each.tokens, limits.tokens),
            ("nano_usd", each.nano_usd, nano_limit),
        )
        if limit is not None and cost
    ]
    count = min([calls, *fitting])
    c = t.provider_spending.c
    room = Spent(count * each.calls, count * each.tokens, count * each.nano_usd)
    connection.execute(
        sa.update(t.provider_spending)
        .where(*_is(key))
        .values(
            reserved_calls=c.reserved_calls + room.calls,
            reserved_tokens=c.reserved_tokens + room.tokens,
            reserved_nano_usd=c.reserved_nano_usd + room.nano_usd,
            refused=c.refused + (calls - count),
            updated_at=now,
        )
    )
    return Reservation(key["spent_on"], room) if count else None


def settle(
    connection: Connection,
    key: dict[str, Any],
    reservation: Reservation,
    actual: Spent,
    now: datetime,
) -> None:
    """Puts what a call did cost in the place of its reservation, in a transaction of the caller."""
    c, held = t.provider_spending.c, reservation.estimate
    connection.execute(
        sa.update(t.provider_spending)
        .where(*_is(key))
        .values(
            calls=c.calls + actual.calls,
            tokens=c.tokens + actual.tokens,
            nano_usd=c.nano_usd + actual.nano_usd,
            reserved_calls=c.reserved_calls - held.calls,
            reserved_tokens=c.reserved_tokens - held.tokens,
            reserved_nano_usd=c.reserved_nano_usd - held.nano_usd,
            updated_at=now,
        )
    )


def spending(
    connection: Connection, tenant_id: str, first: date, last: date, provider: str | None = None
) -> list[SpendingDay]:
    """What a tenant spent, by date and provider, oldest first."""
    c = t.provider_spending.c
    query = (
        sa.select(t.provider_spending)
        .where(c.tenant_id == tenant_id, c.spent_on.between(first, last))
        .order_by(c.spent_on, c.provider)
    )
    if provider is not None:
        query = query.where(c.provider == provider)
    return [
        SpendingDay(
            row["tenant_id"],
            row["provider"],
            row["spent_on"],
            Spent(row["calls"], row["tokens"], row["nano_usd"]),
            Spent(row["reserved_calls"], row["reserved_tokens"], row["reserved_nano_usd"]),
            row["refused"],
        )
        for row in connection.execute(query).mappings()
    ]


def _begin(connection: Connection, key: dict[str, Any], now: datetime) -> None:
    empty = dict.fromkeys((column.name for column in t.provider_spending.columns), 0)
    insert_ignore(connection, t.provider_spending, [{**empty, **key, "updated_at": now}])


def _is(key: dict[str, Any]) -> list[sa.ColumnElement[bool]]:
    return [t.provider_spending.c[name] == value for name, value in key.items()]
