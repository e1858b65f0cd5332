"""Mail over real SMTP on loopback: what each reply means, and that nobody is mailed twice or burned."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from clientlore.clock import FrozenClock
from clientlore.control import tables as t
from clientlore.delivery.outbox import decide_uncertain, queue_row
from clientlore.delivery.sender import Drained, drain
from clientlore.delivery.transports import smtp_transport
from clientlore.errors import ConfigurationError
from clientlore.run_context import RunContext
from clientlore.settings import SmtpSettings
from clientlore.testing.mail import DROP, MailServer
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

BODY = b"Message-ID: <%s@acme.example>\r\nSubject: 1 item\r\n\r\n.a line with a dot\r\n.\r\nend\r\n"


@dataclass
class Post:
    """A tenant that may send, and the server that it sends to."""

    workspace: Workspace
    clock: FrozenClock

    def configure(self, **values: Any) -> None:
        smtp = SmtpSettings(
            **{
                "host": "127.0.0.1",
                "from_email": "news@acme.example",
                "security": "none",
                "timeout_seconds": 5,
                **values,
            }
        )
        self.workspace.settings = self.workspace.settings.model_copy(update={"smtp": smtp})

    def queue(self, name: str, **values: Any) -> str:
        now = self.clock.now()
        row = queue_row(
            **{
                "tenant_id": "acme",
                "window_id": None,
                "recipient": f"{name}@reader.example",
                "channel": "smtp",
                "message_id": f"<{name}@acme.example>",
                "file_name": name,
                "subject": "1 item",
                "blob": self.workspace.blobs.put("acme", BODY % name.encode()),
                "not_before": now,
                "now": now,
                **values,
            }
        )
        with self.workspace.control.write() as connection:
            connection.execute(sa.insert(t.outbox).values(**row))
        return str(row["outbox_id"])

    def send(self) -> Drained:
        return drain(RunContext(self.workspace), ["acme"], rng=Random(1))

    def states(self) -> dict[str, str]:
        with self.workspace.control.read() as connection:
            query = sa.select(t.outbox.c.file_name, t.outbox.c.state)
            return {row.file_name: row.state for row in connection.execute(query)}

    def logs(self) -> list[tuple[str, int | None, str | None]]:
        """Outcome, code and reply of each attempt."""
        columns = (t.email_logs.c.outcome, t.email_logs.c.reply_code, t.email_logs.c.reply)
        with self.workspace.control.read() as connection:
            found = connection.execute(sa.select(*columns).order_by(t.email_logs.c.seq))
            return [tuple(row) for row in found]

    def alerts(self) -> list[str]:
        with self.workspace.control.read() as connection:
            return list(connection.execute(sa.select(t.alerts.c.text)).scalars())


@pytest.fixture
def post(tmp_path: Path, clock: FrozenClock) -> Iterator[Post]:
    with open_workspace(tmp_path / "home", clock) as opened:
        put_tenant(opened, "tenant: acme\nname: Acme\nallow_live_send: true\n")
        yield Post(opened, clock)


@pytest.fixture
def server(post: Post) -> Iterator[MailServer]:
    with MailServer() as running:
        post.configure(port=running.port)
        yield running


def test_a_mail_arrives_byte_for_byte_with_the_reply_on_record(
    post: Post, server: MailServer
) -> None:
    post.queue("ann")
    assert post.send() == Drained(sent=1)
    (envelope,) = server.messages
    assert envelope.mail_from == "news@acme.example"
    assert envelope.rcpt_tos == ["ann@reader.example"]
    assert envelope.content == BODY % b"ann"
    assert post.states() == {"ann": "sent"}
    assert post.logs() == [("sent", 250, "2.0.0 queued as fake")]
    assert post.send() == Drained()
    assert server.offered == 1


@pytest.mark.parametrize("stage", ["rcpt", "data"])
@pytest.mark.parametrize(
    ("reply", "state"),
    [
        ("450 try later", "pending"),
        ("451 4.7.1 greylisted", "pending"),
        ("452 4.2.2 mailbox full", "pending"),
        ("550 no such user", "failed"),
        ("550 5.1.1 no such user", "failed"),
        ("554 5.7.1 policy", "failed"),
        ("450 5.1.1 the enhanced code beats the basic one", "failed"),
        ("550 4.2.2 the enhanced code beats the basic one", "pending"),
        ("451 greylisted, your address is 192.5.3.2", "pending"),
        ("550 rejected by filter 4.3.2", "failed"),
    ],
)
def test_a_temporary_reply_defers_and_a_permanent_one_fails(
    post: Post, server: MailServer, stage: str, reply: str, state: str
) -> None:
    if stage == "rcpt":
        server.on_rcpt = lambda _address: reply
    else:
        server.on_data = lambda _envelope: reply
    post.queue("ann")
    post.send()
    assert post.states() == {"ann": state}
    outcome = "deferred" if state == "pending" else "failed"
    assert post.logs() == [(outcome, int(reply[:3]), reply[4:])]
    assert server.messages == []


def test_a_recipient_who_is_refused_does_not_stop_the_next_on_the_same_connection(
    post: Post, server: MailServer
) -> None:
    server.on_rcpt = lambda address: "550 5.1.1 no" if address.startswith("ben") else "250 OK"
    for name in ("ann", "ben", "cleo"):
        post.queue(name)
    done = post.send()
    assert (done.sent, done.failed) == (2, 1)
    assert post.states() == {"ann": "sent", "ben": "failed", "cleo": "sent"}


def test_a_deferred_mail_is_sent_later_under_the_same_message_id(
    post: Post, server: MailServer
) -> None:
    replies = iter(["451 4.3.0 later", "250 2.0.0 ok"])
    server.on_data = lambda _envelope: next(replies)
    post.queue("ann")
    assert post.send().deferred == 1
    assert post.send() == Drained()
    post.clock.advance(timedelta(minutes=2))
    assert post.send().sent == 1
    assert server.messages[0].content == BODY % b"ann"
    assert [outcome for outcome, _, _ in post.logs()] == ["deferred", "sent"]


def test_mail_held_for_quiet_hours_is_not_sent_early(post: Post, server: MailServer) -> None:
    post.queue("ann", not_before=post.clock.now() + timedelta(hours=3))
    assert (post.send(), server.offered) == (Drained(), 0)
    post.clock.advance(timedelta(hours=3))
    assert post.send() == Drained(sent=1)


# Whose fault it is


def refused(post: Post) -> str:
    """Two mails that our account may not send: both wait, one alert says why."""
    post.queue("ann")
    post.queue("ben")
    done = post.send()
    assert (done.sent, done.deferred, done.failed) == (0, 2, 0)
    assert post.states() == {"ann": "pending", "ben": "pending"}
    (alert,) = post.alerts()
    return alert


def test_a_login_that_is_refused_stops_everything_and_tells_no_secret(post: Post) -> None:
    with MailServer(login=("acme", "right-password")) as server:
        post.configure(port=server.port, username="acme", password=SecretStr("wrong-password"))
        alert = refused(post)
        assert "refused our account (535 5.7.8" in alert
        assert "SMTP_PASSWORD" in alert
        assert not any("wrong-password" in str(told) for told in (alert, *post.logs()))
        post.configure(port=server.port, username="acme", password=SecretStr("right-password"))
        post.clock.advance(timedelta(minutes=2))
        assert post.send().sent == 2
        assert len(server.messages) == 2


def test_a_server_that_wants_a_login_we_do_not_have_is_our_fault(post: Post) -> None:
    with MailServer(login=("acme", "right-password")) as server:
        post.configure(port=server.port)
        assert refused(post).startswith("5.7.0 Authentication required")
        assert server.offered == 0


@pytest.mark.parametrize(
    "reply", ["535 no", "550 5.7.30 basic authentication is off", "550 5.7.8 no"]
)
def test_replies_about_our_account_burn_no_recipient(
    post: Post, server: MailServer, reply: str
) -> None:
    server.on_rcpt = lambda _address: reply
    assert refused(post).startswith(reply[4:])


def test_a_code_that_only_begins_like_one_about_our_account_is_about_the_recipient(
    post: Post, server: MailServer
) -> None:
    server.on_rcpt = lambda _address: "550 5.7.80 quarantined"
    post.queue("ann")
    assert post.send().failed == 1


@pytest.mark.parametrize(
    ("security", "told"),
    [("starttls", "STARTTLS extension not supported"), ("auto", "STARTTLS"), ("tls", "TLS with")],
)
def test_a_server_that_does_not_speak_the_tls_we_ask_for_is_our_fault(
    post: Post, server: MailServer, security: Any, told: str
) -> None:
    post.configure(port=server.port, security=security)
    assert told in refused(post)
    assert server.offered == 0


def test_without_a_sender_there_is_no_transport() -> None:
    with pytest.raises(ConfigurationError, match="SMTP_FROM_EMAIL"):
        smtp_transport(SmtpSettings())


# Broken connections


@contextmanager
def rude_server(greet: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that treats every connection as it is told, then hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    greet(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_server_that_cannot_be_reached_defers(post: Post) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    post.configure(port=port)
    post.queue("ann")
    assert post.send().deferred == 1
    assert post.states() == {"ann": "pending"}
    assert f"127.0.0.1:{port} cannot be reached" in str(post.logs()[0][2])


@pytest.mark.parametrize(
    "greeting", [b"", b"421 4.3.2 busy\r\n", b"220 hello\r\n"], ids=["silent", "busy", "leaves"]
)
def test_a_server_that_hangs_up_before_the_message_defers(post: Post, greeting: bytes) -> None:
    with rude_server(lambda connection: connection.sendall(greeting)) as port:
        post.configure(port=port)
        post.queue("ann")
        assert post.send().deferred == 1
    assert post.states() == {"ann": "pending"}


def scripted(*replies: str) -> Callable[[socket.socket], None]:
    """Answers one command after another, the connection itself first."""

    def talk(connection: socket.socket) -> None:
        for reply in replies:
            connection.sendall(f"{reply}\r\n".encode())
            connection.recv(1_000)

    return talk


@pytest.mark.parametrize(
    ("replies", "logged"),
    [
        (("220 hi", "250 ok", "450 4.7.1 slow down"), ("deferred", 450, "4.7.1 slow down")),
        (("220 hi", "250 ok", "550 5.7.1 no"), ("failed", 550, "5.7.1 no")),
        (
            ("220 hi", "250 ok", "250 ok", "250 ok", "451 4.3.0 no data now"),
            ("deferred", 451, "4.3.0 no data now"),
        ),
    ],
    ids=["sender deferred", "sender refused", "data refused"],
)
def test_a_refusal_before_the_message_is_handed_over_is_never_uncertain(
    post: Post, replies: tuple[str, ...], logged: tuple[str, int, str]
) -> None:
    with rude_server(scripted(*replies)) as port:
        post.configure(port=port)
        post.queue("ann")
        post.send()
    assert post.logs() == [logged]


def test_a_server_that_says_nothing_defers_after_the_timeout(post: Post) -> None:
    with rude_server(lambda connection: time.sleep(0.3)) as port:
        post.configure(port=port, timeout_seconds=0.1)
        post.queue("ann")
        assert post.send().deferred == 1


def test_a_connection_that_breaks_after_the_message_is_uncertain_and_held(
    post: Post, server: MailServer
) -> None:
    server.on_data = lambda _envelope: DROP
    outbox_id = post.queue("ann")
    assert post.send().uncertain == 1
    assert post.states() == {"ann": "uncertain"}
    assert "while the message was handed over" in str(post.logs()[0][2])
    post.clock.advance(timedelta(days=3))
    assert (post.send(), server.offered) == (Drained(), 1)
    server.on_data = lambda _envelope: "250 ok"
    with post.workspace.control.write() as connection:
        audit = post.workspace.audit("cli:ann", "the server's log knows nothing of it")
        decide_uncertain(connection, audit, outbox_id, was_delivered=False)
    assert post.send().sent == 1
    assert [m.content for m in server.messages] == [BODY % b"ann"] * 2


def test_a_server_that_never_answers_a_message_leaves_it_uncertain(
    post: Post, server: MailServer
) -> None:
    def slow(_envelope: Any) -> str:
        time.sleep(0.25)
        return "250 ok"

    server.on_data = slow
    post.configure(port=server.port, timeout_seconds=0.1)
    post.queue("ann")
    assert post.send().uncertain == 1


def test_after_a_broken_connection_the_next_mail_gets_a_new_one(
    post: Post, server: MailServer
) -> None:
    replies = iter([DROP, "250 ok"])
    server.on_data = lambda _envelope: next(replies)
    post.queue("ann")
    post.queue("ben")
    done = post.send()
    assert (done.sent, done.uncertain) == (1, 1)


# Addresses


def test_a_domain_outside_ascii_is_sent_in_its_idna_form(post: Post, server: MailServer) -> None:
    post.queue("ann", recipient="ann@bücher.example")
    assert post.send().sent == 1
    assert server.messages[0].rcpt_tos == ["ann@xn--bcher-kva.example"]


def test_an_address_that_cannot_be_sent_to_fails_alone(post: Post, server: MailServer) -> None:
    post.queue("jörg", recipient="jörg@reader.example")
    post.queue("ann")
    done = post.send()
    assert (done.sent, done.failed) == (1, 1)
    assert post.states() == {"jörg": "failed", "ann": "sent"}
