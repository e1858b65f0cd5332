"""How English sentences state facts: patterns, and words that carry none. Tables alone; `facts` uses them."""

from __future__ import annotations

import re

OF_OWNER = frozenset({"we", "our", "us", "it", "its", "the company", "the client", "they", "their"})
OF_SPEAKER = frozenset({"i", "my", "me", "mine", "the user", "user"})
LEGAL = re.compile(
    r"[, ]+(?:inc|ltd|llc|plc|corp|corporation|company|co|gmbh|ag|sa|bv|nv|oy|ab|spa)\.?$", re.IGNORECASE
)  # fmt: skip
SAME: dict[str, str] = {
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
_ASIDE_WORDS = """
new current currently now latest present own official officially actual main sole today's named called appointed
said says according update news recently former again still
"""
ASIDE = frozenset(_ASIDE_WORDS.split())
LEAD = re.compile(
    r"^(?:(?:as of|since|from|effective|starting|in|on|by)\s[^,]{1,40},\s*"
    r"|(?:update|note|fyi|news|correction|reminder|info)\s*[:,-]\s*"
    r"|(?:actually|now|today|currently|recently|also|so|well|apparently|meanwhile|officially),?\s+"
    r"|according to [^,]{1,60},\s*"
    r"|(?:i|we|they|he|she|people|sources) (?:just )?(?:heard|learned|learnt|think|believe|understand|note|noted|said|"
    r"say|says|confirmed|(?:was|were) told|told us|told me|report|reported) (?:that )?"
    r"|(?:it (?:turns out|seems|is said|was announced|is known)|word is|please note|note|remember) (?:that )?)+",
    re.IGNORECASE,
)
TRAIL = re.compile(
    r"(?:,?\s*\(?(?:now|nowadays|currently|today|these days|at the moment|at present|again|instead|these days|"
    r"right now|any ?more|as well|since [^,.]+|as of [^,.]+|effective [^,.]+|from now on|"
    r"according to [^,.]+|they (?:said|say)|we (?:heard|hear|were told))\)?)+$",
    re.IGNORECASE,
)
_ADVERB = (
    r"(?:now |currently |still |again |today |recently |at present |officially |actually |just )?"
)
_BE = (
    r"(?:(?:was|were|has been|is|are) (?:raised|lowered|cut|moved|changed|set|increased|reduced|switched|updated) "
    r"(?:from .+? )?(?:to|at)|is|are|was|were|'s|becomes?|became|has become|have become|remains?|stays?|has been|"
    r"equals|reads|stands? at|changed to|has changed to|(?:has )?moved to|switched to|rose to|fell to|grew to|went to|"
    r"is set (?:at|to)|was set to|will be|turned into|:|=) "
    + _ADVERB
    + r"(?:at |to |called |named )?"
)
_IS = (
    r"(?:is|was|are|were|becomes?|became|has become|has been (?:named|appointed|made)|was (?:named|appointed|made)|"
    r"serves as|acts as|works as|took over as|takes over as|joins as|joined as|remains|will be) "
    + _ADVERB
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
PATTERNS = tuple(
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
VERB_NAMES = {
    "works": "employer", "work": "employer", "lives": "home", "live": "home", "resides": "home", "moved": "home",
    "relocated": "home", "based": "hq", "headquartered": "hq", "located": "hq", "employs": "headcount",
    "reports": "manager", "married": "spouse",
}  # fmt: skip
_JOIN_WORDS = """
asked asking question answered answers told says stated mentioned regards respect terms matter topic took takes
over role position post job serves serve served acts acting works working joins joined goes went moved moves
changed changes switched switches became becomes become remains stays stands set hired hires appoints picks
picked chose chosen elected promoted made gets got holds held fills filled counts count listed runs lists reads
reports reported shows stated known considered based has uses value answer comes since means we were told heard
learned confirmed it seems turns out that as of regarding concerning about for filling person whoever place will
going go
"""
JOINS = frozenset(_JOIN_WORDS.split())
