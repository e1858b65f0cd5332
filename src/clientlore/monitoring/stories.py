"""Stories: the same event told in other words, found one item after the other.

An item joins the story whose centre it is most like, or begins one (single-pass clustering; Allan, Papka and Lavrenko
1998). What it is like is the cosine of weighted terms: term frequency damped by a logarithm, inverse document
frequency over what was seen so far, names and numbers heavier, since look-alike events differ in just these. What was
placed never moves: nothing later changes what came before.
"""

from __future__ import annotations

import math
import re
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice, repeat, zip_longest
from operator import mul

import polars as pl

from clientlore.stemming import stem

LIKE = 0.23
"""Cosine from which on two tell one event; chosen on ECB+, see docs/quality.md."""
NAME_WEIGHT, NUMBER_WEIGHT = 2.0, 1.5
SEEN_BEFORE = 300
"""Documents that term frequencies start from, so that the first few words are not all rare."""
WINDOW_DAYS = 7
"""A story that nobody told for so long is over."""
OPEN_STORIES = 20_000
"""So many stories are open at most; the one untold for longest gives way."""
TERMS, CENTRE_TERMS = 80, 200
"""The heaviest terms of an item, and of a story, that are kept."""
LOOKED_UP, PER_TERM, COMPARED = 12, 40, 16
"""Stories are looked up by so many terms, in so many stories each, and so many are compared."""
LOOK_BACK = 20_000
"""So many of the newest events of earlier days are what the stories of a day go on from."""
TEXT_CHARS = 4_000
"""So much of an event's text tells which story it is of: the rest is background."""

# A word, or what ends a sentence.
_TERM = re.compile(r"[^\W_]+(?:[.,'\u2019_-]+[^\W_]+)*|[.!?](?=\s)|\n")
_ENDS = frozenset(".!?\n")
_COMMON = frozenset(
    re.findall(
        r"\S+",
        "a an the of to in on at by for from with as and or but if then than that this these those it its he "
        "she his her they their them we our us you your i me my is are was were be been being has have had do "
        "does did will would can could may might should shall not no n't s t said says say also after before "
        "about into over out up down off which who whom whose what when where while there here more most some "
        "any all other another such only own same so too very just one two new first last year years day days "
        "time mr mrs ms according told ",
    )
)


def terms(text: str) -> dict[str, float]:
    """The terms of a text with how often they stand there; names and numbers count more."""
    found: dict[str, float] = {}
    words = _TERM.findall(text)
    named = False
    for word, following in zip_longest(words, islice(words, 1, None), fillvalue="\n"):
        if word in _ENDS:
            named = False
            continue
        term, weight, weight_of_name = _read(word)
        # What stands first in a sentence is a name only where a capital follows.
        if term:
            is_name = named or following[0].isupper()
            found[term] = found.get(term, 0.0) + (weight_of_name if is_name else weight)
        named = True
    return found


@lru_cache(maxsize=500_000)
def _read(word: str) -> tuple[str, float, float]:
    """The term of a word, empty for a common one; what it counts, and what it counts as a name."""
    low = word.lower()
    if low in _COMMON:
        return "", 0.0, 0.0
    if word[0].isdigit():
        return stem(low), NUMBER_WEIGHT, NUMBER_WEIGHT
    return stem(low), 1.0, NAME_WEIGHT if word[0].isupper() else 1.0


@dataclass
class _Story:
    number: int
    told: datetime | None
    total: dict[str, float]
    length: float = 1.0


@dataclass
class Threads:
    """Open stories; `place` is asked for one item after the other."""

    like: float = LIKE
    seen: int = SEEN_BEFORE
    frequency: Counter[str] = field(default_factory=Counter)
    stories: dict[int, _Story] = field(default_factory=dict)
    index: dict[str, deque[int]] = field(default_factory=dict)

    def place(self, number: int, text: str, told: datetime | None = None) -> tuple[int, float]:
        """The story of an item: the number of its first item, and how like its centre this one is.

        Args:
            number: Of this item; it names the story that the item begins.
            text: Headline and text.
            told: When it was published, if known.
        """
        vector = self._vector(text)
        if not vector:
            return number, 1.0
        best, cosine = self._closest(vector, told)
        if best is None or cosine < self.like:
            self._begin(number, vector, told)
            return number, 1.0
        self._join(best, vector, told)
        return best.number, cosine

    def keep(self, number: int, text: str, told: datetime | None = None) -> None:
        """Puts an item into the story of that number, whatever it is like; one that is not open begins."""
        vector = self._vector(text)
        known = self.stories.get(number)
        if known is not None:
            self._join(known, vector, told)
        elif vector:
            self._begin(number, vector, told)

    def _vector(self, text: str) -> dict[str, float]:
        counts = terms(text)
        self.frequency.update(counts.keys())
        self.seen += 1
        return self._weighed(counts)

    def _weighed(self, counts: dict[str, float]) -> dict[str, float]:
        weights = {
            term: (1 + math.log(count)) * math.log(1 + self.seen / self.frequency[term])
            for term, count in counts.items()
        }
        kept = _heaviest(weights, TERMS)
        length = math.sqrt(sum(weight * weight for _, weight in kept))
        return {term: weight / length for term, weight in kept} if length else {}

    def _closest(
        self, vector: dict[str, float], told: datetime | None
    ) -> tuple[_Story | None, float]:
        shared, weights = dict[int, float](), list(vector.values())
        for term, weight in islice(vector.items(), LOOKED_UP):
            for number in self.index.get(term, ()):
                shared[number] = shared.get(number, 0.0) - weight
        best, most = None, 0.0
        # The likest first, and of equals the oldest; numbers sort faster than pairs of them.
        for number in sorted(sorted(shared), key=shared.__getitem__)[:COMPARED]:
            story = self.stories.get(number)
            if story is None or _over(story.told, told):
                continue
            # Most of the time goes here, so the loop over the terms is the interpreter's own.
            dot = sum(map(mul, weights, map(story.total.get, vector, repeat(0.0))))
            if dot / story.length > most:
                best, most = story, dot / story.length
        return best, most

    def _begin(self, number: int, vector: dict[str, float], told: datetime | None) -> None:
        if len(self.stories) >= OPEN_STORIES:
            del self.stories[next(iter(self.stories))]
        self.stories[number] = _Story(number, told, dict(vector))
        self._enter(number, vector)

    def _join(self, story: _Story, vector: dict[str, float], told: datetime | None) -> None:
        total = story.total
        for term, weight in vector.items():
            total[term] = total.get(term, 0.0) + weight
        if len(total) > 2 * CENTRE_TERMS:
            story.total = total = dict(_heaviest(total, CENTRE_TERMS))
        story.length = math.sqrt(sum(weight * weight for weight in total.values()))
        story.told = max(filter(None, (story.told, told)), default=None)
        # Told again, it is the last to give way.
        self.stories[story.number] = self.stories.pop(story.number)
        self._enter(story.number, vector)

    def _enter(self, number: int, vector: dict[str, float]) -> None:
        for term in islice(vector, LOOKED_UP):
            known = self.index.setdefault(term, deque(maxlen=PER_TERM))
            if number not in known:
                known.append(number)


def _heaviest(weights: dict[str, float], count: int) -> list[tuple[str, float]]:
    ranked = sorted(zip(weights.values(), weights, strict=True), reverse=True)
    return [(term, weight) for weight, term in ranked[:count]]


def _over(last: datetime | None, now: datetime | None) -> bool:
    return last is not None and now is not None and abs(now - last) > timedelta(days=WINDOW_DAYS)


def threaded(
    texts: Iterable[str], told: Sequence[datetime | None] | None = None, *, like: float = LIKE
) -> list[int]:
    """The story of each text, in the order of collection: the position of the first that told it."""
    threads = Threads(like=like)
    return [
        threads.place(number, text, told[number] if told else None)[0]
        for number, text in enumerate(texts)
    ]


def continued(before: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """The story of each new event: one that was told before, or its own. What was told before stays as it is.

    Args:
        before: Events of earlier days in the order of collection: `story_id`, `title`, `text`, `told_at`.
        new: Events of the day in that order: `event_id`, `title`, `text`, `told_at`, and `apart`, where a person said
            that it is no other's: it begins a story, whatever it is like.

    Returns:
        `event_id`, `story_id` (that of the event that began it) and `story_similarity`: the cosine of event and centre
        as it joined, 1 for the event that begins.
    """
    threads, names, numbers = Threads(), list[str](), dict[str, int]()
    text = pl.col("title").fill_null("") + "\n" + pl.col("text").fill_null("").str.head(TEXT_CHARS)

    def number_of(name: str) -> int:
        if name not in numbers:
            numbers[name] = len(names)
            names.append(name)
        return numbers[name]

    for name, told, at in before.select("story_id", text.alias("told"), "told_at").iter_rows():
        threads.keep(number_of(name), told, at)
    found = list[tuple[str, str, float]]()
    rows = new.select("event_id", text.alias("told"), "told_at", "apart")
    for name, told, at, apart in rows.iter_rows():
        story, cosine = number_of(name), 1.0
        if apart:
            threads.keep(story, told, at)
        else:
            story, cosine = threads.place(story, told, at)
        found.append((name, names[story], round(cosine, 4)))
    schema = {"event_id": pl.String, "story_id": pl.String, "story_similarity": pl.Float64}
    return pl.DataFrame(found, schema=schema, orient="row")


def with_stories(grouped: pl.DataFrame) -> pl.DataFrame:
    """Adds `story` to items that were grouped: the position of the first item that told it.

    Args:
        grouped: Columns `group` (position of the first of the group), `title`, `text`, `published_at`, in order. The
            first of a group tells its story; the others go with it.
    """
    firsts = grouped.with_row_index("n").filter(pl.col("group") == pl.col("n"))
    texts = firsts["title"] + "\n" + firsts["text"]
    found = threaded(texts, firsts["published_at"].to_list())
    story = pl.DataFrame({"group": firsts["group"], "story": firsts["group"].gather(found)})
    return grouped.join(story, on="group", how="left", maintain_order="left")
