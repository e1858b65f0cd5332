"""A CRM as files, as people export them."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from random import Random

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.clock import FrozenClock
from clientlore.control.model import Source, SourceState
from clientlore.errors import BadDataError, PermanentError
from clientlore.providers.base import Account, Activity, Ask, Fetched, Parsed, Response
from clientlore.providers.crm.files import PARQUET, CrmFiles, What, csv_rows
from clientlore.providers.http import Http

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TODAY = NOW.date()


def _nobody(request: httpx.Request) -> httpx.Response:
    raise AssertionError(request.url)


def _fetch(path: Path, what: What = "accounts") -> Fetched:
    ask = Ask(
        source=Source("acme-inc", "s-crm", f"crm_{what}", str(path)),
        client=None,
        clients=(),
        day=TODAY,
        is_today=True,
        state=SourceState(),
    )
    clock = FrozenClock(NOW)

    async def go() -> Fetched:
        async with httpx.AsyncClient(transport=httpx.MockTransport(_nobody)) as client:
            return await CrmFiles(what, clock).fetch(ask, Http(client, clock=clock, rng=Random(1)))

    return asyncio.run(go())


def _read(
    body: str | bytes, what: What = "accounts", *, name: str = "export.csv", day: date = TODAY
) -> Parsed:
    kind = "text/csv" if name.endswith(".csv") else "application/json"
    response = Response(
        source_id="s-crm",
        client_id=None,
        provider=f"crm_{what}",
        request=json.dumps({"method": "READ", "url": name}),
        status=200,
        headers={"content-type": kind},
        body=body.encode() if isinstance(body, str) else body,
        fetched_at=NOW,
        mode="live",
    )
    return CrmFiles(what, FrozenClock(NOW)).parse(response, day)


FULL = (
    "id,name,domain,ticker,industry,owner_email,aliases,contact_name,contact_email,contact_role\n"
    "7,Acme Inc,https://www.Acme.example/about,ACME,kilns,Ada@Desk.example,Acme; Acme Kilns ;,"
    "Bo Lind,bo@acme.example,CFO\n"
)
ACME = Account(
    position=0,
    account_id="7",
    name="Acme Inc",
    domain="acme.example",
    ticker="ACME",
    industry="kilns",
    owner_email="ada@desk.example",
    aliases=("Acme", "Acme Kilns"),
    contact_name="Bo Lind",
    contact_email="bo@acme.example",
    contact_role="CFO",
)


def test_an_account_is_read_with_all_that_is_known_of_it() -> None:
    assert _read(FULL) == Parsed(accounts=(ACME,))


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + FULL.encode(),
        FULL.encode("utf-16"),
        b"\xfe\xff" + FULL.encode("utf-16-be"),
        FULL.replace("\n", "\r\n").encode(),
        FULL.replace("\n", "\r").encode(),
        FULL.replace(";", "|").replace(",", ";").replace("|", ";").encode(),
        FULL.replace(",", "\t").encode(),
        b"\r\n\n" + FULL.encode(),
        FULL.encode() + b",,,,,,,,,\n\n",
    ],
    ids=[
        "bom",
        "utf-16-le",
        "utf-16-be",
        "crlf",
        "cr",
        "semicolon",
        "tab",
        "blank first",
        "blank last",
    ],
)
def test_however_a_spreadsheet_saves_it_the_account_is_the_same(body: bytes) -> None:
    parsed = _read(body)
    assert [a.name for a in parsed.accounts] == ["Acme Inc"]
    assert parsed.accounts[0].domain == "acme.example"
    assert parsed.rejects == ()


@pytest.mark.parametrize(
    "header",
    [
        "Account ID,Account Name",
        "account_id,account.name",
        "Record ID,Company name",
        "ID,NAME",
        "Company-ID,Company",
    ],
)
def test_odd_headers_are_known(header: str) -> None:
    (account,) = _read(f"{header}\n7,Acme Inc\n").accounts
    assert (account.account_id, account.name) == ("7", "Acme Inc")


def test_a_missing_column_is_named_with_what_would_do() -> None:
    with pytest.raises(BadDataError) as caught:
        _read("id,city\n7,Porto\n")
    assert caught.value.what == "export.csv lacks the column name; it has id, city"
    assert caught.value.next_step == (
        "Accepted headers are name: name, accountname, companyname, company."
    )


def test_of_a_duplicated_id_the_first_row_counts_and_the_other_is_set_aside() -> None:
    parsed = _read("id,name\n7,Acme Inc\n8,Birchwood\n7,Acme Again\n")
    assert [(a.account_id, a.name) for a in parsed.accounts] == [
        ("7", "Acme Inc"),
        ("8", "Birchwood"),
    ]
    assert parsed.rejects == ((2, "duplicate_id", "row 3 has the id of row 1, which counts"),)


def test_a_row_that_lacks_what_is_needed_is_set_aside_alone() -> None:
    parsed = _read("id,name,domain\n7,Acme Inc,\n,Birchwood,b.example\n9, ,c.example\n")
    assert [a.account_id for a in parsed.accounts] == ["7"]
    assert parsed.accounts[0].domain is None
    assert parsed.rejects == (
        (1, "missing_field", "row 2 has no account_id"),
        (2, "missing_field", "row 3 has no name"),
    )


def test_a_row_too_short_or_too_long_harms_nobody() -> None:
    parsed = _read("id,name,domain\n7\n8,Birchwood,b.example,more,and more\n")
    assert [a.name for a in parsed.accounts] == ["Birchwood"]
    assert parsed.rejects == ((0, "missing_field", "row 1 has no name"),)


def test_columns_that_nobody_knows_are_counted() -> None:
    assert dict(_read("id,name,mood,Score\n7,Acme,glad,3\n").drift) == {"mood": 1, "Score": 1}


@pytest.mark.parametrize(
    "body",
    [
        '[{"id": 7, "name": "Acme Inc"}]',
        '{"total": 1, "records": [{"id": 7, "name": "Acme Inc"}]}',
        '\ufeff[{"Id": "7", "Account Name": "Acme Inc"}]',
        '[{"id": 7.0, "name": "Acme \\n Inc", "id": 7}]',
    ],
)
def test_json_is_a_list_of_records_or_an_object_with_one(body: str) -> None:
    (account,) = _read(body, name="export.json").accounts
    assert (account.account_id, account.name) == ("7", "Acme Inc")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[1, 2]", "export.json holds no list of records"),
        ('{"a": 1}', "export.json holds no list of records"),
        ('"acme"', "export.json holds no list of records"),
        ("[{", "export.json is no JSON"),
        ("<html>", "export.json is no JSON"),
    ],
)
def test_json_without_records_says_so(body: str, said: str) -> None:
    with pytest.raises(BadDataError, match=said):
        _read(body, name="export.json")


@pytest.mark.parametrize("body", ["[]", '{"records": []}'])
@pytest.mark.parametrize("what", ["accounts", "activities"])
def test_a_list_of_nothing_is_no_fault(body: str, what: What) -> None:
    assert _read(body, what, name="export.json") == Parsed()


def test_a_file_of_headers_alone_is_no_fault() -> None:
    assert _read("id,name\n") == Parsed()


def test_json_values_become_text() -> None:
    body = json.dumps([{"id": 7, "name": "Acme", "aliases": ["Kiln Co", "KC"], "ticker": None}])
    (account,) = _read(body, name="export.json").accounts
    assert account.aliases == ("Kiln Co", "KC")
    assert account.ticker is None


def test_half_a_character_of_a_cut_note_can_be_stored() -> None:
    (account,) = _read('[{"id": 7, "name": "Acme \\ud83d"}]', name="export.json").accounts
    assert ascii(account.name) == "'Acme ?'"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "export.csv is empty"),
        (b"  \r\n ", "export.csv is empty"),
        (b"\xef\xbb\xbf", "export.csv is empty"),
        (b"\xff\xfe", "export.csv is empty"),
        ("id,name\n7,Größe\n".encode("windows-1252"), "export.csv is not UTF-8 text"),
        ("id,name\n7,Acme\n".encode("utf-16")[:-1], "export.csv is not UTF-8 text"),
        (b"id,name\n7," + b"x" * 200_000, "export.csv is no CSV"),
    ],
    ids=[
        "empty",
        "blank",
        "bom only",
        "utf-16 bom only",
        "windows-1252",
        "half a unit",
        "huge field",
    ],
)
def test_a_file_that_cannot_be_read_says_why(body: bytes, said: str) -> None:
    with pytest.raises(BadDataError, match=said):
        _read(body)


ACTIVITIES = "id,account id,type,subject,notes,date,owner\n"


def test_an_activity_is_read_with_all_that_is_known_of_it() -> None:
    parsed = _read(
        ACTIVITIES + "a1,7,Meeting,Review,All  well.,2026-11-19T15:30:00+01:00,Ada@Desk.example\n",
        "activities",
    )
    assert parsed == Parsed(
        activities=(
            Activity(
                position=0,
                activity_id="a1",
                account_id="7",
                kind="meeting",
                subject="Review",
                text="All well.",
                occurred_at=datetime(2026, 11, 19, 14, 30, tzinfo=UTC),
                owner_email="ada@desk.example",
            ),
        )
    )


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("2026-11-19T14:30:00Z", datetime(2026, 11, 19, 14, 30, tzinfo=UTC)),
        ("2026-11-19T14:30:00.250Z", datetime(2026, 11, 19, 14, 30, 0, 250_000, tzinfo=UTC)),
        ("2026-11-19T14:30:00.000+0000", datetime(2026, 11, 19, 14, 30, tzinfo=UTC)),
        ("2026-11-19T14:30:00-0500", datetime(2026, 11, 19, 19, 30, tzinfo=UTC)),
        ("2026-11-19T14:30:00", datetime(2026, 11, 19, 14, 30, tzinfo=UTC)),
        ("2026-11-19 14:30:00", datetime(2026, 11, 19, 14, 30, tzinfo=UTC)),
        ("2026-11-19 14:30", datetime(2026, 11, 19, 14, 30, tzinfo=UTC)),
        ("2026-11-19", datetime(2026, 11, 19, tzinfo=UTC)),
        ("", None),
    ],
)
def test_a_date_without_zone_is_utc(told: str, expected: datetime | None) -> None:
    (activity,) = _read(f"{ACTIVITIES}a1,7,call,Hi,,{told},\n", "activities").activities
    assert activity.occurred_at == expected
    assert activity.kind == "call"


@pytest.mark.parametrize(
    "told", ["19.11.2026", "yesterday", "2026-13-01", "0001-01-01T00:00:00+01:00"]
)
def test_a_date_that_cannot_be_read_sets_its_row_aside(told: str) -> None:
    parsed = _read(f"{ACTIVITIES}a1,7,,Hi,,{told},\na2,7,,Hi,,,\n", "activities")
    assert [(a.activity_id, a.kind) for a in parsed.activities] == [("a2", "note")]
    assert parsed.rejects == ((0, "bad_date", f"row 1 has no date that can be read: {told}"),)


def test_of_a_past_day_only_what_had_happened_is_taken() -> None:
    rows = "a1,7,,Before,,2026-11-18 23:59:59,\na2,7,,After,,2026-11-19,\na3,7,,Whenever,,,\n"
    parsed = _read(ACTIVITIES + rows, "activities", day=date(2026, 11, 18))
    assert [a.subject for a in parsed.activities] == ["Before", "Whenever"]
    assert parsed.rejects == ()


@given(st.integers(0, 10**9), st.integers(-14 * 4, 14 * 4))
@settings(max_examples=60, deadline=None)
def test_a_date_of_any_zone_is_the_same_instant(seconds: int, quarters: int) -> None:
    at = NOW - timedelta(seconds=seconds)
    there = at.astimezone(timezone(timedelta(minutes=15 * quarters))).isoformat()
    (activity,) = _read(f"{ACTIVITIES}a1,7,call,Hi,,{there},\n", "activities").activities
    assert activity.occurred_at == at


CELLS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Z"), exclude_characters="\ufeff"), min_size=1
)


@given(
    st.lists(st.tuples(CELLS, CELLS), unique_by=lambda row: row[0], max_size=8),
    st.sampled_from(",;\t"),
)
@settings(max_examples=60, deadline=None)
def test_what_is_written_as_csv_is_read_back(rows: list[tuple[str, str]], separator: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows([("id", "name"), *rows])
    parsed = _read(text.getvalue())
    assert [(a.account_id, a.name) for a in parsed.accounts] == rows
    assert csv_rows(text.getvalue())[1] == ["id", "name"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv", "text/csv"),
        ("A.CSV", "text/csv"),
        ("a.json", "application/json"),
        ("a.parquet", PARQUET),
        ("A.PQ", PARQUET),
    ],
)
def test_a_file_is_fetched_byte_for_byte(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"\xef\xbb\xbfid,name\r\n")
    (response,) = _fetch(tmp_path / name).responses
    assert response.body == b"\xef\xbb\xbfid,name\r\n"
    assert dict(response.headers) == {"content-type": kind}
    assert json.loads(response.request) == {"method": "READ", "url": name}
    assert (response.mode, response.client_id, response.fetched_at) == ("live", None, NOW)


def test_a_file_that_is_not_there_is_a_permanent_fault_that_says_where_it_should_be(
    tmp_path: Path,
) -> None:
    with pytest.raises(PermanentError) as caught:
        _fetch(tmp_path / "accounts.csv")
    assert caught.value.what == "There is no file accounts.csv"
    assert str(tmp_path / "accounts.csv") in caught.value.next_step
    with pytest.raises(PermanentError, match="cannot be read"):
        _fetch(tmp_path)
