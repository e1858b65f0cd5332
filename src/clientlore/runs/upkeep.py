"""The upkeep of memory as stages: what policies want done, the connections, the insights of a day, the index."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from clientlore.clock import day_bounds
from clientlore.control import tables as t
from clientlore.control.model import Tenant
from clientlore.errors import ClientloreError, ProviderError, StoreError
from clientlore.memory import markdown
from clientlore.memory.automation import AutomationController, policies, tasks
from clientlore.memory.automation.controller import execute
from clientlore.memory.embedding import embedder_of
from clientlore.memory.maintenance.connections import CONNECTIONS, connect
from clientlore.memory.maintenance.insights import INSIGHTS, insights
from clientlore.memory.maintenance.plan import Plan
from clientlore.memory.maintenance.running import FEATURES, preview
from clientlore.memory.service import MemoryService
from clientlore.memory.store import MemoryStore
from clientlore.monitoring.naming import core_name
from clientlore.run_context import RunContext
from clientlore.runs.report import Work
from clientlore.storage.files import write_bytes

MOST_KEPT = 1 << 28
"""Bytes of logs and folds that a run keeps of the tenants that it has worked on."""
PREVIEW = "memory-maintenance.md"
log = logging.getLogger("clientlore")


def memory_of(ctx: RunContext, tenant: Tenant) -> MemoryService:
    """The memory of a tenant with what earlier stages of the run have read of it; as much as `MOST_KEPT` bytes hold."""
    kept: dict[str, MemoryService] = ctx.memories
    service = kept.pop(tenant.tenant_id, None) or MemoryService(ctx.workspace, tenant.tenant_id)
    while kept and sum(s.standing.size for s in kept.values() if s.standing) > MOST_KEPT:
        del kept[next(iter(kept))]
    kept[tenant.tenant_id] = service
    return service


def maintenance(ctx: RunContext, tenant: Tenant) -> Work:
    """Does the tasks that the run was given; without any, what the policies of the tenant want.

    Before that it writes down what would happen, for people: nothing that is off is done, but it can be looked at.
    """
    service = memory_of(ctx, tenant)
    if ctx.scope.tasks:
        return _given(ctx, tenant)
    _write_preview(ctx, tenant, service)
    before = service.state().height
    results = _by_policies(ctx, tenant, service)
    failed = [r for r in results if r["failed"]]
    done = [told for r in results for told in r["done"]]
    return Work(
        rows=len(done),
        counts={
            "memories_before": before,
            "memories_after": service.state().height,
            "owners": len(results),
            "owners_failed": len(failed),
            "slowest_seconds": max((r["seconds"] for r in results), default=0.0),
            "operations": sum(int(told.get("operations", 0)) for told in done),
        },
        state="degraded" if failed else "done",
        error=failed[0]["failed"] if failed else None,
    )


def connections(ctx: RunContext, tenant: Tenant) -> Work:
    """Connects memories with each other and with the clients and contacts that they name."""
    workspace, tenant_id = ctx.workspace, tenant.tenant_id
    state = memory_of(ctx, tenant).state()
    made = connect(state, workspace.clock.now(), _entities(ctx, tenant_id))
    written = workspace.lake.write(CONNECTIONS, tenant_id, None, made)
    kinds = dict(made.group_by("type").len().iter_rows())
    return Work(
        rows=written.rows, counts={k: kinds.get(k, 0) for k in ("about", "mentions", "leads_to")}
    )


def insights_of_day(ctx: RunContext, tenant: Tenant, day: date) -> Work:
    """What is worth knowing about what became known on a day, as memory was known at its end."""
    _, end = day_bounds(day)
    state = memory_of(ctx, tenant).state(as_of=end)
    made = insights(tenant.tenant_id, state, day)
    written = ctx.workspace.lake.write(INSIGHTS, tenant.tenant_id, day, made)
    kinds = dict(made.group_by("kind").len().iter_rows())
    return Work(
        rows=written.rows,
        counts={k: kinds.get(k, 0) for k in ("busy", "changed", "shared")},
        content_sha=written.sha,
    )


def memories(ctx: RunContext, tenant: Tenant) -> Work:
    """Brings the index of memory up to its log. An index that cannot be written harms search alone."""
    try:
        embedder = embedder_of(ctx.workspace, tenant, ctx.embedder)
        standing = memory_of(ctx, tenant).standing
        state = MemoryStore(ctx.workspace, embedder).update(tenant.tenant_id, standing=standing)
    except (StoreError, ProviderError) as error:
        return Work(0, state="degraded", error=str(error), notes=("the log has everything",))
    return Work(rows=state.rows, counts={"applied": state.applied, "rebuilt": int(state.rebuilt)})


def _given(ctx: RunContext, tenant: Tenant) -> Work:
    with ctx.workspace.control.read() as connection:
        found = tasks.listed(connection, tenant.tenant_id, ids=ctx.scope.tasks, limit=10_000)
    counts = dict.fromkeys(("owners", "owners_failed"), 0)
    slowest, error, operations = 0.0, None, 0
    for task in found:
        started = time.perf_counter()
        counts["owners"] += 1
        try:
            done = execute(ctx.workspace, task, ctx.run_id, is_locked=True)
        except ClientloreError as failure:
            counts["owners_failed"] += 1
            error = error or str(failure)
        else:
            operations += int(done.result.get("operations", 0))
        slowest = max(slowest, time.perf_counter() - started)
    return Work(
        rows=len(found),
        counts={**counts, "slowest_seconds": round(slowest, 3), "operations": operations},
        state="degraded" if error else "done",
        error=error,
    )


def _by_policies(
    ctx: RunContext, tenant: Tenant, service: MemoryService
) -> list[Mapping[str, Any]]:
    """Owner by owner, so that one that fails does not stop the others."""
    with ctx.workspace.control.read() as connection:
        wanted = [p for _, p in policies.all_policies(connection, [tenant.tenant_id])]
    controller = AutomationController(service, is_locked=True)
    results: list[Mapping[str, Any]] = []
    for policy in wanted:
        if policy.policy_type is policies.PolicyType.MANUAL or not policy.enabled:
            continue
        started = time.perf_counter()
        failed, done = None, []
        try:
            done = [controller.run(feature, policy.user_id) for feature in FEATURES]
        except ClientloreError as error:
            failed = str(error)
        except Exception as error:  # noqa: BLE001 - an owner's trouble is not the others'
            failed = f"a defect: {type(error).__name__}"
            log.error("run %s: upkeep failed with %s", ctx.run_id, type(error).__name__)  # noqa: TRY400
        seconds = round(time.perf_counter() - started, 3)
        results.append({"failed": failed, "done": done, "seconds": seconds})
    return results


def _write_preview(ctx: RunContext, tenant: Tenant, service: MemoryService) -> None:
    """A page of what each task would do now; on the disk alone, since it shows contents."""
    now = ctx.workspace.clock.now()
    plans = [preview(service, feature, now) for feature in FEATURES]
    lines = [f"# Memory of {markdown.text(tenant.name)}", "", f"As of {now:%Y-%m-%d %H:%M} UTC."]
    for plan in plans:
        lines += _told(plan)
    path = ctx.workspace.settings.pages / tenant.tenant_id / PREVIEW
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def _told(plan: Plan) -> list[str]:
    def row(values: Sequence[object]) -> str:
        return "| " + " | ".join(str(markdown.text(v)) for v in values) + " |"

    lines = ["", f"## {plan.feature.capitalize()}", ""]
    lines += [f"- {k}: {plan.before.get(k, '')} before, {v} after" for k, v in plan.after.items()]
    if plan.examples:
        names = list(plan.examples[0])
        lines += ["", row(names), "|" + "---|" * len(names)]
        lines += [row([str(e[n])[:200] for n in names]) for e in plan.examples]
    return lines


def _names(name: str, aliases: Sequence[str]) -> tuple[str, ...]:
    """How a client is called in texts: with its legal form and without."""
    return tuple(dict.fromkeys([name, core_name(name), *aliases]))


def _entities(ctx: RunContext, tenant_id: str) -> dict[str, tuple[str, ...]]:
    with ctx.workspace.control.read() as connection:
        clients = connection.execute(
            sa.select(t.clients).where(t.clients.c.tenant_id == tenant_id, t.clients.c.is_active)
        ).mappings()
        found = {
            row["client_id"]: _names(row["name"], (row["profile"] or {}).get("aliases", []))
            for row in clients
        }
        contacts = connection.execute(
            sa.select(t.contacts).where(t.contacts.c.tenant_id == tenant_id, t.contacts.c.is_active)
        ).mappings()
        found |= {row["contact_id"]: (row["name"],) for row in contacts}
    return found
