"""Texts as words to compare: stems without stop words, names, numbers. Pure; English."""

from __future__ import annotations

import re
import unicodedata

from clientlore.stemming import stem

_STOP_WORDS = """
a an the and or but if then than as at by for from in into of off on onto out over to up with within about is
are was were be been being am do does did done have has had having will would shall should can could may might
must it its this that these those there here he she they them his her their we us our you your i me my who whom
whose which what when where why how all any both each few more most other some such only own same so too very
just also now currently today recently still again s t re ve ll d m
"""
STOP = frozenset(_STOP_WORDS.split())
NEGATIONS = frozenset({"not", "no", "never", "without", "nor", "neither", "none", "cannot", "nt"})
_WORD = re.compile(r"[^\W_]+(?:[.,]\d+)*")
_NUMBER = re.compile(
    r"(?<![\w.])[$€£]?\s?(\d+(?:[.,]\d{3})*(?:\.\d+)?)\s?(k|m|bn|b|million|billion|thousand)?\b", re.IGNORECASE
)  # fmt: skip
_SCALE = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9, "billion": 1e9}
_NUMERALS = "zero one two three four five six seven eight nine ten eleven twelve"
_SPELT = {word: str(n) for n, word in enumerate(_NUMERALS.split())}
_UNNAMED = frozenset({"one", "zero"})


def plain(text: str) -> str:
    """The text with compatible characters made one, in one spacing."""
    return " ".join(unicodedata.normalize("NFKC", text).replace("\u2019", "'").split())


def words(text: str) -> list[str]:
    """Words and numbers in lower case, in their order; `n't` is a word of its own."""
    return _WORD.findall(plain(text).lower().replace("n't", " nt"))


def number(word: str) -> str | None:
    """`1,200`, `1.2k` and `1200` as one; None for what is no number."""
    if word.lower() in _SPELT and word.lower() not in _UNNAMED:
        return _SPELT[word.lower()]
    found = _NUMBER.fullmatch(word.strip())
    if found is None:
        return None
    value = float(found[1].replace(",", "")) * _SCALE.get((found[2] or "").lower(), 1.0)
    return f"{value:g}" if value < 1e6 else str(round(value))


def content(text: str) -> list[str]:
    """Stems of what is left without stop words, sorted, each once; numbers in one form, negations kept."""
    scaled = _NUMBER.sub(lambda m: f" {number(m[0].strip()) or m[0]} ", plain(text))
    kept = {
        number(word) or stem(word)
        for word in words(scaled)
        if word not in STOP or word in NEGATIONS
    }
    return sorted(kept)
