"""Outbox and windows on both databases: several senders and closers at once, each message and window once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import runs
from clientlore.control import tables as t
from clientlore.delivery import outbox
from clientlore.delivery.outbox import Message, queue_row
from clientlore.delivery.sender import drain
from clientlore.delivery.tables import deliveries_of
from clientlore.digests import closing
from clientlore.errors import ClientloreError
from clientlore.run_context import RunContext, Scope
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest, with_fires
from clientlore.runs.session import running
from clientlore.runs.stages import DAILY, run_stage
from clientlore.settings import SmtpSettings
from clientlore.testing.mail import MailServer
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

pytestmark = pytest.mark.usefixtures("bare")

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DAY = date(2026, 11, 20)


@pytest.fixture
def workspace(tmp_path: Path, clock: FrozenClock, database_url: str) -> Iterator[Workspace]:
    with open_workspace(tmp_path / "home", clock, database_url=database_url) as opened:
        put_tenant(opened, "tenant: acme\nname: Acme\nallow_live_send: true\n")
        yield opened


def queue(workspace: Workspace, name: str, **values: Any) -> str:
    row = queue_row(
        **{
            "tenant_id": "acme",
            "window_id": None,
            "recipient": f"{name}@reader.example",
            "channel": "smtp",
            "message_id": f"<{name}@acme.example>",
            "file_name": f"{name}.eml",
            "subject": "1 item",
            "blob": workspace.blobs.put("acme", f"Subject: {name}\r\n\r\nhello\r\n".encode()),
            "not_before": NOW,
            "now": NOW,
            **values,
        }
    )
    with workspace.control.write() as connection:
        connection.execute(sa.insert(t.outbox).values(**row))
    return str(row["outbox_id"])


def claim(workspace: Workspace, owner: str, limit: int = 50) -> list[Message]:
    with workspace.control.write() as connection:
        return outbox.claim(connection, owner, workspace.clock.now(), limit=limit)


def states(workspace: Workspace) -> Counter[str]:
    with workspace.control.read() as connection:
        return Counter(outbox.counts_by_state(connection))


def at_once(*works: Callable[[], None]) -> None:
    """Runs the works in threads that start together; raises what one of them raised."""
    barrier, errors = threading.Barrier(len(works)), list[BaseException]()

    def run(work: Callable[[], None]) -> None:
        barrier.wait(30)
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised again below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_several_senders_at_once_claim_each_message_once(workspace: Workspace) -> None:
    ids = {queue(workspace, f"m{n}") for n in range(30)}
    claimed: list[str] = []

    def sender(owner: str) -> Callable[[], None]:
        def work() -> None:
            while found := claim(workspace, owner, limit=4):
                claimed.extend(m.outbox_id for m in found)

        return work

    at_once(*(sender(f"run-{n}") for n in range(4)))
    # A row that another transaction has locked is passed over, so one more look takes what is left.
    claimed.extend(m.outbox_id for m in claim(workspace, "run-9"))
    assert sorted(claimed) == sorted(ids)
    with workspace.control.read() as connection:
        assert connection.execute(sa.select(sa.func.count(t.email_logs.c.seq))).scalar() == 30


def test_several_senders_at_once_send_each_message_once(workspace: Workspace) -> None:
    names = [f"m{n}" for n in range(24)]
    for name in names:
        queue(workspace, name)
    with MailServer() as server:
        smtp = SmtpSettings(
            host="127.0.0.1", port=server.port, from_email="news@acme.example", security="none"
        )
        workspace.settings = workspace.settings.model_copy(update={"smtp": smtp})

        def work() -> None:
            drain(RunContext(workspace), ["acme"])

        at_once(work, work, work)
        work()
    told = [envelope.rcpt_tos[0] for envelope in server.messages]
    assert sorted(told) == sorted(f"{name}@reader.example" for name in names)
    assert states(workspace) == {"sent": 24}


def test_a_sender_that_died_leaves_folder_mail_pending_and_smtp_mail_uncertain(
    workspace: Workspace, clock: FrozenClock
) -> None:
    queue(workspace, "folder", channel="folder")
    queue(workspace, "smtp")
    with workspace.control.write() as connection:
        runs.begin(
            connection, run_id="run-1", root_run_id="run-1", job="inline",
            is_backfill=False, scope={}, now=NOW,
        )  # fmt: skip
    claim(workspace, "run-1")
    with workspace.control.write() as connection:
        assert outbox.due_now(connection, clock.now()) == 0
        runs.end(connection, "run-1", "dead", NOW)
        assert outbox.due_now(connection, clock.now()) == 2
        assert outbox.settle_abandoned(connection, clock.now(), ["other"]) == (0, 0)
        assert outbox.settle_abandoned(connection, clock.now(), ["acme"]) == (1, 1)
        assert outbox.due_now(connection, clock.now()) == 1
    assert states(workspace) == {"pending": 1, "uncertain": 1}
    with workspace.control.read() as connection:
        query = sa.select(t.email_logs.c.transport, t.email_logs.c.outcome)
        assert sorted(tuple(row) for row in connection.execute(query)) == [
            ("folder", "deferred"),
            ("smtp", "uncertain"),
        ]


def test_an_attempt_is_recorded_and_a_person_decides_what_is_unclear(
    workspace: Workspace, clock: FrozenClock
) -> None:
    first, second = queue(workspace, "a"), queue(workspace, "b")
    for message in claim(workspace, "run-1"):
        outcome: Any = "deferred" if message.outbox_id == first else "uncertain"
        with workspace.control.write() as connection:
            outbox.record(
                connection, message, outcome, NOW, rng=Random(1), reply_code=451, reply="later"
            )
    assert states(workspace) == {"pending": 1, "uncertain": 1}
    clock.advance(timedelta(minutes=2))
    audit = workspace.audit("cli:ann", "it is in the server's log")
    with workspace.control.write() as connection:
        outbox.decide_uncertain(connection, audit, second, was_delivered=True)
    (again,) = claim(workspace, "run-2")
    assert (again.outbox_id, again.attempt) == (first, 2)
    with workspace.control.write() as connection:
        outbox.record(connection, again, "sent", clock.now(), rng=Random(1), reply_code=250)
        assert outbox.note_engagement(connection, again.message_id, "opened", clock.now())
        assert not outbox.note_engagement(connection, again.message_id, "opened", clock.now())
    assert states(workspace) == {"sent": 2}


MOCK = """
tenant: made-up
name: Made Up
mode: mock
users:
  - {id: ann, name: Ann, email: ann@acme.example, threshold: 0.0}
clients:
  - {name: Harbor Foods, industry: food, owners: [ann]}
"""


@pytest.mark.parametrize("blind", [False, True], ids=["in turn", "neither sees the other"])
def test_two_runs_that_claimed_one_fire_close_its_window_once(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, blind: bool
) -> None:
    if blind:
        monkeypatch.setattr(closing, "_is_open", lambda *_: False)
    put_tenant(workspace, MOCK)
    scope = with_fires(workspace, Scope(tenants=("made-up",)), DAY, "test")
    root = RunContext(workspace, run_id="run-1", scope=scope)
    with running(root) as session:
        for key in DAILY:
            session.note(run_stage(root, key, [DAY]))
        again = RunContext(workspace, run_id="run-2", root_run_id="run-1", scope=scope)
        closed: list[int] = []

        def deliver(ctx: RunContext) -> Callable[[], None]:
            def work() -> None:
                closed.append(run_stage(ctx, "out/deliveries").totals()["windows"])

            return work

        at_once(deliver(root), deliver(again))
    assert sorted(closed) == [0, 1]
    with workspace.control.read() as connection:
        frame = deliveries_of(connection, "made-up")
    assert frame.select("outcome", "state", "attempts").rows() == [("mailed", "sent", 1)]
    assert len(list(workspace.settings.mail.glob("*.eml"))) == 1


def test_a_run_made_again_mails_nothing_new(workspace: Workspace) -> None:
    put_tenant(workspace, MOCK)
    request = RunRequest(DAY, DAY, Scope(tenants=("made-up",)), deliver=True)
    for _ in range(2):
        (result,) = InlineOrchestrator(workspace).launch(request)
        assert result.outcome == "succeeded"
    with workspace.control.read() as connection:
        outcomes = connection.execute(sa.select(t.windows.c.outcome)).scalars().all()
        mails = connection.execute(sa.select(sa.func.count(t.outbox.c.outbox_id))).scalar()
    assert (sorted(outcomes), mails) == (["empty", "mailed"], 1)


def test_an_error_half_way_through_a_claim_leaves_the_message_as_it_was(
    workspace: Workspace,
) -> None:
    def give_up() -> None:
        with workspace.control.write() as connection:
            outbox.claim(connection, "run-1", NOW, limit=1)
            raise ClientloreError("the process gave up")

    queue(workspace, "a")
    with pytest.raises(ClientloreError, match="the process gave up"):
        give_up()
    assert states(workspace) == {"pending": 1}
    assert [m.attempt for m in claim(workspace, "run-2")] == [1]
