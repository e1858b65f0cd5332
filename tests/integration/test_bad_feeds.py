"""Feeds that are not what they should be: each gets a clear error or a quarantined row, and harms no other."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clientlore.clock import FrozenClock
from clientlore.control import clients, quarantine, snapshots, sources, tenants
from clientlore.monitoring import raw
from clientlore.monitoring.asking import SourceOutcome
from clientlore.monitoring.collect import collect
from clientlore.monitoring.events import fold_day
from clientlore.run_context import RunContext
from clientlore.runs import work
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TODAY = NOW.date()
LIMIT = 20_000


def _entry(number: int, **given: Any) -> Entry:
    known = {
        "title": f"Headline {number}",
        "text": " ".join(f"{word}{number}" for word in ("kiln", "river", "plant", "road") * 5),
        "link": f"https://wire.example/{number}",
        "guid": f"g-{number}",
        "published": NOW - timedelta(hours=number),
    }
    return Entry(**{**known, **given})


GOOD = rss("Good Wire", [_entry(9)])


@dataclass
class Desk:
    """A live tenant with a feed under test and a good one."""

    workspace: Workspace
    clock: FrozenClock
    server: FeedServer

    def feed(self, *answers: Answer, on_failure: str = "skip") -> SourceOutcome:
        """Sets what the feed under test says, and collects once."""
        bad = self.server.put("/bad.xml", *answers)
        good = self.server.put("/good.xml", Answer(GOOD))
        put_tenant(
            self.workspace,
            f"""
            tenant: desk
            name: Desk
            clients:
              - {{id: kiln, name: Kilnworks, feeds: [{{url: '{bad}', on_failure: {on_failure}}}]}}
              - {{id: birch, name: Birchwood, feeds: ['{good}']}}
            """,
        )
        return self.again()

    def again(self) -> SourceOutcome:
        """One more collection; the good feed must have worked whatever became of the other."""
        with self.workspace.control.read() as connection:
            tenant = tenants.get_tenant(connection, "desk")
            known = sources.sources_of(connection, "desk")
            watched = clients.clients_of(connection, "desk")
        done = collect(
            RunContext(self.workspace), tenant, self.clock.now().date(), raw.SEARCH_RESULTS,
            known_sources=known, clients=watched,
        )  # fmt: skip
        by_client = {o.source.client_id: o for o in done.outcomes}
        assert "Headline 9" in self.titles("birch")
        return by_client["kiln"]

    def rows(self, client: str = "kiln") -> list[dict[str, Any]]:
        """Raw rows of a client's feed."""
        lake = self.workspace.lake
        frame = lake.collect(raw.SEARCH_RESULTS, lake.scan(raw.SEARCH_RESULTS, ["desk"]))
        rows = frame.sort("collected_at", "response_id", "position").to_dicts()
        return [row for row in rows if row["client_id"] == client]

    def titles(self, client: str = "kiln") -> list[str]:
        """Titles of the raw rows of a client's feed."""
        return [row["title"] for row in self.rows(client)]

    def bodies(self) -> list[bytes]:
        """The answers of the feed under test that are kept."""
        stored = raw.load_responses(self.workspace.lake, "desk", TODAY)
        return [response.body for _, response in stored if response.client_id == "kiln"]

    def set_aside(self) -> list[tuple[str, str]]:
        """Reason and detail of what is in quarantine."""
        with self.workspace.control.read() as connection:
            rows, _ = quarantine.listed(connection, tenant_id="desk")
        for row in rows:
            assert row["stage"] == "raw/search_results"
            assert row["reference"].startswith("response:")
        return sorted((row["reason"], row["detail"]) for row in rows)

    def layers(self) -> dict[str, str]:
        """How each item of the day was folded, by title."""
        with self.workspace.control.write() as connection:
            tenant = tenants.get_tenant(connection, "desk")
            audit = self.workspace.audit("test", "a test folds")
            snapshot = snapshots.take(connection, audit, tenant, TODAY)
        members = fold_day(self.workspace.lake, snapshot).members
        return dict(members.select("title", "layer").iter_rows())


@pytest.fixture
def desk(tmp_path: Path, clock: FrozenClock) -> Iterator[Desk]:
    """Feeds may be small here; nothing is tried twice, so that nothing waits."""
    with (
        FeedServer() as server,
        open_workspace(
            tmp_path / "home",
            clock,
            http_attempts=1,
            max_feed_bytes=LIMIT,
        ) as workspace,
    ):
        yield Desk(workspace, clock, server)


def test_a_web_page_is_kept_set_aside_and_says_where_its_feed_is(desk: Desk) -> None:
    page = b'<html><link rel="alternate" type="application/rss+xml" href="/news.xml"></html>'
    outcome = desk.feed(Answer(page, headers={"Content-Type": "text/html"}))
    said = (
        f"This is a web page, not a feed. The page names this feed: {desk.server.url('/news.xml')}"
    )
    assert (outcome.outcome, outcome.error_kind, outcome.error) == ("failed", "bad_data", said)
    assert desk.set_aside() == [("html", said)]
    assert desk.bodies() == [page]


def test_an_empty_answer_is_set_aside(desk: Desk) -> None:
    outcome = desk.feed(Answer(b""))
    assert (outcome.outcome, outcome.error_kind) == ("failed", "bad_data")
    assert [reason for reason, _ in desk.set_aside()] == ["bad_data"]
    assert "not one byte" in desk.set_aside()[0][1]


def test_the_same_bad_answer_again_is_stored_and_set_aside_once(desk: Desk) -> None:
    desk.feed(Answer(b"<html>no</html>"))
    desk.clock.advance(timedelta(hours=1))
    assert desk.again().outcome == "failed"
    assert len(desk.set_aside()) == len(desk.bodies()) == 1


def test_of_a_truncated_feed_the_whole_entries_are_kept_and_it_comes_in_full_next_time(
    desk: Desk,
) -> None:
    whole = rss("Wire", [_entry(1), _entry(2), _entry(3)])
    cut = whole[: whole.index(b"kiln3")]
    etag = {"ETag": '"v1"'}
    outcome = desk.feed(Answer(cut, headers=etag), Answer(whole, headers=etag))
    assert (outcome.outcome, outcome.items) == ("degraded", 2)
    assert outcome.error == "the feed breaks off after 2 whole entries"
    assert desk.titles() == ["Headline 1", "Headline 2"]
    assert [reason for reason, _ in desk.set_aside()] == ["cut_off"]
    desk.clock.advance(timedelta(hours=1))
    again = desk.again()
    assert "if-none-match" not in desk.server.asked("/bad.xml")[1].headers
    assert (again.outcome, again.items) == ("collected", 3)
    assert set(desk.titles()) == {"Headline 1", "Headline 2", "Headline 3"}
    layers = desk.layers()
    assert [layers[f"Headline {n}"] for n in (1, 2, 3)] == ["first"] * 3


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_is_the_feeds_own_failure(desk: Desk, status: int) -> None:
    outcome = desk.feed(Answer(b"oops", status=status), Answer(rss("Wire", [_entry(1)])))
    assert (outcome.outcome, outcome.error_kind) == ("failed", "retriable")
    assert f"answered {status}" in str(outcome.error)
    assert desk.rows() == []
    assert desk.again().outcome == "collected"


def test_a_feed_may_be_as_large_as_allowed_and_no_larger(desk: Desk) -> None:
    padding = b"<!--" + b"x" * LIMIT + b"-->"
    fits = GOOD.replace(b"</rss>", padding[: LIMIT - len(GOOD) - 3] + b"--></rss>")
    assert len(fits) == LIMIT
    outcome = desk.feed(Answer(fits + b" "), Answer(fits))
    assert (outcome.outcome, outcome.error_kind) == ("failed", "permanent")
    assert "is larger than 20,000 bytes" in str(outcome.error)
    assert "CLIENTLORE_MAX_FEED_BYTES" in str(outcome.error)
    assert desk.again().outcome == "collected"


def test_a_feed_that_grows_when_unpacked_is_given_up_too(desk: Desk) -> None:
    bomb = gzip.compress(b"x" * 20_000_000)
    assert len(bomb) < LIMIT
    outcome = desk.feed(Answer(bomb, headers={"Content-Encoding": "gzip"}))
    assert (outcome.outcome, outcome.error_kind) == ("failed", "permanent")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(GOOD, cut_after=60),
        Answer(b"this is not gzip", headers={"Content-Encoding": "gzip"}),
        Answer(GOOD, headers={"Retry-After": "\u00b2"}, status=503),
    ],
    ids=["connection cut", "no gzip", "odd header"],
)
def test_trouble_on_the_way_is_the_feeds_own_failure(desk: Desk, answer: Answer) -> None:
    outcome = desk.feed(answer)
    assert (outcome.outcome, outcome.error_kind) == ("failed", "retriable")
    assert desk.rows() == []


def test_a_feed_that_keeps_silent_is_its_own_failure(desk: Desk) -> None:
    desk.feed(Answer(GOOD))
    hasty = {"http_timeout_seconds": 0.05}
    desk.workspace.settings = desk.workspace.settings.model_copy(update=hasty)
    desk.server.put("/bad.xml", Answer(GOOD, seconds=0.3))
    outcome = desk.again()
    assert (outcome.outcome, outcome.error_kind) == ("failed", "retriable")
    assert "did not answer in time" in str(outcome.error)


def test_a_feed_that_nobody_serves_is_its_own_failure(desk: Desk) -> None:
    assert (desk.feed().outcome, desk.again().error_kind) == ("failed", "permanent")


def test_one_guid_on_two_pages_keeps_both_as_events(desk: Desk) -> None:
    desk.feed(Answer(rss("Wire", [_entry(1, guid="feed"), _entry(2, guid="feed")])))
    layers = desk.layers()
    assert (layers["Headline 1"], layers["Headline 2"]) == ("first", "first")
    assert desk.set_aside() == []


def test_one_guid_twice_on_one_page_is_a_revision(desk: Desk) -> None:
    link = "https://wire.example/1"
    later = _entry(2, guid="g-1", link=link, published=NOW)
    desk.feed(Answer(rss("Wire", [_entry(1), later])))
    layers = desk.layers()
    assert (layers["Headline 1"], layers["Headline 2"]) == ("first", "revision")


def test_entries_without_guid_and_date_are_recognised_the_next_time(desk: Desk) -> None:
    bare = [_entry(n, guid=None, published=None, link=None) for n in (1, 2)]
    desk.feed(Answer(rss("Wire", bare)), Answer(rss("Wire", [*bare, _entry(3)])))
    desk.clock.advance(timedelta(hours=1))
    desk.again()
    rows = desk.rows()
    assert len(rows) == 5
    assert len({row["item_id"] for row in rows}) == 3
    assert [row["published_at"] for row in rows[:2]] == [None, None]


def test_an_entry_without_words_is_set_aside_and_the_others_are_kept(desk: Desk) -> None:
    empty = _entry(1, title=None, text=None)
    outcome = desk.feed(Answer(rss("Wire", [empty, _entry(2)])))
    assert (outcome.outcome, outcome.items) == ("collected", 1)
    assert desk.titles() == ["Headline 2"]
    assert desk.set_aside() == [("no_text", "the entry has neither title nor text")]


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "windows-1252"])
def test_letters_of_every_encoding_arrive(desk: Desk, encoding: str) -> None:
    body = rss("Wire", [_entry(1, title="Größe Café", text="naïve")], encoding=encoding)
    desk.feed(Answer(body, headers={"Content-Type": "application/rss+xml"}))
    assert desk.titles() == ["Größe Café"]
    assert desk.bodies() == [body]


def test_relative_links_markup_and_half_characters_become_clean_rows(desk: Desk) -> None:
    entry = _entry(1, title="<b>Kiln</b> XX &amp; Co<script>x()</script>\x07", link="/news/1")
    desk.feed(Answer(rss("Wire", [entry]).replace(b"XX", b"&#xD83D;")))
    (row,) = desk.rows()
    assert row["title"] == "Kiln \ufffd & Co"
    assert row["url"] == desk.server.url("/news/1")


@pytest.mark.parametrize(("on_failure", "state"), [("skip", "degraded"), ("fail", "failed")])
def test_whether_a_failed_feed_fails_the_tenants_day_is_the_sources_choice(
    desk: Desk, on_failure: str, state: str
) -> None:
    desk.feed(Answer(status=500), on_failure=on_failure)
    ctx = RunContext(desk.workspace)
    with desk.workspace.control.read() as connection:
        tenant = tenants.get_tenant(connection, "desk")
    work.config_snapshot(ctx, tenant, TODAY)
    done = work.search_results(ctx, tenant, TODAY)
    assert done.state == state
    assert "kiln: 127.0.0.1" in str(done.error)
    assert done.counts["failed"] == 1
