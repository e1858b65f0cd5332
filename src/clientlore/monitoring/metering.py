"""Which budget the questions of a collection are put on: one for each tenant and provider with terms of its own."""

from __future__ import annotations

from collections.abc import Sequence

from clientlore.control import tenants
from clientlore.control.budgets import NANO, Budget
from clientlore.control.search_entry import limits_for
from clientlore.errors import PermanentError, ProviderError
from clientlore.providers.base import Ask
from clientlore.providers.llm.prices import call_price_of, read_call_prices
from clientlore.providers.metering import Meter
from clientlore.providers.registry import kind_of
from clientlore.workspace import Workspace

_Key = tuple[str, str]


class Meters:
    """The meters of a collection.

    Args:
        workspace: The stores, and the table of prices.
        asks: Everything that will be asked; a small budget is for the first of them.
    """

    def __init__(self, workspace: Workspace, asks: Sequence[Ask]) -> None:
        self._workspace = workspace
        self._meters: dict[_Key, Meter] = {}
        self._refused: dict[_Key, ProviderError] = {}
        self._waiting: set[int] = set()
        wanted: dict[_Key, list[Ask]] = {}
        for ask in asks:
            if kind_of(ask.source.kind).terms is not None:
                wanted.setdefault((ask.source.tenant_id, ask.source.kind), []).append(ask)
        for key, theirs in wanted.items():
            self._open(key, theirs)

    def of(self, ask: Ask) -> Meter | None:
        """The meter that counts the calls for an ask; None where nobody counts.

        Raises:
            ProviderError: It must not be asked at all.
        """
        key = (ask.source.tenant_id, ask.source.kind)
        if key in self._refused:
            raise self._refused[key]
        meter = self._meters.get(key)
        if meter is not None and id(ask) in self._waiting:
            raise meter.refusal()
        return meter

    def close(self) -> None:
        """Settles all of them."""
        for meter in self._meters.values():
            meter.close()

    def _open(self, key: _Key, asks: Sequence[Ask]) -> None:
        tenant_id, provider = key
        workspace, now = self._workspace, self._workspace.clock.now()
        with workspace.control.read() as connection:
            limits = limits_for(tenants.get_tenant(connection, tenant_id).settings, provider)
        price = call_price_of(
            read_call_prices(workspace.settings.llm.prices_path), provider, now.date()
        )
        if limits.usd is not None and price is None:
            self._refused[key] = PermanentError(
                f"'{tenant_id}' has a budget in dollars, and no price of a call to '{provider}' is known",
                "Add it to a price table named by CLIENTLORE_PRICES, or give budget_calls instead.",
            )
            return
        budget = Budget(workspace.control, workspace.clock, tenant_id, provider, limits)
        meter = Meter(kind_of(provider).title or provider, budget, round((price or 0.0) * NANO))
        self._meters[key] = meter
        asked = [a for a in asks if a.state.not_before is None or a.state.not_before <= now]
        room = meter.prepare(len(asked))
        self._waiting |= {id(ask) for ask in asked[room:]}
