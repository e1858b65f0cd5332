"""Which provider serves which kind of source, and which table its rows belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from clientlore import plugins
from clientlore.clock import Clock
from clientlore.errors import ConfigurationError
from clientlore.providers.base import Provider
from clientlore.providers.kinds import Kind
from clientlore.providers.limits import Limits
from clientlore.settings import Settings


def _rss(settings: Settings, clock: Clock) -> Provider:
    from clientlore.providers.search.rss import RssProvider

    return RssProvider(clock, settings.max_feed_bytes, contact=settings.search.edgar_contact)


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


_SHIPPED: Mapping[str, Kind] = {
    "rss": Kind("search_results", _rss, "mock_search", title="RSS and Atom"),
    "mock_search": Kind("search_results", _mock_search, "mock_search"),
    "crm_accounts": Kind("crm_accounts", _crm_accounts, "mock_accounts"),
    "mock_accounts": Kind("crm_accounts", _mock_accounts, "mock_accounts"),
    "crm_activities": Kind("crm_activities", _crm_activities, "mock_activities"),
    "mock_activities": Kind("crm_activities", _mock_activities, "mock_activities"),
}

_CRM_KINDS = {kind: crm for crm, kinds in plugins.CRMS.items() for kind in kinds}


class _Kinds(Mapping[str, Kind]):
    """Those that ship, and those that other packages bring; an adapter is loaded when its kind is looked at."""

    def __getitem__(self, name: str) -> Kind:
        if name in _SHIPPED:
            return _SHIPPED[name]
        if name in plugins.SEARCHABLE:
            found = import_module(f"clientlore.providers.search.{name}").KIND
        elif name in _CRM_KINDS:
            module = import_module(f"clientlore.providers.crm.{_CRM_KINDS[name]}")
            found = module.KINDS[name]
        elif name in plugins.brought():
            found = plugins.load(name)
        else:
            raise KeyError(name)
        if not isinstance(found, Kind):
            raise ConfigurationError(
                f"The provider '{name}' is {type(found).__name__}, not a Kind",
                "Its entry point must name a clientlore.providers.kinds.Kind.",
            )
        return found

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys((*_SHIPPED, *_CRM_KINDS, *plugins.SEARCHABLE, *plugins.brought()))

    def __len__(self) -> int:
        return len(list(iter(self)))


KINDS: Mapping[str, Kind] = _Kinds()


def kind_of(name: str) -> Kind:
    """The kind of that name.

    Raises:
        ConfigurationError: There is none.
    """
    try:
        return KINDS[name]
    except KeyError:
        raise ConfigurationError(
            f"There is no kind of source '{name}'", f"Known: {', '.join(KINDS)}."
        ) from None


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
            self._made[kind] = kind_of(kind).make(self._settings, self._clock)
        return self._made[kind]
