"""The made-up news and CRM of mock tenants: always the same, untidy as the real thing, never in the future."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.clock import FrozenClock, day_bounds
from clientlore.control.model import Client, Source, SourceState
from clientlore.errors import BadDataError, ConfigurationError, PermanentError
from clientlore.providers.base import Ask, Item, Parsed, Provider, Response
from clientlore.providers.crm.files import CrmFiles
from clientlore.providers.crm.mock import MockCrm
from clientlore.providers.http import Http
from clientlore.providers.registry import KINDS, Providers
from clientlore.providers.search.mock import MockSearch, articles
from clientlore.providers.search.mock_texts import NAMESAKES, ROUNDUP, STORIES, UNRELATED
from clientlore.providers.search.rss import RssProvider
from clientlore.settings import Settings
from clientlore.taxonomy import CATEGORY_NAMES

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TODAY = NOW.date()
CLIENTS = tuple(
    Client("demo", name.split()[0].lower(), name, domain=f"{name.split()[0].lower()}.example")
    for name in ("Kilnworks Ceramics", "Birchwood Freight", "Saltmarsh Energy", "Tidewater Optics")
)
KILN = CLIENTS[0]
OWNERS = ("ada@desk.example", "bo@desk.example")


def _nobody(request: httpx.Request) -> httpx.Response:
    raise AssertionError(request.url)


def _ask(provider: Provider, *, client: Client | None = KILN, day: date = TODAY) -> Response:
    ask = Ask(
        source=Source("demo", "s-mock", provider.name, "mock:x", client_id="kilnworks"),
        client=client,
        clients=CLIENTS,
        day=day,
        is_today=True,
        state=SourceState(etag="kept"),
        owners=OWNERS,
    )

    async def go() -> Response:
        async with httpx.AsyncClient(transport=httpx.MockTransport(_nobody)) as http_client:
            http = Http(http_client, clock=FrozenClock(NOW), rng=Random(1))
            fetched = await provider.fetch(ask, http)
        assert fetched.state == SourceState(etag="kept")
        (response,) = fetched.responses
        return response

    return asyncio.run(go())


def _news(client: Client, day: date) -> tuple[Item, ...]:
    search = MockSearch(FrozenClock(NOW))
    parsed = search.parse(_ask(search, client=client, day=day), day)
    assert parsed.rejects == ()
    assert dict(parsed.drift) == {}
    return parsed.items


def _days(count: int) -> list[date]:
    return [TODAY - timedelta(days=n) for n in reversed(range(count))]


YEAR = {(client.client_id, day): articles(client, day) for client in CLIENTS for day in _days(60)}
ALL = [article for found in YEAR.values() for article in found]


@pytest.mark.parametrize("hour", [0, 9, 23])
def test_the_same_client_and_day_always_give_the_same_bytes(hour: int) -> None:
    later = FrozenClock(NOW.replace(hour=hour) + timedelta(days=400))
    for make in (
        MockSearch,
        lambda clock: MockCrm("accounts", clock),
        lambda clock: MockCrm("activities", clock),
    ):
        assert _ask(make(later)).body == _ask(make(FrozenClock(NOW))).body


def test_other_clients_and_other_days_have_other_news() -> None:
    told = {json.dumps(found, sort_keys=True) for found in YEAR.values()}
    assert len(told) == len(YEAR)


@given(st.dates(date(2020, 1, 1), date(2030, 12, 31)), st.sampled_from(CLIENTS))
@settings(max_examples=60, deadline=None)
def test_news_of_a_day_was_published_before_the_day_began_and_not_long_before(
    day: date, client: Client
) -> None:
    items = _news(client, day)
    assert items
    start = day_bounds(day)[0]
    for item in items:
        assert item.published_at is not None
        assert start - timedelta(hours=24) <= item.published_at < start


def test_every_response_says_that_it_is_made_up() -> None:
    providers = (
        MockSearch(FrozenClock(NOW)),
        MockCrm("accounts", FrozenClock(NOW)),
        MockCrm("activities", FrozenClock(NOW)),
    )
    for provider in providers:
        response = _ask(provider)
        assert (provider.mode, response.mode) == ("mock", "mock")
        assert response.provider == provider.name
        assert response.source_id == "s-mock"
    assert json.loads(_ask(providers[0]).request) == {
        "method": "GET",
        "url": "mock:kilnworks",
        "params": {"day": "2026-11-20"},
    }


def test_addresses_lead_nowhere_real() -> None:
    for article in ALL:
        host = article["url"].split("/")[2]
        assert host.endswith(".example")


def test_there_are_copies_with_tracking_parameters_and_copies_of_other_outlets() -> None:
    by_body: dict[str, list[dict[str, Any]]] = {}
    for article in ALL:
        by_body.setdefault(article["body"], []).append(article)
    copies = [group for group in by_body.values() if len(group) > 1]
    assert any("utm_source" in article["url"] for article in ALL)
    assert sum(len({a["outlet"] for a in group}) > 1 for group in copies) > 20


def test_there_are_other_headlines_with_longer_texts() -> None:
    longer = [
        (one, two)
        for found in YEAR.values()
        for one in found
        for two in found
        if one["title"] != two["title"] and two["body"].startswith(f"{one['body']} ")
    ]
    assert len(longer) > 20


def test_there_are_revisions_under_the_id_of_the_first_version() -> None:
    corrected = [a for a in ALL if a["title"].startswith("CORRECTED: ")]
    assert len(corrected) > 20
    for found in YEAR.values():
        for article in found:
            if article["title"].startswith("CORRECTED: "):
                first = next(a for a in found if a["id"] == article["id"])
                assert article["title"] == f"CORRECTED: {first['title']}"
                assert article["url"] == first["url"]
                assert article["published_at"] > first["published_at"]


def test_some_stories_are_told_further_on_the_next_day() -> None:
    updates = 0
    for client in CLIENTS:
        for yesterday, today in pairwise(_days(60)):
            known = {a["id"]: a for a in reversed(YEAR[client.client_id, yesterday])}
            for article in YEAR[client.client_id, today]:
                if article["title"].startswith("UPDATE 1-"):
                    updates += 1
                    first = known[article["id"]]
                    assert article["url"] == first["url"]
                    assert article["body"].startswith(first["body"])
    assert updates > 20


def test_there_are_namesakes_round_ups_and_noise() -> None:
    titles = [article["title"] for article in ALL]
    assert any("Kilnworks Choir" in t or "Kilnworks Street" in t for t in titles)
    assert any(t.startswith("Markets wrap") for t in titles)
    assert any(t.startswith("Rain ends") or "marathon" in t for t in titles)


def test_every_category_has_a_story() -> None:
    assert {story.category for story in STORIES} == set(CATEGORY_NAMES) - {"other"}
    assert len(NAMESAKES) == 3
    assert len(ROUNDUP) == len(UNRELATED) == 2


def test_a_search_without_a_client_is_refused() -> None:
    with pytest.raises(PermanentError, match="needs a client"):
        _ask(MockSearch(FrozenClock(NOW)), client=None)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html>"])
def test_what_is_no_answer_of_a_mock_is_bad_data(body: bytes) -> None:
    for provider in (MockSearch(FrozenClock(NOW)), MockCrm("accounts", FrozenClock(NOW))):
        response = Response("s", None, provider.name, "{}", 200, {}, body, NOW, "mock")
        with pytest.raises(BadDataError, match="no answer of the mock"):
            provider.parse(response, TODAY)


def test_an_article_that_lacks_what_is_needed_is_set_aside_and_strange_fields_are_counted() -> None:
    known = articles(KILN, TODAY)[0]
    told = [known, {**known, "title": ""}, {**known, "mood": "glad"}]
    body = json.dumps({"articles": told}).encode()
    response = Response("s", None, "mock_search", "{}", 200, {}, body, NOW, "mock")
    parsed = MockSearch(FrozenClock(NOW)).parse(response, TODAY)
    assert [item.position for item in parsed.items] == [0, 2]
    assert parsed.rejects == ((1, "missing_field", "no title"),)
    assert dict(parsed.drift) == {"mood": 1}


def _crm(what: str, day: date = TODAY) -> Parsed:
    crm = MockCrm("accounts" if what == "accounts" else "activities", FrozenClock(NOW))
    parsed = crm.parse(_ask(crm, day=day), day)
    assert parsed.rejects == ()
    assert dict(parsed.drift) == {}
    return parsed


def test_the_made_up_crm_has_an_account_with_contact_and_owner_for_every_client() -> None:
    accounts = _crm("accounts").accounts
    assert [(a.name, a.domain) for a in accounts] == [(c.name, c.domain) for c in CLIENTS]
    assert all(a.contact_name and a.contact_role and a.owner_email in OWNERS for a in accounts)
    assert [str(a.contact_email).split("@")[1] for a in accounts] == [c.domain for c in CLIENTS]
    assert len({a.account_id for a in accounts}) == len(CLIENTS)


def test_an_account_is_the_same_on_every_day() -> None:
    assert _crm("accounts", TODAY - timedelta(days=30)).accounts == _crm("accounts").accounts


def test_some_clients_had_an_activity_before_the_day_began() -> None:
    ids = {a.account_id for a in _crm("accounts").accounts}
    seen = 0
    for day in _days(20):
        for activity in _crm("activities", day).activities:
            seen += 1
            assert activity.account_id in ids
            assert activity.occurred_at is not None
            start = day_bounds(day)[0]
            assert start - timedelta(hours=10) <= activity.occurred_at < start
            assert activity.owner_email in OWNERS
    assert 0 < seen < 20 * len(CLIENTS)


def test_a_crm_of_no_clients_says_nothing() -> None:
    crm = MockCrm("accounts", FrozenClock(NOW))
    response = Response("s", None, "mock_accounts", "{}", 200, {}, b'{"records": []}', NOW, "mock")
    assert crm.parse(response, TODAY) == Parsed()


def test_each_kind_of_source_has_its_provider_and_each_stand_in_is_a_mock() -> None:
    providers = Providers(Settings.model_validate({"home": "/nowhere"}), FrozenClock(NOW))
    for name, kind in KINDS.items():
        assert providers.get(name).name == name
        assert providers.get(kind.stand_in).mode == "mock"
        assert KINDS[kind.stand_in].table == kind.table
    assert isinstance(providers.get("rss"), RssProvider)
    assert isinstance(providers.get("crm_activities"), CrmFiles)
    assert providers.get("rss") is providers.get("rss")


def test_a_kind_that_nobody_knows_is_refused_with_those_that_are() -> None:
    providers = Providers(Settings.model_validate({"home": "/nowhere"}), FrozenClock(NOW))
    with pytest.raises(ConfigurationError, match=r"no kind of source 'fax'.*rss, mock_search"):
        providers.get("fax")


def test_a_provider_of_ones_own_takes_the_place_of_the_usual_one() -> None:
    mine = MockSearch(FrozenClock(NOW))
    settings = Settings.model_validate({"home": "/nowhere"})
    assert Providers(settings, FrozenClock(NOW), {"rss": mine}).get("rss") is mine
