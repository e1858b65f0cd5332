"""The stateless gates: who gets what, and the first gate that says no, in the documented order."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.control.model import Preferences
from clientlore.control.snapshots import Reader, Snapshot
from clientlore.digests.matches import (
    GATES,
    MATCHES,
    Gate,
    days_for,
    gate,
    gate_one,
    matches_of_day,
)
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.storage.lake import Lake

DAY = date(2026, 11, 20)
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)


def judged(**values: Any) -> pl.DataFrame:
    row = {
        "tenant_id": "acme",
        "day": DAY,
        "event_id": "e1",
        "client_id": "harbor",
        "item_id": "i1",
        "score": 0.7,
        "category": "funding",
        "published_at": MIDNIGHT,
        "source_mode": "live",
        **values,
    }
    return RELEVANCE.frame([row])


def snapshot(
    *preferences: Preferences,
    owners: dict[str, tuple[str, ...]] | None = None,
    **tenant_settings: Any,
) -> Snapshot:
    return Snapshot(
        tenant_id="acme",
        day=DAY,
        name="Acme",
        mode="live",
        settings=tenant_settings,
        clients=(),
        readers=tuple(Reader(p.user_id, p.user_id, p.user_id.title(), p) for p in preferences),
        owners={"harbor": ("ann",)} if owners is None else owners,
        sources=(),
        sha="",
        taken_at=MIDNIGHT,
    )


def ann(**values: Any) -> Preferences:
    return Preferences("ann", "acme", **values)


def said(relevance: pl.DataFrame, asked: Snapshot) -> Gate:
    found = gate_one(relevance, asked, "ann", "harbor")
    assert found is not None
    return found


def test_what_passes_every_gate_has_no_gate_and_says_so() -> None:
    assert said(judged(), snapshot(ann())) == Gate(
        passed=True, gate=None, reason="passed every gate"
    )


@pytest.mark.parametrize(
    ("score", "threshold", "passes"),
    [
        (0.0, 0.0, True),
        (1.0, 0.0, True),
        (1.0, 1.0, True),
        (0.9999, 1.0, False),
        (0.5, 0.5, True),
        (0.4999, 0.5, False),
    ],
)
def test_a_score_passes_from_the_threshold_on(score: float, threshold: float, passes: bool) -> None:
    found = said(judged(score=score), snapshot(ann(relevance_threshold=threshold)))
    assert (found.passed, found.gate) == (passes, None if passes else "threshold")


def test_the_reason_names_score_and_threshold_so_that_they_differ() -> None:
    found = said(judged(score=0.4999), snapshot(ann(relevance_threshold=0.5)))
    assert found.reason == "score 0.4999 is below the threshold 0.5"


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_what_is_not_scored_never_passes(threshold: float) -> None:
    found = said(judged(score=None), snapshot(ann(relevance_threshold=threshold)))
    assert found == Gate(passed=False, gate="scored", reason="not scored yet")


@pytest.mark.parametrize(
    ("categories", "passes"),
    [((), True), (("funding", "risk"), True), (("risk",), False)],
)
def test_no_categories_means_all_of_them(categories: tuple[str, ...], passes: bool) -> None:
    found = said(judged(), snapshot(ann(categories=categories)))
    assert (found.passed, found.gate) == (passes, None if passes else "category")


def test_the_reason_names_the_category_that_is_not_followed() -> None:
    found = said(judged(), snapshot(ann(categories=("risk",))))
    assert found.reason == "does not follow the category funding"


@pytest.mark.parametrize("owners", [{}, {"harbor": ("ben",)}, {"calder": ("ann",)}])
def test_only_a_person_assigned_to_the_client_is_told(owners: dict[str, tuple[str, ...]]) -> None:
    found = said(judged(), snapshot(ann(), owners=owners))
    assert found == Gate(passed=False, gate="assigned", reason="not assigned to this client")


@pytest.mark.parametrize(
    ("max_age", "published_at", "passes"),
    [
        (None, MIDNIGHT - timedelta(days=900), True),
        (30, MIDNIGHT - timedelta(days=30), True),
        (30, MIDNIGHT - timedelta(days=30, microseconds=1), False),
        (30, None, True),
    ],
)
def test_what_was_published_too_long_before_the_day_is_stopped_where_the_tenant_says_so(
    max_age: int | None, published_at: datetime | None, passes: bool
) -> None:
    asked = snapshot(ann()) if max_age is None else snapshot(ann(), max_age_days=max_age)
    found = said(judged(published_at=published_at), asked)
    assert (found.passed, found.gate) == (passes, None if passes else "age")


def test_of_several_gates_that_say_no_the_first_in_the_documented_order_is_kept() -> None:
    assert GATES == ("assigned", "scored", "threshold", "category", "age")
    old = MIDNIGHT - timedelta(days=99)
    wants = ann(relevance_threshold=0.9, categories=("risk",))
    strict, nobody = snapshot(wants, max_age_days=1), snapshot(wants, owners={}, max_age_days=1)
    stopped = [
        said(judged(score=None, published_at=old), nobody),
        said(judged(score=None, published_at=old), strict),
        said(judged(score=0.1, published_at=old), strict),
        said(judged(score=0.95, published_at=old), strict),
        said(judged(score=0.95, category="risk", published_at=old), strict),
    ]
    assert [found.gate for found in stopped] == list(GATES)


def test_every_reader_is_asked_for_every_event_and_client() -> None:
    relevance = pl.concat([judged(), judged(client_id="calder")])
    frame = gate(relevance, snapshot(ann(), Preferences("ben", "acme")))
    assert frame.schema == MATCHES.schema
    told = frame.sort("client_id", "user_id").select("client_id", "user_id", "passed").rows()
    assert told == [
        ("calder", "ann", False),
        ("calder", "ben", False),
        ("harbor", "ann", True),
        ("harbor", "ben", False),
    ]


def test_where_nobody_reads_there_are_no_matches() -> None:
    assert gate(judged(), snapshot()).is_empty()
    assert gate_one(judged(), snapshot(), "ann", "harbor") is None


def test_the_day_of_a_tenant_is_matched_from_its_own_scores_alone(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write(RELEVANCE, "acme", DAY, judged())
    lake.write(RELEVANCE, "other", DAY, judged(tenant_id="other", event_id="e2"))
    lake.write(RELEVANCE, "acme", DAY - timedelta(days=1), judged(event_id="e3"))
    assert matches_of_day(lake, snapshot(ann()))["event_id"].to_list() == ["e1"]


def test_a_horizon_of_days_ends_with_the_day_itself() -> None:
    assert days_for(DAY, 2) == [DAY - timedelta(days=2), DAY - timedelta(days=1), DAY]
    assert days_for(DAY, 0) == [DAY]


@given(
    score=st.none() | st.floats(0, 1),
    threshold=st.floats(0, 1),
    follows=st.booleans(),
    assigned=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_match_passes_exactly_where_no_gate_would_stop_it(
    score: float | None, threshold: float, follows: bool, assigned: bool
) -> None:
    wants = ann(relevance_threshold=threshold, categories=("funding" if follows else "risk",))
    found = said(judged(score=score), snapshot(wants, owners=None if assigned else {}))
    assert found.passed == (assigned and follows and score is not None and score >= threshold)
    assert (found.gate is None) == found.passed
