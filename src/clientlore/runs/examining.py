"""Whether everything can work: stores, versions, providers, mail, orchestrator. Each finding says what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from clientlore.control import migrate, sources, tenants
from clientlore.control.model import Tenant
from clientlore.errors import ClientloreError
from clientlore.providers.registry import KINDS
from clientlore.runs.orchestrator import Orchestrator
from clientlore.workspace import Workspace

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
        if tenant.status == "held":
            yield Finding(
                "no",
                f"tenant {tenant.tenant_id}",
                f"held: {tenant.held_reason}",
                "Look at `clientlore quarantine list`, then `clientlore tenant release`.",
            )


def _providers(tenant: Tenant, kinds: list[str]) -> Iterator[Finding]:
    """At least one source of news, one CRM and one judge: what a monitor needs."""
    tables = {KINDS[kind].table for kind in kinds}
    subject = f"tenant {tenant.tenant_id}"
    if "search_results" in tables:
        count = sum(KINDS[kind].table == "search_results" for kind in kinds)
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
            "Name its exports under crm: in the tenant file.",
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
