"""The outbox: claimed with a lease, put on record before a byte leaves, retried on schedule, held where unclear."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from clientlore.clock import FrozenClock
from clientlore.control import runs, tenants
from clientlore.control import tables as t
from clientlore.control.model import Tenant
from clientlore.delivery import outbox
from clientlore.delivery.outbox import Message, channel_for, queue_row
from clientlore.delivery.tables import DELIVERIES, deliveries_of
from clientlore.errors import ConfigurationError, NotFoundError
from clientlore.settings import SmtpSettings
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SMTP = SmtpSettings(from_email="news@acme.example", password=SecretStr("secret"))


@pytest.fixture(autouse=True)
def acme(workspace: Workspace) -> None:
    put_tenant(workspace, "tenant: acme\nname: Acme\nusers: [{id: ann, name: Ann}]\n")
    put_tenant(workspace, "tenant: other\nname: Other\n")


def queue(workspace: Workspace, name: str = "m1", **values: Any) -> str:
    """Puts a message into the outbox; returns its id."""
    row = queue_row(
        **{
            "tenant_id": "acme",
            "window_id": None,
            "recipient": "ann@acme.example",
            "channel": "smtp",
            "message_id": f"<{name}@acme.example>",
            "file_name": f"{name}.eml",
            "subject": "1 item",
            "blob": "0" * 64,
            "not_before": NOW,
            "now": NOW,
            **values,
        }
    )
    with workspace.control.write() as connection:
        connection.execute(sa.insert(t.outbox).values(**row))
    return str(row["outbox_id"])


def claim(workspace: Workspace, owner: str = "run-1", **values: Any) -> list[Message]:
    with workspace.control.write() as connection:
        return outbox.claim(connection, owner, workspace.clock.now(), **{"limit": 50, **values})


def record(workspace: Workspace, message: Message, outcome: Any, **values: Any) -> str:
    with workspace.control.write() as connection:
        return outbox.record(
            connection, message, outcome, workspace.clock.now(), rng=Random(1), **values
        )


def settle(workspace: Workspace, *names: str) -> tuple[int, int]:
    with workspace.control.write() as connection:
        return outbox.settle_abandoned(connection, workspace.clock.now(), names)


def row_of(workspace: Workspace, outbox_id: str) -> dict[str, Any]:
    with workspace.control.read() as connection:
        query = sa.select(t.outbox).where(t.outbox.c.outbox_id == outbox_id)
        return dict(connection.execute(query).mappings().one())


def logs(workspace: Workspace) -> list[tuple[Any, ...]]:
    columns = ("attempt", "transport", "outcome", "reply_code", "reply", "finished_at")
    with workspace.control.read() as connection:
        query = sa.select(*(t.email_logs.c[c] for c in columns)).order_by(t.email_logs.c.seq)
        return [tuple(row) for row in connection.execute(query)]


def due_now(workspace: Workspace) -> int:
    with workspace.control.read() as connection:
        return outbox.due_now(connection, workspace.clock.now())


@pytest.mark.parametrize(
    ("mode", "allowed", "channel"),
    [("live", False, "folder"), ("live", True, "smtp"), ("mock", True, "folder")],
)
def test_mail_leaves_only_from_a_live_tenant_that_allows_it(
    mode: Any, allowed: bool, channel: str
) -> None:
    assert channel_for(Tenant("acme", "Acme", mode, allow_live_send=allowed), SMTP) == channel


def test_a_tenant_that_may_send_without_a_sender_configured_is_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match=r"'acme' has allow_live_send.*SMTP_FROM_EMAIL"):
        channel_for(Tenant("acme", "Acme", "live", allow_live_send=True), SmtpSettings())


def test_a_claim_is_on_record_before_anything_is_sent(workspace: Workspace) -> None:
    outbox_id = queue(workspace)
    (message,) = claim(workspace)
    assert message == Message(
        outbox_id=outbox_id,
        tenant_id="acme",
        recipient="ann@acme.example",
        channel="smtp",
        message_id="<m1@acme.example>",
        file_name="m1.eml",
        blob="0" * 64,
        attempt=1,
        created_at=NOW,
    )
    row = row_of(workspace, outbox_id)
    assert (row["state"], row["attempts"], row["lease_owner"]) == ("sending", 1, "run-1")
    assert row["lease_until"] == NOW + timedelta(minutes=5)
    assert logs(workspace) == [(1, "smtp", "sending", None, None, None)]


def test_what_is_claimed_cannot_be_claimed_again(workspace: Workspace) -> None:
    queue(workspace)
    assert len(claim(workspace)) == 1
    assert claim(workspace, "run-2") == []


def test_claims_come_oldest_first_and_no_more_than_asked_for(
    workspace: Workspace, clock: FrozenClock
) -> None:
    for name, hours in (("late", 0), ("early", -3), ("middle", -1)):
        queue(workspace, name, not_before=NOW + timedelta(hours=hours))
    assert [m.file_name for m in claim(workspace, limit=2)] == ["early.eml", "middle.eml"]
    assert [m.file_name for m in claim(workspace, limit=2)] == ["late.eml"]


def test_mail_held_for_quiet_hours_is_not_claimed_early(
    workspace: Workspace, clock: FrozenClock
) -> None:
    queue(workspace, not_before=NOW + timedelta(hours=2))
    assert (claim(workspace), due_now(workspace)) == ([], 0)
    clock.advance(timedelta(hours=2, seconds=-1))
    assert (claim(workspace), due_now(workspace)) == ([], 0)
    clock.advance(timedelta(seconds=1))
    assert due_now(workspace) == 1
    assert len(claim(workspace)) == 1


def test_a_held_tenant_sends_nothing_until_it_is_released(workspace: Workspace) -> None:
    queue(workspace)
    audit = workspace.audit("test", "a test")
    with workspace.control.write() as connection:
        tenants.hold(connection, audit, "acme", "made-up rows")
    assert (claim(workspace), due_now(workspace)) == ([], 0)
    with workspace.control.write() as connection:
        tenants.release(connection, audit, "acme")
    assert len(claim(workspace)) == 1


def test_a_claim_for_one_tenant_or_channel_leaves_the_others(workspace: Workspace) -> None:
    for name, values in (
        ("a", {}),
        ("b", {"tenant_id": "other"}),
        ("c", {"channel": "folder"}),
    ):
        queue(workspace, name, **values)
    found = claim(workspace, tenants=["acme"], channels=("smtp",))
    assert [m.file_name for m in found] == ["a.eml"]
    assert sorted(m.file_name for m in claim(workspace)) == ["b.eml", "c.eml"]


def test_a_sent_message_has_the_reply_on_record(workspace: Workspace) -> None:
    outbox_id = queue(workspace)
    (message,) = claim(workspace)
    assert record(workspace, message, "sent", reply_code=250, reply="2.0.0 queued") == "sent"
    row = row_of(workspace, outbox_id)
    assert (row["state"], row["last_reply"], row["lease_owner"]) == ("sent", "2.0.0 queued", None)
    assert logs(workspace) == [(1, "smtp", "sent", 250, "2.0.0 queued", NOW)]
    assert claim(workspace) == []


def test_what_is_deferred_is_tried_again_after_1_5_15_60_240_and_240_minutes(
    workspace: Workspace, clock: FrozenClock
) -> None:
    outbox_id = queue(workspace)
    for minutes in (1, 5, 15, 60, 240, 240):
        (message,) = claim(workspace)
        assert record(workspace, message, "deferred", reply_code=451) == "pending"
        wait = (row_of(workspace, outbox_id)["not_before"] - clock.now()) / timedelta(minutes=1)
        assert 0.8 * minutes <= wait <= 1.2 * minutes
        clock.advance(timedelta(minutes=minutes * 1.2, seconds=1))
    assert [log[:4] for log in logs(workspace)] == [
        (n, "smtp", "deferred", 451) for n in range(1, 7)
    ]


def test_after_48_hours_a_message_fails_instead_of_being_deferred(
    workspace: Workspace, clock: FrozenClock
) -> None:
    outbox_id = queue(workspace)
    clock.advance(timedelta(hours=48, seconds=-1))
    (message,) = claim(workspace)
    assert record(workspace, message, "deferred") == "pending"
    clock.advance(timedelta(minutes=2))
    (message,) = claim(workspace)
    assert record(workspace, message, "deferred", reply="still busy") == "failed"
    assert row_of(workspace, outbox_id)["state"] == "failed"
    assert claim(workspace) == []


def test_late_news_of_an_attempt_changes_nothing_about_the_next_one(
    workspace: Workspace, clock: FrozenClock
) -> None:
    outbox_id = queue(workspace, channel="folder")
    (first,) = claim(workspace, "run-1")
    clock.advance(timedelta(minutes=6))
    settle(workspace)
    (second,) = claim(workspace, "run-2")
    record(workspace, first, "deferred")
    assert row_of(workspace, outbox_id)["state"] == "sending"
    assert record(workspace, second, "sent") == "sent"
    assert row_of(workspace, outbox_id)["state"] == "sent"


def test_mail_to_a_folder_whose_sender_died_is_pending_again(
    workspace: Workspace, clock: FrozenClock
) -> None:
    queue(workspace, channel="folder")
    claim(workspace)
    clock.advance(timedelta(minutes=5, seconds=-1))
    assert (settle(workspace), due_now(workspace)) == ((0, 0), 0)
    clock.advance(timedelta(seconds=1))
    assert due_now(workspace) == 1
    assert settle(workspace) == (1, 0)
    assert logs(workspace) == [(1, "folder", "deferred", None, "the sender died", clock.now())]
    assert [m.attempt for m in claim(workspace)] == [2]


def test_mail_over_smtp_whose_sender_died_is_uncertain_and_held(
    workspace: Workspace, clock: FrozenClock
) -> None:
    outbox_id = queue(workspace)
    claim(workspace)
    clock.advance(timedelta(minutes=5))
    assert settle(workspace) == (0, 1)
    assert row_of(workspace, outbox_id)["state"] == "uncertain"
    assert [log[2] for log in logs(workspace)] == ["uncertain"]
    clock.advance(timedelta(days=9))
    assert (settle(workspace), claim(workspace), due_now(workspace)) == ((0, 0), [], 0)


def test_a_run_that_ended_has_died_before_its_lease_runs_out(
    workspace: Workspace, clock: FrozenClock
) -> None:
    queue(workspace, channel="folder")
    with workspace.control.write() as connection:
        runs.begin(
            connection,
            run_id="run-1",
            root_run_id="run-1",
            job="inline",
            is_backfill=False,
            scope={},
            now=NOW,
        )
    claim(workspace)
    assert settle(workspace) == (0, 0)
    with workspace.control.write() as connection:
        runs.end(connection, "run-1", "dead", NOW)
    assert settle(workspace) == (1, 0)


def test_what_died_in_another_tenant_is_not_looked_after_here(
    workspace: Workspace, clock: FrozenClock
) -> None:
    queue(workspace, "a")
    queue(workspace, "b", tenant_id="other")
    claim(workspace)
    clock.advance(timedelta(minutes=5))
    assert settle(workspace, "acme") == (0, 1)
    assert settle(workspace) == (0, 1)


@pytest.mark.parametrize(("was_delivered", "state"), [(True, "sent"), (False, "pending")])
def test_a_person_decides_what_is_uncertain_and_it_is_audited(
    workspace: Workspace, clock: FrozenClock, was_delivered: bool, state: str
) -> None:
    outbox_id = queue(workspace)
    claim(workspace)
    clock.advance(timedelta(minutes=5))
    settle(workspace)
    audit = workspace.audit("cli:ann", "looked into the server's log")
    with workspace.control.write() as connection:
        outbox.decide_uncertain(connection, audit, outbox_id, was_delivered=was_delivered)
        entry = (
            connection.execute(sa.select(t.audit_log).where(t.audit_log.c.entity == "outbox"))
            .mappings()
            .one()
        )
    assert (entry["actor"], entry["action"], entry["entity_id"]) == ("cli:ann", "decide", outbox_id)
    assert row_of(workspace, outbox_id)["state"] == state
    assert len(claim(workspace)) == (0 if was_delivered else 1)


def test_only_what_is_uncertain_can_be_decided(workspace: Workspace) -> None:
    outbox_id = queue(workspace)
    audit = workspace.audit("cli:ann", "a mistake")
    for name in (outbox_id, "unknown"):
        with (
            pytest.raises(NotFoundError, match=f"no uncertain message {name}"),
            workspace.control.write() as connection,
        ):
            outbox.decide_uncertain(connection, audit, name, was_delivered=True)
    assert row_of(workspace, outbox_id)["state"] == "pending"


def test_the_first_opening_and_the_first_click_of_a_sent_mail_are_noted(
    workspace: Workspace,
) -> None:
    queue(workspace)
    with workspace.control.write() as connection:
        assert not outbox.note_engagement(connection, "<m1@acme.example>", "opened", NOW)
    (message,) = claim(workspace)
    record(workspace, message, "sent")
    later = NOW + timedelta(hours=1)
    with workspace.control.write() as connection:
        assert outbox.note_engagement(connection, "<m1@acme.example>", "opened", NOW)
        assert not outbox.note_engagement(connection, "<m1@acme.example>", "opened", later)
        assert outbox.note_engagement(connection, "<m1@acme.example>", "clicked", later)
        found = connection.execute(sa.select(t.email_logs)).mappings().one()
    assert (found["opened_at"], found["clicked_at"]) == (NOW, later)


def test_messages_are_counted_by_state_and_tenant(workspace: Workspace) -> None:
    queue(workspace, "a")
    queue(workspace, "b")
    queue(workspace, "c", tenant_id="other")
    (message,) = claim(workspace, limit=1, tenants=["acme"])
    record(workspace, message, "failed")
    with workspace.control.read() as connection:
        assert outbox.counts_by_state(connection) == {"failed": 1, "pending": 2}
        assert outbox.counts_by_state(connection, ["other"]) == {"pending": 1}


def test_analysts_see_each_window_with_its_mail_and_no_address(workspace: Workspace) -> None:
    with workspace.control.write() as connection:
        user_id = connection.execute(sa.select(t.users.c.user_id)).scalar_one()
        fire = {"fire_id": "f1", "tenant_id": "acme", "kind": "adhoc", "due_at": NOW}
        fire |= {"day": NOW.date(), "clients": [], "state": "done", "attempt": 1}
        connection.execute(sa.insert(t.fires).values(**fire))
        for key, outcome in (("k1", "mailed"), ("k2", "empty")):
            connection.execute(
                sa.insert(t.windows).values(
                    window_id=f"w-{key}",
                    tenant_id="acme",
                    user_id=user_id,
                    frequency="adhoc",
                    window_key=key,
                    fire_id="f1",
                    as_of_day=date(2026, 11, 20),
                    closed_at=NOW,
                    outcome=outcome,
                    counts={"sent": 3, "more": 2, "late": 1},
                )
            )
    queue(workspace, window_id="w-k1")
    (message,) = claim(workspace)
    record(workspace, message, "sent")
    with workspace.control.read() as connection:
        frame = deliveries_of(connection, "acme")
        assert deliveries_of(connection, "other").is_empty()
    assert frame.schema == DELIVERIES.schema
    assert not {"recipient", "email"} & set(frame.columns)
    columns = ("window_id", "outcome", "items", "more", "late", "state", "attempts", "sent_at")
    assert frame.sort("window_id").select(columns).rows() == [
        ("w-k1", "mailed", 3, 2, 1, "sent", 1, NOW),
        ("w-k2", "empty", 3, 2, 1, None, None, None),
    ]
