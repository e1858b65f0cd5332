"""What adapters read in answers: dates in words, items of filings, wrapped links, and what is set aside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from clientlore.clock import FrozenClock
from clientlore.control.model import Client
from clientlore.errors import BadDataError
from clientlore.monitoring.relevance import RulesScorer
from clientlore.providers.base import Item, Parsed, Response
from clientlore.providers.registry import Providers
from clientlore.providers.search import edgar
from clientlore.providers.search.google_news import GoogleNews
from clientlore.providers.search.rss import RssProvider, unwrapped
from clientlore.providers.search.serper import said_when
from clientlore.settings import Settings
from clientlore.taxonomy import CATEGORY_NAMES
from tests.conftest import NOW

TODAY = NOW.date()
MINIMAL: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "serper": ({"title": "A", "link": "https://x.example/a"}, ("news",)),
    "brave": ({"title": "A", "url": "https://x.example/a"}, ("results",)),
    "tavily": ({"title": "A", "url": "https://x.example/a"}, ("results",)),
    "newsapi": ({"title": "A", "url": "https://x.example/a"}, ("articles",)),
    "gdelt": ({"title": "A", "url": "https://x.example/a"}, ("articles",)),
    "hacker_news": ({"title": "A", "objectID": "7", "created_at_i": 1763600000}, ("hits",)),
}


def _read(provider: str, body: bytes, day: date = TODAY, request: str = "{}") -> Parsed:
    made = Providers(Settings(home="/nowhere"), FrozenClock(NOW)).get(provider)  # type: ignore[arg-type]
    return made.parse(_response(provider, body, request), day)


def _response(provider: str, body: bytes, request: str) -> Response:
    return Response("s-1", None, provider, request, 200, {}, body, NOW, "live")


def _answer(provider: str, *found: Any) -> bytes:
    (name,) = MINIMAL[provider][1]
    return json.dumps({name: list(found)}).encode()


@pytest.mark.parametrize("provider", MINIMAL)
def test_the_least_that_a_record_can_have_makes_an_item(provider: str) -> None:
    parsed = _read(provider, _answer(provider, MINIMAL[provider][0]))
    (item,) = parsed.items
    assert item.title == "A"
    assert parsed.rejects == ()


@pytest.mark.parametrize("provider", MINIMAL)
def test_a_record_without_what_it_must_have_is_set_aside_and_the_others_stay(provider: str) -> None:
    good = MINIMAL[provider][0]
    for name in good:
        bad = {key: value for key, value in good.items() if key != name}
        parsed = _read(provider, _answer(provider, bad, good, "text", {**good, name: None}))
        assert [item.position for item in parsed.items] == [1]
        assert [reject[:2] for reject in parsed.rejects] == [
            (0, "missing_field"),
            (2, "not_a_record"),
            (3, "missing_field"),
        ]
        assert name in parsed.rejects[0][2]


@pytest.mark.parametrize("provider", MINIMAL)
def test_an_unknown_field_is_noted_and_does_no_harm(provider: str) -> None:
    record = {**MINIMAL[provider][0], "brand_new": 1}
    parsed = _read(provider, _answer(provider, record, record))
    assert parsed.drift == {"brand_new": 2}
    assert len(parsed.items) == 2


@pytest.mark.parametrize(
    ("provider", "field"),
    [("brave", "page_age"), ("newsapi", "publishedAt"), ("tavily", "published_date")],
)
def test_a_date_that_is_none_sets_its_record_aside(provider: str, field: str) -> None:
    good = MINIMAL[provider][0]
    parsed = _read(provider, _answer(provider, {**good, field: "soon"}, good))
    assert [reject[:2] for reject in parsed.rejects] == [(0, "bad_field")]
    assert len(parsed.items) == 1


@pytest.mark.parametrize("provider", [*MINIMAL, "edgar", "edgar_full_text"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"Hello", b"\xff\xfe", b'{"news": 3}'])
def test_what_is_no_answer_is_bad_data_or_empty_and_never_another_error(
    provider: str, body: bytes
) -> None:
    asked = '{"params": {"since": "", "name": "A", "cik": "1", "q": "A"}}'
    try:
        items = _read(provider, body, request=asked).items
    except BadDataError:
        items = ()
    assert items == ()


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("30 seconds ago", datetime(2026, 11, 20, 8, 59, tzinfo=UTC)),
        ("5 mins ago", datetime(2026, 11, 20, 8, 55, tzinfo=UTC)),
        ("an hour ago", datetime(2026, 11, 20, 8, 0, tzinfo=UTC)),
        ("2 hours ago", datetime(2026, 11, 20, 7, 0, tzinfo=UTC)),
        ("yesterday", datetime(2026, 11, 19, tzinfo=UTC)),
        ("2 weeks ago", datetime(2026, 11, 6, tzinfo=UTC)),
        ("1 month ago", datetime(2026, 10, 21, tzinfo=UTC)),
        ("Nov 12, 2026", datetime(2026, 11, 12, tzinfo=UTC)),
        ("12 Nov 2026", datetime(2026, 11, 12, tzinfo=UTC)),
        ("LIVE", None),
        ("", None),
        (None, None),
    ],
)
def test_dates_in_words_are_counted_from_the_answer(said: str | None, at: datetime | None) -> None:
    assert said_when(said, NOW) == at


def _filing(items: str, form: str = "8-K") -> Item:
    columns = {
        "accessionNumber": ["0001-26-000001"],
        "form": [form],
        "filingDate": ["2026-11-20"],
        "acceptanceDateTime": ["2026-11-20T08:00:00.000Z"],
        "primaryDocument": ["d.htm"],
        "items": [items],
    }
    body = json.dumps({"name": "Harbor Foods Inc", "filings": {"recent": columns}}).encode()
    asked = {"params": {"since": "2026-11-19T00:00:00+00:00", "cik": "0001045810", "name": "H"}}
    (item,) = _read("edgar", body, request=json.dumps(asked)).items
    return item


def _category(item: Item) -> str:
    frame = pl.DataFrame(
        {
            "item_id": ["i"], "client_id": ["c"], "title": [item.title], "text": [item.text],
            "publisher": [item.publisher], "in_title": [True], "in_lead": [True], "hits": [1],
            "own_feed": [True], "own_site": [False], "evidence": ["Harbor Foods"],
            "strength": [0.95], "publishers": [1],
        }
    )  # fmt: skip
    judged = RulesScorer().score(frame, [Client("t", "c", "Harbor Foods")])
    return str(judged["category"][0])


@pytest.mark.parametrize("number", edgar.ITEMS)
def test_an_item_of_an_8k_leads_the_rules_to_its_category(number: str) -> None:
    category, _ = edgar.ITEMS[number]
    assert category in CATEGORY_NAMES
    assert _category(_filing(f"{number},9.01")) == category


def test_a_filing_says_what_happened_where_it_lies_and_the_most_telling_first() -> None:
    item = _filing("7.01,5.02,9.01")
    assert item.title == (
        "Harbor Foods Inc files 8-K: directors or officers: resignation or appointment; "
        "disclosure to everybody at once"
    )
    assert item.url == "https://www.sec.gov/Archives/edgar/data/1045810/000126000001/d.htm"
    assert item.origin_id == "0001-26-000001"
    assert _filing("", "10-Q").title == "Harbor Foods Inc files 10-Q: quarterly report"


def _found(*changed: dict[str, Any]) -> Parsed:
    """What the full text search finds for a client: documents that differ from an 8-K of somebody else."""
    filed = {
        "adsh": "0000910001-26-000007",
        "form": "8-K",
        "root_forms": ["8-K"],
        "file_date": "2026-11-20",
        "items": ["7.01", "1.01"],
        "ciks": ["0000910001"],
        "display_names": ["NORTHGATE MILLS INC /DE/  (NGML, NGML-WT)  (CIK 0000910001)"],
    }
    hits = [{"_id": "a:b.htm", "_source": {**filed, **change}} for change in changed]
    asked = json.dumps({"params": {"q": '"Harbor Foods"'}})
    return _read("edgar_full_text", json.dumps({"hits": {"hits": hits}}).encode(), request=asked)


def test_a_filing_of_somebody_else_says_whom_it_names_and_what_it_is_about() -> None:
    (item,) = _found({}).items
    assert item.title == (
        "NORTHGATE MILLS INC /DE/ names Harbor Foods in its 8-K: signs a material agreement; "
        "disclosure to everybody at once"
    )
    assert item.text.startswith("NORTHGATE MILLS INC /DE/ names Harbor Foods in a filing. Form 8-K")
    assert item.url == (
        "https://www.sec.gov/Archives/edgar/data/910001/000091000126000007/"
        "0000910001-26-000007-index.htm"
    )
    assert _category(item) == "partnership"


@pytest.mark.parametrize("filer", ["HARBOR FOODS, INC.  (HRBR)  (CIK 1)", "Harbor Foods Corp /DE/"])
def test_a_filing_of_the_client_is_told_as_its_submissions_tell_it(filer: str) -> None:
    (item,) = _found({"display_names": [filer], "items": [], "form": "10-Q/A"}).items
    assert item.title == f"{filer.split('  (', maxsplit=1)[0]} files 10-Q/A: quarterly report"


def test_documents_of_one_filing_are_one_item_and_forms_that_tell_nothing_are_none() -> None:
    found = _found({"form": "4"}, {}, {"file_type": "EX-99.1"}, {"adsh": "0000910001-26-000008"})
    assert [item.origin_id[-1] for item in found.items] == ["7", "8"]
    assert [item.position for item in found.items] == [1, 3]


def test_a_document_that_says_too_little_is_set_aside_and_what_is_new_is_noted() -> None:
    found = _found({"display_names": []}, {"file_date": "soon"}, {"ciks": ["x"]}, {"brand_new": 1})
    assert [reject[:2] for reject in found.rejects] == [
        (0, "missing_field"),
        (1, "bad_field"),
        (2, "bad_field"),
    ]
    assert found.drift == {"brand_new": 1}
    assert len(found.items) == 1


@pytest.mark.parametrize("number", edgar.ITEMS)
def test_an_item_of_somebody_elses_8k_leads_to_its_category_too(number: str) -> None:
    (item,) = _found({"items": [number, "9.01"]}).items
    assert _category(item) == edgar.ITEMS[number][0]


@pytest.mark.parametrize(
    ("link", "real"),
    [
        (
            "https://www.google.com/url?rct=j&sa=t&url=https%3A%2F%2Fx.example%2Fa%3Fb%3D1&ct=ga",
            "https://x.example/a?b=1",
        ),
        ("https://www.google.co.uk/url?q=https://x.example/b&sa=U", "https://x.example/b"),
        ("https://www.google.com/url?nothing=1", "https://www.google.com/url?nothing=1"),
        ("https://google.com.evil.example/url?url=https://x.example/c", None),
        ("https://x.example/url?url=https://y.example/", None),
        ("https://www.google.com/search?q=acme", None),
        (None, None),
    ],
)
def test_a_link_of_a_google_alert_is_unwrapped_and_no_other(
    link: str | None, real: str | None
) -> None:
    assert unwrapped(link) == (real or link)


def _feed(entries: Sequence[str]) -> bytes:
    return (
        f"<rss version='2.0'><channel><title>t</title>{''.join(entries)}</channel></rss>".encode()
    )


def test_google_news_is_known_by_title_publisher_and_date_and_not_by_its_link() -> None:
    entry = (
        "<item><title>Acme - the sequel - The Post</title><link>https://news.google.com/{0}</link>"
        "<guid>{0}</guid><pubDate>Fri, 20 Nov 2026 07:00:00 GMT</pubDate>"
        "<description>&lt;a href='x'&gt;Acme&lt;/a&gt;</description>{1}</item>"
    )
    source = "<source url='https://post.example'>The Post</source>"
    request = json.dumps({"url": "https://news.google.com/rss/search"})
    provider = GoogleNews(Settings(home="/nowhere"), FrozenClock(NOW))  # type: ignore[arg-type]
    first, second, bare = (
        provider.parse(_response("google_news", _feed([text]), request), TODAY).items[0]
        for text in (entry.format("one", source), entry.format("two", source), entry.format(3, ""))
    )
    assert (first.title, first.publisher, first.text) == ("Acme - the sequel", "The Post", "")
    assert first.origin_id == second.origin_id == bare.origin_id
    assert first.url != second.url


def test_a_filing_that_a_feed_tells_for_each_role_is_one_item() -> None:
    entry = (
        "<item><title>8-K - Acme ({0})</title><link>https://www.sec.gov/{0}</link>"
        "<guid isPermaLink='false'>urn:tag:sec.gov,2008:accession-number=0001-26-1</guid></item>"
    )
    body = _feed([entry.format("Filer"), entry.format("Subject")])
    request = json.dumps({"url": "https://www.sec.gov/cgi-bin/browse-edgar"})
    parsed = RssProvider(FrozenClock(NOW), 10_000).parse(_response("rss", body, request), TODAY)
    assert [item.origin_id for item in parsed.items] == [
        "urn:tag:sec.gov,2008:accession-number=0001-26-1"
    ]
