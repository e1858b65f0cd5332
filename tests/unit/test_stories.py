"""Stories: the same event in other words, online; look-alike events are kept apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.evaluation.stories import bcubed
from clientlore.monitoring import stories
from clientlore.monitoring.stories import Threads, continued, terms, threaded

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIRE = (
    "A fire destroyed the Kilnworks warehouse in Porto on Tuesday night, the city's fire brigade said. Forty "
    "firefighters fought the blaze until dawn."
)
FIRE_TOLD_OTHERWISE = (
    "Flames that broke out at a Kilnworks store in Porto have burnt it to the ground. Firefighters needed the whole "
    "night to put out the blaze, the brigade reports."
)
OTHER_FIRE = (
    "A fire damaged the Birchwood sawmill near Tampere on Friday morning, the rescue service said. Nobody was hurt "
    "when the roof collapsed."
)
STRIKE = "Pilots of Meridian Air will strike for three days from Monday over pay, their union told Oslo radio."


def test_one_event_in_other_words_is_one_story_and_a_look_alike_is_another() -> None:
    assert threaded([FIRE, OTHER_FIRE, STRIKE, FIRE_TOLD_OTHERWISE]) == [0, 1, 2, 0]


def test_a_story_that_nobody_told_for_longer_than_the_window_is_over() -> None:
    inside, after = timedelta(days=stories.WINDOW_DAYS), timedelta(days=stories.WINDOW_DAYS + 1)
    assert threaded([FIRE, FIRE_TOLD_OTHERWISE], [NOON, NOON + inside]) == [0, 0]
    assert threaded([FIRE, FIRE_TOLD_OTHERWISE], [NOON, NOON + after]) == [0, 1]


def test_a_story_that_is_told_on_stays_open() -> None:
    times = [NOON + timedelta(days=5 * n) for n in range(4)]
    assert threaded([FIRE, FIRE_TOLD_OTHERWISE] * 2, times) == [0, 0, 0, 0]


def test_names_and_numbers_weigh_more_than_other_words() -> None:
    found = terms("the blaze reached Porto and 240 people")
    assert found["porto"] == stories.NAME_WEIGHT
    assert found["240"] == stories.NUMBER_WEIGHT
    assert found["blaze"] == 1.0
    assert "the" not in found


def test_items_without_words_are_stories_of_their_own() -> None:
    assert threaded(["", "the of and", "", FIRE]) == [0, 1, 2, 3]


def test_open_stories_are_bounded_and_the_one_untold_for_longest_gives_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stories, "OPEN_STORIES", 2)
    threads = Threads()
    for number, text in enumerate([FIRE, OTHER_FIRE, FIRE_TOLD_OTHERWISE, STRIKE]):
        threads.place(number, text)
    assert sorted(threads.stories) == [0, 3]


@given(
    st.lists(st.sampled_from([FIRE, FIRE_TOLD_OTHERWISE, OTHER_FIRE, STRIKE, ""]), max_size=12),
    st.lists(st.sampled_from([FIRE, OTHER_FIRE, STRIKE]), max_size=6),
)
@settings(max_examples=40, deadline=None)
def test_what_comes_later_moves_nothing(early: list[str], late: list[str]) -> None:
    assert threaded(early + late)[: len(early)] == threaded(early)


def test_bcubed_is_one_for_the_truth_and_counts_what_is_wrongly_together_or_apart() -> None:
    gold = ["a", "a", "b", "b"]
    assert bcubed(gold, [0, 0, 1, 1])[0] == 1.0
    assert bcubed(gold, [0, 0, 0, 0])[0] == pytest.approx(2 * 0.5 / 1.5)
    assert bcubed(gold, [0, 1, 2, 3])[0] == pytest.approx(2 * 0.5 / 1.5)


TOLD = (FIRE, FIRE_TOLD_OTHERWISE, OTHER_FIRE, STRIKE)
EVENTS = {
    "event_id": pl.String,
    "title": pl.String,
    "text": pl.String,
    "told_at": pl.Datetime("us", "UTC"),
    "apart": pl.Boolean,
}


def events(texts: list[int], first: int = 0, apart: tuple[int, ...] = ()) -> pl.DataFrame:
    """Events of a day, named by their places."""
    rows = [
        (f"e{first + n}", TOLD[text][:20], TOLD[text], NOON, n in apart)
        for n, text in enumerate(texts)
    ]
    return pl.DataFrame(rows, schema=EVENTS, orient="row")


NOTHING = events([]).with_columns(story_id=pl.lit(None, pl.String))


def test_a_later_day_goes_on_with_a_story_of_an_earlier_one_under_its_id() -> None:
    first = events([0, 2])
    known = first.join(continued(NOTHING, first), on="event_id", maintain_order="left")
    found = continued(known, events([1, 3], first=2)).to_dicts()
    assert [(row["event_id"], row["story_id"]) for row in found] == [("e2", "e0"), ("e3", "e3")]
    assert stories.LIKE <= found[0]["story_similarity"] < 1
    assert found[1]["story_similarity"] == 1.0


def test_a_story_keeps_its_id_when_the_event_that_began_it_lies_before_the_look_back() -> None:
    known = events([1], first=7).with_columns(story_id=pl.lit("long-ago"))
    assert continued(known, events([0]))["story_id"].to_list() == ["long-ago"]


def test_what_a_person_took_apart_begins_a_story_of_its_own() -> None:
    assert continued(NOTHING, events([0, 1]))["story_id"].to_list() == ["e0", "e0"]
    assert continued(NOTHING, events([0, 1], apart=(1,)))["story_id"].to_list() == ["e0", "e1"]


_DAY = st.lists(st.integers(0, len(TOLD) - 1), max_size=6)


@given(_DAY, _DAY, _DAY)
@settings(max_examples=30, deadline=None)
def test_what_comes_later_in_a_day_moves_no_event_and_earlier_days_stay_as_they_are(
    before: list[int], morning: list[int], noon: list[int]
) -> None:
    first = events(before)
    known = first.join(continued(NOTHING, first), on="event_id", maintain_order="left")
    day = events(morning + noon, first=len(before))
    whole = continued(known, day)
    assert continued(known, day.head(len(morning))).equals(whole.head(len(morning)))
    assert set(whole["story_id"]) <= set(known["story_id"]) | set(day["event_id"])
