"""Who reranks, as the environment says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clientlore.clock import Clock
from clientlore.errors import ConfigurationError
from clientlore.providers.limits import Limits
from clientlore.providers.reranking.mock import MOCK, MockReranker
from clientlore.settings import RerankSettings, Settings

if TYPE_CHECKING:
    from clientlore.providers.judging import Reranker


def missing(wanted: RerankSettings) -> tuple[str, ...]:
    """The variables without which nobody can be asked."""
    if wanted.model == MOCK:
        return ()
    needed = {"RERANK_MODEL": wanted.model, "RERANK_URL": wanted.url}
    return tuple(name for name, value in needed.items() if value is None)


def reranker_for(settings: Settings, clock: Clock, limits: Limits) -> Reranker | None:
    """The reranker that the environment names; None where it names neither model nor address.

    Args:
        settings: Those of the environment.
        clock: The present.
        limits: Those of the process, so that an account that goes on failing is left alone.

    Raises:
        ConfigurationError: It names only one of the two.
    """
    wanted = settings.rerank
    if wanted.model is None and wanted.url is None:
        return None
    if wanted.model == MOCK:
        return MockReranker()
    if wanted.model is None or wanted.url is None:
        (absent,) = missing(wanted)
        raise ConfigurationError(
            f"A reranker is named without {absent}", f"Set {absent} too, or unset the other."
        )
    from clientlore.providers.reranking.http import HttpReranker

    return HttpReranker(
        wanted.model,
        wanted.url,
        api_key=wanted.api_key,
        clock=clock,
        limits=limits,
        attempts=settings.http_attempts,
        timeout=wanted.timeout_seconds,
        ca=settings.ca_path,
    )
