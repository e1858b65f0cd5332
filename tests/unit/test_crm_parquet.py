"""A CRM as Parquet, as pipelines and notebooks write it."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest

from clientlore.clock import FrozenClock
from clientlore.errors import BadDataError
from clientlore.providers.base import Account, Parsed, Response
from clientlore.providers.crm.files import PARQUET, CrmFiles, What

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def _bytes(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _read(body: bytes, what: What = "accounts") -> Parsed:
    response = Response(
        source_id="s-crm",
        client_id=None,
        provider=f"crm_{what}",
        request=json.dumps({"method": "READ", "url": "export.parquet"}),
        status=200,
        headers={"content-type": PARQUET},
        body=body,
        fetched_at=NOW,
        mode="live",
    )
    return CrmFiles(what, FrozenClock(NOW)).parse(response, NOW.date())


def test_accounts_are_read_whatever_types_their_columns_have() -> None:
    frame = pl.DataFrame(
        {
            "Account ID": pl.Series([7.0, None], dtype=pl.Float64),
            "Account Name": pl.Series(["Acme Inc", "Nobody"], dtype=pl.Categorical),
            "Website": ["https://www.Acme.example/about", None],
            "Aliases": [["Acme", "Acme Kilns"], None],
            "Owner": ["Ada@Desk.example", None],
            "Employees": [120, 3],
        }
    )
    parsed = _read(_bytes(frame))
    assert parsed.accounts == (
        Account(
            position=0,
            account_id="7",
            name="Acme Inc",
            domain="acme.example",
            owner_email="ada@desk.example",
            aliases=("Acme", "Acme Kilns"),
        ),
    )
    assert parsed.rejects == ((1, "missing_field", "row 2 has no account_id"),)
    assert parsed.drift == {"Employees": 1}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (date(2026, 11, 19), datetime(2026, 11, 19, tzinfo=UTC)),
        (datetime(2026, 11, 19, 10, 30), datetime(2026, 11, 19, 10, 30, tzinfo=UTC)),  # noqa: DTZ001
        (
            datetime(2026, 11, 19, 10, 30, 0, 250_000),  # noqa: DTZ001
            datetime(2026, 11, 19, 10, 30, 0, 250_000, tzinfo=UTC),
        ),
        (
            datetime(2026, 11, 19, 10, 30, tzinfo=timezone(timedelta(hours=2))),
            datetime(2026, 11, 19, 8, 30, tzinfo=UTC),
        ),
    ],
)
def test_an_instant_is_read_in_its_zone_and_in_utc_without_one(
    told: date, expected: datetime
) -> None:
    frame = pl.DataFrame({"id": ["a"], "account_id": ["7"], "subject": ["Hello"], "date": [told]})
    (activity,) = _read(_bytes(frame), "activities").activities
    assert activity.occurred_at == expected


def test_a_file_without_rows_is_no_fault_and_one_without_the_columns_names_them() -> None:
    assert _read(_bytes(pl.DataFrame({"id": [], "name": []}))) == Parsed()
    with pytest.raises(BadDataError, match="lacks the column name; it has id, city"):
        _read(_bytes(pl.DataFrame({"id": ["7"], "city": ["Porto"]})))


@pytest.mark.parametrize("cut", [0, 3, 50, -1])
def test_a_torn_file_says_that_it_is_no_parquet(cut: int) -> None:
    body = _bytes(pl.DataFrame({"id": ["7"], "name": ["Acme"]}))
    with pytest.raises(BadDataError, match=r"export\.parquet is no Parquet"):
        _read(body[:cut])
