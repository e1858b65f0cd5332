"""Salesforce: accounts with contacts and owners, tasks and events as activities, through simple-salesforce.

What has changed is asked for by SystemModstamp, with deletions; more rows than a limit are fetched as a bulk job.
Where only some accounts are wanted, of those that have changed and are not wanted (any more) the ids are asked for.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, get_args

from clientlore.clock import Clock
from clientlore.control.model import Mode
from clientlore.errors import BadDataError
from clientlore.providers.base import Account, Activity, Ask, Contact, Fetched, Parsed, Response
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
from clientlore.providers.crm.salesforce_line import Line
from clientlore.providers.crm.wanted import Only, only_of
from clientlore.providers.http import Http, HttpResponse
from clientlore.providers.search import api
from clientlore.settings import Settings

BULK_PAGE = 10_000
BULK_WAIT = 2.0
"""Seconds between two looks at a bulk job."""
_TITLE = "Salesforce"
FIELDS: Mapping[str, tuple[str, ...]] = {
    "Account": ("Id", "Name", "Website", "TickerSymbol", "Industry", "Owner.Email", "IsDeleted", "SystemModstamp"),
    "Contact": ("Id", "AccountId", "Name", "Email", "Phone", "Title", "IsDeleted", "SystemModstamp"),
    "Task": ("Id", "AccountId", "Subject", "Description", "TaskSubtype", "ActivityDate", "CreatedDate",
             "SystemModstamp"),
    "Event": ("Id", "AccountId", "Subject", "Description", "EventSubtype", "StartDateTime", "CreatedDate",
              "SystemModstamp"),
}  # fmt: skip
OBJECTS: Mapping[What, tuple[str, ...]] = {
    "accounts": ("Account", "Contact"),
    "activities": ("Task", "Event"),
}


@dataclass(frozen=True)
class Question:
    """What is asked of one object.

    Attributes:
        outside: Whether it is asked for what is not wanted, of which the ids are enough.
    """

    name: str
    conditions: tuple[str, ...]
    deleted: bool
    outside: bool = False

    def soql(self, *, ordered: bool) -> str:
        """As Salesforce reads it; a bulk job goes faster without an order."""
        where = f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""
        order = " ORDER BY SystemModstamp, Id" if ordered else ""
        fields = ("Id",) if self.outside else FIELDS[self.name]
        return f"SELECT {', '.join(fields)} FROM {self.name}{where}{order}"  # noqa: S608 - names of ours


def question_of(
    name: str, changes: Changes, only: Only | None = None, *, outside: bool = False
) -> Question:
    """What is asked of an object: its changes with deletions, or all there is.

    Args:
        name: The object.
        changes: From when to when.
        only: Which accounts are wanted, if not all.
        outside: Whether what has changed and is not wanted is asked for instead.
    """
    from simple_salesforce.format import format_soql

    conditions = []
    is_activity = name in OBJECTS["activities"]
    if changes.since is not None:
        since = format_soql("SystemModstamp >= {}", changes.since)
        if only is not None and name == "Contact" and changes.until is None and not outside:
            # An account may have come to be wanted whose contacts have not changed for years.
            since = format_soql(f"({since} OR Account.SystemModstamp >= {{}})", changes.since)
        conditions.append(since)
    if changes.until is not None:
        conditions.append(format_soql("SystemModstamp < {}", changes.until))
    if not outside and (is_activity or (name == "Contact" and changes.since is None)):
        # A contact that has left its account is looked for as well, once there are any.
        conditions.append("AccountId != null")
    if only is not None:
        conditions += _unwanted(name, only) if outside else _wanted(name, only)
    deleted = changes.since is not None and not is_activity
    return Question(name, tuple(conditions), deleted, outside)


def _wanted(name: str, only: Only) -> Iterator[str]:
    """Conditions under which an object is of a wanted account; values are quoted, names of fields were checked."""
    from simple_salesforce.format import format_soql

    of_account = "" if name == "Account" else "Account."
    if only.accounts:
        own = "Id" if name == "Account" else "AccountId"
        yield format_soql(f"{own} IN {{}}", only.accounts)
    if only.owners:
        yield format_soql(f"{of_account}Owner.Email IN {{}}", only.owners)
    for field, value in only.where.items():
        yield format_soql(f"{of_account}{field} = {{}}", value)


def _unwanted(name: str, only: Only) -> Iterator[str]:
    """The opposite. Whether something is not equal is true of what is empty in SOQL."""
    from simple_salesforce.format import format_soql

    of_account = "" if name == "Account" else "Account."
    ends = [] if name == "Account" else ["AccountId = null"]
    if only.accounts and name == "Account":
        # No account gets another id: others were never wanted.
        yield format_soql("Id IN {}", only.accounts)
    elif only.accounts:
        ends.append(format_soql("AccountId NOT IN {}", only.accounts))
    if only.owners:
        ends.append(format_soql(f"{of_account}Owner.Email NOT IN {{}}", only.owners))
    ends += [format_soql(f"{of_account}{f} != {{}}", value) for f, value in only.where.items()]
    yield f"({' OR '.join(ends)})"


class SalesforceCrm:
    """Asks for accounts and contacts, or for tasks and events."""

    mode: Mode = "live"

    def __init__(self, what: What, settings: Settings, clock: Clock) -> None:
        self.name = f"salesforce_{what}"
        self._what = what
        self._settings = settings
        self._clock = clock

    async def fetch(self, ask: Ask, http: Http) -> Fetched:
        """See `Provider.fetch`."""
        line = Line(self._settings, http)
        changes = changes_of(ask, self._what, self._clock.now())
        only = only_of(ask)
        questions = [question_of(name, changes, only) for name in OBJECTS[self._what]]
        if only is not None and changes.since is not None and self._what == "accounts":
            names = OBJECTS["accounts"] if only.may_end else ("Contact",)
            questions += [question_of(name, changes, only, outside=True) for name in names]
        walks = [self._walk(line, question) for question in questions]
        return await walk_all(ask, self.name, self._clock, walks)

    def _walk(self, line: Line, question: Question) -> Walk:
        """First page by page; as a bulk job where the first page says that there are too many."""
        number, seen = 0, set[str]()
        job: _Job | None = None

        async def following(before: HttpResponse | None) -> api.Page | None:
            nonlocal number, job
            number += 1
            if before is None:
                soql = question.soql(ordered=True)
                return _page(
                    line,
                    question,
                    number,
                    lambda sf: sf.query(soql, include_deleted=question.deleted),
                )
            if job is not None:
                ended = before.headers.get("sforce-locator", "null") in {"null", ""}
                return None if ended else _page(line, question, number, job.step, bulk=True)
            told = _told_by(before.body)
            if number == 2 and _count(told) > self._settings.crm.salesforce_bulk_rows:
                job = _Job(question)
                return _page(line, question, number, job.step, bulk=True)
            more = told.get("nextRecordsUrl")
            if not more:
                return None
            if str(more) in seen:
                raise repeats(_TITLE)
            seen.add(str(more))
            return _page(
                line, question, number, lambda sf: sf.query_more(str(more), identifier_is_url=True)
            )

        return following

    def parse(self, response: Response, ask_day: date) -> Parsed:  # noqa: ARG002 - what changed is asked for by day
        """See `Provider.parse`."""
        asked = json.loads(response.request)
        name = str(asked["url"]).partition(":")[2]
        if response.headers.get("content-type", "").startswith("text/csv"):
            found: Iterator[Any] = _csv_records(response.body)
        else:
            told = api.read_json(response.body, _TITLE)
            found = map(_flat, api.listed(told, "records", _TITLE, optional=False))
        outside = bool(asked.get("params", {}).get("outside"))
        read = read_records(
            found,
            fields=list,
            known=frozenset(FIELDS[name]) | {"OwnerId"},
            # To us, what is no longer wanted is gone.
            make=(lambda at, record: _MAKE[name](at, {**record, "IsDeleted": True}))
            if outside
            else _MAKE[name],
        )
        return Parsed(
            accounts=read.things if name == "Account" else (),
            contacts=read.things if name == "Contact" else (),
            activities=read.things if name in OBJECTS["activities"] else (),
            rejects=read.rejects,
            drift=read.drift,
        )


class _Job:
    """A bulk job, fetched page by page."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._pages: Iterator[Any] | None = None

    def step(self, sf: Any) -> Any:
        """The next page; the first starts the job and waits for it."""
        if self._pages is None:
            kind = getattr(sf.bulk2, self._question.name)
            ask = kind.query_all if self._question.deleted else kind.query
            self._pages = ask(
                self._question.soql(ordered=False), max_records=BULK_PAGE, wait=BULK_WAIT
            )
        assert self._pages is not None
        return next(self._pages, None)


def _page(
    line: Line, question: Question, number: int, ask: Callable[[Any], Any], *, bulk: bool = False
) -> api.Page:
    async def go() -> HttpResponse:
        return await line.call(ask, whole=not bulk)

    told = {
        "q": question.soql(ordered=not bulk),
        "deleted": question.deleted,
        "page": number,
        "way": "bulk" if bulk else "query",
        **({"outside": True} if question.outside else {}),
    }
    return api.Page("GET", f"salesforce:{question.name}", told, go)


def _told_by(body: bytes) -> Mapping[str, Any]:
    """What a page says; nothing where it cannot be read, which is for `parse` to say."""
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, Mapping) else {}


def _count(told: Mapping[str, Any]) -> int:
    count = told.get("totalSize")
    return count if isinstance(count, int) else 0


def _flat(record: Any) -> Any:
    """A record as a bulk job has it: what stands in the owner under `Owner.Email`."""
    if not isinstance(record, Mapping):
        return record
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping) and name != "attributes":
            flat |= {
                f"{name}.{inner}": told for inner, told in value.items() if inner != "attributes"
            }
        elif name != "attributes" and not (name == "Owner" and value is None):
            flat[name] = value
    return flat


def _csv_records(body: bytes) -> Iterator[dict[str, Any]]:
    try:
        text = body.decode("utf-8-sig").replace("\x00", "")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        records = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadDataError(f"Salesforce's page is no CSV ({error})", detail="not_csv") from None
    if not reader.fieldnames or "Id" not in reader.fieldnames:
        raise BadDataError("Salesforce's page has no column Id", detail="no_list")
    for record in records:
        if None in record.values():
            raise BadDataError("Salesforce's page breaks off in a row", detail="not_csv")
        yield {name: value or None for name, value in record.items()}


def _is_deleted(record: Mapping[str, Any]) -> bool:
    return str(record.get("IsDeleted")).lower() == "true"


def _account(position: int, record: Mapping[str, Any]) -> Account:
    is_deleted, name = _is_deleted(record), text_of(record.get("Name"))
    return Account(
        position=position,
        account_id=needed("Id", text_of(record.get("Id"))),
        name=name or "" if is_deleted else needed("Name", name),
        domain=domain_of(record.get("Website")),
        ticker=text_of(record.get("TickerSymbol")),
        industry=text_of(record.get("Industry")),
        owner_email=address_of(record.get("Owner.Email")),
        is_deleted=is_deleted,
    )


def _contact(position: int, record: Mapping[str, Any]) -> Contact:
    is_deleted, name = _is_deleted(record), text_of(record.get("Name"))
    return Contact(
        position=position,
        contact_id=needed("Id", text_of(record.get("Id"))),
        account_id=text_of(record.get("AccountId")),
        name=name or "" if is_deleted else needed("Name", name),
        email=address_of(record.get("Email")),
        phone=text_of(record.get("Phone")),
        role=text_of(record.get("Title")),
        is_deleted=is_deleted,
    )


def _activity(position: int, record: Mapping[str, Any]) -> Activity:
    subtype = record.get("TaskSubtype") or record.get("EventSubtype")
    at = record.get("StartDateTime") or record.get("ActivityDate") or record.get("CreatedDate")
    kind = "meeting" if "StartDateTime" in record else (text_of(subtype) or "task").lower()
    return Activity(
        position=position,
        activity_id=needed("Id", text_of(record.get("Id"))),
        account_id=needed("AccountId", text_of(record.get("AccountId"))),
        kind=kind,
        subject=needed("Subject", text_of(record.get("Subject"))),
        text=text_of(record.get("Description")) or "",
        occurred_at=api.instant(at),
    )


_MAKE: Mapping[str, Any] = {
    "Account": _account,
    "Contact": _contact,
    "Task": _activity,
    "Event": _activity,
}


KINDS = {
    f"salesforce_{what}": kind_of(SalesforceCrm, what, title=_TITLE, needs="SALESFORCE_CLIENT_ID")
    for what in get_args(What)
}
