"""Whom a search shows what: tenants and owners apart, narrowed before ranking, as of an instant, within a clearance."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clientlore.clock import FrozenClock
from clientlore.errors import ConfigurationError
from clientlore.ids import stable_id
from clientlore.memory import bulk
from clientlore.memory.kinds import Tier
from clientlore.memory.maintenance.running import maintain
from clientlore.memory.search import Hit
from clientlore.memory.service import MemoryService
from clientlore.memory.statements import Statement
from clientlore.memory.store import MemoryStore
from clientlore.testing.workspaces import open_workspace
from clientlore.workspace import Workspace

QUERIES = 10_000
TENANTS, OWNERS, EACH = 3, 4, 3
WORDS = [
    "plant",
    "mine",
    "harbor",
    "factory",
    "lisbon",
    "merger",
    "bond",
    "audit",
    "quarter",
    "vessel",
]


@dataclass
class Hashed:
    """An embedder that gives each word a direction of its own."""

    dimension: int = 64
    model: str = "hashed"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        made = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for n, text in enumerate(texts):
            for word in text.lower().split():
                made[n, int(stable_id(word, size=2), 16) % self.dimension] += 1
        return made

    def close(self) -> None:
        pass


@pytest.fixture
def workspace(tmp_path: Path, clock: FrozenClock) -> Iterator[Workspace]:
    with open_workspace(tmp_path / "home", clock) as opened:
        yield opened


def put(workspace: Workspace, tenant: str, *lines: dict[str, Any], owner: str = "ann") -> None:
    bulk.prepare(workspace, tenant)
    made = [bulk.Line.model_validate({"id": n, "owner": owner, **x}) for n, x in enumerate(lines)]
    bulk.load(workspace, tenant, made, name="test")


def ids(hits: Sequence[Hit]) -> list[Any]:
    return [hit.attributes["id"] for hit in hits]


@pytest.mark.timeout(900)
def test_in_every_mode_nobody_elses_rows_are_found_and_none_of_ones_own_is_lost(
    workspace: Workspace,
) -> None:
    rng = random.Random(0)
    for t in range(TENANTS):
        lines = [
            {
                "id": f"t{t} o{o} {n}",
                "owner": f"o{o}",
                "text": f"{' '.join(WORDS)} {rng.choice(WORDS)}",
            }
            for o in range(OWNERS)
            for n in range(EACH)
        ]
        put(workspace, f"t{t}", *lines)
    made = MemoryStore(workspace, Hashed())
    everybody = [f"o{o}" for o in range(OWNERS)]
    asked = [everybody, *([a] for a in everybody), *map(list, combinations(everybody, 2))]
    own = {
        (f"t{t}", tuple(named)): {f"t{t} {o} {n}" for o in named for n in range(EACH)}
        for t in range(TENANTS)
        for named in asked
    }
    for n in range(QUERIES):
        tenant, mode = f"t{rng.randrange(TENANTS)}", ("lexical", "vector", "hybrid")[n % 3]
        owners = (
            None if n % 7 == 0 else sorted({f"o{rng.randrange(OWNERS)}" for _ in range(1 + n % 2)})
        )
        query = " ".join(rng.sample(WORDS, 2))
        found = made.search(tenant, query, owners=owners, limit=1_000, mode=mode).hits
        assert {hit.attributes["id"] for hit in found} == own[tenant, tuple(owners or everybody)]
        assert len(found) == len(own[tenant, tuple(owners or everybody)])


def test_a_search_is_narrowed_before_it_is_ranked(workspace: Workspace) -> None:
    many = [
        {"id": f"x{n}", "text": "plant plant plant", "occurred_at": "2026-01-01"} for n in range(50)
    ]
    put(
        workspace,
        "acme",
        *many,
        {"id": "day", "text": "a plant and more words", "occurred_at": "2026-05-02T23:59:59Z"},
        {"id": "note", "text": "a plant and more words", "kind": "note", "metadata": {"from": "ann", "read": True}},
    )  # fmt: skip
    made = MemoryStore(workspace)
    day = dt.date(2026, 5, 2)

    def found(**narrowed: Any) -> list[Any]:
        return ids(made.search("acme", "plant", limit=1, **narrowed).hits)

    assert found(since=day, until=day) == ["day"]
    assert found(since=dt.datetime(2026, 5, 2, 23, 59, 59, tzinfo=dt.UTC), until=day) == ["day"]
    assert found(kinds=["note"]) == ["note"]
    assert found(where={"from": "ann"}) == found(where={"read": True}) == ["note"]
    assert found(where={"from": ["bo", "ann"]}) == ["note"]
    assert found(where={"from": "bo"}) == found(where={"none": 1}) == []
    assert found(ids=("day", "other")) == ["day"]


def test_what_is_above_the_clearance_is_not_seen_and_does_not_bear_on_what_is(
    workspace: Workspace,
) -> None:
    put(
        workspace,
        "acme",
        {"id": "a", "text": "Nothing at all", "session": "s"},
        {"id": "b", "text": "A plant", "session": "s", "security": "secret"},
    )
    made = MemoryStore(workspace)
    assert ids(made.search("acme", "plant").hits) == ["b", "a"]
    assert ids(made.search("acme", "plant", clearance="secret").hits) == ["b", "a"]
    assert made.search("acme", "plant", clearance="confidential").hits == ()
    with pytest.raises(ConfigurationError, match="no security tier 'top'"):
        made.search("acme", "plant", clearance="top")


def test_what_somebody_said_in_secret_stays_so_in_search_and_in_what_upkeep_makes_of_it(
    workspace: Workspace, clock: FrozenClock
) -> None:
    told = clock.now() - dt.timedelta(days=90)
    put(
        workspace,
        "acme",
        *(
            {
                "id": f"{tier} {n}",
                "text": f"Visit {n} to the {place} plant",
                "kind": "activity",
                "occurred_at": told.isoformat(),
                "security": tier,
            }
            for tier, place in (("general", "Porto"), ("secret", "Lisbon"))
            for n in range(6)
        ),
    )
    service = MemoryService(workspace, "acme")
    said = Statement("ann", "A merger of the Lisbon plant is planned", "n1", told, tier="secret")
    service.remember([said])
    made = maintain(service, "summarization", clock.now())
    assert made.plan.result["summaries"] == 2
    store = MemoryStore(workspace)

    def texts(clearance: Tier) -> str:
        found = store.search("acme", "plant Lisbon Porto merger", clearance=clearance, limit=99)
        return " ".join(hit.text for hit in found.hits)

    assert "Porto" in texts("confidential")
    assert "Lisbon" not in texts("confidential")
    assert "merger of the Lisbon plant" in texts("secret")
    assert "Visit 1 to the Lisbon plant" in texts("secret")


def test_a_hit_says_what_its_score_is_made_of_and_what_stands_around_it(
    workspace: Workspace,
) -> None:
    talk = ["Where is the plant?", "In Lisbon", "Good", "Else?"]
    put(workspace, "acme", *({"text": t, "session": "s", "speaker": "Bo"} for t in talk))
    (first, second, *_) = MemoryStore(workspace).search("acme", "plant", context=1).hits
    assert (first.text, first.before, first.after) == ("In Lisbon", (talk[0],), (talk[2],))
    assert set(first.parts) == {"neighbours", "answer", "session"}
    assert first.score == pytest.approx(sum(first.parts.values()), abs=1e-5)
    assert set(second.parts) == {"words", "session", "question"}
    score = (second.parts["words"] + second.parts["session"]) * (1 + second.parts["question"])
    assert second.score == pytest.approx(score, abs=1e-5)
    assert second.sources == ("file:test#1",)


def test_the_best_of_each_session_can_stand_for_it(workspace: Workspace) -> None:
    lines = [
        {"id": f"{s}{n}", "text": "plant " * (n + 1), "session": s} for s in "ab" for n in range(3)
    ]
    put(workspace, "acme", *lines)
    found = MemoryStore(workspace).search("acme", "plant", by_session=True).hits
    assert sorted(hit.attributes["session"] for hit in found) == ["a", "b"]


@pytest.mark.parametrize(
    "narrowed",
    [
        {"mode": "other"},
        {"where": {"a b": 1}},
        {"as_of": dt.datetime(2026, 1, 1)},  # noqa: DTZ001
        {"since": dt.datetime(2026, 1, 1)},  # noqa: DTZ001
        {"limit": 0},
    ],
)
def test_what_cannot_be_asked_is_refused(workspace: Workspace, narrowed: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        MemoryStore(workspace).search("acme", "plant", **narrowed)


def test_a_warm_scope_sees_every_change_at_once(workspace: Workspace) -> None:
    made = MemoryStore(workspace)
    for n in range(5):
        put(workspace, "acme", {"id": n, "text": f"plant {n}"})
        put(workspace, "acme", {"id": n, "text": f"plant {n}"}, owner="bo")
        assert sorted(ids(made.search("acme", "plant", owners=["ann"]).hits)) == list(range(n + 1))
        assert len(made.search("acme", "plant").hits) == 2 * (n + 1)
    put(workspace, "acme", {"id": 0, "text": "mining"})
    assert ids(made.search("acme", "mines", owners=["ann"]).hits) == [0]
    assert 0 not in ids(made.search("acme", "plant", owners=["ann"]).hits)
