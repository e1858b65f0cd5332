"""Windows and what was told before: more on a story says so, and a copy that leaves its event is not told twice."""

from __future__ import annotations

import email
from collections.abc import Iterator
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from clientlore.clock import FrozenClock
from clientlore.control import tables as t
from clientlore.monitoring.events import MEMBERS
from clientlore.testing.workspaces import open_workspace, put_tenant
from tests.integration.test_closing_windows import DAY, NOW, TENANT, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    clock = FrozenClock(NOW)
    with open_workspace(tmp_path / "home", clock) as opened:
        put_tenant(opened, TENANT)
        yield Desk(opened, clock)


def members(desk: Desk, first: dict[str, Any], *folded: dict[str, Any]) -> None:
    """Makes a day of one event with copies."""
    desk.news(first)
    lake = desk.workspace.lake
    (row,) = lake.scan(MEMBERS, ["acme"], [DAY]).collect().to_dicts()
    copies = [{**row, "origin_key": one["item_id"], **one} for one in folded]
    lake.write(MEMBERS, "acme", DAY, MEMBERS.frame([row, *copies]))


def test_what_goes_on_with_a_story_that_was_sent_says_so_in_the_mail(desk: Desk) -> None:
    desk.news({"item_id": "a", "story_similarity": 1.0})
    desk.fire()
    desk.close()
    desk.next_day("f2")
    other = {"item_id": "c", "text": "Harbor Foods hires 240."}
    more = {"item_id": "b", "story_id": "a", "story_similarity": 0.6}
    desk.news(more, other, day=desk.clock.now().date())
    assert desk.outcomes()["ann"] == "mailed"
    assert desk.decisions()[1:] == [("b", "sent", False), ("c", "sent", False)]
    reasons = {row["event_id"]: row["reason"] for row in desk.rows(t.notifications)}
    assert reasons["b"] == "in this mail, as more on a story that was told as a"
    assert reasons["c"] == "in this mail"
    data = desk.workspace.blobs.get("acme", desk.rows(t.outbox)[-1]["blob"])
    message = email.message_from_bytes(data, policy=default)
    for kind in ("plain", "html"):
        assert str(message.get_body((kind,))).count("More on an earlier story") == 1


def test_a_copy_that_was_shown_is_not_told_again_when_it_is_taken_out_of_its_event(
    desk: Desk,
) -> None:
    first, fuller = {"item_id": "a"}, {"item_id": "b", "text": "Harbor Foods opens a plant. " * 3}
    hidden = {"item_id": "c", "text": "Harbor."}
    folded = [first] + [{**one, "event_id": "a", "layer": "near"} for one in (fuller, hidden)]
    members(desk, *folded)
    desk.fire()
    desk.close()
    assert desk.decisions() == [("a", "sent", False)]
    assert desk.rows(t.notifications)[0]["shown_item_id"] == "b"
    desk.next_day("f2")
    desk.news(day=desk.clock.now().date())
    desk.news(first, fuller, hidden)
    assert desk.outcomes()["ann"] == "mailed"
    assert desk.decisions()[1:] == [("b", "already_sent", False), ("c", "sent", False)]
    desk.next_day("f3")
    desk.news(day=desk.clock.now().date())
    members(desk, *folded)
    assert desk.outcomes()["ann"] == "empty"
    assert len(desk.decisions()) == 3
