"""Salesforce through its own client, over TLS: three ways to log in, pages, bulk jobs, tokens that end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from clientlore.monitoring import raw
from clientlore.providers.crm import salesforce, salesforce_line
from clientlore.testing.fakes.salesforce import CLIENT_ID, REFRESH, expire
from clientlore.testing.fakes.serving import Asked, Fault
from tests.integration.test_crms import COUNT, desk, fake
from tests.support.crm_desk import CrmDesk

__all__ = ["desk", "fake"]
DATA = "/services/data/v64.0"


def _logins(desk: CrmDesk) -> list[Asked]:
    return desk.fake.asked("/services/oauth2/token")


def _stored(desk: CrmDesk) -> dict[str, str]:
    path = desk.folder / "home" / "tokens" / "salesforce.json"
    return dict(json.loads(path.read_text()))


def _refreshing(desk: CrmDesk) -> None:
    desk.environment |= {"SALESFORCE_REFRESH_TOKEN": REFRESH, "SALESFORCE_DOMAIN": "login"}


def test_client_credentials_log_in_at_ones_own_domain_and_ask_at_the_instance(
    desk: CrmDesk,
) -> None:
    desk.refresh("salesforce")
    (login,) = _logins(desk)
    assert login.headers["host"] == "advisors.my.salesforce.com"
    assert login.headers["authorization"].startswith("Basic ")
    data = desk.fake.asked(DATA)
    assert {a.headers["host"] for a in data} == {"advisors.my.salesforce.com"}
    assert {a.headers["authorization"] for a in data} == {"Bearer test-access-1"}
    assert [a.path for a in data] == [f"{DATA}/query/"] * 2


def test_a_jwt_is_signed_for_the_user_and_the_domain(desk: CrmDesk) -> None:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    path = desk.folder / "app.key"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    desk.fake.state["salesforce"]["public_key"] = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()  # fmt: skip
    desk.environment |= {
        "SALESFORCE_USERNAME": "robot@advisors.example",
        "SALESFORCE_PRIVATE_KEY_FILE": str(path),
        "SALESFORCE_DOMAIN": "login",
        "SALESFORCE_CLIENT_SECRET": "",
    }
    assert desk.refresh("salesforce").accounts == COUNT
    (login,) = _logins(desk)
    assert login.headers["host"] == "login.salesforce.com"

    desk.environment["SALESFORCE_USERNAME"] = "nobody@advisors.example"
    outcome = desk.collect("salesforce")
    assert outcome.error_kind == "authentication"
    assert "hasn't approved this consumer" in str(outcome.error)
    path.write_text("no key")
    outcome = desk.collect("salesforce")
    assert outcome.error_kind == "authentication"
    assert "SALESFORCE_PRIVATE_KEY_FILE" in str(outcome.error)
    path.unlink()
    assert "cannot be read" in str(desk.collect("salesforce").error)


def test_a_token_that_expires_between_pages_is_renewed_and_rotates_and_the_reading_goes_on(
    desk: CrmDesk,
) -> None:
    _refreshing(desk)
    state = desk.fake.state["salesforce"]
    state |= {"page": 3, "expires_after": 2}
    synced = desk.refresh("salesforce")
    assert (synced.accounts, synced.created) == (COUNT, COUNT)
    assert sum(map(len, desk.contacts().values())) == 2 * COUNT
    assert [row["account_id"] for row in desk.rows()].count("001000000000007AAA") == 1
    assert len(_logins(desk)) == 2
    refused = [a for a in desk.fake.asked(DATA) if a.status == 401]
    assert len(refused) == 1
    # The page that was refused, and no other, is asked for again.
    paths = [a.path for a in desk.fake.asked(DATA) if a.path != f"{DATA}/query/"]
    assert len(paths) == len(set(paths)) + 1
    assert _stored(desk)["refresh_token"] == state["refresh"] == "test-refresh-3"
    assert _stored(desk)["access_token"] == "test-access-2"
    mode = (desk.folder / "home" / "tokens" / "salesforce.json").stat().st_mode
    assert oct(mode & 0o777) == "0o600"
    assert desk.state().synced_to == desk.clock.now()

    # The next process takes up the newest, though the environment still says the first.
    desk.later(hours=1)
    desk.refresh("salesforce")
    assert len(_logins(desk)) == 2
    expire(desk.fake)
    desk.later(hours=1)
    desk.refresh("salesforce")
    assert _stored(desk)["refresh_token"] == "test-refresh-4"


def test_a_token_that_expires_during_a_bulk_job_is_renewed(desk: CrmDesk) -> None:
    _refreshing(desk)
    desk.environment["SALESFORCE_BULK_ROWS"] = "10"
    desk.fake.state["salesforce"] |= {"page": 5, "expires_after": 3}
    assert desk.refresh("salesforce").accounts == COUNT
    assert len(_logins(desk)) == 2


def test_a_refresh_token_that_does_not_rotate_is_kept(desk: CrmDesk) -> None:
    _refreshing(desk)
    desk.fake.state["salesforce"]["rotates"] = False
    desk.refresh("salesforce")
    assert _stored(desk)["refresh_token"] == REFRESH


def test_another_token_in_the_environment_takes_the_place_of_the_stored_one(desk: CrmDesk) -> None:
    _refreshing(desk)
    desk.refresh("salesforce")
    desk.environment["SALESFORCE_REFRESH_TOKEN"] = "by-hand-1"
    desk.fake.state["salesforce"]["refresh"] = "by-hand-1"
    desk.later(hours=1)
    desk.refresh("salesforce")
    assert _stored(desk)["refresh_token"] == "by-hand-2"


def test_a_refresh_token_that_is_not_taken_any_more_names_the_command_to_log_in_again(
    desk: CrmDesk,
) -> None:
    _refreshing(desk)
    desk.fake.state["salesforce"]["refresh"] = "somebody-elses-9"
    outcome = desk.collect("salesforce")
    assert (outcome.outcome, outcome.error_kind) == ("failed", "authentication")
    assert "`clientlore crm login`" in str(outcome.error)
    assert REFRESH not in str(outcome.error) + repr(outcome)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ({"SALESFORCE_CLIENT_ID": ""}, "SALESFORCE_CLIENT_ID, which is not set"),
        ({"SALESFORCE_CLIENT_SECRET": ""}, "clientlore crm login"),
        ({"SALESFORCE_DOMAIN": "login"}, "SALESFORCE_DOMAIN of your own"),
        ({"SALESFORCE_CLIENT_SECRET": "a-wrong-secret"}, "Check SALESFORCE_CLIENT_ID and"),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_shown_nowhere(
    desk: CrmDesk, missing: dict[str, str], said: str
) -> None:
    desk.environment |= missing
    outcome = desk.collect("salesforce")
    assert (outcome.outcome, outcome.error_kind) == ("failed", "authentication")
    assert said in str(outcome.error)
    assert "a-wrong-secret" not in repr(outcome) + repr(desk.workspace.settings)
    assert not desk.fake.asked(DATA)


def test_more_rows_than_the_limit_are_fetched_as_a_bulk_job_page_by_page(
    desk: CrmDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.environment["SALESFORCE_BULK_ROWS"] = "10"
    monkeypatch.setattr(salesforce, "BULK_PAGE", 5)
    desk.book.put("accounts", 2, name='Vela "North", Ltd\nand sons', industry=None)
    desk.refresh("salesforce")
    assert 'Vela "North", Ltd and sons' in desk.names()
    assert len(desk.names()) == COUNT
    results = [a for a in desk.fake.asked(f"{DATA}/jobs/query/") if a.path.endswith("results")]
    # Twelve accounts and twenty-four contacts by fives.
    assert [a.query.get("locator") for a in results] == [
        None,
        "5",
        "10",
        None,
        "5",
        "10",
        "15",
        "20",
    ]
    looks = [a for a in desk.fake.asked(f"{DATA}/jobs/query/") if not a.path.endswith("results")]
    assert len(looks) == 4
    kinds = {row["headers"] for row in desk.rows(raw.RESPONSES) if '"bulk"' in row["request"]}
    assert all("text/csv" in kind for kind in kinds)
    asked = [
        json.loads(a.body) for a in desk.fake.asked(f"{DATA}/jobs/query") if a.method == "POST"
    ]
    assert [a["operation"] for a in asked] == ["query", "query"]

    desk.later(hours=1)
    for number in range(1, COUNT):
        desk.book.put("accounts", number, owner=3)
    desk.book.delete("accounts", COUNT)
    desk.refresh("salesforce")
    asked = [
        json.loads(a.body) for a in desk.fake.asked(f"{DATA}/jobs/query") if a.method == "POST"
    ]
    assert asked[-1]["operation"] == "queryAll"
    assert len(desk.names()) == COUNT - 1
    assert set(map(tuple, desk.owners().values())) == {("cy",)}


def test_few_rows_are_fetched_by_pages_that_follow_one_another(desk: CrmDesk) -> None:
    desk.fake.state["salesforce"]["page"] = 5
    desk.refresh("salesforce")
    assert len(desk.names()) == COUNT
    pages = [a.path for a in desk.fake.asked(f"{DATA}/query/01g")]
    assert [path.rsplit("-", 1)[1] for path in pages] == ["5", "10", "5", "10", "15", "20"]
    (first, *_) = desk.fake.asked(f"{DATA}/query/")
    assert first.query["q"].endswith("FROM Account ORDER BY SystemModstamp, Id")
    desk.later(hours=1)
    desk.refresh("salesforce")
    (changed, *_) = desk.fake.asked(f"{DATA}/queryAll/")
    assert "WHERE SystemModstamp >= 2026-11-20T08:55:00" in changed.query["q"]


def test_a_bulk_job_that_fails_or_takes_too_long_is_retriable(
    desk: CrmDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.environment["SALESFORCE_BULK_ROWS"] = "10"
    desk.fake.state["salesforce"]["job"] = "Failed"
    outcome = desk.collect("salesforce")
    assert (outcome.outcome, outcome.error_kind) == ("degraded", "retriable")
    assert "InternalServerError" in str(outcome.error)
    assert desk.state().synced_to is None
    monkeypatch.setattr(salesforce_line, "PATIENCE", 0.3)
    desk.fake.state["salesforce"] |= {"job": "JobComplete", "looks": 10_000}
    outcome = desk.collect("salesforce")
    assert (outcome.outcome, outcome.error_kind) == ("degraded", "retriable")
    assert "takes too long" in str(outcome.error)
    monkeypatch.setattr(salesforce_line, "PATIENCE", 60)
    desk.fake.state["salesforce"]["looks"] = 0
    desk.refresh("salesforce")
    assert len(desk.names()) == COUNT


def test_a_page_that_repeats_itself_ends_the_reading_and_moves_no_mark(desk: CrmDesk) -> None:
    desk.fake.state["salesforce"] |= {"page": 3, "repeat": True}
    outcome = desk.collect("salesforce")
    assert (outcome.outcome, outcome.error_kind) == ("degraded", "bad_data")
    assert desk.state().synced_to is None
    desk.fake.state["salesforce"]["repeat"] = False
    desk.refresh("salesforce")
    assert len(desk.names()) == COUNT


@pytest.mark.parametrize(
    ("said", "kind", "about"),
    [
        (Fault(403, b'[{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "x"}]'), "quota", "used up"),
        (Fault(403, b'[{"errorCode": "API_DISABLED_FOR_ORG", "message": "x"}]'), "authentication", "access to the API"),
        (Fault(400, b'[{"errorCode": "INVALID_FIELD", "message": "No such column"}]'), "permanent", "No such column"),
        (Fault(404, b'[{"errorCode": "NOT_FOUND", "message": "x"}]'), "permanent", "SALESFORCE_API_VERSION"),
    ],
)  # fmt: skip
def test_what_salesforce_says_is_told_with_what_to_do(
    desk: CrmDesk, said: Fault, kind: str, about: str
) -> None:
    desk.fake.fail(DATA, said)
    outcome = desk.collect("salesforce")
    assert (outcome.outcome, outcome.error_kind) == ("failed", kind)
    assert about in str(outcome.error)
    assert len(desk.fake.asked(DATA)) == 1


def test_an_authority_that_is_not_trusted_is_not_asked(desk: CrmDesk, tmp_path: Path) -> None:
    desk.environment["CLIENTLORE_CA_FILE"] = ""
    outcome = desk.collect("salesforce")
    assert (outcome.outcome, outcome.error_kind) == ("failed", "retriable")
    assert "certificate" in str(outcome.error).lower()
    assert not desk.fake.log
    assert CLIENT_ID not in str(outcome.error)
