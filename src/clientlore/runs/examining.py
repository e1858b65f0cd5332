"""Whether everything can work: stores, versions, providers, mail, orchestrator. Each finding says what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from clientlore.control import ledger, migrate, sources, tenants
from clientlore.control.model import Tenant
from clientlore.digests.matches import MATCHES
from clientlore.errors import ClientloreError
from clientlore.memory.log import LOG
from clientlore.monitoring import events as eventing
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.providers.registry import kind_of
from clientlore.runs.orchestrator import Orchestrator
from clientlore.runs.tables import CONFIG_SNAPSHOT
from clientlore.storage.lake import Lake, Table
from clientlore.workspace import Workspace

CHECKED_DAYS = 7
_FILES = {table.key: table for table in (CONFIG_SNAPSHOT, eventing.EVENTS, RELEVANCE, LOG, MATCHES)}
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)


@dataclass(frozen=True)
class Finding:
    """What was found about one thing.

    Attributes:
        verdict: `ok`; `note` for what works and could be better; `no` for what cannot work.
        advice: What to do, where there is something to do.
    """

    verdict: Literal["ok", "note", "no"]
    subject: str
    detail: str
    advice: str = ""


def examine(workspace: Workspace, orchestrator: Orchestrator) -> list[Finding]:
    """Looks at everything that must work. Changes nothing but what a probe writes and takes away again."""
    found = [_python(), *_stores(workspace)]
    if migrate.current(workspace.control) == migrate.HEAD:
        found += _tenants(workspace)
    found += _orchestrator(orchestrator)
    return found


def _python() -> Finding:
    version = sys.version_info[:2]
    shown = ".".join(str(part) for part in sys.version_info[:3])
    if OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        return Finding("ok", "Python", shown)
    return Finding("no", "Python", shown, "Use Python 3.11, 3.12 or 3.13.")


def _stores(workspace: Workspace) -> Iterator[Finding]:
    advice = {
        "control plane": "Check DATABASE_URL and that the server is up; then `clientlore db upgrade`.",
        "lake": "Check the folder's permissions and free space; CLIENTLORE_LAKE moves it.",
        "blobs": "Check the folder's permissions and free space; FILE_STORAGE_PATH moves it.",
        "vectors": "Check the folder's permissions; `clientlore memory rebuild` makes its content anew.",
    }
    for health in workspace.validate_connections():
        detail = (
            f"answers in {health.latency_ms:.0f} ms" if health.ok else health.error or "no answer"
        )
        yield Finding(
            "ok" if health.ok else "no",
            health.store,
            detail,
            "" if health.ok else advice[health.store],
        )


def _tenants(workspace: Workspace) -> Iterator[Finding]:
    with workspace.control.read() as connection:
        known = tenants.all_tenants(connection)
        kinds = {
            x.tenant_id: [s.kind for s in sources.sources_of(connection, x.tenant_id)]
            for x in known
        }
    if not known:
        yield Finding(
            "note", "tenants", "none yet", "`clientlore init` writes a tenant file to start from."
        )
    for tenant in known:
        yield from _providers(tenant, kinds[tenant.tenant_id])
        yield _mail(workspace, tenant)
        yield _files(workspace, tenant)
        if tenant.status == "held":
            yield Finding(
                "no",
                f"tenant {tenant.tenant_id}",
                f"held: {tenant.held_reason}",
                "Look at `clientlore quarantine list`, then `clientlore tenant release`.",
            )


def _providers(tenant: Tenant, kinds: list[str]) -> Iterator[Finding]:
    """At least one source of news, one CRM and one judge: what a monitor needs."""
    tables = {kind_of(kind).table for kind in kinds}
    subject = f"tenant {tenant.tenant_id}"
    if "search_results" in tables:
        count = sum(kind_of(kind).table == "search_results" for kind in kinds)
        yield Finding("ok", subject, f"{count} sources of news")
    else:
        yield Finding(
            "no" if tenant.mode == "live" else "note",
            subject,
            "no source of news: nothing is collected",
            "Put feeds into the tenant file, or `clientlore client add NAME --feed URL`.",
        )
    if "crm_accounts" in tables:
        yield Finding("ok", subject, "a CRM")
    else:
        yield Finding(
            "note",
            subject,
            "no CRM: owners are those of the tenant file",
            "Name it, or its exports, under crm: in the tenant file.",
        )
    yield Finding("ok", subject, "judged by rules, at no cost")


def _mail(workspace: Workspace, tenant: Tenant) -> Finding:
    subject, smtp = f"mail of {tenant.tenant_id}", workspace.settings.smtp
    if not tenant.allow_live_send:
        return Finding("ok", subject, f"written to {workspace.settings.mail}")
    if not smtp.configured:
        return Finding(
            "no",
            subject,
            "may leave, and no sender is configured",
            "Set SMTP_FROM_EMAIL, SMTP_HOST, SMTP_USERNAME and SMTP_PASSWORD.",
        )
    return Finding("ok", subject, f"sent by {smtp.host}:{smtp.port} as {smtp.from_email}")


def _files(workspace: Workspace, tenant: Tenant) -> Finding:
    """Whether the newest days' files are what their runs wrote, by checksum."""
    subject = f"files of {tenant.tenant_id}"
    with workspace.control.read() as connection:
        rows = ledger.days_of(connection, tenant.tenant_id)
    newest = sorted({row["day"] for row in rows})[-CHECKED_DAYS:]
    written = {
        (row["day"], row["stage"]): row["content_sha"]
        for row in rows
        if row["day"] in newest and row["content_sha"] and row["stage"] in _FILES
    }
    differing = {
        day
        for (day, stage), sha in written.items()
        if _stored(workspace.lake, _FILES[stage], tenant.tenant_id, day) != sha
    }
    if not differing:
        return Finding("ok", subject, f"{len(written)} are as they were written")
    days = ", ".join(str(day) for day in sorted(differing))
    return Finding(
        "no",
        subject,
        f"some are missing or not what was written: {days}",
        "`clientlore run --no-collect --from DAY` makes the days again from what is stored.",
    )


def _stored(lake: Lake, table: Table, tenant_id: str, day: date) -> str | None:
    if table is eventing.EVENTS:
        return eventing.stored_sha(lake, tenant_id, day)
    return lake.sha(table, tenant_id, day)


def _orchestrator(orchestrator: Orchestrator) -> list[Finding]:
    return list(_guarded(lambda: _ask_orchestrator(orchestrator)))


def _ask_orchestrator(orchestrator: Orchestrator) -> Iterator[Finding]:
    state = orchestrator.status(thorough=True)
    if state.name == "inline":
        yield Finding(
            "note",
            "Dagster",
            "no application found: runs work in this process, schedules and the UI do not",
            "Run inside a checkout of Clientlore, or set CLIENTLORE_APP.",
        )
        return
    if state.daemon_alive:
        yield Finding("ok", "Dagster", state.detail)
    else:
        yield Finding("note", "Dagster", state.detail, "`make dev` starts one; schedules need it.")
    if state.limits:
        yield Finding(
            "no",
            "limits",
            "; ".join(state.limits),
            "Restart Dagster: it reads dagster.yaml when it starts.",
        )
    else:
        yield Finding("ok", "limits", "those of dagster.yaml are in force")
    if state.reaped:
        yield Finding("note", "runs", f"{len(state.reaped)} had died and were failed just now")


def _guarded(ask: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from ask()
    except ClientloreError as error:
        yield Finding("no", "Dagster", error.what, error.next_step)
