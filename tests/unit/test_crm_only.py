"""Which accounts of a CRM are wanted: how it is said in a tenant file, and how it is put to Salesforce and HubSpot."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.clock import FrozenClock
from clientlore.control import sources
from clientlore.control.model import Source, SourceState
from clientlore.errors import ConfigurationError, PermanentError
from clientlore.providers.base import Ask
from clientlore.providers.crm.asking import Changes
from clientlore.providers.crm.hubspot_only import Scope
from clientlore.providers.crm.salesforce import question_of
from clientlore.providers.crm.wanted import Only, only_of
from clientlore.testing.fakes import soql
from clientlore.testing.workspaces import open_workspace, put_tenant
from tests.conftest import NOW

needs_salesforce = pytest.mark.skipif(
    find_spec("simple_salesforce") is None, reason="Salesforce is an extra"
)
ALL = Changes(None, None)
SINCE = Changes(datetime(2026, 11, 19, tzinfo=UTC), None)
TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("'\\\"\n\t()"), min_size=1
)
ATTACKS = ["x' OR Name != '", "x\\' OR Name != \\'", "x') ORDER BY Id", "\\", "'", "a\\"]


def _finds(name: str, only: Only, record: dict[str, Any], *, outside: bool = False) -> bool:
    """Whether Salesforce would give a record, as its fake reads the question."""
    changes = SINCE if outside else ALL
    text = question_of(name, changes, only, outside=outside).soql(ordered=True)
    told = {"AccountId": "1", "SystemModstamp": "2026-11-19T12:00:00+00:00", **record}
    return soql.conditions(text.partition(f" FROM {name}")[2])(told.get)


@needs_salesforce
@settings(deadline=None)  # The first one loads the library.
@given(TEXTS | st.sampled_from(ATTACKS), TEXTS)
def test_whatever_a_value_is_salesforce_is_asked_for_that_value_and_no_other(
    value: str, other: str
) -> None:
    only = Only(where={"Type": value})
    assert _finds("Account", only, {"Type": value})
    assert _finds("Account", only, {"Type": other}) == (other.lower() == value.lower())
    assert not _finds("Account", only, {"Type": None})
    assert _finds("Account", only, {"Type": None}, outside=True)
    assert not _finds("Account", only, {"Type": value}, outside=True)
    owners = Only(owners=(value, "ann@desk.example"))
    assert _finds("Contact", owners, {"Account.Owner.Email": value})
    assert not _finds("Contact", owners, {"Account.Owner.Email": f"{value}x", "Name": "x"})


@needs_salesforce
@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ({"Id": "7", "Owner.Email": "Ann@desk.example", "Active__c": True}, True),
        ({"Id": "8", "Owner.Email": "ann@desk.example", "Active__c": True}, False),
        ({"Id": "7", "Owner.Email": "bo@desk.example", "Active__c": True}, False),
        ({"Id": "7", "Owner.Email": "ann@desk.example", "Active__c": False}, False),
    ],
)
def test_all_that_is_said_must_hold_of_an_account_and_else_it_is_outside(
    record: dict[str, Any], wanted: bool
) -> None:
    only = Only(("ann@desk.example",), ("7",), {"Active__c": True})
    assert _finds("Account", only, record) == wanted
    # Another id was never wanted, and is no news.
    assert _finds("Account", only, record, outside=True) == (not wanted and record["Id"] == "7")
    above = {f"Account.{k}": v for k, v in record.items()} | {"AccountId": record["Id"]}
    for name in ("Contact", "Task", "Event"):
        assert _finds(name, only, above) == wanted
    assert _finds("Contact", only, above, outside=True) == (not wanted)
    assert _finds("Contact", only, {"AccountId": None}, outside=True)


@needs_salesforce
def test_of_what_is_outside_salesforce_is_asked_for_no_more_than_ids() -> None:
    asked = question_of("Account", SINCE, Only(owners=("a@x.example",)), outside=True)
    assert asked.soql(ordered=False).startswith("SELECT Id FROM Account WHERE SystemModstamp")


@pytest.mark.parametrize("name", ["Type = 'x' OR Name", "Owner.Email", "Type--", "", "Typé"])
def test_what_is_no_name_of_a_field_reaches_no_crm(name: str, tmp_path: Path) -> None:
    ask = Ask(
        Source("t", "s", "salesforce_accounts", "crm", options={"only": {"where": {name: "x"}}}),
        None, (), NOW.date(), True, SourceState(),
    )  # fmt: skip
    with pytest.raises(PermanentError, match="no name of a field"):
        only_of(ask)
    with (
        open_workspace(tmp_path / "home", FrozenClock(NOW)) as workspace,
        pytest.raises(ConfigurationError, match="where"),
    ):
        put_tenant(workspace, _file(f"{{where: {{{json.dumps(name)}: x}}}}"))


def test_hubspot_is_asked_by_number_of_owner_and_for_what_is_empty_too() -> None:
    scope = Scope(Only(("ann@desk.example",), ("7",), {"active": True}), owners=["3"])
    by_id = {"propertyName": "hs_object_id", "operator": "IN", "values": ["7"]}
    owner = {"propertyName": "hubspot_owner_id", "operator": "IN", "values": ["3"]}
    field = {"propertyName": "active", "operator": "EQ", "value": "true"}
    assert scope.wanted() == [by_id, owner, field]
    assert scope.unwanted() == [
        [by_id, {"propertyName": "hubspot_owner_id", "operator": "NOT_HAS_PROPERTY"}],
        [by_id, {**owner, "operator": "NOT_IN"}],
        [by_id, {"propertyName": "active", "operator": "NOT_HAS_PROPERTY"}],
        [by_id, {**field, "operator": "NEQ"}],
    ]
    with pytest.raises(PermanentError, match="HubSpot knows none of the owners"):
        Scope(Only(("nobody@desk.example",))).wanted()
    many = Scope(Only(), companies=[str(n) for n in range(101)]).contacts()
    assert [len(group[0]["values"]) for group in many] == [100, 1]


def _file(only: str, provider: str = "salesforce", email: str = ", email: Ann@desk.example") -> str:
    more = ", accounts: a.csv" if provider == "files" else ""
    return (
        f"tenant: desk\nname: Desk\nusers: [{{id: ann, name: Ann{email}}}]\n"
        f"crm: {{provider: {provider}, only: {only}{more}}}\n"
    )


@pytest.mark.parametrize(
    ("only", "provider", "said"),
    [
        ("{}", "salesforce", "say which accounts are wanted"),
        ("{owners: users}", "files", "files cannot be told which accounts are wanted"),
        ("{owners: everybody}", "hubspot", "owners"),
        ("{accounts: [\"1' OR Id != '\"]}", "salesforce", "accounts"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_with_the_reason(
    tmp_path: Path, only: str, provider: str, said: str
) -> None:
    with open_workspace(tmp_path / "home", FrozenClock(NOW)) as workspace:
        with pytest.raises(ConfigurationError, match=said):
            put_tenant(workspace, _file(only, provider))
        with pytest.raises(ConfigurationError, match="none of them has a mail address"):
            put_tenant(workspace, _file("{owners: users}", email=""))


def test_the_users_stand_for_their_addresses_and_another_choice_is_read_from_the_beginning(
    tmp_path: Path,
) -> None:
    with open_workspace(tmp_path / "home", FrozenClock(NOW)) as workspace:
        found = []
        for only in ("{owners: users}", "{owners: users, where: {Type: Customer}}"):
            put_tenant(workspace, _file(only))
            with workspace.control.read() as connection:
                found.append(sources.sources_of(connection, "desk"))
    first, second = found
    assert [s.options for s in first] == [{"only": {"owners": ["ann@desk.example"]}}] * 2
    assert {s.options["only"]["where"]["Type"] for s in second} == {"Customer"}
    assert not {s.source_id for s in first} & {s.source_id for s in second}
