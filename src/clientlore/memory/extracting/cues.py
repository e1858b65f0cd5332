"""What in an English sentence says that it is worth remembering, and as what. Tables alone; `rules` uses them.

The order counts: the first cue that a sentence has decides. What binds somebody comes before what somebody likes, and
what was settled before what somebody thinks; a plain statement is a fact only where it names or counts something.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_DUE = (
    r"(?:\b(?:by|before|until|no later than|due|within) (?:the )?(?:end of|close of|next|this|monday|tuesday|wednesday|"
    r"thursday|friday|saturday|sunday|tomorrow|tonight|noon|mid|early|late|month|week|year|q[1-4]|january|february|"
    r"march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sep|oct|nov|dec|"
    r"\d))"
)
_DOES = (
    r"(?:send|share|call|ring|email|mail|deliver|provide|prepare|review|write|update|schedule|book|draft|follow|check|"
    r"fix|finish|submit|return|bring|get|give|set|make|take|attend|join|visit|meet|move|route|restructure|re-?run|"
    r"migrate|restart|test|document|confirm|come back|circle back|look into|put|arrange|organi[sz]e|present|report|"
    r"reply|respond|forward|sign|pay|ship|install|complete|add|remove|revise|rewrite|reach out|introduce|invite)"
)


@dataclass(frozen=True)
class Cue:
    """A pattern by which a sentence is of a kind.

    Attributes:
        name: Which cue, for those who look at why.
        confidence: How often such a sentence is one that people remembered, and as that; see `docs/memory.md`.
    """

    kind: str
    name: str
    pattern: re.Pattern[str]
    confidence: float


def _cue(kind: str, name: str, pattern: str, confidence: float) -> Cue:
    return Cue(kind, name, re.compile(pattern, re.IGNORECASE), confidence)


SURE, UNSURE = 0.80, 0.29
"""(right + 1) / (found + 2) on the part of the labelled set that is learned from: 11 of 13 of what is promised,
preferred, decided, thought or confirmed in so many words, and 1 of 5 of everything else."""
CUES = (
    _cue(
        "task", "promised",
        r"^(?:\w+(?:'ve|'m|'re|'s)? )?(?:have |has |am |are |is )?(?:just )?"
        r"(?:promis(?:ed|ing)|commit(?:ted|ting)? to|agreed to (?!disagree)|pledged|undertook|volunteered to|"
        r"offered to)\b"
        r"|[,;\u2014\u2013-] (?:committed|promised|agreed) to\b"
        r"|^confirmed (?:that )?(?:i|we)(?:'ll| will)\b",
        SURE,
    ),
    _cue(
        "preference", "prefers",
        r"\b(?:prefers?|preferred|preference|favou?rites?|likes|loves|enjoys|dislikes|hates|(?:would|'d) rather|"
        r"can(?:no|')t stand|fond of|fan of|insists? on)\b"
        r"|\b(?:wants|expects|likes|asked|needs) (?:me|us|you|them|him|her) (?:not )?to\b",
        SURE,
    ),
    _cue(
        "decision", "decided",
        r"\b(?:decid(?:ed|es|ing)|decision (?:made|taken|is|was)|(?:chose|chosen|opted|elected) (?:to|for|not)|"
        r"settled on|going with|went with|sign(?:ed|s) off|approved|ruled out|"
        r"(?:we|i|they|he|she)(?:'re| are|'m| am| is) (?:going to )?"
        r"(?:switch|mov|adopt|drop|replac|standardi[sz])\w*|"
        r"^(?:switching|adopting|dropping|replacing|standardi[sz]ing|moving) )",
        SURE,
    ),
    _cue(
        "opinion", "thinks",
        r"^(?:honestly|frankly|personally|arguably)\b"
        r"|\b(?:i|we)(?:'m| am|'re| are)? (?:still )?(?:think|believe|feel|doubt|suspect|find|reckon|sceptical|"
        r"skeptical|convinced|not (?:sure|convinced)|unconvinced|impressed|worried)\b"
        r"|\b(?:my|our) (?:read|view|opinion|take|impression|sense|guess)\b(?! but)|\bin (?:my|our) (?:view|opinion)\b",
        SURE,
    ),
    _cue(
        "task", "will",
        rf"\b(?:i|we)(?:'ll| will| shall| need to| have to| must|'m going to|'re going to| am going to| are going to) "
        rf"(?:also |then |now )?{_DOES}\b"
        rf"|^(?:will|must|need to|to ?-?do:?|action(?: item)?:?|next step:?|follow(?:ing)? up|remember to|please) "
        rf"(?:\w+ )?{_DOES}\b"
        r"|^(?:to-?do|action items?|next steps?|reminder|deadline)\b"
        rf"|\b(?:wants?|needs?|expects?|awaits?|asked for|requested|owe[sd]?|waiting for)\b[^.]*{_DUE}"
        rf"|^(?:\w+ )?{_DOES}\b[^.]*{_DUE}"
        r"|\bis to be (?:sent|delivered|done|signed|paid)\b|\bdeadline\b",
        UNSURE,
    ),
    _cue(
        "task", "doing",
        r"^(?:updating|sending|preparing|drafting|scheduling|booking|writing|restructuring|arranging|setting up|"
        r"reviewing|fixing|moving)\b",
        UNSURE,
    ),
    _cue(
        "goal", "aims",
        r"\b(?:plans? to|aims? to|hopes? to|intends? to|wish(?:es)? to|aspires?|goal is|target is|looking to|wants? to "
        r"(?:expand|grow|open|launch|buy|sell|enter|double|reduce|cut|raise|hire|build|become|replace|renew))\b",
        UNSURE,
    ),
    _cue(
        "relationship", "related",
        r"\b(?:married to|wife|husband|brother of|sister of|daughter|reports to|works (?:with|for)|partner of|"
        r"supplier of|subsidiary of|parent company|invested in|shareholder of|advis(?:es|or to)|introduced us to)\b",
        UNSURE,
    ),
    _cue(
        "procedure", "how",
        r"\b(?:first\b.{0,80}\bthen|step \d|how to|in order to|the process (?:is|for)|invoices? (?:go|must go) to|"
        r"only (?:accepts?|takes?) )\b",
        UNSURE,
    ),
    _cue(
        "fact", "confirmed",
        r"^(?:just |now )?(?:confirmed|verified|learned|learnt|noted|fyi|for the record|good to know|it turns out|"
        r"turns out|apparently|according to)\b",
        SURE,
    ),
)  # fmt: skip
HAPPENED = re.compile(
    r"\b(?:announced|opened|launched|acquired|met|attended|visited|signed|closed|resigned|merged|hired|appointed|"
    r"left|joined|won|lost|moved|renewed|cancel+ed|paid|complained|bought|sold)\b", re.IGNORECASE,
)  # fmt: skip
HOLDS = re.compile(
    r"\b(?:is|are|has|have|uses?|runs?|owns?|employs?|costs?|holds?|starts?|begins?|ends?|expires?|serves?|makes?|"
    r"sells?|buys?|says|reads|goes|go|lives?|based|located|renews?|reports?|speaks?)\b", re.IGNORECASE,
)  # fmt: skip
UNSETTLED = re.compile(
    r"^(?:i|i'm|i've|we've|my|if|when|while|although|because|since|maybe|perhaps|tight|their reasoning|that's|this is|"
    r"some|others|useful)\b"
    r"|\b(?:might|maybe|perhaps|could be|seems?|too|more than we|than we)\b", re.IGNORECASE,
)  # fmt: skip
"""What a plain statement must not have: it speaks of the speaker, of a condition, or is not sure."""
REASON = re.compile(
    r"^(?:it|this|that|says|which|so|but|and|also|thinks)\b",
    re.IGNORECASE,
)
"""How a sentence begins that goes on about the one before."""
NAMED = re.compile(r"(?<=[\w,;:'\u2019] )[A-Z][\w&-]+|\d")
"""Something named or counted, behind the first word."""
END = re.compile(
    r"(?<=[.!?])[\"'\u2019\u201d)\]]*\s+(?=[\"'\u2018\u201c(\[]?[A-Z0-9])|\s*;\s+|\s*\n+\s*(?:[-*\u2022]\s+)?"
)
ABBREVIATED = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|inc|ltd|co|corp|no|vs|etc|approx|st|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec"
    r"|e\.g|i\.e|u\.s|u\.k)|\b[A-Z])\.$", re.IGNORECASE,
)  # fmt: skip
