"""Vectors from OpenAI's embeddings API, or from whatever speaks it: Ollama, vLLM, text-embeddings-inference."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from clientlore.clock import Clock
from clientlore.errors import BadDataError, RetriableError
from clientlore.providers.llm.clients import openai_client
from clientlore.providers.llm.faults import by_status
from clientlore.providers.llm.openai import OWN_ADDRESS

if TYPE_CHECKING:
    import numpy as np

TEXTS_PER_CALL = 256
CHARS_PER_CALL = 400_000
"""A call takes 300,000 tokens in all; a token has more than two characters nearly everywhere."""
CHARS_PER_TEXT = 16_000
"""A text takes 8,191 tokens; what is longer is known by its beginning."""
TRIES = 3
PATIENCE = 20.0


class OpenAIEmbedder:
    """Makes vectors of length 1, and counts the calls and the tokens that it took.

    Args:
        model: Its name at the endpoint.
        dimension: Length of its vectors. Models that can shorten theirs are told so.
        api_key: None for a server that wants none.
        base_url: Another server's address; OpenAI's own if not given.
        variable: The environment variable that holds the key, for errors.
    """

    def __init__(
        self,
        model: str,
        dimension: int,
        *,
        api_key: str | None,
        clock: Clock,
        base_url: str | None = None,
        timeout: float = 30.0,
        variable: str = "OPENAI_API_KEY",
        rng: Random | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.model = model
        self.dimension = dimension
        self._clock = clock
        self._variable = variable
        self._client = openai_client(api_key, base_url or OWN_ADDRESS, timeout)
        self._extra: dict[str, Any] = {}
        if model.startswith("text-embedding-3"):
            self._extra["dimensions"] = dimension
        self._rng = rng or Random()  # noqa: S311 - how long to wait before a retry is no secret
        self._sleep = sleep
        self.calls = self.tokens = 0

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """See `Embedder.embed`.

        Raises:
            ProviderError: The endpoint did not answer, or not with vectors.
        """
        import numpy as np

        made = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for start, part in _parts(texts):
            vectors = np.asarray(self._asked(part), dtype=np.float32)
            if vectors.ndim != 2 or len(vectors) != len(part):
                raise BadDataError(f"{self.model} gave vectors for other texts than it was asked")
            if vectors.shape[1] != self.dimension:
                raise BadDataError(
                    f"{self.model} makes vectors of {vectors.shape[1]} numbers, not of {self.dimension}",
                    f"Set EMBEDDING_DIMENSIONS={vectors.shape[1]}.",
                )
            made[start : start + len(part)] = vectors
        lengths = np.linalg.norm(made, axis=1, keepdims=True)
        np.divide(made, lengths, out=made, where=lengths > 0)
        return made

    def _asked(self, texts: list[str]) -> list[list[float]]:
        for attempt in range(1, TRIES + 1):
            try:
                return self._once(texts)
            except RetriableError as error:
                wait = error.retry_after
                if attempt == TRIES or (wait is not None and wait > PATIENCE):
                    raise
                self._sleep(self._rng.uniform(0, 2.0**attempt) if wait is None else wait)
        raise AssertionError

    def _once(self, texts: list[str]) -> list[list[float]]:
        import openai

        self.calls += 1
        try:
            said = self._client.embeddings.create(
                model=self.model, input=texts, encoding_format="float", **self._extra
            )
            # Not every server that speaks this API says what it used.
            self.tokens += getattr(getattr(said, "usage", None), "prompt_tokens", 0)
            found = sorted(said.data, key=lambda one: one.index)
            return [one.embedding for one in found]
        except openai.APIStatusError as error:
            raise by_status(
                "The embeddings endpoint",
                self._variable,
                self.model,
                status=error.status_code,
                code=error.code or error.type,
                headers=error.response.headers,
                now=self._clock.now(),
            ) from None
        except openai.APIConnectionError:
            raise RetriableError(
                "The embeddings endpoint does not answer",
                "Check EMBEDDING_API_BASE or OPENAI_API_BASE, and the network.",
            ) from None
        except (openai.OpenAIError, AttributeError, TypeError, ValueError):
            raise BadDataError(
                "What the embeddings endpoint sent are no vectors",
                "Check EMBEDDING_API_BASE or OPENAI_API_BASE.",
            ) from None


def _parts(texts: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """The texts in calls of a size that is taken, each with the place of its first. An empty text becomes a blank."""
    part: list[str] = []
    start = chars = 0
    for place, text in enumerate(texts):
        cut = text[:CHARS_PER_TEXT] or " "
        if part and (len(part) == TEXTS_PER_CALL or chars + len(cut) > CHARS_PER_CALL):
            yield start, part
            part, start, chars = [], place, 0
        part.append(cut)
        chars += len(cut)
    if part:
        yield start, part
