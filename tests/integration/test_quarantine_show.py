"""`clientlore quarantine show`: what was set aside is seen with what it points at, and no other tenant's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clientlore.cli import main as cli
from clientlore.control import quarantine
from clientlore.errors import NotFoundError
from clientlore.monitoring import raw
from clientlore.monitoring.set_aside import find
from clientlore.run_context import RunContext, Scope
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
from clientlore.runs.stages import run_stage
from clientlore.testing.feeds import Answer, FeedServer
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

PAGE = b"<!doctype html><title>Sign in</title>\x1b[31m please" + b"." * 4_000
Typed = Callable[..., str]


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as found:
        found.put("/f", Answer(PAGE, headers={"Content-Type": "text/html"}))
        yield found


@pytest.fixture
def row(workspace: Workspace, server: FeedServer) -> str:
    """The id under which a web page in the place of a feed was set aside."""
    put_tenant(
        workspace,
        f"tenant: desk\nname: Desk\nclients: [{{name: Kiln, feeds: ['{server.url('/f')}']}}]\n",
    )
    day = workspace.clock.now().date()
    InlineOrchestrator(workspace).launch(RunRequest(day, day, Scope()))
    with workspace.control.read() as connection:
        (found,), _ = quarantine.listed(connection)
    return str(found["quarantine_id"])


@pytest.fixture
def typed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Typed:
    monkeypatch.setenv("CLIENTLORE_HOME", str(workspace.settings.home))

    def type_in(*arguments: str, status: int = 0) -> str:
        capsys.readouterr()
        code: object = 0
        try:
            cli.main(["quarantine", "show", *arguments])
        except SystemExit as ended:
            code = ended.code or 0
        out, err = capsys.readouterr()
        assert code == status, out + err
        return out + err

    return type_in


def test_the_reason_the_request_and_the_beginning_of_the_answer_are_shown(
    typed: Typed, row: str, server: FeedServer
) -> None:
    told = typed(row)
    assert "web page" in told
    assert server.url("/f") in told
    assert "text/html" in told
    assert "<title>Sign in</title>" in told
    # Text from outside never reaches the terminal as an order.
    assert "\x1b" not in told
    assert f"clientlore quarantine replay {row}" in told


def test_the_bytes_are_saved_as_they_came(typed: Typed, row: str, tmp_path: Path) -> None:
    typed(row, "--save", str(tmp_path / "page.html"))
    assert (tmp_path / "page.html").read_bytes() == PAGE
    found = json.loads(typed(row, "--json"))
    assert (found["quarantine_id"], found["position"]) == (row, -1)
    assert found["stored"]["bytes"] == len(PAGE)


def test_another_tenants_row_is_not_shown(workspace: Workspace, typed: Typed, row: str) -> None:
    put_tenant(workspace, "tenant: other\nname: Other\n")
    assert find(workspace, row, "desk").body == PAGE
    with pytest.raises(NotFoundError, match="Nothing was set aside"):
        find(workspace, row, "other")
    assert "list --state all" in typed(row, "--tenant", "other", status=1)


def test_what_is_gone_from_the_lake_is_said_to_be(
    workspace: Workspace, typed: Typed, row: str
) -> None:
    folder = workspace.lake.folder(raw.RESPONSES, "desk", workspace.clock.now().date())
    for path in workspace.lake.files(folder):
        path.unlink()
    assert "is not in the lake" in typed(row)
    assert "no bytes to save" in typed(row, "--save", "x", status=1)


def test_a_row_that_is_no_answer_of_a_source_is_shown_as_it_lies_in_the_lake(
    workspace: Workspace, server: FeedServer
) -> None:
    put_tenant(workspace, "tenant: desk\nname: Desk\nclients: [{name: Kiln}]\n")
    day = workspace.clock.now().date()
    made_up = {"tenant_id": "desk", "item_id": "i1", "title": "Invented", "source_mode": "mock"}
    stamp = {
        "batch_id": "b",
        "response_id": "r",
        "position": 0,
        "collected_at": workspace.clock.now(),
    }
    frame = raw.SEARCH_RESULTS.frame([{**made_up, **stamp, "day": day}])
    workspace.lake.append_raw(raw.SEARCH_RESULTS, "desk", day, "b", frame)
    for stage in ("core/config_snapshot", "core/events"):
        run_stage(RunContext(workspace), stage, [day])
    with workspace.control.read() as connection:
        (listed,), _ = quarantine.listed(connection)
    found = find(workspace, listed["quarantine_id"])
    assert (found.row["reason"], found.stored["title"], found.body) == (
        "mock_in_live",
        "Invented",
        None,
    )
