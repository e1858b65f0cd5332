"""Which provider serves which kind of source, and which table its rows belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clientlore.clock import Clock
from clientlore.errors import ConfigurationError
from clientlore.providers.base import Provider
from clientlore.providers.limits import Limits
from clientlore.settings import Settings

Factory = Callable[[Settings, Clock], Provider]


@dataclass(frozen=True)
class Kind:
    """A kind of source.

    Attributes:
        table: The raw table that its rows go to.
        stand_in: The kind that takes its place under `on_failure: mock`; itself a mock.
    """

    table: str
    make: Factory
    stand_in: str


def _rss(settings: Settings, clock: Clock) -> Provider:
    from clientlore.providers.search.rss import RssProvider

    return RssProvider(clock, settings.max_feed_bytes)


def _mock_search(_settings: Settings, clock: Clock) -> Provider:
    from clientlore.providers.search.mock import MockSearch

    return MockSearch(clock)


def _crm_accounts(_settings: Settings, clock: Clock) -> Provider:
    from clientlore.providers.crm.files import CrmFiles

    return CrmFiles("accounts", clock)


def _crm_activities(_settings: Settings, clock: Clock) -> Provider:
    from clientlore.providers.crm.files import CrmFiles

    return CrmFiles("activities", clock)


def _mock_accounts(_settings: Settings, clock: Clock) -> Provider:
    from clientlore.providers.crm.mock import MockCrm

    return MockCrm("accounts", clock)


def _mock_activities(_settings: Settings, clock: Clock) -> Provider:
    from clientlore.providers.crm.mock import MockCrm

    return MockCrm("activities", clock)


KINDS: Mapping[str, Kind] = {
    "rss": Kind("search_results", _rss, "mock_search"),
    "mock_search": Kind("search_results", _mock_search, "mock_search"),
    "crm_accounts": Kind("crm_accounts", _crm_accounts, "mock_accounts"),
    "mock_accounts": Kind("crm_accounts", _mock_accounts, "mock_accounts"),
    "crm_activities": Kind("crm_activities", _crm_activities, "mock_activities"),
    "mock_activities": Kind("crm_activities", _mock_activities, "mock_activities"),
}


class Providers:
    """The providers of a process, made when first asked for. Tests and callers may put in their own.

    Args:
        settings: Limits and credentials.
        clock: The present.
        overrides: Providers by kind that take the place of the usual ones.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        overrides: Mapping[str, Provider] | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._made: dict[str, Provider] = dict(overrides or {})
        self.limits = Limits()

    def get(self, kind: str) -> Provider:
        """The provider of a kind of source.

        Raises:
            ConfigurationError: There is no such kind.
        """
        if kind not in self._made:
            if kind not in KINDS:
                raise ConfigurationError(
                    f"There is no kind of source '{kind}'", f"Known: {', '.join(KINDS)}."
                )
            self._made[kind] = KINDS[kind].make(self._settings, self._clock)
        return self._made[kind]
