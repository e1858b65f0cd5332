"""`clientlore providers`, `collect --dry-run` and `fake-providers`: what people type, and how it is answered."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from clientlore.testing.fakes import every
from clientlore.testing.fakes.serving import Fake, serving
from tests.support.typed import Commands

TENANT = """
tenant: desk
name: Desk
search: [serper, newsapi]
users: [{id: ann, name: Ann, email: ann@desk.example}]
clients: [{name: Harbor Foods, owners: [ann]}, {name: Vela Works, ticker: VELA}]
"""
Typed = Callable[..., str]


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def typed(
    typed: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: Fake
) -> Iterator[Typed]:
    """Types a command where everything but NewsAPI has its key; gives what it said."""
    monkeypatch.setenv("COLUMNS", "220")

    def type_in(*arguments: str, status: int = 0) -> str:
        said = typed(*arguments, status=status)
        return said.both if status else said.out

    with serving(fake, every.parts()) as address:
        for name, value in every.environment(address).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("NEWSAPI_KEY")
        (tmp_path / "t.yaml").write_text(TENANT)
        type_in("apply", "t.yaml")
        yield type_in


def test_providers_says_what_is_set_up_where_it_is_asked_and_on_what_terms(typed: Typed) -> None:
    told = typed("providers")
    lines = {line.split()[0]: line for line in told.splitlines() if line.strip()}
    assert "missing: NEWSAPI_KEY" in lines["newsapi"]
    assert re.search(r"yes\s+2\s+0", lines["serper"])
    assert "shown to owner" in lines["google_news"]
    assert "mock" in lines["mock_search"]
    assert re.search(r"Serper is asked at http://127\.0\.0\.1:\d+/serper", told)
    assert "test-key" not in told
    found = {one["name"]: one for one in json.loads(typed("providers", "--json"))}
    assert found["brave"]["terms"]["may_store_text"] is False
    assert found["newsapi"]["missing"] == ["NEWSAPI_KEY"]
    assert found["rss"]["terms"] is None


def test_judges_the_embedder_and_the_reranker_stand_beside_the_providers_of_news(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = "judge: {provider: openai, budget_calls: 50}\nembeddings: {budget_tokens: 9000}\nrerank: {budget_calls: 3}\n"
    budget = TENANT.replace("serper, newsapi", "{provider: serper, budget_calls: 5}, brave")
    (tmp_path / "t.yaml").write_text(budget + more)
    typed("apply", "t.yaml")
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    found = {one["name"]: one for one in json.loads(typed("providers", "--json"))}
    assert (found["rules"]["sources"], found["openai"]["sources"]) == (0, 1)
    assert found["openai"]["last_success_at"] is None
    assert found["openai"]["left"][0]["calls"] == 50
    assert found["anthropic"]["missing"] == ["ANTHROPIC_API_KEY"]
    assert found["embeddings"]["title"] == "text-embedding-3-small"
    typed("run")
    found = {one["name"]: one for one in json.loads(typed("providers", "--json"))}
    assert found["openai"]["last_success_at"].startswith("20")
    assert 0 < found["openai"]["left"][0]["calls"] < 50
    assert found["embeddings"]["last_success_at"].startswith("20")
    assert found["embeddings"]["left"][0]["tokens"] < 9_000
    assert found["serper"]["left"] == [
        {"tenant_id": "desk", "calls": 3, "tokens": None, "usd": None}
    ]
    # Brave says in its headers what is left of the month.
    assert found["brave"]["account_left"] > 0
    assert (found["rerank"]["title"], found["rerank"]["sources"]) == ("rerank-fake", 1)
    assert found["rerank"]["last_success_at"] is None
    typed("search", "Harbor Foods", "--limit", "1")
    (reranker,) = [x for x in json.loads(typed("providers", "--json")) if x["name"] == "rerank"]
    assert reranker["last_success_at"].startswith("20")
    assert reranker["left"][0]["calls"] == 2
    assert reranker["missing"] == []
    monkeypatch.delenv("RERANK_URL")
    (reranker,) = [x for x in json.loads(typed("providers", "--json")) if x["name"] == "rerank"]
    assert (reranker["missing"], reranker["sources"]) == (["RERANK_URL"], 0)
    told = typed("providers")
    assert "desk: 3 calls" in told
    assert "account: " in told


def test_a_dry_run_prints_what_would_be_stored_and_stores_nothing(
    typed: Typed, fake: Fake, tmp_path: Path
) -> None:
    told = typed("collect", "--provider", "serper", "--client", "Harbor Foods", "--dry-run")
    assert "items would be stored" in told
    assert "Harbor Foods" in told
    assert "outcome: collected" in told
    assert len(fake.asked("/serper")) == 1
    assert list((tmp_path / "home" / "lake").rglob("*.parquet")) == []
    found = json.loads(
        typed("collect", "--provider", "serper", "--client", "harbor-foods", "--dry-run", "--json")
    )
    assert found["outcome"] == "collected"
    assert len(found["items"]) >= 3
    assert json.loads(found["requests"][0])["method"] == "POST"


def test_a_provider_that_the_tenant_does_not_use_can_be_tried(typed: Typed, fake: Fake) -> None:
    told = typed(
        "collect",
        "--provider",
        "edgar",
        "--client",
        "vela-works",
        "--dry-run",
        "--day",
        "yesterday",
    )
    assert "Vela Logistics SE files" in told
    assert fake.asked("/edgar/submissions")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--provider", "serper", "--client", "harbor-foods"], "Add --dry-run"),
        (["--provider", "bing", "--client", "harbor-foods", "--dry-run"], "no kind of source 'bing'"),
        (["--provider", "crm_accounts", "--client", "harbor-foods", "--dry-run"], "no provider of news"),
        (["--provider", "rss", "--client", "harbor-foods", "--dry-run"], "no source of the kind 'rss'"),
        (["--provider", "edgar", "--client", "harbor-foods", "--dry-run"], "has no ticker"),
        (["--provider", "google_news", "--client", "harbor-foods", "--dry-run"], "accept_terms: true"),
        (["--provider", "serper", "--client", "nobody", "--dry-run"], "nobody"),
    ],
)  # fmt: skip
def test_what_cannot_be_tried_is_refused_with_the_reason(
    typed: Typed, fake: Fake, arguments: list[str], said: str
) -> None:
    assert said in typed("collect", *arguments, status=1)
    assert fake.asked() == []


def test_a_failure_is_shown_with_what_to_do_and_ends_with_status_one(typed: Typed) -> None:
    told = typed(
        "collect", "--provider", "newsapi", "--client", "harbor-foods", "--dry-run", status=1
    )
    assert "outcome: failed (NewsAPI needs the variable NEWSAPI_KEY, which is not set." in told


def test_the_fakes_can_be_started_and_say_how_to_be_asked(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "CLIENTLORE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "clientlore.cli.main", "fake-providers", "--port", "0"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stdout is not None
            lines: list[str] = []
            while not any("TAVILY_API_KEY" in line for line in lines):
                lines.append(running.stdout.readline())
                assert lines[-1], running.stderr.read() if running.stderr else ""
            told = dict(re.findall(r"export (\w+)='([^']*)'", "".join(lines)))
            answer = httpx.post(
                f"{told['SERPER_API_BASE']}/news",
                headers={"x-api-key": told["SERPER_API_KEY"]},
                json={"q": '"Acme"', "tbs": "cdr:1,cd_min:11/18/2026,cd_max:11/19/2026"},
            )
            assert answer.json()["news"][0]["link"].startswith("https://")
        finally:
            running.terminate()
