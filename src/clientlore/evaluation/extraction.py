"""How well memories are found in texts, on a labelled set, beside what can be had without looking at cues.

A memory that is found is matched to one that people wrote where their stems agree by half (Dice), each once, the
likest first. The split was fixed by the numbers in the ids before anything was tuned: `n % 4 == 1` is the part that
confidences and baselines are learned from; everything else is measured on. The set names what was decided, promised,
preferred, held and thought; what is a task here is a commitment there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clientlore.memory.extracting.rules import kind_of, sentences
from clientlore.memory.texts import content

FOLDER = "memory_extraction_mit"
ALIKE = 0.5
KIND_OF_LABEL = {
    "fact": "fact",
    "preference": "preference",
    "decision": "decision",
    "opinion": "opinion",
    "commitment": "task",
}
Counts = NDArray[np.int64]
Told = list[tuple[str, str]]


@dataclass(frozen=True)
class Text:
    """A text and what people found in it: kinds and sentences."""

    number: int
    text: str
    truth: tuple[tuple[str, str], ...]

    @property
    def is_learned_from(self) -> bool:
        """Whether it belongs to the part that may be learned from."""
        return self.number % 4 == 1

    @property
    def sentences(self) -> list[str]:
        """Its sentences."""
        return [sentence.text for sentence in sentences(self.text)]


@dataclass(frozen=True)
class Beside:
    """Two ways of finding memories, text by text.

    Attributes:
        figure: What is compared.
        own: Shape (texts, 2): above and below the line of a figure; `other` the same of what it is held against.
    """

    figure: str
    own: Counts
    other: Counts

    def value(self, counts: Counts, picked: NDArray[np.int64]) -> float:
        """The figure of some texts."""
        above, below = counts[picked].sum(0)
        return float(above / below) if below else 0.0


def texts_in(folder: Path) -> list[Text]:
    """The set; empty where it is not there."""
    data, labels = (folder / FOLDER / f"memory_extraction.{n}.jsonl" for n in ("dataset", "labels"))
    if not (data.is_file() and labels.is_file()):
        return []
    rows, told = (
        [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
        for path in (data, labels)
    )
    by_id = {row["id"]: row["memories"] for row in told}
    return [
        Text(
            int(row["id"].rsplit("_", 1)[1]),
            row["text"],
            tuple((KIND_OF_LABEL[m["type"]], m["content"]) for m in by_id[row["id"]]),
        )
        for row in rows
    ]


def compared(texts: Sequence[Text]) -> list[Beside]:
    """The rules beside each baseline, on the texts that are measured on."""
    learned = [t for t in texts if t.is_learned_from]
    asked = [t for t in texts if not t.is_learned_from]
    if not learned or not asked:
        return []
    most = Counter(kind for t in learned for kind, _ in t.truth).most_common(1)[0][0]
    near = _nearest(learned)

    def by_rules(sentence: str) -> str | None:
        found = kind_of(sentence)
        return found and found[0]

    everything = _found(asked, lambda _: most)
    words, rules = _found(asked, near), _found(asked, by_rules)
    made = []
    for name, other in (("every sentence", everything), ("TF-IDF", words)):
        made.append(Beside(f"F1, against {name}", _f1(asked, rules), _f1(asked, other)))
    own = _labels(asked, rules, lambda kind, _: kind)
    for name, say in (("majority", lambda *_: most), ("TF-IDF", lambda _, s: near(s, always=True))):
        made.append(Beside(f"label accuracy, against {name}", own, _labels(asked, rules, say)))
    both = _f1(asked, rules, labelled=True)
    for name, other in (("majority", everything), ("TF-IDF", words)):
        made.append(
            Beside(
                f"F1 with the right label, against {name}", both, _f1(asked, other, labelled=True)
            )
        )
    return made


def confidence_of(texts: Sequence[Text]) -> list[tuple[float, bool]]:
    """How sure the rules were of each memory that they found, and whether people had found it so."""
    told = []
    for text in texts:
        found = [(s, kind_of(s)) for s in text.sentences]
        kept = [(s, *k) for s, k in found if k is not None]
        pairs = _pairs([s for s, *_ in kept], [t for _, t in text.truth])
        for place, (_, kind, confidence) in enumerate(kept):
            right = place in pairs and text.truth[pairs[place]][0] == kind
            told.append((confidence, right))
    return told


def _found(texts: Sequence[Text], say: Callable[[str], str | None]) -> list[Told]:
    return [[(kind, s) for s in t.sentences if (kind := say(s)) is not None] for t in texts]


def _f1(texts: Sequence[Text], found: Sequence[Told], *, labelled: bool = False) -> Counts:
    """Of each text: twice what is right, and how much was found and was there: F1 is the ratio of the sums."""
    made = []
    for text, told in zip(texts, found, strict=True):
        pairs = _pairs([s for _, s in told], [t for _, t in text.truth])
        right = sum(not labelled or told[n][0] == text.truth[m][0] for n, m in pairs.items())
        made.append((2 * right, len(told) + len(text.truth)))
    return np.array(made, dtype=np.int64)


def _labels(
    texts: Sequence[Text], found: Sequence[Told], say: Callable[[str, str], str | None]
) -> Counts:
    """Of each text: how many of those found that people had found too have their label, and how many there are."""
    made = []
    for text, told in zip(texts, found, strict=True):
        pairs = _pairs([s for _, s in told], [t for _, t in text.truth])
        made.append((sum(say(*told[n]) == text.truth[m][0] for n, m in pairs.items()), len(pairs)))
    return np.array(made, dtype=np.int64)


def _pairs(found: Sequence[str], truth: Sequence[str]) -> dict[int, int]:
    """Which of the true sentences each found one is, by place; the likest first, each once."""
    ours, theirs = ([set(content(s)) for s in side] for side in (found, truth))
    likeness = sorted(
        (-2 * len(a & b) / max(len(a) + len(b), 1), n, m)
        for n, a in enumerate(ours)
        for m, b in enumerate(theirs)
    )
    made: dict[int, int] = {}
    for unlike, n, m in likeness:
        if -unlike >= ALIKE and n not in made and m not in made.values():
            made[n] = m
    return made


def _nearest(texts: Sequence[Text]) -> Callable[..., str | None]:
    """The label of the likest sentence that was learned from, by cosine of TF-IDF; None where that was no memory."""
    known: list[tuple[set[str], str | None]] = []
    for text in texts:
        told = text.sentences
        pairs = _pairs(told, [t for _, t in text.truth])
        labels = [text.truth[pairs[n]][0] if n in pairs else None for n in range(len(told))]
        known += [(set(content(s)), label) for s, label in zip(told, labels, strict=True)]
    count = Counter(stem for stems, _ in known for stem in stems)
    weight = {stem: np.log((1 + len(known)) / (1 + n)) + 1 for stem, n in count.items()}

    def length(stems: set[str]) -> float:
        return float(np.sqrt(sum(weight.get(s, 0.0) ** 2 for s in stems))) or 1.0

    def say(sentence: str, *, always: bool = False) -> str | None:
        stems = set(content(sentence))
        best = [
            (sum(weight[s] ** 2 for s in stems & other) / length(stems) / length(other), label)
            for other, label in known
            if label is not None or not always
        ]
        return max(best, key=lambda one: one[0])[1]

    return say
