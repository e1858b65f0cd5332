"""Texts as stems: lower case, without stop words and accents, each word brought to its stem (Snowball)."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import polars as pl

from clientlore.stemming import stem

_WORD = r"[\p{Alphabetic}\p{M}\p{N}]+"
_ASCII_WORD, _ASCII_POSSESSIVE = re.compile("[a-z0-9]+"), re.compile(r"'s\b", re.ASCII)
_ENGLISH_STOP = frozenset(
    re.findall(
        r"\w+",
        """a about above after again against all am an and any are as at be because been before being below between
        both but by can could d did do does doing don down during each few for from further had has have having he
        her here hers him his how i if in into is it its just ll m may me might more most must my no nor not now of
        off on once only or other our ours out over own re s same shall she should so some such t than that the their
        theirs them then there these they this those through to too under until up ve very was we were what when
        where which while who whom why will with would you your yours""",
    )
)


def stems(texts: pl.Series, language: str = "english") -> pl.Series:
    """The stems of each text, in order, repeated as often as they stand there.

    Args:
        texts: Strings; null is nothing.
        language: Whose stems; stop words are taken out of English only.

    Returns:
        Lists of strings, one for each text.

    Raises:
        ConfigurationError: There is no stemmer for the language.
    """
    frame = pl.DataFrame({"text": texts.cast(pl.String)}).with_row_index("row")
    words = (
        frame.select(
            "row",
            word=_words(pl.col("text")),
        )
        .explode("word")
        .drop_nulls("word")
    )
    known = words["word"].unique()
    stemmed = pl.DataFrame(
        {"word": known, "stem": [_stem(word, language) for word in known]},
        schema={"word": pl.String, "stem": pl.String},
    )
    found = (
        words.join(stemmed, on="word", how="left", maintain_order="left")
        .drop_nulls("stem")
        .group_by("row", maintain_order=True)
        .agg("stem")
    )
    return (
        frame.select("row")
        .join(found, on="row", how="left", maintain_order="left")["stem"]
        .fill_null(pl.lit([], dtype=pl.List(pl.String)))
    )


def stems_of(text: str, language: str = "english") -> list[str]:
    """The stems of one text, as `stems` gives them, quickly where all of its letters are ASCII's."""
    if text.isascii():
        words = _ASCII_WORD.findall(_ASCII_POSSESSIVE.sub(" ", text.lower()))
    else:
        words = pl.select(_words(pl.lit(text))).item()
    return [found for found in (_stem(word, language) for word in words) if found is not None]


def _words(text: pl.Expr) -> pl.Expr:
    # A possessive is its noun; Snowball sees the apostrophe only where it is part of the word.
    plain = text.str.to_lowercase().str.replace_all(r"['\x{2019}]s\b", " ")
    return plain.str.extract_all(_WORD)


@lru_cache(maxsize=200_000)
def _stem(word: str, language: str) -> str | None:
    """None for a stop word."""
    if language == "english" and word in _ENGLISH_STOP:
        return None
    plain = unicodedata.normalize("NFKD", stem(word, language))
    return "".join(c for c in plain if not unicodedata.combining(c)) or None
