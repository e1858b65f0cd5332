"""A reranker in one search of one tenant: what it is shown, what that may cost, and why it said nothing if so.

Nothing here fails: the order that a search has without it stands. How the two orders are put together stands in
`memory/ranking.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from clientlore.control import clients, people, tenants
from clientlore.control.budgets import Budget, Spent
from clientlore.control.judge_entry import judge_of
from clientlore.control.model import Tenant
from clientlore.control.rerank_entry import RerankEntry, rerank_of
from clientlore.errors import (
    BadDataError,
    ClientloreError,
    ConfigurationError,
    QuotaExhaustedError,
)
from clientlore.memory.embedding import Counting
from clientlore.memory.search import not_above
from clientlore.providers.judging import Reranker
from clientlore.providers.limits import IN_BUDGET
from clientlore.providers.llm.guarding import Redaction, clean
from clientlore.providers.llm.prices import (
    call_price_of,
    price_of,
    read_call_prices,
    read_prices,
)
from clientlore.workspace import Workspace

PROVIDER = "rerank"
"""Under which name reranking is budgeted."""
CHARS_PER_TEXT, CHARS_PER_QUERY = 4_000, 1_000
"""About what the models look at; what is longer is known by its beginning."""
_NANO = 1_000_000_000


@dataclass
class Reranking:
    """What a search asks, and whether it was answered.

    Attributes:
        by: The model by which hits are in order, if they are.
        why_not: What went wrong and what to do, if it did.
    """

    workspace: Workspace
    tenant_id: str
    reranker: Reranker | None = None
    by: str | None = field(default=None, init=False)
    why_not: str | None = field(default=None, init=False)

    def relevance(self, query: str, rows: pl.DataFrame) -> Mapping[int, float]:
        """How relevant hits are to a query, by their places in `rows`; hits that were not shown are missing.

        Args:
            query: The question.
            rows: The best hits, best first, with text and attributes.
        """
        try:
            return self._relevance(query, rows)
        except ClientloreError as error:
            self.why_not = str(error)
            return {}

    def _relevance(self, query: str, rows: pl.DataFrame) -> Mapping[int, float]:
        reranker = self.workspace.reranker if self.reranker is None else self.reranker
        with self.workspace.control.read() as connection:
            tenant = tenants.get_tenant(connection, self.tenant_id)
        allowed = rerank_of(tenant.settings)
        if reranker is None or allowed.up_to == "none" or rows.height < 2:
            return {}
        if reranker.mode == "mock" and tenant.mode != "mock":
            raise ConfigurationError(
                f"The mock reranks for mock tenants alone, and '{self.tenant_id}' is {tenant.mode}",
                "Name a model in RERANK_MODEL and its address in RERANK_URL.",
            )
        shown: list[int] = rows.select(n=not_above(allowed.up_to).arg_true())["n"].to_list()
        if len(shown) < 2:
            raise ConfigurationError(
                f"All but {len(shown)} of the {rows.height} best hits are above the tier '{allowed.up_to}'",
                "Raise `up_to` under `rerank` in the tenant file, if they may be sent.",
            )
        texts = rows["text"].gather(shown).to_list()
        if allowed.redact or judge_of(tenant.settings).redact:
            query, texts = self._redacted(query, texts)
        query, texts = query[:CHARS_PER_QUERY], [text[:CHARS_PER_TEXT] for text in texts]
        found = self._asked(reranker, tenant, allowed, query, texts)
        if len(found) != len(texts) or not all(map(math.isfinite, found)):
            raise BadDataError(f"{reranker.model} gave no relevance for each of {len(texts)} texts")
        self.by = reranker.model
        return dict(zip(shown, found, strict=True))

    def _redacted(self, query: str, texts: Sequence[str]) -> tuple[str, list[str]]:
        """Without personal data; the same mark stands for the same value in the question and in all texts."""
        with self.workspace.control.read() as connection:
            known = clients.contact_names(connection, self.tenant_id)
            known += [user.name for user in people.users_of(connection, self.tenant_id)]
        hidden = Redaction(known, any_case=True)
        return (
            hidden.hide(clean(query, CHARS_PER_TEXT)),
            [hidden.hide(clean(text, CHARS_PER_TEXT)) for text in texts],
        )

    def _asked(
        self,
        reranker: Reranker,
        tenant: Tenant,
        allowed: RerankEntry,
        query: str,
        texts: Sequence[str],
    ) -> Sequence[float]:
        """Asks on the tenant's budget: the most it may cost is reserved first, and settled after it.

        Raises:
            QuotaExhaustedError: There is no room; nobody was asked.
            ConfigurationError: There is a budget in dollars, and no price is known.
            ProviderError: It did not answer as it should.
        """
        if not isinstance(reranker, Counting):
            return reranker.rerank(query, texts)
        price = self._price(reranker.model, allowed)
        # Two characters a token is more than nearly any text needs; each text is read with the question.
        tokens = (sum(map(len, texts)) + len(query) * len(texts)) // 2 + len(texts)
        most = price.of(1, tokens)
        budget = Budget(
            self.workspace.control, self.workspace.clock, tenant.tenant_id, PROVIDER, allowed.limits
        )
        room = budget.reserve(most)
        if room is None:
            raise QuotaExhaustedError(
                f"'{tenant.tenant_id}' may spend {allowed.limits} a day on reranking, and {len(texts)} texts may take "
                f"{most.tokens:,} tokens",
                "Wait for another day, or raise it under `rerank` in the tenant file.",
                detail=IN_BUDGET,
            )
        calls, used = reranker.calls, reranker.tokens
        try:
            return reranker.rerank(query, texts)
        finally:
            budget.settle(room, price.of(reranker.calls - calls, reranker.tokens - used))

    def _price(self, model: str, allowed: RerankEntry) -> _Price:
        path, today = self.workspace.settings.llm.prices_path, self.workspace.clock.now().date()
        tokens = price_of(read_prices(path), model, today)
        call = call_price_of(read_call_prices(path), model, today)
        if allowed.budget_usd is not None and tokens is None and call is None:
            raise ConfigurationError(
                f"'{self.tenant_id}' has a budget in dollars, and no price of '{model}' is known",
                "Add it to a price table named by CLIENTLORE_PRICES, or give budget_calls instead.",
            )
        return _Price(0.0 if tokens is None else tokens.input, 0.0 if call is None else call)


@dataclass(frozen=True)
class _Price:
    """Dollars for a million tokens, and for a call."""

    million_tokens: float
    call: float

    def of(self, calls: int, tokens: int) -> Spent:
        return Spent(
            calls, tokens, round(tokens * self.million_tokens * 1_000 + calls * self.call * _NANO)
        )


def reranking_for(
    workspace: Workspace, tenant_id: str, reranker: Reranker | None = None
) -> Reranking | None:
    """What a search asks; None where nobody reranks.

    Args:
        workspace: The stores.
        tenant_id: Whose memory is searched.
        reranker: Takes the place of that of the environment.
    """
    wanted = workspace.settings.rerank
    if reranker is None and wanted.model is None and wanted.url is None:
        return None
    return Reranking(workspace, tenant_id, reranker)
