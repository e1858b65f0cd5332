"""HubSpot, and what only it does: searches that end at 10,000 results, owners and archived records in lists."""

from __future__ import annotations

import json

from clientlore.monitoring import raw
from tests.integration.test_crms import desk, fake
from tests.support.crm_desk import CrmDesk

__all__ = ["desk", "fake"]
OBJECTS = "/hubspot/crm/objects/2026-09"


def _searches(desk: CrmDesk, kind: str) -> list[dict[str, object]]:
    return [json.loads(a.body) for a in desk.fake.asked(f"{OBJECTS}/{kind}/search")]


def test_more_than_ten_thousand_companies_are_read_each_once(desk: CrmDesk) -> None:
    desk.book.rows["contacts"].clear()
    for number in range(13, 10_451):
        desk.book.put("accounts", number, name=f"Company {number}", owner=1 + number % 3)
    outcome = desk.collect("hubspot")
    assert (outcome.outcome, outcome.error) == ("collected", None)
    ids = [row["account_id"] for row in desk.rows()]
    assert len(ids) == len(set(ids)) == 10_450
    searches = _searches(desk, "companies")
    # A page whose answer came too late is asked for again.
    assert len({json.dumps(s["filterGroups"]) for s in searches}) == 53
    assert {s["limit"] for s in searches} == {200}
    assert all("after" not in s for s in searches)


def test_each_page_asks_for_what_comes_after_the_last_id_so_that_pages_cannot_shift(
    desk: CrmDesk,
) -> None:
    desk.book.fill(450)
    desk.refresh("hubspot")
    groups = [s["filterGroups"] for s in _searches(desk, "companies")]
    after = [
        f["value"]
        for group in groups
        for f in group[0]["filters"]  # type: ignore[index]
        if f["propertyName"] == "hs_object_id"
    ]
    assert after == ["200", "400"]
    assert len(desk.names()) == 450
    (asked, *more) = desk.fake.asked("/hubspot/crm/owners/2026-09")
    assert asked.headers["authorization"] == "Bearer test-key"
    # A page of owners has two, and there are three.
    assert [a.query.get("after") for a in (asked, *more)] == [None, "2"]
    assert [row["owner_id"] for row in desk.rows(raw.CRM_OWNERS)].count("3") == 1


def test_changes_are_asked_for_with_an_overlap_and_archived_ones_are_listed(desk: CrmDesk) -> None:
    desk.refresh("hubspot")
    first = len(_searches(desk, "companies"))
    assert desk.fake.asked(f"{OBJECTS}/companies") == desk.fake.asked(f"{OBJECTS}/companies/search")
    mark = desk.state().synced_to
    assert mark is not None
    desk.later(hours=1)
    desk.refresh("hubspot")
    (search,) = _searches(desk, "companies")[first:]
    (changed,) = search["filterGroups"][0]["filters"]  # type: ignore[index]
    assert changed["propertyName"] == "hs_lastmodifieddate"
    assert int(changed["value"]) == int((mark.timestamp() - 300) * 1000)
    listed = [a for a in desk.fake.asked(f"{OBJECTS}/") if a.method == "GET"]
    assert [a.path.rsplit("/", 1)[1] for a in listed] == ["companies", "contacts"]
    assert {a.query["archived"] for a in listed} == {"true"}


def test_a_page_that_repeats_itself_ends_the_reading_and_moves_no_mark(desk: CrmDesk) -> None:
    desk.book.fill(450)
    desk.fake.state["hubspot"]["repeat"] = True
    outcome = desk.collect("hubspot")
    assert (outcome.outcome, outcome.error_kind) == ("degraded", "bad_data")
    assert "given before" in str(outcome.error)
    assert desk.state().synced_to is None
    desk.fake.state["hubspot"]["repeat"] = False
    desk.refresh("hubspot")
    assert len(desk.names()) == 450


def test_a_record_that_the_search_finds_late_is_found_within_the_overlap(desk: CrmDesk) -> None:
    desk.later(minutes=58)
    late = desk.book.put("accounts", name="Saltmarsh Foods Ltd", owner=1)
    desk.fake.state["hubspot"]["hidden"] = (late,)
    desk.later(minutes=2)
    desk.refresh("hubspot")
    assert "Saltmarsh Foods Ltd" not in desk.names()
    desk.fake.state["hubspot"]["hidden"] = ()
    desk.later(minutes=30)
    desk.refresh("hubspot")
    assert "Saltmarsh Foods Ltd" in desk.names()


def test_the_version_of_the_paths_is_a_setting_and_a_wrong_one_says_so(desk: CrmDesk) -> None:
    desk.environment["HUBSPOT_API_VERSION"] = "v3"
    desk.refresh("hubspot")
    assert desk.fake.asked("/hubspot/crm/v3/objects/companies/search")
    assert desk.fake.asked("/hubspot/crm/v3/owners")
    assert not desk.fake.asked(OBJECTS)
    desk.environment["HUBSPOT_API_VERSION"] = "2031-03"
    outcome = desk.collect("hubspot")
    assert (outcome.outcome, outcome.error_kind) == ("failed", "permanent")
    assert "HUBSPOT_API_VERSION" in str(outcome.error)


def test_the_limit_of_the_day_is_a_quota_and_that_of_a_second_is_waited_for(desk: CrmDesk) -> None:
    desk.fake.state["hubspot"]["left"] = 0
    outcome = desk.collect("hubspot")
    assert (outcome.outcome, outcome.error_kind) == ("failed", "quota")
    assert len(desk.fake.asked("/hubspot/")) == 1
    assert desk.again().error_kind == "quota"
    assert len(desk.fake.asked("/hubspot/")) == 1


def test_a_missing_or_wrong_token_names_the_variable(desk: CrmDesk) -> None:
    desk.environment["HUBSPOT_ACCESS_TOKEN"] = ""
    outcome = desk.collect("hubspot")
    assert outcome.error_kind == "authentication"
    assert "HUBSPOT_ACCESS_TOKEN, which is not set" in str(outcome.error)
    desk.environment["HUBSPOT_ACCESS_TOKEN"] = "a-wrong-secret"
    outcome = desk.collect("hubspot")
    assert outcome.error_kind == "authentication"
    assert "Check HUBSPOT_ACCESS_TOKEN" in str(outcome.error)
    assert "a-wrong-secret" not in str(outcome.error) + repr(outcome)
