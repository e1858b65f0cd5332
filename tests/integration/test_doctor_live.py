"""`doctor --live`: everybody who is configured is asked once, and each failure names the variable and the fix."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clientlore.testing.fakes import every
from clientlore.testing.fakes.serving import Fake, Fault
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from tests.support.typed import Commands

TENANT = """
tenant: desk
name: Desk
judge: {{provider: openai}}
search: [serper, brave, tavily, newsapi, gdelt, hacker_news, edgar, edgar_full_text, google_search, vertex_search]
users: [{{id: ann, name: Ann, email: ann@desk.example}}]
clients: [{{name: Vela Works, ticker: VELA, owners: [ann], feeds: ['{feed}']}}]
"""
ASKED = (
    "serper",
    "brave",
    "tavily",
    "newsapi",
    "gdelt",
    "hacker_news",
    "edgar",
    "edgar_full_text",
    "google_search",
    "vertex_search",
)
STORY = "Vela Works said it will acquire Oakhurst Group for $90 million"
Typed = Callable[..., str]


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as found:
        found.put(
            "/f", Answer(rss("Wire", [Entry(STORY, f"{STORY}, its second deal.", None, "g")]))
        )
        yield found


@pytest.fixture
def typed(typed: Commands, monkeypatch: pytest.MonkeyPatch) -> Typed:
    monkeypatch.setenv("LLM_TIMEOUT", "20")
    return lambda *arguments, status=0: typed(*arguments, status=status).both


@pytest.fixture
def desk(
    fake: Fake, typed: Typed, server: FeedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Fake]:
    """A live tenant that asks everybody, with every key."""
    with every.served(fake, tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        (tmp_path / "t.yaml").write_text(TENANT.format(feed=server.url("/f")))
        typed("apply", "t.yaml")
        yield fake


def verdicts(told: str) -> dict[str, dict[str, str]]:
    return {one["subject"]: one for one in json.loads(told)}


def test_everybody_is_asked_once(desk: Fake, typed: Typed, server: FeedServer) -> None:
    found = verdicts(typed("doctor", "--live", "--json"))
    assert {*ASKED, "rss", "judge openai", "judge anthropic", "embedder", "reranker"} <= set(found)
    assert [one for one in found.values() if one["verdict"] != "ok"] == []
    assert "no tenant uses it" in found["judge anthropic"]["detail"]
    calls = Counter(asked.path.split("/")[1] for asked in desk.asked())
    # A CRM may be asked for a token too, and for each of its tables.
    calls = Counter({name: n for name, n in calls.items() if name in {*ASKED, *every.MODELS}})
    assert {"salesforce_accounts", "hubspot_accounts"} <= set(found)
    # OpenAI is both a judge and an embedder.
    assert calls == {**dict.fromkeys(ASKED, 1), "openai": 2, "anthropic": 1, "rerank": 1}
    assert len(server.log) == 1
    assert "answers in" in typed("doctor", "--live")


@pytest.mark.parametrize(
    ("variable", "subject", "verdict"),
    [
        ("SERPER_API_KEY", "serper", "no"),
        ("BRAVE_API_KEY", "brave", "no"),
        ("TAVILY_API_KEY", "tavily", "no"),
        ("NEWSAPI_KEY", "newsapi", "no"),
        ("GOOGLE_SEARCH_API_KEY", "google_search", "no"),
        ("VERTEX_SEARCH_API_KEY", "vertex_search", "no"),
        ("OPENAI_API_KEY", "judge openai", "no"),
        ("OPENAI_API_KEY", "embedder", "no"),
        ("RERANK_API_KEY", "reranker", "no"),
        ("ANTHROPIC_API_KEY", "judge anthropic", "note"),
    ],
)
def test_a_key_that_is_wrong_is_named_with_the_fix(
    desk: Fake,
    typed: Typed,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    subject: str,
    verdict: str,
) -> None:
    assert desk.asked() == []
    monkeypatch.setenv(variable, "sk-somebody-elses-9f3")
    told = typed("doctor", "--live", "--json", status=1 if verdict == "no" else 0)
    one = verdicts(told)[subject]
    assert one["verdict"] == verdict
    assert variable in one["detail"]
    assert f"{variable} in the environment or in .env" in one["advice"]
    assert "9f3" not in told


def test_a_key_that_is_not_set_is_named_and_nobody_is_asked_without_it(
    desk: Fake, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SERPER_API_KEY")
    one = verdicts(typed("doctor", "--live", "--json", status=1))["serper"]
    assert "needs the variable SERPER_API_KEY, which is not set" in one["detail"]
    assert "Set SERPER_API_KEY" in one["advice"]
    assert desk.asked("/serper") == []


def test_trouble_of_one_provider_leaves_the_others_asked(desk: Fake, typed: Typed) -> None:
    desk.fail("/brave", Fault(500, b"no"))
    desk.fail("/tavily", Fault(200, b"<html>"))
    found = verdicts(typed("doctor", "--live", "--json", status=1))
    assert "500" in found["brave"]["detail"]
    assert "no JSON" in found["tavily"]["detail"]
    assert [s for s, one in found.items() if one["verdict"] == "no"] == ["brave", "tavily"]
    # Asked once means once: what may pass is for the next look.
    assert len(desk.asked("/brave")) == 1


def test_with_every_key_unset_a_live_tenant_collects_from_its_feeds_and_a_mock_tenant_does_everything(
    typed: Typed, tmp_path: Path, server: FeedServer
) -> None:
    live = (
        "tenant: desk\nname: Desk\nusers: [{id: ann, name: Ann, email: ann@desk.example}]\n"
        f"clients: [{{name: Vela Works, owners: [ann], feeds: ['{server.url('/f')}']}}]\n"
    )
    (tmp_path / "live.yaml").write_text(live)
    typed("apply", "live.yaml")
    typed("run", "--tenant", "desk")
    assert STORY in typed("search", "Oakhurst", "--tenant", "desk")
    assert verdicts(typed("doctor", "--live", "--json"))["rss"]["verdict"] == "ok"
    mock = (
        "tenant: demo-desk\nname: Demo\nmode: mock\n"
        "search: [{provider: serper, on_failure: mock}, {provider: brave, on_failure: mock}]\n"
        "crm: {accounts: nowhere.csv, on_failure: mock}\n"
        "users: [{id: bo, name: Bo, email: bo@demo.example, threshold: 0.0}]\n"
        "clients: [{name: Harbor Foods, owners: [bo]}]\n"
    )
    (tmp_path / "mock.yaml").write_text(mock)
    typed("apply", "mock.yaml")
    told = typed("run", "--tenant", "demo-desk", "--deliver", status=3)
    assert "SERPER_API_KEY" in told
    assert "Harbor Foods" in typed("digest", "show", "--tenant", "demo-desk", "--user", "bo")


def test_two_questions_at_once_are_refused(typed: Typed) -> None:
    assert "ask one at a time" in typed(
        "doctor", "--live", "--send-test-mail", "a@b.example", status=2
    )
