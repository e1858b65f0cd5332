"""How the local classifier is trained: one-against-the-rest support vector machines, all classes in one descent.

    minimise for each topic  1/2 |w|^2 + sum over texts of C_i max(0, 1 - y w.x)^2

by coordinate descent in the dual (Hsieh et al., 2008, A Dual Coordinate Descent Method for Large-scale Linear SVM).
C of a topic's own texts grows as the topic gets rarer. Rare categories matter as much as frequent ones, so
LEAN * -log(share of the category among the texts) is added to the bias of a topic (Menon et al., 2021, Long-tail
Learning via Logit Adjustment). The temperature is the one under which texts that were held back are likeliest. Texts
that say nearly the same stand on one side of every split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clientlore.ids import stable_id
from clientlore.monitoring.classifier import Classifier, by_category, values
from clientlore.monitoring.ngrams import BITS, Features, cleaned, features
from clientlore.taxonomy import CATEGORY_NAMES

COST = 0.4
FORM = 0.35
"""How much form counts beside words and letters, each 1."""
TAUGHT_COST = 1.0
"""C of a text that a tenant's people have labelled: there are few of them, and they are about just this news."""
RARE = 1.0
"""By what power of its rarity a topic's own texts count more."""
LEAN = 0.025
ROUNDS = 12
FOLDS = 4
ALIKE = 0.5
"""Texts are nearly the same from this share of common runs of three words on (Jaccard)."""
_CROWD = 200
_TEMPERATURES = np.geomspace(0.05, 1.0, 40)


@dataclass(frozen=True)
class Labelled:
    """Texts with their topics, and the category of each topic (None: it spans several, so it is not measured)."""

    texts: pl.Series
    topics: tuple[str, ...]
    categories: Mapping[str, str | None]


@dataclass(frozen=True)
class HeldBack:
    """Judgements of texts by models that had not seen them, nor anything nearly the same.

    Attributes:
        row: Which texts these are.
        margins: Shape (rows, topics with a category).
        categories: The category of each of those topics.
        truth: The category of each text.
    """

    row: NDArray[np.int64]
    margins: NDArray[np.float32]
    categories: tuple[str, ...]
    truth: tuple[str, ...]


def train(
    labelled: Labelled,
    name: str,
    sheet: Mapping[str, object],
    *,
    held: HeldBack | None = None,
    seed: int = 0,
) -> Classifier:
    """A model of all texts, with a temperature from texts held back."""
    held = held or hold_back(labelled, seed=seed)
    temperature = best_temperature(held)
    topics, weights, bias, idf = fit(features(labelled.texts, FORM), labelled.topics, seed=seed)
    kept = [n for n, topic in enumerate(topics) if labelled.categories[topic] is not None]
    scale = np.maximum(np.abs(weights[:, kept]).max(0), 1e-9) / 127
    small = np.rint(weights[:, kept] / scale).astype(np.int8)
    digest = stable_id(small.tobytes().hex(), temperature, size=6)
    return Classifier(
        tuple(topics[n] for n in kept),
        tuple(str(labelled.categories[topics[n]]) for n in kept),
        small,
        scale.astype(np.float32),
        idf,
        (bias + _lean(topics, labelled.topics, labelled.categories))[kept].astype(np.float32),
        temperature,
        f"{name}-{digest}",
        sheet,
        FORM,
    )


def hold_back(labelled: Labelled, *, folds: int = FOLDS, seed: int = 0) -> HeldBack:
    """Cross-validation: each text judged by a model of other folds; of texts nearly the same, only the first counts."""
    groups = alike(labelled.texts)
    rng = np.random.default_rng(seed)
    fold_of = rng.integers(0, folds, groups.max(initial=0) + 1)[groups]
    first = np.zeros(len(groups), bool)
    first[np.unique(groups, return_index=True)[1]] = True
    measured = np.array([labelled.categories[topic] is not None for topic in labelled.topics])
    parts = features(labelled.texts, FORM)
    names = sorted(set(labelled.topics))
    kept = [name for name in names if labelled.categories[name] is not None]
    rows, margins = [], []
    for fold in range(folds):
        learned = np.flatnonzero(fold_of != fold)
        asked = np.flatnonzero((fold_of == fold) & first & measured)
        taught = [labelled.topics[n] for n in learned]
        topics, weights, bias, idf = fit(
            [_only(part, learned) for part in parts], taught, seed=seed
        )
        found = np.full((len(asked), len(kept)), -9.0, np.float32)
        bias += _lean(topics, taught, labelled.categories)
        told = _apply([_only(part, asked) for part in parts], weights, bias, idf)
        for n, topic in enumerate(topics):
            if topic in kept:
                found[:, kept.index(topic)] = told[:, n]
        rows.append(asked)
        margins.append(found)
    every = np.concatenate(rows)
    return HeldBack(
        every,
        np.concatenate(margins),
        tuple(str(labelled.categories[name]) for name in kept),
        tuple(str(labelled.categories[labelled.topics[n]]) for n in every),
    )


def best_temperature(held: HeldBack) -> float:
    """The temperature under which what is true is likeliest."""
    truth = np.array([CATEGORY_NAMES.index(name) for name in held.truth])
    at = np.arange(len(truth))
    loss = [
        -np.log(
            np.maximum(by_category(held.margins, held.categories, float(t))[at, truth], 1e-7)
        ).mean()
        for t in _TEMPERATURES
    ]
    return round(float(_TEMPERATURES[int(np.argmin(loss))]), 4)


def fit(
    parts: Sequence[Features], topics: Sequence[str], *, seed: int = 0
) -> tuple[list[str], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Topics, weights of shape (2 ** BITS, topics), bias and idf."""
    names, label = np.unique(np.array(topics), return_inverse=True)
    count = len(topics)
    seen = sum(np.bincount(part.bucket, minlength=1 << BITS) for part in parts)
    idf = (
        np.where(seen > 0, np.log((1 + count) / (1 + seen)) + 1, 0)
        .astype(np.float16)
        .astype(np.float32)
    )
    starts, buckets, worth = _rows(parts, idf, count)
    sign = np.where(label[:, None] == np.arange(len(names)), 1.0, -1.0).astype(np.float32)
    often = np.bincount(label, minlength=len(names))
    more = (often.max() / often) ** RARE
    # D_ii of the paper: 1 / (2 C).
    soft = np.where(sign > 0, 1 / (2 * COST * more), 1 / (2 * COST)).astype(np.float32)
    weights = np.zeros((1 << BITS, len(names)), np.float32)
    bias = np.zeros(len(names), np.float32)
    _descend(weights, bias, sign, soft, (starts, buckets, worth), seed)
    return [str(name) for name in names], weights, bias, idf


def _lean(
    names: Sequence[str], topics: Sequence[str], categories: Mapping[str, str | None]
) -> NDArray[np.float32]:
    """What is added to the bias of each of the named topics, by how many texts have its category."""
    texts = Counter(categories[topic] for topic in topics if categories[topic] is not None)
    total = max(texts.total(), 1)
    share = [texts.get(categories[name], total) / total for name in names]
    return (-LEAN * np.log(share)).astype(np.float32)


def adapt(
    base: Classifier,
    texts: pl.Series,
    categories: Sequence[str],
    name: str,
    sheet: Mapping[str, object],
    *,
    seed: int = 0,
) -> Classifier:
    """A model that starts as another and learns the categories of some more texts.

    The same descent with |w - w0|^2 in the place of |w|^2, w0 being the other model's weights. A text shall belong to
    that topic of its category which already fits it best, and to no topic of another category. A category that the
    other model never learned becomes a topic of its own, which at first says no to everything. The bias stays.

    Args:
        base: The other model; its idf and its temperature stay.
        texts: What is learned.
        categories: Of each text.
        name: The version begins with it.
        sheet: The data sheet.
        seed: In which order texts are gone through.
    """
    new = sorted(set(categories) - set(base.categories))
    topics, of = (*base.topics, *new), np.array([*base.categories, *new])
    weights = np.zeros((1 << BITS, len(topics)), np.float32)
    weights[:, : len(base.topics)] = base.weights * base.scale
    bias = np.append(base.bias, np.full(len(new), -1)).astype(np.float32)
    before = np.full((len(texts), len(topics)), -1, np.float32)
    before[:, : len(base.topics)] = base.margins(texts)
    own = of == np.array(categories, dtype=str)[:, None]
    fits = np.where(own, before, -np.inf).argmax(1)
    sign = np.where(own, 0, -1).astype(np.float32)
    sign[np.arange(len(texts)), fits] = 1
    soft = np.full_like(sign, 1 / (2 * TAUGHT_COST))
    rows = _rows(features(texts, base.form), base.idf, len(texts))
    # A tenant's labels are mostly of few categories: with the bias, every text would move towards those.
    _descend(weights, bias, sign, soft, rows, seed, bias_too=False)
    scale = np.maximum(np.abs(weights).max(0), 1e-9) / 127
    small = np.rint(weights / scale).astype(np.int8)
    digest = stable_id(small.tobytes().hex(), bias.tobytes().hex(), size=6)
    return Classifier(
        topics,
        tuple(of.tolist()),
        small,
        scale.astype(np.float32),
        base.idf,
        bias,
        base.temperature,
        f"{name}-{digest}",
        sheet,
        base.form,
    )


def _descend(
    weights: NDArray[np.float32],
    bias: NDArray[np.float32],
    sign: NDArray[np.float32],
    soft: NDArray[np.float32],
    rows: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]],
    seed: int,
    *,
    bias_too: bool = True,
) -> None:
    """Moves weights and bias, in place, to where the sum above is least; a sign of 0 asks nothing of a topic."""
    starts, buckets, worth = rows
    length = np.array([float(w @ w) for w in np.split(worth, starts[1:-1])]) + bias_too
    alpha = np.zeros_like(sign)
    rng = np.random.default_rng(seed)
    for _ in range(ROUNDS):
        for n in rng.permutation(len(sign)):
            at = slice(starts[n], starts[n + 1])
            which, value = buckets[at], worth[at]
            margin = value @ weights[which] + bias
            slope = sign[n] * margin - 1 + soft[n] * alpha[n]
            fresh = np.maximum(alpha[n] - slope / (length[n] + soft[n]), 0)
            step = (fresh - alpha[n]) * sign[n]
            if np.abs(step).max() < 1e-4:
                continue
            alpha[n] = fresh
            weights[which] += np.outer(value, step)
            if bias_too:
                bias += step


def alike(texts: pl.Series) -> NDArray[np.int64]:
    """A number for each text; texts that say nearly the same have one number."""
    words = cleaned(texts).str.split(" ")
    runs = [
        {tuple(told[n : n + 3]) for n in range(max(len(told) - 2, 1))} for told in words.to_list()
    ]
    where: dict[tuple[str, ...], list[int]] = {}
    parent = list(range(len(runs)))

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    for n, mine in enumerate(runs):
        shared: dict[int, int] = {}
        for run in mine:
            known = where.setdefault(run, [])
            for other in known[-_CROWD:]:
                shared[other] = shared.get(other, 0) + 1
            known.append(n)
        for other, common in shared.items():
            if common >= ALIKE * len(mine | runs[other]):
                parent[root(n)] = root(other)
    return np.unique([root(n) for n in range(len(runs))], return_inverse=True)[1].astype(np.int64)


def _rows(
    parts: Sequence[Features], idf: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """All parts side by side, text by text. A bucket may stand in several: it is added up."""
    text = np.concatenate([part.text for part in parts])
    bucket = np.concatenate([part.bucket for part in parts])
    worth = np.concatenate([values(part, idf) for part in parts])
    keys, place = np.unique((text << BITS) | bucket, return_inverse=True)
    added = np.bincount(place, worth).astype(np.float32)
    starts = np.searchsorted(keys >> BITS, np.arange(count + 1))
    return starts, keys & ((1 << BITS) - 1), added


def _apply(
    parts: Sequence[Features],
    weights: NDArray[np.float32],
    bias: NDArray[np.float32],
    idf: NDArray[np.float32],
) -> NDArray[np.float32]:
    starts, buckets, worth = _rows(parts, idf, parts[0].texts)
    return (
        np.stack([worth[a:b] @ weights[buckets[a:b]] + bias for a, b in pairwise(starts)])
        if parts[0].texts
        else np.zeros((0, len(bias)), np.float32)
    )


def _only(part: Features, rows: NDArray[np.int64]) -> Features:
    """The features of some texts, numbered anew in that order; the rows must be sorted."""
    number = np.full(part.texts, -1)
    number[rows] = np.arange(len(rows))
    kept = number[part.text] >= 0
    return Features(
        number[part.text][kept], part.bucket[kept], part.weight[kept], len(rows), part.length
    )
