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
from clientlore.memory.texts import NEGATIONS, STOP, content, number, plain, stem, words

_OF_OWNER = frozenset({"we", "our", "us", "it", "its", "the company", "the client", "they", "their"})
_OF_SPEAKER = frozenset({"i", "my", "me", "mine", "the user", "user"})
_LEGAL = re.compile(
    r"[, ]+(?:inc|ltd|llc|plc|corp|corporation|company|co|gmbh|ag|sa|bv|nv|oy|ab|spa)\.?$", re.IGNORECASE
)  # fmt: skip
_SAME: dict[str, str] = {
    phrase: name
    for name, phrases in {
        "cfo": "chief financial officer|finance chief|cfo|head of finance|finance director",
        "ceo": "chief executive officer|chief executive|ceo",
        "cto": "chief technology officer|cto|technology chief",
        "coo": "chief operating officer|coo",
        "hq": "headquarters|head office|hq|main office|base|headquartered|based|headquarter",
        "headcount": "headcount|employees|number of employees|staff|workforce|employs|people|head count",
        "employer": "employer|works at|works for|work at|work for|workplace",
        "home": "home|lives in|live in|resides in|residence|home town|hometown|city",
        "email": "email|e-mail|email address|e-mail address|mail address",
        "phone": "phone|phone number|telephone|telephone number|number",
        "revenue": "revenue|turnover|annual revenue|yearly revenue|sales",
        "spouse": "spouse|wife|husband|married to|is married to",
        "manager": "manager|boss|supervisor|reports to",
    }.items()
    for phrase in phrases.split("|")
}
_ASIDE = frozenset(
    "new current currently now latest present own official officially actual main sole today's "
    "named called appointed said says according update news recently former again still".split()
)
_LEAD = re.compile(
    r"^(?:(?:as of|since|from|effective|starting|in|on|by)\s[^,]{1,40},\s*"
    r"|(?:update|note|fyi|news|correction|reminder|info)\s*[:,-]\s*"
    r"|(?:actually|now|today|currently|recently|also|so|well|apparently|meanwhile|officially),?\s+"
    r"|according to [^,]{1,60},\s*"
    r"|(?:i|we|they|he|she|people|sources) (?:just )?(?:heard|learned|learnt|think|believe|understand|note|noted|said|"
    r"say|says|confirmed|(?:was|were) told|told us|told me|report|reported) (?:that )?"
    r"|(?:it (?:turns out|seems|is said|was announced|is known)|word is|please note|note|remember) (?:that )?)+",
    re.IGNORECASE,
)
_TRAIL = re.compile(
    r"(?:,?\s*\(?(?:now|nowadays|currently|today|these days|at the moment|at present|again|instead|these days|"
    r"right now|any ?more|as well|since [^,.]+|as of [^,.]+|effective [^,.]+|from now on|"
    r"according to [^,.]+|they (?:said|say)|we (?:heard|hear|were told))\)?)+$",
    re.IGNORECASE,
)
_ADVERB = r"(?:now |currently |still |again |today |recently |at present |officially |actually |just )?"
_BE = (
    r"(?:(?:was|were|has been|is|are) (?:raised|lowered|cut|moved|changed|set|increased|reduced|switched|updated) "
    r"(?:from .+? )?(?:to|at)|is|are|was|were|'s|becomes?|became|has become|have become|remains?|stays?|has been|equals|reads|"
    r"stands? at|changed to|has changed to|(?:has )?moved to|switched to|rose to|fell to|grew to|went to|"
    r"is set (?:at|to)|was set to|will be|turned into|:|=) " + _ADVERB + r"(?:at |to |called |named )?"
)
_IS = (
    r"(?:is|was|are|were|becomes?|became|has become|has been (?:named|appointed|made)|was (?:named|appointed|made)|"
    r"serves as|acts as|works as|took over as|takes over as|joins as|joined as|remains|will be) " + _ADVERB
)
_A = r"(?P<a>[^\W\d][\w'&/-]*(?: [\w'&/-]+){0,3}?)"
_NEW = r"(?:a |an |the |its |their |his |her )?(?:new |current |latest |own |official |next )?"
_GIVES = (
    r"(?:named|names|appointed|appoints|hired|hires|chose|chooses|picked|made|elected|promoted|selected|got|"
    r"has chosen|has named|has appointed|has hired|has picked|has|have|had|set|uses)"
)
_VERBS = (
    r"(?P<a>works? (?:at|for)|lives? in|resides? in|(?:is |are |was )?(?:based|headquartered|located) (?:in|at)|"
    r"moved to|relocated to|prefers|banks with|is married to|reports to|employs|drives|speaks|studies at|"
    r"supports|roots for|plays for|belongs to|buys from|is owned by|is insured by|is audited by|flies with)"
)
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^(?:the )?{_NEW}{_A} (?:of|at|for) (?P<s>[^,]+?),? {_BE}(?P<v>.+)$",
        rf"^(?P<s>.+?)(?:'s|(?<=s)') {_NEW}{_A} {_BE}(?P<v>.+)$",
        rf"^(?P<s>my|our|their|its|his|her) {_NEW}{_A} {_BE}(?P<v>.+)$",
        rf"^(?P<v>[^']+?) {_IS}(?P<s>.+?)(?:'s|(?<=s)') {_NEW}{_A}$",
        rf"^(?P<v>[^']+?) {_IS}(?P<s>my|our|their|its) {_NEW}{_A}$",
        rf"^(?P<v>.+?) {_IS}{_NEW}{_A} (?:of|at|for) (?P<s>.+)$",
        rf"^(?P<s>.+?) {_ADVERB}{_GIVES} (?P<v>.+?) (?:as|to be|for|in the role of) {_NEW}{_A}$",
        rf"^(?P<s>.+?) {_ADVERB}(?:has|have|reports|shows) (?P<v>\d[\d.,]*\s?(?:k|m|bn|million|billion)?) {_A}$",
        rf"^(?P<s>.+?) {_ADVERB}(?:has|have|reports|shows) {_NEW}{_A} of (?P<v>.+)$",
        r"^(?P<s>.+?) (?:has )?(?:changed|moved|switched|raised|lowered|cut|set|updated|shifted|transferred) "
        rf"(?:its |their |his |her |the )?{_A} (?:from .+? )?(?:to|at) (?P<v>.+)$",
        rf"^(?P<s>.+?) {_ADVERB}{_VERBS} {_ADVERB}(?P<v>.+)$",
        rf"^(?P<s>my|our) {_A} (?P<v>.+)$",
    )
)
_VERB_NAMES = {
    "works": "employer", "work": "employer", "lives": "home", "live": "home", "resides": "home", "moved": "home",
    "relocated": "home", "based": "hq", "headquartered": "hq", "located": "hq", "employs": "headcount",
    "reports": "manager", "married": "spouse",
}  # fmt: skip
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
    told = _TRAIL.sub("", _LEAD.sub("", told)).strip()
    called = {subject_of(name) for name in owner_names}
    for pattern in _PATTERNS:
        found = pattern.match(told)
        if found is None:
            continue
        fact = _usual(subject_of(found["s"], called), found["a"], value_of(found["v"]))
        if fact.subject and fact.attribute and fact.value and _fits(fact):
            return fact
    return None


def subject_of(said: str, owner_names: Iterable[str] = ()) -> str:
    """Whom a sentence is about: the owner for `we` and its names, `i` for the speaker, else the words themselves."""
    name = _LEGAL.sub("", plain(said).lower().strip(" ,.:;\"'()"))
    name = re.sub(r"^(?:the|a|an) ", "", name) if name not in _OF_OWNER else name
    if name in _OF_OWNER or name in set(owner_names):
        return "owner"
    return "i" if name in _OF_SPEAKER else name.replace("'s", "").strip()


def attribute_of(said: str) -> str:
    """What of it is told, by its usual name: `chief financial officer` is `cfo`."""
    name = re.sub(r"^(?:the|a|an|its|their|his|her) ", "", plain(said).lower().strip(" ,.:"))
    name = re.sub(r"^(?:is|are|was) ", "", name)
    kept = " ".join(word for word in name.split() if word not in _ASIDE)
    if kept in _SAME:
        return _SAME[kept]
    first = kept.split(" ")[0] if kept else ""
    if first in _VERB_NAMES and len(kept.split()) <= 2:
        return _VERB_NAMES[first]
    return " ".join(
        sorted(stem(w.replace("favorite", "favourite")) for w in words(kept) if w not in STOP)
    )


def value_of(said: str) -> str:
    """The value in one form: numbers alike however they are written, no article, lower case."""
    name = _TRAIL.sub("", plain(said)).lower().strip(" ,.:;\"'()")
    name = re.sub(
        r"^(?:now|currently|at|about|around|roughly|the|a|an|to|in|by|with|called|named) ", "", name
    )
    exact = number(name)
    if exact is not None:
        return exact
    kept = [w for w in words(name) if w not in STOP]
    return " ".join(number(w) or w for w in kept or words(name))


def mentions(text: str, fact: Fact, owner_names: Iterable[str] = ()) -> str | None:
    """The value that a text gives a fact of which something is known; None where it is about something else.

    Subject and attribute must both be named. What is left of the text, without what only joins words, is the value:
    where it is long, or names somebody else's, the text is about something else.
    """
    told = plain(text).rstrip(" .!;")
    if "?" in told or NEGATIONS & set(words(told)):
        return None
    low = _TRAIL.sub("", _LEAD.sub("", told)).lower()
    if _of_another(low, fact):
        return None
    rest = _without_subject(low, fact.subject, owner_names)
    rest = None if rest is None else _without_attribute(rest, fact.attribute)
    if rest is None:
        return None
    left = [w for w in words(rest) if w not in STOP and w not in _ASIDE and w not in _JOINS]
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


_JOINS = frozenset(
    "asked asking question answered answers told says stated mentioned regards respect terms matter topic "
    "took takes over role position post job serves serve served acts acting works working joins joined goes went "
    "moved moves changed changes switched switches became becomes become remains stays stands set hired hires "
    "appoints picks picked chose chosen elected promoted made gets got holds held fills filled counts count listed "
    "runs lists reads reports reported shows stated known considered based has uses value answer comes since means "
    "we were told heard learned confirmed it seems turns out that as of regarding concerning about for filling "
    "person whoever place will going go".split()
)


def _usual(subject: str, said: str, value: str) -> Fact:
    attribute = attribute_of(said)
    if subject == "owner" and attribute == "home":
        attribute = "hq"  # a company that moves is at home where its office is
    first = value.split(" ")[0]
    if attribute == "headcount" and number(first) is not None:
        value = first  # `1,200 people` and `1,200 employees` are as many
    return Fact(subject, attribute, value)


def _without_subject(low: str, subject: str, owner_names: Iterable[str]) -> str | None:
    names = [subject]
    if subject == "owner":
        names = sorted({*(n.lower() for n in owner_names), *_OF_OWNER}, key=len, reverse=True)
    elif subject == "i":
        names = sorted(_OF_SPEAKER, key=len, reverse=True)
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
    known = {stem(w) for phrase, name in _SAME.items() if name == fact.attribute for w in words(phrase)}
    allowed = known | set(fact.attribute.split()) | {stem(w) for w in _ASIDE}
    return stem(after[1].replace("favorite", "favourite")) not in allowed


def _without_attribute(low: str, attribute: str) -> str | None:
    same = [phrase for phrase, name in _SAME.items() if name == attribute]
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
