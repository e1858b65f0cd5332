"""Near-duplicates: candidates by MinHash, the decision by exact overlap, the veto of names and numbers."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.monitoring.nearduplicates import (
    BUCKET,
    CONTAINMENT,
    JACCARD,
    MIN_SHINGLES,
    PERMUTATIONS,
    SHINGLE,
    candidates,
    confirm,
    signatures,
)
from clientlore.monitoring.normalise import plain_words


def _run(start: int, length: int) -> str:
    return " ".join(f"w{n}" for n in range(start, start + length))


def _pairs(*texts: str, first_new: int = 0) -> list[tuple[int, int]]:
    return candidates(signatures(pl.Series(texts, dtype=pl.String)), first_new).rows()


def _confirm(text_a: str, text_b: str) -> list[dict[str, Any]]:
    pair = {
        "earlier": 0,
        "later": 1,
        "words_a": plain_words(text_a),
        "words_b": plain_words(text_b),
        "text_a": text_a,
        "text_b": text_b,
    }
    return confirm(pl.DataFrame([pair])).to_dicts()


def test_a_signature_has_one_number_for_each_permutation_and_is_always_the_same() -> None:
    made = signatures(pl.Series([_run(0, 20), _run(0, 20), _run(5, 20)]))
    assert made.list.len().to_list() == [PERMUTATIONS] * 3
    assert made[0].to_list() == made[1].to_list() != made[2].to_list()
    assert signatures(pl.Series([_run(0, 20)]))[0].to_list() == made[0].to_list()


def test_a_text_without_one_shingle_has_no_signature() -> None:
    made = signatures(pl.Series(["", "two words", None, _run(0, SHINGLE)], dtype=pl.String))
    assert made.is_null().to_list() == [True, True, True, False]


def test_no_texts_have_no_signatures_and_no_candidates() -> None:
    made = signatures(pl.Series([], dtype=pl.String))
    assert made.len() == 0
    assert candidates(made, 0).is_empty()
    assert confirm(pl.DataFrame(schema={"earlier": pl.Int64, "later": pl.Int64})).is_empty()


def test_equal_texts_are_candidates_and_unlike_ones_are_not() -> None:
    assert _pairs(_run(0, 40), _run(500, 40), _run(0, 40)) == [(0, 2)]


def test_of_a_pair_the_later_one_is_new() -> None:
    same = [_run(0, 40)] * 4
    assert _pairs(*same, first_new=2) == [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    assert _pairs(*same, first_new=3) == [(0, 3), (1, 3), (2, 3)]
    assert _pairs(*same, first_new=4) == []


def test_a_popular_text_is_compared_with_a_bounded_number_of_earlier_ones() -> None:
    pairs = _pairs(*[_run(0, 40)] * (BUCKET + 15))
    of_the_last = [earlier for earlier, later in pairs if later == BUCKET + 14]
    assert of_the_last == list(range(BUCKET))


@given(st.integers(0, 400), st.integers(60, 160), st.integers(0, 10))
@settings(max_examples=25, deadline=None)
def test_a_pair_that_shares_most_shingles_is_found(start: int, length: int, added: int) -> None:
    # Similarity is at least 50 / 60; the bands miss such a pair less than once in a thousand million.
    assert _pairs(_run(start, length), _run(start, length + added)) == [(0, 1)]


def _shared(common: int, each: int) -> tuple[str, str]:
    """Two texts that share `common` shingles and have `each` of their own."""
    words = common + SHINGLE - 1
    return f"{_run(0, words)} {_run(1_000, each)}", f"{_run(0, words)} {_run(2_000, each)}"


@pytest.mark.parametrize(
    ("common", "each", "accepted"),
    [(60, 20, True), (59, 20, False), (30, 10, True), (30, 11, False), (10, 0, True)],
)
def test_two_texts_are_near_from_a_jaccard_of_six_tenths_on(
    common: int, each: int, accepted: bool
) -> None:
    found = _confirm(*_shared(common, each))
    assert accepted == (common / (common + 2 * each) >= JACCARD)
    assert [row["jaccard"] for row in found] == ([common / (common + 2 * each)] if accepted else [])


@pytest.mark.parametrize(
    ("shorter", "inside", "accepted"),
    [(20, 16, True), (20, 15, False), (MIN_SHINGLES, 15, True), (MIN_SHINGLES - 1, 14, False)],
)
def test_a_text_that_a_longer_one_contains_is_near_unless_it_is_tiny(
    shorter: int, inside: int, accepted: bool
) -> None:
    short = f"{_run(0, inside + SHINGLE - 1)} {_run(3_000, shorter - inside)}".strip()
    long = f"{_run(0, inside + SHINGLE - 1)} {_run(1_000, 300)}"
    found = _confirm(short, long)
    assert [(row["containment"], row["similarity"]) for row in found] == (
        [(inside / shorter, round(inside / shorter, 4))] if accepted else []
    )
    assert accepted == (inside / shorter >= CONTAINMENT and shorter >= MIN_SHINGLES)


TEMPLATE = (
    "shares of {one} closed at {price} on friday after the board of {two} in {city} said that quarterly "
    "sales had come in as expected and that the dividend would stay where it was for the rest of the year"
)


def _told(one: str, price: str, two: str, city: str) -> str:
    return TEMPLATE.format(one=one, price=price, two=two, city=city)


def test_stories_of_one_template_about_other_names_and_numbers_are_two_stories() -> None:
    acme = _told("Kilnworks", "31.20", "Kilnworks", "Porto")
    birch = _told("Birchwood", "17.85", "Birchwood", "Leeds")
    assert _confirm(acme, birch) == []
    assert len(_confirm(acme, _told("Kilnworks", "31.20", "Kilnworks", "Leeds"))) == 1


def test_without_names_the_words_alone_decide() -> None:
    plain = _told("it", "par", "it", "town")
    (row,) = _confirm(plain, f"{plain} again")
    assert row["similarity"] > 0.9


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_a_text_is_as_near_to_another_as_that_to_it(data: st.DataObject) -> None:
    words = st.lists(
        st.sampled_from([f"w{n}" for n in range(6)] + ["in Porto", "of 12"]),
        min_size=3,
        max_size=30,
    )
    one, two = " ".join(data.draw(words)), " ".join(data.draw(words))
    there, back = _confirm(one, two), _confirm(two, one)
    assert [r["jaccard"] for r in there] == [r["jaccard"] for r in back]
    assert [r["similarity"] for r in there] == [r["similarity"] for r in back]
