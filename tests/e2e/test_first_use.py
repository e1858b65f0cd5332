"""The first minutes with one's own data: what `init` asks at a terminal, and a mail to see whether mail leaves."""

from __future__ import annotations

import email
from collections.abc import Callable, Iterator
from email.policy import default
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
import yaml
from aiosmtpd.smtp import Envelope

from clientlore.control import tables as t
from clientlore.testing.mail import DROP, MailServer
from clientlore.workspace import Workspace
from tests.e2e.conftest import COMMAND
from tests.support.terminal import at_a_terminal

if TYPE_CHECKING:
    from tests.e2e.conftest import Commands


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with MailServer() as running:
        yield running


@pytest.fixture
def with_smtp(commands: Commands, mail_server: MailServer) -> Commands:
    """Commands with a mail server on loopback."""
    commands.extra |= {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(mail_server.port),
        "SMTP_SECURITY": "none",
        "SMTP_FROM_EMAIL": "monitor@acme.example",
    }
    return commands


def typed_in(commands: Commands, *arguments: str, answers: list[str]) -> tuple[int, str]:
    """Types a command at a terminal of a machine in Japan."""
    return at_a_terminal(
        [str(COMMAND), *arguments],
        cwd=commands.home.parent,
        env={**commands.environment, "TZ": "Asia/Tokyo"},
        answers=answers,
    )


def test_init_asks_four_questions_at_a_terminal_and_asks_again_what_cannot_be(
    commands: Commands, tmp_path: Path
) -> None:
    status, said = typed_in(
        commands,
        "init",
        answers=["Harbor & Finch: Advisors", "Ann Lee", "ann at home", "ann@hf.example", "Mars/Base", ""],
    )  # fmt: skip
    assert status == 0, said
    assert "this is no mail address" in said
    assert "no such time zone" in said
    assert "[Asia/Tokyo]" in said
    made = yaml.safe_load((tmp_path / "tenant.yaml").read_text())
    assert (made["tenant"], made["name"]) == ("harbor-finch-advisors", "Harbor & Finch: Advisors")
    (reader,) = made["users"]
    assert (reader["name"], reader["email"], reader["zone"]) == (
        "Ann Lee",
        "ann@hf.example",
        "Asia/Tokyo",
    )
    assert "Changed" in commands.run("apply", "tenant.yaml").stdout


def test_init_asks_nothing_when_a_flag_says_who_or_nobody_is_there(
    commands: Commands, tmp_path: Path
) -> None:
    status, said = typed_in(commands, "init", "--name", "Acme Advisors", answers=[])
    assert (status, "Your name" in said) == (0, False)
    assert yaml.safe_load((tmp_path / "tenant.yaml").read_text())["tenant"] == "acme-advisors"
    commands.run("init", "piped.yaml")
    assert yaml.safe_load((tmp_path / "piped.yaml").read_text())["tenant"] == "my-team"


def test_a_fresh_tenant_watches_nobody_that_its_owner_did_not_name(commands: Commands) -> None:
    commands.run("init")
    commands.run("apply", "tenant.yaml")
    assert commands.json("client", "list") == []


def test_a_test_mail_arrives_and_is_on_record_without_the_address(
    with_smtp: Commands, mail_server: MailServer, look: Callable[[], Workspace]
) -> None:
    said = with_smtp.run("doctor", "--send-test-mail", "ann@acme.example").stdout
    assert "250 2.0.0 queued as fake" in said
    (envelope,) = mail_server.messages
    assert envelope.rcpt_tos == ["ann@acme.example"]
    content = envelope.content
    assert isinstance(content, bytes)
    message = email.message_from_bytes(content, policy=default)
    assert message["From"] == "Client Monitor <monitor@acme.example>"
    assert "Clientlore can send mail" in message.get_content()
    with look().control.read() as connection:
        rows = connection.execute(sa.select(t.audit_log).order_by(t.audit_log.c.seq)).all()
    assert [row.action for row in rows] == ["send_test_mail", "test_mail_taken"]
    assert {row.entity_id for row in rows} == {message["Message-ID"]}
    assert all("ann@acme" not in str(row) for row in rows)


@pytest.mark.parametrize(
    ("rcpt", "data", "shown", "advice"),
    [
        ("550 5.1.1 no such user", "250 OK", "no such user", "takes no mail for this address"),
        ("250 OK", "451 4.7.1 greylisted", "greylisted", "try again later"),
        ("250 OK", "535 5.7.8 bad credentials", "bad credentials", "app password"),
        ("250 OK", DROP, "the connection broke", "Look whether it arrived"),
    ],
)
def test_a_refused_test_mail_ends_with_status_1_and_advice(
    with_smtp: Commands, mail_server: MailServer, rcpt: str, data: str, shown: str, advice: str
) -> None:
    def answer(_envelope: Envelope) -> str:
        return data

    mail_server.on_rcpt = lambda _address: rcpt
    mail_server.on_data = answer
    (finding,) = with_smtp.json("doctor", "--send-test-mail", "ann@acme.example", status=1)
    assert finding["verdict"] == "no"
    assert shown in finding["detail"]
    assert advice in finding["advice"]


def test_a_test_mail_without_a_server_or_a_sender_says_what_to_set(commands: Commands) -> None:
    said = commands.run("doctor", "--send-test-mail", "ann@acme.example", status=1).stderr
    assert "SMTP_FROM_EMAIL" in said
    commands.extra |= {"SMTP_FROM_EMAIL": "m@acme.example", "SMTP_HOST": "127.0.0.1"}
    with MailServer() as gone:
        commands.extra["SMTP_PORT"] = str(gone.port)
    said = commands.run("doctor", "--send-test-mail", "ann@acme.example", status=1).stdout
    assert "cannot be reached" in said
    assert "SMTP_PORT" in said
    said = commands.run("doctor", "--send-test-mail", "ann", status=1).stderr
    assert "no mail address" in said
