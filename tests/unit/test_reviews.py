"""The queue of matches in doubt: one row for each event and client, on its earliest day, and decisions that hold."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from clientlore.control import reviews
from clientlore.errors import NotFoundError
from clientlore.monitoring.reviewing import CONFIRMED, decided_frame, sift
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

DAY = date(2026, 11, 20)
NEXT = DAY + timedelta(days=1)
DOUBT = {
    "event_id": "e",
    "client_id": "kiln",
    "item_id": "i",
    "reason": "only initials are named",
    "evidence": "KLN",
    "confidence": 0.35,
}


@pytest.fixture
def desk(workspace: Workspace) -> Workspace:
    put_tenant(workspace, "tenant: desk\nname: Desk\n")
    return workspace


def put(desk: Workspace, day: date, *doubts: dict[str, object], judged: bool = False) -> int:
    with desk.control.write() as connection:
        pairs = {("e", "kiln")} if judged else set()
        return reviews.put(connection, "desk", day, doubts, pairs, desk.clock.now())


def decide(desk: Workspace, decision: reviews.Decision) -> None:
    with desk.control.write() as connection:
        (row,), _ = reviews.listed(connection, state=None)
        audit = desk.audit("me", "a test")
        reviews.decide(connection, audit, [row["review_id"]], decision)


def only(desk: Workspace) -> tuple[str, date]:
    with desk.control.read() as connection:
        (row,), total = reviews.listed(connection, state=None)
    assert total == 1
    return row["state"], row["day"]


@pytest.mark.parametrize("days", [(DAY, NEXT), (NEXT, DAY)])
def test_a_pair_waits_once_on_its_earliest_day_in_whatever_order_days_are_made(
    desk: Workspace, days: tuple[date, ...]
) -> None:
    assert [put(desk, day, DOUBT) for day in days] == [1, 1]
    assert only(desk) == ("open", DAY)


def test_what_is_not_found_again_is_settled_and_waits_again_when_it_comes_back(
    desk: Workspace,
) -> None:
    put(desk, DAY, DOUBT)
    assert put(desk, DAY) == 0
    assert only(desk) == ("settled", DAY)
    with pytest.raises(NotFoundError, match="no more"):
        decide(desk, "accepted")
    assert put(desk, NEXT, DOUBT) == 1
    assert only(desk) == ("open", NEXT)


def test_a_later_day_settles_only_what_it_judged(desk: Workspace) -> None:
    put(desk, DAY, DOUBT)
    put(desk, NEXT)
    assert only(desk) == ("open", DAY)
    put(desk, NEXT, judged=True)
    assert only(desk) == ("settled", DAY)


@pytest.mark.parametrize("decision", ["accepted", "rejected"])
def test_a_decision_holds_when_the_day_is_made_again(
    desk: Workspace, decision: reviews.Decision
) -> None:
    put(desk, DAY, DOUBT)
    decide(desk, decision)
    assert put(desk, DAY, DOUBT) == 0
    put(desk, DAY)
    assert only(desk) == (decision, DAY)


def _matched(*strengths: float) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "item_id": [f"i{n}" for n in range(len(strengths))],
            "event_id": ["e"] * len(strengths),
            "client_id": ["kiln"] * len(strengths),
            "evidence": ["KLN"] * len(strengths),
            "strength": strengths,
            "doubt": [None if s >= 0.6 else "only initials are named" for s in strengths],
            "own_feed": [False] * len(strengths),
            "own_site": [False] * len(strengths),
        },
        schema_overrides={"doubt": pl.String},
    )


def test_a_pair_that_another_copy_names_surely_is_not_in_doubt() -> None:
    judged, doubtful = sift(_matched(0.3, 0.9), decided_frame(), DAY, model_judges=False)
    assert (judged["item_id"].to_list(), doubtful.height) == (["i1"], 0)


def test_of_several_doubtful_copies_the_surest_is_shown_and_a_model_gets_them_all() -> None:
    matched = _matched(0.3, 0.5)
    judged, doubtful = sift(matched, decided_frame(), DAY, model_judges=False)
    assert (judged.height, doubtful["item_id"].to_list()) == (0, ["i1"])
    judged, doubtful = sift(matched, decided_frame(), DAY, model_judges=True)
    assert (judged.to_dicts(), doubtful.height) == (matched.to_dicts(), 0)


@pytest.mark.parametrize("model_judges", [False, True])
def test_an_accepted_pair_enters_on_its_own_day_and_a_rejected_one_never(
    *, model_judges: bool
) -> None:
    decision = {"event_id": "e", "client_id": "kiln", "day": DAY}
    accepted = decided_frame([{**decision, "state": "accepted"}])
    judged, doubtful = sift(_matched(0.3), accepted, DAY, model_judges=model_judges)
    assert (judged["strength"].to_list(), doubtful.height) == ([CONFIRMED], 0)
    rejected = decided_frame([{**decision, "state": "rejected"}])
    for day in (DAY, NEXT):
        judged, doubtful = sift(_matched(0.3, 0.9), rejected, day, model_judges=model_judges)
        assert (judged.height, doubtful.height) == (0, 0)
    judged, doubtful = sift(_matched(0.3), accepted, NEXT, model_judges=False)
    assert (judged.height, doubtful.height) == (0, 0)
