"""A CRM as files: CSV, JSON or Parquet, as people export them. Odd marks, separators and headers are expected."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from clientlore.clock import Clock, day_bounds
from clientlore.control.model import Mode
from clientlore.errors import BadDataError, PermanentError
from clientlore.providers.base import (
    Account,
    Activity,
    Ask,
    Fetched,
    Parsed,
    Response,
    describe_request,
)
from clientlore.providers.http import Http

PARQUET = "application/vnd.apache.parquet"
# our name -> headers under which exports call it (compared without case, spaces, dots and underscores)
ACCOUNT_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "account_id": ("id", "accountid", "recordid", "companyid"),
    "name": ("name", "accountname", "companyname", "company"),
    "domain": ("domain", "website", "companydomainname", "url"),
    "ticker": ("ticker", "tickersymbol", "symbol"),
    "industry": ("industry", "sector"),
    "owner_email": ("owneremail", "owner", "accountowneremail", "hubspotowneremail"),
    "aliases": ("aliases", "alsoknownas", "alias"),
    "contact_name": ("contactname", "primarycontact", "contact"),
    "contact_email": ("contactemail", "primarycontactemail", "email"),
    "contact_role": ("contactrole", "contacttitle", "jobtitle"),
}
ACTIVITY_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "activity_id": ("id", "activityid", "recordid", "taskid"),
    "account_id": ("accountid", "companyid", "whatid", "account"),
    "kind": ("kind", "type", "activitytype"),
    "subject": ("subject", "title", "name"),
    "text": ("text", "description", "body", "notes", "comments"),
    "occurred_at": ("occurredat", "date", "activitydate", "createddate", "timestamp"),
    "owner_email": ("owneremail", "owner", "assignedto"),
}
_REQUIRED = {
    "accounts": ("account_id", "name"),
    "activities": ("activity_id", "account_id", "subject"),
}
_TYPES: Mapping[str, str] = {".csv": "text/csv", ".parquet": PARQUET, ".pq": PARQUET}
_DATES = (
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
)

What = Literal["accounts", "activities"]


class CrmFiles:
    """Reads accounts or activities from a CSV, JSON or Parquet file; what ends otherwise is read as JSON."""

    mode: Mode = "live"

    def __init__(self, what: What, clock: Clock) -> None:
        self.name = f"crm_{what}"
        self._what = what
        self._clock = clock

    async def fetch(self, ask: Ask, http: Http) -> Fetched:  # noqa: ARG002 - a file needs no network
        """See `Provider.fetch`."""
        path = Path(ask.source.location)
        try:
            body = await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:
            raise PermanentError(
                f"There is no file {path.name}",
                f"Put the export at {path}, or change the tenant file.",
            ) from None
        except OSError as error:
            raise PermanentError(
                f"{path.name} cannot be read ({error.strerror})", "Check its permissions."
            ) from None
        content_type = _TYPES.get(path.suffix.lower(), "application/json")
        response = Response(
            source_id=ask.source.source_id,
            client_id=None,
            provider=self.name,
            request=describe_request("READ", path.name),
            status=200,
            headers={"content-type": content_type},
            body=body,
            fetched_at=self._clock.now(),
            mode=self.mode,
        )
        return Fetched((response,), ask.state)

    def parse(self, response: Response, ask_day: date) -> Parsed:
        """See `Provider.parse`. Activities are those that happened by the end of the day."""
        name = str(json.loads(response.request)["url"])
        rows, headers = _rows(response.body, name, response.headers["content-type"])
        if not headers and not rows:
            return Parsed()
        return parse_rows(self._what, rows, headers, name, ask_day)


def parse_rows(
    what: What,
    rows: list[dict[str, Any]],
    headers: list[str],
    name: str,
    ask_day: date | None = None,
) -> Parsed:
    """Accounts or activities from rows of text.

    Raises:
        BadDataError: A column that is needed is missing.
    """
    columns = ACCOUNT_COLUMNS if what == "accounts" else ACTIVITY_COLUMNS
    mapping = _map_columns(columns, headers)
    missing = [c for c in _REQUIRED[what] if c not in mapping]
    if missing:
        allowed = "; ".join(f"{c}: {', '.join(columns[c])}" for c in missing)
        raise BadDataError(
            f"{name} lacks the column {' and '.join(missing)}; it has {', '.join(headers) or 'none'}",
            f"Accepted headers are {allowed}.",
        )
    key = _REQUIRED[what][0]
    rejects: list[tuple[int, str, str]] = []
    seen: dict[str, int] = {}
    accounts, activities = [], []
    for position, row in enumerate(rows):
        values = {ours: _clean(row.get(theirs)) for ours, theirs in mapping.items()}
        empty = [c for c in _REQUIRED[what] if not values.get(c)]
        if empty:
            rejects.append(
                (position, "missing_field", f"row {position + 1} has no {', '.join(empty)}")
            )
            continue
        if values[key] in seen:
            first = seen[str(values[key])] + 1
            detail = f"row {position + 1} has the id of row {first}, which counts"
            rejects.append((position, "duplicate_id", detail))
            continue
        seen[str(values[key])] = position
        if what == "accounts":
            accounts.append(_account(position, values))
            continue
        activity = _activity(position, values)
        if activity is None:
            detail = f"row {position + 1} has no date that can be read: {values.get('occurred_at')}"
            rejects.append((position, "bad_date", detail))
        elif (
            ask_day is None
            or activity.occurred_at is None
            or activity.occurred_at < day_bounds(ask_day)[1]
        ):
            activities.append(activity)
    used = set(mapping.values())
    drift = Counter(header for header in headers if header not in used)
    return Parsed(
        accounts=tuple(accounts),
        activities=tuple(activities),
        rejects=tuple(rejects),
        drift=dict(drift),
    )


def _rows(body: bytes, name: str, content_type: str) -> tuple[list[dict[str, Any]], list[str]]:
    if content_type == PARQUET:
        return _parquet_rows(body, name)
    is_utf_16 = body[:2] in {b"\xff\xfe", b"\xfe\xff"}
    try:
        text = body.decode("utf-16" if is_utf_16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise BadDataError(f"{name} is not UTF-8 text", "Export it as UTF-8.") from None
    if not text.strip():
        raise BadDataError(f"{name} is empty", "Export it again.")
    if content_type == "application/json":
        return _json_rows(text, name)
    try:
        return csv_rows(text)
    except csv.Error as error:
        raise BadDataError(f"{name} is no CSV ({error})", "Export it again.") from None


def csv_rows(text: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows and headers of a CSV whose separator is a comma, semicolon or tab, whichever the first line has most of."""
    text = text.lstrip("\r\n")
    first = text.splitlines()[0]
    separator = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    rows = [row for row in reader if any(row.values())]
    return rows, [header for header in reader.fieldnames or [] if header]


def _parquet_rows(body: bytes, name: str) -> tuple[list[dict[str, Any]], list[str]]:
    import polars as pl

    try:
        frame = pl.read_parquet(io.BytesIO(body))
    except (pl.exceptions.PolarsError, OSError) as error:
        told = str(error).splitlines()[0][:200]
        raise BadDataError(f"{name} is no Parquet ({told})", "Export it again.") from None
    return frame.to_dicts(), frame.columns


def _json_rows(text: str, name: str) -> tuple[list[dict[str, Any]], list[str]]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BadDataError(f"{name} is no JSON ({error})", "Export it again.") from None
    if isinstance(found, dict):
        found = next((v for v in found.values() if isinstance(v, list)), None)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise BadDataError(
            f"{name} holds no list of records",
            "Write a list of objects, or one object with such a list.",
        )
    headers = list(dict.fromkeys(key for row in found for key in row))
    return found, headers


def _map_columns(columns: Mapping[str, tuple[str, ...]], headers: list[str]) -> dict[str, str]:
    plain = {"".join(c for c in header.lower() if c.isalnum()): header for header in headers}
    mapping: dict[str, str] = {}
    for ours, names in columns.items():
        found = next((plain[n] for n in (ours.replace("_", ""), *names) if n in plain), None)
        if found is not None and found not in mapping.values():
            mapping[ours] = found
    return mapping


def _clean(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, date):
        value = value.isoformat()
    elif isinstance(value, float) and value.is_integer():
        # A column of whole numbers with a gap in it is one of fractions to those who export it.
        value = int(value)
    elif isinstance(value, list):
        value = ";".join(str(part) for part in value)
    text = " ".join(str(value).split())
    # JSON can hold half of a surrogate pair, which no store takes.
    return text.encode(errors="replace").decode() or None


def _account(position: int, values: Mapping[str, str | None]) -> Account:
    domain = values.get("domain")
    if domain:
        domain = domain.lower().split("://")[-1].split("/")[0].removeprefix("www.") or None
    aliases = tuple(a.strip() for a in (values.get("aliases") or "").split(";") if a.strip())
    owner = values.get("owner_email")
    return Account(
        position=position,
        account_id=values["account_id"] or "",
        name=values["name"] or "",
        domain=domain,
        ticker=values.get("ticker"),
        industry=values.get("industry"),
        owner_email=owner.lower() if owner else None,
        aliases=aliases,
        contact_name=values.get("contact_name"),
        contact_email=values.get("contact_email"),
        contact_role=values.get("contact_role"),
    )


def _activity(position: int, values: Mapping[str, str | None]) -> Activity | None:
    given = values.get("occurred_at")
    occurred = _instant(given) if given else None
    if given and occurred is None:
        return None
    owner = values.get("owner_email")
    return Activity(
        position=position,
        activity_id=values["activity_id"] or "",
        account_id=values["account_id"] or "",
        kind=(values.get("kind") or "note").lower(),
        subject=values["subject"] or "",
        text=values.get("text") or "",
        occurred_at=occurred,
        owner_email=owner.lower() if owner else None,
    )


def _instant(text: str) -> datetime | None:
    for form in _DATES:
        try:
            at = datetime.strptime(text.replace("Z", "+0000"), form)  # noqa: DTZ007 - zone added below
        except ValueError:
            continue
        try:
            return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
        except OverflowError:
            return None
    return None
