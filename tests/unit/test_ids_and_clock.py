"""Names depend on nothing but what they name, and time always has a zone."""

from __future__ import annotations

import hashlib
import re
import uuid
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.clock import FrozenClock, SystemClock, day_bounds, days_between, utc
from clientlore.ids import (
    SLUG,
    new_id,
    sha256,
    short_ref,
    slug,
    stable_id,
    stable_ids,
    stable_uuid,
)

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x1f"), min_size=1)
PARTS = st.lists(WORDS, min_size=1)


def test_an_id_is_the_same_in_every_process_and_release() -> None:
    # Ids are in people's stores: a change of these values is a migration.
    assert stable_id("acme", 7) == "341eac82752e5e76fbdd9cdf27846001"
    assert stable_uuid("user", "acme", "ana") == "74abef93-05e6-521c-a7d5-4bec711952d0"
    assert short_ref("acme", 7) == "MK2R-5QHA"


@given(PARTS, PARTS)
@settings(max_examples=60, deadline=None)
def test_ids_are_equal_exactly_when_their_parts_are(one: list[str], two: list[str]) -> None:
    assert (stable_id(*one) == stable_id(*two)) == (one == two)
    assert (stable_uuid(*one) == stable_uuid(*two)) == (one == two)


def test_the_order_and_the_borders_of_parts_count() -> None:
    assert stable_id("a", "b") != stable_id("b", "a")
    assert stable_id("ab", "c") != stable_id("a", "bc")


@given(st.lists(WORDS, max_size=5), st.integers(4, 32))
@settings(max_examples=40, deadline=None)
def test_a_column_of_ids_is_the_ids_of_its_cells(texts: list[str], size: int) -> None:
    assert stable_ids(texts, size) == [stable_id(text, size=size) for text in texts]
    assert all(len(made) == 2 * size for made in stable_ids(texts, size))


def test_a_uuid_from_parts_is_of_version_5_and_a_new_one_is_random() -> None:
    assert uuid.UUID(stable_uuid("a")).version == 5
    assert uuid.UUID(new_id()).version == 4
    assert new_id() != new_id()


def test_sha256_is_that_of_the_standard_library() -> None:
    assert sha256(b"news") == hashlib.sha256(b"news").hexdigest()


@given(st.text(st.characters(codec="utf-8")))
@settings(max_examples=40, deadline=None)
def test_a_short_reference_can_be_read_out_and_typed(text: str) -> None:
    assert re.fullmatch(r"[A-Z2-7]{4}-[A-Z2-7]{4}", short_ref(text))


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("Société Générale SA", "societe-generale-sa"),
        ("  Harbor Foods, Inc. ", "harbor-foods-inc"),
        ("3M", "3m"),
        ("A" * 80, "a" * 63),
        ("a" * 62 + " b", "a" * 62),
    ],
)
def test_a_slug_is_what_people_would_type(name: str, made: str) -> None:
    assert slug(name) == made


def test_a_name_without_a_latin_letter_gets_a_stable_id_of_its_own() -> None:
    assert re.fullmatch(r"c-[0-9a-f]{8}", slug("株式会社"))
    assert slug("株式会社") == slug("株式会社")
    assert slug("株式会社") != slug("会社")


@given(st.text(st.characters(codec="utf-8")))
@settings(max_examples=150, deadline=None)
def test_every_slug_is_an_allowed_id_and_its_own_slug(text: str) -> None:
    assert SLUG.match(slug(text))
    if re.search("[a-z0-9]", text):
        assert slug(slug(text)) == slug(text)


@pytest.mark.parametrize("word", ["", "-a", "Acme", "a b", "a/b", "../a", "a\n", "a" * 64])
def test_what_could_leave_its_folder_or_its_key_is_no_id(word: str) -> None:
    assert not SLUG.match(word)


def test_the_system_clock_is_in_utc_and_to_the_millisecond() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert now.microsecond % 1000 == 0
    assert timedelta(0) <= datetime.now(UTC) - now < timedelta(minutes=1)
    assert before - now < timedelta(milliseconds=1)


def test_a_frozen_clock_moves_only_when_told(clock: FrozenClock) -> None:
    start = clock.now()
    assert clock.now() == start
    clock.advance(timedelta(hours=2))
    assert clock.now() - start == timedelta(hours=2)


@given(st.datetimes(), st.integers(-14 * 60, 14 * 60))
@settings(max_examples=40, deadline=None)
def test_a_time_with_a_zone_stays_the_same_instant(naive: datetime, minutes: int) -> None:
    if not 2 < naive.year < 9998:
        naive = naive.replace(year=2026, day=1)
    given_ = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert utc(given_) == given_
    assert utc(given_).utcoffset() == timedelta(0)


def test_a_time_without_a_zone_names_no_instant() -> None:
    with pytest.raises(ValueError, match="has no zone"):
        utc(datetime(2026, 11, 20))  # noqa: DTZ001 - what is refused


def test_a_day_begins_at_midnight_utc_and_ends_where_the_next_begins() -> None:
    first, end = day_bounds(date(2026, 12, 31))
    assert (first, end) == (datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert day_bounds(date(2027, 1, 1))[0] == end


def test_a_range_of_days_has_both_ends_and_is_empty_backwards() -> None:
    first, last = date(2026, 2, 27), date(2026, 3, 1)
    assert days_between(first, last) == [first, date(2026, 2, 28), last]
    assert days_between(first, first) == [first]
    assert days_between(last, first) == []
