"""Near-duplicates: candidates by shared fingerprints, the decision by overlap and by what contradicts it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.monitoring.nearduplicates import (
    FEW_SHINGLES,
    OWNERS,
    RAREST,
    candidates,
    compared,
    confirm,
    fingerprints,
)
from clientlore.monitoring.wording import SHINGLE, plain

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FREED = (
    "The government said on Monday that the prisoner had been released after {days} days in detention and had "
    "returned to his family in the capital. A spokesman for the ministry said {name} was in good health and that "
    "the charges against him had been dropped after a review of the case by the court in {place} last week."
)
EARNINGS = (
    "{company} said quarterly profit rose 12 percent to 340 million dollars on sales of 2.1 billion. Chief executive "
    "{chief} said demand in Europe and Asia had exceeded expectations. The company raised its dividend to 45 cents "
    "and will buy back 500 million dollars of shares over two years. Analysts had expected profit of 310 million."
)
ROBBERY = (
    "Police in {place} said on Friday that a man had been arrested after a robbery at a bank in the centre of the "
    "city. Nobody was hurt and the money was found in a car nearby, officers of the {place} police said later."
)


def _run(start: int, length: int) -> str:
    return " ".join(f"w{n}" for n in range(start, start + length))


def _pairs(*texts: str, first_new: int = 0) -> list[tuple[int, int]]:
    return candidates(fingerprints(pl.Series(texts, dtype=pl.String)), first_new).rows()


def _told(*items: tuple[str, str, datetime | None]) -> pl.DataFrame:
    frame = pl.DataFrame(
        [(n, *item) for n, item in enumerate(items)],
        schema={
            "n": pl.Int64,
            "title": pl.String,
            "text": pl.String,
            "published_at": pl.Datetime("us", "UTC"),
        },
        orient="row",
    )
    return frame.with_columns(words=plain(frame["title"] + " " + frame["text"]))


def _same(one: str, two: str, *titles: str, days: float | None = None) -> bool:
    first, later = titles or ("", "")
    times = (None, None) if days is None else (NOON, NOON + timedelta(days=days))
    told = _told((first, one, times[0]), (later, two, times[1]))
    return confirm(pl.DataFrame({"earlier": [0], "later": [1]}), told).height == 1


def test_fingerprints_of_a_text_are_always_the_same() -> None:
    made = fingerprints(pl.Series([_run(0, 80), _run(0, 80), _run(5, 80)]))
    assert made[0].to_list() == made[1].to_list() != made[2].to_list()
    assert fingerprints(pl.Series([_run(0, 80)]))[0].to_list() == made[0].to_list()


def test_stored_fingerprints_stay_valid() -> None:
    # What was stored is compared with what is made later: a change here needs a new column.
    assert fingerprints(pl.Series(["a b c d"]))[0].to_list() == [72362663289, 148937962176]


def test_a_text_without_one_shingle_has_no_fingerprint() -> None:
    made = fingerprints(pl.Series(["", "two words", None, _run(0, SHINGLE)], dtype=pl.String))
    assert made.list.len().to_list() == [0, 0, 0, 1]


def test_a_short_text_keeps_all_its_shingles_and_a_long_one_a_quarter() -> None:
    made = fingerprints(pl.Series([_run(0, FEW_SHINGLES), _run(0, 4_000)]))
    assert made[0].len() == FEW_SHINGLES - SHINGLE + 1
    assert 900 < made[1].len() < 1_100


def test_no_texts_have_no_fingerprints_and_no_candidates() -> None:
    made = fingerprints(pl.Series([], dtype=pl.String))
    assert made.len() == 0
    assert candidates(made, 0).is_empty()


def test_equal_texts_are_candidates_and_unlike_ones_are_not() -> None:
    assert _pairs(_run(0, 60), _run(500, 60), _run(0, 60)) == [(0, 2)]


def test_of_a_pair_the_later_one_is_new() -> None:
    same = [_run(0, 60)] * 4
    assert _pairs(*same, first_new=2) == [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    assert _pairs(*same, first_new=3) == [(0, 3), (1, 3), (2, 3)]
    assert _pairs(*same, first_new=4) == []


def test_a_flash_and_the_long_story_that_contains_it_are_candidates() -> None:
    flash, story = _run(100, 30), _run(0, 900)
    assert _pairs(flash, story) == _pairs(story, flash) == [(0, 1)]


def test_a_popular_text_is_compared_with_a_bounded_number_of_earlier_ones() -> None:
    pairs = _pairs(*[_run(0, 60)] * (OWNERS + 15))
    of_the_last = [earlier for earlier, later in pairs if later == OWNERS + 14]
    assert of_the_last == list(range(OWNERS))


@given(st.permutations(range(60)))
@settings(max_examples=25, deadline=None)
def test_all_but_one_of_30_pairs_among_stories_of_one_template_are_found_in_any_order(
    order: list[int],
) -> None:
    told = [
        f"Harbor Foods said it will open plant number {n} in Town{n} next year and hire {n + 30} people there. The "
        f"company invests {n + 2} million, said its head of operations Jo Berg{n}, who expects first deliveries by "
        f"the end of the year and more plants after that.{more}"
        for n in range(30)
        for more in ("", " Analysts had expected it.")
    ]
    pairs = _pairs(*plain(pl.Series([told[at] for at in order])))
    assert len({order[a] // 2 for a, b in pairs if order[a] // 2 == order[b] // 2}) >= 29


@given(st.integers(0, 400), st.integers(60, 160), st.integers(0, 10))
@settings(max_examples=25, deadline=None)
def test_a_pair_that_shares_most_shingles_is_found(start: int, length: int, added: int) -> None:
    assert _pairs(_run(start, length), _run(start, length + added)) == [(0, 1)]


@given(st.lists(st.integers(0, 12), max_size=30), st.lists(st.integers(0, 12), max_size=12))
@settings(max_examples=25, deadline=None)
def test_later_items_change_no_candidates_of_earlier_ones(
    early: list[int], late: list[int]
) -> None:
    def text(n: int) -> str:
        return _run(n * 25, 70)

    before = _pairs(*map(text, early))
    after = _pairs(*map(text, early + late))
    assert [p for p in after if p[1] < len(early)] == before
    assert all(sum(p[1] == n for p in after) <= OWNERS * RAREST for n in range(len(early + late)))


@pytest.mark.parametrize("kind", [{"days": "76"}, {"place": "Porto"}, {"name": "Kwame Osei"}])
def test_stories_of_a_template_that_differ_in_one_number_name_or_place_are_two(
    kind: dict[str, str],
) -> None:
    given_ = {"days": "777", "name": "Milan Kovac", "place": "Leeds"}
    assert not _same(FREED.format(**given_), FREED.format(**{**given_, **kind}))


def test_the_prisoner_of_777_days_is_not_the_one_of_76() -> None:
    one = FREED.format(days="777", name="Milan Kovac", place="Leeds")
    assert not _same(one, FREED.format(days="76", name="Kwame Osei", place="Leeds"))
    assert _same(one, one.replace("in good health", "well"))


def test_the_same_crime_in_another_city_is_another() -> None:
    assert not _same(ROBBERY.format(place="Leeds"), ROBBERY.format(place="Porto"))


def test_two_companies_with_the_same_news_are_two_events() -> None:
    one = EARNINGS.format(company="Acme Corp", chief="Jane Doe")
    two = EARNINGS.format(company="Globex Inc", chief="John Roe")
    assert not _same(one, two, "Acme profit rises", "Globex profit rises")


def test_a_corrected_figure_is_the_same_event_and_an_unmarked_one_of_another_month_is_not() -> None:
    one = EARNINGS.format(company="Acme Corp", chief="Jane Doe")
    two = one.replace("340", "330")
    assert _same(one, two, "Acme profit rises", "CORRECTED - Acme profit rises", days=0.1)
    later = two.replace("12 percent", "9 percent").replace("2.1", "2.4").replace("310", "320")
    assert not _same(one, later, "Acme profit rises", "Acme profit rises", days=30)


def test_an_expanded_version_is_the_same_though_half_of_its_words_are_new() -> None:
    one = EARNINGS.format(company="Acme Corp", chief="Jane Doe")
    more = f"{one} {ROBBERY.format(place='Leeds')} {FREED.format(days=7, name='A B', place='Ulm')}"
    assert _same(one, more, "Acme profit rises", "Acme profit rises on demand in Europe")


def test_a_flash_is_the_same_as_the_story_that_contains_it() -> None:
    story = EARNINGS.format(company="Acme Corp", chief="Jane Doe")
    assert _same(story.split(" Chief")[0], story, "Acme profit rises", "Acme raises dividend")


def test_an_edited_text_is_the_same() -> None:
    one = EARNINGS.format(company="Acme Corp", chief="Jane Doe")
    two = one.replace("exceeded expectations", "been better than hoped")
    assert _same(one, two.replace("will buy back", "plans to repurchase"))


def test_every_decision_carries_its_measures() -> None:
    told = _told(("", _run(0, 60), None), ("", f"{_run(0, 60)} {_run(900, 20)}", None))
    (row,) = confirm(pl.DataFrame({"earlier": [0], "later": [1]}), told).to_dicts()
    assert row["containment"] == 1.0
    assert row["jaccard"] == pytest.approx(58 / 78)
    assert row["similarity"] == 1.0
    assert row["probability"] > 0.5


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_a_text_is_as_near_to_another_as_that_to_it(data: st.DataObject) -> None:
    words = st.lists(
        st.sampled_from([f"w{n}" for n in range(6)] + ["in Porto", "of 12"]),
        min_size=3,
        max_size=30,
    )
    texts = [" ".join(data.draw(words)) for _ in range(2)]

    def both(one: str, two: str) -> list[dict[str, Any]]:
        told = _told(("", one, NOON), ("", two, NOON))
        return compared(pl.DataFrame({"earlier": [0], "later": [1]}), told).to_dicts()

    assert both(*texts) == both(*reversed(texts))
