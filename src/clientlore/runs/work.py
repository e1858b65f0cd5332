"""What each stage does for one tenant: read, decide (in the library's packages), write, count. No loop over tenants."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from clientlore.control import (
    clients,
    ledger,
    people,
    quarantine,
    snapshots,
    sources,
    splits,
    tenants,
)
from clientlore.control.model import Tenant
from clientlore.control.snapshots import Snapshot
from clientlore.delivery.alerts import queue_alerts
from clientlore.delivery.sender import drain
from clientlore.delivery.tables import DELIVERIES, deliveries_of
from clientlore.digests import matches as gates
from clientlore.digests.closing import close_windows, sender_of
from clientlore.memory import derive
from clientlore.memory import log as memory_log
from clientlore.memory.dossier_files import write_dossiers
from clientlore.memory.dossiers import read_dossiers
from clientlore.memory.settling import settle_day
from clientlore.monitoring import collect as collecting
from clientlore.monitoring import events as eventing
from clientlore.monitoring import raw
from clientlore.monitoring.asking import SourceOutcome
from clientlore.monitoring.crm_sync import sync_accounts
from clientlore.run_context import RunContext
from clientlore.runs import extraction, judging
from clientlore.runs.exports import export_tenant
from clientlore.runs.report import Work
from clientlore.runs.tables import CONFIG_SNAPSHOT, RUN_LEDGER, run_ledger_of
from clientlore.runs.waiting import note_waiting
from clientlore.storage.lake import Table


def crm_accounts(ctx: RunContext, tenant: Tenant, day: date) -> Work:
    """Collects the CRM's accounts and brings clients, contacts and assignments to what they say."""
    collected = _collect_live(ctx, tenant, day, raw.CRM_ACCOUNTS)
    synced = sync_accounts(ctx, tenant, day)
    if synced.rejects:
        with ctx.workspace.control.write() as connection:
            quarantine.put_rejects(
                connection,
                tenant_id=tenant.tenant_id,
                day=day,
                stage="core/config_snapshot",
                rejects=synced.rejects,
                run_id=ctx.run_id,
                now=ctx.workspace.clock.now(),
                complete=False,
            )
    extra = {"clients_created": synced.created, "unknown_owners": len(synced.rejects)}
    return _collected(ctx, tenant, day, raw.CRM_ACCOUNTS, collected, extra)


def config_snapshot(ctx: RunContext, tenant: Tenant, day: date) -> Work:
    """Takes the configuration of the day, once, and exports it."""
    with ctx.workspace.control.write() as connection:
        snapshot = snapshots.take(
            connection,
            ctx.audit("the configuration of the day"),
            tenant,
            day,
            refresh=ctx.scope.refresh_config,
            run_id=ctx.run_id,
        )
        outdated = snapshots.is_outdated(connection, tenant, day)
    frame = CONFIG_SNAPSHOT.frame(snapshots.export_rows(snapshot))
    written = ctx.workspace.lake.write(CONFIG_SNAPSHOT, tenant.tenant_id, day, frame)
    notes = (
        "the configuration has changed since this day's was taken; --refresh-config takes it anew",
    )
    return Work(
        rows=written.rows,
        counts={
            "clients": len(snapshot.clients),
            "readers": len(snapshot.readers),
            "sources": len(snapshot.sources),
        },
        content_sha=written.sha,
        notes=notes if outdated else (),
    )


def crm_activities(ctx: RunContext, tenant: Tenant, day: date) -> Work:
    """Collects what people did with clients."""
    collected = _collect_by_snapshot(ctx, tenant, day, raw.CRM_ACTIVITIES)
    return _collected(ctx, tenant, day, raw.CRM_ACTIVITIES, collected, {})


def search_results(ctx: RunContext, tenant: Tenant, day: date) -> Work:
    """Collects news."""
    collected = _collect_by_snapshot(ctx, tenant, day, raw.SEARCH_RESULTS)
    return _collected(ctx, tenant, day, raw.SEARCH_RESULTS, collected, {})


def events(ctx: RunContext, tenant: Tenant, day: date) -> Work:
    """Folds what was collected into events; a mock row in a live tenant holds the tenant."""
    workspace = ctx.workspace
    snapshot = _snapshot(ctx, tenant, day)
    with workspace.control.read() as connection:
        apart = splits.standing(connection, tenant.tenant_id)
    folded = eventing.fold_day(workspace.lake, snapshot, apart)
    now = workspace.clock.now()
    with workspace.control.write() as connection:
        fresh = quarantine.put_rejects(
            connection,
            tenant_id=tenant.tenant_id,
            day=day,
            stage=eventing.EVENTS.key,
            rejects=folded.rejects,
            run_id=ctx.run_id,
            now=now,
            complete=True,
        )
        if folded.mock_in_live and fresh:
            tenants.hold(
                connection,
                ctx.audit("made-up rows among real ones"),
                tenant.tenant_id,
                f"{folded.mock_in_live} made-up rows lay among the real ones of {day}",
            )
        inputs = ledger.content_shas(
            connection,
            tenant.tenant_id,
            eventing.EVENTS.key,
            eventing.look_back_days(day)[0],
            eventing.look_back_days(day)[-1],
        )
    written = eventing.write(workspace.lake, snapshot, folded)
    mark_batches(ctx, tenant, day, raw.SEARCH_RESULTS, "PROCESSED")
    mock = folded.mock_in_live
    return Work(
        rows=written.rows,
        counts=folded.counts(),
        state="held" if mock and fresh else "done",
        content_sha=written.sha,
        inputs_sha=ledger.inputs_sha(inputs),
        error=f"{mock} made-up rows in a live tenant were set aside" if mock and fresh else None,
    )


def memory_operations(ctx: RunContext, tenant: Tenant, day: date) -> Work:
    """Appends what the day's sources give rise to, and exports the day's part of the log."""
    workspace = ctx.workspace
    snapshot = _snapshot(ctx, tenant, day)
    wanted = derive.wanted_of_day(workspace.lake, snapshot)
    said = extraction.of_day(workspace, tenant, snapshot, wanted)
    wanted = [*wanted, *said.wanted]
    with workspace.control.write() as connection:
        before = derive.log_before(connection, snapshot, wanted, said.read_again)
        operations = derive.operations_for(before, snapshot, wanted, said.read_again)
        now = workspace.clock.now()
        appended = memory_log.append(connection, operations, now)
        settled = settle_day(connection, tenant.tenant_id, before, operations, now)
    frame = memory_log.export(before, operations, day)
    written = workspace.lake.write(memory_log.LOG, tenant.tenant_id, day, frame)
    mark_batches(ctx, tenant, day, raw.CRM_ACTIVITIES, "PROCESSED")
    by_op = {f"{op}s": sum(o.op == op for o in operations) for op in ("add", "revise", "retract")}
    return Work(
        rows=written.rows,
        counts={"appended": appended, **by_op, "settled": settled, **said.counts},
        state="done" if said.trouble is None else "degraded",
        error=said.trouble,
        content_sha=written.sha,
        inputs_sha=judging.content_of(ctx, tenant, day),
        notes=said.notes,
        read_through=said.read_through,
    )


def matches(ctx: RunContext, tenant: Tenant, day: date) -> Work:
    """Asks the stateless gates for every person."""
    frame = gates.matches_of_day(ctx.workspace.lake, _snapshot(ctx, tenant, day))
    written = ctx.workspace.lake.write(gates.MATCHES, tenant.tenant_id, day, frame)
    stopped = dict(frame["gate"].drop_nulls().value_counts().sort("gate").iter_rows())
    return Work(
        rows=written.rows,
        counts={
            "passed": int(frame["passed"].sum()),
            **{f"stopped_by_{gate}": count for gate, count in stopped.items()},
        },
        content_sha=written.sha,
        inputs_sha=judging.content_of(ctx, tenant, day),
    )


def dossiers(ctx: RunContext, tenant: Tenant) -> Work:
    """Writes the dossiers of clients and contacts; one that was edited by hand is put aside."""
    folder = ctx.workspace.settings.dossiers / tenant.tenant_id
    written = write_dossiers(folder, read_dossiers(ctx.workspace, tenant))
    return Work(
        rows=written.clients + written.contacts,
        counts={
            "clients": written.clients,
            "contacts": written.contacts,
            "changed": written.changed,
            "unchanged": written.unchanged,
            "removed": written.removed,
            "edited": len(written.set_aside),
        },
        notes=tuple(
            f"{name} was edited by hand: the edit lies in {aside}, and nobody reads it; say it in the tenant file "
            "or the CRM instead"
            for name, aside in written.set_aside.items()
        ),
    )


def deliveries(ctx: RunContext, tenant: Tenant) -> Work:
    """Closes the windows that the run's fires open, then sends what is due."""
    closed = close_windows(ctx, tenant)
    for window in closed:
        ctx.progress(
            "window",
            {"tenant": tenant.tenant_id, "outcome": window.outcome, "sent": window.sent},
        )
    alerts = queue_alerts(ctx, tenant, sender_of(ctx).email)
    drained = drain(ctx, [tenant.tenant_id])
    with ctx.workspace.control.read() as connection:
        frame = deliveries_of(connection, tenant.tenant_id)
    written = ctx.workspace.lake.write(DELIVERIES, tenant.tenant_id, None, frame)
    troubled = drained.failed + drained.uncertain + drained.deferred
    return Work(
        rows=written.rows,
        counts={
            "windows": sum(w.outcome != "open_before" for w in closed),
            "mails": sum(w.outcome == "mailed" for w in closed),
            "items": sum(w.sent for w in closed),
            "late": sum(w.late for w in closed),
            "alerts": alerts,
            "sent": drained.sent,
            "deferred": drained.deferred,
            "failed": drained.failed,
            "uncertain": drained.uncertain,
        },
        state="degraded" if troubled else "done",
        content_sha=written.sha,
        error="; ".join(drained.errors)[:1_000] or None,
        notes=tuple(
            f"a mail is held until {w.held_until:%Y-%m-%d %H:%M} UTC: quiet hours"
            for w in closed
            if w.held_until is not None
        ),
    )


def run_ledger(ctx: RunContext, tenant: Tenant) -> Work:
    """Exports what every run did for the tenant."""
    with ctx.workspace.control.read() as connection:
        frame = run_ledger_of(connection, tenant.tenant_id)
    written = ctx.workspace.lake.write(RUN_LEDGER, tenant.tenant_id, None, frame)
    return Work(rows=written.rows, content_sha=written.sha)


def exports(ctx: RunContext, tenant: Tenant) -> Work:
    """Exports what analysts get of the tenant's control plane."""
    with ctx.workspace.control.read() as connection:
        rows = export_tenant(connection, ctx.workspace.lake, tenant.tenant_id)
    return Work(rows=sum(rows.values()), counts=rows)


def _snapshot(ctx: RunContext, tenant: Tenant, day: date) -> Snapshot:
    with ctx.workspace.control.read() as connection:
        return snapshots.get(connection, tenant.tenant_id, day)


def _collect_live(ctx: RunContext, tenant: Tenant, day: date, table: Table) -> collecting.Collected:
    """Collects by what is configured now: what the snapshot of the day is taken after."""
    with ctx.workspace.control.read() as connection:
        known = sources.sources_of(connection, tenant.tenant_id)
        watched = clients.clients_of(connection, tenant.tenant_id)
        readers = people.users_of(connection, tenant.tenant_id)
        only = clients.resolve_clients(connection, tenant.tenant_id, ctx.scope.clients)
    return collecting.collect(
        ctx,
        tenant,
        day,
        table,
        known_sources=known,
        clients=watched,
        only_clients=frozenset(only),
        owners=tuple(sorted(u.email.lower() for u in readers if u.email)),
    )


def _collect_by_snapshot(
    ctx: RunContext, tenant: Tenant, day: date, table: Table
) -> collecting.Collected:
    snapshot = _snapshot(ctx, tenant, day)
    with ctx.workspace.control.read() as connection:
        only = clients.resolve_clients(connection, tenant.tenant_id, ctx.scope.clients)
        readers = people.users_of(connection, tenant.tenant_id)
    return collecting.collect(
        ctx,
        tenant,
        day,
        table,
        known_sources=snapshot.sources,
        clients=snapshot.clients,
        only_clients=frozenset(only),
        owners=tuple(sorted(u.email.lower() for u in readers if u.email)),
    )


def _collected(
    ctx: RunContext,
    tenant: Tenant,
    day: date,
    table: Table,
    collected: collecting.Collected,
    extra: dict[str, int],
) -> Work:
    mark_batches(ctx, tenant, day, table, "NEW", only_new=True)
    if table is raw.CRM_ACCOUNTS:
        mark_batches(ctx, tenant, day, table, "PROCESSED")
    fatal = [o for o in collected.failed if o.source.on_failure == "fail"]
    troubled = [*collected.failed, *collected.degraded]
    stand_ins = sum(o.is_stand_in for o in collected.outcomes)
    notes: Sequence[str] = [_say(o) for o in troubled]
    state, error = "done", None
    if fatal:
        state, error = "failed", _say(fatal[0])
    elif troubled:
        state, error = "degraded", _say(troubled[0])
    elif table is raw.SEARCH_RESULTS and not collected.outcomes and _asks_all(ctx):
        state, error = "degraded", "no source of news is configured: nothing was collected"
    return Work(
        rows=collected.rows,
        counts={**collected.counts(), "stand_ins": stand_ins, "healed": collected.healed, **extra},
        state=state,  # type: ignore[arg-type]
        error=error,
        notes=(*notes, *note_waiting(ctx, tenant, day, collected.waiting), *_drift(collected)),
    )


def _asks_all(ctx: RunContext) -> bool:
    return ctx.scope.collect and not ctx.scope.clients


def _say(outcome: SourceOutcome) -> str:
    who = outcome.source.client_id or outcome.source.source_id
    return f"{who}: {outcome.error}"


def _drift(collected: collecting.Collected) -> tuple[str, ...]:
    drift = collected.drift()
    if not drift:
        return ()
    told = ", ".join(f"{name} ({count})" for name, count in drift.items())
    return (f"fields that are not known, kept in raw: {told}",)


def mark_batches(
    ctx: RunContext,
    tenant: Tenant,
    day: date,
    table: Table,
    status: str,
    *,
    only_new: bool = False,
    error: str | None = None,
) -> None:
    """Notes how far the batches of a raw (day, tenant) have come."""
    now = ctx.workspace.clock.now()
    rows = [
        {
            "tenant_id": tenant.tenant_id,
            "day": day,
            "table_name": table.name,
            "batch_id": batch_id,
            "status": status,
            "error": error,
            "updated_at": now,
        }
        for batch_id in ctx.workspace.lake.batches(table, tenant.tenant_id, day)
    ]
    with ctx.workspace.control.write() as connection:
        ledger.record_batches(connection, rows, only_new=only_new)
