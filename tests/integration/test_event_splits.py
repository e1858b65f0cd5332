"""A person takes an item out of its event: the decision, what follows from it, and that undoing restores all."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from clientlore.control import splits
from clientlore.control import tables as t
from clientlore.control.snapshots import Snapshot
from clientlore.errors import ConfigurationError, NotFoundError
from clientlore.monitoring.events import EVENTS, MEMBERS, TAKEN_APART, fold_day, write
from clientlore.monitoring.merges import story_of
from clientlore.monitoring.splitting import days_to_make, find_item, in_force
from clientlore.storage.lake import Lake
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace
from tests.integration.test_events import NINE, STORY, TODAY, Desk, _item, _text

YESTERDAY = TODAY - timedelta(days=1)
TEXTS = (STORY, f"{STORY} Its shares rose.", f"Porto: {STORY}", _text("salt"), _text("tide"))


def make(desk: Desk, *days: date, apart: frozenset[str] = frozenset()) -> None:
    """Makes days again in their order."""
    for day in days:
        snapshot = Snapshot("desk", day, "Desk", "live", {}, (), (), {}, (), sha="x", taken_at=NINE)
        write(desk.lake, snapshot, fold_day(desk.lake, snapshot, apart))


def stored(desk: Desk) -> list[pl.DataFrame]:
    """Both tables, row by row as they lie in their files."""
    return [desk.lake.scan(table, ["desk"]).collect() for table in (EVENTS, MEMBERS)]


_TOLD = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=4)


@given(_TOLD, _TOLD, st.data())
@settings(max_examples=8, deadline=None)
def test_undoing_what_took_an_item_out_of_its_event_restores_every_row(
    yesterday: list[tuple[int, int]], today: list[tuple[int, int]], data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        desk = Desk(Lake(Path(folder)))
        for back, told in ((1, yesterday), (0, today)):
            for hour, (text, source) in enumerate(told):
                at = NINE - timedelta(days=back) + timedelta(hours=hour)
                desk.collect(_item(f"{back}-{hour}", TEXTS[text]), at=at, source=f"s-{source}")
        make(desk, YESTERDAY, TODAY)
        before = stored(desk)
        copies = before[1].filter(~pl.col("layer").is_in(["first", "seen"]))["item_id"].to_list()
        assume(copies)
        item = data.draw(st.sampled_from(copies))
        make(desk, YESTERDAY, TODAY, apart=frozenset({item}))
        events, members = stored(desk)
        own = events.filter(pl.col("event_id") == item)
        assert (own.height, own["story_id"][0]) == (1, item)
        assert members.filter(pl.col("item_id") == item)["reason"].to_list() == [TAKEN_APART]
        make(desk, YESTERDAY, TODAY)
        assert all(a.equals(b) for a, b in zip(stored(desk), before, strict=True))


def test_an_event_of_a_later_day_goes_on_with_the_story_and_a_fuller_copy_moves_nothing(
    tmp_path: Path,
) -> None:
    desk = Desk(Lake(tmp_path))
    (first,) = desk.collect(_item("a"), at=NINE - timedelta(days=1))
    other = (
        "In Porto, a plant for 240 people is to be built by Kilnworks Ceramics, whose chief executive Bo Lind "
        "speaks of demand that outpaced all plans. The road to it is paid for by the region."
    )
    (told,) = desk.collect(_item("b", other, title="Kilnworks: 240 jobs for Porto"), source="s-2")
    make(desk, YESTERDAY, TODAY)
    (_, event) = stored(desk)[0].sort("day").to_dicts()
    assert (event["event_id"], event["story_id"]) == (told, first)
    assert 0.23 <= event["story_similarity"] < 1
    story_id, total, events = story_of(desk.lake, "desk", told)
    assert (story_id, total, [e.event_id for e in events]) == (first, 2, [first, told])
    assert story_of(desk.lake, "desk", "nothing") == (None, 0, ())
    fuller = _item("c", f"{other} {_text('more')}", title="Kilnworks: 240 jobs for Porto")
    desk.collect(fuller, at=NINE + timedelta(hours=1), source="s-3")
    make(desk, TODAY)
    again = stored(desk)[0].filter(pl.col("event_id") == told).to_dicts()[0]
    assert again["shown_item_id"] != event["shown_item_id"]
    assert again["story_similarity"] == event["story_similarity"]


def test_what_may_be_taken_apart_is_a_folded_item_and_later_days_are_made_again(
    tmp_path: Path,
) -> None:
    desk = Desk(Lake(tmp_path))
    (first,) = desk.collect(_item("a"), at=NINE - timedelta(days=1))
    (copy,) = desk.collect(_item("b", TEXTS[1]), at=NINE - timedelta(hours=20), source="s-2")
    make(desk, YESTERDAY, TODAY)
    found = find_item(desk.lake, "desk", copy)
    assert (found.event_id, found.day, found.apart) == (first, YESTERDAY, False)
    assert days_to_make(desk.lake, "desk", found.day) == (YESTERDAY, TODAY)
    with pytest.raises(ConfigurationError, match="is the first of its event"):
        find_item(desk.lake, "desk", first)
    with pytest.raises(NotFoundError, match="No item 'nothing'"):
        find_item(desk.lake, "desk", "nothing")
    assert in_force(desk.lake, "desk", [copy]) == frozenset()
    make(desk, YESTERDAY, apart=frozenset({copy}))
    assert find_item(desk.lake, "desk", copy).apart
    assert in_force(desk.lake, "desk", [first, copy]) == {copy}


def test_a_decision_keeps_who_when_and_why_and_is_noted_once(workspace: Workspace) -> None:
    put_tenant(workspace, "tenant: desk\nname: Desk\n")
    audit = workspace.audit("cli:ann", "another plant")
    for expected in (True, False):
        with workspace.control.write() as connection:
            assert (
                splits.take_apart(
                    connection, audit, tenant_id="desk", item_id="b", event_id="a", day=TODAY
                )
                is expected
            )
    with workspace.control.write() as connection:
        (row,), total = splits.listed(connection, tenant_id="desk")
        assert (row["decided_by"], row["reason"], row["updated_at"], total) == (
            "cli:ann", "another plant", workspace.clock.now(), 1,
        )  # fmt: skip
        assert splits.standing(connection, "desk") == {"b"}
        assert splits.standing(connection, "other") == frozenset()
        back = workspace.audit("cli:ben", "the same after all")
        assert splits.put_back(connection, back, "desk", "b")["state"] == "apart"
        assert splits.put_back(connection, back, "desk", "b")["state"] == "undone"
        with pytest.raises(NotFoundError, match="Nobody took item 'x'"):
            splits.put_back(connection, back, "desk", "x")
        assert splits.standing(connection, "desk") == frozenset()
        log = connection.execute(
            sa.select(t.audit_log).where(t.audit_log.c.entity == "event_splits")
        ).mappings()
        said = [(entry["actor"], entry["action"], entry["reason"]) for entry in log]
    assert said == [
        ("cli:ann", "split", "another plant"),
        ("cli:ben", "undo", "the same after all"),
    ]
