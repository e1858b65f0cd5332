"""What is true about each stage of each day, how sources did, and what was set aside with its reason."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import ledger, quarantine, sources
from clientlore.control import tables as t
from clientlore.control.quarantine import Reject
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

DAY = date(2026, 11, 20)


@pytest.fixture
def lake(workspace: Workspace) -> Workspace:
    """A workspace with two tenants."""
    for name in ("acme", "beta"):
        put_tenant(workspace, f"tenant: {name}\nname: {name}\n")
    return workspace


def write_day(workspace: Workspace, **changes: Any) -> None:
    values: dict[str, Any] = {
        "tenant_id": "acme",
        "day": DAY,
        "stage": "core/events",
        "state": "done",
        "rows": 3,
        "content_sha": "a" * 64,
        "inputs_sha": None,
        "code_version": "1",
        "counts": {"folded": 1},
        "seconds": 0.5,
        "error": None,
        "run_id": "run-1",
        "now": workspace.clock.now(),
    }
    with workspace.control.write() as connection:
        ledger.write_day(connection, **{**values, **changes})


def test_a_day_made_again_has_one_row_the_latest(lake: Workspace) -> None:
    write_day(lake)
    write_day(lake, rows=4, content_sha="b" * 64, run_id="run-2")
    with lake.control.read() as connection:
        (row,) = ledger.days_of(connection, "acme")
    assert (row["rows"], row["content_sha"], row["run_id"]) == (4, "b" * 64, "run-2")
    assert row["counts"] == {"folded": 1}


@pytest.mark.parametrize("state", ["failed", "held"])
def test_a_failure_keeps_the_content_of_the_last_success(lake: Workspace, state: str) -> None:
    write_day(lake, inputs_sha="c" * 64)
    write_day(lake, state=state, rows=0, content_sha=None, error="no space", run_id="run-2")
    with lake.control.read() as connection:
        (row,) = ledger.days_of(connection, "acme")
        shas = ledger.content_shas(connection, "acme", "core/events", DAY, DAY)
    assert (row["state"], row["error"], row["run_id"]) == (state, "no space", "run-2")
    assert (row["content_sha"], row["inputs_sha"]) == ("a" * 64, "c" * 64)
    assert shas == {DAY: "a" * 64}


def test_a_day_that_never_succeeded_has_no_content(lake: Workspace) -> None:
    write_day(lake, state="failed", content_sha=None)
    with lake.control.read() as connection:
        assert ledger.content_shas(connection, "acme", "core/events", DAY, DAY) == {}


def test_the_ledger_is_read_by_tenant_stage_and_day(lake: Workspace) -> None:
    other = DAY + timedelta(days=1)
    write_day(lake)
    write_day(lake, day=other, content_sha="b" * 64)
    write_day(lake, stage="core/relevance", content_sha="c" * 64)
    write_day(lake, tenant_id="beta", content_sha="d" * 64)
    with lake.control.read() as connection:
        shas = ledger.content_shas(connection, "acme", "core/events", DAY, other)
        found = ledger.days_of(connection, "acme", [DAY])
        everything = ledger.days_of(connection, "acme")
    assert shas == {DAY: "a" * 64, other: "b" * 64}
    assert [(row["day"], row["stage"]) for row in found] == [
        (DAY, "core/events"),
        (DAY, "core/relevance"),
    ]
    assert [row["day"] for row in everything] == [DAY, DAY, other]


def test_what_follows_a_stage_that_failed_in_the_same_run_is_blocked(lake: Workspace) -> None:
    write_day(lake, state="failed", content_sha=None)
    with lake.control.read() as connection:
        assert ledger.blocked_by(connection, "acme", DAY, "run-1") == "core/events failed"
        assert ledger.blocked_by(connection, "acme", DAY, "run-2") is None
        assert ledger.blocked_by(connection, "beta", DAY, "run-1") is None
        assert ledger.blocked_by(connection, "acme", DAY + timedelta(days=1), "run-1") is None
    write_day(lake, state="degraded")
    with lake.control.read() as connection:
        assert ledger.blocked_by(connection, "acme", DAY, "run-1") is None


def test_a_day_is_stale_when_an_earlier_one_within_its_look_back_says_something_else(
    lake: Workspace,
) -> None:
    days = [DAY + timedelta(days=n) for n in range(4)]
    shas: dict[date, str] = {}
    for n, day in enumerate(days):
        before = {d: s for d, s in shas.items() if d >= day - timedelta(days=2)}
        shas[day] = str(n) * 64
        write_day(lake, day=day, content_sha=shas[day], inputs_sha=ledger.inputs_sha(before))
    with lake.control.read() as connection:
        assert ledger.stale_days(connection, "acme", "core/events", 2) == []
    write_day(lake, day=days[0], content_sha="e" * 64, inputs_sha=ledger.inputs_sha({}))
    with lake.control.read() as connection:
        # The last day looks back two days and does not reach the first.
        assert ledger.stale_days(connection, "acme", "core/events", 2) == days[1:3]
        assert ledger.stale_days(connection, "beta", "core/events", 2) == []
    write_day(lake, day=days[1], content_sha=shas[days[1]], inputs_sha=None)
    with lake.control.read() as connection:
        assert ledger.stale_days(connection, "acme", "core/events", 2) == [days[2]]


def test_the_hash_of_inputs_does_not_depend_on_their_order() -> None:
    one, two = DAY, DAY + timedelta(days=1)
    assert ledger.inputs_sha({one: "a", two: "b"}) == ledger.inputs_sha({two: "b", one: "a"})
    assert ledger.inputs_sha({one: "a", two: "b"}) != ledger.inputs_sha({one: "b", two: "a"})


def batch(workspace: Workspace, batch_id: str, status: str) -> dict[str, Any]:
    return {
        "tenant_id": "acme",
        "day": DAY,
        "table_name": "raw/search_results",
        "batch_id": batch_id,
        "status": status,
        "error": None,
        "updated_at": workspace.clock.now(),
    }


def test_a_batch_that_is_known_keeps_its_status_when_only_new_ones_are_recorded(
    lake: Workspace,
) -> None:
    with lake.control.write() as connection:
        ledger.record_batches(connection, [batch(lake, "b1", "PROCESSED")])
        both = [batch(lake, "b1", "NEW"), batch(lake, "b2", "NEW")]
        ledger.record_batches(connection, both, only_new=True)
        found = ledger.batches_of(connection, "acme", DAY)
        assert [(row["batch_id"], row["status"]) for row in found] == [
            ("b1", "PROCESSED"),
            ("b2", "NEW"),
        ]
        ledger.record_batches(connection, [batch(lake, "b1", "FAILED")])
        ledger.record_batches(connection, [])
        assert ledger.batches_of(connection, "acme", DAY)[0]["status"] == "FAILED"
        assert ledger.batches_of(connection, "beta", DAY) == []


def collected(workspace: Workspace, outcome: str, items: int) -> dict[str, Any]:
    return {
        "tenant_id": "acme",
        "day": DAY,
        "source_id": "s-1",
        "client_id": "harbor",
        "outcome": outcome,
        "error_kind": None,
        "error": None,
        "http_status": 200,
        "attempts": 1,
        "items": items,
        "seconds": 0.1,
        "run_id": "run-1",
        "updated_at": workspace.clock.now(),
    }


@pytest.mark.parametrize(
    ("earlier", "later", "kept"),
    [
        ("failed", "collected", ("collected", 9)),
        ("collected", "failed", ("failed", 9)),
        ("collected", "unchanged", ("collected", 5)),
        ("degraded", "unchanged", ("degraded", 5)),
        ("failed", "unchanged", ("unchanged", 9)),
        ("skipped", "unchanged", ("unchanged", 9)),
    ],
)
def test_a_later_try_replaces_an_earlier_one_but_nothing_new_does_not_replace_what_was_collected(
    lake: Workspace, earlier: str, later: str, kept: tuple[str, int]
) -> None:
    for outcome, items in ((earlier, 5), (later, 9)):
        with lake.control.write() as connection:
            sources.put_collections(connection, [collected(lake, outcome, items)])
    with lake.control.read() as connection:
        (row,) = sources.collections_of(connection, "acme", DAY)
        assert sources.collections_of(connection, "beta", DAY) == []
    assert (row["outcome"], row["items"]) == kept


def test_what_a_source_last_said_is_kept_by_tenant(lake: Workspace) -> None:
    state = {
        "tenant_id": "acme",
        "source_id": "s-1",
        "etag": '"x"',
        "last_modified": None,
        "moved_to": None,
        "gone_at": None,
        "not_before": None,
        "synced_to": None,
        "last_success_at": lake.clock.now(),
        "last_failure_at": None,
        "last_error": None,
        "consecutive_failures": 0,
    }
    with lake.control.write() as connection:
        sources.put_states(connection, [state])
        sources.put_states(connection, [{**state, "etag": '"y"'}])
        found = sources.states_of(connection, "acme")
        assert sources.states_of(connection, "beta") == {}
    assert (found["s-1"].etag, found["s-1"].last_success_at) == ('"y"', lake.clock.now())


NO_TEXT = Reject("response:r1#0", "no_text", "it has neither title nor text", "s-1")
NO_FEED = Reject("response:r2", "not_a_feed", "this is HTML")


def put_rejects(
    workspace: Workspace, *rejects: Reject, complete: bool = True, tenant: str = "acme"
) -> int:
    with workspace.control.write() as connection:
        return quarantine.put_rejects(
            connection,
            tenant_id=tenant,
            day=DAY,
            stage="core/events",
            rejects=rejects,
            run_id="run-1",
            now=workspace.clock.now(),
            complete=complete,
        )


def states(workspace: Workspace) -> dict[str, str]:
    with workspace.control.read() as connection:
        rows, total = quarantine.listed(connection, state=None)
    assert total == len(rows)
    return {row["reference"]: row["state"] for row in rows}


def test_what_is_set_aside_again_is_not_set_aside_twice_and_keeps_its_first_time(
    lake: Workspace, clock: FrozenClock
) -> None:
    first = clock.now()
    assert put_rejects(lake, NO_TEXT, NO_FEED, NO_TEXT) == 2
    clock.advance(timedelta(hours=1))
    assert put_rejects(lake, NO_FEED, NO_TEXT) == 0
    with lake.control.read() as connection:
        rows, total = quarantine.listed(connection)
    assert total == 2
    assert {row["created_at"] for row in rows} == {first}
    assert {(row["reference"], row["reason"], row["detail"], row["source_id"]) for row in rows} == {
        ("response:r1#0", "no_text", "it has neither title nor text", "s-1"),
        ("response:r2", "not_a_feed", "this is HTML", None),
    }


def test_what_no_longer_comes_up_is_resolved_only_where_the_list_is_complete(
    lake: Workspace,
) -> None:
    put_rejects(lake, NO_TEXT, NO_FEED)
    put_rejects(lake, NO_TEXT, complete=False)
    assert states(lake) == {"response:r1#0": "open", "response:r2": "open"}
    put_rejects(lake, tenant="beta")
    assert states(lake) == {"response:r1#0": "open", "response:r2": "open"}
    put_rejects(lake, NO_TEXT)
    assert states(lake) == {"response:r1#0": "open", "response:r2": "resolved"}
    put_rejects(lake, NO_TEXT, NO_FEED)
    assert states(lake) == {"response:r1#0": "open", "response:r2": "open"}


def test_a_replay_that_fails_again_is_open_again_and_one_that_works_is_resolved(
    lake: Workspace,
) -> None:
    put_rejects(lake, NO_TEXT, NO_FEED)
    with lake.control.write() as connection:
        rows, _ = quarantine.listed(connection)
        ids = [row["quarantine_id"] for row in rows]
        quarantine.mark_replayed(connection, lake.audit("cli:me", "replay"), ids)
        logged = connection.execute(
            sa.select(t.audit_log.c.entity_id).where(t.audit_log.c.action == "replay")
        ).scalars()
        assert list(logged) == ids
    assert set(states(lake).values()) == {"replayed"}
    put_rejects(lake, NO_TEXT)
    assert states(lake) == {"response:r1#0": "open", "response:r2": "resolved"}
    with lake.control.write() as connection:
        quarantine.resolve(connection, ids, lake.clock.now())
    assert set(states(lake).values()) == {"resolved"}


def test_the_list_is_by_tenant_and_state_newest_first_in_pages(
    lake: Workspace, clock: FrozenClock
) -> None:
    put_rejects(lake, NO_TEXT, tenant="beta")
    put_rejects(lake, NO_TEXT)
    clock.advance(timedelta(hours=1))
    put_rejects(lake, NO_TEXT, NO_FEED)
    with lake.control.read() as connection:
        first, total = quarantine.listed(connection, tenant_id="acme", limit=1)
        second, _ = quarantine.listed(connection, tenant_id="acme", limit=1, offset=1)
        _, everywhere = quarantine.listed(connection)
        assert quarantine.listed(connection, state="resolved") == ([], 0)
    assert (total, everywhere) == (2, 3)
    assert [row["reference"] for row in (*first, *second)] == ["response:r2", "response:r1#0"]
