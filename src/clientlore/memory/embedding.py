"""Vectors on a tenant's budget: what all texts of one question may cost is reserved first, and settled after it.

What finds no room is not embedded: the index stays behind its log and catches up when a later day's budget allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from clientlore.control.budgets import Budget, Spent
from clientlore.control.embedding_entry import limits_of
from clientlore.control.model import Tenant
from clientlore.errors import ConfigurationError, QuotaExhaustedError
from clientlore.providers.embeddings.local import LocalEmbedder
from clientlore.providers.judging import Embedder
from clientlore.providers.limits import IN_BUDGET
from clientlore.providers.llm.prices import Price, price_of, read_prices
from clientlore.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np

PROVIDER = "embeddings"
"""Under which name vectors are budgeted."""
CHARS_PER_CALL, TEXTS_PER_CALL, CHARS_PER_TEXT = 400_000, 256, 16_000


@runtime_checkable
class Counting(Protocol):
    """An embedder that counts what it asked for."""

    calls: int
    tokens: int


@dataclass(frozen=True)
class BudgetedEmbedder:
    """An `Embedder` for one tenant.

    Args:
        inner: Makes the vectors.
        price: What its model costs; None where that is not known.
    """

    inner: Embedder
    budget: Budget
    price: Price | None = None

    @property
    def model(self) -> str:
        """See `Embedder.model`."""
        return self.inner.model

    @property
    def dimension(self) -> int:
        """See `Embedder.dimension`."""
        return self.inner.dimension

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """See `Embedder.embed`.

        Raises:
            QuotaExhaustedError: There is no room for all of the texts; none was embedded.
            ProviderError: The endpoint did not answer, or not with vectors.
        """
        if not texts:
            return self.inner.embed(texts)
        most = self._most(texts)
        room = self.budget.reserve(most)
        if room is None:
            raise QuotaExhaustedError(
                f"'{self.budget.tenant_id}' may spend {self.budget.limits} a day on vectors, and {len(texts):,} texts "
                f"may take {most.calls:,} calls and {most.tokens:,} tokens",
                "They are embedded when a later day's budget allows; or raise it under `embeddings` in the tenant "
                "file.",
                detail=IN_BUDGET,
            )
        calls, tokens = self._counted()
        spent = most
        try:
            made = self.inner.embed(texts)
        finally:
            if isinstance(self.inner, Counting):
                now_calls, now_tokens = self._counted()
                used = now_tokens - tokens
                spent = Spent(now_calls - calls, used, self._nano_usd(used))
            self.budget.settle(room, spent)
        return made

    def close(self) -> None:
        """Nothing: it belongs to all tenants."""

    def _counted(self) -> tuple[int, int]:
        return (self.inner.calls, self.inner.tokens) if isinstance(self.inner, Counting) else (0, 0)

    def _most(self, texts: Sequence[str]) -> Spent:
        """The most that the texts may cost. Two characters a token is more than nearly any text needs."""
        chars = sum(min(len(text), CHARS_PER_TEXT) for text in texts)
        tokens = chars // 2 + len(texts)
        calls = -(-len(texts) // TEXTS_PER_CALL) + chars // CHARS_PER_CALL
        return Spent(calls, tokens, self._nano_usd(tokens))

    def _nano_usd(self, tokens: int) -> int:
        return 0 if self.price is None else self.price.nano_usd(tokens, 0, 0)


def embedder_of(
    workspace: Workspace, tenant: Tenant, embedder: Embedder | None = None
) -> Embedder | None:
    """Who makes a tenant's vectors, on its budget; None where nobody does. What this machine makes costs nothing.

    Args:
        workspace: The stores.
        tenant: Whose budget.
        embedder: Takes the place of that of the environment.

    Raises:
        ConfigurationError: There is a budget in dollars, and no price is known.
    """
    inner = workspace.embedder if embedder is None else embedder
    if inner is None or isinstance(inner, LocalEmbedder):
        return inner
    limits = limits_of(tenant.settings)
    prices = read_prices(workspace.settings.llm.prices_path)
    price = price_of(prices, inner.model, workspace.clock.now().date())
    if limits.usd is not None and price is None:
        raise ConfigurationError(
            f"'{tenant.tenant_id}' has a budget in dollars, and no price of '{inner.model}' is known",
            "Add it to a price table named by CLIENTLORE_PRICES, or give budget_tokens instead.",
        )
    budget = Budget(workspace.control, workspace.clock, tenant.tenant_id, PROVIDER, limits)
    return BudgetedEmbedder(inner, budget, price)
