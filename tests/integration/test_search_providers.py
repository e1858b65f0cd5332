"""Every search provider against its fake over real HTTP: what is asked, what is read, and every fault it can have."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clientlore.clock import FrozenClock
from clientlore.control import clients, sources, tenants
from clientlore.monitoring import raw
from clientlore.monitoring.asking import SourceOutcome
from clientlore.monitoring.collect import Collected, collect
from clientlore.providers import http as http_layer
from clientlore.providers.registry import KINDS
from clientlore.providers.search import edgar_full_text, gdelt
from clientlore.run_context import RunContext
from clientlore.settings import load_settings
from clientlore.testing.fakes import every
from clientlore.testing.fakes.news import CONTACT, stories
from clientlore.testing.fakes.serving import Fake, serving
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace
from tests.conftest import NOW

TODAY = NOW.date()
NAME = "Harbor Foods"
PROVIDERS = tuple(every.SEARCH)
WITH_KEY = ("serper", "brave", "tavily", "newsapi", "google_search", "vertex_search")
SINCE = datetime(2026, 11, 19, tzinfo=UTC)


@dataclass
class Desk:
    """A live tenant of one client, searched by one provider, which is a fake."""

    tmp_path: Path
    fake: Fake
    address: str
    clock: FrozenClock
    environment: dict[str, str] = field(default_factory=dict)
    opened: list[Workspace] = field(default_factory=list)

    def open(self, provider: str, **settings: Any) -> Workspace:
        """Its workspace, with settings as the environment gives them."""
        environment = {
            "CLIENTLORE_HOME": str(self.tmp_path / "home"),
            **every.environment(self.address),
            "CLIENTLORE_HTTP_TIMEOUT": "5",
            **self.environment,
        }
        made = load_settings(environment, start=self.tmp_path)
        workspace = Workspace.open(made, clock=self.clock)
        self.opened.append(workspace)
        entry = (
            "{provider: google_news, accept_terms: true}" if provider == "google_news" else provider
        )
        put_tenant(
            workspace,
            f"""
            tenant: desk
            name: Desk
            search: [{entry}]
            clients: [{{name: {NAME} Inc, ticker: HRBR, domain: harbor.example}}]
            """,
        )
        return workspace

    def collect(self, provider: str, day: date = TODAY, **settings: Any) -> SourceOutcome:
        """One collection, in a process of its own so to speak: no bucket or breaker remembers the last."""
        return self.again(self.open(provider, **settings), day)

    def again(self, workspace: Workspace, day: date = TODAY) -> SourceOutcome:
        """One collection more in the same process."""
        (outcome,) = self.collected(workspace, day).outcomes
        return outcome

    def collected(self, workspace: Workspace, day: date = TODAY) -> Collected:
        """All of one collection."""
        with workspace.control.read() as connection:
            tenant = tenants.get_tenant(connection, "desk")
            known = sources.sources_of(connection, "desk")
            watched = clients.clients_of(connection, "desk")
        return collect(
            RunContext(workspace), tenant, day, raw.SEARCH_RESULTS,
            known_sources=known, clients=watched,
        )  # fmt: skip

    def rows(self, table: Any = raw.SEARCH_RESULTS) -> list[dict[str, Any]]:
        """Raw rows of all days."""
        lake = self.opened[-1].lake
        return lake.collect(table, lake.scan(table, ["desk"], None)).to_dicts()

    def found(self) -> set[str]:
        """Which items were found, each once whatever versions of it there are."""
        return {row["origin_id"] for row in self.rows()}

    def ledger(self) -> dict[str, Any]:
        """The row of the day's only source."""
        with self.opened[-1].control.read() as connection:
            (row,) = sources.collections_of(connection, "desk", TODAY)
        return row

    def state(self) -> sources.SourceState:
        """What the only source said last."""
        with self.opened[-1].control.read() as connection:
            (state,) = sources.states_of(connection, "desk").values()
        return state

    def asked(self, provider: str) -> list[Any]:
        """The requests that a provider got for news."""
        return [a for a in self.fake.asked(f"/{provider}/") if "tickers" not in a.path]


@pytest.fixture
def fake() -> Fake:
    made = Fake()
    made.state["clock"]["now"] = NOW
    return made


@pytest.fixture
def desk(
    tmp_path: Path, fake: Fake, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    # Nobody waits for a fake.
    monkeypatch.setattr(gdelt, "SECONDS_BETWEEN", 0.01)
    monkeypatch.setattr(http_layer, "BASE_DELAY", 0.01)
    with serving(fake, every.parts()) as address:
        made = Desk(tmp_path, fake, address, clock)
        yield made
        for workspace in made.opened:
            workspace.close()


def test_every_provider_that_can_be_searched_has_its_fake() -> None:
    searchable = {name for name, kind in KINDS.items() if kind.terms is not None}
    assert searchable == set(PROVIDERS)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_a_provider_finds_is_kept_as_rows_of_the_client(desk: Desk, provider: str) -> None:
    outcome = desk.collect(provider)
    assert (outcome.outcome, outcome.error) == ("collected", None)
    rows = desk.rows()
    assert len(rows) == outcome.items >= 3
    for row in rows:
        assert NAME in row["title"]
        assert row["source_mode"] == "live"
        assert row["url"].startswith("https://")
        assert SINCE - timedelta(days=1) <= row["published_at"] <= NOW
        assert "Removed" not in row["title"]
    assert outcome.drift == {}
    # What is found by words is matched like any other news; only EDGAR knows whom it speaks about.
    assert {row["client_id"] for row in rows} == {
        "harbor-foods-inc" if provider == "edgar" else None
    }
    assert desk.ledger()["client_id"] == "harbor-foods-inc"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_is_told_who_asks_and_what_for(desk: Desk, provider: str) -> None:
    desk.collect(provider)
    asked = desk.asked(provider)
    assert asked
    for one in asked:
        expected = CONTACT if provider.startswith("edgar") else "Clientlore/"
        assert one.headers["user-agent"].startswith(expected)
    said = [f"{one.path} {json.dumps(dict(one.query))} {one.body.decode()}" for one in asked]
    if provider != "edgar":
        assert NAME in said[0]
        assert f"{NAME} Inc" not in said[0]
    keys = [
        one.headers.get(name)
        for one in asked
        for name in ("x-api-key", "x-subscription-token", "x-goog-api-key", "authorization")
        if name in one.headers
    ]
    assert {key.removeprefix("Bearer ") for key in keys if key} == (
        {"test-key"} if provider in WITH_KEY else set()
    )
    assert all("test-key" not in line for line in said)


SPANS: dict[str, Callable[[Any], list[str]]] = {
    "serper": lambda a: [json.loads(a.body)["tbs"]],
    "brave": lambda a: [a.query["freshness"]],
    "tavily": lambda a: [json.loads(a.body)["start_date"], json.loads(a.body)["end_date"]],
    "newsapi": lambda a: [a.query["from"], a.query["to"]],
    "gdelt": lambda a: [a.query["startdatetime"], a.query["enddatetime"]],
    "hacker_news": lambda a: [a.query["numericFilters"]],
    "edgar_full_text": lambda a: [a.query["startdt"], a.query["enddt"]],
    "google_news": lambda a: [a.query["q"].split('" ')[1]],
}
FIRST = {
    "serper": ["cdr:1,cd_min:11/19/2026,cd_max:11/20/2026"],
    "brave": ["2026-11-19to2026-11-20"],
    "tavily": ["2026-11-19", "2026-11-20"],
    "newsapi": ["2026-11-19T00:00:00", "2026-11-20T09:00:00"],
    "gdelt": ["20261119000000", "20261120090000"],
    "hacker_news": [f"created_at_i>={int(SINCE.timestamp())},created_at_i<{int(NOW.timestamp())}"],
    "edgar_full_text": ["2026-11-19", "2026-11-20"],
    "google_news": ["after:2026-11-19 before:2026-11-21"],
}


@pytest.mark.parametrize("provider", SPANS)
def test_the_day_is_asked_for_with_a_day_before_it(desk: Desk, provider: str) -> None:
    desk.environment["CLIENTLORE_HTTP_ATTEMPTS"] = "1"
    desk.collect(provider)
    span = SPANS[provider]
    if provider == "google_news":
        desk_names = desk.asked(provider)[0].query["q"]
        assert desk_names.endswith(FIRST[provider][0])
    else:
        assert span(desk.asked(provider)[0]) == FIRST[provider]


@pytest.mark.parametrize("provider", ["newsapi", "gdelt"])
def test_after_an_outage_all_since_the_last_success_is_asked_for(desk: Desk, provider: str) -> None:
    desk.collect(provider)
    assert desk.state().synced_to == NOW
    later = NOW + timedelta(days=5)
    desk.clock.at = later
    desk.fake.state["clock"]["now"] = later
    asked = len(desk.asked(provider))
    desk.collect(provider, later.date())
    start, end = SPANS[provider](desk.asked(provider)[asked])
    digits = [part.replace("-", "").replace(":", "").replace("T", "") for part in (start, end)]
    assert digits == ["20261119090000", "20261125090000"]
    assert desk.state().synced_to == later


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_past_day_gives_what_was_published_by_its_end_and_moves_no_mark(
    desk: Desk, provider: str
) -> None:
    past = date(2026, 11, 17)
    outcome = desk.collect(provider, past)
    assert outcome.outcome == "collected"
    assert desk.state().synced_to is None
    times = [row["published_at"] for row in desk.rows()]
    assert times
    assert max(times) < datetime(2026, 11, 18, tzinfo=UTC)
    assert min(times) >= datetime(2026, 11, 16, tzinfo=UTC)


PAGED = {
    "google_search": 10,
    "vertex_search": 25,
    "serper": 50,
    "brave": 50,
    "newsapi": 100,
    "gdelt": 250,
    "hacker_news": 50,
    "edgar_full_text": 100,
}


def _many(desk: Desk, provider: str) -> set[str]:
    """Lets there be more than fits on a page; returns their addresses."""
    minutes = {"gdelt": 4, "google_search": 60, "vertex_search": 60}.get(provider, 14)
    desk.fake.state["news"]["minutes"] = minutes
    desk.fake.state["hacker_news"]["most"] = 50
    return {story.url for story in stories(desk.fake, NAME, SINCE, NOW)}


@pytest.mark.parametrize("provider", PAGED)
def test_all_pages_are_read(desk: Desk, provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from clientlore.providers.search import hacker_news

    monkeypatch.setattr(hacker_news, "MOST", 50)
    wanted = _many(desk, provider)
    assert len(wanted) > PAGED[provider]
    outcome = desk.collect(provider)
    assert outcome.outcome == "collected"
    urls = {row["url"] for row in desk.rows()}
    if provider in {"hacker_news", "edgar_full_text"}:
        assert len(desk.found()) == len(wanted)
    else:
        assert urls == wanted


@pytest.mark.parametrize("provider", ["serper", "brave", "newsapi"])
@pytest.mark.parametrize("unsteady", [{"shift": 7}, {"shift": 60}])
def test_pages_that_shift_while_they_are_read_lose_nothing_and_double_nothing(
    desk: Desk, provider: str, unsteady: dict[str, int]
) -> None:
    wanted = _many(desk, provider)
    desk.fake.state[provider].update(unsteady)
    outcome = desk.collect(provider)
    assert outcome.outcome == "collected"
    urls = [row["url"] for row in desk.rows()]
    first = PAGED[provider]
    newest = [story.url for story in stories(desk.fake, NAME, SINCE, NOW)]
    assert set(newest[:first]) <= set(urls)
    if unsteady["shift"] < first:
        # The tail that the shift pushed down stands on the pages that follow.
        assert set(urls) <= wanted
    ids = {row["item_id"] for row in desk.rows()}
    assert len({row["origin_id"] for row in desk.rows()}) == len(set(urls))
    assert len(ids) == len(set(urls))


def test_a_name_that_fills_the_full_text_search_is_asked_for_up_to_its_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edgar_full_text, "MOST", 200)
    desk.fake.state["edgar_full_text"]["most"] = 200
    desk.fake.state["news"]["minutes"] = 5
    assert desk.collect("edgar_full_text").outcome == "collected"
    assert [a.query["from"] for a in desk.asked("edgar_full_text")] == ["0", "100"]
    # Two documents of each filing.
    assert len(desk.found()) == len(desk.rows()) == 100


@pytest.mark.parametrize("provider", ["serper", "brave", "newsapi"])
def test_a_page_that_comes_twice_ends_the_asking(desk: Desk, provider: str) -> None:
    _many(desk, provider)
    desk.fake.state[provider]["repeat"] = True
    outcome = desk.collect(provider)
    assert outcome.outcome == "collected"
    assert len(desk.asked(provider)) == 2
    assert len(desk.found()) == PAGED[provider]


def test_filings_that_have_left_the_newest_page_are_read_from_the_older_ones(desk: Desk) -> None:
    whole = desk.collect("edgar", date(2026, 11, 17))
    wanted = desk.found()
    assert whole.items == len(wanted) > 0
    desk.fake.state["edgar"]["recent"] = 5
    asked = len(desk.asked("edgar"))
    desk.collect("edgar", date(2026, 11, 17))
    paths = [a.path for a in desk.asked("edgar")[asked:]]
    assert [path.rpartition("/")[2] for path in paths] == [
        "CIK0001045810.json",
        "CIK0001045810-submissions-001.json",
    ]
    assert desk.found() == wanted


def test_a_company_that_the_sec_does_not_know_is_told_to_give_its_cik(desk: Desk) -> None:
    workspace = desk.open("edgar")
    file = "tenant: desk\nname: Desk\nsearch: [edgar]\nclients: [{name: Nobody, ticker: NONE"
    put_tenant(workspace, f"{file}}}]\n")
    outcome = desk.again(workspace)
    assert outcome.error_kind == "permanent"
    assert "no company with the ticker 'NONE'" in str(outcome.error)
    put_tenant(workspace, f"{file}, cik: '320193'}}]\n")
    assert desk.again(workspace).outcome == "collected"
    assert "CIK0000320193" in desk.asked("edgar")[-1].path


def test_alerts_and_filings_can_stand_among_the_feeds(desk: Desk) -> None:
    workspace = desk.open("gdelt")
    feed = f"{desk.address}/google_news/alerts/feeds?q=Harbor%20Foods"
    put_tenant(
        workspace,
        f"tenant: desk\nname: Desk\nclients: [{{name: {NAME}, feeds: ['{feed}']}}]\n",
    )
    desk.fake.state["news"]["minutes"] = 60
    assert desk.again(workspace).outcome == "collected"
    told = {story.url: story for story in stories(desk.fake, NAME, NOW.replace(hour=0), NOW)}
    rows = desk.rows()
    assert {row["url"] for row in rows} == set(told)
    for row in rows:
        assert row["title"] == f"{told[row['url']].title} & more"
