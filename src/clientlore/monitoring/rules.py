"""The words by which the rules tell categories apart. Stems, looked for at word starts in lower-case text."""

from __future__ import annotations

from collections.abc import Mapping

RULES_VERSION = "r1"

KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "funding": (
        "funding round", "series [a-f] ", "raises? [^ ]* ?(?:million|mln|billion|bln|m |bn )", "raised [$0-9]",
        "venture capital", "seed round", "private placement", "bond issue", "debenture", "eurobond",
        "public offering", "ipo ", "credit facility", "convertible note", "round led by", "leads? .{0,20}round",
    ),
    "m_and_a": (
        "acqui(?:re|res|red|ring|sition)", "takeover", "merge[rsd ]", "merging", "buyout", "tender offer",
        "to buy ", "buys ", "bought ", "stake in", "divest", "spin ?off", "sells? (?:its )?(?:unit|stake|division)",
    ),
    "leadership": (
        "appoint", "chief executive", "chief financial", "chief operating", "chairman", "chairwoman", "ceo ",
        "cfo ", "steps? down", "resign", "succeed", "names? [a-z]+ [a-z]+ as", "finance chief", "board of directors",
    ),
    "legal_regulatory": (
        "lawsuit", "court", "regulator", "investigat", "antitrust", "competition authority", "fine[ds]? ", "settle",
        "subpoena", "probe", "compliance", "sues? ", "sued ", "judge ", "ruling", "injunction", "sanction",
    ),
    "product": (
        "launch", "unveil", "new product", "new model", "introduc", "release[sd]? ", "recall", "rolls? out",
        "prototype", "next generation", "version",
    ),
    "earnings": (
        "revenue", "profit", "earnings", "quarterly", "dividend", "guidance", "forecast", "shr ", "net loss",
        "net income", "payout", "results", "year ended", "oper shr", "qtr", "ebitda",
    ),
    "partnership": (
        "partner(?:s|ship|ing)", "agreement", "joint venture", "alliance", "contract", "supply deal", "signs? ",
        "signed ", "collaborat", "teams? up", "awarded a",
    ),
    "risk": (
        "layoff", "lays? off", "cut [0-9]+ jobs", "job cuts", "strike", "outage", "data breach", "hack",
        "bankrupt", "chapter 11", "default", "downgrade", "explosion", "accident", "shortage", "writedown",
        "warning", "insolven",
    ),
    "expansion": (
        "expand", "expansion", "new plant", "new office", "new factory", "opens? ", "invest(?:s|ed)? ", "capacity",
        "to build", "hire ", "new market", "construction",
    ),
    "award": (
        "award(?:s|ed)? (?:for|by)", "wins? ", "prize", "ranked", "best place", "recogni[sz]ed", "honou?r",
        "certified", "certification",
    ),
}
ROUNDUP = (
    r"wrap|roundup|round up|stocks to watch|morning brief|week ahead|in brief|digest|market(?:s)? (?:close|open)"
    r"|shares (?:drift|mixed)"
)


def pattern(category: str) -> str:
    """The regular expression of a category."""
    return r"(?:^| )(?:" + "|".join(KEYWORDS[category]) + ")"
