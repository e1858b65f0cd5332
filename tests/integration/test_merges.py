"""Merges explained: both texts beside each other, and where they differ."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from clientlore.cli.reading import explain
from clientlore.clock import FrozenClock
from clientlore.monitoring.events import MEMBERS
from clientlore.monitoring.merges import merges_of
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.testing.workspaces import open_workspace, put_tenant

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TENANT = """
tenant: acme
name: Acme
users: [{{id: ann, name: Ann}}]
clients: [{{id: harbor, name: Harbor Foods, owners: [ann], feeds: ['{url}']}}]
"""
TITLE = "Harbor Foods opens a plant"
TEXT = "Harbor Foods said on Tuesday it would open a plant near Porto and hire 240 people there by next summer."


def test_each_merge_is_shown_with_both_texts_and_where_they_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FrozenClock(NOW)
    home = tmp_path / "home"
    with FeedServer() as server, open_workspace(home, clock) as workspace:
        put_tenant(workspace, TENANT.format(url=server.url("/news.xml")))
        for title, text in ((TITLE, TEXT), (f"UPDATE 1 - {TITLE}", f"{TEXT} Its shares rose.")):
            entry = Entry(
                title,
                text,
                published=NOW - timedelta(hours=2),
                link="https://w.example/1",
                guid="g1",
            )
            server.put("/news.xml", Answer(rss("Wire", [entry])))
            InlineOrchestrator(workspace).launch(RunRequest(NOW.date(), NOW.date()))
            clock.at += timedelta(hours=1)
        members = workspace.lake.scan(MEMBERS, ["acme"]).collect()
        event_id = members["event_id"][0]
        (pair,) = merges_of(workspace.lake, "acme", event_id)
        assert merges_of(workspace.lake, "other", event_id) == []
    assert (pair.layer, pair.event_id) == ("revision", event_id)
    assert ("Its shares rose.", True) in pair.later.text
    assert not any(differs for _, differs in pair.first.text)

    monkeypatch.setenv("CLIENTLORE_HOME", str(home))
    said = CliRunner().invoke(explain, [event_id], catch_exceptions=False).output
    assert "1 folded into it" in said
    assert "[Its shares rose.]" in said
    told = CliRunner().invoke(explain, [event_id, "--json"], catch_exceptions=False).output
    assert json.loads(told)["merges"][0]["reason"] == "a later version of the same item"
