"""Meaning without a model: a latent semantic analysis fitted to the texts that are searched.

It brings together words that stand in the same texts (Deerwester et al. 1990). That takes texts long enough to have
several words about one thing: on turns of a conversation it does harm, so that it is fitted to longer ones alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

DIMENSIONS = 128
LEAST_WORDS = 30.0
"""Mean number of stems from which co-occurrence says something."""
LEAST_TEXTS, MOST_TEXTS = 50, 5_000
"""Fewer say too little; more would take more than a second or two to fit."""
_OVERSAMPLE, _ROUNDS = 16, 3


@dataclass(frozen=True)
class Semantics:
    """Texts as unit vectors, and how a query becomes one: `terms` has a row for each term."""

    texts: Floats
    terms: Floats

    def similarities(self, terms: Ints, weights: Floats) -> Floats:
        """Cosine of a query with every text; 0 throughout where none of its terms is known."""
        query = weights @ self.terms[terms]
        length = float(np.linalg.norm(query))
        if length < 1e-9:
            return np.zeros(len(self.texts), dtype=np.float32)
        found: Floats = self.texts @ (query / length)
        return found


def is_worthwhile(lengths: NDArray[np.float64]) -> bool:
    """Whether texts of these lengths (stems) are enough and long enough."""
    return LEAST_TEXTS <= len(lengths) <= MOST_TEXTS and float(lengths.mean()) >= LEAST_WORDS


def fit(rows: Ints, terms: Ints, counts: Floats, idf: Floats, texts: int) -> Semantics:
    """Fits by a randomised singular value decomposition (Halko, Martinsson, Tropp 2011) with a fixed seed.

    Args:
        rows: The text of each posting.
        terms: Its term.
        counts: How often the term stands in the text.
        idf: The weight of each term.
        texts: How many texts.
    """
    from scipy.sparse import csr_array

    values = np.log1p(counts) * idf[terms]
    length = np.sqrt(np.bincount(rows, values**2, texts)) + 1e-9
    values = (values / length[rows]).astype(np.float32)
    by_text = csr_array((values, (rows, terms)), shape=(texts, len(idf)))
    by_term = by_text.T.tocsr()
    size = min(DIMENSIONS, texts - 1, len(idf))
    width = min(size + _OVERSAMPLE, texts, len(idf))
    start = np.random.default_rng(0).standard_normal((len(idf), width)).astype(np.float32)
    basis = np.linalg.qr(by_text @ start)[0]
    for _ in range(_ROUNDS):
        basis = np.linalg.qr(by_text @ (np.linalg.qr(by_term @ basis)[0]))[0]
    small = by_term @ basis  # terms x width
    turn = np.linalg.svd(small, full_matrices=False)[0][:, :size]
    made = by_text @ turn
    made /= np.linalg.norm(made, axis=1, keepdims=True) + 1e-9
    return Semantics(made.astype(np.float32), turn.astype(np.float32))
