"""HubSpot's search, lists and owners, with the end of every search at 10,000 results.

What a test may set in `fake.state["hubspot"]`:

    key: the token that is taken; `test-key` if not set
    left: requests until the day's are used up
    repeat: pages that do not go on
    hidden: numbers of records that the search has not indexed yet
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from clientlore.testing.fakes import news
from clientlore.testing.fakes.book import OWNERS, Kind, Row, book_of
from clientlore.testing.fakes.serving import Fake

MOST = 10_000
_KINDS: Mapping[str, Kind] = {
    "companies": "accounts",
    "contacts": "contacts",
    "deals": "activities",
}
_OPERATORS: Mapping[str, Callable[[int, int], bool]] = {
    "GTE": lambda told, value: told >= value,
    "GT": lambda told, value: told > value,
    "LT": lambda told, value: told < value,
}
_OF_VALUES: Mapping[str, Callable[[str, Mapping[str, Any]], bool]] = {
    "IN": lambda held, wanted: held in wanted["values"],
    "NOT_IN": lambda held, wanted: held not in wanted["values"],
    "EQ": lambda held, wanted: held == wanted["value"],
    "NEQ": lambda held, wanted: held != wanted["value"],
}


def routes(fake: Fake) -> Sequence[Route]:
    """`POST .../{object}/search`, `GET .../{object}` and `GET .../owners`, under dated paths and under `v3`."""

    async def search(request: Request) -> JSONResponse:
        if (refusal := _refused(fake, request)) is not None:
            return refusal
        name, asked = request.path_params["name"], json.loads(await request.body())
        if name not in _KINDS or int(asked.get("limit", 10)) > 200:
            return _said(400, "VALIDATION_ERROR", "There was a problem with the request.")
        groups = _groups(asked, repeat=bool(fake.state["hubspot"].get("repeat")))
        if groups is None:
            return _said(400, "VALIDATION_ERROR", "There was a problem with the request.")
        hidden = fake.state["hubspot"].get("hidden", ())
        found = [
            row
            for row in book_of(fake).all(_KINDS[name], deleted=False)
            if row.number not in hidden  # type: ignore[operator]
            and any(all(_passes(name, row, f) for f in group) for group in groups)
        ]
        start, size = int(asked.get("after", 0)), int(asked.get("limit", 10))
        if start + size > MOST:
            return _said(400, "VALIDATION_ERROR", f"The maximum number of results is {MOST:,}.")
        wanted = asked.get("properties", ())
        page = [_shown(_record(name, row), wanted) for row in found[start : start + size]]
        return JSONResponse({"total": len(found), "results": page, **_next(found, start + size)})

    async def listing(request: Request) -> JSONResponse:
        if (refusal := _refused(fake, request)) is not None:
            return refusal
        name, asked = request.path_params["name"], request.query_params
        if name not in _KINDS:
            return _said(404, "OBJECT_NOT_FOUND", "Unable to infer object type.")
        deleted = asked.get("archived") == "true"
        found = [_record(name, row) for row in book_of(fake).all(_KINDS[name], deleted=deleted)]
        start, size = int(asked.get("after", 0)), min(int(asked.get("limit", 10)), 100)
        wanted = asked.get("properties", "").split(",")
        page = [_shown(record, wanted) for record in found[start : start + size]]
        return JSONResponse({"results": page, **_next(found, start + size)}, headers=_limits())

    async def owners(request: Request) -> JSONResponse:
        if (refusal := _refused(fake, request)) is not None:
            return refusal
        found = [
            {
                "id": str(number),
                "email": email,
                "type": "PERSON",
                "firstName": name.split()[0],
                "lastName": name.split()[1],
                "userId": 1_000 + number,
                "createdAt": "2024-01-02T03:04:05.678Z",
                "updatedAt": "2024-01-02T03:04:05.678Z",
                "archived": False,
            }
            for number, (name, email) in OWNERS.items()
        ]
        start, size = int(request.query_params.get("after", 0)), 2
        page = found[start : start + size]
        return JSONResponse({"results": page, **_next(found, start + size)}, headers=_limits())

    made = []
    for objects, people in (
        ("/hubspot/crm/objects/{version:str}", "/hubspot/crm/owners/{version:str}"),
        ("/hubspot/crm/v3/objects", "/hubspot/crm/v3/owners"),
    ):
        made += [
            Route(f"{objects}/{{name}}/search", search, methods=["POST"]),
            Route(f"{objects}/{{name}}", listing),
            Route(people, owners),
        ]
    return made


def _refused(fake: Fake, request: Request) -> JSONResponse | None:
    version = request.path_params.get("version")
    if version is not None and version not in fake.state["hubspot"].get("versions", ("2026-09",)):  # type: ignore[operator]
        return _said(404, "NOT_FOUND", "No such version.")
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not news.key_is_right(fake, "hubspot", given):
        return _said(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
    if news.is_used_up(fake, "hubspot"):
        told = {"errorType": "RATE_LIMIT", "policyName": "DAILY"}
        return _said(429, "RATE_LIMITS", "You have reached your daily limit.", **told)
    return None


def _record(name: str, row: Row) -> dict[str, Any]:
    told = row.told
    account = str(told["account"]) if told.get("account") else None
    own: dict[str, Any] = {
        "companies": lambda: {
            "name": told["name"],
            "domain": told.get("domain"),
            "website": None,
            "industry": (told.get("industry") or "").upper().replace(" ", "_") or None,
            "hubspot_owner_id": str(told["owner"]) if told.get("owner") else None,
        },
        "contacts": lambda: {
            "firstname": told["first"],
            "lastname": told["last"],
            "email": told.get("email"),
            "phone": told.get("phone"),
            "jobtitle": told.get("role"),
            "associatedcompanyid": account,
        },
        "deals": lambda: {
            "dealname": told["subject"],
            "dealstage": "contractsent",
            "amount": str(told.get("amount")),
            "deal_currency_code": "EUR",
            "closedate": None,
            "description": told.get("text"),
            "hs_primary_associated_company": account,
        },
    }[name]()
    modified = "lastmodifieddate" if name == "contacts" else "hs_lastmodifieddate"
    record = {
        "id": str(row.number),
        "properties": {
            **own,
            **told.get("custom", {}),
            "createdate": _iso(row.created),
            modified: _iso(row.modified),
            "hs_object_id": str(row.number),
        },
        "createdAt": _iso(row.created),
        "updatedAt": _iso(row.modified),
        "archived": row.deleted,
    }
    return {**record, "archivedAt": _iso(row.modified)} if row.deleted else record


def _groups(asked: Mapping[str, Any], *, repeat: bool) -> list[list[dict[str, Any]]] | None:
    """The groups of filters, one of which must hold; None where they are more than HubSpot takes."""
    groups = [group["filters"] for group in asked.get("filterGroups", [])] or [[]]
    if len(groups) > 5 or sum(map(len, groups)) > 25:
        return None
    if any(len(f.get("values", ())) > 100 for group in groups for f in group):
        return None
    return [[f for f in g if not (repeat and f["propertyName"] == "hs_object_id")] for g in groups]


def _passes(name: str, row: Row, wanted: Mapping[str, Any]) -> bool:
    operator: str = wanted["operator"]
    held: str | None = _record(name, row)["properties"].get(wanted["propertyName"])
    if operator in {"HAS_PROPERTY", "NOT_HAS_PROPERTY"}:
        return (held is None) == (operator == "NOT_HAS_PROPERTY")
    if operator in _OF_VALUES:
        return held is not None and _OF_VALUES[operator](held, wanted)
    told = row.number
    if wanted["propertyName"].endswith("lastmodifieddate"):
        told = int(row.modified.timestamp() * 1000)
    return _OPERATORS[operator](told, int(wanted["value"]))


def _shown(record: dict[str, Any], properties: Sequence[str]) -> dict[str, Any]:
    always = {"createdate", "lastmodifieddate", "hs_lastmodifieddate", "hs_object_id"}
    shown = {
        name: value
        for name, value in record["properties"].items()
        if name in always or name in properties or name.startswith("hs_new")
    }
    return {**record, "properties": shown}


def _next(found: Sequence[Any], end: int) -> dict[str, Any]:
    return {"paging": {"next": {"after": str(end)}}} if end < len(found) else {}


def _iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def _limits() -> dict[str, str]:
    return {
        "X-HubSpot-RateLimit-Max": "190",
        "X-HubSpot-RateLimit-Remaining": "180",
        "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
        "X-HubSpot-RateLimit-Daily": "650000",
        "X-HubSpot-RateLimit-Daily-Remaining": "649000",
    }


def _said(status: int, category: str, message: str, **more: str) -> JSONResponse:
    told = {"status": "error", "message": message, "correlationId": "c-1", "category": category}
    return JSONResponse({**told, **more}, status)
