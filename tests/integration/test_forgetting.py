"""Somebody who is forgotten is in no byte of any store and is not collected again; a crash on the way loses nothing."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import tables as t
from clientlore.errors import BadDataError, ConfigurationError, NotFoundError
from clientlore.memory.service import MemoryService
from clientlore.memory.statements import Statement
from clientlore.memory.store import MemoryStore
from clientlore.monitoring import raw
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.run_context import Scope
from clientlore.runs import forgetting
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
from clientlore.storage import erasing
from clientlore.testing.demo import TENANT
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace
from tests.conftest import NOW
from tests.support.bytes import where

pytestmark = pytest.mark.usefixtures("bare")

CANARY = "zyxcanary"
needs_lance = pytest.mark.skipif(
    importlib.util.find_spec("lance") is None,
    reason="pylance decodes fragments; it is not installed",
)


def with_canaries(workspace: Workspace) -> tuple[str, list[str]]:
    """A client of the demo with much about it, and strings that are only about it."""
    relevance = workspace.lake.scan(RELEVANCE, [TENANT]).collect()
    client = relevance.group_by("client_id").len().sort("len", "client_id")["client_id"][-1]
    only = (
        relevance.group_by("event_id")
        .agg("client_id")
        .filter(_one_of(client))["event_id"]
        .to_list()
    )
    service = MemoryService(workspace, TENANT)
    texts = service.state(owner=client)["text"].to_list()
    service.remember([Statement(client, f"A remark with {CANARY} in it", "note:1", NOW)])
    MemoryStore(workspace).update(TENANT)
    note = workspace.settings.dossiers / TENANT / "set-aside" / f"clients-{client}-1.md"
    note.parent.mkdir(parents=True, exist_ok=True)
    with workspace.control.read() as connection:
        name = connection.execute(
            sa.select(t.clients.c.name).where(t.clients.c.client_id == client)
        ).scalar_one()
    note.write_text(f"# {name}\n{CANARY} by hand\n")
    dagster = workspace.settings.home / "dagster" / "storage" / "run1"
    dagster.mkdir(parents=True)
    (dagster / "out.log").write_text(f"collected for {name}\n")
    assert only
    return client, [CANARY, name, *(x for x in texts if name.lower() in x.lower())]


def _one_of(client: str) -> object:
    import polars as pl

    return (pl.col("client_id").list.len() == 1) & (pl.col("client_id").list.first() == client)


@needs_lance
def test_a_forgotten_client_is_in_no_byte_of_any_file(demo: Workspace) -> None:
    client, canaries = with_canaries(demo)
    home = demo.settings.home
    assert where(home, CANARY)
    others = MemoryService(demo, TENANT).state().filter(_not(client))["memory_id"].to_list()
    done = forgetting.forget(demo, TENANT, client, "test")
    assert (done.state, done.proof["left"]) == ("done", 0)
    demo.control.close()
    assert where(home, *canaries) == []
    kept = set(MemoryService(demo, TENANT).state()["memory_id"])
    assert kept
    assert kept <= set(others)
    assert MemoryStore(demo).search(TENANT, CANARY).hits == ()
    assert client not in str(done.proof)


def _not(client: str) -> object:
    import polars as pl

    return pl.col("owner_id") != client


def test_a_forgotten_client_is_not_collected_applied_or_remembered_again(demo: Workspace) -> None:
    client, _ = with_canaries(demo)
    forgetting.forget(demo, TENANT, client, "test")
    day = NOW.date()
    InlineOrchestrator(demo).launch(RunRequest(day, day, Scope(tenants=(TENANT,))))
    for table in (raw.SEARCH_RESULTS, raw.CRM_ACCOUNTS, RELEVANCE):
        rows = demo.lake.scan(table, [TENANT]).collect()
        column = "client_id"
        assert client not in rows[column].to_list(), table.key
    assert MemoryService(demo, TENANT).state(owner=client).is_empty()
    with pytest.raises(BadDataError, match="was forgotten"):
        MemoryService(demo, TENANT).remember([Statement(client, "x y", "n", NOW)])


def test_the_rest_of_the_tenant_goes_on_and_can_be_made_again(demo: Workspace) -> None:
    client, _ = with_canaries(demo)
    forgetting.forget(demo, TENANT, client, "test")
    again = InlineOrchestrator(demo).launch(
        RunRequest(NOW.date(), NOW.date(), Scope(tenants=(TENANT,), collect=False))
    )
    assert [r.outcome for r in again] == ["succeeded"]


def test_forgetting_again_finds_nothing_and_an_unknown_owner_is_said_so(demo: Workspace) -> None:
    client, _ = with_canaries(demo)
    forgetting.forget(demo, TENANT, client, "test")
    assert forgetting.forget(demo, TENANT, client, "test").state == "done"
    with pytest.raises(NotFoundError, match="Nothing is known of 'nobody'"):
        forgetting.forget(demo, TENANT, "nobody", "test")
    with pytest.raises(ConfigurationError, match="the tenant itself"):
        forgetting.forget(demo, TENANT, TENANT, "test")


def test_a_tenant_file_that_names_somebody_forgotten_is_refused(workspace: Workspace) -> None:
    text = "tenant: t1\nname: T\nmode: mock\nclients:\n  - name: Harbor Foods\n"
    put_tenant(workspace, text)
    forgetting.forget(workspace, "t1", "harbor-foods", "test")
    with pytest.raises(ConfigurationError, match="'harbor-foods', who was forgotten"):
        put_tenant(workspace, text)


def test_the_audit_log_keeps_that_it_happened_and_is_append_only_again(
    workspace: Workspace,
) -> None:
    put_tenant(
        workspace,
        "tenant: t1\nname: T\nmode: mock\nclients:\n  - name: Harbor Foods\n    domain: harborfoods.example\n",
    )
    forgetting.forget(workspace, "t1", "harbor-foods", "test")
    with workspace.control.read() as connection:
        rows = [str(dict(r)) for r in connection.execute(sa.select(t.audit_log)).mappings()]
    assert any("'forget'" in row for row in rows)
    assert not any("harbor" in row.lower() for row in rows)
    with (
        pytest.raises(sa.exc.DatabaseError, match="append-only"),
        workspace.control.write() as connection,
    ):
        connection.execute(sa.delete(t.audit_log))


KILLED = """
import os, signal, sys
from pathlib import Path
from clientlore.clock import FrozenClock
from clientlore.runs import forgetting
from clientlore.testing.workspaces import open_workspace
from datetime import datetime, UTC

home, place, client = sys.argv[1:]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if place == "scour":
    forgetting._scour = die
else:
    forgetting.PLACES[place] = die
with open_workspace(Path(home), FrozenClock(datetime(2026, 11, 20, 9, tzinfo=UTC))) as workspace:
    forgetting.forget(workspace, "demo", client, "test")
"""


@needs_lance
@pytest.mark.parametrize("place", ["vectors", "control_plane", "made_again", "scour"])
def test_killed_on_the_way_it_is_completed_by_the_next_run(demo: Workspace, place: str) -> None:
    client, canaries = with_canaries(demo)
    home = demo.settings.home
    demo.close()
    died = subprocess.run(
        [sys.executable, "-c", KILLED, str(home), place, client], check=False, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()[-2000:]
    with open_workspace(home, FrozenClock(NOW)) as again:
        assert [f.state for f in forgetting.forgettings(again)] == ["open"]
        InlineOrchestrator(again).launch(
            RunRequest(NOW.date(), NOW.date(), Scope(tenants=(TENANT,), collect=False))
        )
        assert [f.state for f in forgetting.forgettings(again)] == ["done"]
    assert where(home, *canaries) == []


def test_what_a_text_says_is_read_through_the_encodings_of_mail() -> None:
    from email.message import EmailMessage

    message = EmailMessage()
    message["Subject"] = "Zürich über"
    message.set_content("grüße an Ann " * 30, cte="base64")
    said = erasing.text_of(message.as_bytes())
    assert "Zürich über" in said
    assert "grüße an Ann" in said


PEOPLE = """
tenant: t1
name: T
mode: mock
users:
  - {id: bo, name: Bo Lindqvist, email: bo@t1.example, zone: UTC}
clients:
  - name: Harbor Foods
    owners: [bo]
    contacts:
      - {name: Jane Doerfler, email: jane@harbor.example, role: CFO}
"""


def told_of_people(workspace: Workspace) -> str:
    """A client with a contact and a reader, and memories that mention them; the contact's id."""
    put_tenant(workspace, PEOPLE)
    MemoryService(workspace, "t1").remember(
        [
            Statement("harbor-foods", "Jane Doerfler likes tea", "n1", NOW),
            Statement("harbor-foods", "The plant is in Lisbon", "n2", NOW),
            Statement("harbor-foods", "Bo Lindqvist called", "n3", NOW),
        ]
    )
    with workspace.control.read() as connection:
        return str(connection.execute(sa.select(t.contacts.c.contact_id)).scalar_one())


def test_a_contact_is_forgotten_with_what_mentions_it_and_the_client_stays(
    workspace: Workspace,
) -> None:
    contact = told_of_people(workspace)
    forgetting.forget(workspace, "t1", contact, "test")
    assert sorted(MemoryService(workspace, "t1").state()["text"]) == [
        "Bo Lindqvist called",
        "The plant is in Lisbon",
    ]
    workspace.control.close()
    assert where(workspace.settings.home, "Doerfler", "jane@harbor") == []
    with pytest.raises(ConfigurationError, match="'Jane Doerfler', who was forgotten"):
        put_tenant(workspace, PEOPLE)


def test_a_reader_is_forgotten_and_what_depends_on_the_row_keeps_standing(
    workspace: Workspace,
) -> None:
    told_of_people(workspace)
    with workspace.control.read() as connection:
        user = connection.execute(sa.select(t.users.c.user_id)).scalar_one()
    forgetting.forget(workspace, "t1", user, "test")
    workspace.control.close()
    assert where(workspace.settings.home, "Lindqvist", "bo@t1") == []
    with workspace.control.read() as connection:
        (row,) = connection.execute(sa.select(t.users)).mappings().all()
    assert (row["name"], row["email"], row["is_active"]) == ("[forgotten]", None, False)
