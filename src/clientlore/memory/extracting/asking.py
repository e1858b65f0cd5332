"""Extraction by a language model: texts in batches, through the budget and the cache of judging, each memory cited.

A model says what it read by quoting it. A quote that does not stand in its own item is bad data, and so is a memory
that names or counts what the item does not: the item is asked about once more, and then left to the rules. So a text
can put nothing into what is remembered of another, and an order in it is at most a quotation of itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from clientlore.clock import Clock
from clientlore.control import judgements
from clientlore.control.engine import ControlPlane
from clientlore.control.judgements import Judgement
from clientlore.ids import stable_id
from clientlore.memory.extracting.model import Extracted, Extraction, Source
from clientlore.memory.extracting.rules import RulesExtractor, sentences
from clientlore.memory.texts import plain, words
from clientlore.monitoring.asking_models import Asked, Asker, Form, Prompt, Tally, system_prompt
from clientlore.providers.llm.base import Answer, LanguageModel, Question
from clientlore.providers.llm.guarding import Redaction, clean, fenced
from clientlore.providers.llm.reading import Numbered, read_items, schema_of

PROMPT = "extraction-1"
METHOD = "llm"
TOLD = (
    "fact",
    "preference",
    "relationship",
    "procedure",
    "goal",
    "decision",
    "opinion",
    "task",
    "event",
    "context",
)
"""The kinds that a model may give: those of `kinds.KINDS` that a sentence can be."""
PART_CHARS, TEXT_CHARS = 4_000, 300
MOST = 12
_Part = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False, strict=False)]
_INVENTED = "it cites or names what the text does not say"


class MemoryAnswer(BaseModel):
    """A memory, as a model must give it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal[TOLD]  # type: ignore[valid-type]
    text: str
    quote: str
    confidence: _Part


class SourceAnswer(Numbered):
    """What a model must say about a text."""

    memories: list[MemoryAnswer]


class Answers(BaseModel):
    """What a model must say about all texts of a call."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: list[SourceAnswer]


def extraction_prompt() -> Prompt:
    """The one that comes with the product."""
    return Prompt(PROMPT, system_prompt(PROMPT))


def question_of(items: Sequence[Asked], prompt: Prompt) -> Question:
    """The question about some texts."""
    numbered = [{"n": n, **item.material} for n, item in enumerate(items, start=1)]
    return Question(prompt.name, prompt.text, fenced({"items": numbered}), _schema())


def read_answer(answer: Answer, items: Sequence[Asked]) -> tuple[Mapping[int, SourceAnswer], str]:
    """The usable parts of an answer by number, and what is wrong with the others.

    Args:
        answer: As it came.
        items: What was asked about.
    """

    def wrong(told: SourceAnswer) -> str | None:
        shown = str(items[told.n - 1].material["text"])
        if len(told.memories) > MOST:
            return "it gave too many memories"
        sound = all(
            m.text.strip()
            and len(m.text) <= 2 * TEXT_CHARS
            and place_of(m.quote, shown) is not None
            and _names_nothing_new(m.text, shown)
            for m in told.memories
        )
        return None if sound else _INVENTED

    return read_items(answer, len(items), SourceAnswer, wrong)


EXTRACTING = Form(question_of, read_answer)
"""What texts say that is worth remembering."""


def place_of(quote: str, text: str) -> tuple[int, int] | None:
    """Where a quote stands in a text first, whatever the spacing; None where it does not."""
    told = quote.split()
    if not told:
        return None
    found = re.search(r"\s+".join(map(re.escape, told)), text)
    return None if found is None else found.span()


@dataclass(frozen=True)
class Part:
    """As much of a text as is shown at once.

    Attributes:
        shown: What of it is shown, cleaned: as long as the part, so that places are the same.
        start: Of the part in the source's text.
    """

    source: Source
    shown: str
    start: int


@dataclass
class ModelExtractor:
    """Has a model read texts; what it does not say usably, or is not asked, is left to the rules.

    Args:
        asker: Makes an asker that keeps what is said by the function it is given.
        about: How each owner is called, by id.
        redact: Whether personal data is taken out of what is shown, and put back into what is said.
        known_people: Names that are taken out too.
        keeping: Where what was bought is looked up and kept; None: nowhere.
    """

    model: LanguageModel
    asker: Callable[[Callable[[Sequence[Judgement]], None]], Asker]
    tenant_id: str = ""
    keeping: tuple[ControlPlane, Clock] | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    redact: bool = False
    known_people: Sequence[str] = ()
    rules: RulesExtractor = field(default_factory=RulesExtractor)

    @property
    def version(self) -> str:
        """Provider, model and prompt."""
        return f"{self.model.provider}:{self.model.model}:{PROMPT}"

    def extract(self, sources: Sequence[Source]) -> Extraction:
        """See `Extractor.extract`. What was read before is looked up and costs nothing; no secret is shown."""
        shown: list[tuple[Part, Asked, Redaction]] = []
        for source in (s for s in sources if not s.is_secret):
            hidden = Redaction(self.known_people if self.redact else ())
            shown += [(part, self._asked(part, hidden), hidden) for part in parts_of(source)]
        by_key = {asked.key: asked for _, asked, _ in shown}
        known = self._known(by_key)
        missing = [asked for key, asked in by_key.items() if key not in known]
        tally = self.asker(self._keep).ask(missing)
        said = {**known, **tally.judged}
        why = {
            part.source.source_id: reason
            for part, asked, _ in shown
            if (reason := _unsaid(asked.key, said, tally)) is not None
        }
        by_source: dict[str, list[Extracted]] = {}
        for part, asked, hidden in shown:
            if part.source.source_id not in why:
                made = by_source.setdefault(part.source.source_id, [])
                made += _told(part, said[asked.key], hidden)
        rest = self.rules.extract([s for s in sources if s.is_secret or s.source_id in why])
        for one in rest.found:
            by_source.setdefault(one.source_id, []).append(one)
        found = [one for s in sources for one in _in_order(by_source.get(s.source_id, ()))]
        unanswered = frozenset(p.source.source_id for p, asked, _ in shown if asked.key not in said)
        return Extraction(tuple(found), why, unanswered, _counts(by_key, known, why, tally))

    def _asked(self, part: Part, hidden: Redaction) -> Asked:
        text = hidden.hide(part.shown) if self.redact else part.shown
        name = self.about.get(part.source.owner_id)
        material = {"text": text, **({"about": clean(name, 200)} if name else {})}
        told = json.dumps(material, sort_keys=True, ensure_ascii=False)
        return Asked(stable_id(told, self.version), material)

    def _known(self, keys: Iterable[str]) -> dict[str, Judgement]:
        if self.keeping is None:
            return {}
        with self.keeping[0].read() as connection:
            return judgements.find(connection, self.tenant_id, list(keys))

    def _keep(self, done: Sequence[Judgement]) -> None:
        if self.keeping is not None:
            control, clock = self.keeping
            with control.write() as connection:
                judgements.keep(connection, self.tenant_id, done, clock.now())


def parts_of(source: Source) -> list[Part]:
    """A text in parts that are short enough to be shown, cut between sentences where that can be; nothing is lost."""
    text = source.text
    bounds = [0]
    for sentence in sentences(text):
        while sentence.end - bounds[-1] > PART_CHARS:
            before = sentence.start if sentence.start > bounds[-1] else bounds[-1] + PART_CHARS
            bounds.append(min(before, bounds[-1] + PART_CHARS))
    cuts = [*bounds, len(text)]
    made = []
    for start, end in pairwise(cuts):
        part = text[start:end]
        lead = len(part) - len(part.lstrip())
        # One character for one: a place in what is shown is a place in the text.
        shown = "".join(clean(c, 1) or " " if not c.isspace() else c for c in part.strip())
        if shown.strip():
            made.append(Part(source, shown, start + lead))
    return made


def _told(part: Part, judgement: Judgement, hidden: Redaction) -> list[Extracted]:
    """What was said about a part, with places in the source's text."""
    made = []
    for memory in judgement.answer["memories"]:
        place = place_of(hidden.show(memory["quote"]), part.shown)
        if place is None:
            # A text that itself holds such a mark; what it stood for cannot be told.
            continue
        text = clean(hidden.show(memory["text"]), TEXT_CHARS).replace("\n", " ")
        made.append(
            Extracted(
                part.source.source_id,
                memory["kind"],
                text,
                part.start + place[0],
                part.start + place[1],
                round(memory["confidence"], 4),
                METHOD,
            ).checked(part.source)
        )
    return made


def _unsaid(key: str, said: Mapping[str, Judgement], tally: Tally) -> str | None:
    """Why a model did not say what a part tells, if so."""
    judgement = said.get(key)
    if judgement is not None:
        return str(judgement.answer["why"]) if judgement.outcome == "unusable" else None
    return tally.failed.get(key, "the budget of the day was used up")


def _names_nothing_new(text: str, shown: str) -> bool:
    """Whether every number and every name of a text stands in what was shown."""
    there = set(words(shown))
    told = plain(text).split()
    marked = [
        word
        for place, said in enumerate(told)
        for word in words(said)
        if any(c.isdigit() for c in word) or (place > 0 and said.strip("\"'([")[:1].isupper())
    ]
    return all(word in there for word in marked if word != "i")


def _in_order(found: Iterable[Extracted]) -> list[Extracted]:
    return sorted(found, key=lambda one: (one.start, one.end, one.kind, one.text))


def _counts(
    by_key: Mapping[str, Any], known: Mapping[str, Any], why: Mapping[str, str], tally: Tally
) -> dict[str, int | float]:
    return {
        "read_by_model": len(by_key),
        "read_before": len(known),
        "llm_calls": tally.spent.calls,
        "llm_retries": tally.retries,
        "llm_tokens": tally.spent.tokens,
        "llm_usd": round(tally.spent.usd, 6),
        "left_to_rules": len(why),
    }


@cache
def _schema() -> Mapping[str, Any]:
    return schema_of(Answers)
