"""Past days judged in batches, through the real client libraries: at half the price, resumed, and never twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from clientlore.control import budgets
from clientlore.control import tables as t
from clientlore.control.budgets import Spent
from clientlore.testing.fakes.serving import Fault
from tests.integration.test_llm_scoring import NOW, TODAY, Desk, desk, fake, story

pytestmark = pytest.mark.usefixtures("bare")

__all__ = ["desk", "fake"]
PAST = TODAY - timedelta(days=1)
PROVIDERS = ("openai", "anthropic")
HANDED_IN = {"openai": "/openai/v1/batches", "anthropic": "/anthropic/v1/messages/batches"}


def prepare(desk: Desk, provider: str, more: str = "", stories: int = 5) -> None:
    desk.fake.state["clock"]["now"] = NOW
    desk.prefix = f"/{provider}"
    desk.tenant(f"{{provider: {provider}, bulk: true, batch: 2{more}}}")
    desk.publish(*(story(n) for n in range(stories)))


def batches(desk: Desk, provider: str) -> int:
    """How many batches arrived at the provider."""
    asked = desk.fake.asked(HANDED_IN[provider])
    return sum(a.method == "POST" and a.status == 200 for a in asked)


def states(desk: Desk) -> list[str]:
    with desk.workspace.control.read() as connection:
        query = sa.select(t.llm_batches.c.state).order_by(t.llm_batches.c.submitted_at)
        return list(connection.execute(query).scalars())


def spent(desk: Desk, provider: str) -> budgets.SpendingDay:
    with desk.workspace.control.read() as connection:
        (found,) = budgets.spending(connection, "desk", TODAY, TODAY, provider)
    return found


def judged(desk: Desk) -> list[str]:
    """Who judged each event of the past day; `waiting` for what nobody has."""
    return ["waiting" if r["score"] is None else r["method"] for r in desk.rows(PAST)]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_past_day_waits_for_its_batch_and_is_judged_when_that_has_ended(
    desk: Desk, provider: str
) -> None:
    prepare(desk, provider)
    desk.fake.state[provider]["polls"] = 1
    assert desk.run(PAST) == "succeeded"
    assert judged(desk) == ["waiting"] * 5
    assert {"put into a batch" in r["rationale"] for r in desk.rows(PAST)} == {True}
    assert spent(desk, provider).reserved.calls == 3
    assert spent(desk, provider).settled == Spent()
    # Still under way: looked at, not handed in again.
    desk.run(PAST)
    assert judged(desk) == ["waiting"] * 5
    assert desk.alerts() == []
    desk.run(PAST)
    assert judged(desk) == ["llm"] * 5
    assert batches(desk, provider) == 1
    assert states(desk) == ["done"]
    today = spent(desk, provider)
    assert (today.settled.calls, today.reserved) == (3, Spent())
    rows = desk.rows(PAST)
    assert sum(r["tokens"] for r in rows) == today.settled.tokens
    # No request of the ordinary kind, and the day again asks nobody.
    calls = desk.calls
    desk.run(PAST)
    assert desk.calls == calls
    assert desk.rows(PAST) == rows


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_batch_costs_half_of_what_calls_do(desk: Desk, provider: str) -> None:
    prepare(desk, provider, stories=4)
    desk.run(PAST)
    desk.run(PAST)
    in_bulk = spent(desk, provider).settled
    with desk.workspace.control.write() as connection:
        connection.execute(sa.delete(t.llm_judgements))
    desk.tenant(f"{{provider: {provider}, batch: 2}}")
    desk.run(PAST)
    both = spent(desk, provider).settled
    assert both.tokens == 2 * in_bulk.tokens
    assert both.nano_usd - in_bulk.nano_usd == pytest.approx(2 * in_bulk.nano_usd, abs=2)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_present_day_is_judged_at_once(desk: Desk, provider: str) -> None:
    prepare(desk, provider)
    desk.run(TODAY)
    assert batches(desk, provider) == 0
    assert {r["method"] for r in desk.rows(TODAY)} <= {"llm", "rules"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_batch_that_arrived_without_an_answer_is_found_again_and_not_handed_in_twice(
    desk: Desk, provider: str
) -> None:
    prepare(desk, provider)
    desk.fake.fail(HANDED_IN[provider], Fault(cut_to=12))
    desk.run(PAST)
    assert states(desk) == ["submitting"]
    assert judged(desk) == ["waiting"] * 5
    desk.run(PAST)
    assert judged(desk) == ["llm"] * 5
    assert batches(desk, provider) == 1
    assert spent(desk, provider).settled.calls == 3


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_batch_that_never_arrived_is_handed_in_anew(desk: Desk, provider: str) -> None:
    prepare(desk, provider)
    desk.fake.fail(HANDED_IN[provider], Fault(500, b"{}"))
    desk.run(PAST)
    assert states(desk) == ["submitting"]
    desk.run(PAST)
    assert sorted(states(desk)) == ["lost", "submitted"]
    assert spent(desk, provider).reserved.calls == 3
    desk.run(PAST)
    assert judged(desk) == ["llm"] * 5
    assert spent(desk, provider).settled.calls == 3


def test_while_others_are_under_way_anthropics_lost_batch_is_not_handed_in_again(
    desk: Desk,
) -> None:
    prepare(desk, "anthropic")
    desk.fake.state["anthropic"]["polls"] = 1
    desk.fake.fail(HANDED_IN["anthropic"], Fault(cut_to=12))
    desk.run(PAST)
    # What a batch is about can be seen when it has ended, and not before.
    desk.run(PAST)
    assert states(desk) == ["submitting"]
    desk.fake.state["anthropic"]["batches"]["msgbatch_1"]["polls"] = 0  # type: ignore[index]
    desk.run(PAST)
    assert judged(desk) == ["llm"] * 5
    assert batches(desk, "anthropic") == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_a_batch_did_not_answer_is_asked_again(desk: Desk, provider: str) -> None:
    prepare(desk, provider)
    desk.fake.state[provider]["expires"] = 1
    desk.run(PAST)
    desk.run(PAST)
    assert sorted(judged(desk)) == ["llm"] * 3 + ["waiting"] * 2
    desk.fake.state[provider]["expires"] = 0
    desk.run(PAST)
    assert judged(desk) == ["llm"] * 5
    assert spent(desk, provider).settled.calls == 3
    assert spent(desk, provider).reserved == Spent()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_more_is_handed_in_than_the_budget_has_room_for(desk: Desk, provider: str) -> None:
    prepare(desk, provider, ", budget_calls: 2")
    desk.run(PAST)
    told = [r["rationale"] for r in desk.rows(PAST)]
    assert sum("put into a batch" in line for line in told) == 4
    assert sum("budget of the day" in line for line in told) == 1
    assert len(desk.alerts()) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_key_that_is_refused_leaves_the_day_to_the_rules_and_names_the_variable(
    desk: Desk, provider: str
) -> None:
    prepare(desk, provider)
    desk.fake.state[provider]["key"] = "changed"
    assert desk.run(PAST) == "degraded"
    assert judged(desk) == ["rules"] * 5
    assert f"{provider.upper()}_API_KEY" in str(desk.stage(PAST)["error"])
    assert states(desk) == ["lost"]
    assert spent(desk, provider).reserved == Spent()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_that_cannot_be_used_is_left_to_the_rules_and_not_bought_again(
    desk: Desk, provider: str
) -> None:
    prepare(desk, provider, stories=2)
    desk.fake.state[provider]["behaviour"] = "prose"
    desk.run(PAST)
    desk.run(PAST)
    assert judged(desk) == ["rules"] * 2
    assert "prose" in desk.rows(PAST)[0]["rationale"]
    calls = desk.calls
    desk.run(PAST)
    assert desk.calls == calls
