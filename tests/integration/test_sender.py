"""The sender: claim, send, record, with nothing open in between; whose fault it is decides what happens next."""

from __future__ import annotations

import email
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from email.policy import default
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import tables as t
from clientlore.control.alerts import raise_alert
from clientlore.control.tenants import get_tenant
from clientlore.delivery.alerts import queue_alerts
from clientlore.delivery.outbox import LEASE, Message, queue_row
from clientlore.delivery.sender import Drained, Transports, drain
from clientlore.delivery.transports import (
    FolderTransport,
    Receipt,
    TransportError,
    wire_address,
)
from clientlore.errors import ConfigurationError, StoreError
from clientlore.run_context import RunContext
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

SENDER = "news@acme.example"


@dataclass
class Scripted:
    """A transport that keeps what it is given and does as it is told."""

    act: Callable[[Message], None] = lambda _message: None
    sent: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def send(self, message: Message, data: bytes) -> Receipt:
        self.act(message)
        self.sent.append(f"{message.file_name}:{data.decode()}")
        return Receipt(250, f"2.0.0 queued {message.file_name}")


@pytest.fixture(autouse=True)
def acme(workspace: Workspace) -> None:
    put_tenant(workspace, "tenant: acme\nname: Acme\nalert_email: ops@acme.example\n")


def queue(workspace: Workspace, name: str = "m1", **values: Any) -> str:
    """Puts a message into the outbox, its bytes into the blobs."""
    now = workspace.clock.now()
    row = queue_row(
        **{
            "tenant_id": "acme",
            "window_id": None,
            "recipient": f"{name}@acme.example",
            "channel": "smtp",
            "message_id": f"<{name}@acme.example>",
            "file_name": name,
            "subject": "1 item",
            "blob": workspace.blobs.put("acme", f"bytes of {name}".encode()),
            "not_before": now,
            "now": now,
            **values,
        }
    )
    with workspace.control.write() as connection:
        connection.execute(sa.insert(t.outbox).values(**row))
    return str(row["outbox_id"])


def send(workspace: Workspace, transport: Scripted, **values: Any) -> Drained:
    made: Transports = {"smtp": lambda: transport}
    return drain(RunContext(workspace), **{"transports": made, "rng": Random(1), **values})


def states(workspace: Workspace) -> dict[str, str]:
    with workspace.control.read() as connection:
        query = sa.select(t.outbox.c.file_name, t.outbox.c.state)
        return {row.file_name: row.state for row in connection.execute(query)}


def logged(workspace: Workspace) -> list[tuple[Any, ...]]:
    columns = ("message_id", "attempt", "outcome", "reply_code", "provider_message_id")
    with workspace.control.read() as connection:
        query = sa.select(*(t.email_logs.c[c] for c in columns)).order_by(t.email_logs.c.seq)
        return [tuple(row) for row in connection.execute(query)]


def alerts(workspace: Workspace) -> list[tuple[str, str]]:
    with workspace.control.read() as connection:
        return [
            tuple(r) for r in connection.execute(sa.select(t.alerts.c.subject, t.alerts.c.text))
        ]


def refuse(verdict: Any, reply: str = "no", code: int | None = None) -> Callable[[Message], None]:
    def act(_message: Message) -> None:
        raise TransportError(verdict, reply, code)

    return act


def test_everything_that_is_due_is_sent_with_its_own_bytes_however_many_batches_it_takes(
    workspace: Workspace,
) -> None:
    names = [f"m{n:03d}" for n in range(60)]
    for name in names:
        queue(workspace, name)
    transport = Scripted()
    done = send(workspace, transport)
    assert done == Drained(sent=60)
    assert done.attempted == 60
    assert sorted(transport.sent) == [f"{name}:bytes of {name}" for name in names]
    assert set(states(workspace).values()) == {"sent"}
    assert send(workspace, transport) == Drained()


def test_every_attempt_is_logged_with_what_the_other_side_said(workspace: Workspace) -> None:
    queue(workspace)
    send(workspace, Scripted())
    assert logged(workspace) == [("<m1@acme.example>", 1, "sent", 250, "2.0.0 queued m1")]


def test_no_transaction_is_open_while_the_other_side_is_spoken_to(workspace: Workspace) -> None:
    seen: list[str] = []

    def look(message: Message) -> None:
        with workspace.control.write() as connection:
            state = connection.execute(
                sa.select(t.outbox.c.state).where(t.outbox.c.outbox_id == message.outbox_id)
            ).scalar_one()
            seen.append(state)

    queue(workspace)
    assert send(workspace, Scripted(look)).sent == 1
    assert seen == ["sending"]


@pytest.mark.parametrize("verdict", ["deferred", "failed", "uncertain"])
def test_one_message_that_is_refused_does_not_stop_the_others(
    workspace: Workspace, verdict: str
) -> None:
    first = queue(workspace, "a")
    queue(workspace, "b")

    def act(message: Message) -> None:
        if message.outbox_id == first:
            refuse(verdict, "550 5.1.1 no such user", 550)(message)

    done = send(workspace, Scripted(act))
    assert done == Drained(
        **{"sent": 1, verdict: 1},  # type: ignore[arg-type]
        errors=(f"{first}: 550 5.1.1 no such user",),
    )
    assert states(workspace) == {"a": "pending" if verdict == "deferred" else verdict, "b": "sent"}


def test_where_our_account_is_refused_sending_stops_and_nobody_is_burned(
    workspace: Workspace, clock: FrozenClock
) -> None:
    for n in range(3):
        queue(workspace, f"m{n}")
    tried: list[str] = []

    def act(message: Message) -> None:
        tried.append(message.file_name)
        raise TransportError("misconfigured", "535 5.7.8 bad credentials")

    transport = Scripted(act)
    assert send(workspace, transport).deferred == 3
    assert len(tried) == 1
    assert set(states(workspace).values()) == {"pending"}
    clock.advance(timedelta(hours=72))
    assert send(workspace, transport).failed == 0
    assert set(states(workspace).values()) == {"pending"}
    clock.advance(timedelta(hours=5))
    assert send(workspace, Scripted()).sent == 3


def test_a_refused_account_raises_one_alert_a_day_that_says_what_the_server_said(
    workspace: Workspace,
) -> None:
    for n in range(3):
        queue(workspace, f"m{n}")
    send(workspace, Scripted(refuse("misconfigured", "535 5.7.8 bad credentials")))
    ((subject, text),) = alerts(workspace)
    assert subject == "Mail cannot be sent"
    assert text.startswith("535 5.7.8 bad credentials\nNothing is lost: it is tried again.")


def test_where_no_sender_is_configured_nothing_is_left_half_sent(workspace: Workspace) -> None:
    def missing() -> Scripted:
        raise ConfigurationError("No sender is configured", "Set SMTP_FROM_EMAIL.")

    queue(workspace)
    done = send(workspace, Scripted(), transports={"smtp": missing})
    assert done.errors == ("No sender is configured. Set SMTP_FROM_EMAIL.",)
    assert states(workspace) == {"m1": "pending"}
    assert [subject for subject, _ in alerts(workspace)] == ["Mail cannot be sent"]


def test_what_could_not_be_sent_while_the_claim_held_is_left_for_later(
    workspace: Workspace, clock: FrozenClock
) -> None:
    queue(workspace, "a")
    queue(workspace, "b")
    transport = Scripted(lambda _message: clock.advance(LEASE))
    done = send(workspace, transport)
    assert (done.sent, done.deferred) == (1, 1)
    assert len(transport.sent) == 1
    assert sorted(states(workspace).values()) == ["pending", "sent"]
    clock.advance(timedelta(minutes=2))
    assert send(workspace, transport).sent == 1
    assert len(set(transport.sent)) == len(transport.sent) == 2


def test_a_process_that_dies_while_sending_leaves_the_message_claimed_then_uncertain(
    workspace: Workspace, clock: FrozenClock
) -> None:
    def die(_message: Message) -> None:
        raise KeyboardInterrupt

    queue(workspace)
    with pytest.raises(KeyboardInterrupt):
        send(workspace, Scripted(die))
    assert states(workspace) == {"m1": "sending"}
    transport = Scripted()
    clock.advance(LEASE)
    assert send(workspace, transport) == Drained(uncertain=1)
    assert (states(workspace), transport.sent) == ({"m1": "uncertain"}, [])


@pytest.mark.parametrize(
    "what",
    ["The disk is full: m1 could not be written", "/missing/m1 could not be written (denied)"],
)
def test_a_folder_that_cannot_be_written_now_is_tried_again(
    workspace: Workspace, what: str
) -> None:
    def act(_message: Message) -> None:
        raise StoreError(what)

    queue(workspace)
    assert send(workspace, Scripted(act)).deferred == 1
    assert states(workspace) == {"m1": "pending"}


def test_a_mail_whose_bytes_are_gone_fails_and_says_so(workspace: Workspace) -> None:
    outbox_id = queue(workspace, blob="f" * 64)
    done = send(workspace, Scripted())
    assert done.failed == 1
    assert done.errors[0].startswith(f"{outbox_id}: Blob {'f' * 64} of tenant 'acme' is missing")


def test_a_mail_whose_bytes_were_changed_is_not_sent(workspace: Workspace) -> None:
    queue(workspace)
    (blob,) = (p for p in workspace.blobs.root.rglob("*") if p.is_file())
    blob.write_bytes(b"other bytes")
    transport = Scripted()
    assert send(workspace, transport).sent == 0
    assert transport.sent == []


def test_the_folder_is_the_default_and_writing_a_mail_twice_leaves_one(
    workspace: Workspace,
) -> None:
    queue(workspace, "m1.eml", channel="folder")
    assert drain(RunContext(workspace), ["acme"]) == Drained(sent=1)
    folder = workspace.settings.mail
    assert [p.name for p in folder.iterdir()] == ["m1.eml"]
    message = Message(
        "o1", "acme", "m1@acme.example", "folder", "<m1@acme.example>", "m1.eml", "", 2,
        workspace.clock.now(),
    )  # fmt: skip
    with FolderTransport(folder) as transport:
        assert transport.send(message, b"bytes of m1.eml") == Receipt(250, "written to m1.eml")
    assert [(p.name, p.read_bytes()) for p in folder.iterdir()] == [("m1.eml", b"bytes of m1.eml")]


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("ann@acme.example", "ann@acme.example"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@localhost", "ann@localhost"),
        ("ann@two..dots", "ann@two..dots"),
    ],
)
def test_only_the_domain_of_an_address_is_written_otherwise(address: str, wire: str) -> None:
    assert wire_address(address) == wire


def mailed_alerts(workspace: Workspace) -> list[Path]:
    return sorted(workspace.settings.mail.glob("*-alert-*.eml"))


def test_an_alert_is_mailed_once_as_plain_text_to_the_address_of_the_tenant_file(
    workspace: Workspace,
) -> None:
    ctx = RunContext(workspace)
    with workspace.control.write() as connection:
        tenant = get_tenant(connection, "acme")
        asked = {
            "tenant_id": "acme",
            "subject": "Schedule x\r\nBcc: all@evil.example",
            "text": "Ü <b>",
        }
        assert raise_alert(connection, ctx.audit("a test"), **asked)
        assert not raise_alert(connection, ctx.audit("a test"), **asked)
    assert queue_alerts(ctx, tenant, SENDER) == 1
    assert queue_alerts(ctx, tenant, SENDER) == 0
    assert drain(ctx).sent == 1
    assert drain(ctx).sent == 0
    (path,) = mailed_alerts(workspace)
    message = email.message_from_bytes(path.read_bytes(), policy=default)
    assert (message["From"], message["To"]) == (SENDER, "ops@acme.example")
    assert message["Subject"] == "Clientlore: Schedule x Bcc: all@evil.example"
    assert "Bcc" not in message
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"
    assert message.get_content().strip() == "Ü <b>"


def test_a_tenant_without_an_alert_address_is_mailed_none(workspace: Workspace) -> None:
    put_tenant(workspace, "tenant: quiet\nname: Quiet\n")
    ctx = RunContext(workspace)
    with workspace.control.write() as connection:
        raise_alert(connection, ctx.audit("a test"), tenant_id="quiet", subject="x", text="y")
        tenant = get_tenant(connection, "quiet")
    assert queue_alerts(ctx, tenant, SENDER) == 0
    assert drain(ctx) == Drained()
