"""The tenant file: what a person writes down about their business, checked before anything is touched."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from clientlore.control.dossier_entry import DossierEntry
from clientlore.control.embedding_entry import EmbeddingsEntry
from clientlore.control.judge_entry import JudgeEntry
from clientlore.control.rerank_entry import RerankEntry
from clientlore.control.schedules import WEEKDAYS
from clientlore.control.search_entry import SearchEntry
from clientlore.control.tenant_entries import (
    ClientEntry,
    CrmEntry,
    FeedEntry,
    ScheduleEntry,
    Strict,
    UserEntry,
    as_entries,
    check_differ,
    wrong,
)
from clientlore.control.tenant_values import Address, Slug, Text
from clientlore.control.yaml_lines import Path as YamlPath
from clientlore.control.yaml_lines import explain, parse, suggest
from clientlore.errors import ConfigurationError


class TenantFile(Strict):
    """A whole tenant file.

    Attributes:
        tenant: Id of the business; never changes.
        name: Its name, as in mails.
        mode: `live` takes real sources only; `mock` makes data up. Set once.
        allow_live_send: Whether mail may leave over SMTP; without, it is written to a folder.
        alert_email: Who is mailed when a schedule switches itself off.
        memory_threshold: From this score on, an event is remembered.
        max_age_days: News published longer ago is not mailed; none: no limit.
        mail_horizon_days: How many days back late news may still enter a digest.
        quiet_after_days: After how many days without an event about a client somebody is told.
        users: The people who read.
        clients: The companies that are watched; those put in with `clientlore client add` need not stand here.
        feeds: Feeds that speak about many clients.
        search: Providers that are asked about each client.
        crm: A CRM, asked or as files.
        judge: Who judges relevance.
        extraction: Who finds what notes and documents say: `rules`, the model of `judge` on its budget, or nobody
            (`none`).
        embeddings: What search by meaning may cost.
        rerank: What a reranker may see of what a search finds, and what it may cost.
        dossiers: What dossiers tell.
        schedules: When to look for news.
    """

    tenant: Slug
    name: Text
    mode: Literal["live", "mock"] = "live"
    allow_live_send: bool = False
    alert_email: Address | None = None
    memory_threshold: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    max_age_days: Annotated[int, Field(ge=1)] | None = None
    mail_horizon_days: Annotated[int, Field(ge=1, le=366)] = 31
    quiet_after_days: Annotated[int, Field(ge=1, le=366)] = 14
    users: tuple[UserEntry, ...] = ()
    clients: tuple[ClientEntry, ...] = ()
    feeds: tuple[FeedEntry, ...] = ()
    search: tuple[SearchEntry, ...] = ()
    crm: CrmEntry | None = None
    judge: JudgeEntry = JudgeEntry()
    extraction: Literal["rules", "judge", "none"] = "rules"
    embeddings: EmbeddingsEntry = EmbeddingsEntry()
    rerank: RerankEntry = RerankEntry()
    dossiers: DossierEntry = DossierEntry()
    schedules: tuple[ScheduleEntry, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_left_out(cls, value: Any) -> Any:
        # `clients:` with nothing behind it, as when all of them are commented out.
        return (
            {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value
        )

    @field_validator("feeds", mode="before")
    @classmethod
    def _plain_urls(cls, value: Any) -> Any:
        return as_entries(value)

    @field_validator("feeds")
    @classmethod
    def _feeds_differ(cls, feeds: tuple[FeedEntry, ...]) -> tuple[FeedEntry, ...]:
        check_differ("feed", [f.url for f in feeds], key="url")
        return feeds

    @field_validator("search", mode="before")
    @classmethod
    def _plain_names(cls, value: Any) -> Any:
        return as_entries(value, "provider")

    @field_validator("search")
    @classmethod
    def _search_differs(cls, search: tuple[SearchEntry, ...]) -> tuple[SearchEntry, ...]:
        check_differ("search provider", [s.provider for s in search], key="provider")
        return search

    @field_validator("users")
    @classmethod
    def _users_differ(cls, users: tuple[UserEntry, ...]) -> tuple[UserEntry, ...]:
        check_differ("user id", [u.handle for u in users], key="id")
        check_differ("mail address", [u.email and u.email.lower() for u in users], key="email")
        check_differ("phone", [u.phone for u in users], key="phone")
        return users

    @field_validator("clients")
    @classmethod
    def _clients_differ(
        cls, clients: tuple[ClientEntry, ...], info: ValidationInfo
    ) -> tuple[ClientEntry, ...]:
        check_differ("client id", [c.client_id for c in clients], key="id")
        handles = {u.handle for u in info.data.get("users", ())}
        for place, client in enumerate(clients):
            for position, owner in enumerate(client.owners):
                if "users" in info.data and owner not in handles:
                    msg = (
                        f"client '{client.client_id}' names the owner '{owner}', who is no user"
                        f"{suggest(owner, handles)} Users: {', '.join(sorted(handles)) or 'none'}"
                    )
                    raise wrong((place, "owners", position), msg)
        return clients

    @model_validator(mode="after")
    def _consistent(self) -> TenantFile:
        check_differ("schedule", [s.name for s in self.schedules], ("schedules",), "name")
        ids = {c.client_id for c in self.clients}
        for place, schedule in enumerate(self.schedules):
            for position, client in enumerate(schedule.clients):
                if client not in ids:
                    msg = (
                        f"schedule '{schedule.name}' names the client '{client}', which is not in the file"
                        f"{suggest(client, ids)}"
                    )
                    raise wrong(("schedules", place, "clients", position), msg)
        if self.mode == "mock" and self.allow_live_send:
            msg = "a mock tenant's data is made up and never leaves: take allow_live_send out, or use 'mode: live'"
            raise wrong(("allow_live_send",), msg)
        if self.mode == "live":
            fakes = [f.url for f in self._feeds() if f.on_failure == "mock"]
            fakes += [s.provider for s in self.search if s.on_failure == "mock"]
            if fakes or (self.crm is not None and self.crm.on_failure == "mock"):
                msg = "'on_failure: mock' makes up data and is only for tenants with 'mode: mock'; use fail or skip"
                raise ValueError(msg)
        return self

    def _feeds(self) -> Iterable[FeedEntry]:
        yield from self.feeds
        for client in self.clients:
            yield from client.feeds


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
