"""Collection: ask every source of a tenant at once, keep the bytes, note how each did.

What comes is stored while others are still asked, so that memory does not grow with what all of them say, and what is
stored stays so if the process dies. One source's failure marks that source and its client; the others go on. What a
source said last (ETag, moved, gone) is stored only after what it covers is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from clientlore.control import forgotten, quarantine, sources
from clientlore.control.model import Client, Source, SourceState, Tenant
from clientlore.errors import BadDataError, ConfigurationError
from clientlore.monitoring import raw
from clientlore.monitoring.asking import SourceOutcome, ask_all, parse, stand_in
from clientlore.providers.base import Ask, Parsed, Response
from clientlore.providers.limits import IN_BUDGET
from clientlore.providers.registry import kind_of
from clientlore.providers.waiting import run
from clientlore.run_context import RunContext
from clientlore.storage.lake import Table

STORE_AT = 16_000_000
"""Bytes of answers that are held before they are stored."""
WEIGHT = 10_000
"""Bytes that an answer counts beside its own: what was read in it is held with it."""


@dataclass(frozen=True)
class Collected:
    """How a collection did."""

    outcomes: tuple[SourceOutcome, ...]
    rows: int
    healed: int

    @property
    def failed(self) -> list[SourceOutcome]:
        """Sources that gave nothing that can be used."""
        return [o for o in self.outcomes if o.outcome == "failed"]

    @property
    def degraded(self) -> list[SourceOutcome]:
        """Sources that gave a part, or were replaced by their mock."""
        return [o for o in self.outcomes if o.outcome == "degraded"]

    @property
    def waiting(self) -> list[SourceOutcome]:
        """Sources that were not asked, or not to the end, for want of budget."""
        return [o for o in self.outcomes if o.error_kind == IN_BUDGET]

    def counts(self) -> dict[str, int]:
        """How many sources had each outcome, and the rows that are new."""
        by_outcome = Counter(o.outcome for o in self.outcomes)
        return {
            "sources": len(self.outcomes),
            **dict(sorted(by_outcome.items())),
            **({"waiting": len(self.waiting)} if self.waiting else {}),
            "rows": self.rows,
        }

    def drift(self) -> dict[str, int]:
        """Fields that no adapter knows, over all sources."""
        total = Counter[str]()
        for outcome in self.outcomes:
            total.update(outcome.drift)
        return dict(total.most_common(20))


def collect(
    ctx: RunContext,
    tenant: Tenant,
    day: date,
    table: Table,
    *,
    known_sources: Sequence[Source],
    clients: Sequence[Client],
    only_clients: frozenset[str] = frozenset(),
    owners: tuple[str, ...] = (),
) -> Collected:
    """Collects one raw table of one (tenant, day).

    Args:
        ctx: The run.
        tenant: Whose sources.
        day: The UTC day that the rows belong to.
        table: `SEARCH_RESULTS`, `CRM_ACCOUNTS` or `CRM_ACTIVITIES`.
        known_sources: Those of the tenant; the ones for other tables are left out.
        clients: Its clients.
        only_clients: If given, only sources bound to one of these are asked.
        owners: Mail addresses a made-up CRM may use.

    Raises:
        ConfigurationError: `force_mock` for a live tenant.
        StoreError: What came could not be stored; the sources will be asked again.
    """
    if ctx.scope.force_mock and tenant.mode == "live":
        raise ConfigurationError(
            f"force_mock would make up data for the live tenant '{tenant.tenant_id}'",
            "Use it with a tenant that was created with 'mode: mock'.",
        )
    workspace = ctx.workspace
    healed = _heal(ctx, tenant.tenant_id, day)
    wanted = [
        stand_in(s) if ctx.scope.force_mock else s
        for s in known_sources
        if ctx.scope.collect
        and kind_of(s.kind).table == table.name
        and (not only_clients or s.client_id in only_clients)
    ]
    with workspace.control.read() as connection:
        states = sources.states_of(connection, tenant.tenant_id)
    by_id = {c.client_id: c for c in clients}
    everybody = tuple(clients)
    asks = [
        Ask(
            source=source,
            client=by_id.get(source.client_id or ""),
            clients=everybody,
            day=day,
            is_today=workspace.clock.now().date() == day,
            state=states.get(source.source_id, SourceState()),
            owners=owners,
        )
        for source in wanted
    ]
    seen = raw.seen_bodies(workspace.lake, tenant.tenant_id, day)
    shelf = _Shelf(ctx, tenant.tenant_id, day, table, seen)
    if asks:
        run(ask_all(ctx, asks, shelf.take))
        shelf.store()
    return Collected(tuple(shelf.stored[s.source_id] for s in wanted), shelf.rows, healed)


@dataclass
class _Shelf:
    """Where outcomes wait until there are enough to be stored together.

    Attributes:
        seen: The answers that are stored for the day already, as pairs of source and SHA-256.
        stored: Outcomes by source, without what came.
        rows: How many rows were stored.
    """

    ctx: RunContext
    tenant_id: str
    day: date
    table: Table
    seen: set[tuple[str, str]]
    stored: dict[str, SourceOutcome] = field(default_factory=dict)
    rows: int = 0
    _waiting: list[SourceOutcome] = field(default_factory=list)
    _weight: int = 0
    _collected_at: datetime | None = None
    _parts: int = 0

    def take(self, outcome: SourceOutcome) -> None:
        """Puts one in, and stores all that wait where they have become too heavy.

        Raises:
            StoreError: They could not be stored; their sources will be asked again.
        """
        outcome = _only_unseen(outcome, self.seen)
        self._waiting.append(outcome)
        self._weight += WEIGHT + sum(len(response.body) for response, _ in outcome.new)
        if self._weight >= STORE_AT:
            self.store()

    def store(self) -> None:
        """Stores all that wait; what cannot be stored is not tried twice."""
        outcomes, self._waiting, self._weight = self._waiting, [], 0
        # One instant for all parts, as if nothing had been in two.
        self._collected_at = self._collected_at or self.ctx.workspace.clock.now()
        batch = raw.Batch.new(
            self.tenant_id,
            self.day,
            self.table,
            self._collected_at,
            self.ctx.run_id,
            part=self._parts,
        )
        self.rows += _store(self.ctx, batch, outcomes)
        self._parts += 1
        self.stored |= {o.source.source_id: _without_bytes(o) for o in outcomes}


def _without_bytes(outcome: SourceOutcome) -> SourceOutcome:
    """How a source did, without what it said."""
    rejects = tuple(
        (replace(response, body=b""), position, reason, detail)
        for response, position, reason, detail in outcome.rejects
    )
    return replace(outcome, new=(), rejects=rejects)


def _only_unseen(outcome: SourceOutcome, seen: set[tuple[str, str]]) -> SourceOutcome:
    """Without the answers that are stored for the day already; nothing is kept twice."""
    new = tuple(
        (response, parsed)
        for response, parsed in outcome.new
        if (response.source_id, response.body_sha) not in seen
    )
    if outcome.new and not new and outcome.outcome in {"collected", "empty"}:
        return replace(outcome, new=(), outcome="unchanged")
    return replace(outcome, new=new)


def _store(ctx: RunContext, batch: raw.Batch, outcomes: Sequence[SourceOutcome]) -> int:
    """Stores what came: bytes, quarantine, rows, and last of all what the sources said."""
    workspace, tenant_id, day = ctx.workspace, batch.tenant_id, batch.day
    with workspace.control.read() as connection:
        gate = forgotten.gate(connection, tenant_id)
    new = [_let_in(gate, r, parsed) for outcome in outcomes for r, parsed in outcome.new]
    rows = 0
    if new:
        raw.store_responses(workspace.lake, batch, [response for response, _ in new])
        fresh = {id(response) for outcome in outcomes for response, _ in outcome.new}
        rejects = [r for o in outcomes for r in o.rejects if id(r[0]) in fresh]
        _quarantine(ctx, batch, rejects)
        rows = raw.store_rows(workspace.lake, batch, [(r, p) for r, p in new if p is not None])
    now = workspace.clock.now()
    with workspace.control.write() as connection:
        states = sources.states_of(connection, tenant_id)
        sources.put_states(
            connection,
            [
                _state_row(tenant_id, o, states.get(o.source.source_id, SourceState()), now)
                for o in outcomes
                if o.outcome != "skipped"
            ],
        )
        sources.put_collections(
            connection, [_collection_row(tenant_id, day, o, ctx.run_id, now) for o in outcomes]
        )
    return rows


def _let_in(
    gate: forgotten.Gate, response: Response, parsed: Parsed | None
) -> tuple[Response, Parsed | None]:
    """What may be kept of a response: nothing of somebody who was forgotten, and then not its bytes either."""
    if not gate or parsed is None:
        return response, parsed
    accounts = [
        replace(a, contact_name=None, contact_email=None, contact_role=None)
        if gate.knows(a.contact_name, a.contact_email)
        else a
        for a in parsed.accounts
        if not gate.knows(a.account_id, a.name, a.domain)
    ]
    kept = replace(
        parsed,
        items=tuple(i for i in parsed.items if not gate.knows(i.author)),
        accounts=tuple(accounts),
        contacts=tuple(
            c
            for c in parsed.contacts
            if not gate.knows(c.contact_id, c.account_id, c.name, c.email, c.phone)
        ),
        owners=tuple(o for o in parsed.owners if not gate.knows(o.owner_id, o.email, o.name)),
        activities=tuple(a for a in parsed.activities if not gate.knows(a.account_id)),
    )
    if kept == parsed:
        return response, parsed
    return replace(response, body=b""), kept


def _quarantine(
    ctx: RunContext, batch: raw.Batch, rejects: Sequence[tuple[Response, int, str, str]]
) -> None:
    rows = [
        quarantine.Reject(
            f"response:{response.response_id(batch.batch_id)}#{position}",
            reason,
            detail,
            response.source_id,
        )
        for response, position, reason, detail in rejects
    ]
    with ctx.workspace.control.write() as connection:
        quarantine.put_rejects(
            connection,
            tenant_id=batch.tenant_id,
            day=batch.day,
            stage=batch.table.key,
            rejects=rows,
            run_id=ctx.run_id,
            now=ctx.workspace.clock.now(),
            complete=False,
        )


def _heal(ctx: RunContext, tenant_id: str, day: date) -> int:
    """Reads the responses of batches whose process died before their rows were written."""
    lake = ctx.workspace.lake
    half_written = raw.unparsed(lake, tenant_id, day)
    for batch_id in half_written:
        reread(ctx, raw.load_responses(lake, tenant_id, day, batch_id=batch_id))
    return len(half_written)


def reread(ctx: RunContext, stored: Sequence[tuple[raw.Batch, Response]]) -> int:
    """Parses stored responses of one batch and writes the rows found in them; returns how many."""
    rejects: list[tuple[Response, int, str, str]] = []
    parsed: list[tuple[Response, Parsed]] = []
    for batch, response in stored:
        provider = ctx.workspace.providers.get(response.provider)
        try:
            found = parse(provider, response, batch.day)
        except BadDataError as failure:
            rejects.append((response, -1, failure.detail or "bad_data", str(failure)))
            continue
        parsed.append((response, found))
        rejects += [(response, *reject) for reject in found.rejects]
    if not stored:
        return 0
    batch = stored[0][0]
    _quarantine(ctx, batch, rejects)
    return raw.store_rows(ctx.workspace.lake, batch, parsed)


def _state_row(
    tenant_id: str, outcome: SourceOutcome, before: SourceState, now: datetime
) -> dict[str, Any]:
    failed = outcome.outcome == "failed" or outcome.is_stand_in
    state = outcome.state
    return {
        "tenant_id": tenant_id,
        "source_id": outcome.source.source_id,
        "etag": state.etag,
        "last_modified": state.last_modified,
        "moved_to": state.moved_to,
        "gone_at": state.gone_at,
        "not_before": state.not_before,
        "synced_to": _later(state.synced_to, before.synced_to),
        "last_success_at": before.last_success_at if failed else now,
        "last_failure_at": now if failed else before.last_failure_at,
        "last_error": outcome.error,
        "consecutive_failures": before.consecutive_failures + 1 if failed else 0,
    }


def _later(first: datetime | None, second: datetime | None) -> datetime | None:
    """A mark of how far a source was read never goes back."""
    return max((at for at in (first, second) if at is not None), default=None)


def _collection_row(
    tenant_id: str, day: date, outcome: SourceOutcome, run_id: str, now: datetime
) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "day": day,
        "source_id": outcome.source.source_id,
        "client_id": outcome.source.client_id,
        "outcome": outcome.outcome,
        "error_kind": outcome.error_kind,
        "error": outcome.error,
        "http_status": outcome.http_status,
        "attempts": outcome.attempts,
        "items": outcome.items,
        "seconds": outcome.seconds,
        "run_id": run_id,
        "updated_at": now,
    }
