"""Sources that wait for others of their server: who comes first, and what becomes of those whose turn never comes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clientlore.clock import FrozenClock
from clientlore.control import clients, sources, tenants
from clientlore.monitoring import asking, raw
from clientlore.monitoring.collect import Collected, collect
from clientlore.providers.base import Ask
from clientlore.run_context import RunContext
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    """Feeds on loopback: four good ones."""
    with FeedServer() as running:
        for name in "abcd":
            entry = Entry(
                f"{name} opens", "A plant.", f"https://wire.example/{name}", f"g-{name}", NOW
            )
            running.put(f"/{name}", Answer(rss("Wire", [entry])))
        yield running


@pytest.fixture
def workspace(tmp_path: Path, server: FeedServer) -> Iterator[Workspace]:
    """One question at a time, so that there is a line to wait in."""
    with open_workspace(
        tmp_path, FrozenClock(NOW), http_attempts=1, http_concurrency=1
    ) as workspace:
        feeds = ", ".join(f"{{url: '{server.url(f'/{name}')}'}}" for name in "abcd")
        put_tenant(
            workspace,
            f"tenant: desk\nname: Desk\nclients: [{{id: kiln, name: Kiln, feeds: [{feeds}]}}]\n",
        )
        yield workspace


def collected(workspace: Workspace) -> Collected:
    with workspace.control.read() as connection:
        tenant = tenants.get_tenant(connection, "desk")
        known = sources.sources_of(connection, "desk")
        watched = clients.clients_of(connection, "desk")
    return collect(
        RunContext(workspace),
        tenant,
        NOW.date(),
        raw.SEARCH_RESULTS,
        known_sources=known,
        clients=watched,
    )


def test_whoever_waited_longest_is_asked_first(workspace: Workspace, server: FeedServer) -> None:
    good = {path: server.put(path, Answer(b"", status=500)) for path in ("/c", "/d")}
    assert len(collected(workspace).failed) == len(good)
    asked = len(server.log)
    collected(workspace)
    assert {a.path for a in server.log[asked:][:2]} == set(good)


def test_a_source_whose_turn_never_comes_is_told_so_and_left_for_a_later_run(
    workspace: Workspace, server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "LONGEST_QUEUE", -1.0)
    left = collected(workspace)
    assert server.log == []
    assert len(left.failed) == 4
    assert {o.error_kind for o in left.failed} == {"retriable"}
    assert all("was not asked" in (o.error or "") for o in left.failed)
    monkeypatch.undo()
    assert collected(workspace).counts() == {"sources": 4, "collected": 4, "rows": 4}


def test_sources_share_what_they_are_told_of_the_clients(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    asked = asking._ask

    async def noting(ctx: RunContext, ask: Ask, *rest: Any) -> asking.SourceOutcome:
        told.append(ask.clients)
        return await asked(ctx, ask, *rest)

    monkeypatch.setattr(asking, "_ask", noting)
    collected(workspace)
    assert len(told) == 4
    assert len({id(clients) for clients in told}) == 1
