"""Closing windows: only a claimed fire opens one, once; what is decided, rendered and queued is one transaction."""

from __future__ import annotations

import email
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import ledger, people, snapshots, tenants
from clientlore.control import tables as t
from clientlore.digests import closing
from clientlore.digests.closing import Closed, close_windows
from clientlore.digests.matches import MATCHES, matches_of_day
from clientlore.errors import ConfigurationError
from clientlore.monitoring.events import EVENTS, MEMBERS
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.run_context import RunContext
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ROOT = "root-run"
TENANT = """
tenant: acme
name: Acme
users:
  - {id: ann, name: Ann, email: ann@acme.example, zone: Europe/London, max_items: 2}
  - {id: ben, name: Ben, email: ben@acme.example, digest: {frequency: instant}}
  - {id: dan, name: Dan, zone: Europe/London}
clients:
  - {name: Harbor Foods, id: harbor, owners: [ann, ben, dan]}
"""


@dataclass
class Desk:
    """A tenant whose news, fires and windows a test sets by hand."""

    workspace: Workspace
    clock: FrozenClock

    def news(self, *told: str | dict[str, Any], day: date = DAY) -> None:
        """Makes a day: its events, judged and matched for everybody."""
        given = [{"item_id": each} if isinstance(each, str) else each for each in told]
        rows = [
            {
                "tenant_id": "acme",
                "day": day,
                "event_id": row["item_id"],
                "story_id": row.get("event_id", row["item_id"]),
                "origin_key": row["item_id"],
                "status": "PROCESSED",
                "layer": "first",
                "title": f"News {row['item_id']}",
                "text": "Harbor Foods opens a plant.",
                "summary": "It stands in Lisbon.",
                "client_id": "harbor",
                "score": 0.8,
                "category": "expansion",
                "rationale": "named in the headline",
                "published_at": NOW - timedelta(hours=n),
                "collected_at": NOW,
                "source_mode": "live",
                **row,
            }
            for n, row in enumerate(given)
        ]
        lake = self.workspace.lake
        for table in (MEMBERS, EVENTS, RELEVANCE):
            told_here = [{k: v for k, v in row.items() if k in table.schema} for row in rows]
            lake.write(table, "acme", day, table.frame(told_here))
        with self.workspace.control.write() as connection:
            tenant = tenants.get_tenant(connection, "acme")
            taken = snapshots.take(connection, self.audit(), tenant, day)
        lake.write(MATCHES, "acme", day, matches_of_day(lake, taken))

    def audit(self) -> Any:
        return self.workspace.audit("test", "a test")

    def user_id(self, handle: str) -> str:
        return people.user_id_for("acme", handle)

    def fire(self, fire_id: str = "f1", **values: Any) -> None:
        """Writes a fire; as a digest of Ann's that the run has claimed, if nothing else is said."""
        row = {
            "fire_id": fire_id,
            "tenant_id": "acme",
            "kind": "digest",
            "user_id": self.user_id("ann"),
            "due_at": self.clock.now(),
            "day": self.clock.now().date(),
            "clients": [],
            "state": "claimed",
            "attempt": 1,
            "root_run_id": ROOT,
            **values,
        }
        with self.workspace.control.write() as connection:
            connection.execute(sa.insert(t.fires).values(**row))

    def close(self, **values: Any) -> list[Closed]:
        ctx = RunContext(self.workspace, **{"run_id": "run-2", "root_run_id": ROOT, **values})
        with self.workspace.control.read() as connection:
            tenant = tenants.get_tenant(connection, "acme")
        return close_windows(ctx, tenant)

    def outcomes(self, **values: Any) -> dict[str, str]:
        """Closes; returns the outcome of each person's window."""
        handles = {self.user_id(handle): handle for handle in ("ann", "ben", "dan")}
        return {handles[c.window.user_id]: c.outcome for c in self.close(**values)}

    def next_day(self, fire_id: str, **values: Any) -> None:
        """A day later, with a fire."""
        self.clock.advance(timedelta(days=1))
        self.fire(fire_id, **values)

    def decisions(self, handle: str = "ann") -> list[tuple[str, str, bool]]:
        """What was decided for a person: event, decision, whether late; in the order of windows and scores."""
        n = t.notifications.c
        query = sa.select(n.event_id, n.decision, n.is_late)
        query = query.where(n.user_id == self.user_id(handle))
        query = query.order_by(n.decided_at, n.score.desc(), n.event_id)
        with self.workspace.control.read() as connection:
            return [(r.event_id, r.decision, r.is_late) for r in connection.execute(query)]

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        with self.workspace.control.read() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


@pytest.fixture
def desk(tmp_path: Path, clock: FrozenClock) -> Iterator[Desk]:
    with open_workspace(tmp_path / "home", clock) as opened:
        put_tenant(opened, TENANT)
        yield Desk(opened, clock)


def test_a_claimed_fire_closes_the_window_with_its_notifications_mail_and_outbox_row(
    desk: Desk,
) -> None:
    desk.news("a", "b")
    desk.fire()
    (closed,) = desk.close()
    assert (closed.outcome, closed.sent, closed.more, closed.late) == ("mailed", 2, 0, 0)
    (window,) = desk.rows(t.windows)
    key = (window["frequency"], window["window_key"], window["fire_id"])
    assert key == ("daily", "2026-11-20", "f1")
    assert window["counts"] == {"sent": 2, "more": 0, "late": 0}
    assert desk.decisions() == [("a", "sent", False), ("b", "sent", False)]
    (mail,) = desk.rows(t.outbox)
    queued = (mail["recipient"], mail["channel"], mail["state"])
    assert queued == ("ann@acme.example", "folder", "pending")
    data = desk.workspace.blobs.get("acme", mail["blob"])
    message = email.message_from_bytes(data, policy=default)
    assert message["Message-ID"] == mail["message_id"]
    references = {row["reference"] for row in desk.rows(t.notifications)}
    assert all(f"Ref {reference}" in str(message.get_body(("plain",))) for reference in references)


@pytest.mark.parametrize(
    "claimed",
    [
        {"state": "dispatched", "root_run_id": None},
        {"state": "claimed", "root_run_id": "another-root"},
        {"state": "done"},
    ],
    ids=["not claimed", "claimed by another run", "ended"],
)
def test_only_a_fire_that_the_run_s_own_root_has_claimed_opens_a_window(
    desk: Desk, claimed: dict[str, Any]
) -> None:
    desk.news("a")
    desk.fire(**claimed)
    assert desk.close() == []
    assert desk.rows(t.windows) == []


def test_a_backfill_opens_no_window_whatever_it_has_claimed(desk: Desk) -> None:
    desk.news("a")
    desk.fire()
    assert desk.close(is_backfill=True) == []
    assert (desk.rows(t.windows), desk.rows(t.outbox)) == ([], [])


def test_a_window_opens_once_for_a_run_made_again_and_for_another_fire_of_the_date(
    desk: Desk,
) -> None:
    desk.news("a")
    desk.fire()
    assert desk.outcomes() == {"ann": "mailed"}
    desk.clock.advance(timedelta(hours=1))
    desk.fire("f2")
    assert [c.outcome for c in desk.close(run_id="run-3")] == ["open_before", "open_before"]
    assert len(desk.rows(t.windows)) == len(desk.rows(t.outbox)) == 1


def test_an_empty_window_is_closed_and_mails_nobody(desk: Desk) -> None:
    desk.news({"item_id": "a", "score": 0.1})
    desk.fire()
    assert desk.outcomes() == {"ann": "empty"}
    assert [w["outcome"] for w in desk.rows(t.windows)] == ["empty"]
    assert (desk.rows(t.outbox), desk.rows(t.notifications)) == ([], [])
    desk.news("a")
    assert desk.outcomes() == {"ann": "open_before"}


def test_what_is_below_the_cap_is_recorded_and_not_sent_in_a_later_window(desk: Desk) -> None:
    desk.news("a", "b", "c")
    desk.fire()
    assert [(closed.sent, closed.more) for closed in desk.close()] == [(2, 1)]
    assert desk.decisions()[2] == ("c", "over_cap", False)
    desk.next_day("f2")
    desk.news("d", day=desk.clock.now().date())
    assert desk.outcomes()["ann"] == "mailed"
    assert desk.decisions()[3:] == [("d", "sent", False)]


def test_what_was_sent_under_an_older_id_is_recorded_once_and_not_sent_again(desk: Desk) -> None:
    desk.news("a")
    desk.fire()
    desk.close()
    # A historical fetch brought an earlier member: the event has its id now.
    desk.news("earlier", {"item_id": "a", "event_id": "earlier", "client_id": "other"})
    for fire_id in ("f2", "f3"):
        desk.next_day(fire_id)
        desk.news(day=desk.clock.now().date())
        desk.close()
    assert desk.decisions() == [("a", "sent", False), ("earlier", "already_sent", False)]


def test_what_was_sent_is_not_sent_again_however_short_the_horizon_of_a_mail_is(
    desk: Desk,
) -> None:
    put_tenant(desk.workspace, TENANT.replace("name: Acme", "name: Acme\nmail_horizon_days: 1"))
    desk.news("a")
    desk.fire()
    desk.close()
    desk.clock.advance(timedelta(days=40))
    desk.next_day("f2")
    desk.news({"item_id": "a"}, day=desk.clock.now().date())
    assert desk.outcomes()["ann"] == "empty"


def test_a_digest_by_hand_leaves_the_scheduled_window_of_the_day_alone(desk: Desk) -> None:
    desk.news("a")
    desk.fire("by-hand", kind="adhoc", user_id=None)
    assert desk.outcomes() == {"ann": "mailed", "ben": "mailed", "dan": "no_address"}
    desk.news("a", "b")
    desk.fire("f2")
    assert desk.outcomes()["ann"] == "mailed"
    assert {w["frequency"] for w in desk.rows(t.windows)} == {"adhoc", "daily"}
    assert desk.decisions() == [("a", "sent", False), ("b", "sent", False)]


def test_what_a_backfill_recovered_enters_the_next_window_as_late(desk: Desk) -> None:
    desk.news("a")
    desk.fire()
    desk.close()
    desk.next_day("f2")
    today = desk.clock.now().date()
    desk.news({"item_id": "missed", "score": 0.7}, day=DAY - timedelta(days=1))
    desk.news("b", day=today)
    closed = desk.close()[-1]
    assert (closed.sent, closed.late) == (2, 1)
    assert desk.decisions()[1:] == [("b", "sent", False), ("missed", "sent", True)]


def test_a_person_without_an_address_is_told_once_they_have_one(desk: Desk) -> None:
    desk.news("a")
    desk.fire(user_id=desk.user_id("dan"))
    assert desk.outcomes() == {"dan": "no_address"}
    assert (desk.decisions("dan"), desk.rows(t.outbox)) == ([("a", "no_address", False)], [])
    put_tenant(desk.workspace, TENANT.replace("name: Dan", "name: Dan, email: dan@acme.example"))
    desk.next_day("f2", user_id=desk.user_id("dan"))
    desk.news(day=desk.clock.now().date())
    assert desk.outcomes() == {"dan": "mailed"}
    assert desk.decisions("dan")[1:] == [("a", "sent", False)]


def test_a_person_who_left_since_the_day_was_configured_gets_nothing(desk: Desk) -> None:
    desk.news("a")
    desk.fire()
    with desk.workspace.control.write() as connection:
        user = people.find_user(connection, "acme", "ann")
        people.deactivate_user(connection, desk.audit(), user)
    assert desk.close() == []


def test_a_monitoring_fire_mails_those_who_want_to_be_told_at_once(desk: Desk) -> None:
    desk.news("a")
    desk.fire(kind="monitor", user_id=None)
    assert desk.outcomes() == {"ben": "mailed"}
    assert [w["frequency"] for w in desk.rows(t.windows)] == ["instant"]


def test_where_the_day_failed_in_this_run_its_windows_stay_unopened(desk: Desk) -> None:
    desk.news("a")
    desk.fire()
    written = {"rows": 0, "content_sha": None, "inputs_sha": None, "code_version": "1"}
    with desk.workspace.control.write() as connection:
        ledger.write_day(
            connection, tenant_id="acme", day=DAY, stage="core/events", state="failed",
            counts={}, seconds=0.0, error="no", run_id="run-2", now=NOW, **written,
        )  # fmt: skip
    assert desk.close() == []
    assert desk.outcomes(run_id="run-3") == {"ann": "mailed"}


def test_a_day_without_a_configuration_opens_nothing(desk: Desk) -> None:
    desk.fire()
    assert desk.close() == []


QUIET = TENANT.replace("max_items: 2", 'quiet_hours: {from: "08:00", to: "12:30"}')


@pytest.mark.parametrize(
    ("fire", "held_until"),
    [
        ({}, datetime(2026, 11, 20, 12, 30, tzinfo=UTC)),
        ({"kind": "adhoc", "user_id": None}, None),
    ],
    ids=["a scheduled digest waits", "one by hand into a folder wakes nobody"],
)
def test_mail_in_quiet_hours_waits_for_their_end_unless_it_was_asked_for(
    desk: Desk, fire: dict[str, Any], held_until: datetime | None
) -> None:
    put_tenant(desk.workspace, QUIET)
    desk.news("a")
    desk.fire(**fire)
    closed = desk.close()[0]
    assert closed.held_until == held_until
    assert desk.rows(t.outbox)[0]["not_before"] == (held_until or NOW)


LIVE = QUIET.replace("name: Acme", "name: Acme\nallow_live_send: true")


def test_what_may_leave_without_a_sender_configured_opens_no_window(desk: Desk) -> None:
    put_tenant(desk.workspace, LIVE)
    desk.news("a")
    desk.fire()
    with pytest.raises(ConfigurationError, match="allow_live_send, and no sender is configured"):
        desk.close()
    assert (desk.rows(t.windows), desk.rows(t.outbox)) == ([], [])


def test_mail_by_hand_that_leaves_waits_for_the_end_of_quiet_hours_too(desk: Desk) -> None:
    put_tenant(desk.workspace, LIVE)
    desk.news("a")
    desk.fire(kind="adhoc", user_id=None)
    smtp = desk.workspace.settings.smtp.model_copy(update={"from_email": "news@acme.example"})
    desk.workspace.settings = desk.workspace.settings.model_copy(update={"smtp": smtp})
    desk.close()
    ann = next(row for row in desk.rows(t.outbox) if row["recipient"] == "ann@acme.example")
    assert (ann["channel"], ann["not_before"].hour) == ("smtp", 12)
    assert ann["message_id"].endswith("@acme.example>")


def test_a_window_whose_mail_cannot_be_queued_is_not_opened(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(**_: Any) -> dict[str, Any]:
        raise MemoryError

    desk.news("a")
    desk.fire()
    with monkeypatch.context() as patched:
        patched.setattr(closing, "queue_row", die)
        with pytest.raises(MemoryError):
            desk.close()
    assert (desk.rows(t.windows), desk.rows(t.notifications)) == ([], [])
    assert desk.outcomes() == {"ann": "mailed"}


def test_a_fire_of_another_tenant_opens_nothing_here(desk: Desk) -> None:
    put_tenant(desk.workspace, "tenant: other\nname: Other\n")
    desk.news("a")
    desk.fire(tenant_id="other", kind="adhoc", user_id=None)
    assert desk.close() == []
