"""Asking sources and reading their answers: what each said and how it did. Nothing is stored here."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Literal

from clientlore.control.model import Source, SourceState
from clientlore.errors import BadDataError, ProviderError, RetriableError
from clientlore.monitoring.metering import Meters
from clientlore.providers.base import Ask, Fetched, Parsed, Provider, Response
from clientlore.providers.http import HOSTS_AT_ONCE, LONGEST_QUEUE, Http, host_of, open_client
from clientlore.providers.lanes import side_by_side
from clientlore.providers.limits import IN_BUDGET, IN_QUEUE
from clientlore.providers.registry import kind_of
from clientlore.providers.terms import storable
from clientlore.run_context import RunContext

Outcome = Literal["collected", "unchanged", "empty", "degraded", "failed", "skipped"]
LONGEST_PAUSE = timedelta(days=1)
"""The longest time for which a server's Retry-After is believed."""


@dataclass(frozen=True)
class SourceOutcome:
    """How one source did."""

    source: Source
    outcome: Outcome
    state: SourceState
    items: int = 0
    attempts: int = 0
    seconds: float = 0.0
    http_status: int | None = None
    error_kind: str | None = None
    error: str | None = None
    drift: dict[str, int] = field(default_factory=dict)
    is_stand_in: bool = False
    new: tuple[tuple[Response, Parsed | None], ...] = ()
    rejects: tuple[tuple[Response, int, str, str], ...] = ()


_NEVER = datetime.min.replace(tzinfo=UTC)


async def ask_all(
    ctx: RunContext, asks: Sequence[Ask], take: Callable[[SourceOutcome], None]
) -> None:
    """Asks the sources side by side, whoever waited longest first; never raises for one source's trouble.

    A source whose account or server is kept busy by others for `LONGEST_QUEUE` is left for a later run, which says so.

    Args:
        ctx: The run.
        asks: What is wanted of each source.
        take: Is given each outcome when it is there, in no order. Only who takes it keeps its bytes.
    """
    settings = ctx.workspace.settings
    asks = sorted(asks, key=lambda a: (a.state.last_success_at or _NEVER, a.source.source_id))
    clock = ctx.workspace.clock
    until = clock.now() + timedelta(seconds=LONGEST_QUEUE)
    async with open_client(settings.http_timeout_seconds, settings.ca_path) as client:
        http = Http(
            client,
            clock=clock,
            rng=Random(),  # noqa: S311 - jitter, not a secret
            concurrency=settings.http_concurrency,
            attempts=settings.http_attempts,
            limits=ctx.workspace.providers.limits,
        )
        meters = Meters(ctx.workspace, asks)

        async def one(ask: Ask) -> None:
            late = _too_late() if clock.now() > until else None
            take(await _ask(ctx, ask, http, meters, late))

        try:
            await side_by_side(
                asks,
                one,
                lane_of=_lane,
                in_lane=settings.http_concurrency,
                in_all=settings.http_concurrency * HOSTS_AT_ONCE,
            )
        finally:
            meters.close()


def _lane(ask: Ask) -> str:
    """The account that is asked, or the server where there is none."""
    kind = ask.source.kind
    return kind if kind_of(kind).terms is not None else host_of(ask.source.location)


def _too_late() -> RetriableError:
    return RetriableError(
        f"Others of the same account or server took {LONGEST_QUEUE:,.0f} seconds, so it was not asked",
        "It will be asked in a later run, before them; spread the clients over more hours.",
        detail=IN_QUEUE,
    )


async def _ask(
    ctx: RunContext, ask: Ask, http: Http, meters: Meters, late: ProviderError | None
) -> SourceOutcome:
    started = time.perf_counter()
    now = ctx.workspace.clock.now()
    if ask.state.not_before is not None and now < ask.state.not_before:
        until = f"{ask.state.not_before:%Y-%m-%d %H:%M} UTC"
        return SourceOutcome(
            ask.source, "skipped", ask.state, error=f"the server asked to wait until {until}"
        )
    provider = ctx.workspace.providers.get(ask.source.kind)
    try:
        if late is not None:
            raise late
        fetched = await provider.fetch(ask, http.metered(meters.of(ask)))
        outcome = _read(ctx, ask, fetched)
        if fetched.fault is not None:
            outcome = _cut_short(ask, outcome, fetched.fault, now)
    except ProviderError as error:
        if error.detail == IN_BUDGET:
            return SourceOutcome(
                ask.source, "skipped", ask.state, error_kind=IN_BUDGET, error=str(error)
            )
        outcome = _failure(ask, error, now)
        if ask.source.on_failure == "mock":
            outcome = await _made_up(ctx, ask, http, outcome)
    return replace(outcome, seconds=round(time.perf_counter() - started, 4))


def _read(ctx: RunContext, ask: Ask, fetched: Fetched) -> SourceOutcome:
    """Parses what came. The bytes are kept whatever is in them."""
    provider = ctx.workspace.providers.get(ask.source.kind)
    new: list[tuple[Response, Parsed | None]] = []
    rejects: list[tuple[Response, int, str, str]] = []
    drift = Counter[str]()
    items, degraded, error, kind, status = 0, None, None, None, None
    kind_ = kind_of(ask.source.kind)
    for response in (storable(kind_, ask.source.options, r) for r in fetched.responses):
        status = response.status
        try:
            parsed = parse(provider, response, ask.day)
        except BadDataError as failure:
            new.append((response, None))
            rejects.append((response, -1, failure.detail or "bad_data", str(failure)))
            error, kind = str(failure), failure.kind
            continue
        new.append((response, parsed))
        items += parsed.count
        drift.update(parsed.drift)
        degraded = degraded or parsed.degraded
        rejects += [(response, *reject) for reject in parsed.rejects]
    outcome: Outcome = "collected" if items else "empty"
    if not fetched.responses:
        outcome = "unchanged"
    if degraded is not None or (error is not None and items):
        outcome, error, kind = "degraded", error or degraded, kind or BadDataError.kind
    elif error is not None:
        outcome = "failed"
    # What was broken is asked for again in full, so the validators of the broken answer are not kept.
    state = fetched.state if outcome not in {"failed", "degraded"} else ask.state
    return SourceOutcome(
        source=ask.source,
        outcome=outcome,
        state=replace(state, not_before=None),
        items=items,
        attempts=fetched.attempts,
        http_status=status,
        error_kind=kind,
        error=error,
        drift=dict(drift),
        new=tuple(new),
        rejects=tuple(rejects),
    )


def parse(provider: Provider, response: Response, day: date) -> Parsed:
    """What a provider reads in a response. One that it stumbles over is bad data, and no harm to the others.

    Raises:
        BadDataError: It is not what it should be.
    """
    try:
        return provider.parse(response, day)
    except ProviderError:
        raise
    except Exception as error:
        raise BadDataError(
            f"The reader '{provider.name}' stumbled over this answer ({type(error).__name__})",
            "Report it; once that is mended, `clientlore quarantine replay` reads it again.",
        ) from error


def _failure(ask: Ask, error: ProviderError, now: datetime) -> SourceOutcome:
    state = ask.state
    if error.detail == "gone":
        state = replace(state, gone_at=state.gone_at or now)
    if isinstance(error, RetriableError) and error.retry_after:
        pause = min(error.retry_after, LONGEST_PAUSE.total_seconds())
        state = replace(state, not_before=now + timedelta(seconds=pause))
    kind = IN_BUDGET if error.detail == IN_BUDGET else error.kind
    return SourceOutcome(ask.source, "failed", state, error_kind=kind, error=str(error))


def _cut_short(
    ask: Ask, outcome: SourceOutcome, fault: ProviderError, now: datetime
) -> SourceOutcome:
    """What came before a fault, with the fault: it is kept, and asked for again since its state is not."""
    failure = _failure(ask, fault, now)
    return replace(
        outcome,
        outcome="degraded" if outcome.items else "failed",
        state=failure.state,
        error_kind=failure.error_kind,
        error=failure.error,
    )


async def _made_up(ctx: RunContext, ask: Ask, http: Http, failure: SourceOutcome) -> SourceOutcome:
    """What the mock says in place of a source that failed; counted as degraded, with the original error."""
    made = replace(ask, source=stand_in(ask.source))
    try:
        fetched = await ctx.workspace.providers.get(made.source.kind).fetch(made, http)
    except ProviderError:
        return failure
    outcome = _read(ctx, made, fetched)
    return replace(
        outcome,
        source=ask.source,
        outcome="degraded",
        state=failure.state,
        error_kind=failure.error_kind,
        error=failure.error,
        is_stand_in=True,
    )


def stand_in(source: Source) -> Source:
    """The mock in place of a source."""
    return replace(source, kind=kind_of(source.kind).stand_in)
