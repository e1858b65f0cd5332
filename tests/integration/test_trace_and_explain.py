"""From a line of a real mail back to the bytes of the feed, and why each person got an event or did not."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import snapshots
from clientlore.control import tables as t
from clientlore.digests.explaining import Explanation, explain
from clientlore.digests.matches import MATCHES, gate
from clientlore.digests.tracing import Trace, trace
from clientlore.errors import BadDataError, NotFoundError
from clientlore.ids import sha256
from clientlore.monitoring.events import EVENTS
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.run_context import Scope
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

pytestmark = pytest.mark.usefixtures("bare")

DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
RAISES = "Harbor Foods raises $40 million in a funding round"
NAMES = "Harbor Foods names a new chief executive"
CLOUDS = "Weather will stay mild"
OLD = "Harbor Foods opens a plant in Lisbon"
TENANT = """
tenant: acme
name: Acme
max_age_days: 30
users:
  - {{id: ann, name: Ann, email: ann@acme.example}}
  - {{id: ben, name: Ben, email: ben@acme.example}}
  - {{id: cleo, name: Cleo, email: cleo@acme.example, threshold: 1.0}}
  - {{id: dora, name: Dora, email: dora@acme.example, categories: [award]}}
  - {{id: eve, name: Eve, email: eve@acme.example, max_items: 1}}
  - {{id: finn, name: Finn}}
clients:
  - {{name: Harbor Foods, id: harbor, owners: [ann, cleo, dora, eve, finn]}}
feeds: [{url}]
"""


def entry(n: int, title: str, text: str, **values: Any) -> Entry:
    made = {"link": f"https://news.example/{n}", "guid": f"g{n}", **values}
    return Entry(title, text, published=made.pop("published", NOW - timedelta(hours=2)), **made)


ENTRIES = [
    entry(1, RAISES, "Harbor Foods said on Friday that it raised $40 million in a funding round."),
    entry(
        2,
        NAMES,
        "Harbor Foods said that Joan Miller becomes chief executive officer.",
        published=NOW - timedelta(hours=5),
    ),
    entry(3, CLOUDS, "Nothing but clouds over the whole country is expected until Sunday."),
    entry(4, OLD, "Harbor Foods opens a plant in Lisbon.", published=NOW - timedelta(days=60)),
]


@dataclass
class World:
    """A tenant whose news came over real HTTP."""

    workspace: Workspace
    clock: FrozenClock
    server: FeedServer

    def serve(self, *entries: Entry) -> bytes:
        body = rss("The Example", entries)
        self.server.put("/news.xml", Answer(body))
        return body

    def run(self, day: date = DAY, *, deliver: bool = True, collect: bool = True) -> None:
        request = RunRequest(day, day, Scope(("acme",), collect=collect), deliver=deliver)
        (result,) = InlineOrchestrator(self.workspace).launch(request)
        assert result.outcome == "succeeded", result.error

    def mail(self, handle: str) -> str:
        """The text of the only mail to a person."""
        found = []
        for path in self.workspace.settings.mail.iterdir():
            message = email.message_from_bytes(path.read_bytes(), policy=default)
            assert isinstance(message, EmailMessage)
            if message["To"].addresses[0].username == handle:
                body = message.get_body(("plain",))
                assert body is not None
                found.append(str(body.get_content()))
        (text,) = found
        return text

    def reference(self, handle: str, title: str) -> str:
        """What stands behind Ref on a line of a person's mail."""
        _, _, rest = self.mail(handle).partition(title)
        found = re.search(r"Ref (\S+)", rest.replace("\r\n", "\n"))
        assert found is not None
        return found[1]

    def event(self, title: str) -> str:
        frame = self.workspace.lake.collect(
            EVENTS, self.workspace.lake.scan(EVENTS, ["acme"]).filter(pl.col("title") == title)
        )
        return str(frame["event_id"].item())

    def trace(self, name: str) -> Trace:
        return trace(self.workspace, "acme", name)

    def explain(self, name: str, person: str) -> Explanation:
        return explain(self.workspace, "acme", name, person)

    def verdict(self, title: str, person: str) -> str:
        return self.explain(self.event(title), person).verdict

    def raw_file(self) -> Path:
        (path,) = (self.workspace.lake.root / "raw" / "responses").rglob("*.parquet")
        return path


def open_world(home: Path) -> Iterator[World]:
    clock = FrozenClock(NOW)
    with FeedServer() as server, open_workspace(home, clock) as workspace:
        put_tenant(workspace, TENANT.format(url=server.url("/news.xml")))
        put_tenant(workspace, "tenant: other\nname: Other\nusers: [{id: ann, name: Ann}]\n")
        yield World(workspace, clock, server)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield from open_world(tmp_path / "home")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A day that was collected and mailed; for tests that only read."""
    for world in open_world(tmp_path_factory.mktemp("told")):
        world.serve(*ENTRIES)
        world.run()
        yield world


# Trace


def test_a_line_of_a_mail_leads_back_to_the_bytes_that_the_feed_sent(world: World) -> None:
    body = world.serve(*ENTRIES)
    world.run()
    found = world.trace(world.reference("ann", RAISES))
    assert [step.what for step in found.steps] == [
        "line", "mail", "relevance", "event", "item", "response",
    ]  # fmt: skip
    facts = {step.what: step.facts for step in found.steps}
    assert found.response.body == body
    assert facts["response"]["sha256"] == sha256(body)
    assert facts["response"]["bytes"] == len(body)
    assert facts["response"]["source_mode"] == "live"
    assert found.path == world.raw_file() == Path(facts["response"]["file"])
    assert facts["item"]["url"] == "https://news.example/1"
    assert facts["event"]["event_id"] == world.event(RAISES)
    assert (facts["relevance"]["client_id"], facts["relevance"]["category"]) == (
        "harbor",
        "funding",
    )
    assert facts["mail"]["state"] == "sent"
    assert (world.workspace.settings.mail / facts["mail"]["file"]).is_file()
    assert facts["line"]["decision"] == "sent"


def test_the_id_of_an_event_or_an_item_leads_back_too(told: World) -> None:
    event_id = told.event(RAISES)
    found = told.trace(event_id)
    assert [step.what for step in found.steps] == ["relevance", "event", "item", "response"]
    assert sha256(found.response.body) == found.steps[-1].facts["sha256"]


def test_a_reference_may_be_typed_in_small_letters_and_without_its_hyphen(told: World) -> None:
    reference = told.reference("ann", NAMES)
    typed = reference.lower().replace("-", "")
    assert told.trace(typed).steps == told.trace(reference).steps


def test_a_fuller_copy_at_noon_leaves_a_mailed_line_with_the_copy_that_it_showed(
    world: World,
) -> None:
    morning = world.serve(ENTRIES[0])
    world.run()
    reference, event_id = world.reference("ann", RAISES), world.event(RAISES)
    world.clock.advance(timedelta(hours=3))
    fuller = entry(9, RAISES + ", source says", "All of it. " * 40, link="https://news.example/1")
    noon = world.serve(fuller)
    world.run()
    line, event = world.trace(reference), world.trace(event_id)
    assert line.response.body == morning
    assert event.response.body == noon
    assert {
        step.facts["event_id"] for step in (*line.steps, *event.steps) if step.what == "event"
    } == {event_id}
    assert RAISES in world.mail("ann")


@pytest.mark.parametrize(
    ("name", "told_why"),
    [
        ("AAAA-AAAA", "No line AAAA-AAAA was mailed for tenant 'acme'"),
        ("0" * 32, f"Nothing of the id {'0' * 32} was collected for tenant 'acme'"),
        ("hello", "'hello' is neither a reference nor an id"),
        ("K7F2-9QXM", "'K7F2-9QXM' is neither a reference nor an id"),
        ("", "'' is neither a reference nor an id"),
    ],
)
def test_a_name_that_nobody_knows_is_a_clear_error(told: World, name: str, told_why: str) -> None:
    for ask in (told.trace, lambda name: told.explain(name, "ann")):
        with pytest.raises(NotFoundError, match=f"^{re.escape(told_why)}"):
            ask(name)


def test_another_tenant_can_neither_trace_nor_explain(told: World) -> None:
    for name in (told.reference("ann", RAISES), told.event(RAISES)):
        with pytest.raises(NotFoundError, match="for tenant 'other'"):
            trace(told.workspace, "other", name)
        with pytest.raises(NotFoundError, match="for tenant 'other'"):
            explain(told.workspace, "other", name, "ann")


def test_bytes_that_were_tampered_with_are_detected(world: World) -> None:
    world.serve(ENTRIES[0])
    world.run()
    path = world.raw_file()
    frame = pl.read_parquet(path)
    frame.with_columns(body=pl.lit(b"other bytes")).write_parquet(path)
    with pytest.raises(BadDataError, match="are not those that were stored"):
        world.trace(world.event(RAISES))


def test_bytes_that_are_gone_are_said_to_be_gone(world: World) -> None:
    world.serve(ENTRIES[0])
    world.run()
    world.raw_file().unlink()
    with pytest.raises(NotFoundError, match=r"is not in the lake. Restore raw"):
        world.trace(world.event(RAISES))


def test_a_day_that_died_before_its_events_were_written_can_be_traced(world: World) -> None:
    world.serve(ENTRIES[0])
    world.run()
    event_id = world.event(RAISES)
    world.workspace.lake.write(EVENTS, "acme", DAY, EVENTS.empty())
    assert world.trace(event_id).steps[-1].what == "response"


# Explain


def test_whoever_was_told_is_shown_the_line_and_that_the_mail_was_sent(told: World) -> None:
    found = told.explain(told.event(RAISES), "ann")
    assert found.told
    assert found.verdict.startswith("told: the adhoc window")
    assert found.verdict.endswith(f"Ref {told.reference('ann', RAISES)}: in this mail; mail sent")
    assert [(a.question, a.passed) for a in found.answers] == [
        ("collected", True), ("client", True), ("gates", True), ("window", True),
    ]  # fmt: skip
    assert found.answers[0].detail == f"collected on 2026-11-20: “{RAISES}”"
    assert "harbor: score 0.85, funding; named in the headline" in found.answers[1].detail


def test_a_reference_explains_as_its_event_does_and_a_person_has_several_names(
    told: World,
) -> None:
    reference = told.reference("ann", RAISES)
    assert told.explain(reference, "ann@acme.example") == told.explain(told.event(RAISES), "ann")


@pytest.mark.parametrize(
    ("title", "person", "verdict"),
    [
        (RAISES, "ben", "harbor: not assigned to this client (gate: assigned)"),
        (RAISES, "cleo", "harbor: score 0.85 is below the threshold 1.0 (gate: threshold)"),
        (RAISES, "dora", "harbor: does not follow the category funding (gate: category)"),
        (OLD, "ann", "harbor: published more than 30 days before (gate: age)"),
        (CLOUDS, "ann", "no client of the tenant is named in it"),
    ],
)
def test_the_first_gate_that_stopped_an_event_is_named(
    told: World, title: str, person: str, verdict: str
) -> None:
    found = told.explain(told.event(title), person)
    assert (found.told, found.verdict) == (False, f"not told: {verdict}")


def test_what_was_below_the_cap_and_who_has_no_address_is_explained(told: World) -> None:
    assert told.verdict(NAMES, "eve").endswith(": below the 1 best of this mail")
    assert told.verdict(NAMES, "finn").endswith(": the person has no mail address")


def test_an_unknown_person_is_a_clear_error_that_lists_the_known_ones(told: World) -> None:
    with pytest.raises(NotFoundError, match=r"no user 'zoe'.*ann, ben, cleo"):
        told.verdict(RAISES, "zoe")


def test_what_passed_every_gate_waits_for_the_next_window(world: World) -> None:
    world.serve(ENTRIES[0])
    world.run(deliver=False)
    assert world.verdict(RAISES, "ann") == "not told: it waits for the next window"
    world.run()
    assert world.explain(world.event(RAISES), "ann").told


def test_what_was_not_scored_yet_is_explained(world: World) -> None:
    world.serve(ENTRIES[0])
    world.run(deliver=False)
    lake = world.workspace.lake
    with world.workspace.control.read() as connection:
        snapshot = snapshots.get(connection, "acme", DAY)
    unscored = lake.collect(RELEVANCE, lake.scan(RELEVANCE, ["acme"])).with_columns(
        score=pl.lit(None, pl.Float64)
    )
    lake.write(MATCHES, "acme", DAY, gate(unscored, snapshot))
    assert world.verdict(RAISES, "ann") == "not told: harbor: not scored yet (gate: scored)"


def test_a_person_who_came_after_the_day_was_asked_no_gate(world: World) -> None:
    world.serve(ENTRIES[0])
    world.run()
    put_tenant(
        world.workspace,
        TENANT.format(url=world.server.url("/news.xml")).replace(
            "clients:", "  - {id: gus, name: Gus}\nclients:"
        ),
    )
    assert world.verdict(RAISES, "gus") == "not told: no gate was asked yet for this person"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("pending", "mail waits until 2026-11-20 09:00 UTC"),
        ("sending", "mail is being sent"),
        ("uncertain", "mail is uncertain: who knows"),
        ("failed", "mail is failed: who knows"),
    ],
)
def test_a_mail_that_is_not_out_yet_is_not_told(world: World, state: str, said: str) -> None:
    world.serve(ENTRIES[0])
    world.run()
    with world.workspace.control.write() as connection:
        connection.execute(sa.update(t.outbox).values(state=state, last_reply="who knows"))
    found = world.explain(world.event(RAISES), "ann")
    assert not found.told
    assert found.verdict.endswith(said)


def test_an_event_that_was_mailed_under_an_older_id_is_found_under_both(world: World) -> None:
    world.serve(ENTRIES[0])
    world.run()
    old_id = world.event(RAISES)
    # Fetched later for an earlier day, the same page makes the event a day older.
    world.serve(
        entry(
            8,
            RAISES,
            "Harbor Foods raised money, a first report says.",
            link="https://news.example/1",
            published=NOW - timedelta(days=1),
        )
    )
    world.run(DAY - timedelta(days=1), deliver=False)
    world.run(deliver=False, collect=False)
    new_id = world.event(RAISES)
    assert new_id != old_id
    for name in (old_id, new_id):
        found = world.explain(name, "ann")
        assert (found.event_id, found.told) == (new_id, True)
        assert "1 more folded into it" in found.answers[0].detail
    world.run()
    assert RAISES in world.mail("ann")
    assert world.trace(old_id).steps[-1].what == "response"
