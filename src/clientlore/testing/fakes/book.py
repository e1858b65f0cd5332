"""The book of accounts that all fakes of CRMs keep: the same companies, people and activities, each in its own words.

Not here: how a CRM words its answers.

    book = book_of(fake)
    book.put("accounts", 3, owner=2)        # changes a record, or makes a new one without a number
    book.delete("contacts", 7)
    fake.state["clock"]["now"] = NOW        # when it is changed; the machine's present if not set
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Literal, cast

from clientlore.ids import slug
from clientlore.testing.fakes.news import now_of
from clientlore.testing.fakes.serving import Fake

Kind = Literal["accounts", "contacts", "activities"]
OWNERS = {
    1: ("Ann Okafor", "ann@advisors.example"),
    2: ("Bo Lind", "bo@advisors.example"),
    3: ("Cy Moor", "cy@advisors.example"),
}
_FIRST = ("Ines", "Tom", "Mara", "Owen", "Yuki", "Lena", "Paolo", "Nadia")
_LAST = ("Duarte", "Vale", "Lindqvist", "Achebe", "Tanaka", "Brandt", "Ricci", "Haddad")
_ROLES = ("Chief Financial Officer", "Head of Procurement", "Managing Director")
_NAMES = (
    "Harbor Foods Inc", "Vela Logistics SE", "Umbra Power AG", "Kilnworks Ceramics Ltd", "Birchwood Freight Ltd",
    "Calder Instruments GmbH", "Osprey Metals Corp", "Fjordline Shipping AS", "Quarry Lane Homes plc",
    "Belmont Tools LLC", "Northgate Mills SA", "Tidewater Glass BV",
)  # fmt: skip
_INDUSTRIES = ("food production", "logistics", "energy", "ceramics", "freight", "instruments")
_SUBJECTS = ("Quarterly review", "Call about the renewal", "Offer sent", "Visit to the plant")


@dataclass
class Row:
    """A record, with when it was changed last and whether it is deleted."""

    number: int
    told: dict[str, Any]
    created: datetime
    modified: datetime
    deleted: bool = False


@dataclass
class Book:
    """Records of each kind by number."""

    fake: Fake
    rows: dict[Kind, dict[int, Row]] = field(default_factory=dict)

    def put(self, kind: Kind, number: int | None = None, **told: Any) -> int:
        """Makes a record, or changes what is named of one; returns its number."""
        now = now_of(self.fake)
        kept = self.rows.setdefault(kind, {})
        if number is None or number not in kept:
            number = number or max(kept, default=0) + 1
            kept[number] = Row(number, {}, now, now)
        kept[number].told |= told
        kept[number].modified, kept[number].deleted = now, False
        return number

    def delete(self, kind: Kind, number: int) -> None:
        """Deletes a record: it can still be found where deleted ones are asked for."""
        self.rows[kind][number].deleted = True
        self.rows[kind][number].modified = now_of(self.fake)

    def all(self, kind: Kind, *, deleted: bool | None = None) -> Iterator[Row]:
        """The records of a kind by number; only the deleted ones, or only the others, where that is said."""
        for _, row in sorted(self.rows.get(kind, {}).items()):
            if deleted is None or row.deleted == deleted:
                yield row

    def fill(self, accounts: int) -> None:
        """Puts in made-up companies, each with an owner, two people and something that was done."""
        for number in range(1, accounts + 1):
            rng = Random(f"{self.fake.seed} {number}")
            name = _NAMES[number - 1] if number <= len(_NAMES) else f"Account {number} Holdings Ltd"
            domain = f"{slug(name)}.example"
            self.put(
                "accounts", number, name=name, domain=domain, industry=rng.choice(_INDUSTRIES),
                ticker="HRBR" if number == 1 else None, owner=rng.choice(list(OWNERS)),
            )  # fmt: skip
            for one in (2 * number - 1, 2 * number):
                first, last = rng.choice(_FIRST), rng.choice(_LAST)
                self.put(
                    "contacts", one, first=first, last=last, role=rng.choice(_ROLES), account=number,
                    email=f"{first}.{last}{one}@{domain}".lower(), phone=f"+44 20 7946 {one:04}",
                )  # fmt: skip
            self.put(
                "activities", number, account=number, subject=f"{rng.choice(_SUBJECTS)} with {name}",
                text="They compare it with another offer.", type=rng.choice(("call", "email", "meeting")),
                amount=rng.randrange(5, 900) * 1000, at=now_of(self.fake) - timedelta(hours=2),
            )  # fmt: skip


def book_of(fake: Fake, accounts: int = 12) -> Book:
    """The book of a fake; filled with some accounts when it is first asked for."""
    state = fake.state["crm"]
    if "book" not in state:
        state["book"] = Book(fake)
        cast("Book", state["book"]).fill(accounts)
    return cast("Book", state["book"])
