"""Protocols of what judges, embeds and reranks: the places where models of others are plugged in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import polars as pl

from clientlore.control.model import Client, Mode

if TYPE_CHECKING:
    import numpy as np


class Scorer(Protocol):
    """Judges items that are matched to clients.

    `method` (`rules`, `llm`) and `version` stand on every row it judges.
    """

    @property
    def method(self) -> str:
        """How it judges."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever its judgement may."""
        ...

    def score(self, items: pl.DataFrame, clients: Sequence[Client]) -> pl.DataFrame:
        """Judges.

        Args:
            items: One row for each item and client, with the columns of `monitoring.matching.match` and of the item.
            clients: The tenant's.

        Returns:
            The rows with role, score (0-1, or null where it was not judged), category, confidence, summary,
            rationale, tokens and cost_usd.
        """
        ...


@runtime_checkable
class Refining(Scorer, Protocol):
    """A scorer that has a second look at what is left once copies and what was judged before are out.

    Whatever costs money judges here, so that no pair of event and client is paid for twice.
    """

    def refine(self, judged: pl.DataFrame, clients: Sequence[Client]) -> pl.DataFrame:
        """Judges again.

        Args:
            judged: What `score` made of the items, one row for each event and client.
            clients: The tenant's.

        Returns:
            The same rows with the same columns, and `judged_by` and `judged_version` in the place of `method` and
            `version`. A row that could not be judged yet has neither score nor confidence.
        """
        ...


class Embedder(Protocol):
    """Turns texts into vectors.

    Model and dimension are part of the table's name: vectors of two models are never compared.
    """

    @property
    def model(self) -> str:
        """Its name."""
        ...

    @property
    def dimension(self) -> int:
        """Length of its vectors."""
        ...

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Array of shape (len(texts), dimension), float32, rows of length 1."""
        ...

    def close(self) -> None:
        """Closes its connections, if it has any."""
        ...


class Reranker(Protocol):
    """Says how relevant texts are to a question, looking at each together with it."""

    @property
    def model(self) -> str:
        """Its name."""
        ...

    @property
    def mode(self) -> Mode:
        """Whether what it says is real; a mock serves mock tenants only."""
        ...

    def rerank(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """The relevance of each text, in the order of the texts: the larger the better, on a scale of the model's own.

        Raises:
            ProviderError: It did not answer, or not with a relevance for each.
        """
        ...

    def close(self) -> None:
        """Closes its connections, if it has any."""
        ...
