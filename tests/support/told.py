"""Generated statements of facts: a paraphrase, a changed value, or the same words about another subject; seeded."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from clientlore.memory.statements import Statement

TEMPLATES = (
    "{s}'s {a} is {v}.",
    "The {a} of {s} is {v}.",
    "{s} has {v} as {a}.",
    "{v} is the {a} of {s}.",
)
UNSEEN_TEMPLATES = (
    "{s}'s {a} is {v}.",
    "As of last week, {v} is {s}'s {a}.",
    "We heard that the current {a} of {s} is {v}.",
    "For {s}, {v} is the {a}.",
    "{s} picked {v} as the new {a}.",
    "When asked about {a}, {s} said {v}.",
)
UNTUNED_TEMPLATES = (
    "{s}'s {a} is {v}.",
    "{s} went with {v} for its {a}.",
    "Word is that {v} is now {a} at {s}.",
    "{a} of {s}: {v}.",
    "{s} confirmed {v} as {a}.",
    "Regarding {s}, the {a} will be {v} from now on.",
    "They told me {s} chose {v} as {a}.",
)
"""Written after the rules, and not looked at since."""
_SUBJECTS = ("Harbor Foods", "Anna", "Calder", "Mr Okafor", "Northwind", "Lena Fischer")
_FACTS = {
    "chief financial officer": ("Jane Doe", "Mark Roe", "Ines Silva", "Tom Berg", "Aiko Mori"),
    "favourite drink": ("tea", "coffee", "cider", "cocoa", "water"),
    "preferred supplier": ("Vantis", "Orbital", "Klein and Sons", "Mavera", "Pellworm"),
    "renewal month": ("March", "June", "October", "January", "August"),
    "budget": ("40000", "52000", "61000", "75000", "90000"),
}


@dataclass(frozen=True)
class Case:
    """Two statements; `same` says whether the second tells what the first told."""

    owner: str
    subject: str
    attribute: str
    first: str
    second: str
    same: bool
    values: tuple[str, ...]
    templates: tuple[str, ...]
    seed: int

    def statements(self, start: datetime) -> tuple[Statement, Statement]:
        return (
            Statement(self.owner, self.first, "first", start),
            Statement(self.owner, self.second, "second", start + timedelta(days=3)),
        )

    @property
    def last_value(self) -> str:
        return self.values[0]

    def updates(self, start: datetime, count: int) -> list[Statement]:
        """So many statements of one fact, in the order of time; the last has `last_value`."""
        rng = random.Random(self.seed)
        told = [rng.choice(self.values) for _ in range(count - 1)] + [self.last_value]
        return [
            Statement(
                self.owner,
                (self.templates[0] if n == 0 else rng.choice(self.templates)).format(
                    s=self.subject, a=self.attribute, v=value
                ),
                f"u{n}",
                start + timedelta(days=n),
            )
            for n, value in enumerate(told)
        ]


def cases(templates: Sequence[str], seed: int, count: int) -> Iterator[Case]:
    """Cases in equal parts: a paraphrase, a changed value, another subject. The first template opens each."""
    rng = random.Random(seed)
    for n in range(count):
        subject, other = rng.sample(_SUBJECTS, 2)
        attribute = rng.choice(sorted(_FACTS))
        value, changed = rng.sample(_FACTS[attribute], 2)
        kind = ("same", "change", "other")[n % 3]
        template = rng.choice(templates)
        first = templates[0].format(s=subject, a=attribute, v=value)
        second = template.format(
            s=other if kind == "other" else subject,
            a=attribute,
            v=changed if kind == "change" else value,
        )
        yield Case(
            "owner", subject, attribute, first, second, kind == "same",
            tuple(_FACTS[attribute]), tuple(templates), rng.randrange(10**6),
        )  # fmt: skip
