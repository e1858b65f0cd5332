"""Words brought to their stems by Snowball's algorithms (Porter, 2001)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from clientlore.errors import ConfigurationError

if TYPE_CHECKING:
    import Stemmer


def languages() -> tuple[str, ...]:
    """Those whose words can be stemmed."""
    import Stemmer

    return tuple(sorted(Stemmer.algorithms()))


@lru_cache(maxsize=200_000)
def stem(word: str, language: str = "english") -> str:
    """The stem of a word in lower case: the same for `opens`, `opened` and `opening`.

    Raises:
        ConfigurationError: There is no stemmer for the language.
    """
    return str(_stemmer(language).stemWord(word))


@lru_cache(maxsize=8)
def _stemmer(language: str) -> Stemmer.Stemmer:
    import Stemmer

    try:
        return Stemmer.Stemmer(language)
    except KeyError:
        raise ConfigurationError(
            f"There is no stemmer for '{language}'", f"Choose one of {', '.join(languages())}."
        ) from None
