"""The real daemon and web server: schedules fire, jobs and backfills start through GraphQL, and only fires mail."""

from __future__ import annotations

import datetime
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from clientlore.control import tables as t
from clientlore.runs.stages import DAILY
from clientlore.workspace import Workspace

if TYPE_CHECKING:
    from tests.e2e.conftest import Commands

ROOT = Path(__file__).resolve().parents[2]
TODAY = datetime.datetime.now(datetime.UTC).date()
TENANT = """
tenant: acme
name: Acme Advisors
mode: mock
users:
  - {id: ann, name: Ann, email: ann@acme.example, zone: Europe/London}
clients:
  - {name: Harbor Foods, industry: food, owners: [ann]}
  - {name: Vela Logistics SE, industry: logistics, owners: [ann]}
"""
Ask = Callable[..., Any]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, look: Callable[[], Any], seconds: float = 300) -> Any:
    """Looks until there is something to see."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    pytest.fail(f"waited {seconds} s for {what}")


@pytest.fixture
def ask(commands: Commands) -> Iterator[Ask]:
    """Starts the UI with its daemon as `make dev` does; gives a function that asks GraphQL."""
    # Each run that the daemon starts is a process: what none of these tests looks at is not imported.
    commands.bare = True
    commands.apply(TENANT)
    port = free_port()
    log = (commands.home.parent / "dev.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestration", "dev", "--port", str(port)],
        cwd=ROOT,
        env=commands.environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )

    def query(text: str, **variables: Any) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/graphql",
            data=json.dumps({"query": text, "variables": variables}).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=240) as answer:
            said = json.load(answer)
        assert "errors" not in said, said
        return said["data"]

    def is_up() -> bool:
        try:
            return bool(query("{version}"))
        except (urllib.error.URLError, ConnectionError):
            return False

    try:
        wait_for("the web server", is_up)
        yield query
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


SELECTOR = {
    "repositoryLocationName": "clientlore",
    "repositoryName": "__repository__",
}
RUN = "query($id: ID!) {runOrError(runId: $id) {... on Run {status rootRunId startTime}}}"
LAUNCH = """mutation($p: ExecutionParams!) {launchRun(executionParams: $p) {
  __typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}
  ... on RunConfigValidationInvalid {errors {message}}}}"""
AGAIN = """mutation($p: ReexecutionParams!) {launchRunReexecution(reexecutionParams: $p) {
  __typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}}}"""
BACKFILL = """mutation($p: LaunchBackfillParams!) {launchPartitionBackfill(backfillParams: $p) {
  __typename ... on LaunchBackfillSuccess {backfillId} ... on PythonError {message}}}"""
BACKFILL_STATE = """query($id: String!) {partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill {status runs {runId status startTime endTime tags {key value}}}}}"""


def finished(ask: Ask, run_id: str) -> str:
    """How a run ended."""

    def look() -> str | None:
        status = ask(RUN, id=run_id)["runOrError"]["status"]
        return status if status in {"SUCCESS", "FAILURE", "CANCELED"} else None

    return str(wait_for(f"run {run_id}", look))


def mails(commands: Commands) -> list[str]:
    return sorted(p.name for p in commands.home.joinpath("mail").glob("*.eml"))


# It waits for ticks of sensors and for a daemon that starts processes: minutes on a busy machine.
@pytest.mark.timeout(900)
def test_only_fires_mail_and_what_a_backfill_recovers_comes_in_the_next_window(
    ask: Ask, commands: Commands, look: Callable[[], Workspace]
) -> None:
    # A schedule that is triggered happens within a tick or two, without a restart.
    commands.run("schedule", "trigger", "digest:ann")
    wait_for("the digest", lambda: mails(commands))
    workspace = look()
    with workspace.control.read() as connection:
        planned = connection.execute(sa.select(t.automation_schedules.c.next_run_at)).scalar_one()
    assert planned > workspace.clock.now()

    def fire() -> Any:
        with workspace.control.read() as connection:
            row = connection.execute(sa.select(t.fires)).mappings().one()
        return row if row["state"] == "done" else None

    done = wait_for("the fire's outcome", fire)
    first = mails(commands)
    assert len(first) == 1

    # A re-execution of the run that mailed copies its configuration and its tags, and mails nobody.
    again = ask(AGAIN, p={"parentRunId": done["root_run_id"], "strategy": "ALL_STEPS"})[
        "launchRunReexecution"
    ]
    assert again["__typename"] == "LaunchRunSuccess", again
    assert finished(ask, again["run"]["runId"]) == "SUCCESS"
    assert mails(commands) == first

    # The job can be launched for a day by hand; without a fire it mails nobody.
    params = {
        "selector": {**SELECTOR, "jobName": "client_monitoring"},
        "runConfigData": {"resources": {"run": {"config": {"clients": ["Harbor Foods"]}}}},
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": str(TODAY)}]},
    }
    launched = ask(LAUNCH, p=params)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    assert finished(ask, launched["run"]["runId"]) == "SUCCESS"
    assert mails(commands) == first

    # A backfill of three days goes in order and mails nobody.
    days = [str(TODAY - datetime.timedelta(days=n)) for n in (3, 2, 1)]
    asked = ask(
        BACKFILL,
        p={
            "assetSelection": [{"path": key.split("/")} for key in DAILY],
            "partitionNames": days,
            "title": "three days",
        },
    )["launchPartitionBackfill"]
    assert asked["__typename"] == "LaunchBackfillSuccess", asked

    def backfilled() -> Any:
        state = ask(BACKFILL_STATE, id=asked["backfillId"])["partitionBackfillOrError"]
        return state if state.get("status", "").startswith("COMPLETED") else None

    state = wait_for("the backfill", backfilled, 240)
    assert state["status"] == "COMPLETED_SUCCESS"
    worked = sorted(state["runs"], key=lambda run: run["startTime"])
    partitions = [
        tag["value"] for run in worked for tag in run["tags"] if tag["key"] == "dagster/partition"
    ]
    assert partitions == days
    for before, after in pairwise(worked):
        assert before["endTime"] <= after["startTime"]
    assert mails(commands) == first

    # What it recovered comes in the next window.
    commands.run("run", "--deliver", "--no-collect")
    assert len(mails(commands)) == 2
    with workspace.control.read() as connection:
        late = connection.execute(
            sa.select(t.notifications.c.day).where(t.notifications.c.is_late).distinct()
        ).scalars()
        assert {str(day) for day in late} <= set(days)
        assert (
            connection.execute(
                sa.select(sa.func.count()).where(t.notifications.c.is_late)
            ).scalar_one()
            > 0
        )


def test_the_command_line_asks_the_running_dagster_for_a_backfill(
    ask: Ask, commands: Commands
) -> None:
    yesterday = str(TODAY - datetime.timedelta(days=1))
    wait_for("the daemon", lambda: "alive" in commands.run("status").stdout)
    told = commands.run("backfill", "--from", yesterday, "--to", yesterday).stdout
    backfill_id = told.split()[1]

    def completed() -> Any:
        state = ask(BACKFILL_STATE, id=backfill_id)["partitionBackfillOrError"]
        return state.get("status") == "COMPLETED_SUCCESS"

    wait_for("the backfill", completed, 240)
    assert mails(commands) == []


def test_a_backfill_without_a_daemon_says_who_is_missing(commands: Commands) -> None:
    commands.apply(TENANT)
    done = commands.run("backfill", "--from", str(TODAY), "--to", str(TODAY), status=1)
    assert "no Dagster daemon is running" in done.stderr
    assert "make dev" in done.stderr
