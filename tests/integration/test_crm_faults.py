"""The fault table of the CRMs: for each and every fault what is asked again, what the ledger says, what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from clientlore.monitoring import raw
from clientlore.testing.fakes.salesforce import REFRESH
from clientlore.testing.fakes.serving import Fault
from tests.integration.test_crms import COUNT, CRMS, desk, fake
from tests.support.crm_desk import CrmDesk

__all__ = ["desk", "fake"]
FIRST = {"hubspot": "/hubspot/crm/owners", "salesforce": "/services/data"}
LOGIN = "/services/oauth2/token"
EXPIRED = b'[{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}]'


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        faults: What the first requests meet.
        asked: How often the same thing is asked until it is given up, or answered.
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


TABLE = {
    "429 once, asking for 0 s": Row((Fault(429, b"{}", {"Retry-After": "0"}),), 2, "collected"),
    "429 for ever": Row((Fault(429, b"{}"),) * 3, 3, "failed", "retriable", "429"),
    "429, asking for an hour": Row(
        (Fault(429, b"{}", {"Retry-After": "3600"}),), 1, "failed", "retriable", "429", 3_600
    ),
    "503 twice": Row((Fault(503), Fault(503)), 3, "collected"),
    "500 for ever": Row((Fault(500),) * 3, 3, "failed", "retriable", "500"),
    "silence once": Row((Fault(seconds=1.0),), 2, "collected"),
    "silence for ever": Row(
        (Fault(seconds=1.0),) * 3, 3, "failed", "retriable", "did not answer in time"
    ),
    "plain text under 200": Row((Fault(200, b"Service is busy."),), 1, "degraded", "bad_data"),
    "half a document": Row((Fault(cut_to=40),), 1, "degraded", "bad_data"),
    "nothing under 200": Row((Fault(200, b""),), 1, "degraded", "bad_data"),
    "a list where an object should be": Row((Fault(200, b"[1, 2]"),), 1, "degraded", "bad_data"),
    "404": Row((Fault(404, b"not here"),), 1, "failed", "permanent", "404"),
    "a redirect elsewhere": Row(
        (Fault(302, b"", {"Location": "http://127.0.0.1:9/"}),), 1, "failed", "permanent", "302"
    ),
    "402": Row((Fault(402, b'{"message": "pay"}'),), 1, "failed", "quota"),
    "401 once": Row((Fault(401, b'{"message": "no"}'),), 1, "failed", "authentication", "401"),
    "403": Row((Fault(403, b'{"message": "no"}'),), 1, "failed", "authentication", "403"),
}


def _check(desk: CrmDesk, crm: str, path: str, row: Row) -> None:
    desk.environment["CLIENTLORE_HTTP_TIMEOUT"] = "0.4"
    desk.fake.fail(path, *row.faults)
    outcome = desk.collect(crm)
    assert (outcome.outcome, outcome.error_kind) == (row.outcome, row.kind), outcome.error
    assert not desk.fake.pending()
    if not any(fault.seconds for fault in row.faults):
        # A request whose asker has gone away is not always in the log.
        asked = [a for a in desk.fake.asked(path) if a.path == desk.fake.asked(path)[0].path]
        others = {"hubspot": 1, "salesforce": 1}[crm] if row.outcome != "failed" else 0
        # After the first page of owners comes a second; after accounts come contacts.
        goes_on = others if path != LOGIN and not (crm == "hubspot" and row.kind) else 0
        assert len(asked) == row.asked + goes_on
    ledger = desk.ledger()
    assert (ledger["outcome"], ledger["error_kind"]) == (row.outcome, row.kind)
    assert row.says in (ledger["error"] or "")
    for secret in ("test-key", "test-access", REFRESH):
        assert secret not in (ledger["error"] or "")
    if row.kind is not None:
        assert desk.state().synced_to is None
        assert desk.sync().created in {0, COUNT}
    if row.waits is not None:
        assert desk.state().not_before == desk.clock.now() + timedelta(seconds=row.waits)
        assert desk.again().outcome == "skipped"
        desk.later(seconds=row.waits)

    desk.environment["CLIENTLORE_HTTP_TIMEOUT"] = "5"
    mended = desk.collect(crm)
    assert mended.error is None
    desk.sync()
    assert len(desk.names()) == COUNT
    assert sum(map(len, desk.contacts().values())) == 2 * COUNT
    assert len(desk.owners()) == COUNT
    assert desk.state().synced_to == desk.clock.now()
    assert desk.state().consecutive_failures == 0


@pytest.mark.parametrize("fault", TABLE)
@pytest.mark.parametrize("crm", CRMS)
def test_a_fault_is_retried_or_not_and_noted_and_the_next_collection_mends_it(
    desk: CrmDesk, crm: str, fault: str
) -> None:
    _check(desk, crm, FIRST[crm], TABLE[fault])


@pytest.mark.parametrize("fault", TABLE)
def test_a_fault_of_the_login_is_a_fault_of_the_collection(desk: CrmDesk, fault: str) -> None:
    row = TABLE[fault]
    if row.outcome == "degraded":
        # Without a token nothing is asked for.
        row = Row(row.faults, row.asked, "failed", row.kind)
    desk.environment |= {"SALESFORCE_REFRESH_TOKEN": REFRESH, "SALESFORCE_DOMAIN": "login"}
    if fault in {"half a document", "silence once", "silence for ever"}:
        # The answer is lost, and with it the token that it brought: this one does not rotate.
        desk.fake.state["salesforce"]["rotates"] = False
    _check(desk, "salesforce", LOGIN, row)


def test_a_session_that_is_refused_once_is_renewed_and_one_that_is_refused_twice_is_not(
    desk: CrmDesk,
) -> None:
    desk.fake.fail("/services/data", Fault(401, EXPIRED))
    assert desk.collect("salesforce").outcome == "collected"
    assert len(desk.fake.asked(LOGIN)) == 2
    desk.fake.fail("/services/data", Fault(401, EXPIRED), Fault(401, EXPIRED))
    outcome = desk.collect("salesforce")
    assert (outcome.outcome, outcome.error_kind) == ("failed", "authentication")
    assert "session policy" in str(outcome.error)


LATER = {
    "503 for ever": ((Fault(503),) * 3, "retriable"),
    "429, asking for an hour": ((Fault(429, b"{}", {"Retry-After": "3600"}),), "retriable"),
    "401": ((Fault(401, b"{}"),), "authentication"),
    "half a document": ((Fault(cut_to=50),), "bad_data"),
}


@pytest.mark.parametrize("fault", LATER)
@pytest.mark.parametrize("crm", CRMS)
def test_what_came_before_a_fault_is_kept_and_nobody_is_missing_or_there_twice_after_it(
    desk: CrmDesk, crm: str, fault: str
) -> None:
    faults, kind = LATER[fault]
    desk.book.fill(230)
    desk.fake.state["salesforce"]["page"] = 200
    path = {"hubspot": "/hubspot/crm/objects/2026-09/companies", "salesforce": "/services/data"}
    desk.fake.fail(path[crm], Fault(), *faults)
    outcome = desk.collect(crm)
    assert (outcome.outcome, outcome.error_kind) == ("degraded", kind)
    assert (desk.ledger()["outcome"], desk.ledger()["error_kind"]) == ("degraded", kind)
    assert len(desk.rows()) == 200
    assert desk.state().synced_to is None
    assert desk.sync().created == 200

    desk.later(hours=1)
    assert desk.collect(crm).error is None
    assert desk.sync().created == 30
    assert len(desk.names()) == 230
    assert sum(map(len, desk.contacts().values())) == 460
    assert {row["account_id"] for row in desk.rows()} >= {
        row["account_id"] for row in desk.rows(raw.CRM_CONTACTS)
    }
    assert desk.state().synced_to == desk.clock.now()
