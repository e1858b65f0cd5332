"""What closing a window decides: the best first, nothing twice, a cap, what is late, and who has no address."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.digests.windows import Candidate, Decided, decide

DAY = date(2026, 11, 20)
T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def event(name: str, score: float = 0.7, **values: Any) -> Candidate:
    made = Candidate(
        event_id=name,
        story_id=name,
        clients=("harbor",),
        day=DAY,
        score=score,
        category="funding",
        published_at=T0,
    )
    return replace(made, **values)


def decided(*candidates: Candidate, **values: Any) -> list[tuple[str, str]]:
    asked: dict[str, Any] = {"sent": {}, "cap": 20, "late_before": None, **values}
    return [(d.candidate.event_id, d.decision) for d in decide(candidates, **asked)]


def reasons(*candidates: Candidate, **values: Any) -> list[str]:
    asked: dict[str, Any] = {"sent": {}, "cap": 20, "late_before": None, **values}
    return [d.reason for d in decide(candidates, **asked)]


def test_the_best_comes_first_then_the_newest_then_by_id() -> None:
    found = decided(
        event("b"),
        event("undated", published_at=None),
        event("newer", published_at=T0 + timedelta(hours=1)),
        event("best", 0.9),
        event("a"),
    )
    assert [name for name, _ in found] == ["best", "newer", "a", "b", "undated"]


def test_what_does_not_fit_under_the_cap_is_recorded_with_its_reason() -> None:
    asked = (event("a", 0.9), event("b", 0.8), event("c", 0.7))
    assert decided(*asked, cap=2) == [("a", "sent"), ("b", "sent"), ("c", "over_cap")]
    assert reasons(*asked, cap=2) == [
        "in this mail",
        "in this mail",
        "below the 2 best of this mail",
    ]


def test_an_event_that_was_decided_before_is_left_out_without_a_word() -> None:
    assert decided(event("a"), event("b"), sent={"a": "a"}) == [("b", "sent")]


def test_an_event_that_was_told_under_an_older_id_is_recorded_as_told() -> None:
    assert decided(event("new"), sent={"new": "old"}) == [("new", "already_sent")]
    assert reasons(event("new"), sent={"new": "old"}) == ["told before as old"]


def test_what_goes_on_with_a_story_that_was_told_is_told_and_says_so() -> None:
    follow_up, asked = event("b", story_id="s"), {"stories": {("s", "harbor"): "a"}}
    assert decided(follow_up, **asked) == [("b", "sent")]
    assert reasons(follow_up, **asked) == ["in this mail, as more on a story that was told as a"]
    (found,) = decide([follow_up], sent={}, cap=1, late_before=None, **asked)
    assert found.follows == "a"


def test_of_a_story_in_one_mail_all_but_the_best_are_more_on_it() -> None:
    told = (event("a", 0.6, story_id="s"), event("b", 0.9, story_id="s"))
    assert decided(*told) == [("b", "sent"), ("a", "sent")]
    assert reasons(*told)[1] == "in this mail, as more on a story that was told as b"


def test_a_story_of_another_client_or_one_that_is_not_gone_on_with_is_not_named() -> None:
    asked = {"stories": {("s", "harbor"): "a"}}
    assert reasons(event("b", story_id="s", clients=("kiln",)), **asked) == ["in this mail"]
    apart = {**asked, "goes_on": lambda earlier, _: earlier != "a"}
    assert reasons(event("b", story_id="s"), **apart) == ["in this mail"]


def test_what_was_told_before_takes_no_room_under_the_cap() -> None:
    found = decided(event("a", 0.9), event("b", 0.8), sent={"a": "x"}, cap=1)
    assert found == [("a", "already_sent"), ("b", "sent")]


def test_what_comes_from_a_day_before_the_last_window_is_late() -> None:
    late, due = event("a", 0.9, day=DAY - timedelta(days=1)), event("b", 0.8)
    found = decide([late, due], sent={}, cap=20, late_before=DAY)
    assert [(d.candidate.event_id, d.is_late) for d in found] == [("a", True), ("b", False)]
    assert [d.reason for d in found] == [
        "late: its day came in after an earlier mail",
        "in this mail",
    ]


def test_in_a_persons_first_window_nothing_is_late() -> None:
    (found,) = decide([event("a", day=DAY - timedelta(days=30))], sent={}, cap=20, late_before=None)
    assert not found.is_late


def test_a_person_without_an_address_is_sent_nothing_and_nothing_is_over_the_cap() -> None:
    found = decided(event("a", 0.9), event("b", 0.8), cap=1, has_address=False)
    assert found == [("a", "no_address"), ("b", "no_address")]


_CANDIDATES = st.lists(
    st.builds(
        event,
        st.sampled_from([f"e{n}" for n in range(8)]),
        st.sampled_from([0.5, 0.7, 0.9]),
        story_id=st.sampled_from(["s1", "s2", "s3", "s4"]),
        day=st.sampled_from([DAY, DAY - timedelta(days=1)]),
        published_at=st.sampled_from([None, T0]),
    ),
    unique_by=lambda candidate: candidate.event_id,
    max_size=8,
)
_SENT = st.dictionaries(st.sampled_from(["e0", "e1", "e2"]), st.sampled_from(["e0", "e1", "old"]))


@given(candidates=_CANDIDATES, sent=_SENT, cap=st.integers(1, 4), data=st.data())
@settings(max_examples=100, deadline=None)
def test_decisions_do_not_depend_on_the_order_and_keep_what_a_window_promises(
    candidates: list[Candidate], sent: dict[str, str], cap: int, data: st.DataObject
) -> None:
    def ask(asked: list[Candidate]) -> list[Decided]:
        return decide(asked, sent=sent, stories={("s1", "harbor"): "old"}, cap=cap, late_before=DAY)

    found = ask(candidates)
    assert ask(data.draw(st.permutations(candidates))) == found
    mailed = [d for d in found if d.decision == "sent"]
    assert len(mailed) <= cap
    assert all(d.candidate.event_id not in sent for d in mailed)
    new = {d.candidate.story_id for d in mailed if d.follows is None}
    assert len(new) == sum(d.follows is None for d in mailed)
    assert {d.candidate.story_id for d in mailed} - new <= {"s1"}
    silent = {c.event_id for c in candidates if sent.get(c.event_id) == c.event_id}
    assert {d.candidate.event_id for d in found} == {c.event_id for c in candidates} - silent
    if any(d.decision == "over_cap" for d in found):
        assert len(mailed) == cap
