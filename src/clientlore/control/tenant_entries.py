"""The entries of a tenant file: users, clients, feeds, schedules. Their docstrings are the reference in the docs.

Not here: the file as a whole, and how it is read (`tenant_file`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from clientlore.control.schedules import check_cron
from clientlore.control.tenant_values import (
    Address,
    Category,
    LocalTime,
    Slug,
    Text,
    Url,
    Weekday,
    Zone,
)
from clientlore.control.yaml_lines import Path as YamlPath
from clientlore.control.yaml_lines import suggest
from clientlore.errors import ConfigurationError
from clientlore.ids import slug
from clientlore.plugins import CRMS, crms

CrmId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,32}$")]
CrmField = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")]


class Strict(BaseModel):
    """A part of a tenant file, in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class QuietHours(Strict):
    """When no mail may arrive; `from` may be later than `to`, across midnight.

    Attributes:
        start: Local time at which the quiet begins.
        end: Local time at which it ends; mail that waited leaves then.
    """

    start: LocalTime = Field(alias="from")
    end: LocalTime = Field(alias="to")


class Digest(Strict):
    """When a person is mailed, in their own zone.

    Attributes:
        frequency: `instant` follows each monitoring run of a schedule; `daily` and `weekly` come at `at`.
        at: Local time of a daily or weekly digest.
        weekday: Day of a weekly digest.
    """

    frequency: Literal["instant", "daily", "weekly"] = "daily"
    at: LocalTime = "07:00"
    weekday: Weekday = "monday"


class UserEntry(Strict):
    """A person who reads.

    Attributes:
        id: Stands under `owners`; made from the name if left out.
        name: As in mails.
        email: Where digests go; without one nothing is sent, and `explain` says so.
        phone: Kept with the person; nothing is sent to it.
        security_level: Kept with the person; nothing depends on it yet.
        zone: IANA name of their time zone: digests and quiet hours follow its clock.
        digest: When they are mailed.
        threshold: Only what scores at least this much is mailed.
        categories: Only these are mailed; none named means all.
        quiet_hours: When no mail may arrive; what is ready waits for the end.
        max_items: The most that one mail may hold; the best come first.
        active: `false` stops their digests and keeps what was told.
    """

    id: Slug | None = None
    name: Text
    email: Address | None = None
    phone: (
        Annotated[str, StringConstraints(max_length=20, pattern=r"^\+?[0-9 ()/-]{3,20}$")] | None
    ) = None
    security_level: Annotated[int, Field(ge=1, le=4)] = 1
    zone: Zone = "UTC"
    digest: Digest = Digest()
    threshold: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    categories: tuple[Category, ...] = ()
    quiet_hours: QuietHours | None = None
    max_items: Annotated[int, Field(ge=1, le=200)] = 20
    active: bool = True

    @property
    def handle(self) -> str:
        """The given id, or one made from the name."""
        return self.id or slug(self.name)


class FeedEntry(Strict):
    """A feed, with what to do when it fails. Where nothing but the address is said, the address alone will do.

    Attributes:
        url: Address of an RSS or Atom feed; `${NAME}` in it is read from the environment at each request.
        on_failure: `skip` goes on without it and the run is done in part; `fail` fails the tenant's day; `mock` makes
            data up, in mock tenants only.
    """

    url: Url
    on_failure: Literal["fail", "skip", "mock"] = "skip"


class ContactEntry(Strict):
    """A person at a client.

    Attributes:
        name: Their name.
        email: Their mail address; nothing is sent to it.
        phone: Their phone number; nothing is sent to it.
        role: What they do there.
    """

    name: Text
    email: Address | None = None
    phone: Annotated[str, StringConstraints(max_length=20)] | None = None
    role: (
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
        | None
    ) = None


class ClientEntry(Strict):
    """A company that is watched.

    Attributes:
        id: Its id; made from the name if left out.
        name: As news write it; legal forms such as Inc or GmbH need not be there.
        domain: Its site, such as `acme.com`: a link to it says that an article is about it.
        ticker: Its symbol at an exchange.
        cik: Its number at the SEC.
        industry: Its line of business. Kept with the client; made-up news mentions it.
        aliases: Other names it goes by.
        people: People whose name, first and last, stands for it.
        places: Where it is. Kept with the client; nothing depends on it yet.
        exclude: Words that mean somebody else: an article with one of them is not about it.
        owners: Ids of the users who are told; nobody else is.
        feeds: Feeds that speak about it.
        contacts: People there.
    """

    id: Slug | None = None
    name: Text
    domain: (
        Annotated[
            str,
            StringConstraints(to_lower=True, max_length=255, pattern=r"^[^\s/:@]+\.[^\s/:@]+$"),
        ]
        | None
    ) = None
    ticker: (
        Annotated[str, StringConstraints(max_length=16, pattern=r"^[A-Za-z0-9.:-]+$")] | None
    ) = None
    cik: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,10}$")] | None = None
    industry: Text | None = None
    aliases: tuple[Text, ...] = ()
    people: tuple[Text, ...] = ()
    places: tuple[Text, ...] = ()
    exclude: tuple[Text, ...] = ()
    owners: tuple[Text, ...] = ()
    feeds: tuple[FeedEntry, ...] = ()
    contacts: tuple[ContactEntry, ...] = ()

    @field_validator("feeds", mode="before")
    @classmethod
    def _plain_urls(cls, value: Any) -> Any:
        return as_entries(value)

    @field_validator("feeds")
    @classmethod
    def _feeds_differ(cls, feeds: tuple[FeedEntry, ...]) -> tuple[FeedEntry, ...]:
        check_differ("feed", [f.url for f in feeds], key="url")
        return feeds

    @field_validator("contacts")
    @classmethod
    def _contacts_differ(cls, contacts: tuple[ContactEntry, ...]) -> tuple[ContactEntry, ...]:
        check_differ("contact", [(c.email or c.name).lower() for c in contacts])
        return contacts

    @property
    def client_id(self) -> str:
        """The given id, or one made from the name."""
        return self.id or slug(self.name)


class WantedAccountsEntry(Strict):
    """Which accounts of a CRM are wanted; all that is said must hold.

    Attributes:
        owners: Mail addresses, one of which the account's owner has; `users`: those of the users of this file.
        accounts: Ids of accounts in the CRM.
        where: Fields of the account by their API names, with the value that each has.
    """

    owners: Literal["users"] | Annotated[tuple[Address, ...], Field(max_length=100)] = ()
    accounts: Annotated[tuple[CrmId, ...], Field(max_length=100)] = ()
    where: Annotated[dict[CrmField, StrictBool | StrictInt | Text], Field(max_length=5)] = {}

    @model_validator(mode="after")
    def _says_something(self) -> WantedAccountsEntry:
        if not (self.owners or self.accounts or self.where):
            msg = "say which accounts are wanted (owners, accounts or where), or take 'only' out"
            raise ValueError(msg)
        return self


class CrmEntry(Strict):
    """A CRM: one that is asked, or its exports as files (CSV, JSON or Parquet by their ending).

    Attributes:
        provider: `files`, `salesforce`, `hubspot` or one that another package brings.
        accounts: Export of the accounts, for `files`; its path is relative to the tenant file. Columns id and name;
            also domain, ticker, industry, owner_email, aliases, contact_name, contact_email, contact_role, under these
            names or those that common CRMs use.
        activities: Export of the activities: columns id, account_id and subject; also type, description, date,
            owner_email.
        only: Which accounts are wanted, for `salesforce` and `hubspot`; all if it is not said.
        on_failure: As for a feed.
    """

    provider: Annotated[str, StringConstraints(max_length=13)] = "files"
    accounts: Text | None = None
    activities: Text | None = None
    only: WantedAccountsEntry | None = None
    on_failure: Literal["fail", "skip", "mock"] = "skip"

    @field_validator("provider")
    @classmethod
    def _known(cls, value: str) -> str:
        if value != "files" and value not in CRMS and value not in (known := crms()):
            allowed = sorted(("files", *known))
            msg = (
                f"there is no CRM '{value}'{suggest(value, allowed) or '.'} "
                f"Allowed: {', '.join(allowed)}"
            )
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _files_belong(self) -> CrmEntry:
        if self.provider == "files" and self.accounts is None:
            msg = "name the export of the accounts (accounts: FILE), or the CRM to ask (provider: NAME)"
            raise ValueError(msg)
        if self.provider != "files" and (self.accounts or self.activities):
            msg = f"accounts and activities are files, and {self.provider} is asked; take them out"
            raise ValueError(msg)
        if self.only is not None and self.provider not in CRMS:
            msg = f"{self.provider} cannot be told which accounts are wanted; take 'only' out"
            raise ValueError(msg)
        return self


class ScheduleEntry(Strict):
    """When to look for news, besides the digests, which follow each person's own preferences.

    Attributes:
        name: Under which `clientlore schedule` knows it.
        type: How often; `manual` waits for `clientlore schedule trigger`.
        at: Time of day in `zone`; an hourly schedule uses its minutes.
        weekday: Of a weekly schedule.
        day: Of a monthly schedule: 1 to 28, or `last`.
        cron: Five fields, with `type: cron`.
        zone: IANA name of the zone in which `at` and `cron` are read.
        clients: Ids of the clients to collect for; none named means all.
        overlap: What a due time does while the one before still runs: `skip` leaves it out, `queue` waits.
        catch_up: What happens to due times that passed while no daemon ran: none later than 15 minutes (`skip`), the
            newest (`latest`), or the newest `catch_up_limit` in order (`all`).
        catch_up_limit: How many happen under `catch_up: all`.
        active: Whether it is on when it is first put in; later on, `clientlore schedule activate` and `deactivate`.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[^:\s][^:]{0,99}$")]
    type: Literal["manual", "hourly", "daily", "weekly", "monthly", "cron"]
    at: LocalTime = "06:00"
    weekday: Weekday = "monday"
    day: Annotated[int, Field(ge=1, le=28)] | Literal["last"] = 1
    cron: Annotated[str, StringConstraints(max_length=128)] | None = None
    zone: Zone = "UTC"
    clients: tuple[Text, ...] = ()
    overlap: Literal["skip", "queue"] = "skip"
    catch_up: Literal["skip", "latest", "all"] = "latest"
    catch_up_limit: Annotated[int, Field(ge=1, le=100)] = 7
    active: bool = True

    @model_validator(mode="after")
    def _cron_belongs(self) -> ScheduleEntry:
        if (self.type == "cron") != (self.cron is not None):
            msg = "'cron' is given with 'type: cron', and only then"
            raise ValueError(msg)
        if self.cron is not None:
            try:
                check_cron(self.cron)
            except ConfigurationError as error:
                raise ValueError(str(error)) from None
        return self


def as_entries(value: Any, key: str = "url") -> Any:
    """A list of entries in which what stands under `key` may stand alone."""
    if isinstance(value, list | tuple):
        return [{key: item} if isinstance(item, str) else item for item in value]
    return value


def check_differ(what: str, values: list[str | None], at: YamlPath = (), key: str = "") -> None:
    """Makes sure that no value is used twice.

    Raises:
        PydanticCustomError: One is; the error points at it.
    """
    seen: set[str | None] = {None}
    for position, value in enumerate(values):
        if value is not None and value in seen:
            raise wrong((*at, position, key), f"the {what} '{value}' is used twice")
        seen.add(value)


def wrong(at: YamlPath, message: str) -> PydanticCustomError:
    """An error about a value that lies at `at` within what is checked."""
    return PydanticCustomError("wrong", "{said}", {"said": message, "at": at})
