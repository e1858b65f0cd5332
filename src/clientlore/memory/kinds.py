"""What memories can be: their kinds, their tiers of security, how long each stays fresh, and rules that tell kinds.

The labels are closed: whatever is not among them is refused where it comes in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

HALF_LIFE_DAYS: Mapping[str, float] = {
    "fact": 180.0,
    "preference": 180.0,
    "relationship": 365.0,
    "procedure": 365.0,
    "goal": 90.0,
    "decision": 180.0,
    "opinion": 90.0,
    "task": 30.0,
    "context": 30.0,
    "event": 60.0,
    "activity": 60.0,
    "summary": 365.0,
}
"""Days after which a memory that nobody told again counts half, by kind."""
KINDS = tuple(HALF_LIFE_DAYS)
Tier = Literal["general", "confidential", "secret", "ultra_secret"]
TIERS: tuple[str, ...] = get_args(Tier)
"""Tiers of security, the most open first."""
OPEN: tuple[str, ...] = TIERS[:2]
"""Tiers whose texts may be shown to a language model."""
IMPORTANCE = 0.5
"""Of 0 to 1, for a memory of which nobody said how important it is."""
OTHER_HALF_LIFE = 60.0
METHOD = "rules"
DOCUMENT, PASSAGE = "document", "passage"
"""Kinds of what somebody gave word for word: found like everything else, and left alone by upkeep."""

_RULES = (
    ("task", r"\b(?:to-?do|must|needs? to|has to|have to|deadline|due (?:on|by)|follow(?:ing)? up|remind(?:er)?|"
     r"action item|send (?:him|her|them)|call back)\b"),
    ("preference", r"\b(?:prefers?|preferred|favou?rites?|likes?|loves?|enjoys?|dislikes?|hates?|rather|"
     r"can(?:no|')t stand|fond of|fan of)\b"),
    ("goal", r"\b(?:wants? to|plans? to|aims? to|hopes? to|goals?|target(?:s|ing)?|intends? to|wishes to|aspires?)\b"),
    ("relationship", r"\b(?:married|wife|husband|brother|sister|daughter|son|mother|father|partner(?:s|ed)? (?:of|with)"
     r"|colleague|friends? (?:of|with)|reports? to|works? with|knows|supplier of|subsidiary of|parent company)\b"),
    ("procedure", r"\b(?:first\b.{0,80}\bthen|step \d|how to|in order to|the process (?:is|for))\b"),
    ("event", r"\b(?:yesterday|announced|opened|launched|acquired|met|attended|visited|signed|closed|resigned|"
     r"happened|took place|last (?:week|month|year|night)|(?:on|in) (?:january|february|march|april|may|june|july|"
     r"august|september|october|november|december))\b"),
    ("fact", r"\b(?:is|are|was|were|has|have|based in|located|employs|founded)\b"),
)  # fmt: skip
_COMPILED = tuple((kind, re.compile(rule, re.IGNORECASE)) for kind, rule in _RULES)


@dataclass(frozen=True)
class Classified:
    """What kind a text is.

    Attributes:
        method: Who said so.
        confidence: 0 to 1; None until somebody judged who can tell.
    """

    kind: str
    method: str
    confidence: float | None


def classify(text: str) -> Classified:
    """The kind of a text by the first rule that fits; `context` where none does. Rules claim no confidence."""
    for kind, rule in _COMPILED:
        if rule.search(text):
            return Classified(kind, METHOD, None)
    return Classified("context", METHOD, None)
