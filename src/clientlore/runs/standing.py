"""How everything stands: read from the control plane, for `clientlore status` and whoever watches it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import budgets, ledger, quarantine, reviews, runs, sources, tenants
from clientlore.control import tables as t
from clientlore.control.alerts import recent_alerts
from clientlore.control.model import Tenant
from clientlore.control.rows import dump
from clientlore.control.schedules import schedules_of
from clientlore.delivery.outbox import counts_by_state
from clientlore.errors import StoreError
from clientlore.monitoring.events import EVENTS, IDENTITY_DAYS
from clientlore.monitoring.quiet import quiet_clients
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.runs import extraction
from clientlore.runs.orchestrator import OrchestratorStatus
from clientlore.workspace import Workspace

SILENCE = timedelta(days=1, hours=6)
"""After how long without a collection a live tenant with an active schedule is said to be silent."""


OVERDUE = timedelta(minutes=15)
"""How late a schedule may be before somebody is told."""


NAMED = 5
"""How many clients a sentence names."""


@dataclass(frozen=True)
class Standing:
    """How everything stands.

    Attributes:
        needs_attention: One sentence for each thing that waits for a person; empty is good.
    """

    tenants: list[dict[str, Any]]
    schedules: list[dict[str, Any]]
    runs: list[dict[str, Any]]
    outbox: dict[str, int]
    quarantined: int
    active_fires: int
    alerts: list[dict[str, Any]]
    beats: list[dict[str, Any]]
    orchestrator: dict[str, Any]
    needs_attention: list[str] = field(default_factory=list)


def standing(workspace: Workspace, orchestrator: OrchestratorStatus) -> Standing:
    """Reads how everything stands.

    Args:
        workspace: The stores.
        orchestrator: What the orchestrator says about itself.
    """
    now = workspace.clock.now()
    with workspace.control.read() as connection:
        _, quarantined = quarantine.listed(connection, limit=1)
        active = connection.execute(
            sa.select(sa.func.count()).where(t.fires.c.state.in_(("due", "dispatched", "claimed")))
        ).scalar_one()
        found = Standing(
            tenants=[
                _tenant(workspace, connection, x, now.date())
                for x in tenants.all_tenants(connection)
            ],
            schedules=[dump(s) for s in schedules_of(connection)],
            runs=runs.recent_runs(connection),
            outbox=counts_by_state(connection),
            quarantined=quarantined,
            active_fires=int(active),
            alerts=recent_alerts(connection),
            beats=runs.component_beats(connection),
            orchestrator=asdict(orchestrator),
        )
    found.needs_attention.extend(_attention(found, now))
    return found


def _quiet(
    workspace: Workspace, connection: Connection, tenant: Tenant, newest: date | None
) -> list[dict[str, Any]]:
    """Clients of which nothing is heard. Files that cannot be read are for `doctor` to name."""
    if newest is None:
        return []
    try:
        found = quiet_clients(workspace.lake, connection, tenant, newest)
    except StoreError:
        return []
    return [
        {"client_id": one.client_id, "days": one.days, "answered": one.answered} for one in found
    ]


def _tenant(
    workspace: Workspace, connection: Connection, tenant: Tenant, today: date
) -> dict[str, Any]:
    failing = sa.select(t.source_state, t.sources.c.client_id).join(
        t.sources,
        sa.and_(
            t.sources.c.tenant_id == t.source_state.c.tenant_id,
            t.sources.c.source_id == t.source_state.c.source_id,
        ),
    )
    rows = connection.execute(
        failing.where(
            t.source_state.c.tenant_id == tenant.tenant_id,
            t.source_state.c.consecutive_failures > 0,
            t.sources.c.is_active,
        ).order_by(t.source_state.c.source_id)
    ).mappings()
    told = connection.execute(
        sa.select(t.collections.c.source_id, t.collections.c.error_kind)
        .where(t.collections.c.tenant_id == tenant.tenant_id)
        .order_by(t.collections.c.day)
    )
    kinds = {row.source_id: row.error_kind for row in told}
    in_use = connection.execute(
        sa.select(sa.func.count()).where(
            t.sources.c.tenant_id == tenant.tenant_id, t.sources.c.is_active
        )
    ).scalar_one()
    newest = connection.execute(
        sa.select(sa.func.max(t.tenant_days.c.day)).where(
            t.tenant_days.c.tenant_id == tenant.tenant_id, t.tenant_days.c.state == "done"
        )
    ).scalar()
    heard = connection.execute(
        sa.select(sa.func.max(t.source_state.c.last_success_at)).where(
            t.source_state.c.tenant_id == tenant.tenant_id
        )
    ).scalar()
    counted = connection.execute(
        sa.select(t.tenant_days.c.counts).where(
            t.tenant_days.c.tenant_id == tenant.tenant_id,
            t.tenant_days.c.stage == RELEVANCE.key,
        )
    ).scalars()
    read = connection.execute(
        sa.select(t.tenant_days.c.counts)
        .where(
            t.tenant_days.c.tenant_id == tenant.tenant_id, t.tenant_days.c.stage == extraction.STAGE
        )
        .order_by(t.tenant_days.c.day.desc())
        .limit(1)
    ).scalar()
    return {
        "tenant_id": tenant.tenant_id,
        "mode": tenant.mode,
        "status": tenant.status,
        "held_reason": tenant.held_reason,
        "newest_day": newest,
        "last_heard_at": heard,
        "sources": int(in_use),
        "failing": [
            {
                "source_id": row["source_id"],
                "client_id": row["client_id"],
                "error_kind": kinds.get(row["source_id"]),
                "error": row["last_error"],
                "failures": row["consecutive_failures"],
                "since": row["last_success_at"],
            }
            for row in rows
        ],
        "quiet": _quiet(workspace, connection, tenant, newest),
        "unasked": sources.waiting_for_budget(connection, [tenant.tenant_id], [today]).get(
            tenant.tenant_id, 0
        ),
        "unread": int((read or {}).get("passages_waiting", 0)),
        "in_doubt": reviews.waiting(connection, tenant.tenant_id),
        "unscored": sum(int(counts.get("unscored", 0)) for counts in counted),
        "spent_today": [
            {
                "provider": day.provider,
                "calls": day.settled.calls,
                "tokens": day.settled.tokens,
                "usd": day.settled.usd,
                "under_way": day.reserved.calls,
                "refused": day.refused,
            }
            for day in budgets.spending(connection, tenant.tenant_id, today, today)
        ],
        "stale_days": ledger.stale_days(connection, tenant.tenant_id, EVENTS.key, IDENTITY_DAYS),
    }


def _attention(found: Standing, now: datetime) -> list[str]:
    scheduled = {s["tenant_id"] for s in found.schedules if s["is_active"]}
    said = [line for x in found.tenants for line in _tenant_attention(x, scheduled, now)]
    said += [
        f"schedule '{s['name']}' of '{s['tenant_id']}' switched itself off: {s['last_error_message']}"
        for s in found.schedules
        if s["off_because"] == "failures"
    ]
    said += [
        f"{found.outbox[state]} mails are {state}; clientlore outbox list --state {state}"
        for state in ("uncertain", "failed")
        if found.outbox.get(state)
    ]
    late = [
        s
        for s in found.schedules
        if s["is_active"] and s["next_run_at"] and now - s["next_run_at"] > OVERDUE
    ]
    if late and not found.orchestrator["daemon_alive"]:
        said.append(
            f"{len(late)} schedules are overdue and {found.orchestrator['detail']}: start one with `make dev`"
        )
    if found.orchestrator["reaped"]:
        said.append(f"{len(found.orchestrator['reaped'])} runs had died and were failed just now")
    return said


def _tenant_attention(tenant: dict[str, Any], scheduled: set[str], now: datetime) -> Iterator[str]:
    name, days, heard = tenant["tenant_id"], tenant["stale_days"], tenant["last_heard_at"]
    if tenant["status"] == "held":
        yield f"tenant '{name}' is held: {tenant['held_reason']}"
    if tenant["failing"]:
        yield f"{len(tenant['failing'])} of {tenant['sources']} sources of '{name}' give no answer"
    for answered, what in ((True, "no results"), (False, "no answer")):
        quiet = [q for q in tenant["quiet"] if q["answered"] is answered]
        if quiet:
            named = ", ".join(q["client_id"] for q in quiet[:NAMED])
            more = f" and {len(quiet) - NAMED} more" if len(quiet) > NAMED else ""
            yield (
                f"{what} for {quiet[0]['days']} days about {named}{more} of '{name}'"
                + ("; look at names, aliases and exclusions" if answered else "")
            )
    yield from _left_for_later(tenant)
    if tenant["in_doubt"]:
        yield (
            f"{tenant['in_doubt']} matches of '{name}' are in doubt and wait for a person; "
            f"clientlore review list --tenant {name}"
        )
    if days:
        yield (
            f"'{name}': {len(days)} days were made before an earlier day changed; "
            f"clientlore run --from {days[0]} --to {days[-1]} --no-collect --tenant {name}"
        )
    if tenant["mode"] != "live":
        return
    if name in scheduled and heard is not None and now - heard > SILENCE:
        yield f"nothing has arrived for '{name}' since {heard:%Y-%m-%d %H:%M} UTC"
    if not tenant["sources"]:
        yield f"tenant '{name}' has no source: it collects nothing"


def _left_for_later(tenant: dict[str, Any]) -> Iterator[str]:
    name = tenant["tenant_id"]
    if tenant["unasked"]:
        yield (
            f"{tenant['unasked']} sources of '{name}' wait for the budget of a later day: raise it under `search` in "
            "the tenant file, or wait"
        )
    if tenant["unscored"]:
        yield (
            f"{tenant['unscored']} judgements for '{name}' wait for the budget of a later day: raise it under "
            "`judge` in the tenant file, or wait"
        )
    if tenant["unread"]:
        yield (
            f"{tenant['unread']} passages of documents of '{name}' are left for the next days to read; the run of the "
            "last one says why"
        )
