"""Relevance with no key: the rules, and a classifier that was trained on labelled news.

    score      = the rules' score, or the same with 0.3 * p in the place of 0.3 * k where that is more
    confidence = how sure it is that the client is meant * p          p: of the category, see `categories`

So the rules are the floor: what they see counts, whatever the classifier says. Where they are as sure as they can be of
one category, it is that; if the classifier says otherwise, the confidence is halved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from clientlore.control.model import Client
from clientlore.monitoring.categories import by_both
from clientlore.monitoring.classifier import Classifier, shipped
from clientlore.monitoring.relevance import RulesScorer
from clientlore.monitoring.rules import RULES_VERSION
from clientlore.taxonomy import CATEGORY_LABELS

CLEAR_LEAD = 0.5
"""The rules are sure of a category that leads by this much, or more, of its hits."""


@dataclass(frozen=True)
class LocalScorer:
    """Judges by rules and classifier, at no cost."""

    model: Classifier = field(default_factory=shipped, repr=False)
    method: str = "local"

    @property
    def version(self) -> str:
        """That of the rules and of the model."""
        return f"{RULES_VERSION}:{self.model.version}"

    def score(self, items: pl.DataFrame, clients: Sequence[Client]) -> pl.DataFrame:
        """See `Scorer.score`; `local_category` and `local_confidence` are what is said here, whoever judges after."""
        judged = with_local_category(RulesScorer().score(items, clients), self.model)
        p = pl.col("local_confidence").fill_null(0.0)
        by_rules = (
            pl.when(pl.col("category") == "other")
            .then(-0.1)
            .otherwise(0.3 * pl.col("strength_of_category"))
        )
        here = pl.when(pl.col("local_category") == "other").then(-0.1).otherwise(0.3 * p)
        turned = pl.col("category") != pl.col("local_category")
        clear = (pl.col("strength_of_category") == 1) & (pl.col("lead_of_category") >= CLEAR_LEAD)
        category = pl.when(clear).then("category").otherwise("local_category")
        sure = pl.when(clear & turned).then(0.5).otherwise(p)
        told = pl.col("local_category").replace(CATEGORY_LABELS)
        return judged.with_columns(
            score=(pl.col("score") + pl.max_horizontal(by_rules, here) - by_rules)
            .clip(0.0, 1.0)
            .round(4),
            category=category,
            confidence=pl.when(pl.col("local_confidence").is_null())
            .then("confidence")
            .otherwise((pl.col("strength") * sure).round(4)),
            rationale=pl.when(turned)
            .then(pl.format("{}; by its wording {} ({})", "rationale", told, p.round(2)))
            .otherwise("rationale"),
        )


def with_local_category(judged: pl.DataFrame, model: Classifier) -> pl.DataFrame:
    """Adds `local_category` and `local_confidence` to what the rules judged."""
    told = by_both(judged, model)
    return judged.with_columns(
        local_category=told["category"], local_confidence=told["confidence"]
    ).drop("rule_hits")
