"""The news that all fakes of search providers tell: for any name and any span the same, at any time.

One story happens to each company in each slot of time. All providers know the same stories under the same addresses,
so that what one finds twice, two find twice. Not here: how a provider words its answers.

What a test may set in `fake.state`:

    fake.state["news"]["minutes"] = 10      # a story every ten minutes; 360 if not set
    fake.state["clock"]["now"] = NOW        # the present; that of the machine if not set
    fake.state["serper"]["key"] = "other"   # the key that is taken; `test-key` if not set
    fake.state["serper"]["left"] = 3        # requests until the account is used up
    fake.state["serper"]["repeat"] = True   # a page that comes twice
    fake.state["serper"]["shift"] = 5       # stories that come in above while pages are read
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar, cast

from clientlore.ids import slug, stable_id
from clientlore.testing.fakes.serving import Fake

KEY = "test-key"
ENGINE = "0123456789abcdef0"
T = TypeVar("T")
CONTACT = "Example Advisors desk@advisors.example"
_OUTLETS = (
    ("Meridian Wire", "meridian-wire.example"),
    ("The Harbour Post", "harbour-post.example"),
    ("Ledger & Line", "ledger-line.example"),
)
_STORIES = (
    ("{name} acquires {other} for ${amount} million", "The takeover gives {name} {count} sites near {city}."),
    ("{name} appoints {person} as chief executive", "The board of {name} names the former head of {other} in {city}."),
    ("{name} raises ${amount} million in a funding round", "A round led by {other} pays for growth around {city}."),
    ("{name} reports quarterly profit of ${amount} million", "Revenue grew by {count} per cent, most of it in {city}."),
    ("{name} opens new plant in {city}", "The expansion adds capacity and {count} jobs, says {person}."),
    ("Regulator opens investigation into {name}", "The probe in {city} concerns {count} contracts with {other}."),
    ("{name} launches product for {city}", "The new model is made with {other} and sells {count} a week."),
    ("{name} and {other} sign supply agreement", "The partnership is worth ${amount} million over {count} months."),
)  # fmt: skip
_CITIES = (
    "Porto",
    "Leeds",
    "Ghent",
    "Lyon",
    "Turin",
    "Aarhus",
    "Kobe",
    "Austin",
    "Recife",
    "Gdansk",
)
_OTHERS = ("Northgate Mills", "Calder Group", "Fjordline", "Osprey Metals", "Quarry Lane", "Belmont Tools")  # fmt: skip
_PEOPLE = ("Ines Duarte", "Tom Vale", "Mara Lindqvist", "Owen Achebe", "Yuki Tanaka", "Lena Brandt")


@dataclass(frozen=True)
class Story:
    """One piece of news, as every provider knows it."""

    story_id: str
    title: str
    text: str
    url: str
    publisher: str
    domain: str
    author: str
    at: datetime


def now_of(fake: Fake) -> datetime:
    """The present of the fakes."""
    return cast("datetime", fake.state["clock"].get("now") or datetime.now(UTC))


def name_in(query: str) -> str:
    """The first phrase of a query."""
    match = re.search(r'"([^"]+)"', query)
    return match[1] if match else query.split(" OR ", maxsplit=1)[0].strip("() ")


def stories(fake: Fake, name: str, start: datetime, end: datetime) -> list[Story]:
    """What happened to a company from an instant to another, newest first."""
    step = cast("int", fake.state["news"].get("minutes", 360)) * 60
    first = -(-int(start.timestamp()) // step)
    last = -(-int(min(end, now_of(fake)).timestamp()) // step)
    return [_story(fake, name, slot * step) for slot in range(last - 1, first - 1, -1)]


def _story(fake: Fake, name: str, second: int) -> Story:
    rng = Random(stable_id(fake.seed, name.lower(), second))
    at = datetime.fromtimestamp(second, UTC)
    title, text = rng.choice(_STORIES)
    facts = {
        "name": name,
        "city": rng.choice(_CITIES),
        "other": rng.choice(_OTHERS),
        "person": rng.choice(_PEOPLE),
        "amount": rng.randrange(11, 990),
        "count": rng.randrange(3, 400),
    }
    told, (publisher, domain) = title.format(**facts), rng.choice(_OUTLETS)
    story_id = stable_id(fake.seed, name.lower(), second, size=6)
    return Story(
        story_id=story_id,
        title=told,
        text=f"{told}. {text.format(**facts)} Reference {story_id}.",
        url=f"https://www.{domain}/{at:%Y/%m/%d}/{slug(told)}-{story_id}",
        publisher=publisher,
        domain=domain,
        author=rng.choice(_PEOPLE),
        at=at,
    )


def page(fake: Fake, part: str, found: Sequence[T], offset: int, size: int) -> list[T]:
    """A page of stories, as unsteady as the part is told to be."""
    state = fake.state[part]
    if state.get("repeat"):
        offset = max(0, offset - size)
    shift = cast("int", state.get("shift", 0)) if offset else 0
    # What came in above since the first page moves all others down.
    return list(found[max(0, offset - shift) : max(0, offset - shift) + size])


def key_is_right(fake: Fake, part: str, given: str | None) -> bool:
    """Whether that is the account's key."""
    return given == fake.state[part].get("key", KEY)


def is_used_up(fake: Fake, part: str) -> bool:
    """Whether the account has nothing left; each call takes one."""
    left = fake.state[part].get("left")
    if left is None:
        return False
    fake.state[part]["left"] = max(0, cast("int", left) - 1)
    return cast("int", left) <= 0


def day(text: str) -> datetime:
    """The first instant of a day, written in ISO 8601 or as `11/20/2026`."""
    form = "%m/%d/%Y" if "/" in text else "%Y-%m-%d"
    return datetime.strptime(text, form).replace(tzinfo=UTC)


def after(text: str) -> datetime:
    """The first instant after a day."""
    return day(text) + timedelta(days=1)
