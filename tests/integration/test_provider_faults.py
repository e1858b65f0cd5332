"""The fault table: for every provider and every fault what is asked again, what the ledger says, what is kept."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from clientlore.monitoring import raw
from clientlore.testing.fakes.gdelt import SLOW_DOWN
from clientlore.testing.fakes.serving import Fault
from tests.integration.test_search_providers import (
    PAGED,
    PROVIDERS,
    WITH_KEY,
    Desk,
    _many,
    desk,
    fake,
)

__all__ = ["desk", "fake"]
FEEDS = ("google_news",)


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        faults: What the first requests meet.
        asked: How often the provider is asked until it is given up, or answers.
        outcome: The collection's.
        kind: The kind of error in the ledger, if any.
        says: What stands in the error.
        waits: Seconds for which the source is then left alone.
    """

    faults: tuple[Fault, ...]
    asked: int
    outcome: str
    kind: str | None = None
    says: str = ""
    waits: float | None = None


TOO_MANY = Fault(429, b"{}")
TABLE = {
    "429 once, asking for 0 s": Row((Fault(429, b"{}", {"Retry-After": "0"}),), 2, "collected"),
    "429 once, saying nothing": Row((TOO_MANY,), 2, "collected"),
    "429 for ever": Row((TOO_MANY,) * 3, 3, "failed", "retriable", "429"),
    "429, asking for an hour": Row(
        (Fault(429, b"{}", {"Retry-After": "3600"}),), 1, "failed", "retriable", "429", 3_600
    ),
    "503 twice": Row((Fault(503), Fault(503)), 3, "collected"),
    "500 for ever": Row((Fault(500),) * 3, 3, "failed", "retriable", "500"),
    "silence once": Row((Fault(seconds=1.0),), 2, "collected"),
    "silence for ever": Row(
        (Fault(seconds=1.0),) * 3, 3, "failed", "retriable", "did not answer in time"
    ),
    "plain text under 200": Row((Fault(200, b"Service is busy."),), 1, "failed", "bad_data"),
    "half a document": Row((Fault(cut_to=40),), 1, "failed", "bad_data"),
    "nothing under 200": Row((Fault(200, b""),), 1, "failed", "bad_data"),
    "a list where an object should be": Row((Fault(200, b"[1, 2]"),), 1, "failed", "bad_data"),
    "404": Row((Fault(404, b"not here"),), 1, "failed", "permanent", "404"),
    "a redirect elsewhere": Row(
        (Fault(302, b"", {"Location": "http://127.0.0.1:9/"}),), 1, "failed", "permanent", "302"
    ),
    "402": Row((Fault(402, b'{"message": "pay"}'),), 1, "failed", "quota"),
    "401 once": Row((Fault(401, b'{"message": "no"}'),), 1, "failed", "authentication", "401"),
}


def _expected(provider: str, fault: str) -> Row:
    """What is special about a provider."""
    row = TABLE[fault]
    if provider == "gdelt" and fault == "plain text under 200":
        return Row(row.faults, 1, "failed", "permanent", "Service is busy.")
    return row


@pytest.mark.parametrize("fault", TABLE)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_fault_is_retried_or_not_and_noted_and_the_next_collection_mends_it(
    desk: Desk, provider: str, fault: str
) -> None:
    row = _expected(provider, fault)
    desk.environment["CLIENTLORE_HTTP_TIMEOUT"] = "0.4"
    if provider == "edgar":
        # The list of tickers is asked for first, and is not what goes wrong here.
        desk.fake.fail("/edgar/submissions", *row.faults)
    else:
        desk.fake.fail(f"/{provider}/", *row.faults)
    outcome = desk.collect(provider)
    # Tavily's other day came, and of a feed that breaks off what is whole counts.
    in_part = (provider == "tavily" and row.kind == "bad_data") or (
        provider == "google_news" and fault == "half a document"
    )
    wanted = "degraded" if in_part else row.outcome
    assert (outcome.outcome, outcome.error_kind) == (wanted, row.kind)
    asked = desk.asked(provider)
    # Tavily is asked day by day and Hacker News name by name: what fails first is asked no further, what
    # cannot be read is no reason not to.
    more = {"tavily": 1, "hacker_news": 1}.get(provider, 0)
    goes_on = row.outcome == "collected" or row.kind == "bad_data"
    expected = row.asked + (more if goes_on else 0)
    assert not desk.fake.pending()
    if not any(fault.seconds for fault in row.faults):
        # A request whose asker has gone away is not always in the log.
        assert len(asked) == expected
    ledger = desk.ledger()
    assert (ledger["outcome"], ledger["error_kind"]) == (outcome.outcome, row.kind)
    assert row.says in (ledger["error"] or "")
    assert "test-key" not in (ledger["error"] or "")
    if row.outcome == "failed":
        assert desk.state().synced_to is None
    if wanted == "failed":
        assert desk.state().consecutive_failures == 1
    if row.waits is not None:
        assert desk.state().not_before == desk.clock.now() + timedelta(seconds=row.waits)
        assert desk.again(desk.opened[-1]).outcome == "skipped"
        desk.clock.advance(timedelta(seconds=row.waits))

    mended = desk.collect(provider)
    # Tavily numbers its answers, so that no two are the same.
    again = "collected" if provider == "tavily" else "unchanged"
    assert mended.outcome == (again if row.outcome == "collected" else "collected")
    whole = desk.found()
    assert whole
    assert len({r["item_id"] for r in desk.rows()}) == len(whole)
    assert desk.state().synced_to == desk.clock.now()
    assert desk.state().consecutive_failures == 0


LATER = {
    "503 for ever": ((Fault(503),) * 3, "retriable"),
    "429, asking for an hour": ((Fault(429, b"{}", {"Retry-After": "3600"}),), "retriable"),
    "401": ((Fault(401, b"{}"),), "authentication"),
    "half a document": ((Fault(cut_to=50),), "bad_data"),
}


@pytest.mark.parametrize("fault", LATER)
@pytest.mark.parametrize("provider", ["serper", "brave", "newsapi", "gdelt", "tavily"])
def test_what_came_before_a_fault_is_kept_and_asked_for_again_and_kept_once(
    desk: Desk, provider: str, fault: str
) -> None:
    faults, kind = LATER[fault]
    wanted = _many(desk, provider)
    desk.fake.fail(f"/{provider}/", Fault(), *faults)
    outcome = desk.collect(provider)
    assert (outcome.outcome, outcome.error_kind) == ("degraded", kind)
    assert (desk.ledger()["outcome"], desk.ledger()["error_kind"]) == ("degraded", kind)
    assert desk.ledger()["error"]
    before = {row["item_id"] for row in desk.rows()}
    assert len(before) == {**PAGED, "tavily": 20}[provider]
    assert desk.state().synced_to is None

    desk.clock.advance(timedelta(hours=1))
    assert desk.collect(provider).outcome == "collected"
    after = {row["item_id"] for row in desk.rows()}
    if provider == "serper":
        # `3 hours ago` is another instant an hour later where the hour is not full.
        after = {row["origin_id"] for row in desk.rows()}
        assert len(after) == len(wanted)
    else:
        assert before < after
    if provider != "tavily":
        assert {row["url"] for row in desk.rows()} == wanted
    assert len(desk.found()) == len({row["url"] for row in desk.rows()})
    assert desk.state().synced_to == desk.clock.now()


@pytest.mark.parametrize("provider", WITH_KEY)
def test_a_missing_or_wrong_key_names_its_variable_and_what_to_do_and_shows_itself_nowhere(
    desk: Desk, provider: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    variable = {
        "newsapi": "NEWSAPI_KEY",
        "google_search": "GOOGLE_SEARCH_API_KEY",
        "vertex_search": "VERTEX_SEARCH_API_KEY",
    }.get(provider, f"{provider.upper()}_API_KEY")
    desk.environment[variable] = ""
    outcome = desk.collect(provider)
    assert outcome.error_kind == "authentication"
    assert f"needs the variable {variable}, which is not set" in str(outcome.error)
    assert f"Set {variable} in the environment" in str(outcome.error)
    assert desk.asked(provider) == []

    desk.environment[variable] = "a-wrong-secret"
    outcome = desk.collect(provider)
    assert outcome.error_kind == "authentication"
    assert variable in str(outcome.error)
    assert f"Check {variable}" in str(outcome.error)
    assert len(desk.asked(provider)) == 1
    desk.environment[variable] = "test-key"
    assert desk.collect(provider).outcome == "collected"
    told = (
        caplog.text + repr(desk.opened) + repr([row["request"] for row in desk.rows(raw.RESPONSES)])
    )
    told += repr(desk.opened[-1].settings) + repr(outcome)
    assert "a-wrong-secret" not in told
    assert "test-key" not in told


def test_a_key_that_a_server_repeats_is_not_repeated_by_us(desk: Desk) -> None:
    desk.fake.fail("/serper/", Fault(401, b'{"message": "the key test-key is unknown"}'))
    error = str(desk.collect("serper").error)
    assert "the key *** is unknown" in error
    assert "test-key" not in error


@pytest.mark.parametrize("provider", WITH_KEY)
def test_a_used_up_account_is_a_fault_of_its_own_and_is_not_asked_again(
    desk: Desk, provider: str
) -> None:
    desk.fake.state[provider]["left"] = 0
    outcome = desk.collect(provider)
    assert (outcome.outcome, outcome.error_kind) == ("failed", "quota")
    again = desk.again(desk.opened[-1])
    assert (again.outcome, again.error_kind) == ("failed", "quota")
    assert "not asked again before" in str(again.error)
    assert len(desk.asked(provider)) == 1
    desk.fake.state[provider]["left"] = 1_000
    desk.clock.advance(timedelta(minutes=15))
    assert desk.again(desk.opened[-1]).outcome == "collected"


def test_gdelt_that_asks_for_patience_in_plain_text_is_asked_again(desk: Desk) -> None:
    desk.fake.fail("/gdelt/", Fault(200, SLOW_DOWN))
    assert desk.collect("gdelt").outcome == "collected"
    assert len(desk.asked("gdelt")) == 2


@pytest.mark.parametrize(
    ("provider", "path"),
    [("edgar", "/edgar/submissions"), ("edgar_full_text", "/edgar_full_text/LATEST")],
)
def test_the_sec_that_refuses_for_speed_is_left_alone_for_ten_minutes(
    desk: Desk, provider: str, path: str
) -> None:
    said = b"<h1>Request Rate Threshold Exceeded</h1>"
    desk.fake.fail(path, Fault(403, said))
    outcome = desk.collect(provider)
    assert (outcome.outcome, outcome.error_kind) == ("failed", "retriable")
    assert desk.state().not_before == desk.clock.now() + timedelta(minutes=10)


@pytest.mark.parametrize("provider", ["edgar", "edgar_full_text"])
def test_the_sec_is_not_asked_by_who_does_not_say_who_asks(desk: Desk, provider: str) -> None:
    desk.environment["SEC_EDGAR_CONTACT"] = ""
    outcome = desk.collect(provider)
    assert outcome.error_kind == "authentication"
    assert "SEC_EDGAR_CONTACT" in str(outcome.error)
    assert desk.fake.asked("/edgar") == []


def test_a_plan_that_gives_only_a_hundred_articles_is_a_collection_in_part(desk: Desk) -> None:
    desk.fake.state["news"]["minutes"] = 5
    desk.fake.state["newsapi"]["most"] = 100
    outcome = desk.collect("newsapi")
    assert (outcome.outcome, outcome.error_kind) == ("degraded", "permanent")
    assert "limited to a max of 100" in str(outcome.error)
    assert len(desk.rows()) == 100


def test_google_search_warns_of_its_end_once_and_refuses_after_it(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = desk.open("google_search")
    desk.again(workspace)
    desk.again(workspace)
    warned = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert warned == [
        "google_search: it ends on 1 January 2027; move to another provider, such as serper or brave "
        "(42 days left)"
    ]
    desk.clock.at = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    assert desk.again(workspace, desk.clock.at.date()).error_kind is None
    asked = len(desk.asked("google_search"))
    desk.clock.at = datetime(2027, 1, 1, tzinfo=UTC)
    ended = desk.again(workspace, desk.clock.at.date())
    assert (ended.outcome, ended.error_kind) == ("failed", "permanent")
    assert "Google ended the Custom Search API on 1 January 2027" in str(ended.error)
    assert "such as serper or brave" in str(ended.error)
    assert len(desk.asked("google_search")) == asked


def test_google_search_without_its_engine_names_the_variable(desk: Desk) -> None:
    desk.environment["GOOGLE_SEARCH_ENGINE_ID"] = ""
    assert "GOOGLE_SEARCH_ENGINE_ID" in str(desk.collect("google_search").error)
    assert desk.asked("google_search") == []


@pytest.mark.parametrize(
    ("config", "kind", "says"),
    [
        ("", "authentication", "VERTEX_SEARCH_SERVING_CONFIG, which is not set"),
        ("default_search", "permanent", "which is no name of a serving config"),
    ],
)
def test_vertex_search_without_its_serving_config_names_the_variable(
    desk: Desk, config: str, kind: str, says: str
) -> None:
    desk.environment["VERTEX_SEARCH_SERVING_CONFIG"] = config
    outcome = desk.collect("vertex_search")
    assert (outcome.error_kind, says in str(outcome.error)) == (kind, True)
    assert desk.asked("vertex_search") == []


def test_a_data_store_that_takes_no_key_is_told_from_a_key_that_is_wrong(desk: Desk) -> None:
    desk.fake.state["vertex_search"]["private"] = True
    outcome = desk.collect("vertex_search")
    assert outcome.error_kind == "permanent"
    assert "engine of public sites" in str(outcome.error)
