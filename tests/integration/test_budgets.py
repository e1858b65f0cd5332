"""Budgets and bought judgements on both databases: nothing is spent twice, whoever spends at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from clientlore.clock import FrozenClock
from clientlore.control import judgements, migrate
from clientlore.control.budgets import NANO, Budget, Limits, Spent, spending
from clientlore.control.engine import ControlPlane
from clientlore.control.judgements import Judgement
from clientlore.control.tables import metadata
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

ONE = Spent(calls=1, tokens=400, nano_usd=60_000)


@pytest.fixture
def workspace(tmp_path: Path, clock: FrozenClock, database_url: str) -> Iterator[Workspace]:
    with open_workspace(tmp_path / "home", clock, database_url=database_url) as opened:
        put_tenant(opened, "tenant: acme\nname: Acme\n")
        put_tenant(opened, "tenant: bolt\nname: Bolt\n")
        yield opened


def budget(workspace: Workspace, tenant: str = "acme", **limits: float) -> Budget:
    return Budget(workspace.control, workspace.clock, tenant, "openai", Limits(**limits))  # type: ignore[arg-type]


def test_what_is_reserved_counts_and_what_is_settled_takes_its_place(workspace: Workspace) -> None:
    spends = budget(workspace, calls=2)
    held = spends.reserve(ONE)
    assert held is not None
    assert spends.today().reserved == ONE
    spends.settle(held, Spent(calls=1, tokens=310, nano_usd=44_000))
    today = spends.today()
    assert (today.settled, today.reserved) == (Spent(1, 310, 44_000), Spent())
    assert today.settled.usd == pytest.approx(0.000044)


@pytest.mark.parametrize(
    ("limits", "fit"),
    [
        ({"calls": 3}, 3),
        ({"tokens": 1_600}, 4),
        ({"tokens": 1_599}, 3),
        ({"usd": 0.00012}, 2),
        ({"calls": 5, "tokens": 900, "usd": 1.0}, 2),
        ({"calls": 0}, 0),
    ],
)
def test_the_smallest_limit_counts_and_what_does_not_fit_is_refused_and_counted(
    workspace: Workspace, limits: dict[str, float], fit: int
) -> None:
    spends = budget(workspace, **limits)
    given = [spends.reserve(ONE) is not None for _ in range(7)]
    assert given == [True] * fit + [False] * (7 - fit)
    assert spends.today().refused == 7 - fit


def test_without_limits_everything_fits(workspace: Workspace) -> None:
    spends = budget(workspace)
    assert all(spends.reserve(Spent(1, 10**9, 10**6 * NANO)) for _ in range(3))
    assert str(Limits()) == "no limit"
    assert str(Limits(50, 1_000, 2.5)) == "50 calls and 1,000 tokens and $2.50"


def test_a_call_that_never_came_back_stays_counted_until_the_date_ends(
    workspace: Workspace, clock: FrozenClock
) -> None:
    spends = budget(workspace, calls=1)
    held = spends.reserve(ONE)
    assert held is not None
    assert spends.reserve(ONE) is None
    clock.advance(timedelta(days=1))
    assert spends.reserve(ONE) is not None
    # An answer after midnight is settled on the date on which its room was made.
    spends.settle(held, ONE)
    with workspace.control.read() as connection:
        first, second = spending(
            connection, "acme", clock.at.date() - timedelta(days=1), clock.at.date()
        )
    assert (first.settled, first.reserved) == (ONE, Spent())
    assert (second.settled, second.reserved) == (Spent(), ONE)


def test_tenants_and_providers_spend_apart(workspace: Workspace) -> None:
    mine, theirs = budget(workspace, calls=1), budget(workspace, "bolt", calls=1)
    other = replace(mine, provider="anthropic")
    assert [spends.reserve(ONE) is not None for spends in (mine, theirs, other, mine)] == [
        True,
        True,
        True,
        False,
    ]


def test_many_who_reserve_at_once_never_get_more_than_there_is(workspace: Workspace) -> None:
    spends = budget(workspace, calls=25)
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: spends.reserve(ONE), range(60)))
    assert sum(room is not None for room in given) == 25
    today = spends.today()
    assert (today.reserved.calls, today.refused) == (25, 35)


def test_a_judgement_is_found_by_its_key_and_never_replaced(workspace: Workspace) -> None:
    first = Judgement("k1", "openai", "m", "p1", "judged", {"score": 0.5}, 300, 44_000)
    broken = Judgement("k2", "openai", "m", "p1", "unusable", {"why": "refusal"}, 20)
    now = workspace.clock.now()
    with workspace.control.write() as connection:
        judgements.keep(connection, "acme", [first, broken], now)
        judgements.keep(connection, "acme", [replace(first, answer={"score": 0.9})], now)
        judgements.keep(connection, "acme", [], now)
    with workspace.control.read() as connection:
        keys = [f"k{n}" for n in range(1_200)]
        assert judgements.find(connection, "acme", keys) == {"k1": first, "k2": broken}
        assert judgements.find(connection, "bolt", keys) == {}
        assert judgements.find(connection, "acme", []) == {}


def test_the_tables_of_spending_come_and_go_with_their_version_alone(
    empty_control: ControlPlane,
) -> None:
    migrate.upgrade(empty_control)
    migrate.downgrade(empty_control, "0001")
    with empty_control.read() as connection:
        names = set(sa.inspect(connection).get_table_names())
    assert {"provider_spending", "llm_judgements"}.isdisjoint(names)
    assert "tenants" in names
    assert migrate.current(empty_control) == "0001"
    migrate.upgrade(empty_control)
    with empty_control.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_room_for_several_calls_is_taken_as_far_as_there_is_any(workspace: Workspace) -> None:
    spends = budget(workspace, calls=7, usd=0.0005)
    some = spends.reserve_some(5, Spent(1, 0, 60_000))
    assert some is not None
    assert some.estimate == Spent(5, 0, 300_000)
    rest = spends.reserve_some(5, Spent(1, 0, 60_000))
    assert rest is not None
    assert rest.estimate.calls == 2
    assert spends.reserve_some(1, ONE) is None
    spends.settle(some, Spent(1, 0, 60_000))
    spends.settle(rest, Spent())
    today = spends.today()
    assert (today.settled, today.reserved, today.refused) == (Spent(1, 0, 60_000), Spent(), 4)


def test_several_who_take_room_for_many_calls_at_once_never_take_too_much(
    workspace: Workspace,
) -> None:
    spends = budget(workspace, calls=100)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: spends.reserve_some(7, Spent(1)), range(20)))
    assert sum(room.estimate.calls for room in taken if room is not None) == 100
    assert spends.today().reserved.calls == 100
