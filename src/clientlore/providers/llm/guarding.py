"""Text from outside made fit to be shown to a model: cleaned, cut, fenced, and without personal data where asked.

An article may say what it likes; it stays a string inside a JSON document inside a fence, and none of the three can
be closed from within.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

FENCE = "material"
_KEPT = "\n\t"
# One pass over what is long would be slow with a pattern that backtracks; these do not.
_PERSONAL = (
    ("email", re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")),
    ("account", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")),
    ("card", re.compile(r"\b\d{4}(?:[ -]?\d{4}){2}[ -]?\d{1,7}\b")),
    ("phone", re.compile(r"(?<![\w.,$€£%])(?:\+|00)\d{1,3}(?:[ ./()-]{0,2}\d{2,4}){2,5}\b")),
    ("phone", re.compile(r"(?<![\w.,$€£%-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b")),
)


def clean(text: str, limit: int) -> str:
    """The text without control, format and private characters, in NFC, of at most `limit` characters.

    What is far longer is cut before anything else looks at it.
    """
    text = unicodedata.normalize("NFC", text[: 4 * limit])
    kept = "".join(c if c in _KEPT or unicodedata.category(c)[0] != "C" else " " for c in text)
    return kept[:limit].strip()


def fenced(material: Mapping[str, Any]) -> str:
    """The material as JSON between two marks. `<`, `>` and `&` are escaped, so no text can write the mark."""
    told = json.dumps(material, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&":
        told = told.replace(character, f"\\u{ord(character):04x}")
    return f"<{FENCE}>\n{told}\n</{FENCE}>"


@dataclass
class Redaction:
    """Takes personal data out of texts, and puts it back into what is said about them.

    Args:
        people: Names that are known beforehand.
        any_case: One mark for a value in whatever case it is written, where texts are compared and nothing is put back.
    """

    people: Iterable[str] = ()
    any_case: bool = False
    _marks: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = sorted({name for name in self.people if len(name) > 3}, key=lambda n: (-len(n), n))
        alternatives = "|".join(re.escape(name) for name in names)
        self._names = re.compile(rf"\b(?:{alternatives})\b", re.IGNORECASE) if names else None

    def hide(self, text: str) -> str:
        """The text with a mark such as `[email 1]` in the place of each address, number and known name."""
        for kind, pattern in _PERSONAL:
            text = pattern.sub(lambda found, kind=kind: self._mark(kind, found[0]), text)  # type: ignore[misc]
        if self._names is not None:
            text = self._names.sub(lambda found: self._mark("person", found[0]), text)
        return text

    def show(self, text: str) -> str:
        """The text with what the marks stand for."""
        for value, mark in self._marks.items():
            text = text.replace(mark, value)
        return text

    def _mark(self, kind: str, value: str) -> str:
        value = value.casefold() if self.any_case else value
        if value not in self._marks:
            number = 1 + sum(mark.startswith(f"[{kind} ") for mark in self._marks.values())
            self._marks[value] = f"[{kind} {number}]"
        return self._marks[value]
