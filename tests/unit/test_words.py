"""Texts become stems."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.errors import ConfigurationError
from clientlore.memory.words import stems, stems_of
from clientlore.stemming import languages


def of(text: str | None, language: str = "english") -> list[str]:
    found: list[str] = stems(pl.Series([text], dtype=pl.String), language)[0].to_list()
    return found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Opening the FACTORIES", ["open", "factori"]),
        ("Harbor Foods' new plant, Harbor's plant", ["harbor", "food", "new", "plant", "harbor", "plant"]),
        ("Melanie\u2019s café", ["melani", "cafe"]),
        ("the and of", []),
        ("", []),
        (None, []),
        ("!!! --- \u2026", []),
        ("Q3 2026", ["q3", "2026"]),
    ],
)  # fmt: skip
def test_words_are_stemmed_and_stop_words_and_accents_are_gone(
    text: str | None, wanted: list[str]
) -> None:
    assert of(text) == wanted


def test_every_language_has_stems_of_its_own() -> None:
    assert of("Häuser", "german") == of("Haus", "german")
    assert of("Häuser") != of("Haus")
    assert {"english", "german", "french"} <= set(languages())
    with pytest.raises(ConfigurationError, match="no stemmer for 'klingon'"):
        of("qapla", "klingon")


@given(st.lists(st.text(max_size=40), max_size=6))
@settings(max_examples=40, deadline=None)
def test_each_text_has_the_stems_that_it_has_alone(texts: list[str]) -> None:
    together = stems(pl.Series(texts, dtype=pl.String)).to_list()
    assert together == [of(text) for text in texts]
    assert together == [stems_of(text) for text in texts]
