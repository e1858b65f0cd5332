"""What the environment says, checked once. Secrets come from here and go nowhere else.

Order: a variable of the process, then the `.env` file of the application folder. Names are those of
`.env.example`; the older mail names (`SMTP_USER`, `SMTP_PASS`, `MAIL_FROM`) are accepted as aliases.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from clientlore.errors import ConfigurationError

APP_MARKER = "workspace.yaml"
HOME_NAME = ".clientlore"
_ALIASES = {
    "SMTP_USERNAME": "SMTP_USER",
    "SMTP_PASSWORD": "SMTP_PASS",
    "SMTP_FROM_EMAIL": "MAIL_FROM",
}


class SmtpSettings(BaseModel):
    """How mail leaves, where a tenant allows it to. Port 465 speaks TLS from the first byte, others STARTTLS."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "smtp.gmail.com"
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    username: str | None = None
    password: SecretStr | None = None
    from_email: str | None = None
    from_name: str = "Client Monitor"
    security: Literal["auto", "starttls", "tls", "none"] = "auto"
    timeout_seconds: Annotated[float, Field(gt=0)] = 30.0

    @property
    def configured(self) -> bool:
        """Whether a sender is named: without one nothing can go out."""
        return self.from_email is not None


class SearchSettings(BaseModel):
    """Keys of the providers of news, and where they are; another address than the usual one is for trying things."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    google_key: SecretStr | None = None
    google_engine: str | None = None
    serper_key: SecretStr | None = None
    brave_key: SecretStr | None = None
    tavily_key: SecretStr | None = None
    newsapi_key: SecretStr | None = None
    edgar_contact: str | None = None
    vertex_key: SecretStr | None = None
    vertex_config: str | None = None
    google_search_base: str = "https://customsearch.googleapis.com"
    vertex_search_base: str = "https://discoveryengine.googleapis.com"
    serper_base: str = "https://google.serper.dev"
    brave_base: str = "https://api.search.brave.com"
    tavily_base: str = "https://api.tavily.com"
    newsapi_base: str = "https://newsapi.org"
    gdelt_base: str = "https://api.gdeltproject.org"
    edgar_data_base: str = "https://data.sec.gov"
    edgar_www_base: str = "https://www.sec.gov"
    edgar_search_base: str = "https://efts.sec.gov"
    hacker_news_base: str = "https://hn.algolia.com"
    google_news_base: str = "https://news.google.com"

    @field_validator("edgar_contact")
    @classmethod
    def _has_address(cls, value: str | None) -> str | None:
        if value is not None and "@" not in value:
            msg = "the SEC wants a company and a mail address, as in 'Example Ltd ann@example.com'"
            raise ValueError(msg)
        return value


class CrmSettings(BaseModel):
    """Accounts of CRMs. Which flow logs in to Salesforce follows from what is set; see `providers.crm.salesforce`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    salesforce_client_id: str | None = None
    salesforce_client_secret: SecretStr | None = None
    salesforce_refresh_token: SecretStr | None = None
    salesforce_username: str | None = None
    salesforce_key_path: Path | None = None
    salesforce_domain: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+$")] = "login"
    salesforce_version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]$")] = "64.0"
    salesforce_bulk_rows: Annotated[int, Field(ge=0)] = 20_000
    salesforce_base: str | None = None
    hubspot_token: SecretStr | None = None
    hubspot_version: Annotated[str, Field(pattern=r"^(v3|[0-9]{4}-[0-9]{2})$")] = "2026-09"
    hubspot_base: str = "https://api.hubapi.com"

    @field_validator("salesforce_domain", mode="before")
    @classmethod
    def _without_the_rest(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return value.split("://")[-1].split("/")[0].removesuffix(".salesforce.com")


class LlmSettings(BaseModel):
    """How language models are asked. Whether one is asked at all is said by each tenant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    openai_model: str = "gpt-6-luna"
    anthropic_api_key: SecretStr | None = None
    anthropic_api_base: str | None = None
    anthropic_model: str = "claude-haiku-5-5"
    max_tokens: Annotated[int, Field(ge=64, le=128_000)] = 1_000
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.1
    effort: Literal["none", "minimal", "low", "medium", "high"] | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 2.0
    calls_per_minute: Annotated[int, Field(ge=1)] = 1_000
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    prices_path: Path | None = None


class EmbeddingSettings(BaseModel):
    """Who makes vectors: nobody, unless a model is named."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = None
    dimensions: Annotated[int, Field(ge=1, le=16_384)] = 1_536
    api_base: str | None = None
    api_key: SecretStr | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 30.0


class RerankSettings(BaseModel, frozen=True, extra="forbid"):
    """Who puts the best hits of a search in order: nobody, unless a model and an address are named."""

    model: str | None = None
    url: Annotated[str | None, Field(pattern=r"^https?://[^\s?#@]+$")] = None
    api_key: SecretStr | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 10.0


class Settings(BaseModel):
    """Everything that configures a process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path
    database_url: Annotated[str | None, Field(repr=False)] = None
    lake_path: Path | None = None
    vectors_path: Path | None = None
    blobs_path: Path | None = None
    mail_path: Path | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    openai_api_key: SecretStr | None = None
    openai_api_base: str | None = None
    llm: LlmSettings = LlmSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    rerank: RerankSettings = RerankSettings()
    smtp: SmtpSettings = SmtpSettings()
    search: SearchSettings = SearchSettings()
    crm: CrmSettings = CrmSettings()
    lock_timeout_seconds: Annotated[float, Field(ge=0)] = 600.0
    http_concurrency: Annotated[int, Field(ge=1, le=256)] = 32
    http_timeout_seconds: Annotated[float, Field(gt=0)] = 20.0
    http_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    training_dir: Path | None = None
    max_feed_bytes: Annotated[int, Field(ge=1_000)] = 10_000_000
    ca_path: Path | None = None
    secret: Annotated[SecretStr | None, Field(min_length=32)] = None
    base_url: Annotated[str | None, Field(pattern=r"^https?://[^\s/?#]+[^\s?#]*$")] = None

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("lake_path", "vectors_path", "blobs_path", "mail_path", mode="before")
    @classmethod
    def _local_folder(cls, value: object) -> object:
        if isinstance(value, str) and "://" in value:
            scheme, _, rest = value.partition("://")
            if scheme != "file":
                raise ValueError(f"stores on '{scheme}' are not supported yet; give a folder")
            value = rest
        return Path(value).expanduser().absolute() if isinstance(value, str) else value

    @property
    def control_url(self) -> str:
        """SQLAlchemy URL of the control plane: PostgreSQL where `DATABASE_URL` says so, else SQLite in the home."""
        return self.database_url or f"sqlite:///{self.home / 'control.db'}"

    @property
    def lake(self) -> Path:
        """Folder of the Parquet lake."""
        return self.lake_path or self.home / "lake"

    @property
    def vectors(self) -> Path:
        """Folder of the LanceDB directories, one per tenant."""
        return self.vectors_path or self.home / "vectors"

    @property
    def warehouse(self) -> Path:
        """Folder of the analysts' database and its builds."""
        return self.home / "warehouse"

    @property
    def blobs(self) -> Path:
        """Folder of the content-addressed files."""
        return self.blobs_path or self.home / "blobs"

    @property
    def mail(self) -> Path:
        """Folder into which mail is written where it does not leave."""
        return self.mail_path or self.home / "mail"

    @property
    def inbox(self) -> Path:
        """Folder from which documents are taken: one folder per tenant, in it one per owner."""
        return self.home / "inbox"

    @property
    def dossiers(self) -> Path:
        """Folder of the generated Markdown files about clients and contacts, one folder per tenant."""
        return self.home / "dossiers"

    @property
    def models(self) -> Path:
        """Folder of the classifiers that were trained here."""
        return self.home / "models"

    @property
    def pages(self) -> Path:
        """Folder of the generated HTML pages, one folder per tenant."""
        return self.home / "pages"


# environment name -> path in `Settings`
VARIABLES: Mapping[str, tuple[str, ...]] = {
    "CLIENTLORE_HOME": ("home",),
    "DATABASE_URL": ("database_url",),
    "CLIENTLORE_LAKE": ("lake_path",),
    "CLIENTLORE_VECTORS": ("vectors_path",),
    "FILE_STORAGE_PATH": ("blobs_path",),
    "CLIENTLORE_MAIL": ("mail_path",),
    "LOG_LEVEL": ("log_level",),
    "OPENAI_API_KEY": ("openai_api_key",),
    "OPENAI_API_BASE": ("openai_api_base",),
    "OPENAI_MODEL": ("llm", "openai_model"),
    "ANTHROPIC_API_KEY": ("llm", "anthropic_api_key"),
    "ANTHROPIC_API_BASE": ("llm", "anthropic_api_base"),
    "ANTHROPIC_MODEL": ("llm", "anthropic_model"),
    "LLM_MAX_TOKENS": ("llm", "max_tokens"),
    "LLM_TEMPERATURE": ("llm", "temperature"),
    "LLM_EFFORT": ("llm", "effort"),
    "LLM_TIMEOUT": ("llm", "timeout_seconds"),
    "LLM_CALLS_PER_MINUTE": ("llm", "calls_per_minute"),
    "LLM_CONCURRENCY": ("llm", "concurrency"),
    "CLIENTLORE_PRICES": ("llm", "prices_path"),
    "EMBEDDING_MODEL": ("embedding", "model"),
    "EMBEDDING_DIMENSIONS": ("embedding", "dimensions"),
    "EMBEDDING_API_BASE": ("embedding", "api_base"),
    "EMBEDDING_API_KEY": ("embedding", "api_key"),
    "RERANK_URL": ("rerank", "url"),
    "RERANK_MODEL": ("rerank", "model"),
    "RERANK_API_KEY": ("rerank", "api_key"),
    "RERANK_TIMEOUT": ("rerank", "timeout_seconds"),
    "SMTP_HOST": ("smtp", "host"),
    "SMTP_PORT": ("smtp", "port"),
    "SMTP_USERNAME": ("smtp", "username"),
    "SMTP_PASSWORD": ("smtp", "password"),
    "SMTP_FROM_EMAIL": ("smtp", "from_email"),
    "SMTP_FROM_NAME": ("smtp", "from_name"),
    "SMTP_SECURITY": ("smtp", "security"),
    "GOOGLE_SEARCH_API_KEY": ("search", "google_key"),
    "GOOGLE_SEARCH_ENGINE_ID": ("search", "google_engine"),
    "VERTEX_SEARCH_API_KEY": ("search", "vertex_key"),
    "VERTEX_SEARCH_SERVING_CONFIG": ("search", "vertex_config"),
    "SERPER_API_KEY": ("search", "serper_key"),
    "BRAVE_API_KEY": ("search", "brave_key"),
    "TAVILY_API_KEY": ("search", "tavily_key"),
    "NEWSAPI_KEY": ("search", "newsapi_key"),
    "SEC_EDGAR_CONTACT": ("search", "edgar_contact"),
    "GOOGLE_SEARCH_API_BASE": ("search", "google_search_base"),
    "VERTEX_SEARCH_API_BASE": ("search", "vertex_search_base"),
    "SERPER_API_BASE": ("search", "serper_base"),
    "BRAVE_API_BASE": ("search", "brave_base"),
    "TAVILY_API_BASE": ("search", "tavily_base"),
    "NEWSAPI_BASE": ("search", "newsapi_base"),
    "GDELT_API_BASE": ("search", "gdelt_base"),
    "SEC_EDGAR_DATA_BASE": ("search", "edgar_data_base"),
    "SEC_EDGAR_WWW_BASE": ("search", "edgar_www_base"),
    "SEC_EDGAR_SEARCH_BASE": ("search", "edgar_search_base"),
    "HACKER_NEWS_API_BASE": ("search", "hacker_news_base"),
    "GOOGLE_NEWS_BASE": ("search", "google_news_base"),
    "SALESFORCE_CLIENT_ID": ("crm", "salesforce_client_id"),
    "SALESFORCE_CLIENT_SECRET": ("crm", "salesforce_client_secret"),
    "SALESFORCE_REFRESH_TOKEN": ("crm", "salesforce_refresh_token"),
    "SALESFORCE_USERNAME": ("crm", "salesforce_username"),
    "SALESFORCE_PRIVATE_KEY_FILE": ("crm", "salesforce_key_path"),
    "SALESFORCE_DOMAIN": ("crm", "salesforce_domain"),
    "SALESFORCE_API_VERSION": ("crm", "salesforce_version"),
    "SALESFORCE_BULK_ROWS": ("crm", "salesforce_bulk_rows"),
    "SALESFORCE_API_BASE": ("crm", "salesforce_base"),
    "HUBSPOT_ACCESS_TOKEN": ("crm", "hubspot_token"),
    "HUBSPOT_API_VERSION": ("crm", "hubspot_version"),
    "HUBSPOT_API_BASE": ("crm", "hubspot_base"),
    "CLIENTLORE_LOCK_TIMEOUT": ("lock_timeout_seconds",),
    "CLIENTLORE_HTTP_CONCURRENCY": ("http_concurrency",),
    "CLIENTLORE_HTTP_TIMEOUT": ("http_timeout_seconds",),
    "CLIENTLORE_HTTP_ATTEMPTS": ("http_attempts",),
    "CLIENTLORE_TRAINING_DIR": ("training_dir",),
    "CLIENTLORE_MAX_FEED_BYTES": ("max_feed_bytes",),
    "CLIENTLORE_CA_FILE": ("ca_path",),
    "CLIENTLORE_SECRET": ("secret",),
    "CLIENTLORE_BASE_URL": ("base_url",),
}


def find_app(start: Path | None = None, env: Mapping[str, str] | None = None) -> Path | None:
    """The application folder: `CLIENTLORE_APP`, else the nearest folder upwards with a `workspace.yaml`."""
    env = os.environ if env is None else env
    if named := env.get("CLIENTLORE_APP"):
        folder = Path(named).expanduser().resolve()
        if not (folder / APP_MARKER).is_file():
            raise ConfigurationError(
                f"CLIENTLORE_APP names {folder}, where no {APP_MARKER} lies",
                "Point it at a checkout of Clientlore, or unset it.",
            )
        return folder
    here = (start or Path.cwd()).resolve()
    return next((p for p in (here, *here.parents) if (p / APP_MARKER).is_file()), None)


def load_settings(
    env: Mapping[str, str] | None = None, *, start: Path | None = None, home: Path | None = None
) -> Settings:
    """Reads the environment and the `.env` file of the application folder.

    What the file says becomes part of the process's environment where that says nothing: a `${NAME}` in the address
    of a feed is looked up there.

    Args:
        env: The environment; that of the process if not given.
        start: Where the search for the application folder begins; the current folder if not given.
        home: Overrides `CLIENTLORE_HOME`.

    Raises:
        ConfigurationError: A variable has a value that it cannot have; the message names it.
    """
    of_process = env is None
    env = dict(os.environ if env is None else env)
    _apply_aliases(env)
    app = find_app(start, env)
    if app is not None and (app / ".env").is_file():
        from dotenv import dotenv_values

        file_values = {k: v for k, v in dotenv_values(app / ".env").items() if v}
        if of_process:
            for name in file_values.keys() - VARIABLES.keys() - set(_ALIASES.values()):
                os.environ.setdefault(name, file_values[name])
        _apply_aliases(file_values)
        env = {**file_values, **env}
    values: dict[str, Any] = {}
    for name, path in VARIABLES.items():
        if env.get(name):
            target = values if len(path) == 1 else values.setdefault(path[0], {})
            target[path[-1]] = env[name]
    base = app or (start or Path.cwd())
    values["home"] = Path(home or str(values.get("home", base / HOME_NAME))).expanduser().absolute()
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(_say(error), "See .env.example for what each may be.") from None


def _apply_aliases(env: dict[str, str]) -> None:
    for name, alias in _ALIASES.items():
        if not env.get(alias):
            continue
        if env.get(name) and env[name] != env[alias]:
            raise ConfigurationError(
                f"{name} and its older name {alias} are both set and differ", f"Unset {alias}."
            )
        env[name] = env[alias]


def _say(error: ValidationError) -> str:
    names = {path: name for name, path in VARIABLES.items()}
    found = error.errors(include_input=False, include_url=False)
    paths = [tuple(str(part) for part in problem["loc"]) for problem in found]
    said = [names.get(path, ".".join(path)) for path in paths]
    return "; ".join(f"{name}: {one['msg']}" for name, one in zip(said, found, strict=True))
