"""Kill -9 at random moments of a run: the next run makes everything as if nothing had happened."""

from __future__ import annotations

import datetime
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
import sqlalchemy as sa

from clientlore.clock import SystemClock
from clientlore.control import tables as t
from clientlore.testing.derived import derived_tables, differences, mailed
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.testing.workspaces import open_workspace, put_tenant

if TYPE_CHECKING:
    from tests.e2e.conftest import Commands

ROOT = Path(__file__).resolve().parents[2]
TODAY = datetime.datetime.now(datetime.UTC).date()
COMPANIES = ("Harbor Foods", "Vela Logistics", "Umbra Power", "Calder Retail", "Quarry Stone")
MOMENTS = 20


def entries(company: str) -> list[Entry]:
    """News about a company, told twice each, with one revision."""
    at = datetime.datetime.combine(TODAY, datetime.time(), datetime.UTC)
    found = []
    for number in range(6):
        text = (
            f"{company} said it signed agreement number {number} with Partner{number} Group worth "
            f"${number + 3}0 million, its {number + 2}nd this year, and will hire {number + 20} people "
            f"in Town{number}. Shares of {company} rose {number + 1}% after the announcement."
        )
        link = f"https://wire.example/{company.split(maxsplit=1)[0].lower()}/{number}"
        published = at - datetime.timedelta(hours=number)
        title = f"{company} signs agreement {number} with Partner{number} Group"
        found.append(Entry(title, text, link, f"{company}-{number}", published))
        found.append(
            Entry(title, text, f"{link}?utm_source=copy", f"{company}-{number}-b", published)
        )
    found.append(
        Entry(
            f"CORRECTED: {found[0].title}",
            f"{found[0].text} Corrected.",
            found[0].link,
            found[0].guid,
        )
    )
    return found


@pytest.fixture(scope="module")
def feeds() -> Iterator[FeedServer]:
    """Feeds that always say the same; every second one knows conditional requests."""
    with FeedServer() as server:
        for number, company in enumerate(COMPANIES):
            body = rss(f"{company} wire", entries(company))
            server.put(f"/{number}.xml", Answer(body, conditional=number % 2 == 0))
        yield server


def tenant_file(server: FeedServer) -> str:
    clients = ""
    for number, company in enumerate(COMPANIES):
        owners = "ann" if number % 2 else "ann, bo"
        feed = server.url(f"/{number}.xml")
        clients += f"  - {{name: {company}, owners: [{owners}], feeds: ['{feed}']}}\n"
    return (
        "tenant: acme\nname: Acme\nusers:\n"
        "  - {id: ann, name: Ann, email: ann@acme.example, max_items: 100}\n"
        "  - {id: bo, name: Bo, email: bo@acme.example, max_items: 7, zone: Asia/Tokyo}\n"
        f"clients:\n{clients}"
    )


@dataclass
class Reference:
    """What a run leaves that was never killed."""

    tables: dict[str, Any]
    mailed: set[tuple[str, str]]
    mails: int


def look(home: Path) -> Reference:
    with open_workspace(home, SystemClock()) as workspace:
        return Reference(
            derived_tables(workspace, "acme"),
            mailed(workspace, "acme"),
            len(list(workspace.settings.mail.glob("*.eml"))),
        )


def start(commands: Commands) -> subprocess.Popen[str]:
    """Starts the application as the command line does."""
    with open_workspace(commands.home, SystemClock()):
        request = {"first": str(TODAY), "last": str(TODAY), "scope": {}, "deliver": True}
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestration", "run"],
        cwd=ROOT,
        env=commands.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(request))
    process.stdin.close()
    return process


def kill_after(process: subprocess.Popen[str], lines: int, seconds: float) -> bool:
    """Kills a process a little after it has said so much; says whether it was still running."""
    assert process.stdout is not None
    for _ in range(lines):
        if not process.stdout.readline():
            break
    time.sleep(seconds)
    running = process.poll() is None
    if running:
        os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait()
    return running


def outcome(process: subprocess.Popen[str]) -> str:
    """How a run ended that nobody killed."""
    assert process.stdout is not None
    with process.stdout as said:
        lines = [json.loads(line) for line in said]
    assert process.wait() == 0, lines
    assert lines[-1]["event"] == "result", lines
    return str(lines[-1]["runs"][0]["outcome"])


@pytest.fixture(scope="module")
def applied(feeds: FeedServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the tenant, before its first run. Only to be copied."""
    home = tmp_path_factory.mktemp("applied") / "home"
    with open_workspace(home, SystemClock()) as workspace:
        put_tenant(workspace, tenant_file(feeds))
    return home


@pytest.fixture(scope="module")
def reference(applied: Path, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """What a run leaves that was never killed."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("e2e_support", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    support = module_from_spec(spec)
    sys.modules["e2e_support"] = support
    spec.loader.exec_module(support)
    folder = tmp_path_factory.mktemp("reference")
    commands = support.Commands(folder / "home", folder / "reached.txt")
    commands.bare = True
    shutil.copytree(applied, commands.home)
    assert commands.json("run", "--day", str(TODAY), "--deliver")["outcome"] == "succeeded"
    return look(commands.home)


def test_the_reference_is_worth_comparing_with(reference: Reference) -> None:
    assert reference.mails == 2
    assert len(reference.mailed) > 20
    assert reference.tables["core/events"].height == 30
    assert reference.tables["core/memories"].height > 20


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_run_killed_at_a_random_moment_leaves_nothing_lost_doubled_or_half_done(
    moment: int, commands: Commands, applied: Path, reference: Reference
) -> None:
    rng = random.Random(moment)
    shutil.copytree(applied, commands.home)
    # Neither shapes nor pictures are stored, so most go without what takes half of a run to import.
    commands.bare = moment > 3
    # Most of a run's time is imports; most of what can go wrong lies between its first and last line.
    lines, seconds = (
        (0, rng.uniform(0, 4)) if moment < 3 else (rng.randrange(1, 24), rng.uniform(0, 0.15))
    )
    assert kill_after(start(commands), lines, seconds)

    assert outcome(start(commands)) == "succeeded"
    found = look(commands.home)
    assert differences(found.tables, reference.tables) == []
    assert found.mailed == reference.mailed
    assert found.mails == reference.mails
    with dg.DagsterInstance.from_config(str(commands.home / "dagster")) as instance:
        left = [run for run in instance.get_runs() if not run.is_finished]
        assert [run.status for run in left if run.status != dg.DagsterRunStatus.NOT_STARTED] == []
    with (
        open_workspace(commands.home, SystemClock()) as workspace,
        workspace.control.read() as connection,
    ):
        outcomes = connection.execute(sa.select(t.runs.c.outcome)).scalars().all()
    assert None not in outcomes
    assert list(commands.home.rglob(".partial-*")) == []


@pytest.mark.parametrize("looker", ["status", "doctor"])
def test_a_run_that_died_is_failed_by_the_next_look_at_it(
    looker: str, commands: Commands, applied: Path
) -> None:
    shutil.copytree(applied, commands.home)
    commands.bare = True
    assert kill_after(start(commands), 8, 0.0)
    with dg.DagsterInstance.from_config(str(commands.home / "dagster")) as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.STARTED]
        commands.run(looker, "--json", status=None)
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]
    with (
        open_workspace(commands.home, SystemClock()) as workspace,
        workspace.control.read() as connection,
    ):
        assert connection.execute(sa.select(t.runs.c.outcome)).scalars().all() == ["dead"]
