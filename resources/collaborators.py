"""Who judges and who embeds: put others in their place with `build_defs(resources={"scorer": ...})`."""

from __future__ import annotations

from typing import Literal

import dagster as dg
from pydantic import Field

from clientlore.monitoring.relevance import RulesScorer
from clientlore.providers.judging import Embedder, Scorer


class ScorerResource(dg.ConfigurableResource[None]):
    """Who judges relevance and category."""

    kind: Literal["tenant", "rules"] = Field(
        default="tenant",
        description="`tenant`: as each tenant's file says under `judge`. `rules`: those for everybody; they need no "
        "key and cost nothing.",
    )

    def scorer(self) -> Scorer | None:
        """The library's scorer; None where each tenant has its own."""
        return RulesScorer() if self.kind == "rules" else None


class EmbedderResource(dg.ConfigurableResource[None]):
    """Who makes vectors of memories."""

    kind: Literal["environment"] = Field(
        default="environment",
        description="The endpoint and model that EMBEDDING_MODEL names. Without it search is by words alone, and "
        "says so.",
    )

    def embedder(self) -> Embedder | None:
        """The library's embedder; None where it is as the environment says."""
        return None
