"""Who makes vectors, as the environment says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clientlore.clock import Clock
from clientlore.providers.embeddings.local import PREFIX, LocalEmbedder
from clientlore.settings import Settings

if TYPE_CHECKING:
    from clientlore.providers.judging import Embedder


def embedder_for(settings: Settings, clock: Clock) -> Embedder | None:
    """The embedder that the environment names; None where it names no model.

    Raises:
        ConfigurationError: The client library is not installed.
    """
    wanted = settings.embedding
    if wanted.model is None:
        return None
    if wanted.model.startswith(PREFIX):
        return LocalEmbedder(wanted.model.removeprefix(PREFIX))
    from clientlore.providers.embeddings.openai import OpenAIEmbedder

    if wanted.api_base is not None or wanted.api_key is not None:
        # A key goes to no address but the one that it is given for.
        key, base, variable = wanted.api_key, wanted.api_base, "EMBEDDING_API_KEY"
    else:
        key, base, variable = settings.openai_api_key, settings.openai_api_base, "OPENAI_API_KEY"
    return OpenAIEmbedder(
        wanted.model,
        wanted.dimensions,
        api_key=None if key is None else key.get_secret_value(),
        clock=clock,
        base_url=base,
        timeout=wanted.timeout_seconds,
        variable=variable,
    )
