"""Vectors through the real client library against the fake, up to a search that finds what words do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clientlore.clock import FrozenClock
from clientlore.errors import AuthenticationError, BadDataError, QuotaExhaustedError, RetriableError
from clientlore.memory import log
from clientlore.memory.store import MemoryStore
from clientlore.providers.embeddings import openai as embeddings
from clientlore.providers.embeddings.openai import OpenAIEmbedder
from clientlore.run_context import Scope
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
from clientlore.testing.fakes import openai
from clientlore.testing.fakes.serving import Fake, Fault, serving
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SLEPT: list[float] = []


@pytest.fixture
def fake() -> Fake:
    SLEPT.clear()
    return Fake()


@pytest.fixture
def address(fake: Fake) -> Iterator[str]:
    with serving(fake, [openai.routes]) as found:
        yield f"{found}/openai/v1"


@pytest.fixture
def embedder(address: str, clock: FrozenClock) -> Iterator[OpenAIEmbedder]:
    made = OpenAIEmbedder(
        "text-embedding-3-small", 32, api_key=openai.KEY, clock=clock, base_url=address,
        sleep=SLEPT.append,
    )  # fmt: skip
    with closing(made):
        yield made


def sent(fake: Fake) -> list[dict[str, Any]]:
    return [json.loads(asked.body) for asked in fake.asked("/openai/v1/embeddings")]


def test_texts_become_unit_vectors_in_their_order(fake: Fake, embedder: OpenAIEmbedder) -> None:
    made = embedder.embed(["a plant opens", "", "a plant opens"])
    assert (made.shape, made.dtype) == ((3, 32), np.dtype("float32"))
    assert np.linalg.norm(made, axis=1) == pytest.approx([1, 1, 1])
    assert made[0] == pytest.approx(made[2])
    assert made[0] == pytest.approx(openai.embedding("a plant opens", 32), abs=1e-6)
    (asked,) = sent(fake)
    assert (asked["dimensions"], asked["input"][1]) == (32, " ")
    assert embedder.embed([]).shape == (0, 32)
    assert len(sent(fake)) == 1


def test_many_texts_go_in_several_calls_and_a_long_one_is_cut(
    fake: Fake, embedder: OpenAIEmbedder
) -> None:
    texts = [f"story {n}" for n in range(embeddings.TEXTS_PER_CALL + 1)]
    made = embedder.embed(texts)
    assert [len(asked["input"]) for asked in sent(fake)] == [embeddings.TEXTS_PER_CALL, 1]
    assert made[-1] == pytest.approx(openai.embedding(texts[-1], 32), abs=1e-6)
    embedder.embed(["x" * 300_000] * 30)
    assert {len(asked["input"]) for asked in sent(fake)[2:]} == {25, 5}
    assert len(sent(fake)[2]["input"][0]) == embeddings.CHARS_PER_TEXT


def test_what_may_pass_is_asked_again_and_what_may_not_is_not(
    fake: Fake, embedder: OpenAIEmbedder
) -> None:
    fake.fail("/openai", openai.rate_limited("3"), openai.overloaded())
    assert embedder.embed(["a"]).shape == (1, 32)
    assert SLEPT[0] == 3.0
    assert 0 <= SLEPT[1] <= 4.0
    for faults, kind, calls in (
        ([openai.overloaded()] * 3, RetriableError, 3),
        ([openai.rate_limited("90")], RetriableError, 1),
        ([openai.out_of_money()], QuotaExhaustedError, 1),
        ([openai.revoked()], AuthenticationError, 1),
        ([Fault(200, b"hello")], BadDataError, 1),
    ):
        fake.log.clear()
        fake.fail("/openai", *faults)
        with pytest.raises(kind):
            embedder.embed(["a"])
        assert len(sent(fake)) == calls


def test_a_model_of_another_length_names_the_setting(
    fake: Fake, address: str, clock: FrozenClock
) -> None:
    made = OpenAIEmbedder("nomic", 768, api_key=openai.KEY, clock=clock, base_url=address)
    with closing(made), pytest.raises(BadDataError, match="EMBEDDING_DIMENSIONS=1536"):
        made.embed(["a"])
    assert "dimensions" not in sent(fake)[0]


@pytest.fixture
def workspace(tmp_path: Path, clock: FrozenClock, address: str) -> Iterator[Workspace]:
    settings = {
        "openai_api_key": openai.KEY,
        "openai_api_base": address,
        "embedding": {"model": "text-embedding-3-small", "dimensions": 64},
    }
    with open_workspace(tmp_path / "home", clock, **settings) as opened:
        put_tenant(
            opened,
            "tenant: acme\nname: Acme\nmode: mock\nclients: [{name: Harbor Foods}]\n",
        )
        yield opened


def test_the_environment_makes_search_hybrid_and_without_an_answer_it_is_lexical_and_says_so(
    workspace: Workspace, fake: Fake
) -> None:
    (result,) = InlineOrchestrator(workspace).launch(RunRequest(NOW.date(), NOW.date(), Scope()))
    assert result.outcome == "succeeded", result
    found = MemoryStore(workspace).search("acme", "harbor foods")
    assert found.mode == "hybrid"
    assert any("vector" in hit.legs for hit in found.hits)
    fake.state["openai"]["key"] = "changed"
    without = MemoryStore(workspace).search("acme", "harbor foods")
    assert without.mode == "lexical"
    assert without.hits


def test_an_index_without_an_endpoint_is_degraded_and_the_log_has_everything(
    workspace: Workspace, fake: Fake
) -> None:
    fake.state["openai"]["key"] = "changed"
    (result,) = InlineOrchestrator(workspace).launch(RunRequest(NOW.date(), NOW.date(), Scope()))
    assert result.outcome == "degraded"
    with workspace.control.read() as connection:
        assert log.head(connection, "acme") > 0
    found = MemoryStore(workspace).search("acme", "harbor")
    assert (found.mode, found.hits) == ("lexical", ()) or found.behind > 0
    fake.state["openai"]["key"] = openai.KEY
    assert MemoryStore(workspace).search("acme", "harbor").hits


@pytest.mark.parametrize(
    ("own", "sent_key"),
    [
        ({}, "Bearer sk-fake-openai"),
        ({"api_base": True}, "Bearer none"),
        ({"api_base": True, "api_key": "emb-key"}, "Bearer emb-key"),
    ],
)
def test_a_key_goes_to_no_address_but_its_own(
    tmp_path: Path, clock: FrozenClock, fake: Fake, address: str, own: dict[str, Any], sent_key: str
) -> None:
    fake.state["openai"]["key"] = None
    chosen = {k: address if v is True else v for k, v in own.items()}
    settings = {
        "openai_api_key": openai.KEY,
        "openai_api_base": address,
        "embedding": {"model": "m", **chosen},
    }
    with open_workspace(tmp_path / "home", clock, **settings) as opened:
        assert opened.embedder is not None
        opened.embedder.embed(["a"])
    assert fake.asked("/openai")[0].headers["authorization"] == sent_key
