"""On which day an event and a client are judged: when the two first come together, and never again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clientlore.control.model import Client
from clientlore.control.snapshots import Snapshot
from clientlore.monitoring import raw
from clientlore.monitoring.events import fold_day, write
from clientlore.monitoring.relevance import RELEVANCE, RulesScorer, relevance_of_day
from clientlore.providers.base import Item, Parsed, Response, describe_request
from clientlore.storage.lake import Lake

NINE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TODAY = NINE.date()
TOMORROW = TODAY + timedelta(days=1)
KILN = Client("desk", "kiln", "Kilnworks Ceramics")
BIRCH = Client("desk", "birch", "Birchwood Freight")
STORY = (
    "Kilnworks Ceramics said on Tuesday it would build a plant near Porto and hire 240 people there by next "
    "summer. Chief executive Bo Lind said demand had grown 31% in twelve months and outpaced every plan."
)


@dataclass
class Desk:
    """Collects, folds and judges."""

    lake: Lake
    clients: tuple[Client, ...] = (KILN, BIRCH)

    def snapshot(self, day: date) -> Snapshot:
        """The configuration of a day."""
        return Snapshot(
            "desk", day, "Desk", "live", {}, self.clients, (), {}, (), sha="x", taken_at=NINE
        )

    def collect(
        self, at: datetime, *items: Item, source: str = "s-1", client: str | None = None
    ) -> None:
        """Stores a batch of raw rows, and folds its day."""
        batch = raw.Batch.new("desk", at.date(), raw.SEARCH_RESULTS, at, f"run-{source}")
        found = Parsed(items=tuple(replace(item, position=n) for n, item in enumerate(items)))
        request = describe_request("GET", f"https://{source}.example/feed")
        response = Response(
            source, client, "rss", request, 200, {}, repr(found).encode(), at, "live"
        )
        raw.store_responses(self.lake, batch, [response])
        raw.store_rows(self.lake, batch, [(response, found)])
        snapshot = self.snapshot(at.date())
        write(self.lake, snapshot, fold_day(self.lake, snapshot))

    def judge(self, day: date, scorer: Any = None) -> list[dict[str, Any]]:
        """Judges a day and writes it."""
        frame = relevance_of_day(self.lake, self.snapshot(day), scorer or RulesScorer()).rows
        self.lake.write(RELEVANCE, "desk", day, frame)
        return frame.to_dicts()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An empty lake and two clients."""
    return Desk(Lake(tmp_path / "lake"))


def _item(origin: str, text: str = STORY, **given: Any) -> Item:
    known = {"title": f"Headline of {origin}", "url": f"https://wire.example/{origin}"}
    return Item(position=0, origin_id=origin, text=text, **{"publisher": "Wire", **known, **given})


def test_an_event_is_judged_on_its_day_for_the_client_it_names(desk: Desk) -> None:
    desk.collect(NINE, _item("a"))
    (row,) = desk.judge(TODAY)
    assert (row["client_id"], row["role"], row["evidence"]) == (
        "kiln",
        "lead",
        "Kilnworks Ceramics",
    )
    assert (row["day"], row["event_day"], row["tenant_id"]) == (TODAY, TODAY, "desk")
    assert (row["method"], row["source_mode"], row["collected_at"]) == ("rules", "live", NINE)


def test_a_day_without_events_has_no_judgements(desk: Desk) -> None:
    assert desk.judge(TODAY) == []


def test_of_several_copies_the_one_that_says_most_about_the_client_is_judged(desk: Desk) -> None:
    desk.collect(NINE, _item("a"))
    title = "Kilnworks Ceramics builds plant"
    desk.collect(NINE + timedelta(hours=1), _item("b", title=title, publisher="Post"), source="s-2")
    (row,) = desk.judge(TODAY)
    assert (row["role"], row["summary"]) == ("subject", STORY.partition(". ")[0] + ".")
    assert row["rationale"].endswith("; 2 publishers")


def test_an_event_of_an_earlier_day_is_not_judged_again_for_the_same_client(desk: Desk) -> None:
    desk.collect(NINE, _item("a"))
    first = desk.judge(TODAY)
    desk.collect(NINE + timedelta(days=1), _item("b", f"{STORY} More."), source="s-2")
    assert desk.judge(TOMORROW) == []
    assert desk.judge(TODAY) == first


def test_a_new_copy_that_brings_in_another_client_is_judged_for_that_one_alone(desk: Desk) -> None:
    desk.collect(NINE, _item("a"))
    (first,) = desk.judge(TODAY)
    copy = _item("b", f"{STORY} Birchwood Freight will carry the goods.")
    desk.collect(NINE + timedelta(days=1), copy, source="s-2")
    (row,) = desk.judge(TOMORROW)
    assert (row["client_id"], row["event_id"]) == ("birch", first["event_id"])
    assert (row["day"], row["event_day"]) == (TOMORROW, TODAY)


def test_an_item_that_was_seen_before_is_not_judged_again_even_for_a_new_client(desk: Desk) -> None:
    desk.clients = (BIRCH,)
    desk.collect(NINE, _item("a"))
    assert desk.judge(TODAY) == []
    desk.clients = (BIRCH, KILN)
    desk.collect(NINE + timedelta(days=1), _item("a"))
    assert desk.judge(TOMORROW) == []


def test_the_feed_of_a_client_brings_in_that_client_only(desk: Desk) -> None:
    desk.collect(NINE, _item("a", "The river ran by the town as in other years."), client="birch")
    (row,) = desk.judge(TODAY)
    assert (row["client_id"], row["role"]) == ("birch", "source")


def test_judgements_come_in_the_order_of_their_table_whoever_judges(desk: Desk) -> None:
    both = f"{STORY} Birchwood Freight will carry the goods."
    desk.collect(
        NINE,
        *(
            _item(f"n{n}", both + " They agreed." * n, title="Told" + " again" * n)
            for n in range(3)
        ),
    )
    desk.collect(
        NINE,
        *(_item(f"m{n}", f"Kilnworks Ceramics, {n}.", title=f"M{n}") for n in range(9)),
        source="s-2",
    )
    rows = desk.judge(TODAY)
    keys = [(row["event_id"], row["client_id"]) for row in rows]
    assert keys == sorted(keys)
    assert len(keys) == 11
    assert desk.judge(TODAY) == rows


class Silent:
    """A scorer whose budget is used up."""

    method = "llm"
    version = "m1"

    def score(self, items: pl.DataFrame, clients: Any) -> pl.DataFrame:
        """Judges nothing."""
        rules = RulesScorer().score(items, clients)
        return rules.with_columns(score=pl.lit(None, pl.Float64), method=pl.lit("x"))


def test_another_scorer_may_judge_and_what_it_leaves_out_stays_unscored(desk: Desk) -> None:
    desk.collect(NINE, _item("a"))
    (row,) = desk.judge(TODAY, Silent())
    assert (row["score"], row["method"], row["scorer"]) == (None, "llm", "m1")
