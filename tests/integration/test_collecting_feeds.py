"""Collection over real HTTP: what is asked, what is kept, what is remembered until next time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clientlore.clock import FrozenClock
from clientlore.control import clients, sources, tenants
from clientlore.errors import ConfigurationError
from clientlore.ids import sha256
from clientlore.monitoring import collect as collecting
from clientlore.monitoring import raw
from clientlore.monitoring.asking import SourceOutcome
from clientlore.monitoring.collect import Collected, collect
from clientlore.run_context import RunContext, Scope
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TODAY = NOW.date()
ENTRY = Entry(
    "Kilnworks opens plant", "In Porto.", "https://wire.example/a", "g-1", NOW - timedelta(hours=2)
)
FEED = rss("Meridian Wire", [ENTRY])


@dataclass
class Desk:
    """A tenant of clients with feeds on a server of our own."""

    workspace: Workspace
    clock: FrozenClock
    server: FeedServer
    mode: str = "live"
    feeds: dict[str, list[str]] = field(default_factory=dict)

    def watch(self, client: str, path: str, *answers: Answer, on_failure: str = "skip") -> None:
        """Gives a client a feed that answers so."""
        url = self.server.put(path, *answers)
        self.feeds.setdefault(client, []).append(f"{{url: '{url}', on_failure: {on_failure}}}")
        listed = "\n".join(
            f"  - {{id: {name}, name: {name.title()} Works, feeds: [{', '.join(urls)}]}}"
            for name, urls in self.feeds.items()
        )
        put_tenant(
            self.workspace, f"tenant: desk\nname: Desk\nmode: {self.mode}\nclients:\n{listed}\n"
        )

    def collect(self, day: date | None = None, *only: str, **scope: Any) -> Collected:
        """One collection of news."""
        ctx = RunContext(self.workspace, scope=Scope(clients=only, **scope))
        with self.workspace.control.read() as connection:
            tenant = tenants.get_tenant(connection, "desk")
            known = sources.sources_of(connection, "desk")
            watched = clients.clients_of(connection, "desk")
        return collect(
            ctx, tenant, day or self.clock.now().date(), raw.SEARCH_RESULTS,
            known_sources=known, clients=watched, only_clients=frozenset(only),
        )  # fmt: skip

    def feed(self, day: date | None = None, **scope: Any) -> SourceOutcome:
        """One collection of a tenant with one feed."""
        outcomes = self.collect(day, **scope).outcomes
        (of_feed,) = [o for o in outcomes if o.source.kind == "rss"]
        return of_feed

    def rows(
        self, table: Any = raw.SEARCH_RESULTS, day: date | None = None
    ) -> list[dict[str, Any]]:
        """Raw rows, by what they say."""
        days = None if day is None else [day]
        frame = self.workspace.lake.collect(table, self.workspace.lake.scan(table, ["desk"], days))
        return frame.sort("collected_at", *table.sort).to_dicts()

    def state(self) -> sources.SourceState:
        """What the only source said last."""
        with self.workspace.control.read() as connection:
            (state,) = sources.states_of(connection, "desk").values()
        return state

    def noted(self) -> dict[str, tuple[str, str | None]]:
        """Outcome and kind of error of today, by client."""
        with self.workspace.control.read() as connection:
            rows = sources.collections_of(connection, "desk", self.clock.now().date())
        return {row["client_id"]: (row["outcome"], row["error_kind"]) for row in rows}


@pytest.fixture
def server() -> Iterator[FeedServer]:
    """A web server on loopback."""
    with FeedServer() as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path, clock: FrozenClock, server: FeedServer) -> Iterator[Desk]:
    """A live tenant; nothing is tried twice, so that nothing waits."""
    with open_workspace(tmp_path / "home", clock, http_attempts=1) as workspace:
        yield Desk(workspace, clock, server)


def test_what_a_feed_says_is_kept_byte_for_byte_and_row_by_row(desk: Desk) -> None:
    desk.watch("kiln", "/kiln.xml", Answer(FEED, headers={"Content-Type": "application/rss+xml"}))
    collected = desk.collect()
    assert collected.counts() == {"sources": 1, "collected": 1, "rows": 1}
    (response,) = desk.rows(raw.RESPONSES)
    assert response["body"] == FEED
    assert response["body_sha256"] == sha256(FEED)
    assert json.loads(response["headers"])["content-type"] == "application/rss+xml"
    (row,) = desk.rows()
    source = collected.outcomes[0].source
    assert {name: row[name] for name in ("title", "text", "url", "publisher", "client_id")} == {
        "title": "Kilnworks opens plant",
        "text": "In Porto.",
        "url": "https://wire.example/a",
        "publisher": "Meridian Wire",
        "client_id": "kiln",
    }
    assert (row["provider"], row["source_mode"], row["source_id"]) == (
        "rss",
        "live",
        source.source_id,
    )
    assert json.loads(row["request"]) == {"method": "GET", "url": desk.server.url("/kiln.xml")}
    assert (row["fetched_at"], row["collected_at"]) == (NOW, NOW)
    assert row["published_at"] == NOW - timedelta(hours=2)
    assert row["run_id"] == response["run_id"] != ""
    assert len(row["content_hash"]) == 64
    assert row["response_id"] == response["response_id"]
    batch, found = raw.find_response(desk.workspace.lake, "desk", TODAY, row["response_id"])
    assert (found.body, batch.batch_id) == (FEED, row["batch_id"])


def test_a_feed_with_an_etag_is_asked_conditionally_and_unchanged_adds_nothing(desk: Desk) -> None:
    desk.watch("kiln", "/kiln.xml", Answer(FEED, conditional=True))
    desk.collect()
    desk.clock.advance(timedelta(hours=1))
    again = desk.feed()
    assert (again.outcome, again.items) == ("unchanged", 0)
    first, second = desk.server.asked("/kiln.xml")
    assert "if-none-match" not in first.headers
    assert (second.headers["if-none-match"], second.status) == (Answer(FEED).etag, 304)
    assert len(desk.rows()) == 1
    # What was collected in the morning is still what is noted for the day.
    assert desk.noted() == {"kiln": ("collected", None)}


def test_a_last_modified_date_is_sent_back(desk: Desk) -> None:
    stamp = "Fri, 20 Nov 2026 07:00:00 GMT"
    desk.watch("kiln", "/kiln.xml", Answer(FEED, headers={"Last-Modified": stamp}))
    desk.collect()
    desk.collect()
    assert [a.headers.get("if-modified-since") for a in desk.server.asked()] == [None, stamp]


def test_an_identical_answer_is_stored_once_a_day(desk: Desk) -> None:
    desk.watch("kiln", "/kiln.xml", Answer(FEED))
    assert desk.feed().outcome == "collected"
    desk.clock.advance(timedelta(hours=3))
    assert desk.feed().outcome == "unchanged"
    assert len(desk.rows(raw.RESPONSES)) == len(desk.rows()) == 1
    desk.clock.advance(timedelta(days=1))
    assert desk.feed().outcome == "collected"
    assert [row["day"] for row in desk.rows()] == [TODAY, TODAY + timedelta(days=1)]
    one, two = desk.rows()
    assert one["item_id"] == two["item_id"]


def test_all_items_of_a_collection_have_one_time_of_collection(desk: Desk) -> None:
    for name in ("kiln", "birch", "salt"):
        entries = [Entry(f"{name} {n}", "x", guid=f"{name}-{n}") for n in range(3)]
        desk.watch(name, f"/{name}.xml", Answer(rss(name, entries)))
    assert desk.collect().rows == 9
    assert {row["collected_at"] for row in desk.rows()} == {NOW}
    assert len({row["batch_id"] for row in desk.rows()}) == 1


def test_heavy_answers_are_stored_and_let_go_as_they_come_as_if_they_had_come_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("kiln", "birch", "salt")
    for name in names:
        desk.watch(name, f"/{name}.xml", Answer(rss(name, [Entry(f"{name} 1", "x", guid=name)])))
    monkeypatch.setattr(collecting, "STORE_AT", 1)
    collected = desk.collect()
    assert collected.rows == 3
    assert [o.new for o in collected.outcomes] == [()] * 3
    assert len({row["batch_id"] for row in desk.rows()}) == 3
    assert {row["collected_at"] for row in desk.rows()} == {NOW}
    assert set(desk.noted()) == set(names)
    assert {o.outcome for o in desk.collect().outcomes} == {"unchanged"}


def test_a_moved_feed_is_asked_at_its_new_place_from_then_on(desk: Desk) -> None:
    desk.watch("kiln", "/old.xml", Answer(status=301, headers={"Location": "/new.xml"}))
    desk.server.put("/new.xml", Answer(FEED))
    assert desk.feed().outcome == "collected"
    desk.feed()
    assert [a.path for a in desk.server.asked()] == ["/old.xml", "/new.xml", "/new.xml"]
    assert desk.state().moved_to == desk.server.url("/new.xml")


def test_a_feed_that_is_gone_is_remembered_and_not_asked_again(desk: Desk) -> None:
    desk.watch("kiln", "/kiln.xml", Answer(status=410))
    gone = desk.feed()
    assert (gone.outcome, gone.error_kind) == ("failed", "permanent")
    desk.clock.advance(timedelta(days=1))
    again = desk.feed()
    assert again.outcome == "failed"
    assert "has been gone since 2026-11-20" in str(again.error)
    assert len(desk.server.asked()) == 1
    assert desk.state().consecutive_failures == 2


def test_a_server_that_asks_to_wait_is_left_alone_until_then(desk: Desk) -> None:
    busy = Answer(status=429, headers={"Retry-After": "3600"})
    desk.watch("kiln", "/kiln.xml", busy, Answer(FEED))
    assert desk.feed().error_kind == "retriable"
    desk.clock.advance(timedelta(minutes=59))
    waiting = desk.feed()
    assert (waiting.outcome, len(desk.server.asked())) == ("skipped", 1)
    assert waiting.error == "the server asked to wait until 2026-11-20 10:00 UTC"
    desk.clock.advance(timedelta(minutes=1))
    assert desk.feed().outcome == "collected"
    assert desk.state().not_before is None
    assert desk.state().consecutive_failures == 0


@pytest.mark.parametrize("asked_for", ["864000", "9" * 300])
def test_nobody_is_believed_who_asks_for_more_than_a_day(desk: Desk, asked_for: str) -> None:
    desk.watch("kiln", "/kiln.xml", Answer(status=503, headers={"Retry-After": asked_for}))
    desk.watch("birch", "/birch.xml", Answer(rss("Post", [ENTRY])))
    assert [o.outcome for o in desk.collect().outcomes if o.source.client_id == "birch"] == [
        "collected"
    ]
    desk.clock.advance(timedelta(days=1, seconds=-1))
    desk.collect()
    assert len(desk.server.asked("/kiln.xml")) == 1
    desk.clock.advance(timedelta(seconds=1))
    desk.collect()
    assert len(desk.server.asked("/kiln.xml")) == 2


def test_the_failing_feed_of_one_client_leaves_the_others(desk: Desk) -> None:
    desk.watch("kiln", "/kiln.xml", Answer(status=500))
    desk.watch("birch", "/birch.xml", Answer(rss("Post", [ENTRY])))
    desk.watch("salt", "/salt.xml", Answer(b"<html>hello</html>"))
    desk.watch("tide", "/tide.xml", Answer(rss("Post", [])))
    collected = desk.collect()
    assert desk.noted() == {
        "birch": ("collected", None),
        "kiln": ("failed", "retriable"),
        "salt": ("failed", "bad_data"),
        "tide": ("empty", None),
    }
    assert [row["client_id"] for row in desk.rows()] == ["birch"]
    assert {o.source.client_id for o in collected.failed} == {"kiln", "salt"}
    assert collected.counts() == {"sources": 4, "collected": 1, "empty": 1, "failed": 2, "rows": 1}


def test_only_the_feeds_of_the_named_clients_are_asked(desk: Desk) -> None:
    for name in ("kiln", "birch", "salt"):
        desk.watch(name, f"/{name}.xml", Answer(rss(name, [ENTRY])))
    desk.collect(None, "birch")
    assert [a.path for a in desk.server.asked()] == ["/birch.xml"]
    assert {row["client_id"] for row in desk.rows()} == {"birch"}


def test_a_run_that_shall_not_collect_asks_nobody(desk: Desk) -> None:
    desk.watch("kiln", "/kiln.xml", Answer(FEED))
    assert desk.collect(collect=False).outcomes == ()
    assert desk.server.asked() == []


def test_a_past_day_takes_only_what_was_published_by_its_end(desk: Desk) -> None:
    yesterday = TODAY - timedelta(days=1)
    entries = [
        Entry("old", "x", guid="1", published=NOW - timedelta(days=3)),
        Entry("last evening", "x", guid="2", published=datetime(2026, 11, 19, 23, 59, tzinfo=UTC)),
        Entry("this morning", "x", guid="3", published=NOW - timedelta(hours=1)),
        Entry("without date", "x", guid="4"),
    ]
    desk.watch("kiln", "/kiln.xml", Answer(rss("Wire", entries), conditional=True))
    desk.collect()
    kept = desk.state().etag
    desk.collect(yesterday)
    assert {row["title"] for row in desk.rows(day=yesterday)} == {
        "old",
        "last evening",
        "without date",
    }
    assert len(desk.rows(day=TODAY)) == 4
    # The past was asked for in full, and the present is still asked for conditionally.
    assert "if-none-match" not in desk.server.asked()[1].headers
    assert desk.state().etag == kept


def test_a_stand_in_is_made_up_degraded_and_keeps_the_first_error(desk: Desk) -> None:
    desk.mode = "mock"
    desk.watch("kiln", "/kiln.xml", Answer(status=500), on_failure="mock")
    outcome = desk.feed()
    assert (outcome.outcome, outcome.is_stand_in, outcome.error_kind) == (
        "degraded",
        True,
        "retriable",
    )
    assert "answered 500" in str(outcome.error)
    made_up = [row for row in desk.rows() if row["source_id"] == outcome.source.source_id]
    assert made_up
    assert {(row["source_mode"], row["provider"]) for row in made_up} == {("mock", "mock_search")}


def test_where_nothing_can_be_made_up_the_failure_stays(desk: Desk) -> None:
    url = desk.server.put("/all.xml", Answer(status=500))
    put_tenant(
        desk.workspace,
        f"tenant: desk\nname: Desk\nmode: mock\nfeeds: [{{url: '{url}', on_failure: mock}}]\n",
    )
    outcome = desk.feed()
    assert (outcome.outcome, outcome.is_stand_in) == ("failed", False)
    assert "answered 500" in str(outcome.error)


def test_real_and_made_up_rows_of_a_mock_tenant_say_which_they_are(desk: Desk) -> None:
    desk.mode = "mock"
    desk.watch("kiln", "/kiln.xml", Answer(FEED))
    collected = desk.collect()
    assert collected.degraded == []
    assert {(row["provider"], row["source_mode"]) for row in desk.rows()} == {
        ("rss", "live"),
        ("mock_search", "mock"),
    }


def test_forced_mocks_ask_nobody_and_are_refused_for_a_live_tenant(desk: Desk) -> None:
    desk.watch("kiln", "/kiln.xml", Answer(FEED))
    with pytest.raises(ConfigurationError, match="force_mock would make up data"):
        desk.collect(force_mock=True)
    assert desk.rows() == []
    assert desk.server.asked() == []


def test_forced_mocks_of_a_mock_tenant_ask_nobody(desk: Desk) -> None:
    desk.mode = "mock"
    desk.watch("kiln", "/kiln.xml", Answer(FEED))
    desk.collect(force_mock=True)
    assert desk.server.asked() == []
    assert {row["source_mode"] for row in desk.rows()} == {"mock"}


def test_a_tenant_without_sources_collects_nothing(desk: Desk) -> None:
    put_tenant(desk.workspace, "tenant: desk\nname: Desk\n")
    assert desk.collect().counts() == {"sources": 0, "rows": 0}
    assert desk.rows(raw.RESPONSES) == []


def test_collection_works_where_an_event_loop_runs_already(desk: Desk) -> None:
    desk.watch("kiln", "/kiln.xml", Answer(FEED))

    async def notebook() -> Collected:
        return desk.collect()

    assert asyncio.run(notebook()).rows == 1


def test_a_secret_of_an_address_is_stored_nowhere(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIRE_KEY", "hush-hush")
    desk.server.put("/kiln.xml?key=hush-hush", Answer(FEED))
    desk.watch("kiln", "/kiln.xml?key=${WIRE_KEY}", Answer(FEED))
    assert desk.feed().outcome == "collected"
    assert [a.path for a in desk.server.asked()] == ["/kiln.xml?key=hush-hush"]
    desk.server.put("/kiln.xml?key=hush-hush", Answer(status=500))
    assert desk.feed().outcome == "failed"
    assert "hush-hush" not in repr([desk.rows(raw.RESPONSES), desk.rows(), desk.noted()])
    for path in desk.workspace.settings.home.rglob("*"):
        assert not path.is_file() or b"hush-hush" not in path.read_bytes(), path


def test_fields_nobody_knows_are_told_over_all_sources(desk: Desk) -> None:
    odd = FEED.replace(b"</item>", b"<mood>glad</mood></item>")
    desk.watch("kiln", "/kiln.xml", Answer(odd))
    desk.watch("birch", "/birch.xml", Answer(odd.replace(b"Porto", b"Leeds")))
    assert desk.collect().drift() == {"mood": 2}
