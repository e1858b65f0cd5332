"""What a day's sources call for: relevant events and CRM activities, as memories with their sources."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clientlore.control.model import Client
from clientlore.control.snapshots import Snapshot
from clientlore.memory.derive import Wanted, wanted_of_day
from clientlore.memory.extracting.choosing import sources_in
from clientlore.monitoring.events import MEMBERS
from clientlore.monitoring.raw import CRM_ACTIVITIES
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.storage.lake import Lake

DAY = date(2026, 11, 20)
T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SNAPSHOT = Snapshot(
    tenant_id="acme",
    day=DAY,
    name="Acme",
    mode="live",
    settings={},
    clients=(
        Client("acme", "harbor", "Harbor Foods", external_id="A-1"),
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


def judge(lake: Lake, *rows: dict[str, Any], tenant_id: str = "acme", day: date = DAY) -> None:
    """Writes events with their relevance; a row needs no more than what the test is about."""
    full = [
        {
            "tenant_id": tenant_id,
            "day": day,
            "event_id": f"e{n}",
            "item_id": f"i{n}",
            "client_id": "harbor",
            "score": 0.8,
            "category": "expansion",
            "confidence": 0.9,
            "title": "Harbor Foods opens a plant",
            "summary": "The plant stands in Lisbon.",
            "url": "https://news.example/1",
            "publisher": "The Example",
            "published_at": T0 - timedelta(hours=2),
            "collected_at": T0,
            "source_mode": "live",
            "method": "rules",
            "status": "PROCESSED",
            **row,
        }
        for n, row in enumerate(rows, start=1)
    ]
    for table in (MEMBERS, RELEVANCE):
        told = [{k: v for k, v in row.items() if k in table.schema} for row in full]
        lake.write(table, tenant_id, day, table.frame(told))


def act(lake: Lake, *rows: dict[str, Any], batch: str = "b1") -> None:
    """Adds a batch of CRM activities."""
    full = [
        {
            "tenant_id": "acme",
            "day": DAY,
            "batch_id": batch,
            "response_id": f"r-{batch}",
            "position": n,
            "source_id": "crm",
            "source_mode": "live",
            "collected_at": T0,
            "activity_id": f"act-{n}",
            "account_id": "A-1",
            "kind": "call",
            "subject": "Call with the buyer",
            "text": "They want a longer contract.",
            "occurred_at": T0 - timedelta(days=1),
            **row,
        }
        for n, row in enumerate(rows)
    ]
    lake.append_raw(CRM_ACTIVITIES, "acme", DAY, batch, CRM_ACTIVITIES.frame(full))


def origins(wanted: list[Wanted]) -> list[str]:
    return [w.origin for w in wanted]


def test_a_day_without_anything_calls_for_nothing(lake: Lake) -> None:
    assert wanted_of_day(lake, SNAPSHOT) == []


def test_a_relevant_event_becomes_a_memory_of_its_client_with_event_and_item_as_sources(
    lake: Lake,
) -> None:
    judge(lake, {})
    (memory,) = wanted_of_day(lake, SNAPSHOT)
    assert memory == Wanted(
        owner_id="harbor",
        kind="event",
        text="Harbor Foods opens a plant. The plant stands in Lisbon.",
        origin="event:e1:harbor",
        recorded_at=T0,
        valid_from=T0 - timedelta(hours=2),
        attributes={
            "event_id": "e1",
            "category": "expansion",
            "importance": 0.8,
            "confidence": 0.9,
            "url": "https://news.example/1",
            "publisher": "The Example",
            "source_mode": "live",
            "method": "rules",
        },
        sources=("event:e1", "item:i1"),
        reason="a relevant event",
    )


def test_an_event_without_a_date_held_from_when_it_was_collected(lake: Lake) -> None:
    judge(lake, {"published_at": None})
    assert [w.valid_from for w in wanted_of_day(lake, SNAPSHOT)] == [T0]


@pytest.mark.parametrize(
    ("threshold", "remembered"),
    [
        (None, ["event:e2:harbor", "event:e3:harbor"]),
        (0.0, ["event:e1:harbor", "event:e2:harbor", "event:e3:harbor"]),
        (1.0, ["event:e3:harbor"]),
    ],
)
def test_from_the_threshold_on_an_event_is_remembered_and_unscored_never(
    lake: Lake, threshold: float | None, remembered: list[str]
) -> None:
    judge(lake, {"score": 0.49}, {"score": 0.5}, {"score": 1.0}, {"score": None})
    settings = {} if threshold is None else {"memory_threshold": threshold}
    assert origins(wanted_of_day(lake, replace(SNAPSHOT, settings=settings))) == remembered


@pytest.mark.parametrize(
    ("title", "summary", "text"),
    [
        ("Plant opens.", "In Lisbon.", "Plant opens. In Lisbon."),
        ("Plant opens", "Plant opens in Lisbon.", "Plant opens in Lisbon."),
        ("Plant opens", "", "Plant opens"),
        ("", "Only a text", "Only a text"),
    ],
)
def test_a_memory_says_title_and_text_once(lake: Lake, title: str, summary: str, text: str) -> None:
    judge(lake, {"title": title, "summary": summary})
    assert [w.text for w in wanted_of_day(lake, SNAPSHOT)] == [text]


def test_other_days_and_other_tenants_are_not_read(lake: Lake) -> None:
    judge(lake, {}, day=DAY - timedelta(days=1))
    judge(lake, {}, tenant_id="other")
    assert wanted_of_day(lake, SNAPSHOT) == []


def test_an_activity_belongs_to_the_client_whose_account_it_names(lake: Lake) -> None:
    act(lake, {}, {"account_id": "A-999"})
    (memory,) = wanted_of_day(lake, SNAPSHOT)
    assert (memory.owner_id, memory.kind, memory.origin) == (
        "harbor",
        "activity",
        "activity:crm:act-0",
    )
    assert memory.text == "Call with the buyer. They want a longer contract."
    assert memory.valid_from == T0 - timedelta(days=1)
    assert memory.sources == ("response:r-b1#0",)
    assert memory.attributes == {
        "activity_id": "act-0",
        "activity": "call",
        "source_mode": "live",
    }


def test_of_an_activity_that_came_several_times_the_last_version_counts(lake: Lake) -> None:
    act(lake, {"text": "Changed later.", "collected_at": T0 + timedelta(hours=1)}, batch="a")
    act(lake, {"text": "As it was first."}, batch="b")
    assert [w.text for w in wanted_of_day(lake, SNAPSHOT)] == [
        "Call with the buyer. Changed later."
    ]


def test_a_made_up_activity_reaches_memory_in_a_mock_tenant_only(lake: Lake) -> None:
    act(lake, {"source_mode": "mock"})
    assert wanted_of_day(lake, SNAPSHOT) == []
    assert len(wanted_of_day(lake, replace(SNAPSHOT, mode="mock"))) == 1


def test_what_is_called_for_comes_in_the_order_of_origins(lake: Lake) -> None:
    judge(lake, {"client_id": "harbor"}, {"client_id": "calder"})
    act(lake, {"activity_id": "z"}, {"activity_id": "a"})
    assert origins(wanted_of_day(lake, SNAPSHOT)) == [
        "activity:crm:a",
        "activity:crm:z",
        "event:e1:harbor",
        "event:e2:calder",
    ]


def test_texts_above_confidential_are_marked_as_secret_and_so_is_an_unknown_tier() -> None:
    told = [
        Wanted("harbor", "activity", "Said", f"n{n}", T0, None, said, (), "a note")
        for n, said in enumerate(
            ({}, *({"security": tier} for tier in ("general", "confidential", "secret", "?")))
        )
    ]
    assert [one.is_secret for one in sources_in(told)] == [False, False, False, True, True]
