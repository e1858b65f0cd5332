"""What a sentence says of whom: subject, attribute, value. By rules; None where they do not fit. Pure.

Two sentences about the same subject and attribute are about the same fact: with one value the second says it again,
with another it is a change. Sentences that rules do not take apart are looked at again with what is already known:
a subject and an attribute that both stand in a sentence say where its value is (`mentions`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from clientlore.ids import stable_id
from clientlore.memory.sentences import (
    ASIDE,
    JOINS,
    LEAD,
    LEGAL,
    OF_OWNER,
    OF_SPEAKER,
    PATTERNS,
    SAME,
    TRAIL,
    VERB_NAMES,
)
from clientlore.memory.texts import NEGATIONS, STOP, content, number, plain, words
from clientlore.stemming import stem

_LONGEST_SUBJECT = 6
_LONGEST_VALUE = 12
_LONGEST_REST = 5


@dataclass(frozen=True)
class Fact:
    """What is said of whom, each in one form: lower case, without articles, attributes by their usual name."""

    subject: str
    attribute: str
    value: str

    def key(self, tenant_id: str, owner_id: str) -> str:
        """Hash of whose fact it is and what it is about, whatever its value."""
        return stable_id("fact", tenant_id, owner_id, self.subject, self.attribute)


def parse(text: str, owner_names: Iterable[str] = ()) -> Fact | None:
    """The fact that a sentence states, or None.

    Args:
        text: One sentence; texts of several sentences state no one fact.
        owner_names: How the owner is called: such a subject is the owner.
    """
    told = plain(text).rstrip(" .!;")
    if "?" in told or re.search(r"[.!;] ", told) or NEGATIONS & set(words(told)):
        return None
    told = TRAIL.sub("", LEAD.sub("", told)).strip()
    called = {subject_of(name) for name in owner_names}
    for pattern in PATTERNS:
        found = pattern.match(told)
        if found is None:
            continue
        fact = _usual(subject_of(found["s"], called), found["a"], value_of(found["v"]))
        if fact.subject and fact.attribute and fact.value and _fits(fact):
            return fact
    return None


def subject_of(said: str, owner_names: Iterable[str] = ()) -> str:
    """Whom a sentence is about: the owner for `we` and its names, `i` for the speaker, else the words themselves."""
    name = LEGAL.sub("", plain(said).lower().strip(" ,.:;\"'()"))
    name = re.sub(r"^(?:the|a|an) ", "", name) if name not in OF_OWNER else name
    if name in OF_OWNER or name in set(owner_names):
        return "owner"
    return "i" if name in OF_SPEAKER else name.replace("'s", "").strip()


def attribute_of(said: str) -> str:
    """What of it is told, by its usual name: `chief financial officer` is `cfo`."""
    name = re.sub(r"^(?:the|a|an|its|their|his|her) ", "", plain(said).lower().strip(" ,.:"))
    name = re.sub(r"^(?:is|are|was) ", "", name)
    kept = " ".join(word for word in name.split() if word not in ASIDE)
    if kept in SAME:
        return SAME[kept]
    first = kept.split(" ")[0] if kept else ""
    if first in VERB_NAMES and len(kept.split()) <= 2:
        return VERB_NAMES[first]
    return " ".join(
        sorted(stem(w.replace("favorite", "favourite")) for w in words(kept) if w not in STOP)
    )


def value_of(said: str) -> str:
    """The value in one form: numbers alike however they are written, no article, lower case."""
    name = TRAIL.sub("", plain(said)).lower().strip(" ,.:;\"'()")
    name = re.sub(
        r"^(?:now|currently|at|about|around|roughly|the|a|an|to|in|by|with|called|named) ", "", name
    )
    exact = number(name)
    if exact is not None:
        return exact
    kept = [w for w in words(name) if w not in STOP]
    return " ".join(number(w) or w for w in kept or words(name))


def mentions(  # noqa: PLR0911 - each is a reason of its own
    text: str, fact: Fact, owner_names: Iterable[str] = ()
) -> str | None:
    """The value that a text gives a fact of which something is known; None where it is about something else.

    Subject and attribute must both be named. What is left of the text, without what only joins words, is the value:
    where it is long, or names somebody else's, the text is about something else.
    """
    told = plain(text).rstrip(" .!;")
    if "?" in told or NEGATIONS & set(words(told)):
        return None
    low = TRAIL.sub("", LEAD.sub("", told)).lower()
    if _of_another(low, fact):
        return None
    rest = _without_subject(low, fact.subject, owner_names)
    rest = None if rest is None else _without_attribute(rest, fact.attribute)
    if rest is None:
        return None
    left = [w for w in words(rest) if w not in STOP and w not in ASIDE and w not in JOINS]
    left = _value_among(left, told, fact)
    if not left or len(left) > _LONGEST_REST or re.search(r"'s |s' ", rest):
        return None
    value = " ".join(number(w) or w for w in left)
    known = fact.value
    if value == known or set(content(known)) == set(content(value)):
        return known
    if (number(known.split(" ")[0]) is None) != (number(left[0]) is None):
        return None
    return value


def _value_among(left: list[str], told: str, fact: Fact) -> list[str]:
    """Of the words left, those that look like a value: numbers for a number; else names, where there are any."""
    if number(fact.value.split(" ")[0]) is not None:
        return [w for w in left if number(w) is not None] or left
    named = {w.lower() for w in re.findall(r"(?<=[\w,:;] )([A-Z][\w-]+)", told)}
    return [w for w in left if w in named] or left


def _usual(subject: str, said: str, value: str) -> Fact:
    attribute = attribute_of(said)
    if subject == "owner" and attribute == "home":
        attribute = "hq"  # a company that moves is at home where its office is
    first = value.split(" ", maxsplit=1)[0]
    if attribute == "headcount" and number(first) is not None:
        value = first  # `1,200 people` and `1,200 employees` are as many
    return Fact(subject, attribute, value)


def _without_subject(low: str, subject: str, owner_names: Iterable[str]) -> str | None:
    names = [subject]
    if subject == "owner":
        names = sorted({*(n.lower() for n in owner_names), *OF_OWNER}, key=len, reverse=True)
    elif subject == "i":
        names = sorted(OF_SPEAKER, key=len, reverse=True)
    for name in names:
        cut, found = re.subn(rf"\b{re.escape(name)}\b(?:'s|')?", " ", low, count=1)
        if found:
            return cut
    return None


def _of_another(low: str, fact: Fact) -> bool:
    """Whether the text is about somebody of the subject's: `Anna's sister` where the fact is Anna's."""
    after = re.search(rf"\b{re.escape(fact.subject)}(?:'s|(?<=s)') (\w+)", low)
    if fact.subject == "i":
        after = re.search(r"\bmy (\w+)", low)
    if after is None:
        return False
    known = {
        stem(w) for phrase, name in SAME.items() if name == fact.attribute for w in words(phrase)
    }
    allowed = known | set(fact.attribute.split()) | {stem(w) for w in ASIDE}
    return stem(after[1].replace("favorite", "favourite")) not in allowed


def _without_attribute(low: str, attribute: str) -> str | None:
    same = [phrase for phrase, name in SAME.items() if name == attribute]
    for phrase in sorted(same, key=len, reverse=True):
        cut, found = re.subn(rf"\b{re.escape(phrase)}\b", " ", low, count=1)
        if found:
            return cut
    wanted = set(attribute.split())
    told = low.split()
    here = {stem(w.strip(".,:;'\"").replace("favorite", "favourite")) for w in told}
    if not wanted or not wanted <= here:
        return None
    return " ".join(
        w for w in told if stem(w.strip(".,:;'\"").replace("favorite", "favourite")) not in wanted
    )


def _fits(fact: Fact) -> bool:
    """Whether the parts look like what they should be: a rule may cut a sentence in the wrong place."""
    return (
        len(fact.subject.split()) <= _LONGEST_SUBJECT
        and len(fact.value.split()) <= _LONGEST_VALUE
        and " that " not in f" {fact.subject} "
        and not re.search(r"\b(?:is|are|was|were|has|have)\b", fact.subject)
    )
