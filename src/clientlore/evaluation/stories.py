"""Stories, held against ECB+: two look-alike events in each of its topics (Cybulska and Vossen 2014)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clientlore.evaluation.figures import Estimate, Figure, named, with_interval
from clientlore.evaluation.sets import lines
from clientlore.monitoring.stories import threaded

AIM = 0.80
ORDERS = 5
THRESHOLDS = (0.14, 0.17, 0.2, 0.23, 0.26)


def documents(folder: Path) -> tuple[list[str], list[str], list[int]]:
    """Texts, the stories that they tell, and their topics."""
    rows = lines(folder / "monitoring" / "ecbplus" / "stories_train_dev.jsonl.gz")
    texts = ["\n".join(row["sentences"]) for row in rows]
    return texts, [row["story"] for row in rows], [int(row["topic"]) for row in rows]


def bcubed(gold: Sequence[object], said: Sequence[object]) -> tuple[float, np.ndarray, np.ndarray]:
    """B-cubed F1, and precision and recall of each item (Bagga and Baldwin 1998)."""
    both = Counter(zip(gold, said, strict=True))
    of_gold, of_said = Counter(gold), Counter(said)
    pairs = list(zip(gold, said, strict=True))
    precision = np.array([both[pair] / of_said[pair[1]] for pair in pairs])
    recall = np.array([both[pair] / of_gold[pair[0]] for pair in pairs])
    return _harmonic(precision.mean(), recall.mean()), precision, recall


def _harmonic(precision: float, recall: float) -> float:
    return float(2 * precision * recall / max(precision + recall, 1e-12))


def figures(folder: Path, seed: int = 0) -> list[Figure]:
    """Online, with the shipped threshold: in the order of the file, in random orders, and one topic after another.

    The interval resamples topics, since what is one topic stands or falls together.
    """
    texts, gold, topics = documents(folder)
    shuffled = []
    for number in range(ORDERS):
        order = _shuffled(len(texts), seed + number)
        shuffled.append(_measured("stories", texts, gold, topics, order))
    filed = list(range(len(texts)))
    sorted_ = sorted(filed, key=lambda n: (topics[n], n))
    middle = sorted(shuffled, key=lambda figure: figure.value)[ORDERS // 2]
    by_file = _measured("stories, order of the file", texts, gold, topics, filed)
    return [
        middle,
        by_file,
        _measured("stories, topic after topic", texts, gold, topics, sorted_),
        _unseen(texts, gold, topics, seed),
    ]


def _measured(
    name: str, texts: list[str], gold: list[str], topics: list[int], order: list[int]
) -> Figure:
    said = threaded(texts[n] for n in order)
    _, precision, recall = bcubed([gold[n] for n in order], said)
    found = _by_topic(precision, recall, np.array([topics[n] for n in order]))
    note = f"precision {precision.mean():.3f}, recall {recall.mean():.3f}"
    return named(name, found, len(order), AIM, note)


def _shuffled(count: int, seed: int) -> list[int]:
    return [int(n) for n in np.random.default_rng(seed).permutation(count)]


def _by_topic(precision: np.ndarray, recall: np.ndarray, topic: np.ndarray) -> Estimate:
    where = [np.flatnonzero(topic == t) for t in np.unique(topic)]

    def drawn(topics: np.ndarray) -> float:
        at = np.concatenate([where[t] for t in topics])
        return _harmonic(precision[at].mean(), recall[at].mean())

    return with_interval(drawn, len(where))


def _unseen(texts: list[str], gold: list[str], topics: list[int], seed: int) -> Figure:
    """Cross-validation by topic: the threshold that is best on the other topics is used on each fifth of them."""
    order = _shuffled(len(texts), seed)
    said = {t: threaded((texts[n] for n in order), like=t) for t in THRESHOLDS}
    names = [gold[n] for n in order]
    each = {t: bcubed(names, found)[1:] for t, found in said.items()}
    folds = np.array([topics[n] for n in order]) % 5
    precision, recall = np.zeros(len(order)), np.zeros(len(order))
    chosen = []
    for fold in range(5):
        rest, mine = folds != fold, folds == fold
        best = max(
            THRESHOLDS, key=lambda t: _harmonic(each[t][0][rest].mean(), each[t][1][rest].mean())
        )
        precision[mine], recall[mine] = each[best][0][mine], each[best][1][mine]
        chosen.append(best)
    found = _by_topic(precision, recall, np.array([topics[n] for n in order]))
    note = f"thresholds chosen on other topics: {', '.join(map(str, chosen))}"
    return named("stories, unseen topics", found, len(order), AIM, note)
