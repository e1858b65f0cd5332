"""Events of a day made from raw rows in a lake: look-back, late copies, what is set aside."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from clientlore.control.snapshots import Snapshot
from clientlore.ids import stable_id
from clientlore.monitoring import raw
from clientlore.monitoring.events import (
    EVENTS,
    IDENTITY_DAYS,
    MEMBERS,
    MOCK_IN_LIVE,
    NEAR_DAYS,
    Folded,
    fold_day,
    look_back_days,
    write,
)
from clientlore.providers.base import Item, Parsed, Response, describe_request
from clientlore.storage.lake import Lake

NINE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TODAY = NINE.date()
STORY = (
    "Kilnworks Ceramics said on Tuesday it would open a plant near Porto and hire 240 people there by next "
    "summer. Chief executive Bo Lind said demand had grown 31% in twelve months and outpaced every plan. The "
    "regional government of Porto will pay for the road to the site and for the training of 90 apprentices."
)


def _text(topic: str) -> str:
    return " ".join(f"{topic}{n}" for n in range(40))


def _item(origin: str, text: str = STORY, **given: Any) -> Item:
    known = {
        "title": f"Headline of {origin}",
        "url": f"https://wire.example/{origin}",
        "publisher": "Meridian Wire",
        "published_at": NINE - timedelta(hours=2),
    }
    return Item(position=0, origin_id=origin, text=text, **{**known, **given})


@dataclass
class Desk:
    """Writes raw rows as collection does, and folds days as a run does."""

    lake: Lake
    tenant_id: str = "desk"
    mode: Any = "live"
    batches: int = field(default=0)

    def collect(
        self,
        *items: Item,
        at: datetime = NINE,
        day: date | None = None,
        source: str = "s-1",
        mode: Any = None,
        tenant_id: str | None = None,
    ) -> list[str]:
        """A batch of one response; returns the ids of its items."""
        self.batches += 1
        day = day or at.date()
        batch = raw.Batch.new(self.tenant_id, day, raw.SEARCH_RESULTS, at, f"run-{self.batches}")
        found = tuple(replace(item, position=n) for n, item in enumerate(items))
        response = Response(
            source_id=source,
            client_id=None,
            provider="rss",
            request=describe_request("GET", f"https://{source}.example/feed"),
            status=200,
            headers={},
            body=repr(found).encode(),
            fetched_at=at,
            mode=mode or self.mode,
        )
        raw.store_responses(self.lake, batch, [response])
        written = replace(batch, tenant_id=tenant_id or self.tenant_id)
        rows = [row for _, row in raw._rows(written, response, Parsed(items=found))]
        frame = raw.SEARCH_RESULTS.frame(rows)
        self.lake.append_raw(raw.SEARCH_RESULTS, self.tenant_id, day, batch.batch_id, frame)
        return [row["item_id"] for row in rows]

    def fold(self, day: date = TODAY) -> Folded:
        """Folds a day and writes it."""
        snapshot = Snapshot(
            self.tenant_id, day, "Desk", self.mode, {}, (), (), {}, (), sha="x", taken_at=NINE
        )
        folded = fold_day(self.lake, snapshot)
        write(self.lake, snapshot, folded)
        return folded

    def members(self, *days: date) -> list[dict[str, Any]]:
        """What is stored about items, in the order of collection."""
        frame = self.lake.scan(MEMBERS, [self.tenant_id], days or None)
        return self.lake.collect(MEMBERS, frame.sort(*MEMBERS.sort)).to_dicts()

    def event_of(self, item_id: str) -> str:
        """The event that an item or an old event id belongs to today."""
        (event,) = {m["event_id"] for m in self.members() if m["item_id"] == item_id}
        return str(event)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An empty lake of a live tenant."""
    return Desk(Lake(tmp_path / "lake"))


def _layers(folded: Folded) -> list[str]:
    return folded.members["layer"].to_list()


def test_a_day_without_news_has_no_events(desk: Desk) -> None:
    folded = desk.fold()
    assert (folded.members.height, folded.events.height, folded.rejects) == (0, 0, ())
    assert folded.counts() == {
        "items": 0, "new": 0, "seen_before": 0, "folded": 0, "events": 0, "quarantined": 0,
    }  # fmt: skip


def test_copies_become_one_event_that_tells_who_told_it(desk: Desk) -> None:
    first, *_ = desk.collect(_item("a"), at=NINE)
    desk.collect(
        _item("x", publisher="Ledger Post", title="Plant for Porto"),
        _item("y", _text("other"), publisher="Ledger Post"),
        at=NINE + timedelta(hours=1),
        source="s-2",
    )
    folded = desk.fold()
    event, other = folded.events.to_dicts()
    assert (event["event_id"], event["story_id"], event["members"]) == (first, first, 2)
    assert event["publishers"] == ["Meridian Wire", "Ledger Post"]
    assert event["layers"] == ["first", "content"]
    assert event["first_collected_at"] == NINE
    assert event["shown_item_id"] == first
    assert (other["members"], other["is_revised"]) == (1, False)
    assert folded.counts() == {
        "items": 3, "new": 3, "seen_before": 0, "folded": 1, "events": 2, "quarantined": 0,
        "by_content": 1,
    }  # fmt: skip


def test_every_item_says_why_it_is_where_it_is(desk: Desk) -> None:
    desk.collect(_item("a"), at=NINE)
    desk.collect(_item("a", f"{STORY} More.", title="UPDATE 1-Plant"), at=NINE + timedelta(hours=1))
    first, later = desk.fold().members.to_dicts()
    assert (first["layer"], first["reason"], first["status"]) == (
        "first", "the first to tell it", "PROCESSED",
    )  # fmt: skip
    assert (later["layer"], later["reason"], later["is_revision"]) == (
        "revision", "a later version of the same item", True,
    )  # fmt: skip
    assert later["matched_item_id"] == first["item_id"]


def test_a_fuller_copy_at_noon_keeps_the_event_id_and_becomes_what_is_shown(desk: Desk) -> None:
    (first,) = desk.collect(_item("a"), at=NINE)
    before = desk.fold().events.to_dicts()
    (fuller,) = desk.collect(
        _item("x", f"{STORY} Analysts had expected it.", publisher="Ledger Post"),
        at=NINE + timedelta(hours=3),
        source="s-2",
    )
    (after,) = desk.fold().events.to_dicts()
    assert [e["event_id"] for e in before] == [after["event_id"]] == [first]
    assert (before[0]["shown_item_id"], after["shown_item_id"]) == (first, fuller)
    assert after["text"].endswith("Analysts had expected it.")
    assert after["first_collected_at"] == NINE


def test_a_revision_replaces_what_is_shown_of_its_item_even_if_it_is_shorter(desk: Desk) -> None:
    desk.collect(_item("a"), at=NINE)
    (revised,) = desk.collect(
        _item("a", STORY.replace("240", "24")[:200], title="CORRECTED: Plant"),
        at=NINE + timedelta(hours=1),
    )
    (event,) = desk.fold().events.to_dicts()
    assert (event["members"], event["is_revised"]) == (2, True)
    assert event["shown_item_id"] == revised
    assert "hire 24 people" in event["text"]


def test_a_revision_on_the_next_day_is_no_new_event(desk: Desk) -> None:
    (first,) = desk.collect(_item("a"), at=NINE)
    desk.fold()
    (revised,) = desk.collect(_item("a", _text("wholly")), at=NINE + timedelta(days=1))
    folded = desk.fold(TODAY + timedelta(days=1))
    assert folded.events.height == 0
    (member,) = folded.members.to_dicts()
    assert (member["item_id"], member["event_id"], member["layer"]) == (revised, first, "revision")
    assert member["status"] == "PROCESSED"


def test_an_item_seen_on_an_earlier_day_is_skipped_and_keeps_its_event(desk: Desk) -> None:
    desk.collect(_item("a"), at=NINE)
    (copy,) = desk.collect(_item("b", publisher="Ledger Post"), at=NINE, source="s-2")
    event = desk.fold().members["event_id"][0]
    assert desk.collect(
        _item("b", publisher="Ledger Post"), at=NINE + timedelta(days=2), source="s-2"
    ) == [copy]
    folded = desk.fold(TODAY + timedelta(days=2))
    (member,) = folded.members.to_dicts()
    assert (member["status"], member["layer"], member["event_id"]) == ("SKIPPED", "seen", event)
    assert folded.counts()["seen_before"] == 1
    assert folded.counts()["new"] == 0
    assert folded.events.height == 0


def test_a_day_made_again_has_the_same_bytes(desk: Desk) -> None:
    days = [TODAY + timedelta(days=n) for n in range(3)]
    for n, day in enumerate(days):
        at = NINE + timedelta(days=n)
        desk.collect(_item(f"a{n}"), _item(f"b{n}", _text(f"t{n}")), at=at)
        desk.collect(_item("a0"), _item(f"c{n}", f"{STORY} More."), at=at, source="s-2")
        desk.fold(day)
    stored = {p: p.read_bytes() for p in desk.lake.root.rglob("core/**/*.parquet")}
    assert len(stored) == 6
    for day in (days[2], days[0], days[1], days[1]):
        desk.fold(day)
    assert {p: p.read_bytes() for p in desk.lake.root.rglob("core/**/*.parquet")} == stored


@pytest.mark.parametrize("seed", range(4))
def test_items_of_a_batch_in_any_order_give_the_same_groups(tmp_path: Path, seed: int) -> None:
    items = [
        _item("a"),
        _item("b", publisher="Ledger Post"),
        _item("c", f"{STORY} More."),
        _item("d", _text("kiln")),
        _item("d", _text("kiln"), title="CORRECTED: kilns"),
        _item("e", "", title="Short"),
        _item("f", "", title="Short", url="https://wire.example/e?utm_source=x"),
    ]
    shuffled = list(items)
    Random(seed).shuffle(shuffled)
    expected, got = Desk(Lake(tmp_path / "a")), Desk(Lake(tmp_path / "b"))
    expected.collect(*items)
    got.collect(*shuffled)
    told = ["item_id", "event_id", "layer", "matched_item_id", "similarity"]
    one, two = expected.fold(), got.fold()
    assert two.members.select(told).equals(one.members.select(told))
    # Where an item stood in its response is all that may differ.
    assert two.events.equals(one.events)


def test_a_historical_fetch_that_brings_an_earlier_member_leaves_the_old_id_resolvable(
    desk: Desk,
) -> None:
    (old_id,) = desk.collect(_item("b", publisher="Ledger Post"), at=NINE, source="s-2")
    desk.fold()
    assert desk.event_of(old_id) == old_id
    yesterday = TODAY - timedelta(days=1)
    (earlier,) = desk.collect(_item("a"), at=NINE + timedelta(hours=5), day=yesterday)
    desk.fold(yesterday)
    folded = desk.fold()
    assert folded.events.height == 0
    assert desk.event_of(old_id) == earlier == desk.event_of(earlier)


@pytest.mark.parametrize(("days", "joined"), [(IDENTITY_DAYS, True), (IDENTITY_DAYS + 1, False)])
def test_the_same_text_is_known_for_thirty_days(desk: Desk, days: int, joined: bool) -> None:
    (first,) = desk.collect(_item("a"), at=NINE - timedelta(days=days))
    desk.fold(TODAY - timedelta(days=days))
    (copy,) = desk.collect(_item("b"), at=NINE, source="s-2")
    desk.fold()
    assert desk.event_of(copy) == (first if joined else copy)


@pytest.mark.parametrize(("days", "joined"), [(NEAR_DAYS, True), (NEAR_DAYS + 1, False)])
def test_a_nearly_equal_text_is_known_for_seven_days(desk: Desk, days: int, joined: bool) -> None:
    (first,) = desk.collect(_item("a"), at=NINE - timedelta(days=days))
    desk.fold(TODAY - timedelta(days=days))
    (near,) = desk.collect(_item("b", f"{STORY} And more."), at=NINE, source="s-2")
    desk.fold()
    assert desk.event_of(near) == (first if joined else near)


def test_nothing_looks_at_days_that_come_after(desk: Desk) -> None:
    desk.collect(_item("a"), at=NINE + timedelta(days=1))
    desk.fold(TODAY + timedelta(days=1))
    (copy,) = desk.collect(_item("b"), at=NINE, source="s-2")
    assert desk.fold().events["event_id"].to_list() == [copy]
    assert look_back_days(TODAY) == [TODAY - timedelta(days=n) for n in range(IDENTITY_DAYS, 0, -1)]


def test_a_boilerplate_text_under_three_headlines_of_one_source_does_not_fold_them(
    desk: Desk,
) -> None:
    footer = "Subscribe to our letter to read the whole of this and of many thousand other articles today"
    titles = ("Kilnworks opens plant", "Birchwood buys trucks", "Saltmarsh names chair")
    desk.collect(*(_item(t, footer, title=t) for t in titles))
    assert _layers(desk.fold()) == ["first"] * 3


def test_stories_of_one_template_stay_apart(desk: Desk) -> None:
    template = (
        "shares of {0} closed at {1} on friday after the board in {2} said that quarterly sales had come in "
        "as expected and that the dividend would stay where it was for the rest of this year and the next one"
    )
    firms = (
        ("Kilnworks", "31.20", "Porto"),
        ("Birchwood", "17.85", "Leeds"),
        ("Saltmarsh", "9.04", "Cork"),
    )
    desk.collect(*(_item(f[0], template.format(*f), title="Closing price") for f in firms))
    assert _layers(desk.fold()) == ["first"] * 3


def test_a_made_up_row_in_a_live_tenant_is_set_aside_and_the_rest_goes_on(desk: Desk) -> None:
    (real,) = desk.collect(_item("a"))
    (made_up,) = desk.collect(_item("m", _text("made")), source="s-2", mode="mock")
    folded = desk.fold()
    assert folded.members["item_id"].to_list() == [real]
    (reject,) = folded.rejects
    assert (reject.reference, reject.reason) == (f"item:{made_up}", MOCK_IN_LIVE)
    assert reject.source_id == "s-2"
    assert folded.mock_in_live == 1
    assert set(folded.inputs) == {real, made_up}


def test_made_up_rows_are_what_a_mock_tenant_has(tmp_path: Path) -> None:
    desk = Desk(Lake(tmp_path), mode="mock")
    desk.collect(_item("m"))
    folded = desk.fold()
    assert folded.rejects == ()
    assert folded.events["source_mode"].to_list() == ["mock"]


def test_a_row_of_another_tenant_is_set_aside(desk: Desk) -> None:
    (foreign,) = desk.collect(_item("f"), tenant_id="others")
    folded = desk.fold()
    assert folded.events.height == 0
    assert [(r.reference, r.reason) for r in folded.rejects] == [
        (f"item:{foreign}", "foreign_tenant")
    ]


def test_a_row_without_text_id_or_time_is_set_aside_once(desk: Desk) -> None:
    (empty,) = desk.collect(_item("e", "", title=""))
    rows = desk.lake.collect(raw.SEARCH_RESULTS, desk.lake.scan(raw.SEARCH_RESULTS, ["desk"]))
    broken = rows.with_columns(item_id=pl.lit(None, pl.String), title=pl.lit("Told"))
    desk.lake.append_raw(raw.SEARCH_RESULTS, "desk", TODAY, "search_results-x", broken)
    desk.lake.append_raw(raw.SEARCH_RESULTS, "desk", TODAY, "search_results-y", rows)
    folded = desk.fold()
    assert folded.members.height == 0
    assert {(r.reference, r.reason) for r in folded.rejects} == {
        (f"item:{empty}", "broken_row"),
        (f"item:{rows['batch_id'][0]}#0", "broken_row"),
    }
    assert len(folded.rejects) == 2


def test_the_hash_of_a_day_is_that_of_events_and_members(desk: Desk) -> None:
    desk.collect(_item("a"))
    snapshot = Snapshot("desk", TODAY, "Desk", "live", {}, (), (), {}, (), sha="x", taken_at=NINE)
    first = write(desk.lake, snapshot, fold_day(desk.lake, snapshot))
    again = write(desk.lake, snapshot, fold_day(desk.lake, snapshot))
    assert (first.changed, again.changed) == (True, False)
    assert again.sha == first.sha
    desk.collect(_item("b", "Short."), at=NINE + timedelta(hours=1))
    more = write(desk.lake, snapshot, fold_day(desk.lake, snapshot))
    assert more.changed
    assert more.sha != first.sha
    assert desk.lake.collect(EVENTS, desk.lake.scan(EVENTS, ["desk"])).height == 2


def test_ids_do_not_depend_on_run_or_time_of_collection(desk: Desk) -> None:
    (one,) = desk.collect(_item("a"), at=NINE)
    (two,) = desk.collect(_item("a"), at=NINE + timedelta(days=3))
    assert one == two
    assert one != stable_id("desk", "s-1", "a")
    (other,) = desk.collect(_item("a"), at=NINE, source="s-2")
    assert other != one
