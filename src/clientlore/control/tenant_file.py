"""The tenant file: what a person writes down about their business, checked before anything is touched."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from clientlore.control.judge_entry import JudgeEntry
from clientlore.control.schedules import WEEKDAYS, check_cron
from clientlore.control.yaml_lines import Path as YamlPath
from clientlore.control.yaml_lines import explain, parse, suggest
from clientlore.errors import ConfigurationError
from clientlore.ids import SLUG, slug
from clientlore.taxonomy import CATEGORY_NAMES


@cache
def _zones() -> set[str]:
    # Looking through the zone files takes 30 ms, and every person has a zone.
    return available_timezones()


def _zone(value: str) -> str:
    if value not in _zones():
        msg = f"no such time zone{suggest(value, _zones())} Use an IANA name such as Europe/London"
        raise ValueError(msg.replace("zone Use", "zone; use"))
    return value


def _slug(value: str) -> str:
    if not SLUG.match(value):
        msg = "an id has lower-case letters, digits, '-' and '_', and at most 63 of them"
        raise ValueError(msg)
    return value


def _address(value: str) -> str:
    local, at, domain = value.strip().rpartition("@")
    bad = not at or not local or ("." not in domain.strip(".") and domain != "localhost")
    if bad or any(c.isspace() or c in ',;<>"' for c in value.strip()) or len(value) > 254:
        msg = "this is no mail address"
        raise ValueError(msg)
    return value.strip()


def _url(value: str) -> str:
    if not value.startswith(("http://", "https://")) or any(c.isspace() for c in value):
        msg = "a feed is an http:// or https:// address without spaces"
        raise ValueError(msg)
    password = urlsplit(value).password
    if password and not re.fullmatch(r"\$\{[A-Z][A-Z0-9_]*\}", password):
        msg = "the address contains a password; write ${NAME} in its place and set NAME in the environment"
        raise ValueError(msg)
    return value


def _local_time(value: object) -> str:
    # YAML 1.1 reads 21:00 as the number 1260 (base 60), so a number of minutes is never less than 60.
    if isinstance(value, int) and not isinstance(value, bool) and 60 <= value < 24 * 60:
        value = f"{value // 60:02d}:{value % 60:02d}"
    hour, colon, minute = str(value).partition(":")
    if not (hour.isdigit() and (not colon or minute.isdigit())):
        msg = 'a time of day is written as "07:30"'
        raise ValueError(msg)
    if not (int(hour) < 24 and int(minute or 0) < 60):
        msg = "a time of day lies between 00:00 and 23:59"
        raise ValueError(msg)
    return f"{int(hour):02d}:{int(minute or 0):02d}"


Zone = Annotated[str, AfterValidator(_zone)]
Slug = Annotated[str, AfterValidator(_slug)]
Address = Annotated[str, AfterValidator(_address)]
Url = Annotated[str, AfterValidator(_url)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Category = Literal[CATEGORY_NAMES]  # type: ignore[valid-type]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class QuietHours(_Strict):
    """When no mail may arrive; `from` may be later than `to`, across midnight."""

    start: str = Field(alias="from")
    end: str = Field(alias="to")

    _times = field_validator("start", "end", mode="before")(_local_time)


class Digest(_Strict):
    """When a person is mailed, in their own zone."""

    frequency: Literal["instant", "daily", "weekly"] = "daily"
    at: str = "07:00"
    weekday: Weekday = "monday"

    _times = field_validator("at", mode="before")(_local_time)


class UserEntry(_Strict):
    """A person who reads."""

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


class FeedEntry(_Strict):
    """A feed, with what to do when it fails."""

    url: Url
    on_failure: Literal["fail", "skip", "mock"] = "skip"


class ContactEntry(_Strict):
    """A person at a client."""

    name: Text
    email: Address | None = None
    phone: Annotated[str, StringConstraints(max_length=20)] | None = None
    role: (
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
        | None
    ) = None


class ClientEntry(_Strict):
    """A company that is watched."""

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
        return _as_entries(value)

    @field_validator("feeds")
    @classmethod
    def _feeds_differ(cls, feeds: tuple[FeedEntry, ...]) -> tuple[FeedEntry, ...]:
        _differ("feed", [f.url for f in feeds], key="url")
        return feeds

    @field_validator("contacts")
    @classmethod
    def _contacts_differ(cls, contacts: tuple[ContactEntry, ...]) -> tuple[ContactEntry, ...]:
        _differ("contact", [(c.email or c.name).lower() for c in contacts])
        return contacts

    @property
    def client_id(self) -> str:
        """The given id, or one made from the name."""
        return self.id or slug(self.name)


class CrmEntry(_Strict):
    """A CRM as files: CSV or JSON, by their ending. Paths are relative to the tenant file."""

    accounts: Text
    activities: Text | None = None
    on_failure: Literal["fail", "skip", "mock"] = "skip"


class ScheduleEntry(_Strict):
    """When to look for news, besides the digests, which follow each person's own preferences."""

    name: Annotated[str, StringConstraints(pattern=r"^[^:\s][^:]{0,99}$")]
    type: Literal["manual", "hourly", "daily", "weekly", "monthly", "cron"]
    at: str = "06:00"
    weekday: Weekday = "monday"
    day: Annotated[int, Field(ge=1, le=28)] | Literal["last"] = 1
    cron: Annotated[str, StringConstraints(max_length=128)] | None = None
    zone: Zone = "UTC"
    clients: tuple[Text, ...] = ()
    overlap: Literal["skip", "queue"] = "skip"
    catch_up: Literal["skip", "latest", "all"] = "latest"
    catch_up_limit: Annotated[int, Field(ge=1, le=100)] = 7
    active: bool = True

    _times = field_validator("at", mode="before")(_local_time)

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


class TenantFile(_Strict):
    """A whole tenant file."""

    tenant: Slug
    name: Text
    mode: Literal["live", "mock"] = "live"
    allow_live_send: bool = False
    alert_email: Address | None = None
    memory_threshold: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    max_age_days: Annotated[int, Field(ge=1)] | None = None
    mail_horizon_days: Annotated[int, Field(ge=1, le=366)] = 31
    users: tuple[UserEntry, ...] = ()
    clients: tuple[ClientEntry, ...] = ()
    feeds: tuple[FeedEntry, ...] = ()
    crm: CrmEntry | None = None
    judge: JudgeEntry = JudgeEntry()
    schedules: tuple[ScheduleEntry, ...] = ()

    @field_validator("feeds", mode="before")
    @classmethod
    def _plain_urls(cls, value: Any) -> Any:
        return _as_entries(value)

    @field_validator("feeds")
    @classmethod
    def _feeds_differ(cls, feeds: tuple[FeedEntry, ...]) -> tuple[FeedEntry, ...]:
        _differ("feed", [f.url for f in feeds], key="url")
        return feeds

    @field_validator("users")
    @classmethod
    def _users_differ(cls, users: tuple[UserEntry, ...]) -> tuple[UserEntry, ...]:
        _differ("user id", [u.handle for u in users], key="id")
        _differ("mail address", [u.email and u.email.lower() for u in users], key="email")
        _differ("phone", [u.phone for u in users], key="phone")
        return users

    @field_validator("clients")
    @classmethod
    def _clients_differ(
        cls, clients: tuple[ClientEntry, ...], info: ValidationInfo
    ) -> tuple[ClientEntry, ...]:
        _differ("client id", [c.client_id for c in clients], key="id")
        handles = {u.handle for u in info.data.get("users", ())}
        for place, client in enumerate(clients):
            for position, owner in enumerate(client.owners):
                if "users" in info.data and owner not in handles:
                    msg = (
                        f"client '{client.client_id}' names the owner '{owner}', who is no user"
                        f"{suggest(owner, handles)} Users: {', '.join(sorted(handles)) or 'none'}"
                    )
                    raise _wrong((place, "owners", position), msg)
        return clients

    @model_validator(mode="after")
    def _consistent(self) -> TenantFile:
        _differ("schedule", [s.name for s in self.schedules], ("schedules",), "name")
        ids = {c.client_id for c in self.clients}
        for place, schedule in enumerate(self.schedules):
            for position, client in enumerate(schedule.clients):
                if client not in ids:
                    msg = (
                        f"schedule '{schedule.name}' names the client '{client}', which is not in the file"
                        f"{suggest(client, ids)}"
                    )
                    raise _wrong(("schedules", place, "clients", position), msg)
        if self.mode == "mock" and self.allow_live_send:
            msg = "a mock tenant's data is made up and never leaves: take allow_live_send out, or use 'mode: live'"
            raise _wrong(("allow_live_send",), msg)
        if self.mode == "live":
            fakes = [f.url for f in self._feeds() if f.on_failure == "mock"]
            if fakes or (self.crm is not None and self.crm.on_failure == "mock"):
                msg = "'on_failure: mock' makes up data and is only for tenants with 'mode: mock'; use fail or skip"
                raise ValueError(msg)
        return self

    def _feeds(self) -> Iterable[FeedEntry]:
        yield from self.feeds
        for client in self.clients:
            yield from client.feeds


def _as_entries(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [{"url": item} if isinstance(item, str) else item for item in value]
    return value


def _differ(what: str, values: list[str | None], at: YamlPath = (), key: str = "") -> None:
    seen: set[str | None] = {None}
    for position, value in enumerate(values):
        if value is not None and value in seen:
            raise _wrong((*at, position, key), f"the {what} '{value}' is used twice")
        seen.add(value)


def _wrong(at: YamlPath, message: str) -> PydanticCustomError:
    """An error about a value that lies at `at` within what is checked."""
    return PydanticCustomError("wrong", "{said}", {"said": message, "at": at})


def _allowed(model: type[BaseModel], path: YamlPath = ()) -> dict[YamlPath, list[str]]:
    keys: dict[YamlPath, list[str]] = {
        path: [field.alias or name for name, field in model.model_fields.items()]
    }
    for name, field in model.model_fields.items():
        for kind in _models(field.annotation):
            repeated = "tuple" in str(field.annotation)
            below = (*path, field.alias or name, *(("*",) if repeated else ()))
            keys |= _allowed(kind, below)
    return keys


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def read_tenant_file(path: Path) -> TenantFile:
    """Reads and checks a tenant file.

    Raises:
        ConfigurationError: It cannot be read, is no YAML or says what cannot be; every line of the message
            names the file, the line and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no file {path}", "`clientlore init` writes an example."
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8 text", "Save it as UTF-8.") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror})") from None
    return parse_tenant_file(text, path.name)


def parse_tenant_file(text: str, name: str = "tenant file") -> TenantFile:
    """Checks the text of a tenant file; see `read_tenant_file`."""
    content, lines = parse(text, name)
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"{name}: a tenant file is a mapping that starts with 'tenant:'",
            "`clientlore init` writes an example.",
        )
    try:
        return TenantFile.model_validate(content)
    except ValidationError as error:
        raise explain(error, lines, name, _allowed(TenantFile)) from None


def weekday_number(name: str) -> int:
    """0 for Monday."""
    return WEEKDAYS.index(name)
