"""What the CRMs that are asked share, and how each reads a page."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientlore.clock import FrozenClock
from clientlore.control.model import Source, SourceState
from clientlore.errors import BadDataError
from clientlore.providers.base import Account, Activity, Ask, Contact, Owner, Parsed, Response
from clientlore.providers.crm.asking import Changes, changes_of, mark_of
from clientlore.providers.crm.hubspot import HubSpot
from clientlore.providers.crm.salesforce import SalesforceCrm
from clientlore.providers.http import HttpResponse
from clientlore.settings import load_settings

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TODAY = NOW.date()
SETTINGS = load_settings({"CLIENTLORE_HOME": "/nowhere"})


def _ask(day: date = TODAY, mark: datetime | None = None) -> Ask:
    return Ask(
        source=Source("acme", "s-crm", "hubspot_accounts", "crm"),
        client=None,
        clients=(),
        day=day,
        is_today=day == TODAY,
        state=SourceState(synced_to=mark),
    )


def test_all_there_is_is_asked_for_first_and_then_what_changed_since_the_mark() -> None:
    assert changes_of(_ask(), "accounts", NOW) == Changes(None, None)
    assert changes_of(_ask(), "activities", NOW) == Changes(NOW - timedelta(days=90), None)
    mark = NOW - timedelta(days=40)
    for what in ("accounts", "activities"):
        changes = changes_of(_ask(mark=mark), what, NOW)  # type: ignore[arg-type]
        assert changes == Changes(mark - timedelta(minutes=5), None)


def test_a_past_day_is_asked_for_as_itself_whatever_the_mark() -> None:
    changes = changes_of(_ask(TODAY - timedelta(days=3), NOW), "accounts", NOW)
    assert changes == Changes(
        datetime(2026, 11, 16, 23, 55, tzinfo=UTC), datetime(2026, 11, 18, tzinfo=UTC)
    )


def _answer(told: str | None) -> HttpResponse:
    headers = {"date": told} if told else {}
    return HttpResponse(200, headers, b"{}", "https://x.example", None, 1)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("Fri, 20 Nov 2026 08:30:00 GMT", NOW - timedelta(minutes=30)),
        ("Fri, 20 Nov 2026 10:30:00 GMT", NOW),
        ("Fri, 20 Nov 2026 08:30:00 -0000", NOW - timedelta(minutes=30)),
        ("yesterday", NOW),
        (None, NOW),
    ],
)
def test_the_mark_is_the_earlier_of_our_clock_and_the_servers(
    told: str | None, expected: datetime
) -> None:
    assert mark_of(NOW, _answer(told)) == expected
    assert mark_of(NOW, None) == NOW


@given(st.integers(-86_400, 86_400), st.integers(-86_400, 86_400))
def test_whatever_the_clocks_say_what_is_saved_after_the_asking_began_is_asked_for_next(
    ours_is_ahead_by: int, saved_after: int
) -> None:
    # The server's clock is right; a record is stamped with it.
    ours = NOW + timedelta(seconds=ours_is_ahead_by)
    mark = mark_of(ours, _answer(NOW.strftime("%a, %d %b %Y %H:%M:%S GMT")))
    stamped = NOW + timedelta(seconds=saved_after)
    since = changes_of(_ask(mark=mark), "accounts", ours).since
    assert since is not None
    if saved_after >= 0:
        assert stamped >= since


def _response(url: str, body: Any, kind: str = "application/json") -> Response:
    return Response(
        source_id="s-crm",
        client_id=None,
        provider="x",
        request=json.dumps({"method": "GET", "url": url}),
        status=200,
        headers={"content-type": kind},
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        fetched_at=NOW,
        mode="live",
    )


def _hubspot(kind: str, *results: Any) -> Parsed:
    url = f"https://api.hubapi.com/crm/{kind}"
    return HubSpot("accounts", SETTINGS, FrozenClock(NOW)).parse(
        _response(url, {"results": list(results)}), TODAY
    )


def _salesforce(name: str, body: Any, kind: str = "application/json") -> Parsed:
    reader = SalesforceCrm("accounts", SETTINGS, FrozenClock(NOW))
    return reader.parse(_response(f"salesforce:{name}", body, kind), TODAY)


ACCOUNT = Account(
    position=0,
    account_id="001A",
    name="Acme Inc",
    domain="acme.example",
    ticker="ACME",
    industry="Kilns",
    owner_email="ann@desk.example",
)


def test_an_account_of_salesforce_is_the_same_from_a_page_and_from_a_bulk_job() -> None:
    record = {
        "attributes": {"type": "Account", "url": "/x"},
        "Id": "001A",
        "Name": "Acme Inc",
        "Website": "https://www.Acme.example/about?x=1",
        "TickerSymbol": "ACME",
        "Industry": "Kilns",
        "Owner": {"attributes": {"type": "User"}, "Email": "Ann@desk.example"},
        "IsDeleted": False,
        "SystemModstamp": "2026-11-20T08:00:00.000+0000",
    }
    page = {"totalSize": 1, "done": True, "records": [record]}
    assert _salesforce("Account", page) == Parsed(accounts=(ACCOUNT,))
    bulk = (
        b'"Id","Name","Website","TickerSymbol","Industry","Owner.Email","IsDeleted","SystemModstamp"\n'
        b'"001A","Acme Inc","https://www.Acme.example/about?x=1","ACME","Kilns","Ann@desk.example","false","x"\n'
        b'"001B","","","","","","true","x"\n'
    )
    parsed = _salesforce("Account", bulk, "text/csv")
    assert parsed.accounts == (ACCOUNT, Account(1, "001B", "", is_deleted=True))
    assert parsed.drift == {}
    no_owner = {**record, "Owner": None}
    (found,) = _salesforce("Account", {"records": [no_owner]}).accounts
    assert found == replace(ACCOUNT, owner_email=None)


@pytest.mark.parametrize(
    "body",
    [b'"Id","Name"\n"001', b'"Id","Name"\n"001A"\n', b"", b"<html>", b'"Id"\n"\xff"\n'],
    ids=["cut in a cell", "cut in a row", "nothing", "no table", "no text"],
)
def test_a_bulk_page_that_breaks_off_is_bad_data(body: bytes) -> None:
    with pytest.raises(BadDataError, match="Salesforce's page"):
        _salesforce("Account", body, "text/csv")


def test_contacts_and_activities_of_salesforce_are_read_with_what_they_lack() -> None:
    contact = {
        "Id": "003A",
        "AccountId": None,
        "Name": "Bo",
        "Email": "Bo@x.example",
        "IsDeleted": True,
    }
    parsed = _salesforce("Contact", {"records": [contact, {"Id": "003B", "Name": None}, 7]})
    assert parsed.contacts == (Contact(0, "003A", None, "Bo", "bo@x.example", is_deleted=True),)
    assert [reject[:2] for reject in parsed.rejects] == [(1, "missing_field"), (2, "not_a_record")]
    task = {
        "Id": "00TA", "AccountId": "001A", "Subject": "Hello", "TaskSubtype": "Call",
        "ActivityDate": "2026-11-19", "New__c": 1,
    }  # fmt: skip
    odd = {**task, "Id": "00TB", "ActivityDate": "soon"}
    parsed = _salesforce("Task", {"records": [task, odd]})
    assert parsed.activities == (
        Activity(0, "00TA", "001A", "call", "Hello", "", datetime(2026, 11, 19, tzinfo=UTC)),
    )
    assert [reject[:2] for reject in parsed.rejects] == [(1, "bad_field")]
    assert parsed.drift == {"New__c": 2}
    at = "2026-11-19T10:00:00.000+0000"
    event = {"Id": "00UA", "AccountId": "001A", "Subject": "Visit", "StartDateTime": at}
    (found,) = _salesforce("Event", {"records": [event]}).activities
    assert (found.kind, found.occurred_at) == ("meeting", datetime(2026, 11, 19, 10, tzinfo=UTC))


def test_what_hubspot_says_is_read_with_what_it_lacks() -> None:
    company = {
        "id": "7",
        "archived": False,
        "properties": {
            "name": None, "domain": None, "website": "http://www.Acme.example", "industry": "FOOD_PRODUCTION",
            "hubspot_owner_id": "3", "hs_object_id": "7",
        },
    }  # fmt: skip
    parsed = _hubspot("objects/2026-09/companies/search", company, {"id": "8"}, {"id": None}, "x")
    assert parsed.accounts == (
        Account(0, "7", "acme.example", "acme.example", industry="food production", owner_id="3"),
    )
    assert [reject[1] for reject in parsed.rejects] == [
        "missing_field", "missing_field", "not_a_record",
    ]  # fmt: skip
    person = {"id": "9", "properties": {"email": "Bo@x.example", "associatedcompanyid": "7"}}
    assert _hubspot("v3/objects/contacts", person).contacts == (
        Contact(0, "9", "7", "bo@x.example", "bo@x.example"),
    )
    owner = {"id": 3, "email": "Ann@x.example", "firstName": "Ann", "lastName": None}
    assert _hubspot("owners/2026-09", owner).owners == (Owner(0, "3", "ann@x.example", "Ann"),)
    deal = {
        "id": "5", "updatedAt": "2026-11-19T10:00:00.123Z", "weird": 1,
        "properties": {
            "dealname": "Ovens", "dealstage": "won", "amount": "12000", "hs_primary_associated_company": "7",
        },
    }  # fmt: skip
    parsed = _hubspot("objects/2026-09/deals/search", deal)
    (found,) = parsed.activities
    assert (found.account_id, found.kind, found.text) == ("7", "deal", "Stage: won. Amount: 12000.")
    assert parsed.drift == {"weird": 1}


@pytest.mark.parametrize("body", [{}, {"results": 7}, {"records": None}, []])
def test_an_answer_without_a_list_is_bad_data(body: Any) -> None:
    with pytest.raises(BadDataError):
        _salesforce("Account", body)
    with pytest.raises(BadDataError):
        HubSpot("accounts", SETTINGS, FrozenClock(NOW)).parse(
            _response("https://api.hubapi.com/crm/objects/2026-09/companies", body), TODAY
        )


@pytest.mark.parametrize(
    "told", ["acme.my", "https://acme.my.salesforce.com/", "acme.my.salesforce.com"]
)
def test_the_domain_may_be_written_as_an_address(told: str) -> None:
    settings = load_settings({"CLIENTLORE_HOME": "/nowhere", "SALESFORCE_DOMAIN": told})
    assert settings.crm.salesforce_domain == "acme.my"
