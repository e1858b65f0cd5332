"""Days derived in any order, again and again: the same told twice is one memory, another value ends the old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clientlore.control.snapshots import Snapshot
from clientlore.memory import derive, log
from clientlore.memory.derive import Wanted
from clientlore.memory.extracting import RulesExtractor
from clientlore.memory.extracting.choosing import sources_in, wanted_from
from clientlore.memory.fold import alive, fold
from clientlore.memory.log import OPERATIONS, Operation
from clientlore.memory.settling import ACTOR, settle

T0 = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
NAMES = {"harbor": ["Harbor Foods"]}
BASE = Snapshot("acme", T0.date(), "Acme", "live", {}, (), (), {}, (), "", T0)


def at(day: int) -> datetime:
    return T0 + timedelta(days=day)


def activities(day: int, texts: Sequence[str]) -> list[Wanted]:
    return [
        Wanted("harbor", "activity", text, f"activity:crm:{day}-{n}", at(day), at(day),
               {"source_mode": "live"}, (f"response:r{day}#{n}",), "an activity in the CRM")
        for n, text in enumerate(texts)
    ]  # fmt: skip


@dataclass
class Book:
    """A memory log in memory, with days as they were derived."""

    rows: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=OPERATIONS))

    def append(self, operations: Sequence[Operation]) -> int:
        known = set(self.rows["op_id"])
        new = [op for op in operations if op.op_id not in known]
        self.rows = log.appended(self.rows, new)
        return len(new)

    def derive(self, day: int, texts: Sequence[str]) -> int:
        """One run of a day whose CRM says these texts; how many operations that took."""
        told = activities(day, texts)
        found = RulesExtractor().extract(sources_in(told)).found
        wanted = [*told, *wanted_from("acme", told, found, NAMES)]
        snapshot = replace(BASE, day=at(day).date())
        ids = {derive._memory_id("acme", w) for w in wanted}
        ids |= set(self.rows.filter(origin_day=snapshot.day)["memory_id"])
        before = self.rows.filter(pl.col("memory_id").is_in(list(ids)))
        operations = derive.operations_for(before, snapshot, wanted)
        count = self.append(operations)
        lookups = {*before["lookup"].drop_nulls(), *(op.lookup for op in operations if op.lookup)}
        return count + self.append(settle("acme", self.rows, lookups))

    def said(self, as_of: datetime | None = None) -> list[tuple[object, ...]]:
        """What is remembered beside the activities: text, interval, how often told again, what is cited."""
        state = alive(fold(self.rows, as_of)).filter(pl.col("kind") != "activity")
        return sorted(
            (r["text"], r["valid_from"], str(r["valid_to"]), r["reinforced"], tuple(sorted(r["sources"])))
            for r in state.iter_rows(named=True)
        )  # fmt: skip

    def held(self, as_of: datetime | None = None) -> list[tuple[str, int, int | None]]:
        """Texts with the days from and to which they held."""

        def day(value: datetime | None) -> int | None:
            return None if value is None else (value - T0).days

        state = alive(fold(self.rows, as_of)).filter(pl.col("kind") != "activity")
        rows = state.sort("valid_from", "text").iter_rows(named=True)
        return [(r["text"], day(r["valid_from"]) or 0, day(r["valid_to"])) for r in rows]


JANE = "Harbor Foods named Jane Doe as its new CFO."
MARK = "The CFO of Harbor Foods is Mark Roe."
AGAIN = "Harbor Foods' chief financial officer is Jane Doe."
OWED = "Promised to send Ann the samples by Friday."
OWED_AGAIN = "Promised to send the samples to Ann by Friday."
TEXTS = (JANE, MARK, AGAIN, OWED, OWED_AGAIN, "Nothing to say")


def test_another_value_ends_the_one_before_and_that_was_not_known_earlier() -> None:
    book = Book()
    book.derive(1, [JANE])
    book.derive(5, [MARK])
    assert book.held() == [(JANE, 1, 5), (MARK, 5, None)]
    assert book.held(at(3)) == [(JANE, 1, None)]


def test_a_day_that_comes_late_is_put_in_its_place() -> None:
    book = Book()
    book.derive(5, [MARK])
    book.derive(1, [JANE])
    assert book.held() == [(JANE, 1, 5), (MARK, 5, None)]


def test_the_same_said_again_reinforces_and_cites_both() -> None:
    book = Book()
    book.derive(1, [OWED])
    book.derive(2, [OWED_AGAIN])
    ((text, _, _, reinforced, cited),) = book.said()
    assert (text, reinforced) == (OWED, 1)
    assert all(f"'response:r{day}#0'" in str(cited) for day in (1, 2))


def test_the_same_words_about_another_are_another_memory() -> None:
    book = Book()
    book.derive(1, [JANE])
    book.derive(2, ["The CFO of Calder is Mark Roe."])
    assert [until for *_, until in book.held()] == [None, None]


def test_what_a_source_tells_no_longer_takes_with_it_what_it_had_ended() -> None:
    book = Book()
    book.derive(1, [JANE])
    book.derive(5, [MARK])
    book.derive(5, [])
    assert book.held() == [(JANE, 1, None)]


def test_what_another_said_first_and_took_back_stands_by_the_one_who_said_it_again() -> None:
    book = Book()
    book.derive(1, [JANE])
    book.derive(2, [AGAIN])
    assert book.held() == [(JANE, 1, None)]
    book.derive(1, [])
    assert book.held() == [(AGAIN, 2, None)]
    book.derive(1, [JANE])
    assert [(text, reinforced) for text, *_, reinforced, _ in book.said()] == [(JANE, 1)]


def test_a_value_that_comes_back_is_there_again_even_if_the_one_between_came_last() -> None:
    book = Book()
    book.derive(1, [JANE])
    book.derive(9, [AGAIN])
    book.derive(4, [MARK])
    assert book.held() == [(JANE, 1, 4), (MARK, 4, 9), (AGAIN, 9, None)]


def test_a_person_who_takes_upkeep_back_is_heard_until_something_changes() -> None:
    book = Book()
    book.derive(1, [JANE])
    held = alive(fold(book.rows)).filter(pl.col("text") == JANE).row(0, named=True)
    book.append(
        [
            Operation("acme", "harbor", held["memory_id"], "retract", None, None, at(2), "cli:ann", "wrong",
                      "retract:1", generation=held["operations"])
        ]
    )  # fmt: skip
    assert book.derive(1, [JANE]) == 0
    assert book.held() == []


def test_an_undated_note_that_is_collected_again_changes_nothing() -> None:
    undated = [replace(w, valid_from=None) for w in activities(1, [JANE])]
    found = RulesExtractor().extract(sources_in(undated)).found
    (first,) = wanted_from("acme", undated, found, NAMES)
    later = [replace(w, recorded_at=at(1) + timedelta(hours=3)) for w in undated]
    (again,) = wanted_from("acme", later, found, NAMES)
    assert (first.origin, first.attributes, first.valid_from) == (
        again.origin,
        again.attributes,
        None,
    )


def test_settling_is_upkeep_that_belongs_to_no_day() -> None:
    book = Book()
    book.derive(1, [JANE])
    book.derive(5, [MARK])
    settled = book.rows.filter(pl.col("actor") == ACTOR)
    assert settled.height > 0
    assert settled["origin_day"].null_count() == settled.height


_days = st.lists(
    st.tuples(st.integers(1, 4), st.lists(st.sampled_from(TEXTS), max_size=2, unique=True)),
    min_size=1,
    max_size=7,
)


@settings(max_examples=12, deadline=None)
@given(_days)
@example([(1, [JANE]), (3, [AGAIN]), (3, []), (1, []), (3, [AGAIN, JANE])])
def test_what_is_remembered_follows_from_what_the_days_say_last_whatever_ran_before(
    runs: list[tuple[int, list[str]]],
) -> None:
    worn, fresh = Book(), Book()
    for day, texts in runs:
        worn.derive(day, texts)
        assert worn.derive(day, texts) == 0
    last = dict(runs)
    for day in sorted(last):
        fresh.derive(day, last[day])
    assert worn.said() == fresh.said()
