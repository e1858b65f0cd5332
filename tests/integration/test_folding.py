"""Laws of folding: the same groups in any order, nothing earlier ever moves, a replay adds nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from clientlore.ids import stable_id
from clientlore.monitoring import folding, nearduplicates
from clientlore.monitoring.normalise import with_keys

NINE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TIMES = ("published_at", "collected_at")
TEXT = " ".join(f"kiln{n}" for n in range(40))
TEXTS = (
    TEXT,
    f"{TEXT} and one sentence more",
    f"a word before {TEXT}",
    " ".join(f"birch{n}" for n in range(40)),
    " ".join(f"salt{n}" for n in range(40)),
    " ".join(f"tide{n}" for n in range(40)),
    "short notice",
    "",
)


@dataclass(frozen=True)
class Told:
    """An item as collected; `hour` is the batch."""

    source: int
    origin: int
    title: int
    text: int
    url: int | None
    hour: int
    published: int | None

    def row(self) -> dict[str, object]:
        """The item with the columns that folding starts from."""
        return {
            "item_id": stable_id(*vars(self).values()),
            "source_id": f"s-{self.source}",
            "origin_id": f"g-{self.origin}",
            "title": f"Headline {('one', 'two', 'three', 'four')[self.title]}",
            "text": TEXTS[self.text],
            "publisher": f"Outlet {self.source}",
            "url": None if self.url is None else f"https://wire.example/{self.url}",
            "published_at": None
            if self.published is None
            else NINE - timedelta(hours=self.published),
            "collected_at": NINE + timedelta(hours=self.hour),
        }


def _told(hours: st.SearchStrategy[int]) -> st.SearchStrategy[list[Told]]:
    one = st.builds(
        Told,
        source=st.integers(0, 2),
        origin=st.integers(0, 5),
        title=st.integers(0, 3),
        text=st.integers(0, len(TEXTS) - 1),
        url=st.none() | st.integers(0, 2),
        hour=hours,
        published=st.none() | st.integers(0, 3),
    )
    return st.lists(one, max_size=14, unique_by=lambda told: told.row()["item_id"])


def _frame(told: list[Told]) -> pl.DataFrame:
    rows = [one.row() for one in told]
    schema = {
        name: pl.Datetime("us", "UTC") if name in TIMES else pl.String
        for name in Told(0, 0, 0, 0, 0, 0, 0).row()
    }
    keyed = with_keys(pl.DataFrame(rows, schema=schema))
    return keyed.with_columns(fingerprints=nearduplicates.fingerprints(keyed["words"]))


def _fold(
    new: pl.DataFrame, old: pl.DataFrame | None = None, apart: Collection[str] = ()
) -> pl.DataFrame:
    if old is None:
        old = new.clear().with_columns(event_id=pl.lit(None, pl.String))

    def texts(ids: list[str]) -> pl.DataFrame:
        return old.filter(pl.col("item_id").is_in(ids)).select("item_id", *folding.TOLD)

    return folding.fold(new, old.select(list(folding.KEYS)), texts, apart)


ANSWER = ["item_id", "event_id", "layer", "matched_item_id", "similarity"]


@given(_told(st.integers(0, 3)), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_shuffled_items_give_the_same_groups_in_the_same_order(
    told: list[Told], random: object
) -> None:
    expected = _fold(_frame(told))
    shuffled = list(told)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert _fold(_frame(shuffled)).select(ANSWER).equals(expected.select(ANSWER))


@given(_told(st.integers(0, 2)), _told(st.integers(3, 5)))
@settings(max_examples=25, deadline=None)
def test_what_is_collected_later_changes_nothing_about_earlier_items(
    morning: list[Told], noon: list[Told]
) -> None:
    before = _fold(_frame(morning)).select(ANSWER)
    after = _fold(_frame(morning + noon)).select(ANSWER)
    assert after.head(len(morning)).equals(before)


@given(_told(st.integers(0, 3)))
@settings(max_examples=25, deadline=None)
def test_an_event_has_the_id_of_its_earliest_item_and_the_others_name_whom_they_joined(
    told: list[Told],
) -> None:
    folded = _fold(_frame(told))
    assert sorted(folded["item_id"]) == sorted(str(one.row()["item_id"]) for one in told)
    earliest = folded.unique("event_id", keep="first", maintain_order=True)
    assert earliest["item_id"].to_list() == earliest["event_id"].to_list()
    place = {item: n for n, item in enumerate(folded["item_id"])}
    event = dict(folded.select("item_id", "event_id").iter_rows())
    for row in folded.iter_rows(named=True):
        if row["item_id"] == row["event_id"]:
            assert (row["layer"], row["matched_item_id"]) == ("first", None)
            continue
        assert place[row["matched_item_id"]] < place[row["item_id"]]
        assert event[row["matched_item_id"]] == row["event_id"]
        assert 0 < row["similarity"] <= 1


@given(_told(st.integers(0, 3)))
@settings(max_examples=12, deadline=None)
def test_a_replay_on_the_next_day_adds_nothing(told: list[Told]) -> None:
    first = _fold(_frame(told))
    again = _fold(_frame(told), first)
    assert again["layer"].to_list() == ["seen"] * len(told)
    assert again.select("item_id", "event_id").equals(first.select("item_id", "event_id"))


@given(_told(st.integers(0, 1)), _told(st.integers(24, 25)))
@settings(max_examples=12, deadline=None)
def test_a_later_day_joins_earlier_events_and_never_makes_one_of_their_items(
    yesterday: list[Told], today: list[Told]
) -> None:
    old = _fold(_frame(yesterday))
    new = _fold(_frame(today), old)
    known = set(old["event_id"])
    for row in new.iter_rows(named=True):
        born = row["layer"] == "first"
        assert (row["event_id"] == row["item_id"]) == born
        assert row["event_id"] in (known | set(new["item_id"]))
        assert (row["matched_item_id"] is None) == born


def _layers(*told: Told) -> list[str]:
    return _fold(_frame(list(told)))["layer"].to_list()


BASE = Told(source=0, origin=0, title=0, text=0, url=0, hour=0, published=1)


def test_each_layer_is_told_by_its_name() -> None:
    assert _layers(BASE, Told(0, 0, 1, 0, 0, 1, 1)) == ["first", "identity"]
    assert _layers(BASE, Told(0, 0, 0, 3, 1, 1, 1)) == ["first", "revision"]
    assert _layers(BASE, Told(0, 1, 0, 3, 0, 1, 1)) == ["first", "revision"]
    assert _layers(BASE, Told(1, 1, 0, 3, 0, 1, 1)) == ["first", "url"]
    assert _layers(BASE, Told(1, 1, 1, 0, 1, 1, 1)) == ["first", "content"]
    assert _layers(BASE, Told(1, 1, 0, 1, 1, 1, 1)) == ["first", "near"]
    assert _layers(BASE, Told(1, 1, 1, 3, 1, 1, 1)) == ["first", "first"]


def test_the_strongest_layer_decides_whom_an_item_joins() -> None:
    same_page, same_text = Told(1, 1, 0, 3, 0, 1, 1), Told(2, 2, 1, 0, 2, 1, 1)
    both = Told(2, 2, 1, 0, 0, 2, 1)
    folded = _fold(_frame([BASE, same_page, same_text, both]))
    by_item = {row["item_id"]: row for row in folded.iter_rows(named=True)}
    joined = by_item[str(both.row()["item_id"])]
    assert (joined["layer"], joined["matched_item_id"]) == ("identity", same_text.row()["item_id"])


def test_within_a_batch_what_was_published_first_founds_the_event() -> None:
    late, early = Told(0, 0, 0, 0, 0, 0, 1), Told(1, 1, 0, 0, 1, 0, 3)
    undated = Told(2, 2, 0, 0, 2, 0, None)
    folded = _fold(_frame([undated, late, early]))
    assert folded["event_id"].unique().to_list() == [early.row()["item_id"]]
    assert folded["item_id"].to_list() == [t.row()["item_id"] for t in (early, late, undated)]


def test_a_page_linked_by_every_entry_of_a_feed_does_not_fold_them() -> None:
    entries = [Told(0, n, n, 3 + n, 0, 0, 1) for n in range(3)]
    assert _layers(*entries) == ["first"] * 3
    # Nor does it fold what another source links to it.
    assert _layers(*entries, Told(1, 5, 0, 0, 0, 1, 1)) == ["first"] * 4


def test_an_address_that_turns_out_to_be_a_site_leaves_what_was_folded_before() -> None:
    first, second = Told(0, 0, 0, 3, 0, 0, 1), Told(0, 1, 1, 4, 0, 1, 1)
    third, fourth = Told(0, 2, 2, 5, 0, 2, 1), Told(0, 3, 3, 0, 0, 3, 1)
    assert _layers(first, second, third, fourth) == ["first", "revision", "first", "first"]


def test_two_versions_of_a_page_do_not_make_it_a_site() -> None:
    versions = [Told(0, n, 0, 3 + n, 0, n, 1) for n in range(2)]
    assert _layers(*versions, Told(0, 5, 0, 3, 0, 3, 1)) == ["first", "revision", "url"]


def test_a_page_without_address_is_no_common_page() -> None:
    assert _layers(*(Told(n, n, n, 3 + n, None, 0, 1) for n in range(3))) == ["first"] * 3


def _copies(folded: pl.DataFrame) -> list[str]:
    return folded.filter(pl.col("layer") != "first")["item_id"].to_list()


@given(_told(st.integers(0, 3)), st.data())
@settings(max_examples=12, deadline=None)
def test_undoing_a_merge_leaves_what_would_be_there_without_the_item_and_its_own_copies(
    told: list[Told], data: st.DataObject
) -> None:
    # An address under which a source gives many texts names a site: what is taken away must not change that.
    addresses = [one.url for one in told if one.url is not None]
    assume(all(addresses.count(url) < folding.SHARED_URL_TEXTS for url in addresses))
    copies = _copies(_fold(_frame(told)))
    assume(copies)
    item = data.draw(st.sampled_from(copies))
    split = _fold(_frame(told), apart={item})
    own = split.filter(pl.col("event_id") == item)
    assert own.row(0, named=True)["item_id"] == item
    assert own["layer"][0] == "first"
    left = [one for one in told if one.row()["item_id"] not in own["item_id"].to_list()]
    rest = split.join(own, on="item_id", how="anti", maintain_order="left")
    assert rest.select(ANSWER).equals(_fold(_frame(left)).select(ANSWER))


@given(_told(st.integers(0, 3)), st.data(), st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_what_was_taken_apart_does_not_depend_on_the_order_and_later_items_move_nothing(
    told: list[Told], data: st.DataObject, random: object
) -> None:
    copies = _copies(_fold(_frame(told)))
    assume(copies)
    apart = set(data.draw(st.lists(st.sampled_from(copies), min_size=1, max_size=3)))
    split = _fold(_frame(told), apart=apart)
    shuffled = list(told)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert _fold(_frame(shuffled), apart=apart).select(ANSWER).equals(split.select(ANSWER))
    early = [one for one in told if one.hour < 2]
    before = _fold(_frame(early), apart=apart).select(ANSWER)
    assert split.head(len(early)).select(ANSWER).equals(before)
    again = _fold(_frame(told), split, apart)
    assert again["layer"].to_list() == ["seen"] * len(told)
    assert again.select("item_id", "event_id").equals(split.select("item_id", "event_id"))
