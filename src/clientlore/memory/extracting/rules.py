"""Extraction without a key: sentence by sentence, by cues, word for word.

A sentence that has a cue is remembered as what the cue says. Without one it is a fact where it states a value of an
attribute, or names or counts something and holds now; what merely goes on about the sentence before is left out. No
sentence is changed, so a memory says exactly what stands at the place that it cites.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clientlore.memory.extracting import cues
from clientlore.memory.extracting.model import Extracted, Extraction, Source
from clientlore.memory.facts import parse

METHOD = "rules"
VERSION = "rules-e1"
SHORTEST, LONGEST = 12, 600
"""Characters of a sentence that can be a memory."""
LONGEST_STATED = 16
"""Words up to which a sentence that can be taken apart is believed to state that and no more."""


@dataclass(frozen=True)
class Sentence:
    """A part of a text and where it stands."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class RulesExtractor:
    """Finds what texts say by cues."""

    version: str = VERSION

    def extract(self, sources: Sequence[Source]) -> Extraction:
        """See `Extractor.extract`."""
        return Extraction(tuple(found for source in sources for found in _of(source)))


def sentences(text: str) -> list[Sentence]:
    """The sentences, clauses and lines of a text with their places; spaces around them left out."""
    made: list[Sentence] = []
    start = 0
    for found in cues.END.finditer(text):
        part = text[start : found.start()]
        if not found[0].strip(" ") and cues.ABBREVIATED.search(part):
            continue
        _add(
            made,
            text,
            start,
            found.start() + len(found[0]) - len(found[0].lstrip("\"'\u2019\u201d)]")),
        )
        start = found.end()
    _add(made, text, start, len(text))
    return made


def kind_of(sentence: str) -> tuple[str, float] | None:
    """As what a sentence is worth remembering, and how sure that is; None where it is not.

    Args:
        sentence: One sentence, in any spacing.
    """
    told = " ".join(sentence.replace("\u2019", "'").split())
    if told.endswith("?") or not SHORTEST <= len(told) <= LONGEST:
        return None
    for cue in cues.CUES:
        if cue.pattern.search(told):
            return cue.kind, cue.confidence
    if len(told.split()) <= LONGEST_STATED and parse(told) is not None:
        return "fact", cues.UNSURE
    if cues.UNSETTLED.search(told) or cues.REASON.match(told) or not cues.NAMED.search(told):
        return None
    if cues.HAPPENED.search(told):
        return "event", cues.UNSURE
    return ("fact", cues.UNSURE) if cues.HOLDS.search(told) else None


def _of(source: Source) -> Iterator[Extracted]:
    for sentence in sentences(source.text):
        found = kind_of(sentence.text)
        if found is not None:
            kind, confidence = found
            yield Extracted(
                source.source_id, kind, " ".join(sentence.text.split()), sentence.start, sentence.end,
                confidence, METHOD,
            ).checked(source)  # fmt: skip


def _add(made: list[Sentence], text: str, start: int, end: int) -> None:
    part = text[start:end]
    start += len(part) - len(part.lstrip(" \t\n-*\u2022"))
    end = start + len(text[start:end].rstrip())
    if start < end:
        made.append(Sentence(text[start:end], start, end))
