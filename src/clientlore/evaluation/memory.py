"""How well memory is searched and filled, on public sets with known answers, beside a baseline on the same questions.

The sets are read from a folder and are no part of the product: LoCoMo (conversations, each turn a memory; questions
with the turns that answer them) and Cranfield (abstracts, queries, judgements), beside plain stemmed BM25; and texts
with the memories that people found in them (`extraction`). Everything is without any model.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clientlore.errors import BadDataError, NotFoundError
from clientlore.evaluation import extraction
from clientlore.evaluation.extraction import Beside
from clientlore.evaluation.figures import Estimate, with_interval
from clientlore.memory import ranking
from clientlore.memory.scope import Scope, make_scope

DRAWS = 2_000
_ADVERSARIAL = 5
_WIDE = 1_000
Floats = NDArray[np.float64]
Read = TypeVar("Read")
_TIME = pl.Datetime("us", "UTC")
_NOWHEN = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Question:
    """A question and the ids that answer it."""

    text: str
    answers: frozenset[str]


@dataclass(frozen=True)
class Corpus:
    """What is searched, and what is asked of it."""

    name: str
    rows: pl.DataFrame
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Measured:
    """A figure with its 95 % interval, beside that of a baseline: plain stemmed BM25 for searches.

    Attributes:
        plain: What the baseline reaches.
        better_low: Lower end of the interval of the difference, paired by question; above 0, search is better.
    """

    corpus: str
    figure: str
    value: float
    low: float
    high: float
    plain: float
    better_low: float
    better_high: float
    questions: int


def measure(folder: Path, *, draws: int = DRAWS, seed: int = 0) -> list[Measured]:
    """Every figure of every set in the folder.

    Args:
        folder: Holds `locomo*.json`, `cran.all.1400` with `cran*.qry` and `cranqrel*`, or `memory_extraction_mit/`.
        draws: Of the bootstrap over questions.
        seed: Of the draws.

    Raises:
        NotFoundError: There is neither.
        BadDataError: A set cannot be read.
    """
    found: list[Measured] = []
    conversations = _read(_locomo, folder)
    if conversations:
        names = ("hit@5", "hit@10", "recall@10", "session@10")
        parts = [_turns(c) for c in conversations]
        plain = [_turns(c, plain=True) for c in conversations]
        for corpus, own, other in zip(conversations, parts, plain, strict=True):
            found += _told(corpus.name, names, own, other, draws, seed)
        whole, base = np.concatenate(parts), np.concatenate(plain)
        found += _told("locomo", names, whole, base, draws, seed)
    for corpus in _read(_cranfield, folder):
        found += _told(
            corpus.name,
            ("nDCG@10",),
            _abstracts(corpus),
            _abstracts(corpus, plain=True),
            draws,
            seed,
        )
    texts = _read(extraction.texts_in, folder)
    found += [_beside(one, draws, seed) for one in extraction.compared(texts)]
    if not found:
        raise NotFoundError(
            f"There is no labelled set of memory in {folder}",
            "Put locomo*.json there, cran.all.1400 with cran*.qry and cranqrel*, or memory_extraction_mit/.",
        )
    return found


def _beside(one: Beside, draws: int, seed: int) -> Measured:
    """A figure that is a ratio of sums over texts; the texts are drawn."""
    count = len(one.own)
    own, better = (
        with_interval(figure, count, draws=draws, seed=seed)
        for figure in (
            lambda at: one.value(one.own, at),
            lambda at: one.value(one.own, at) - one.value(one.other, at),
        )
    )
    plain = one.value(one.other, np.arange(count))
    return Measured(
        extraction.FOLDER, one.figure, own.value, own.low, own.high, plain, better.low, better.high, count
    )  # fmt: skip


def _told(
    corpus: str, names: Sequence[str], own: Floats, plain: Floats, draws: int, seed: int
) -> list[Measured]:
    told = []
    for n, name in enumerate(names):
        mine, gain = own[:, n], own[:, n] - plain[:, n]
        value, better = (_mean(figures, draws, seed) for figures in (mine, gain))
        told.append(
            Measured(
                corpus, name, value.value, value.low, value.high, float(plain[:, n].mean()),
                better.low, better.high, len(own),
            )
        )  # fmt: skip
    return told


def _mean(figures: Floats, draws: int, seed: int) -> Estimate:
    return with_interval(lambda at: float(figures[at].mean()), len(figures), draws=draws, seed=seed)


def _best(scope: Scope, question: str, limit: int, *, plain: bool) -> list[str]:
    ranked = ranking.by_words(scope, question)
    if plain:
        words = ranked.parts["words"]
        ranked = ranking.Ranked(words, words > 0, {})
    everything = np.ones(scope.rows.height, dtype=np.bool_)
    places = ranking.order(ranked, scope, everything, limit)
    return [scope.rows["memory_id"][place] for place in places]


def _turns(corpus: Corpus, *, plain: bool = False) -> Floats:
    """Of each question: whether a right turn is in the first 5 and 10, the share of right ones, the right session."""
    rows = corpus.rows.with_columns(attributes=pl.lit("{}")) if plain else corpus.rows
    scope = make_scope(rows)
    told = []
    for question in corpus.questions:
        best = _best(scope, question.text, _WIDE, plain=plain)
        right = question.answers & set(best[:10])
        sessions = list(dict.fromkeys(turn.split(":")[0] for turn in best))[:10]
        told.append(
            (
                bool(question.answers & set(best[:5])),
                bool(right),
                len(right) / len(question.answers),
                bool({turn.split(":")[0] for turn in question.answers} & set(sessions)),
            )
        )
    return np.array(told, dtype=np.float64)


def _abstracts(corpus: Corpus, *, plain: bool = False) -> Floats:
    """NDCG of the first 10, binary gain, the ideal being as many as are relevant."""
    scope = make_scope(corpus.rows)
    discounts = 1 / np.log2(np.arange(10) + 2)
    told = []
    for question in corpus.questions:
        best = _best(scope, question.text, 10, plain=plain)
        gain = sum(
            d for d, found in zip(discounts, best, strict=False) if found in question.answers
        )
        told.append([gain / discounts[: len(question.answers)].sum()])
    return np.array(told, dtype=np.float64)


def _read(reader: Callable[[Path], list[Read]], folder: Path) -> list[Read]:
    try:
        return reader(folder)
    except (OSError, KeyError, IndexError, ValueError, TypeError) as error:
        raise BadDataError(
            f"The set in {folder} cannot be read ({type(error).__name__}: {error})",
            "Put the files there as they are published.",
        ) from error


def _locomo(folder: Path) -> list[Corpus]:
    found = []
    paths = [p for p in sorted(folder.glob("locomo*.json")) if "errata" not in p.name]
    for path in paths:
        for told in json.loads(path.read_bytes()):
            rows = _frame(_said(told["conversation"]))
            known = set(rows["memory_id"])
            questions = []
            for asked in told["qa"]:
                named = {t for e in asked.get("evidence", []) for t in re.findall(r"D\d+:\d+", e)}
                if asked["category"] != _ADVERSARIAL and named & known:
                    questions.append(Question(asked["question"], frozenset(named & known)))
            found.append(Corpus(told["sample_id"], rows, tuple(questions)))
    return found


def _said(conversation: dict[str, Any]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    sessions = [key for key in conversation if re.fullmatch(r"session_\d+", key)]
    for session in sessions:
        told = f"{conversation[f'{session}_date_time']} +0000"
        at = datetime.strptime(told, "%I:%M %p on %d %B, %Y %z")
        for turn in conversation[session]:
            attributes = {"session": session, "speaker": turn["speaker"], "order": len(made)}
            made.append(
                {
                    "memory_id": turn["dia_id"],
                    "text": turn["text"],
                    "attributes": json.dumps(attributes),
                    "recorded_at": at,
                }
            )
    return made


def _cranfield(folder: Path) -> list[Corpus]:
    documents, queries = folder / "cran.all.1400", sorted(folder.glob("cran*.qry"))
    judged = [p for p in sorted(folder.glob("cranqrel*")) if p.suffix != ".readme"]
    if not (documents.is_file() and queries and judged):
        return []
    rows = [
        {"memory_id": number, "text": text, "attributes": "{}", "recorded_at": _NOWHEN}
        for number, text in _marked(documents, r"^\.W\n")
    ]
    relevant: dict[int, set[str]] = defaultdict(set)
    for line in judged[0].read_text().splitlines():
        query, document, *_ = line.split()
        relevant[int(query)].add(document)
    # The judgements count queries from 1, whatever number the query bears.
    asked = [text for path in queries for _, text in _marked(path, r"^\.W\n")]
    questions = [
        Question(text, frozenset(relevant[n])) for n, text in enumerate(asked, 1) if relevant[n]
    ]
    return [Corpus("cranfield", _frame(rows), tuple(questions))]


def _marked(path: Path, mark: str) -> list[tuple[str, str]]:
    parts = re.split(r"^\.I\s+", path.read_text(), flags=re.MULTILINE)[1:]
    return [
        (part.split()[0], " ".join(re.split(mark, part, maxsplit=1, flags=re.MULTILINE)[1].split()))
        for part in parts
    ]


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    made = pl.DataFrame(rows, schema_overrides={"recorded_at": _TIME})
    return made.with_columns(owner_id=pl.lit("set"), valid_from=pl.col("recorded_at"))
