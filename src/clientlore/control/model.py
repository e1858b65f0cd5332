"""What the control plane knows, as frozen values. Times are aware and in UTC; zones are IANA names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

Mode = Literal["live", "mock"]
Frequency = Literal["instant", "daily", "weekly"]
OnFailure = Literal["fail", "skip", "mock"]
Origin = Literal["file", "crm", "cli"]


@dataclass(frozen=True)
class Tenant:
    """A business that uses Clientlore. Its mode is set when it is created and never changes."""

    tenant_id: str
    name: str
    mode: Mode
    status: Literal["active", "held"] = "active"
    held_reason: str | None = None
    allow_live_send: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class User:
    """A person who reads. `handle` is the name the tenant file uses; `user_id` a UUID made from it."""

    user_id: str
    tenant_id: str
    handle: str
    name: str
    email: str | None = None
    phone_number: str | None = None
    security_level: int = 1
    preferences: Mapping[str, Any] = field(default_factory=dict)
    is_active: bool = True


@dataclass(frozen=True)
class Preferences:
    """What a person wants to be sent, and when. No categories means all of them."""

    user_id: str
    tenant_id: str
    relevance_threshold: float = 0.5
    categories: tuple[str, ...] = ()
    frequency: Frequency = "daily"
    timezone: str = "UTC"
    local_time: str = "07:00"
    weekday: int = 0
    quiet_from: str | None = None
    quiet_to: str | None = None
    max_items: int = 20


@dataclass(frozen=True)
class Client:
    """A company that is watched. `profile` holds aliases, people, places and words that exclude."""

    tenant_id: str
    client_id: str
    name: str
    domain: str | None = None
    ticker: str | None = None
    industry: str | None = None
    profile: Mapping[str, Any] = field(default_factory=dict)
    external_id: str | None = None
    origin: Origin = "file"
    is_active: bool = True


@dataclass(frozen=True)
class Source:
    """Where news or CRM data comes from; bound to one client, or to none."""

    tenant_id: str
    source_id: str
    kind: str
    location: str
    client_id: str | None = None
    on_failure: OnFailure = "skip"
    options: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin = "file"
    is_active: bool = True


@dataclass(frozen=True)
class SourceState:
    """What a source last said: validators for conditional requests, and how it has been doing."""

    etag: str | None = None
    last_modified: str | None = None
    moved_to: str | None = None
    gone_at: datetime | None = None
    not_before: datetime | None = None
    synced_to: datetime | None = None
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    consecutive_failures: int = 0


@dataclass(frozen=True)
class Schedule:
    """When something is to happen, as data."""

    schedule_id: str
    tenant_id: str
    name: str
    purpose: Literal["monitor", "digest"]
    schedule_type: Literal["manual", "hourly", "daily", "weekly", "monthly", "cron"]
    cron: str | None
    timezone: str
    user_id: str | None = None
    clients: tuple[str, ...] = ()
    overlap_policy: Literal["skip", "queue"] = "skip"
    catch_up: Literal["skip", "latest", "all"] = "latest"
    catch_up_limit: int = 7
    is_active: bool = True
    off_because: Literal["failures", "hand"] | None = None
    origin: Origin = "file"
    last_run_at: datetime | None = None
    next_run_at: datetime | None = None
    last_error_message: str | None = None
    consecutive_failures: int = 0


@dataclass(frozen=True)
class Fire:
    """One due time of a schedule, or one request by hand. Only a fire opens windows."""

    fire_id: str
    tenant_id: str
    kind: Literal["monitor", "digest", "adhoc"]
    due_at: datetime
    day: date
    state: str
    schedule_id: str | None = None
    user_id: str | None = None
    clients: tuple[str, ...] = ()
    attempt: int = 0
    root_run_id: str | None = None
    error: str | None = None
