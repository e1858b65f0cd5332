"""What stands in a digest: which matches count, which copy is shown, what becomes a link, and the sections."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clientlore.control.model import Client
from clientlore.control.snapshots import Snapshot
from clientlore.digests.content import (
    Line,
    Material,
    candidates_for,
    lines_for,
    read_material,
    sections,
)
from clientlore.digests.matches import MATCHES
from clientlore.digests.windows import Decided
from clientlore.ids import short_ref
from clientlore.monitoring.events import EVENTS, MEMBERS
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.storage.lake import Lake, Table

DAY = date(2026, 11, 20)
T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SNAPSHOT = Snapshot(
    tenant_id="acme",
    day=DAY,
    name="Acme",
    mode="live",
    settings={"mail_horizon_days": 2},
    clients=(
        Client("acme", "harbor", "Harbor Foods"),
        Client("acme", "calder", "Calder & Finch"),
    ),
    readers=(),
    owners={},
    sources=(),
    sha="",
    taken_at=T0,
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def put(
    lake: Lake,
    *rows: dict[str, Any],
    day: date = DAY,
    tenant_id: str = "acme",
    tables: tuple[Table, ...] = (MEMBERS, EVENTS, RELEVANCE, MATCHES),
) -> None:
    """Writes events that were told, judged and matched; a row says what the test is about."""
    full = [
        {
            "tenant_id": tenant_id,
            "day": day,
            "item_id": f"i{n}",
            "event_id": f"i{n}",
            "story_id": row.get("event_id", f"i{n}"),
            "origin_key": f"o{n}",
            "status": "PROCESSED",
            "layer": "first",
            "title": f"Plant {n}",
            "text": "Harbor Foods opens a plant.",
            "summary": "It stands in Lisbon.",
            "url": f"https://news.example/{n}",
            "publisher": "The Example",
            "published_at": T0,
            "collected_at": T0,
            "client_id": "harbor",
            "user_id": "ann",
            "score": 0.8,
            "category": "expansion",
            "rationale": "named in the headline",
            "passed": True,
            "reason": "passed every gate",
            "source_mode": "live",
            **row,
        }
        for n, row in enumerate(rows, start=1)
    ]
    for table in tables:
        keyed = {tuple(row.get(k) for k in table.sort): row for row in full}
        told = [{k: v for k, v in row.items() if k in table.schema} for row in keyed.values()]
        lake.write(table, tenant_id, day, table.frame(told))


def material(lake: Lake, snapshot: Snapshot = SNAPSHOT) -> Material:
    return read_material(lake, snapshot, snapshot.day, set())


def lines(lake: Lake) -> list[Line]:
    """The lines of a mail that sends everything."""
    read = material(lake)
    chosen = [
        Decided(candidate, "sent", "in this mail", is_late=False)
        for candidate in candidates_for(read, "ann")
    ]
    return lines_for(read, "w1", chosen)


def ids(lake: Lake, snapshot: Snapshot = SNAPSHOT) -> list[str]:
    return [c.event_id for c in candidates_for(material(lake, snapshot), "ann")]


def test_what_passed_for_the_person_within_the_horizon_is_a_candidate(lake: Lake) -> None:
    put(lake, {}, {"user_id": "ben"}, {"passed": False})
    put(lake, {"item_id": "old", "event_id": "old"}, day=DAY - timedelta(days=2))
    put(lake, {"item_id": "older", "event_id": "older"}, day=DAY - timedelta(days=3))
    put(lake, {"item_id": "tomorrow", "event_id": "tomorrow"}, day=DAY + timedelta(days=1))
    put(lake, {"item_id": "other", "event_id": "other"}, tenant_id="other")
    assert sorted(ids(lake)) == ["i1", "old"]


def test_nothing_made_up_is_a_candidate_in_a_live_tenant(lake: Lake) -> None:
    put(lake, {"source_mode": "mock"})
    assert ids(lake) == []
    assert ids(lake, replace(SNAPSHOT, mode="mock")) == ["i1"]


def test_an_event_about_several_clients_is_one_candidate_with_the_best_client_first(
    lake: Lake,
) -> None:
    put(
        lake,
        {"event_id": "i1", "client_id": "harbor", "score": 0.6, "published_at": T0},
        {"event_id": "i1", "client_id": "calder", "score": 0.9, "category": "risk"},
    )
    (found,) = candidates_for(material(lake), "ann")
    assert (found.clients, found.score, found.category) == (("calder", "harbor"), 0.9, "risk")


@pytest.mark.parametrize("lost", [RELEVANCE, MEMBERS], ids=["relevance", "members"])
def test_a_match_whose_day_died_half_way_waits_until_that_day_is_made_again(
    lake: Lake, lost: Table
) -> None:
    yesterday = DAY - timedelta(days=1)
    put(lake, {"item_id": "x", "event_id": "x"}, day=yesterday)
    put(lake, {})
    lake.write(lost, "acme", yesterday, lost.empty())
    assert ids(lake) == ["i1"]
    put(lake, {"item_id": "x", "event_id": "x"}, day=yesterday)
    assert sorted(ids(lake)) == ["i1", "x"]


def test_what_was_told_is_known_by_the_id_and_story_it_has_now(lake: Lake) -> None:
    told = {"item_id": "told", "event_id": "now", "story_id": "story"}
    put(lake, {**told, "story_similarity": 0.6})
    read = read_material(lake, SNAPSHOT, DAY, {"told", "gone"})
    assert read.aliases == {"told": "now"}
    assert read.stories == {"now": "story"}
    put(lake, {**told, "story_similarity": 0.3})
    assert read_material(lake, SNAPSHOT, DAY, set()).stories == {}


def test_a_line_says_what_the_fullest_copy_says_with_the_reason_of_the_best_client(
    lake: Lake,
) -> None:
    full = {"event_id": "i1", "text": "Harbor Foods opens a plant. " * 5, "publisher": "The Full"}
    put(lake, {}, full)
    (found,) = lines(lake)
    assert found == Line(
        reference=short_ref("w1", "i1"),
        event_id="i1",
        item_id="i2",
        client_id="harbor",
        title="Plant 2",
        url="https://news.example/2",
        publisher="The Full",
        summary="It stands in Lisbon.",
        category="expansion",
        score=0.8,
        why="named in the headline",
        published_at=T0,
        also_in=1,
        also_about=(),
        is_late=False,
    )


def test_a_summary_that_only_repeats_the_headline_is_left_out(lake: Lake) -> None:
    put(lake, {"summary": "Plant 1"})
    assert [found.summary for found in lines(lake)] == [""]


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://news.example/a", "https://news.example/a"),
        ("http://news.example/a", "http://news.example/a"),
        ("javascript:alert(1)", None),
        ("JaVaScRiPt:alert(1)", None),
        (" javascript:alert(1)//https://news.example", None),
        ("data:text/html,<script>alert(1)</script>", None),
        ("//news.example/a", None),
        ("mailto:ann@acme.example", None),
        ("", None),
        (None, None),
    ],
)
def test_only_a_web_address_becomes_a_link(lake: Lake, url: str | None, link: str | None) -> None:
    put(lake, {"url": url})
    assert [found.url for found in lines(lake)] == [link]


def test_only_what_is_sent_becomes_a_line(lake: Lake) -> None:
    put(lake, {})
    read = material(lake)
    (candidate,) = candidates_for(read, "ann")
    for decision in ("over_cap", "already_sent", "no_address"):
        decided = Decided(candidate, decision, "", is_late=False)  # type: ignore[arg-type]
        assert lines_for(read, "w1", [decided]) == []


def test_sections_follow_their_best_line_and_call_clients_by_name(lake: Lake) -> None:
    put(
        lake,
        {"event_id": "a", "client_id": "calder", "score": 0.9},
        {"event_id": "a", "client_id": "harbor", "score": 0.6},
        {"event_id": "b", "client_id": "harbor", "score": 0.8},
        {"event_id": "c", "client_id": "calder", "score": 0.7},
        {"event_id": "d", "client_id": "gone", "score": 0.5},
    )
    ordered = sorted(lines(lake), key=lambda found: -found.score)
    found = sections(ordered, SNAPSHOT)
    assert [(s.name, [line.event_id for line in s.lines]) for s in found] == [
        ("Calder & Finch", ["a", "c"]),
        ("Harbor Foods", ["b"]),
        ("gone", ["d"]),
    ]
    assert found[0].lines[0].also_about == ("Harbor Foods",)
