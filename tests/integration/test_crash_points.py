"""A process that stops between any two writes: everything durable is kept, and the next run makes it whole."""

from __future__ import annotations

import datetime
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import tables as t
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
from clientlore.testing.derived import derived_tables, differences, mailed
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

DAY = datetime.date(2026, 11, 20)
EVERY = 7
"""An odd number: renames and commits often take turns, and each group has both."""
NOBODYS = "-99999999-"
"""In the name of an unfinished file, in the place of the id of a process that lives on here."""
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


class Durable:
    """Counts what lasts (file renames, commits); lets somebody look at the disk just before each of them."""

    def __init__(self, look: Callable[[int], None]) -> None:
        self.count = 0
        self.look = look
        self.thread = threading.current_thread()

    def passing(self) -> None:
        if threading.current_thread() is not self.thread:
            return
        self.count += 1
        self.look(self.count)

    @contextmanager
    def watching(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        rename: Callable[..., Any] = Path.replace

        def renamed(path: Path, target: Any) -> Any:
            self.passing()
            return rename(path, target)

        def committing(_connection: sa.Connection) -> None:
            self.passing()

        engine = workspace.control.engine
        sa.event.listen(engine, "commit", committing)
        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", renamed)
            yield
        sa.event.remove(engine, "commit", committing)


def work(home: Path, clock: FrozenClock, durable: Durable, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that somebody looks at on its way."""
    with open_workspace(home, clock) as workspace:
        put_tenant(workspace, TENANT)
        with durable.watching(workspace, monkeypatch):
            InlineOrchestrator(workspace).launch(RunRequest(DAY, DAY, deliver=True))


def finish(home: Path, clock: FrozenClock) -> dict[str, Any]:
    """The next run, by another process, and what is there after it."""
    with open_workspace(home, clock) as workspace:
        with workspace.control.write() as connection:
            # As if the process had ended: this one has another start time.
            connection.execute(sa.update(t.runs).values(process_started=0.0))
        results = InlineOrchestrator(workspace).launch(RunRequest(DAY, DAY, deliver=True))
        assert [r.outcome for r in results] == ["succeeded"]
        with workspace.control.read() as connection:
            open_runs = sa.select(sa.func.count()).where(t.runs.c.outcome.is_(None))
            assert connection.execute(open_runs).scalar_one() == 0
            states = connection.execute(sa.select(t.outbox.c.state).distinct()).scalars().all()
        assert states == ["sent"]
        return {
            "tables": derived_tables(workspace, "acme"),
            "mailed": mailed(workspace, "acme"),
            "mails": len(list(workspace.settings.mail.glob("*.eml"))),
        }


@pytest.mark.parametrize("group", [1, 3, 6])
@pytest.mark.no_cover
@pytest.mark.usefixtures("bare")
def test_stopping_before_a_write_loses_and_doubles_nothing(
    group: int, tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, points = tmp_path / "never", []

    def keep(point: int) -> None:
        """What is on the disk now is what a process leaves that dies now."""
        # Each test takes every seventh point: all of them would take minutes, and their neighbours are alike.
        if point % EVERY == group:
            left = tmp_path / str(point)
            shutil.copytree(home, left)
            for partial in left.rglob(".partial-*"):
                partial.rename(partial.with_name(partial.name.replace(f"-{os.getpid()}-", NOBODYS)))
            points.append(point)

    durable = Durable(keep)
    work(home, clock, durable, monkeypatch)
    assert durable.count > 60
    assert len(points) >= durable.count // EVERY
    reference = finish(home, clock)
    assert reference["mails"] == 2
    for point in points:
        found = finish(tmp_path / str(point), clock)
        assert differences(found["tables"], reference["tables"]) == [], point
        assert found["mailed"] == reference["mailed"], point
        assert found["mails"] == reference["mails"], point
        assert list(tmp_path.joinpath(str(point)).rglob(".partial-*")) == [], point
