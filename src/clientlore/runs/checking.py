"""Which checks belong to which stage: declared, so that they can be shown before the first run, and carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from clientlore.control import sources, tenants
from clientlore.control.model import Tenant
from clientlore.digests.matches import MATCHES
from clientlore.errors import ClientloreError
from clientlore.memory.store import MemoryStore
from clientlore.monitoring.events import EVENTS, MEMBERS
from clientlore.monitoring.quiet import quiet_clients
from clientlore.monitoring.raw import CRM_ACCOUNTS, CRM_ACTIVITIES, SEARCH_RESULTS
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.quality import promises, shapes
from clientlore.quality.outcome import CheckOutcome
from clientlore.run_context import RunContext
from clientlore.runs.report import TenantOutcome
from clientlore.storage.lake import Table

PROMISED_MS = 2_000
"""Within how many milliseconds a model answers 95 % of its calls."""


@dataclass(frozen=True)
class Asked:
    """What a check may look at: the run, what the stage did, for whom, and the run's whole range of days."""

    ctx: RunContext
    outcomes: Sequence[TenantOutcome]
    tenants: Sequence[Tenant]
    days: Sequence[date]

    @property
    def ids(self) -> list[str]:
        """Ids of the tenants that are not held: what lies in the files of the others is not used."""
        with self.ctx.workspace.control.read() as connection:
            now = {x.tenant_id: x.status for x in tenants.all_tenants(connection)}
        return [x.tenant_id for x in self.tenants if now[x.tenant_id] == "active"]

    @property
    def live(self) -> list[str]:
        """Ids of the live tenants that are not held."""
        active = set(self.ids)
        return [x.tenant_id for x in self.tenants if x.mode == "live" and x.tenant_id in active]


@dataclass(frozen=True)
class Declared:
    """A check of a stage.

    Attributes:
        blocking: Whether a failure stops what comes after.
        about: What it asserts, in one sentence.
    """

    name: str
    blocking: bool
    about: str
    ask: Callable[[Asked], CheckOutcome | None]


def _tenants_done(asked: Asked) -> CheckOutcome:
    return promises.tenants_done((o.tenant_id, o.state, o.error) for o in asked.outcomes)


def _sources_answered(asked: Asked) -> CheckOutcome:
    with asked.ctx.workspace.control.read() as connection:
        return promises.sources_answered(
            connection, [x.tenant_id for x in asked.tenants], asked.days
        )


def _all_asked(asked: Asked) -> CheckOutcome:
    ids = [x.tenant_id for x in asked.tenants]
    with asked.ctx.workspace.control.read() as connection:
        return promises.all_asked(sources.waiting_for_budget(connection, ids, asked.days))


def _mock_found(asked: Asked) -> CheckOutcome:
    with asked.ctx.workspace.control.read() as connection:
        held = [
            (x.tenant_id, x.held_reason or "held")
            for x in tenants.all_tenants(connection)
            if x.status == "held" and x.tenant_id in {y.tenant_id for y in asked.tenants}
        ]
    return promises.mock_found(held)


def _mock_free(table: Table) -> Callable[[Asked], CheckOutcome]:
    def ask(asked: Asked) -> CheckOutcome:
        return promises.no_mock_left(asked.ctx.workspace.lake, table, asked.live, asked.days)

    return ask


def _shape(table: Table) -> Callable[[Asked], CheckOutcome | None]:
    def ask(asked: Asked) -> CheckOutcome | None:
        lake = asked.ctx.workspace.lake
        rows = lake.scan(table, asked.ids, asked.days)
        if table is SEARCH_RESULTS:
            # Only what this program wrote in good faith: what else lies there is for quarantine to judge.
            rows = rows.filter(pl.col("item_id").is_not_null() & pl.col("batch_id").is_not_null())
        return shapes.check_shape(table.key, lake.collect(table, rows))

    return ask


def _scores_in_range(asked: Asked) -> CheckOutcome:
    return promises.scores_in_range(asked.ctx.workspace.lake, RELEVANCE, asked.ids, asked.days)


def _all_judged(asked: Asked) -> CheckOutcome:
    waiting = {x.tenant_id: 0 for x in asked.tenants}
    for outcome in asked.outcomes:
        waiting[outcome.tenant_id] += int(outcome.counts.get("unscored", 0))
    return promises.all_judged(waiting)


def _models_in_time(asked: Asked) -> CheckOutcome:
    p95 = {x.tenant_id: 0.0 for x in asked.tenants}
    for outcome in asked.outcomes:
        found = float(outcome.counts.get("llm_p95_ms", 0))
        p95[outcome.tenant_id] = max(p95[outcome.tenant_id], found)
    return promises.models_in_time(p95, PROMISED_MS)


def _clients_heard(asked: Asked) -> CheckOutcome:
    ids = set(asked.ids)
    with asked.ctx.workspace.control.read() as connection:
        found = [
            one
            for tenant in asked.tenants
            if tenant.tenant_id in ids
            for one in quiet_clients(asked.ctx.workspace.lake, connection, tenant, max(asked.days))
        ]
    return promises.clients_heard(
        *(
            {
                x: told
                for x in sorted(ids)
                if (
                    told := [
                        one.client_id
                        for one in found
                        if one.tenant_id == x and one.answered is answered
                    ]
                )
            }
            for answered in (True, False)
        )
    )


def _members_have_events(asked: Asked) -> CheckOutcome:
    return promises.members_have_events(
        asked.ctx.workspace.lake, MEMBERS, EVENTS, asked.ids, asked.days
    )


def _index_is_whole(asked: Asked) -> CheckOutcome:
    store = MemoryStore(asked.ctx.workspace, asked.ctx.embedder)
    return promises.index_is_whole(
        {tenant: store.duplicates(tenant) for tenant in asked.ids},
        {tenant: store.behind(tenant) for tenant in asked.ids},
    )


def _dossiers_untouched(asked: Asked) -> CheckOutcome:
    return promises.dossiers_untouched({o.tenant_id: o.notes for o in asked.outcomes})


def _digests_delivered(asked: Asked) -> CheckOutcome:
    with asked.ctx.workspace.control.read() as connection:
        return promises.digests_delivered(connection, asked.ids, asked.ctx.workspace.clock.now())


_DONE = Declared("tenants_done", False, "No tenant failed in this stage.", _tenants_done)
_ANSWERED = Declared(
    "sources_answered",
    False,
    "Every source answered; no results is an answer, no answer is not.",
    _sources_answered,
)


def _free(table: Table) -> Declared:
    about = "After quarantine, no row of a live tenant is made up."
    return Declared("mock_free", True, about, _mock_free(table))


def _shaped(table: Table) -> Declared:
    about = "The rows have the shape that their Great Expectations suite describes."
    return Declared("shape", True, about, _shape(table))


CHECKS: Mapping[str, tuple[Declared, ...]] = {
    CRM_ACCOUNTS.key: (_ANSWERED, _DONE),
    "core/config_snapshot": (_DONE,),
    CRM_ACTIVITIES.key: (_ANSWERED, _DONE),
    SEARCH_RESULTS.key: (
        _shaped(SEARCH_RESULTS),
        _ANSWERED,
        Declared("all_asked", False, "No source waits for the budget of a later day.", _all_asked),
        _DONE,
    ),
    EVENTS.key: (
        Declared(
            "no_mock_in_live",
            False,
            "No made-up row was found in a live tenant; if one was, its tenant is named and held.",
            _mock_found,
        ),
        _free(EVENTS),
        _shaped(EVENTS),
        Declared(
            "members_have_events",
            True,
            "Every event has its first item, and every first item its event.",
            _members_have_events,
        ),
        _DONE,
    ),
    RELEVANCE.key: (
        Declared("scores_in_range", True, "Scores lie in 0..1 or are null.", _scores_in_range),
        _free(RELEVANCE),
        Declared("all_judged", False, "Nothing waits for the budget of judging.", _all_judged),
        Declared(
            "models_in_time",
            False,
            "Models answered 95 % of their calls within two seconds.",
            _models_in_time,
        ),
        Declared(
            "clients_heard",
            False,
            "Something was heard of every client within `quiet_after_days`.",
            _clients_heard,
        ),
        _DONE,
    ),
    "core/memory_log": (_DONE,),
    MATCHES.key: (_free(MATCHES), _DONE),
    "core/memories": (
        Declared(
            "index_is_whole",
            False,
            "Every memory stands once in the index, which has caught up with the log.",
            _index_is_whole,
        ),
        _DONE,
    ),
    "out/dossiers": (
        Declared(
            "untouched",
            False,
            "No dossier was edited by hand: they are generated, and never the truth.",
            _dossiers_untouched,
        ),
        _DONE,
    ),
    "out/deliveries": (
        Declared(
            "digests_delivered",
            False,
            "Every digest that was due in the last day was delivered.",
            _digests_delivered,
        ),
        _DONE,
    ),
    "out/retention": (_DONE,),
    "out/run_ledger": (_DONE,),
    "out/exports": (_DONE,),
}


def checks_for(
    ctx: RunContext,
    stage: str,
    outcomes: Sequence[TenantOutcome],
    chosen: Sequence[Tenant],
    days: Sequence[date],
) -> list[CheckOutcome]:
    """Carries out the checks of a stage over the run's whole range of days.

    What needs a package that is not installed is left out.
    """
    asked = Asked(ctx, outcomes, chosen, days)
    found = [_carried_out(declared, asked) for declared in CHECKS[stage]]
    return [outcome for outcome in found if outcome is not None]


def _carried_out(declared: Declared, asked: Asked) -> CheckOutcome | None:
    """What a check says; one that cannot look says so, and has not passed."""
    try:
        return declared.ask(asked)
    except (ClientloreError, OSError) as error:
        said = f"it could not be carried out: {error}"
        return CheckOutcome(
            declared.name, passed=False, description=said, blocking=declared.blocking
        )
