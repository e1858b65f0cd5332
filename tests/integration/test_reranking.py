"""Reranking through the HTTP layer against the fake, on a tenant's budget, up to what people type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from clientlore.clock import FrozenClock
from clientlore.control import budgets
from clientlore.memory import bulk
from clientlore.memory.reranking import PROVIDER
from clientlore.memory.search import Found
from clientlore.memory.store import MemoryStore
from clientlore.testing.fakes import rerank
from clientlore.testing.fakes.serving import Fake, serving
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace
from tests.support.typed import Commands

LINES = [
    {"id": "long", "owner": "harbor", "text": "The plant is a plant, and a new plant"},
    {
        "id": "asked",
        "owner": "harbor",
        "text": "Who has a plant that is far from all other places: Ann",
    },
]
QUERY = "who has the plant"


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def address(fake: Fake) -> Iterator[str]:
    with serving(fake, [rerank.routes]) as found:
        yield found


@pytest.fixture
def workspace(tmp_path: Path, clock: FrozenClock, address: str) -> Iterator[Workspace]:
    named = {"model": rerank.MODEL, "url": f"{address}{rerank.PATH}", "api_key": rerank.KEY}
    with open_workspace(tmp_path / "home", clock, rerank=named) as opened:
        yield opened


def search(workspace: Workspace, allows: str = "{}", query: str = QUERY) -> Found:
    put_tenant(workspace, f"tenant: acme\nname: Acme\nrerank: {allows}\n")
    lines = [bulk.Line.model_validate(line) for line in LINES]
    bulk.load(workspace, "acme", lines, name="test")
    return MemoryStore(workspace).search("acme", query)


def spent(workspace: Workspace) -> budgets.SpendingDay:
    on = workspace.clock.now().date()
    with workspace.control.read() as connection:
        (found,) = budgets.spending(connection, "acme", on, on, PROVIDER)
    return found


def test_a_query_is_one_call_that_is_counted_and_what_was_reserved_for_it_given_back(
    workspace: Workspace, fake: Fake
) -> None:
    found = search(workspace, "{budget_calls: 10, budget_tokens: 9000}", "Ann")
    assert (found.reranked_by, found.not_reranked) == (None, None), "a single hit needs no order"
    assert fake.asked() == []
    found = search(workspace, "{budget_calls: 10, budget_tokens: 9000}")
    assert found.reranked_by == rerank.MODEL
    texts = [hit.text for hit in found.hits]
    assert [hit.attributes["id"] for hit in found.hits] == ["asked", "long"]
    assert [hit.parts["rerank"] for hit in found.hits] == pytest.approx(
        [rerank.relevance(QUERY, text) for text in texts], abs=1e-5
    )
    (asked,) = fake.asked()
    told = json.loads(asked.body)
    assert (told["query"], sorted(told["documents"]), told["top_n"]) == (QUERY, sorted(texts), 2)
    today = spent(workspace)
    assert today.settled.calls == 1
    assert today.settled.tokens > 0
    assert today.reserved == budgets.Spent()


def test_without_room_nobody_is_asked_and_the_answer_says_what_to_do(
    workspace: Workspace, fake: Fake
) -> None:
    found = search(workspace, "{budget_tokens: 10}")
    assert len(found.hits) == 2
    assert "may spend 10 tokens a day on reranking" in str(found.not_reranked)
    assert "under `rerank` in the tenant file" in str(found.not_reranked)
    assert fake.asked() == []
    assert spent(workspace).refused == 1
    found = search(workspace, "{budget_usd: 1}")
    assert f"no price of '{rerank.MODEL}' is known" in str(found.not_reranked)


def test_dollars_are_counted_by_a_price_of_calls_or_of_tokens(
    tmp_path: Path, clock: FrozenClock, address: str
) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text(f"- {{provider: {rerank.MODEL}, from: 2026-01-01, call: 0.002}}\n")
    named = {"model": rerank.MODEL, "url": f"{address}{rerank.PATH}", "api_key": rerank.KEY}
    settings = {"rerank": named, "llm": {"prices_path": prices}}
    with open_workspace(tmp_path / "home", clock, **settings) as opened:
        assert search(opened, "{budget_usd: 0.003}").reranked_by == rerank.MODEL
        assert spent(opened).settled.nano_usd == 2_000_000
        assert "may spend $0.00" in str(search(opened, "{budget_usd: 0.003}").not_reranked)


def test_an_endpoint_in_trouble_leaves_the_order_and_a_failed_call_counts(
    workspace: Workspace, fake: Fake
) -> None:
    fake.fail("/rerank", rerank.out_of_money())
    found = search(workspace)
    assert "answered 402" in str(found.not_reranked)
    assert [hit.attributes["id"] for hit in found.hits] == ["long", "asked"]
    assert spent(workspace).settled == budgets.Spent(1, 0, 0)
    # An account that is used up is left alone for a while.
    assert "not asked again before" in str(search(workspace).not_reranked)
    assert len(fake.asked()) == 1


def test_what_is_typed_is_reranked_and_says_so(
    typed: Commands, fake: Fake, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    asked = {"id": "q", "owner": "harbor", "query": QUERY}
    (tmp_path / "q.jsonl").write_text(json.dumps(asked) + "\n")
    typed("memory", "load", "in.jsonl", "--tenant", "acme")
    plain = typed("search", QUERY, "--tenant", "acme", "--json").json
    assert (plain["reranked_by"], plain["not_reranked"]) == (None, None)
    assert plain["hits"][0]["attributes"]["id"] == "long"
    for name, value in (
        ("URL", f"{address}{rerank.PATH}"),
        ("MODEL", "m"),
        ("API_KEY", rerank.KEY),
    ):
        monkeypatch.setenv(f"RERANK_{name}", value)
    said = typed("search", QUERY, "--tenant", "acme", "--explain")
    assert "reranked by m" in said.err
    assert "rerank rank 1" in said.out
    query = ("memory", "query", "q.jsonl", "--tenant", "acme", "--out", "-")
    (first, _) = typed(*query).json["hits"]
    assert first["id"] == "asked"
    assert len(fake.asked()) == 2
    assert typed(*query, "--rerank", "0").json["hits"][0]["id"] == "long"
    assert len(fake.asked()) == 2
    fake.state["rerank"]["key"] = "another"
    said = typed("search", QUERY, "--tenant", "acme")
    assert "not reranked: The rerank endpoint refused the key in RERANK_API_KEY" in said.err
    said = typed(*query)
    assert "refused the key in RERANK_API_KEY" in said.json["not_reranked"]
    assert "1 of 1 not reranked: " in said.err
    assert rerank.KEY not in said.both
