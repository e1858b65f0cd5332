"""Two runs of one tenant at once, a whole day on PostgreSQL, and stores that are not there."""

from __future__ import annotations

import datetime
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock, SystemClock
from clientlore.control import tables as t
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest, RunResult
from clientlore.testing.derived import derived_tables, differences, mailed
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

# Most of it happens in other processes, and none of it is tested here alone.
pytestmark = [pytest.mark.usefixtures("bare"), pytest.mark.no_cover]
DAY = datetime.date(2026, 11, 20)
TENANT = """
    tenant: acme
    name: Acme
    mode: mock
    users:
      - {id: ann, name: Ann, email: ann@acme.example}
      - {id: bo, name: Bo, email: bo@acme.example, zone: Asia/Tokyo}
    clients:
      - {name: Harbor Foods, industry: food, owners: [ann]}
      - {name: Vela Logistics SE, industry: logistics, owners: [bo, ann]}
"""
RUN = """
    import datetime, sys
    from pathlib import Path
    # What the fixture `bare` does, for this process.
    sys.modules["great_expectations"] = None
    from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
    from clientlore.settings import Settings
    from clientlore.workspace import Workspace
    day = datetime.date(2026, 11, 20)
    settings = Settings(home=Path(sys.argv[1]), database_url=sys.argv[2] or None)
    with Workspace.open(settings) as workspace:
        (result,) = InlineOrchestrator(workspace).launch(RunRequest(day, day, deliver=True))
        print(result.outcome)
"""


def alone(home: Path) -> Workspace:
    """A home in which one run was left in peace."""
    workspace = open_workspace(home, SystemClock())
    put_tenant(workspace, TENANT)
    InlineOrchestrator(workspace).launch(RunRequest(DAY, DAY, deliver=True))
    return workspace


def test_two_processes_working_one_tenant_at_once_come_to_what_one_comes_to(
    tmp_path: Path, database_url: str
) -> None:
    reference = alone(tmp_path / "alone")
    home = tmp_path / "both"
    url = database_url if database_url.startswith("postgresql") else ""
    with open_workspace(home, SystemClock(), database_url=url or None) as workspace:
        put_tenant(workspace, TENANT)
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(RUN), str(home), url],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        said = [process.communicate(timeout=120) for process in processes]
        assert [out.strip() for out, _ in said] == ["succeeded", "succeeded"], said
        tables, expected = derived_tables(workspace, "acme"), derived_tables(reference, "acme")
        assert differences(tables, expected) == []
        assert mailed(workspace, "acme") == mailed(reference, "acme")
        names = [p.name for p in workspace.settings.mail.glob("*.eml")]
        assert len(names) == len(list(reference.settings.mail.glob("*.eml"))) == 2
    reference.close()


def test_a_run_waits_for_the_tenant_that_another_is_writing_and_says_so(
    workspace: Workspace,
) -> None:
    put_tenant(workspace, TENANT)
    said: list[str] = []
    results: list[RunResult] = []

    def progress(what: str, detail: dict[str, object]) -> None:
        if what == "waiting":
            said.append(str(detail["message"]))
            released.set()

    released = threading.Event()
    thread = threading.Thread(
        target=lambda: results.extend(
            InlineOrchestrator(workspace, progress).launch(RunRequest(DAY, DAY))
        )
    )
    with workspace.locks.hold("acme", "run of somebody else"):
        thread.start()
        assert released.wait(10)
    thread.join(60)
    assert "which run of somebody else (process" in said[0]
    assert [r.outcome for r in results] == ["succeeded"]


def test_a_tenant_that_stays_busy_fails_for_this_run_with_a_clear_error(
    tmp_path: Path, clock: FrozenClock
) -> None:
    with open_workspace(tmp_path / "home", clock, lock_timeout_seconds=0.1) as workspace:
        put_tenant(workspace, TENANT)
        put_tenant(
            workspace, "{tenant: free, name: Free, mode: mock, users: [], clients: [{name: Umbra}]}"
        )
        with workspace.locks.hold("acme", "run of somebody else"):
            (result,) = InlineOrchestrator(workspace).launch(RunRequest(DAY, DAY))
        assert result.outcome == "degraded"
        assert result.error is not None
        assert "is being written by run of somebody else" in result.error
        assert "CLIENTLORE_LOCK_TIMEOUT" in result.error
        with workspace.control.read() as connection:
            states = connection.execute(
                sa.select(t.tenant_days.c.tenant_id, t.tenant_days.c.state).distinct()
            ).all()
        assert set(states) == {("acme", "failed"), ("free", "done")}


def test_a_whole_day_works_on_postgresql_as_on_sqlite(
    tmp_path: Path, clock: FrozenClock, postgres_url: str
) -> None:
    found = []
    for name, url in (("sqlite", None), ("postgresql", postgres_url)):
        with open_workspace(tmp_path / name, clock, database_url=url) as workspace:
            put_tenant(workspace, TENANT)
            for _ in range(2):
                (result,) = InlineOrchestrator(workspace).launch(RunRequest(DAY, DAY, deliver=True))
                assert result.outcome == "succeeded", result
            found.append((derived_tables(workspace, "acme"), mailed(workspace, "acme")))
            assert len(list(workspace.settings.mail.glob("*.eml"))) == 2
    assert differences(found[0][0], found[1][0]) == []
    assert found[0][1] == found[1][1]


@pytest.mark.parametrize(
    ("store", "spoil"),
    [
        ("lake", lambda w: w.lake.root),
        ("blobs", lambda w: w.blobs.root),
        ("vectors", lambda w: w.vectors.root),
    ],
)
def test_a_store_that_does_not_answer_is_named(
    workspace: Workspace, store: str, spoil: Callable[[Workspace], Path]
) -> None:
    folder = spoil(workspace)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file where a folder should be")
    health = {h.store: h for h in workspace.validate_connections()}
    assert not health[store].ok
    assert health[store].error
    assert all(h.ok for name, h in health.items() if name != store)


def test_an_index_that_cannot_be_written_harms_search_alone(workspace: Workspace) -> None:
    put_tenant(workspace, TENANT)
    workspace.vectors.root.parent.mkdir(parents=True, exist_ok=True)
    workspace.vectors.root.write_text("a file where a folder should be")
    (result,) = InlineOrchestrator(workspace).launch(RunRequest(DAY, DAY, deliver=True))
    assert result.outcome == "degraded"
    assert "index" in str(result.error)
    assert len(list(workspace.settings.mail.glob("*.eml"))) == 2
