"""What goes into extraction and what comes out: texts, and what they say with the place where they say it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from clientlore.errors import BadDataError
from clientlore.memory.kinds import KINDS


@dataclass(frozen=True)
class Source:
    """A text that memories are drawn from.

    Attributes:
        source_id: What a memory cites; the same whenever the text comes again.
        owner_id: The client, contact or user that it is about.
        text: In NFC; spans count its characters.
        is_secret: Whether no model may see it; the rules read it then.
    """

    source_id: str
    owner_id: str
    text: str
    is_secret: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", unicodedata.normalize("NFC", self.text))


@dataclass(frozen=True)
class Extracted:
    """Something that a text says.

    Attributes:
        source_id: Of the text.
        kind: One of `kinds.KINDS`.
        text: What it says, in one sentence.
        start: Of the place where it says so, in characters of the source's text.
        end: One behind its last character.
        confidence: 0 to 1, that the kind is right and that it is worth remembering.
        method: Who found it.
    """

    source_id: str
    kind: str
    text: str
    start: int
    end: int
    confidence: float
    method: str

    @property
    def citation(self) -> str:
        """The source and the place in it, as a memory cites them."""
        return f"{self.source_id}@{self.start}-{self.end}"

    def checked(self, source: Source) -> Extracted:
        """Itself, where it stands in its source.

        Raises:
            BadDataError: It cites another source, or a place that the source does not have; or its kind or confidence
                cannot be.
        """
        placed = 0 <= self.start < self.end <= len(source.text)
        if self.source_id != source.source_id or not placed:
            raise BadDataError(
                f"A memory from '{source.source_id}' cites {self.citation}, which is not in its text",
                "Extract from that text again.",
            )
        if self.kind not in KINDS or not 0 <= self.confidence <= 1 or not self.text.strip():
            raise BadDataError(
                f"A memory from '{source.source_id}' has no text, an unknown kind or no confidence from 0 to 1",
                f"Kinds are {', '.join(KINDS)}.",
            )
        return self


@dataclass(frozen=True)
class Extraction:
    """What was found in some texts.

    Attributes:
        found: In the order of the sources, and in each of their places.
        left_to_rules: Why a model did not say what a source tells, by source.
        unanswered: Those of them that a model may be asked about again: there was no room in the budget, or no answer.
        counts: As a stage counts; empty where nothing was asked.
    """

    found: tuple[Extracted, ...]
    left_to_rules: Mapping[str, str] = field(default_factory=dict)
    unanswered: frozenset[str] = frozenset()
    counts: Mapping[str, int | float] = field(default_factory=dict)


class Extractor(Protocol):
    """Finds what texts say."""

    @property
    def version(self) -> str:
        """Changes when the same text may give other memories."""
        ...

    def extract(self, sources: Sequence[Source]) -> Extraction:
        """What is worth remembering in the sources; each is looked at by itself."""
        ...
