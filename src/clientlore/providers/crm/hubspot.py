"""HubSpot: companies, contacts and owners as accounts, deals as activities.

Its search gives at most 10,000 results of one question. So each page is a question of its own: what comes after the
last id of the page before, in the order of ids. Pages so made do not shift when records change meanwhile. What is
archived is in no search and is listed. Where only some companies are wanted, see `hubspot_only`. Paths carry the
version of the API (`2026-09`, or `v3` for the older ones).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, get_args
from urllib.parse import urlsplit

from clientlore.clock import Clock
from clientlore.control.model import Mode
from clientlore.errors import PermanentError, ProviderError, QuotaExhaustedError
from clientlore.providers.base import (
    Account,
    Activity,
    Ask,
    Contact,
    Fetched,
    Owner,
    Parsed,
    Response,
)
from clientlore.providers.crm.asking import (
    Changes,
    Walk,
    What,
    address_of,
    changes_of,
    domain_of,
    kind_of,
    needed,
    read_records,
    repeats,
    text_of,
    walk_all,
)
from clientlore.providers.crm.hubspot_only import MOST_GROUPS, Filter, Scope, heard
from clientlore.providers.crm.wanted import only_of
from clientlore.providers.http import Http, HttpResponse, Said
from clientlore.providers.refusals import plain_line
from clientlore.providers.search import api
from clientlore.settings import Settings

SEARCH_RATE = 4.0
"""Searches a second: an account may make five."""
RATE = 15.0
"""Other requests a second: an account may make 190 in ten."""
PAGE = 200
LISTED = 100
_TITLE = "HubSpot"
_RECORD = frozenset(
    ["id", "properties", "createdAt", "updatedAt", "archived", "archivedAt", "url",
     "objectWriteTraceId", "propertiesWithHistory", "associations"]
)  # fmt: skip
_OWNER = frozenset(
    ["id", "email", "type", "firstName", "lastName", "userId", "userIdIncludingInactive",
     "createdAt", "updatedAt", "archived", "teams"]
)  # fmt: skip
PROPERTIES: Mapping[str, tuple[str, ...]] = {
    "companies": ("name", "domain", "website", "industry", "hubspot_owner_id"),
    "contacts": ("firstname", "lastname", "email", "phone", "jobtitle", "associatedcompanyid"),
    "deals": ("dealname", "dealstage", "amount", "deal_currency_code", "closedate", "description",
              "hs_primary_associated_company"),
}  # fmt: skip
MODIFIED = {
    "companies": "hs_lastmodifieddate",
    "contacts": "lastmodifieddate",
    "deals": "hs_lastmodifieddate",
}
"""The property that says when a record changed last."""
COMPANY_OF = {
    "contacts": "associatedcompanyid",
    "deals": "hs_primary_associated_company",
}
_ALWAYS = ("createdate", "lastmodifieddate", "hs_lastmodifieddate", "hs_object_id")


class HubSpot:
    """Asks for companies with contacts and owners, or for deals."""

    mode: Mode = "live"

    def __init__(self, what: What, settings: Settings, clock: Clock) -> None:
        self.name = f"hubspot_{what}"
        self._what = what
        self._clock = clock
        version = settings.crm.hubspot_version
        form = "/crm/v3/{}" if version == "v3" else f"/crm/{{}}/{version}"
        self._objects, self._owners = form.format("objects"), form.format("owners")
        self._search, self._list = (
            api.Door(
                title=title,
                base=settings.crm.hubspot_base,
                rate=rate,
                burst=int(rate),
                variable="HUBSPOT_ACCESS_TOKEN",
                key=settings.crm.hubspot_token,
                fix="make a service key, or a private app, that may read companies, contacts, deals and owners",
                judge=_limits,
            )
            for title, rate in (("HubSpot's search", SEARCH_RATE), (_TITLE, RATE))
        )

    async def fetch(self, ask: Ask, http: Http) -> Fetched:
        """See `Provider.fetch`."""
        headers = {"authorization": f"Bearer {self._search.secret()}"}
        changes = changes_of(ask, self._what, self._clock.now())
        if self._what == "activities":
            walks = [self._changed(http, headers, "deals", changes)]
            return await walk_all(ask, self.name, self._clock, walks)
        only = only_of(ask)
        scope = Scope(only) if only is not None else None
        walks = [self._listed(http, headers, self._owners, {})]
        if scope is not None:
            walks = [heard(walks[0], scope.hear_owners), *self._of(scope, http, headers, changes)]
        for kind in ("companies", "contacts"):
            if scope is None or (kind == "contacts" and changes.since is not None):
                walks.append(self._changed(http, headers, kind, changes))
            if changes.since is not None:
                # Of what was archived before the first question nothing is known.
                path = f"{self._objects}/{kind}"
                told = {"archived": "true", "properties": ",".join(PROPERTIES[kind])}
                walks.append(self._listed(http, headers, path, told))
        return await walk_all(ask, self.name, self._clock, walks)

    def _changed(self, http: Http, headers: Mapping[str, str], kind: str, changes: Changes) -> Walk:
        filters = list(_filters(kind, changes))
        return self._searched(http, headers, kind, lambda: [[filters]])

    def _of(
        self, scope: Scope, http: Http, headers: Mapping[str, str], changes: Changes
    ) -> list[Walk]:
        """The companies that are wanted, those that have changed and are not, and the contacts of the former."""
        span = list(_filters("companies", changes))

        def unwanted() -> list[list[list[Filter]]]:
            groups = [[*span, *group] for group in scope.unwanted()]
            return [
                groups[start : start + MOST_GROUPS] for start in range(0, len(groups), MOST_GROUPS)
            ]

        wanted = self._searched(http, headers, "companies", lambda: [[[*span, *scope.wanted()]]])
        walks = [heard(wanted, scope.hear_companies)]
        if changes.since is not None and scope.only.may_end:
            walks.append(self._searched(http, headers, "companies", unwanted, outside=True))
        # A company may have come to be wanted whose contacts have not changed for years.
        contacts = self._searched(
            http, headers, "contacts", lambda: [[group] for group in scope.contacts()]
        )
        return [*walks, contacts]

    def _searched(
        self,
        http: Http,
        headers: Mapping[str, str],
        kind: str,
        searches: Callable[[], list[list[list[Filter]]]],
        *,
        outside: bool = False,
    ) -> Walk:
        """Searches one after the other, of groups of filters each; they are asked for when their turn comes.

        Args:
            http: Who asks.
            headers: With the token.
            kind: Of what.
            searches: Tells the searches, since one may need what was found before it.
            outside: Whether what is found is what is not wanted, of which the id is enough.
        """
        after, left = -1, []

        async def following(before: HttpResponse | None) -> api.Page | None:
            nonlocal after, left
            if before is None:
                left = searches()
            else:
                ids = [_number(record) for record in api.records(before.body, "results")]
                if len(ids) < PAGE:
                    left, after = left[1:], -1
                elif max(ids) <= after:
                    raise repeats(_TITLE)
                else:
                    after = max(ids)
            if not left:
                return None
            groups = [[*group, *_after(after)] for group in left[0]]
            properties = [] if outside else PROPERTIES[kind]
            asked = {
                "filterGroups": [{"filters": group} for group in groups],
                "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                "properties": [*properties, MODIFIED[kind]],
                "limit": PAGE,
            }
            page = self._search.page(
                http, "POST", f"{self._objects}/{kind}/search", asked, headers=headers
            )
            return replace(page, parameters={**asked, "outside": True}) if outside else page

        return following

    def _listed(
        self, http: Http, headers: Mapping[str, str], path: str, told: Mapping[str, str]
    ) -> Walk:
        cursors: set[str] = set()

        async def following(before: HttpResponse | None) -> api.Page | None:
            asked: dict[str, Any] = {"limit": LISTED, **told}
            if before is not None:
                cursor = _cursor(before.body)
                if cursor is None:
                    return None
                if cursor in cursors:
                    raise repeats(_TITLE)
                cursors.add(cursor)
                asked["after"] = cursor
            return self._list.page(http, "GET", path, asked, headers=headers)

        return following

    def parse(self, response: Response, ask_day: date) -> Parsed:  # noqa: ARG002 - what changed is asked for by day
        """See `Provider.parse`."""
        asked = json.loads(response.request)
        path = urlsplit(str(asked["url"])).path.split("/")
        found = api.listed(api.read_json(response.body, _TITLE), "results", _TITLE, optional=False)
        if "owners" in path:
            read = read_records(found, fields=list, known=_OWNER, make=_owner)
            return Parsed(owners=read.things, rejects=read.rejects, drift=read.drift)
        kind = next(name for name in PROPERTIES if name in path)
        known = _RECORD | {f"properties.{name}" for name in (*PROPERTIES[kind], *_ALWAYS)}
        make = _MAKE[kind]
        if asked.get("params", {}).get("outside"):
            # To us, what is no longer wanted is gone.
            make = lambda at, record: _company(at, {**record, "archived": True})  # noqa: E731
        read = read_records(found, fields=_fields, known=known, make=make)
        return Parsed(
            accounts=read.things if kind == "companies" else (),
            contacts=read.things if kind == "contacts" else (),
            activities=read.things if kind == "deals" else (),
            rejects=read.rejects,
            drift=read.drift,
        )


def _filters(kind: str, changes: Changes) -> Iterator[Filter]:
    name = MODIFIED[kind]
    if changes.since is not None:
        yield {"propertyName": name, "operator": "GTE", "value": _epoch(changes.since)}
    if changes.until is not None:
        yield {"propertyName": name, "operator": "LT", "value": _epoch(changes.until)}
    if kind == "deals" or (kind == "contacts" and changes.since is None):
        # A contact that has left its company is looked for as well, once there are any.
        yield {"propertyName": COMPANY_OF[kind], "operator": "HAS_PROPERTY"}


def _after(after: int) -> Iterator[Filter]:
    if after >= 0:
        yield {"propertyName": "hs_object_id", "operator": "GT", "value": str(after)}


def _epoch(at: datetime) -> str:
    return str(int(at.timestamp() * 1000))


def _number(record: Mapping[str, Any]) -> int:
    told = str(record.get("id"))
    return int(told) if told.isdecimal() else -1


def _cursor(body: bytes) -> str | None:
    try:
        return str(json.loads(body)["paging"]["next"]["after"])
    except (ValueError, KeyError, TypeError):
        return None


def _limits(said: Said) -> ProviderError | None:
    """The day's limit, which comes under the same status as the second's; and questions that are not understood."""
    if said.status == 429 and b'"DAILY"' in said.body:
        return QuotaExhaustedError(
            "HubSpot says that the account's requests of the day are used up",
            "They begin anew at midnight in the account's time zone.",
        )
    if said.status in {400, 404}:
        return PermanentError(
            f"HubSpot does not know what it was asked ({said.status})",
            "Check HUBSPOT_API_VERSION: versions end, and not every account has the newest.",
            detail=plain_line(said.body),
        )
    return None


def _fields(record: Mapping[str, Any]) -> Iterator[str]:
    yield from record
    yield from (f"properties.{name}" for name in record.get("properties") or ())


def _owner(position: int, record: Mapping[str, Any]) -> Owner:
    names = (text_of(record.get("firstName")), text_of(record.get("lastName")))
    return Owner(
        position=position,
        owner_id=needed("id", text_of(record.get("id"))),
        email=address_of(record.get("email")),
        name=" ".join(name for name in names if name) or None,
    )


def _company(position: int, record: Mapping[str, Any]) -> Account:
    told = record.get("properties") or {}
    domain = domain_of(told.get("domain") or told.get("website"))
    name = text_of(told.get("name")) or domain
    is_deleted = bool(record.get("archived"))
    return Account(
        position=position,
        account_id=needed("id", text_of(record.get("id"))),
        name=name or "" if is_deleted else needed("name", name),
        domain=domain,
        # HubSpot has its industries in capitals, with underscores.
        industry=(text_of(told.get("industry")) or "").replace("_", " ").lower() or None,
        owner_id=text_of(told.get("hubspot_owner_id")),
        is_deleted=is_deleted,
    )


def _contact(position: int, record: Mapping[str, Any]) -> Contact:
    told = record.get("properties") or {}
    names = (text_of(told.get("firstname")), text_of(told.get("lastname")))
    email = address_of(told.get("email"))
    name = " ".join(part for part in names if part) or email
    is_deleted = bool(record.get("archived"))
    return Contact(
        position=position,
        contact_id=needed("id", text_of(record.get("id"))),
        account_id=text_of(told.get(COMPANY_OF["contacts"])),
        name=name or "" if is_deleted else needed("firstname, lastname or email", name),
        email=email,
        phone=text_of(told.get("phone")),
        role=text_of(told.get("jobtitle")),
        is_deleted=is_deleted,
    )


def _deal(position: int, record: Mapping[str, Any]) -> Activity:
    told = record.get("properties") or {}
    amount = text_of(told.get("amount"))
    said = [
        f"Stage: {told['dealstage']}." if told.get("dealstage") else "",
        f"Amount: {amount} {text_of(told.get('deal_currency_code')) or ''}".rstrip() + "."
        if amount
        else "",
        text_of(told.get("description")) or "",
    ]
    return Activity(
        position=position,
        activity_id=needed("id", text_of(record.get("id"))),
        account_id=needed(COMPANY_OF["deals"], text_of(told.get(COMPANY_OF["deals"]))),
        kind="deal",
        subject=needed("dealname", text_of(told.get("dealname"))),
        text=" ".join(part for part in said if part),
        occurred_at=api.instant(record.get("updatedAt")),
    )


_MAKE: Mapping[str, Any] = {"companies": _company, "contacts": _contact, "deals": _deal}


KINDS = {
    f"hubspot_{what}": kind_of(HubSpot, what, title=_TITLE, needs="HUBSPOT_ACCESS_TOKEN")
    for what in get_args(What)
}
