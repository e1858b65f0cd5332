"""A reranker in a search: what it may see, what becomes of the order, and that nothing it does can break a search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientlore.clock import FrozenClock
from clientlore.control.model import Mode
from clientlore.control.rerank_entry import RerankEntry, rerank_of
from clientlore.errors import ConfigurationError, RetriableError
from clientlore.memory import bulk, ranking
from clientlore.memory.documents import Documents
from clientlore.memory.reranking import CHARS_PER_TEXT
from clientlore.memory.search import Found, Hit
from clientlore.memory.service import MemoryService
from clientlore.memory.store import MemoryStore
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

PLACES = st.lists(st.integers(0, 200), unique=True, max_size=40)


@dataclass
class Stub:
    """Finds relevant what it is told to; remembers what it was shown."""

    say: Callable[[str], float] = len
    mode: Mode = "live"
    model: str = "stub"
    asked: list[tuple[str, list[str]]] = field(default_factory=list)

    def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        self.asked.append((query, list(texts)))
        return [self.say(text) for text in texts]

    def close(self) -> None:
        pass

    @property
    def shown(self) -> list[str]:
        ((_, texts),) = self.asked
        return texts


@pytest.fixture
def workspace(tmp_path: Path, clock: FrozenClock) -> Iterator[Workspace]:
    with open_workspace(tmp_path / "home", clock) as opened:
        yield opened


def tenant(workspace: Workspace, more: str = "", mode: str = "live") -> None:
    clients = "clients: [{name: Harbor, contacts: [{name: Bo Lindqvist}]}]"
    put_tenant(workspace, f"tenant: acme\nname: Acme\nmode: {mode}\n{clients}\n{more}\n")


def put(workspace: Workspace, *lines: Mapping[str, Any]) -> None:
    made = [
        bulk.Line.model_validate({"id": n, "owner": "harbor", **x}) for n, x in enumerate(lines)
    ]
    bulk.load(workspace, "acme", made, name="test")


def find(workspace: Workspace, stub: Any, query: str = "plant", **narrowed: Any) -> Found:
    return MemoryStore(workspace, reranker=stub).search("acme", query, **narrowed)


def ids(hits: Sequence[Hit]) -> list[Any]:
    return [hit.attributes["id"] for hit in hits]


@given(PLACES, st.dictionaries(st.integers(0, 200), st.floats(-9, 9), max_size=40))
def test_reranking_moves_what_is_known_by_relevance_and_leaves_the_rest_where_it_stands(
    places: list[int], relevance: dict[int, float]
) -> None:
    made = ranking.reranked(places, relevance)
    assert sorted(made) == sorted(places)
    known = [place for place in made if place in relevance]
    assert known == sorted(known, key=lambda p: (-relevance[p], places.index(p)))
    for before, after in zip(places, made, strict=True):
        assert (before == after) if before not in relevance else after in relevance


PLANTS = [{"text": "plant " * (9 - n) + "x" * n} for n in range(9)]
"""Nine texts, each less about plants than the one before, and the last half of them about something else."""


def test_the_best_are_in_the_order_of_the_reranker_and_the_rest_follows_as_it_was(
    workspace: Workspace,
) -> None:
    tenant(workspace)
    put(workspace, *PLANTS)
    without = MemoryStore(workspace).search("acme", "plant")
    assert (without.reranked_by, without.not_reranked) == (None, None)
    stub = Stub(say=lambda text: text.count("x"))
    found = find(workspace, stub, rerank=4)
    before = ids(without.hits)
    assert ids(found.hits) == sorted(before[:4], reverse=True) + before[4:]
    assert (found.reranked_by, found.not_reranked) == ("stub", None)
    assert len(stub.asked) == 1
    assert stub.shown == [hit.text for hit in without.hits[:4]]
    first, last = found.hits[0], found.hits[-1]
    assert (first.parts["rerank"], first.legs["rerank"]) == (3.0, 1)
    assert "rerank" not in last.parts
    assert "rerank" not in last.legs
    # Whoever sorts by the score has the same order.
    assert [hit.score for hit in found.hits] == [hit.score for hit in without.hits]


def test_more_are_reranked_than_are_asked_for_and_none_where_it_is_switched_off(
    workspace: Workspace,
) -> None:
    tenant(workspace)
    put(workspace, *PLANTS)
    stub = Stub(say=lambda text: text.count("x"))
    assert ids(find(workspace, stub, limit=2).hits) == [8, 7]
    assert len(stub.shown) == 9
    off = find(workspace, Stub(), limit=2, rerank=0)
    assert off == MemoryStore(workspace).search("acme", "plant", limit=2)
    with pytest.raises(ConfigurationError, match="0 to 1,000"):
        find(workspace, stub, rerank=1_001)


def test_a_search_is_narrowed_before_it_is_reranked(workspace: Workspace) -> None:
    tenant(workspace)
    put(
        workspace, *({**line, "kind": "fact" if n % 2 else "note"} for n, line in enumerate(PLANTS))
    )
    stub = Stub(say=lambda text: text.count("x"))
    found = find(workspace, stub, kinds=["fact"], owners=["harbor"], rerank=3)
    assert ids(found.hits) == [5, 3, 1, 7]
    assert len(stub.shown) == 3


def test_only_the_best_of_each_session_by_the_reranker_stands_for_it(workspace: Workspace) -> None:
    tenant(workspace)
    put(workspace, *({**line, "session": "ab"[n % 2]} for n, line in enumerate(PLANTS)))
    found = find(workspace, Stub(say=lambda text: text.count("x")), by_session=True)
    assert ids(found.hits) == [8, 7]
    assert [hit.score for hit in found.hits] == sorted((h.score for h in found.hits), reverse=True)


@pytest.mark.parametrize(
    ("up_to", "order", "shown"),
    [
        # What may not be sent stays where it stands: 1 and 3 are above general, 3 is above confidential.
        ("general", [4, 1, 2, 3, 0], 3),
        ("confidential", [4, 2, 1, 3, 0], 4),
        ("secret", [4, 3, 2, 1, 0], 5),
        ("none", [0, 1, 2, 3, 4], 0),
    ],
)
def test_what_is_above_the_tier_is_not_sent_and_stays_where_it_stands(
    workspace: Workspace, up_to: str, order: list[int], shown: int
) -> None:
    tenant(workspace, f"rerank: {{up_to: {up_to}}}")
    tiers = {1: {"security": "confidential"}, 3: {"security": "secret"}}
    put(workspace, *({**line, **tiers.get(n, {})} for n, line in enumerate(PLANTS[:5])))
    stub = Stub(say=lambda text: text.count("x"))
    found = find(workspace, stub)
    assert ids(found.hits) == order
    assert [len(texts) for _, texts in stub.asked] == ([shown] if shown else [])
    assert found.not_reranked is None


def test_where_nothing_may_be_sent_nobody_is_asked_and_the_answer_says_so(
    workspace: Workspace,
) -> None:
    tenant(workspace)
    put(workspace, *({**line, "security": "secret"} for line in PLANTS))
    stub = Stub()
    found = find(workspace, stub)
    assert stub.asked == []
    assert "above the tier 'general'" in str(found.not_reranked)
    assert len(found.hits) == 9


def test_personal_data_is_taken_out_where_the_tenant_says_so_and_the_answer_keeps_it(
    workspace: Workspace,
) -> None:
    tenant(workspace, "rerank: {redact: true}")
    put(workspace, {"text": "Bo Lindqvist (bo@kiln.example) runs the plant"}, {"text": "A plant"})
    stub = Stub()
    found = find(workspace, stub, "plant of bo lindqvist")
    ((query, texts),) = stub.asked
    assert query == "plant of [person 1]"
    assert "[person 1] ([email 1]) runs the plant" in texts
    assert "Bo Lindqvist" in found.hits[0].text


def test_a_tenant_whose_judge_is_shown_no_personal_data_shows_a_reranker_none(
    workspace: Workspace,
) -> None:
    tenant(workspace, "judge: {provider: openai, redact: true}")
    put(workspace, {"text": "Mail bo@kiln.example about the plant"}, {"text": "A plant"})
    stub = Stub()
    find(workspace, stub)
    assert "Mail [email 1] about the plant" in stub.shown


def test_a_long_text_is_known_by_its_beginning(workspace: Workspace) -> None:
    tenant(workspace)
    put(workspace, {"text": "plant " * 2_000}, {"text": "A plant"})
    stub = Stub()
    find(workspace, stub)
    assert sorted(map(len, stub.shown)) == [len("A plant"), CHARS_PER_TEXT]


def fails(_text: str) -> float:
    raise RetriableError("It does not answer", "Wait.")


@pytest.mark.parametrize(
    ("stub", "why"),
    [
        (Stub(say=fails), "It does not answer. Wait."),
        (Stub(say=lambda _: float("nan")), "no relevance for each"),
        (Stub(mode="mock"), "reranks for mock tenants alone"),
    ],
)
def test_whatever_goes_wrong_the_order_without_it_stands_and_the_answer_says_why(
    workspace: Workspace, stub: Stub, why: str
) -> None:
    tenant(workspace)
    put(workspace, *PLANTS)
    found, without = find(workspace, stub), MemoryStore(workspace).search("acme", "plant")
    assert found.hits == without.hits
    assert found.reranked_by is None
    assert why in str(found.not_reranked)


def test_half_a_configuration_breaks_no_search(tmp_path: Path, clock: FrozenClock) -> None:
    with open_workspace(tmp_path / "home", clock, rerank={"model": "m"}) as opened:
        tenant(opened)
        put(opened, *PLANTS)
        found = MemoryStore(opened).search("acme", "plant")
        assert len(found.hits) == 9
        assert "without RERANK_URL" in str(found.not_reranked)


def test_the_mock_of_the_environment_serves_a_mock_tenant(
    tmp_path: Path, clock: FrozenClock
) -> None:
    with open_workspace(tmp_path / "home", clock, rerank={"model": "mock"}) as opened:
        tenant(opened, mode="mock")
        put(opened, {"text": "plant plant"}, {"text": "a plant of vast size"})
        found = MemoryStore(opened).search("acme", "vast plant")
        assert (found.reranked_by, ids(found.hits)) == ("mock", [1, 0])


def test_nobody_is_asked_about_a_single_hit_or_none(workspace: Workspace) -> None:
    tenant(workspace)
    put(workspace, {"text": "A plant"}, {"text": "Something else"})
    stub = Stub()
    assert len(find(workspace, stub).hits) == 1
    assert find(workspace, stub, "nothing").hits == ()
    assert stub.asked == []


def test_as_of_an_instant_only_what_was_known_then_is_shown(workspace: Workspace) -> None:
    tenant(workspace)
    times = [{"occurred_at": f"2026-0{n + 1}-01"} for n in range(5)]
    put(workspace, *({**line, **time} for line, time in zip(PLANTS, times, strict=False)))
    stub = Stub(say=lambda text: text.count("x"))
    found = find(workspace, stub, as_of=datetime(2026, 3, 15, tzinfo=UTC))
    assert ids(found.hits) == [2, 1, 0]
    assert len(stub.shown) == 3


def test_what_is_undone_is_reranked_as_before(workspace: Workspace, clock: FrozenClock) -> None:
    tenant(workspace)
    put(workspace, *PLANTS[:4])
    service = MemoryService(workspace, "acme")
    stub = Stub(say=lambda text: text.count("x"))
    before = find(workspace, stub)
    clock.advance(timedelta(hours=1))
    service.retract(before.hits[0].memory_id, "cli:ann", "wrong")
    assert ids(find(workspace, stub).hits) == [2, 1, 0]
    (retracted,) = service.log().filter(pl.col("op") == "retract")["op_id"].to_list()
    clock.advance(timedelta(hours=1))
    service.undo(retracted, "cli:ann")
    assert find(workspace, stub).hits == before.hits


def test_a_search_of_documents_warns_where_they_are_not_reranked(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    tenant(workspace)
    documents = Documents(workspace, "acme")
    documents.store = MemoryStore(workspace, reranker=Stub(say=fails))
    put(workspace, *({**line, "kind": "passage", "session": "d"} for line in PLANTS[:2]))
    documents.search("plant")
    assert "Documents of 'acme' not reranked: It does not answer" in caplog.text


def test_what_a_tenant_allows_is_kept_only_where_it_says_something() -> None:
    assert RerankEntry().settings() == {}
    told = RerankEntry(up_to="secret", budget_calls=3)
    assert told.settings() == {"rerank": {"up_to": "secret", "budget_calls": 3}}
    assert rerank_of(told.settings()) == told
    assert rerank_of({}).limits.calls is None
