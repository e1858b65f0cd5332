"""The mock: it counts common words and asks nobody. Chosen by name, and for mock tenants only."""

from __future__ import annotations

import re
from collections.abc import Sequence

from clientlore.control.model import Mode

MOCK = "mock"
"""What `RERANK_MODEL` says for it."""
_WORD = re.compile(r"\w+")


class MockReranker:
    """Says that a text is as relevant as its share of the question's words."""

    model = MOCK
    mode: Mode = "mock"

    def rerank(self, query: str, texts: Sequence[str]) -> tuple[float, ...]:
        """See `Reranker.rerank`; from 0 to 1."""
        asked = _words(query)
        return tuple(len(asked & _words(text)) / max(1, len(asked)) for text in texts)

    def close(self) -> None:
        """Nothing is open."""


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))
