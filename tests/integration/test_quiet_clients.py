"""Clients of which nothing is heard: no results and no answer are told apart, by the check and by `status`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from clientlore.clock import FrozenClock
from clientlore.quality.outcome import CheckOutcome
from clientlore.run_context import RunContext
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
from clientlore.runs.stages import run_stage
from clientlore.runs.standing import standing
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

pytestmark = pytest.mark.usefixtures("bare")

CLIENTS = ("Harbor Foods", "Kilnworks Ceramics", "Vela Works")


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as found:
        yield found


@pytest.fixture
def watching(tmp_path: Path, clock: FrozenClock, server: FeedServer) -> Iterator[Workspace]:
    """Three clients with a feed each: one tells something, one nothing, and one does not answer."""
    with open_workspace(tmp_path / "home", clock, http_attempts=1) as workspace:
        put_tenant(workspace, tenant(server))
        yield workspace


def tenant(server: FeedServer, more: str = "") -> str:
    feeds = ", ".join(
        f"{{name: {name}, owners: [ann], feeds: ['{server.url(f'/{n}')}']}}"
        for n, name in enumerate(CLIENTS)
    )
    return (
        "tenant: desk\nname: Desk\nquiet_after_days: 3\n"
        f"users: [{{id: ann, name: Ann, email: ann@desk.example}}]\nclients: [{feeds}{more}]\n"
    )


def work(workspace: Workspace, server: FeedServer, clock: FrozenClock, days: int) -> CheckOutcome:
    """Works some days, each with news of the first client alone; what the check says on the last."""
    for _ in range(days):
        at = clock.now()
        entry = Entry("Harbor Foods opens a plant", f"On {at:%d %B}.", None, f"g{at:%d}", at)
        server.put("/0", Answer(rss("Wire", [entry])))
        server.put("/1", Answer(rss("Wire", [])))
        server.put("/2", Answer(status=500))
        InlineOrchestrator(workspace).launch(RunRequest(at.date(), at.date()))
        clock.advance(timedelta(days=1))
    day = (clock.now() - timedelta(days=1)).date()
    report = run_stage(RunContext(workspace), "core/relevance", [day])
    return next(check for check in report.checks if check.name == "clients_heard")


def test_no_results_and_no_answer_are_told_apart_after_the_days_that_the_tenant_says(
    watching: Workspace, server: FeedServer, clock: FrozenClock
) -> None:
    assert work(watching, server, clock, 2).passed
    told = work(watching, server, clock, 1)
    assert not told.passed
    assert not told.blocking
    assert told.details == {
        "no_results": {"desk": ["kilnworks-ceramics"]},
        "no_answer": {"desk": ["vela-works"]},
    }
    found = standing(watching, InlineOrchestrator(watching).status())
    said = "\n".join(found.needs_attention)
    assert "no results for 3 days about kilnworks-ceramics of 'desk'" in said
    assert "no answer for 3 days about vela-works of 'desk'" in said
    assert "harbor-foods" not in said


def test_a_client_that_is_new_is_given_its_time(
    watching: Workspace, server: FeedServer, clock: FrozenClock
) -> None:
    work(watching, server, clock, 3)
    put_tenant(watching, tenant(server, ", {name: Osprey Metals, owners: [ann]}"))
    assert "osprey-metals" not in work(watching, server, clock, 2).description


def test_a_client_that_speaks_again_is_no_longer_quiet(
    watching: Workspace, server: FeedServer, clock: FrozenClock
) -> None:
    work(watching, server, clock, 3)
    at = clock.now()
    entry = Entry("Kilnworks Ceramics hires", "Fifty people.", None, "k1", at)
    server.put("/1", Answer(rss("Wire", [entry])))
    server.put("/2", Answer(status=500))
    InlineOrchestrator(watching).launch(RunRequest(at.date(), at.date()))
    report = run_stage(RunContext(watching), "core/relevance", [at.date()])
    told = next(check for check in report.checks if check.name == "clients_heard")
    assert told.details == {"no_results": {}, "no_answer": {"desk": ["vela-works"]}}
