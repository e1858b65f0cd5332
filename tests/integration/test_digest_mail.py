"""The whole way: real feeds over HTTP, one digest to each right person over SMTP, and nothing twice."""

from __future__ import annotations

import email
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import tables as t
from clientlore.control import tenants
from clientlore.run_context import Scope
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest, RunResult
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.testing.mail import MailServer
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TENANT = """
tenant: {tenant}
name: Acme
allow_live_send: true
users:
  - {{id: ann, name: Ann, email: ann@{tenant}.example}}
  - {{id: ben, name: Ben, email: ben@{tenant}.example}}
clients:
  - {{name: Harbor Foods, id: harbor, owners: [ann], feeds: [{harbor}]}}
  - {{name: Vela Logistics, id: vela, owners: [ben], feeds: [{vela}]}}
"""


@dataclass
class World:
    """Tenants whose news comes over HTTP and whose mail leaves over SMTP."""

    workspace: Workspace
    clock: FrozenClock
    feeds: FeedServer
    post: MailServer

    def serve(self, path: str, *titles: str, at: datetime = NOW, text: str = "") -> None:
        entries = [
            Entry(
                title,
                text or f"{title}, the company said on Friday.",
                f"https://news.example/{n}{path}",
                title,
                at - timedelta(hours=1),
            )
            for n, title in enumerate(titles)
        ]
        self.feeds.put(path, Answer(rss("The Example", entries)))

    def put(self, tenant: str = "acme") -> None:
        put_tenant(
            self.workspace,
            TENANT.format(
                tenant=tenant, harbor=self.feeds.url("/harbor"), vela=self.feeds.url("/vela")
            ),
        )

    def run(self, first: date = DAY, last: date | None = None, **values: Any) -> list[RunResult]:
        request = RunRequest(first, last or first, Scope(), **{"deliver": True, **values})
        return InlineOrchestrator(self.workspace).launch(request)

    def mails(self) -> list[tuple[str, str]]:
        """Recipient and text of each mail that arrived, in order."""
        found = []
        for envelope in self.post.messages:
            assert isinstance(envelope.content, bytes)
            message = email.message_from_bytes(envelope.content, policy=default)
            assert isinstance(message, EmailMessage)
            body = message.get_body(("plain",))
            assert body is not None
            found.append((envelope.rcpt_tos[0], str(body.get_content())))
        return found

    def windows(self) -> list[tuple[date, str]]:
        """As of which day each window closed, and how; of Ann, in order."""
        query = (
            sa.select(t.windows.c.as_of_day, t.windows.c.outcome)
            .join(t.users, t.users.c.user_id == t.windows.c.user_id)
            .where(t.users.c.handle == "ann")
            .order_by(t.windows.c.closed_at, t.windows.c.as_of_day)
        )
        with self.workspace.control.read() as connection:
            return [(row.as_of_day, row.outcome) for row in connection.execute(query)]


@pytest.fixture
def world(tmp_path: Path, clock: FrozenClock) -> Iterator[World]:
    with FeedServer() as feeds, MailServer() as post:
        smtp = {
            "host": "127.0.0.1",
            "port": post.port,
            "from_email": "news@lighthouse.example",
            "security": "none",
        }
        with open_workspace(tmp_path / "home", clock, smtp=smtp) as workspace:
            made = World(workspace, clock, feeds, post)
            made.serve("/harbor", "Harbor Foods raises $40 million in a funding round")
            made.serve("/vela", "Vela Logistics names a new chief executive")
            yield made


def test_each_person_is_mailed_the_news_of_their_own_clients(world: World) -> None:
    world.put()
    (result,) = world.run()
    assert (result.outcome, result.error) == ("succeeded", None)
    told = dict(world.mails())
    assert set(told) == {"ann@acme.example", "ben@acme.example"}
    assert "Harbor Foods raises $40 million in a funding round" in told["ann@acme.example"]
    assert "Vela" not in told["ann@acme.example"]
    assert "Vela Logistics names a new chief executive" in told["ben@acme.example"]
    assert "Harbor" not in told["ben@acme.example"]
    assert not world.workspace.settings.mail.exists()


def test_running_again_mails_nothing_again_and_says_so_by_an_empty_window(world: World) -> None:
    world.put()
    world.run()
    world.clock.advance(timedelta(hours=1))
    world.run()
    assert len(world.mails()) == 2
    assert world.windows() == [(DAY, "mailed"), (DAY, "empty")]


def test_a_fuller_copy_at_noon_is_not_mailed_again(world: World) -> None:
    world.put()
    world.run()
    world.clock.advance(timedelta(hours=3))
    world.serve(
        "/harbor",
        "Harbor Foods raises $40 million in a funding round",
        text="Harbor Foods raised $40 million in a funding round, and here is all of it. " * 9,
    )
    world.run()
    assert len(world.mails()) == 2


def test_a_held_tenant_is_mailed_nothing_and_the_others_go_on(world: World) -> None:
    world.put()
    world.put("other")
    with world.workspace.control.write() as connection:
        audit = world.workspace.audit("test", "a test")
        tenants.hold(connection, audit, "acme", "made-up rows")
    (result,) = world.run()
    assert result.outcome == "degraded"
    assert {to for to, _ in world.mails()} == {"ann@other.example", "ben@other.example"}
    with world.workspace.control.write() as connection:
        tenants.release(connection, audit, "acme")
    world.run()
    assert {to for to, _ in world.mails()[2:]} == {"ann@acme.example", "ben@acme.example"}


def test_a_range_without_deliver_mails_nobody_and_the_next_window_has_it(world: World) -> None:
    world.put()
    first = DAY - timedelta(days=2)
    world.run(first, DAY, deliver=False)
    assert (world.mails(), world.windows()) == ([], [])
    world.clock.advance(timedelta(days=1))
    world.run(DAY + timedelta(days=1))
    assert len(world.mails()) == 2


def test_a_range_with_deliver_is_worked_in_order_with_one_window_a_day(world: World) -> None:
    world.put()
    first = DAY - timedelta(days=2)
    results = world.run(first, DAY)
    assert [r.days for r in results] == [
        ("2026-11-18",),
        ("2026-11-19",),
        ("2026-11-20",),
    ]
    assert [day for day, _ in world.windows()] == [first, DAY - timedelta(days=1), DAY]
    assert len(world.mails()) == 2


def test_where_no_sender_is_configured_the_run_fails_with_a_clear_error_and_opens_no_window(
    world: World,
) -> None:
    world.put()
    smtp = world.workspace.settings.smtp.model_copy(update={"from_email": None})
    world.workspace.settings = world.workspace.settings.model_copy(update={"smtp": smtp})
    (result,) = world.run()
    assert result.outcome == "failed"
    assert "'acme' has allow_live_send, and no sender is configured" in str(result.error)
    assert (world.windows(), world.mails()) == ([], [])
    assert not world.workspace.settings.mail.exists()
