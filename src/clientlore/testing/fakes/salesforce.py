"""Salesforce: logging in, SOQL with pages and deleted records, bulk jobs. It speaks TLS; see `authority`.

What a test may set in `fake.state["salesforce"]`:

    key: the client secret that is taken; `test-key` if not set
    refresh: the refresh token that is taken; `test-refresh-1` if not set
    rotates: whether each use of a refresh token gives another one and ends the old; so if not set
    public_key: PEM of the key that JWTs must be signed with
    expires_after: requests for data until every access token ends, once
    page: records of a page; 2,000 if not set
    repeat: pages that do not go on
    looks: times a bulk job says that it is not done; 1 if not set
    job: the state in which bulk jobs end; `JobComplete` if not set
    left: requests for data until the day's are used up
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from clientlore.testing.fakes import news, soql
from clientlore.testing.fakes.book import OWNERS, Row, book_of
from clientlore.testing.fakes.serving import Fake

CLIENT_ID = "3MVG9-fake-consumer-key"
REFRESH = "test-refresh-1"
INSTANCE = "https://advisors.my.salesforce.com"
_SOQL = re.compile(r"SELECT (?P<fields>.+?) FROM (?P<name>\w+)(?P<rest> .+)?$", re.DOTALL)
_PREFIX = {"Account": "001", "Contact": "003", "Task": "00T", "Event": "00U"}


@dataclass
class _Cursor:
    """What a question found, to be given page by page; later changes do not touch it."""

    name: str
    fields: list[str]
    records: list[dict[str, Any]]
    looks: int = 0


def routes(fake: Fake) -> Sequence[Route]:
    """`/services/oauth2/...`, `/services/data/v../query`, `queryAll` and `jobs/query`."""
    data = "/services/data/v{version}"
    return [
        Route("/services/oauth2/authorize", _bound(fake, _authorize)),
        Route("/services/oauth2/token", _bound(fake, _token), methods=["POST"]),
        Route(f"{data}/query/", _bound(fake, _query)),
        Route(f"{data}/queryAll/", _bound(fake, _query)),
        Route(f"{data}/query/{{locator}}", _bound(fake, _more)),
        Route(f"{data}/jobs/query", _bound(fake, _job), methods=["POST"]),
        Route(f"{data}/jobs/query/{{job}}", _bound(fake, _look)),
        Route(f"{data}/jobs/query/{{job}}/results", _bound(fake, _results)),
    ]


def expire(fake: Fake) -> None:
    """Ends every access token there is."""
    fake.state["salesforce"]["access"] = set()


def _bound(fake: Fake, answer: Callable[..., Any]) -> Callable[[Request], Any]:
    async def handle(request: Request) -> Response:
        return cast("Response", await answer(fake, request))

    return handle


async def _authorize(fake: Fake, request: Request) -> Response:
    asked = request.query_params
    if asked.get("client_id") != CLIENT_ID or asked.get("response_type") != "code":
        return _no("invalid_client_id", "client identifier invalid")
    fake.state["salesforce"]["challenge"] = asked.get("code_challenge")
    return RedirectResponse(f"{asked['redirect_uri']}?code=test-code&state={asked.get('state')}")


async def _token(fake: Fake, request: Request) -> Response:
    form = dict(parse_qsl((await request.body()).decode()))
    check = {
        "refresh_token": _refresh_grant,
        "client_credentials": _client_grant,
        "authorization_code": _code_grant,
        "urn:ietf:params:oauth:grant-type:jwt-bearer": _jwt_grant,
    }.get(form.get("grant_type", ""))
    if check is None:
        return _no("unsupported_grant_type", "grant type not supported")
    granted = check(fake, form, request)
    if isinstance(granted, Response):
        return granted
    state = fake.state["salesforce"]
    number = cast("int", state.get("granted", 0)) + 1
    state["granted"] = number
    cast("set[str]", state.setdefault("access", set())).add(f"test-access-{number}")
    return JSONResponse(
        {
            "access_token": f"test-access-{number}",
            "instance_url": INSTANCE,
            "id": "https://login.salesforce.com/id/00D/005",
            "token_type": "Bearer",
            "issued_at": "1795168800000",
            "signature": "c2lnbmF0dXJl",
            "scope": "refresh_token api",
            **granted,
        }
    )


def _refresh_grant(fake: Fake, form: Mapping[str, str], _request: Request) -> Any:
    state = fake.state["salesforce"]
    current = str(state.get("refresh", REFRESH))
    if form.get("client_id") != CLIENT_ID:
        return _no("invalid_client_id", "client identifier invalid")
    if form.get("client_secret") not in {None, str(state.get("key", news.KEY))}:
        return _no("invalid_client", "invalid client credentials")
    if form.get("refresh_token") != current:
        return _no("invalid_grant", "expired access/refresh token")
    if not state.get("rotates", True):
        return {}
    stem, _, number = current.rpartition("-")
    state["refresh"] = f"{stem}-{int(number) + 1}"
    return {"refresh_token": state["refresh"]}


def _client_grant(fake: Fake, _form: Mapping[str, str], request: Request) -> Any:
    key = fake.state["salesforce"].get("key", news.KEY)
    given = request.headers.get("authorization", "").removeprefix("Basic ")
    if given != base64.b64encode(f"{CLIENT_ID}:{key}".encode()).decode():
        return _no("invalid_client", "invalid client credentials")
    if request.headers["host"] in {"login.salesforce.com", "test.salesforce.com"}:
        return _no("invalid_grant", "request not supported on this domain")
    return {}


def _code_grant(fake: Fake, form: Mapping[str, str], _request: Request) -> Any:
    state = fake.state["salesforce"]
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if form.get("code") != "test-code" or challenge != state.get("challenge"):
        return _no("invalid_grant", "invalid authorization code")
    return {"refresh_token": state.setdefault("refresh", REFRESH)}


def _jwt_grant(fake: Fake, form: Mapping[str, str], request: Request) -> Any:
    import jwt

    host = request.headers["host"]
    try:
        claims = jwt.decode(
            form["assertion"],
            str(fake.state["salesforce"]["public_key"]),
            algorithms=["RS256"],
            audience=f"https://{host}",
        )
    except (jwt.PyJWTError, KeyError):
        return _no("invalid_grant", "invalid assertion")
    if claims["iss"] != CLIENT_ID:
        return _no("invalid_client_id", "client identifier invalid")
    if claims["sub"] != "robot@advisors.example":
        return _no("invalid_grant", "user hasn't approved this consumer")
    return {}


def _refused(fake: Fake, request: Request) -> Response | None:
    state = fake.state["salesforce"]
    if (left := cast("int | None", state.get("expires_after"))) is not None:
        if left == 0:
            expire(fake)
        state["expires_after"] = left - 1 if left > 0 else None
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if given not in cast("set[str]", state.get("access", set())):
        return _wrong(401, "INVALID_SESSION_ID", "Session expired or invalid")
    if news.is_used_up(fake, "salesforce"):
        return _wrong(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    return None


async def _query(fake: Fake, request: Request) -> Response:
    if (refusal := _refused(fake, request)) is not None:
        return refusal
    deleted = request.url.path.endswith("/queryAll/")
    cursor = _asked(fake, request.query_params["q"], deleted=deleted)
    if isinstance(cursor, Response):
        return cursor
    cursors = cast("list[_Cursor]", fake.state["salesforce"].setdefault("cursors", []))
    cursors.append(cursor)
    return _page(fake, request, len(cursors) - 1, 0)


async def _more(fake: Fake, request: Request) -> Response:
    if (refusal := _refused(fake, request)) is not None:
        return refusal
    match = re.match(r"01g(\d{12})AAA-(\d+)$", request.path_params["locator"])
    cursors = cast("list[_Cursor]", fake.state["salesforce"].get("cursors", []))
    if match is None or int(match[1]) >= len(cursors):
        return _wrong(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    return _page(fake, request, int(match[1]), int(match[2]))


def _page(fake: Fake, request: Request, number: int, start: int) -> Response:
    state = fake.state["salesforce"]
    cursor = cast("list[_Cursor]", state["cursors"])[number]
    size = cast("int", state.get("page", 2_000))
    end = start + size
    done = end >= len(cursor.records)
    version = request.path_params["version"]
    onward = start if state.get("repeat") and start else end
    more = {"nextRecordsUrl": f"/services/data/v{version}/query/01g{number:012}AAA-{onward}"}
    told = {
        "totalSize": len(cursor.records),
        "done": done,
        **({} if done else more),
        "records": [_nested(cursor.name, record) for record in cursor.records[start:end]],
    }
    return JSONResponse(told, headers={"Sforce-Limit-Info": "api-usage=18/15000"})


async def _job(fake: Fake, request: Request) -> Response:
    if (refusal := _refused(fake, request)) is not None:
        return refusal
    asked = json.loads(await request.body())
    cursor = _asked(fake, asked["query"], deleted=asked["operation"] == "queryAll")
    if isinstance(cursor, Response):
        return cursor
    cursor.looks = cast("int", fake.state["salesforce"].get("looks", 1))
    jobs = cast("list[_Cursor]", fake.state["salesforce"].setdefault("jobs", []))
    jobs.append(cursor)
    job_id = f"750{len(jobs) - 1:012}AAA"
    told = {"id": job_id, "operation": asked["operation"], "object": cursor.name}
    return JSONResponse({**told, "state": "UploadComplete", "contentType": "CSV"})


async def _look(fake: Fake, request: Request) -> Response:
    if (refusal := _refused(fake, request)) is not None:
        return refusal
    cursor = _job_of(fake, request)
    state = str(fake.state["salesforce"].get("job", "JobComplete"))
    if cursor.looks > 0:
        cursor.looks -= 1
        state = "InProgress"
    told = {"id": request.path_params["job"], "state": state, "errorMessage": "InternalServerError"}
    return JSONResponse(told)


async def _results(fake: Fake, request: Request) -> Response:
    if (refusal := _refused(fake, request)) is not None:
        return refusal
    cursor, asked = _job_of(fake, request), request.query_params
    start, size = int(asked.get("locator", 0)), int(asked.get("maxRecords", 50_000))
    size = min(size, cast("int", fake.state["salesforce"].get("page", size)))
    page = cursor.records[start : start + size]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text, cursor.fields, extrasaction="ignore", quoting=csv.QUOTE_ALL, lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(
        {k: "" if v is None else _cell(v) for k, v in record.items()} for record in page
    )
    more = start + size < len(cursor.records)
    headers = {
        "Sforce-Locator": str(start + size) if more else "null",
        "Sforce-NumberOfRecords": str(len(page)),
    }
    return Response(text.getvalue(), media_type="text/csv", headers=headers)


def _job_of(fake: Fake, request: Request) -> _Cursor:
    jobs = cast("list[_Cursor]", fake.state["salesforce"]["jobs"])
    return jobs[int(request.path_params["job"][3:15])]


def _asked(fake: Fake, query: str, *, deleted: bool) -> _Cursor | Response:
    match = _SOQL.match(query)
    if match is None or match["name"] not in _PREFIX:
        return _wrong(400, "MALFORMED_QUERY", "unexpected token")
    name, fields = match["name"], match["fields"].split(", ")
    try:
        passes = soql.conditions(match["rest"] or "")
    except ValueError as error:
        return _wrong(400, "MALFORMED_QUERY", str(error))
    kind = {"Account": "accounts", "Contact": "contacts"}.get(name, "activities")
    rows = [
        row
        for row in book_of(fake).all(kind)  # type: ignore[arg-type]
        if (deleted or not row.deleted)
        and (kind != "activities" or (row.told["type"] == "meeting") == (name == "Event"))
        and passes(_reader(fake, name, row))
    ]
    rows.sort(key=lambda row: (row.modified, row.number))
    records = [_record(name, row) for row in rows]
    unknown = [f for f in fields if records and f not in records[0]]
    if unknown:
        return _wrong(400, "INVALID_FIELD", f"No such column '{unknown[0]}' on entity '{name}'")
    extra = {f for row in rows for f in row.told.get("custom", {}) if f.endswith("__c")}
    shown = [{k: v for k, v in r.items() if k in fields or k in extra} for r in records]
    return _Cursor(name, fields, shown)


def _reader(fake: Fake, name: str, row: Row) -> soql.Get:
    """Gives fields of a record, and of its account where it is asked for `Account.…`."""
    record = _record(name, row)
    account = book_of(fake).rows["accounts"].get(row.told.get("account") or 0)
    above = _record("Account", account) if account is not None else {}
    return lambda path: (
        above.get(path.removeprefix("Account."))
        if path.startswith("Account.")
        else record.get(path)
    )


def _id(name: str, number: int) -> str:
    return f"{_PREFIX[name]}{number:012}AAA"


def _record(name: str, row: Row) -> dict[str, Any]:
    told = row.told
    account = _id("Account", told["account"]) if told.get("account") else None
    common = {
        "Id": _id(name, row.number),
        "IsDeleted": row.deleted,
        "CreatedDate": _stamp(row.created),
        "SystemModstamp": _stamp(row.modified),
        **told.get("custom", {}),
    }
    activity = {
        "AccountId": account,
        "Subject": told.get("subject"),
        "Description": told.get("text"),
    }
    own: Mapping[str, Callable[[], dict[str, Any]]] = {
        "Account": lambda: {
            "Name": told["name"],
            "Website": f"https://www.{told['domain']}" if told.get("domain") else None,
            "TickerSymbol": told.get("ticker"),
            "Industry": told.get("industry"),
            "Owner.Email": OWNERS[told["owner"]][1],
        },
        "Contact": lambda: {
            "AccountId": account,
            "Name": f"{told['first']} {told['last']}",
            "Email": told.get("email"),
            "Phone": told.get("phone"),
            "Title": told.get("role"),
        },
        "Task": lambda: {
            **activity,
            "TaskSubtype": told["type"].title(),
            "ActivityDate": f"{told['at']:%Y-%m-%d}",
        },
        "Event": lambda: {
            **activity,
            "EventSubtype": "Event",
            "StartDateTime": _stamp(told["at"]),
        },
    }
    return {**common, **own[name]()}


def _nested(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as pages have it: with its kind, and what it refers to within it."""
    url = f"/services/data/v64.0/sobjects/{name}/{record.get('Id')}"
    told = {k: v for k, v in record.items() if "." not in k}
    if "Owner.Email" in record:
        told["Owner"] = {
            "attributes": {"type": "User", "url": "/services/data/v64.0/sobjects/User/005"},
            "Email": record["Owner.Email"],
        }
    return {"attributes": {"type": name, "url": url}, **told}


def _cell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}+0000"


def _no(code: str, description: str) -> JSONResponse:
    return JSONResponse({"error": code, "error_description": description}, 400)


def _wrong(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse([{"message": message, "errorCode": code}], status)
