"""A CRM of which only some accounts are wanted, against its fake."""

from __future__ import annotations

import pytest

from clientlore.monitoring import raw
from tests.integration.test_crms import CRMS, desk, fake
from tests.support.crm_desk import CrmDesk

__all__ = ["desk", "fake"]
FIELD = {"salesforce": "Type", "hubspot": "lifecyclestage"}


@pytest.mark.parametrize("crm", CRMS)
def test_only_wanted_accounts_become_clients_and_those_that_come_and_go_are_followed(
    desk: CrmDesk, crm: str
) -> None:
    kept = {FIELD[crm]: "customer"}
    for number in (1, 2, 3, 4):
        desk.book.put("accounts", number, owner=1 if number < 4 else 2, custom=kept)
    for number in range(5, 13):
        desk.book.put("accounts", number, owner=1)
    names = {n: desk.book.rows["accounts"][n].told["name"] for n in range(1, 13)}
    desk.only = f"{{owners: [ann@advisors.example], where: {{{FIELD[crm]}: customer}}}}"
    assert desk.refresh(crm).rejects == ()
    assert desk.names() == {names[1], names[2], names[3]}
    # Nothing else was ever here.
    assert {row["name"] for row in desk.rows()} == desk.names()
    assert len(desk.rows(raw.CRM_CONTACTS)) == 6

    desk.later(hours=2)
    desk.book.put("accounts", 1, owner=3)
    desk.book.put("accounts", 2, custom={})
    desk.book.put("accounts", 4, owner=1)
    desk.book.put("accounts", 12, domain="elsewhere.example")
    desk.refresh(crm)
    assert desk.names() == {names[3], names[4]}
    contacts = desk.contacts()
    (come,) = (c.client_id for c in desk.clients() if c.name == names[4])
    assert len(contacts[come]) == 2
    assert names[12] not in {row["name"] for row in desk.rows()}

    desk.only = ""
    desk.refresh(crm)
    assert desk.names() == set(names.values())
