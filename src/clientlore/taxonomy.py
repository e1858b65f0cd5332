"""The one list of categories an event can have, and what each means."""

from __future__ import annotations

from collections.abc import Mapping

CATEGORIES: Mapping[str, str] = {
    "funding": "raises, lends or issues money: rounds, bonds, offerings, credit",
    "m_and_a": "buys, sells, merges, takes a stake, spins off",
    "leadership": "people at the top come, go or change seats",
    "legal_regulatory": "courts, regulators, investigations, fines, permits, compliance",
    "product": "launches, updates, recalls or ends what it sells",
    "earnings": "results, guidance, dividends, forecasts",
    "partnership": "alliances, contracts, customers and suppliers won",
    "risk": "layoffs, strikes, outages, breaches, defaults, accidents, downgrades",
    "expansion": "new sites, markets, hiring, investment in capacity",
    "award": "prizes, rankings, certificates",
    "other": "none of these",
}
CATEGORY_NAMES: tuple[str, ...] = tuple(CATEGORIES)
_LABELS = {"m_and_a": "M&A", "legal_regulatory": "Legal and regulatory"}


def label(category: str) -> str:
    """A category, or a kind of activity, as people write it: `M&A`, `Leadership`."""
    return _LABELS.get(category, category.replace("_", " ").capitalize())


CATEGORY_LABELS: Mapping[str, str] = {name: label(name) for name in CATEGORIES}
