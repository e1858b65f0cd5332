"""The names of the providers that can be searched and of the CRMs: those that ship, and those that others bring.

Names and their few rules only, so that a tenant file can be checked without loading one adapter. Not here: how they
are asked (`clientlore.providers`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from clientlore.errors import ConfigurationError

GROUP = "clientlore.providers"
"""The entry-point group: `name = "package.module:KIND"`, where `KIND` is a `clientlore.providers.kinds.Kind`."""
SEARCH_TABLE = "search_results"
ACCOUNTS_TABLE = "crm_accounts"


@dataclass(frozen=True)
class Searchable:
    """A provider that is asked about one client at a time.

    Attributes:
        consent: What the owner accepts by using it, where that must be said; None where nothing.
        listed_only: It knows only companies with a ticker or a CIK.
    """

    consent: str | None = None
    listed_only: bool = False


SEARCHABLE: Mapping[str, Searchable] = {
    "serper": Searchable(),
    "brave": Searchable(),
    "tavily": Searchable(),
    "newsapi": Searchable(),
    "gdelt": Searchable(),
    "hacker_news": Searchable(),
    "edgar": Searchable(listed_only=True),
    "edgar_full_text": Searchable(),
    "google_news": Searchable(
        consent="its feeds are for personal, non-commercial use in a feed reader"
    ),
    "google_search": Searchable(),
    "vertex_search": Searchable(),
}

CRMS: Mapping[str, tuple[str, ...]] = {
    "salesforce": ("salesforce_accounts", "salesforce_activities"),
    "hubspot": ("hubspot_accounts", "hubspot_activities"),
}
"""Each CRM that can be asked, with its kinds of source: `NAME_accounts`, and `NAME_activities` where there are any."""


@functools.cache
def brought() -> Mapping[str, EntryPoint]:
    """The providers that other packages bring, by name; not loaded."""
    return {point.name: point for point in entry_points(group=GROUP)}


def load(name: str) -> Any:
    """The `Kind` that another package brings.

    Raises:
        ConfigurationError: It cannot be loaded; the message names the entry point.
    """
    point = brought()[name]
    try:
        return point.load()
    except Exception as error:
        raise ConfigurationError(
            f"The provider '{name}' ({point.value}) cannot be loaded: {type(error).__name__}: {error}",
            "Mend or uninstall the package that brings it.",
        ) from error


def searchable() -> Mapping[str, Searchable]:
    """Every provider that may stand under `search:` in a tenant file."""
    others = {
        name: Searchable()
        for name in brought()
        if getattr(load(name), "table", None) == SEARCH_TABLE
    }
    return {**others, **SEARCHABLE}


def crms() -> Mapping[str, tuple[str, ...]]:
    """Every CRM that may stand under `crm:` in a tenant file, with its kinds of source."""
    others = {}
    for name in brought():
        stem = name.removesuffix("_accounts")
        if stem != name and getattr(load(name), "table", None) == ACCOUNTS_TABLE:
            both = (name, f"{stem}_activities")
            others[stem] = tuple(kind for kind in both if kind in brought())
    return {**others, **CRMS}
