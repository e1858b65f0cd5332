"""`clientlore demo`: the main job on the embedded default, from nothing to mail, and nothing new the second time."""

from __future__ import annotations

import email
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import TYPE_CHECKING, cast

import dagster as dg
import polars as pl
import sqlalchemy as sa

from clientlore.control import tables as t
from clientlore.memory.store import MemoryStore
from clientlore.monitoring.events import EVENTS
from clientlore.workspace import Workspace

if TYPE_CHECKING:
    from tests.e2e.conftest import Commands


def read(path: Path) -> EmailMessage:
    return cast("EmailMessage", email.message_from_bytes(path.read_bytes(), policy=default))


def test_the_demo_runs_the_job_for_three_days_and_a_second_time_adds_no_event_memory_or_mail(
    commands: Commands, look: Callable[[], Workspace]
) -> None:
    summary = commands.json("demo")
    assert summary["outcome"] == "succeeded"
    days = summary["days"]
    assert len(days) == 3
    for line in days:
        assert line["collected"] == line["folded"] + line["events"]
        assert line["relevant"] > 0
        assert line["folded"] > 0

    mails = sorted(commands.home.joinpath("mail").glob("*.eml"))
    assert len(mails) == sum(line["mails"] for line in days)
    recipients = {read(path)["To"].addresses[0].addr_spec for path in mails}
    assert recipients == {f"{who}@lighthouse.example" for who in ("ann", "kenji", "sofia")}
    for path in mails:
        message = read(path)
        assert message["Subject"].startswith("[Sample data]")
        for kind in ("plain", "html"):
            body = message.get_body((kind,))
            assert body is not None
            assert "sample data" in body.get_content().lower()

    with dg.DagsterInstance.from_config(str(commands.home / "dagster")) as instance:
        runs = instance.get_runs()
        assert [run.job_name for run in runs] == ["client_monitoring"] * 3
        assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
        found = instance.get_latest_materialization_event(dg.AssetKey(["out", "matches"]))
        assert found is not None

    events, memories, names, log = everything(look())
    assert events.height > 0
    again = commands.json("demo")
    assert [line["mails"] for line in again["days"]] == [0, 0, 0]
    assert [line["remembered"] for line in again["days"]] == [0, 0, 0]
    events_again, memories_again, names_again, log_again = everything(look())
    assert events_again.equals(events)
    assert memories_again.equals(memories)
    assert (names_again, log_again) == (names, log)


def everything(workspace: Workspace) -> tuple[pl.DataFrame, pl.DataFrame, list[str], int]:
    """Events, memories, mails and how long the log of memory is."""
    with workspace.control.read() as connection:
        log = connection.execute(sa.select(sa.func.count()).select_from(t.memory_log)).scalar_one()
    return (
        workspace.lake.scan(EVENTS, ["demo"]).collect(),
        MemoryStore(workspace).state("demo"),
        sorted(p.name for p in workspace.settings.mail.glob("*.eml")),
        int(log),
    )


def test_what_the_demo_suggests_works_and_it_ends_with_a_page_to_open(commands: Commands) -> None:
    told = commands.run("demo").stdout
    page = commands.home / "pages" / "demo" / "index.html"
    assert f"Open this in a browser: {page.as_uri()}" in told
    html = page.read_text()
    assert (
        html.count("<iframe ") == 2 * len(list(commands.home.joinpath("mail").glob("*.eml"))) == 18
    )
    assert html.count('<figure class="day">') == 3
    before = page.read_bytes()
    assert commands.json("page", "--tenant", "demo") == {"page": str(page)}
    assert page.read_bytes() == before

    assert "clientlore digest show --tenant demo --user ann" in told
    shown = commands.run("digest", "show", "--tenant", "demo", "--user", "ann").stdout
    reference = shown.split("Ref ")[1][:9]
    traced = commands.run("trace", reference).stdout
    assert "The bytes are those that were stored" in traced
    assert commands.json("search", "new plant", "--tenant", "demo")["mode"] == "lexical"
    assert str(commands.home / "mail") in told
    dossier = commands.run("dossier", "Harbor Foods, Inc.", "--tenant", "demo").stdout
    file = commands.home / "dossiers" / "demo" / "clients" / "harbor-foods-inc.md"
    assert dossier == file.read_text()
