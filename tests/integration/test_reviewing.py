"""`clientlore review`: what is in doubt waits for a person, and what the person decides holds on the next run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pytest

from clientlore.control import ledger
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.run_context import Scope
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace
from tests.support.typed import Commands

FAR = "The river ran by the town as it had in the years before, and the birds were out. " * 4
DOUBTFUL = f"{FAR} Rates hold, said Ann Lee, an analyst at Kiln Works."
SURE = f"{FAR} Kiln Works said it would build a plant near the river."
Typed = Callable[..., str]


@pytest.fixture
def server(workspace: Workspace) -> Iterator[FeedServer]:
    at = workspace.clock.now()
    entries = [
        Entry(title="Rates hold in spring", text=DOUBTFUL, guid="a", published=at),
        Entry(title="A plant by the river", text=SURE, guid="b", published=at),
    ]
    with FeedServer() as found:
        found.put("/f", Answer(rss("Wire", entries)))
        yield found


@pytest.fixture
def typed(
    typed: Commands, workspace: Workspace, server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> Typed:
    """The command line, after one run of a day with one doubtful and one sure item."""
    monkeypatch.setenv("CLIENTLORE_HOME", str(workspace.settings.home))
    put_tenant(
        workspace,
        f"tenant: desk\nname: Desk\nclients: [{{name: Kiln Works}}]\nfeeds: ['{server.url('/f')}']\n",
    )
    run(workspace)
    return lambda *arguments, status=0: typed(*arguments, status=status).both


def run(workspace: Workspace, *, collect: bool = True) -> dict[str, Any]:
    """Makes the day; what the stage that judges counted."""
    day = workspace.clock.now().date()
    InlineOrchestrator(workspace).launch(RunRequest(day, day, Scope(collect=collect)))
    with workspace.control.read() as connection:
        (row,) = (
            r for r in ledger.days_of(connection, "desk", [day]) if r["stage"] == RELEVANCE.key
        )
    assert row["error"] is None
    return dict(row["counts"])


def judged(workspace: Workspace) -> pl.DataFrame:
    return workspace.lake.collect(RELEVANCE, workspace.lake.scan(RELEVANCE, ["desk"]))


def waiting(typed: Typed, *more: str) -> list[dict[str, Any]]:
    found: dict[str, Any] = json.loads(typed("review", "list", "--json", *more))
    return list(found["rows"])


def test_a_match_in_doubt_is_listed_and_counted_rather_than_dropped(
    workspace: Workspace, typed: Typed
) -> None:
    (row,) = waiting(typed)
    assert (row["client_id"], row["title"]) == ("kiln-works", "Rates hold in spring")
    assert (row["reason"], row["evidence"]) == ("only named by the way", "Kiln Works")
    assert 0 < row["confidence"] < 0.6
    assert judged(workspace).height == 1
    status = json.loads(typed("status", "--json"))
    assert status["tenants"][0]["in_doubt"] == 1
    assert any("clientlore review list" in line for line in status["needs_attention"])
    assert "In doubt: 1." in typed("status")
    assert row["review_id"] in typed("review", "list")
    assert run(workspace, collect=False)["in_doubt"] == 1
    assert len(waiting(typed, "--state", "all")) == 1


def test_what_is_accepted_is_judged_when_its_day_is_made_again(
    workspace: Workspace, typed: Typed
) -> None:
    (row,) = waiting(typed)
    told = typed("review", "accept", row["review_id"])
    assert f"clientlore run --day {row['day']} --no-collect --tenant desk" in told
    assert judged(workspace).height == 1
    assert run(workspace, collect=False)["in_doubt"] == 0
    (entered,) = judged(workspace).filter(pl.col("event_id") == row["event_id"]).to_dicts()
    assert entered["evidence"] == "Kiln Works, confirmed by a person"
    assert waiting(typed) == []
    before = judged(workspace)
    run(workspace, collect=False)
    assert judged(workspace).equals(before)


def test_what_is_rejected_stays_out_and_another_decision_brings_it_back(
    workspace: Workspace, typed: Typed
) -> None:
    (row,) = waiting(typed)
    assert typed("review", "reject", row["review_id"]) == "1 rejected.\n"
    assert run(workspace, collect=False)["in_doubt"] == 0
    assert judged(workspace).height == 1
    assert [r["review_id"] for r in waiting(typed, "--state", "rejected")] == [row["review_id"]]
    typed("review", "accept", row["review_id"])
    run(workspace, collect=False)
    assert judged(workspace).height == 2
    typed("review", "reject", row["review_id"])
    run(workspace, collect=False)
    assert judged(workspace).height == 1


def test_an_id_that_is_not_in_doubt_is_refused_and_nothing_of_the_list_is_noted(
    workspace: Workspace, typed: Typed
) -> None:
    (row,) = waiting(typed)
    assert "Nothing is in doubt under 'none'" in typed(
        "review", "accept", row["review_id"], "none", status=1
    )
    put_tenant(workspace, "tenant: other\nname: Other\n")
    typed("review", "reject", row["review_id"], "--tenant", "other", status=1)
    assert len(waiting(typed)) == 1
