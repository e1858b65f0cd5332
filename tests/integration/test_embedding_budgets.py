"""Vectors on a budget: nothing is embedded beyond it, what was used is counted, and a later day catches up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from clientlore.clock import FrozenClock
from clientlore.control import budgets, tenants
from clientlore.control.model import Tenant
from clientlore.errors import ConfigurationError, QuotaExhaustedError
from clientlore.memory.embedding import PROVIDER, embedder_of
from clientlore.memory.store import MemoryStore
from clientlore.run_context import Scope
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest, RunResult
from clientlore.testing.fakes import openai
from clientlore.testing.fakes.serving import Fake, serving
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def workspace(tmp_path: Path, clock: FrozenClock, fake: Fake) -> Iterator[Workspace]:
    with serving(fake, [openai.routes]) as address:
        settings = {
            "openai_api_key": openai.KEY,
            "openai_api_base": f"{address}/openai/v1",
            "embedding": {"model": "text-embedding-3-small", "dimensions": 64},
        }
        with open_workspace(tmp_path / "home", clock, **settings) as opened:
            yield opened


def tenant(workspace: Workspace, budget: str) -> Tenant:
    put_tenant(
        workspace,
        f"tenant: acme\nname: Acme\nmode: mock\nembeddings: {budget}\nclients: [{{name: Harbor Foods}}]\n",
    )
    with workspace.control.read() as connection:
        return tenants.get_tenant(connection, "acme")


def run(workspace: Workspace) -> RunResult:
    day = workspace.clock.now().date()
    (result,) = InlineOrchestrator(workspace).launch(RunRequest(day, day, Scope()))
    return result


def spent(workspace: Workspace) -> budgets.SpendingDay:
    on = workspace.clock.now().date()
    with workspace.control.read() as connection:
        (found,) = budgets.spending(connection, "acme", on, on, PROVIDER)
    return found


def test_what_vectors_took_is_counted_and_what_was_reserved_for_them_given_back(
    workspace: Workspace, fake: Fake
) -> None:
    mine = tenant(workspace, "{budget_tokens: 1000000}")
    assert run(workspace).outcome == "succeeded"
    today = spent(workspace)
    assert today.settled.calls == len(fake.asked("/openai/v1/embeddings")) == 1
    assert today.settled.tokens > 0
    assert today.reserved == budgets.Spent()
    assert today.settled.nano_usd == today.settled.tokens * 20
    MemoryStore(workspace, embedder_of(workspace, mine)).search("acme", "harbor")
    assert spent(workspace).settled.calls == 2


def test_without_room_nothing_is_asked_the_run_says_so_and_a_later_day_catches_up(
    workspace: Workspace, fake: Fake, clock: FrozenClock
) -> None:
    mine = tenant(workspace, "{budget_tokens: 10}")
    told = run(workspace)
    assert told.outcome == "degraded"
    assert "may spend 10 tokens a day on vectors" in str(told.error)
    assert "`embeddings`" in str(told.error)
    assert fake.asked("/openai") == []
    assert spent(workspace).refused >= 1
    store = MemoryStore(workspace, embedder_of(workspace, mine))
    assert store.behind("acme") > 0
    clock.advance(timedelta(days=1))
    mine = tenant(workspace, "{budget_tokens: 100000}")
    assert run(workspace).outcome == "succeeded"
    found = MemoryStore(workspace, embedder_of(workspace, mine)).search("acme", "harbor foods")
    assert (found.mode, found.behind) == ("hybrid", 0)
    assert found.hits


def test_a_question_without_room_is_answered_by_words(workspace: Workspace, fake: Fake) -> None:
    tenant(workspace, "{budget_tokens: 100000}")
    run(workspace)
    poor = tenant(workspace, "{budget_calls: 1}")
    found = MemoryStore(workspace, embedder_of(workspace, poor)).search("acme", "harbor foods")
    assert found.mode == "lexical"
    assert found.hits
    assert len(fake.asked("/openai/v1/embeddings")) == 1


def test_a_call_that_fails_counts_and_its_reservation_is_given_back(
    workspace: Workspace, fake: Fake
) -> None:
    mine = tenant(workspace, "{budget_usd: 0.01}")
    fake.fail("/openai", openai.out_of_money())
    embedder = embedder_of(workspace, mine)
    assert embedder is not None
    with pytest.raises(QuotaExhaustedError):
        embedder.embed(["a", "b"])
    assert spent(workspace).settled == budgets.Spent(1, 0, 0)
    assert spent(workspace).reserved == budgets.Spent()


def test_dollars_need_a_price(tmp_path: Path, clock: FrozenClock) -> None:
    settings = {"embedding": {"model": "home-made", "api_base": "http://127.0.0.1:9/v1"}}
    with open_workspace(tmp_path / "home", clock, **settings) as opened:
        mine = tenant(opened, "{budget_usd: 1}")
        with pytest.raises(ConfigurationError, match="no price of 'home-made' is known"):
            embedder_of(opened, mine)
