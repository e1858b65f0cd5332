"""Cheap checks: what the rows of a stage must be after quarantine, and what the ledger promises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.quality.outcome import CheckOutcome
from clientlore.storage.lake import Lake, Table

DELIVERY_PATIENCE = timedelta(minutes=15)


def no_mock_left(
    lake: Lake, table: Table, live_tenants: Sequence[str], days: Sequence[date] | None
) -> CheckOutcome:
    """After quarantine no row of a live tenant is made up: asserted, because nothing invented may reach a person."""
    frame = lake.scan(table, live_tenants, days).filter(pl.col("source_mode") != "live")
    left = lake.collect(table, frame.group_by("tenant_id").len())
    return CheckOutcome(
        "mock_free",
        passed=left.is_empty(),
        description="no made-up row in a live tenant"
        if left.is_empty()
        else f"made-up rows in {', '.join(sorted(left['tenant_id']))}",
        blocking=True,
        details={"tenants": dict(left.iter_rows())},
    )


def mock_found(held: Iterable[tuple[str, str]]) -> CheckOutcome:
    """Names the tenants that are held because made-up rows lay among real ones; the others go on.

    Args:
        held: Tenants with the reason why each is held.
    """
    found = dict(held)
    return CheckOutcome(
        "no_mock_in_live",
        passed=not found,
        description="no live tenant was given made-up rows"
        if not found
        else "; ".join(f"{tenant}: {why}" for tenant, why in found.items())
        + "; look at `clientlore quarantine list`, then `clientlore tenant release`",
        details={"tenants": list(found)},
        severe=True,
    )


def tenants_done(states: Iterable[tuple[str, str, str | None]]) -> CheckOutcome:
    """Names the tenants for which a stage failed.

    Args:
        states: (tenant, state, error) of every tenant that the stage worked for.
    """
    failed = {
        tenant: error or "no reason given" for tenant, state, error in states if state == "failed"
    }
    return CheckOutcome(
        "tenants_done",
        passed=not failed,
        description="every tenant was done"
        if not failed
        else "; ".join(f"{tenant}: {error}" for tenant, error in failed.items())[:1_000],
        details={"failed": sorted(failed)},
    )


def sources_answered(
    connection: Connection, tenants: Sequence[str], days: Sequence[date]
) -> CheckOutcome:
    """Every source answered. "No results" is an answer; no answer is not."""
    silent = _count_sources(connection, tenants, days, ("failed",))
    part = _count_sources(connection, tenants, days, ("degraded",))
    asked = _count_sources(connection, tenants, days, None)
    total, lost = sum(asked.values()), sum(silent.values())
    return CheckOutcome(
        "sources_answered",
        passed=not silent and not part,
        description=f"{total} sources answered"
        if not silent and not part
        else f"{lost} of {total} sources gave no answer and {sum(part.values())} only a part; "
        "`clientlore status` says which and why",
        details={"asked": total, "failed": silent, "degraded": part},
    )


def _count_sources(
    connection: Connection,
    tenants: Sequence[str],
    days: Sequence[date],
    outcomes: Sequence[str] | None,
) -> dict[str, int]:
    query = (
        sa.select(t.collections.c.tenant_id, sa.func.count())
        .where(t.collections.c.tenant_id.in_(list(tenants)), t.collections.c.day.in_(list(days)))
        .group_by(t.collections.c.tenant_id)
    )
    if outcomes is not None:
        query = query.where(t.collections.c.outcome.in_(list(outcomes)))
    return {tenant: int(count) for tenant, count in connection.execute(query)}


def scores_in_range(
    lake: Lake, table: Table, tenants: Sequence[str], days: Sequence[date]
) -> CheckOutcome:
    """Scores and confidences lie in 0..1, and what was not scored is null."""
    frame = lake.scan(table, tenants, days)
    bad = frame.filter(
        ~pl.col("score").fill_null(0.0).is_between(0.0, 1.0)
        | ~pl.col("confidence").fill_null(0.0).is_between(0.0, 1.0)
        | (pl.col("score").is_null() & pl.col("confidence").is_not_null())
    )
    count = lake.collect(table, bad.select(pl.len())).item()
    return CheckOutcome(
        "scores_in_range",
        passed=count == 0,
        description="every score lies in 0..1"
        if count == 0
        else f"{count} scores are out of range",
        blocking=True,
        details={"out_of_range": count},
    )


def all_judged(waiting: Mapping[str, int]) -> CheckOutcome:
    """Nothing waits for a budget.

    Args:
        waiting: How many judgements wait, by tenant.
    """
    late = {tenant: count for tenant, count in waiting.items() if count}
    told = "; ".join(f"{count} of '{tenant}'" for tenant, count in sorted(late.items()))
    return CheckOutcome(
        "all_judged",
        passed=not late,
        description=f"judgements wait for the budget of a later day: {told}"
        if late
        else "nothing waits to be judged",
        details={"waiting": late},
    )


def all_asked(waiting: Mapping[str, int]) -> CheckOutcome:
    """No source waits for a budget.

    Args:
        waiting: How many sources were not asked to the end, by tenant.
    """
    told = "; ".join(f"{count} of '{tenant}'" for tenant, count in sorted(waiting.items()))
    return CheckOutcome(
        "all_asked",
        passed=not waiting,
        description=f"sources wait for the budget of a later day: {told}"
        if waiting
        else "every source was asked",
        details={"waiting": dict(waiting)},
    )


def models_in_time(p95_ms: Mapping[str, float], promised_ms: int) -> CheckOutcome:
    """Models answered 95 % of their calls within the promised time.

    Args:
        p95_ms: By tenant; 0 where no model was asked.
        promised_ms: At most this much.
    """
    slow = {tenant: ms for tenant, ms in p95_ms.items() if ms > promised_ms}
    return CheckOutcome(
        "models_in_time",
        passed=not slow,
        description="; ".join(f"'{tenant}': {ms:,.0f} ms" for tenant, ms in sorted(slow.items()))
        or f"95 % of the answers of models came within {promised_ms:,} ms",
        details={"p95_ms": dict(p95_ms)},
    )


def members_have_events(
    lake: Lake, members: Table, events: Table, tenants: Sequence[str], days: Sequence[date]
) -> CheckOutcome:
    """Every event that was born on a day has its founder among the day's items, and every founder its event."""
    founders = lake.scan(members, tenants, days).filter(pl.col("layer") == "first")
    born = lake.scan(events, tenants, days)
    orphans = lake.collect(
        events, born.join(founders, on="event_id", how="anti").select(pl.len())
    ).item()
    lost = lake.collect(
        members, founders.join(born, on="event_id", how="anti").select(pl.len())
    ).item()
    return CheckOutcome(
        "members_have_events",
        passed=not orphans and not lost,
        description="events and items agree"
        if not orphans and not lost
        else f"{orphans} events without an item and {lost} items without their event",
        blocking=True,
        details={"events_without_items": orphans, "items_without_event": lost},
    )


def clients_heard(
    quiet: Mapping[str, Sequence[str]], silent: Mapping[str, Sequence[str]]
) -> CheckOutcome:
    """Something was heard of every client within its tenant's time.

    Args:
        quiet: Clients by tenant whose sources answered and had no results.
        silent: Clients by tenant whose sources did not answer in all that time.
    """

    def told(found: Mapping[str, Sequence[str]]) -> str:
        return "; ".join(f"'{tenant}': {', '.join(ids)}" for tenant, ids in found.items())

    parts = []
    if quiet:
        parts.append(f"no results (look at names, aliases and exclusions): {told(quiet)}")
    if silent:
        parts.append(f"no answer (`clientlore status` says why): {told(silent)}")
    return CheckOutcome(
        "clients_heard",
        passed=not parts,
        description=("nothing is heard of some clients; " + "; ".join(parts))[:1_000]
        if parts
        else "something was heard of every client",
        details={"no_results": dict(quiet), "no_answer": dict(silent)},
    )


def index_is_whole(duplicates: dict[str, list[str]], behind: dict[str, int]) -> CheckOutcome:
    """The memory index has every key once and has caught up with the log."""
    twice = {tenant: len(ids) for tenant, ids in duplicates.items() if ids}
    late = {tenant: count for tenant, count in behind.items() if count}
    return CheckOutcome(
        "index_is_whole",
        passed=not twice and not late,
        description="every memory stands once in the index, which is up to date"
        if not twice and not late
        else f"keys twice: {twice or 'none'}; operations behind: {late or 'none'}; "
        "run `clientlore memory rebuild`",
        details={"twice": twice, "behind": late},
    )


def dossiers_untouched(notes: Mapping[str, Sequence[str]]) -> CheckOutcome:
    """Nobody edited a dossier by hand: what would be said there is said in the tenant file or the CRM.

    Args:
        notes: What the stage noted by tenant, one line for each file that was put aside.
    """
    edited = {tenant: len(lines) for tenant, lines in notes.items() if lines}
    first = next((line for lines in notes.values() for line in lines), "")
    return CheckOutcome(
        "untouched",
        passed=not edited,
        description=f"{sum(edited.values())} were edited; {first}"
        if edited
        else "every file was as it had been generated",
        details=edited,
    )


def digests_delivered(
    connection: Connection, tenants: Sequence[str], now: datetime
) -> CheckOutcome:
    """Every due digest was delivered: no fire failed or waits for too long, no mail is stuck."""
    since = now - timedelta(days=1)
    fires = sa.select(t.fires.c.state, sa.func.count()).where(
        t.fires.c.tenant_id.in_(list(tenants)),
        t.fires.c.due_at.between(since, now - DELIVERY_PATIENCE),
        t.fires.c.state.in_(("due", "dispatched", "failed")),
    )
    late = {
        state: int(count) for state, count in connection.execute(fires.group_by(t.fires.c.state))
    }
    mails = sa.select(t.outbox.c.state, sa.func.count()).where(
        t.outbox.c.tenant_id.in_(list(tenants)),
        sa.or_(
            t.outbox.c.state.in_(("uncertain", "failed")),
            sa.and_(
                t.outbox.c.state == "pending", t.outbox.c.not_before <= now - DELIVERY_PATIENCE
            ),
        ),
    )
    stuck = {
        state: int(count) for state, count in connection.execute(mails.group_by(t.outbox.c.state))
    }
    return CheckOutcome(
        "digests_delivered",
        passed=not late and not stuck,
        description="every due digest of the last day was delivered"
        if not late and not stuck
        else f"fires not done: {late or 'none'}; mails not sent: {stuck or 'none'}; see `clientlore status`",
        details={"fires": late, "mails": stuck},
        severe=True,
    )
