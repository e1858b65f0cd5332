"""`clientlore event`: a copy that is none becomes an event of its own, and undoing that restores what was."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from clientlore.cli import main as cli
from clientlore.digests.matches import MATCHES
from clientlore.monitoring.events import EVENTS, MEMBERS
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.run_context import Scope
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

TEXT = (
    "Kiln Works said on Tuesday it would open a plant near Porto and hire 240 people there by next summer. Chief "
    "executive Bo Lind said demand had grown and outpaced every plan of the company."
)
Typed = Callable[..., str]


@pytest.fixture
def typed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Typed:
    """The command line, after one run of a day with two items that are one event."""
    monkeypatch.setenv("CLIENTLORE_HOME", str(workspace.settings.home))
    at = workspace.clock.now()
    entries = [
        Entry("A plant for Porto", TEXT, guid="a", published=at - timedelta(hours=2)),
        Entry("Kiln Works opens a plant", f"{TEXT} Its shares rose.", guid="b", published=at),
    ]
    with FeedServer() as server:
        server.put("/f", Answer(rss("Wire", entries)))
        feed = server.url("/f")
        put_tenant(
            workspace,
            "tenant: desk\nname: Desk\nusers: [{id: ann, name: Ann}]\n"
            f"clients: [{{name: Kiln Works, owners: [ann], feeds: ['{feed}']}}]\n",
        )
        run(workspace, collect=True)

    def type_in(*arguments: str, status: int = 0) -> str:
        capsys.readouterr()
        code: object = 0
        try:
            cli.main(list(arguments))
        except SystemExit as ended:
            code = ended.code or 0
        out, err = capsys.readouterr()
        assert code == status, out + err
        return out + err

    return type_in


def run(workspace: Workspace, *, collect: bool = False) -> None:
    day = workspace.clock.now().date()
    InlineOrchestrator(workspace).launch(RunRequest(day, day, Scope(collect=collect)))


def stored(workspace: Workspace) -> list[pl.DataFrame]:
    tables = (EVENTS, MEMBERS, RELEVANCE, MATCHES)
    return [workspace.lake.scan(table, ["desk"]).collect() for table in tables]


def test_a_copy_that_is_none_becomes_an_event_and_undoing_that_restores_every_row(
    workspace: Workspace, typed: Typed
) -> None:
    before = stored(workspace)
    (event_id,) = before[0]["event_id"]
    (copy,) = before[1].filter(pl.col("layer") != "first")["item_id"]
    day = workspace.clock.now().date()
    assert f"clientlore event split {copy} --tenant desk" in typed("explain", event_id)
    said = typed("event", "split", copy, "--why", "another plant")
    assert f"clientlore run --day {day} --no-collect --tenant desk" in said
    (row,) = listed(typed)
    assert (row["event_id"], row["reason"], row["in_force"]) == (event_id, "another plant", False)
    run(workspace)
    events, members, relevance, _ = stored(workspace)
    assert events["event_id"].sort().to_list() == sorted([event_id, copy])
    # Nor is it of its story: a person said that it is something else.
    assert events["story_id"].n_unique() == 2
    assert set(relevance["event_id"]) == {event_id, copy}
    assert "a person said that it is no copy" in members["reason"].to_list()
    assert listed(typed)[0]["in_force"] is True
    told = typed("explain", copy)
    assert f"Taken out of {event_id} by cli:" in told
    assert "another plant" in told
    assert json.loads(typed("explain", copy, "--json"))["split"]["state"] == "apart"
    # Said twice, it is the same.
    typed("event", "split", copy)
    undone = json.loads(typed("event", "split", copy, "--undo", "--json"))
    assert undone["days"] == {"from": day.isoformat(), "to": day.isoformat()}
    run(workspace)
    assert all(a.equals(b) for a, b in zip(stored(workspace), before, strict=True))
    assert listed(typed) == []
    (row,) = listed(typed, "--state", "undone")
    assert (row["event_id"], row["in_force"]) == (event_id, True)
    assert "1 in all" in typed("event", "list", "--state", "all")


def test_the_first_item_of_an_event_and_what_nobody_took_apart_are_refused_with_the_next_step(
    workspace: Workspace, typed: Typed
) -> None:
    (event_id,) = stored(workspace)[0]["event_id"]
    assert "is the first of its event" in typed("event", "split", event_id, status=1)
    assert "clientlore event list" in typed("event", "split", event_id, "--undo", status=1)
    assert "No item" in typed("event", "split", "0" * 32, status=1)


def listed(typed: Typed, *more: str) -> list[dict[str, Any]]:
    found: dict[str, Any] = json.loads(typed("event", "list", "--json", *more))
    return list(found["rows"])
