"""What comes first in a search: words, what was said around them, who said it, when it was, what it means.

Weights were chosen on five public conversations, looking at what each change did to every one;
`docs/searching.md` has the formula.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from clientlore.memory.scope import Flags, Floats, Scope
from clientlore.memory.words import stems_of

BEFORE, AFTER = 0.4, 0.4
"""Share of the score of the turn before and of that after."""
SECOND_BEFORE, SECOND_AFTER = 0.15, 0.1
SESSION = 0.5
"""Share of the score of the whole session or document."""
ANSWER = 0.4
"""What the score of the turn before counts more where it asks: this one answers."""
SPEAKER = 0.8
"""How much more what somebody said counts where the question names them."""
ASKS = 0.2
"""How much less a question counts, since it tells nothing."""
NAME = 0.1
"""Share of the score of the names among the words."""
NAMED = 0.05
"""What it counts to be said by who is named, whatever the words."""
DATED = 4.0
"""What it counts to be of the time that the question names: as much as a word that few memories have."""
LATELY = 0.3
"""How much more the newest counts than the oldest where the question asks for the newest."""
SEMANTIC = 0.6
"""Share of the fitted semantics in the score, where there are any."""
_LATELY = re.compile(
    r"\b(latest|newest|most recent(ly)?|recently|lately|currently)\b", re.IGNORECASE
)
_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_DATE = re.compile(
    rf"\b(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?)?(?P<month>{'|'.join(_MONTHS)})"
    r"(?:\s+(?P<day_after>\d{1,2})(?!\d)(?:st|nd|rd|th)?)?(?:,?\s+(?P<year>(?:19|20)\d\d))?\b"
    r"|\b(?P<iso>(?:19|20)\d\d-\d\d(?:-\d\d)?)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Ranked:
    """The lexical leg of a search.

    Attributes:
        scores: One for each memory of the scope.
        matches: Whether it, or what was said right before or after it, has a word of the query.
        parts: What each memory's score is made of.
    """

    scores: Floats
    matches: Flags
    parts: Mapping[str, Floats]


def by_words(scope: Scope, query: str) -> Ranked:
    """Scores every memory of a scope by the words of a query and by how memories stand together.

    score = (w + 0.4 before + 0.4 after + 0.15 second before + 0.1 second after + 0.5 session + 0.4 answered question)
    x (1 + 0.8 [said by who is named]) x (1 - 0.2 [is a question]) x (1 + 0.5 [of the time named])
    x (1 + 0.3 recency, only where the newest is asked for), where w is BM25 of the memory and the others are BM25 of
    its neighbours and of its session. Where semantics could be fitted, the score is 0.4 of this and 0.6 of the
    cosine, each as a share of its largest.
    """
    asked = stems_of(query)
    named = [n for n, name in enumerate(scope.speakers) if name and name & set(asked)]
    spoken = frozenset[str]().union(*(scope.speakers[n] for n in named))
    # Who speaks is told by the speaker; their name among the words would find those who talk to them.
    words = [stem for stem in asked if stem not in spoken] or asked
    terms, weights = scope.terms(words)
    own = scope.words.bm25(terms, weights)
    names = scope.words.bm25(*scope.terms([stem for stem in asked if stem not in words]))
    said = np.isin(scope.speaker_of, named)
    dated = _of_time(scope.rows, query)
    session = scope.sessions.bm25(terms, weights)[scope.session_of]
    before, after = scope.shifted(own, 1), scope.shifted(own, -1)
    answered = before * scope.shifted(scope.asks.astype(np.float64), 1)
    parts = {
        "words": own,
        "neighbours": BEFORE * before
        + AFTER * after
        + SECOND_BEFORE * scope.shifted(own, 2)
        + SECOND_AFTER * scope.shifted(own, -2),
        "answer": ANSWER * answered,
        "session": SESSION * session,
        "name": NAME * names + NAMED * said,
        "date": DATED * dated,
    }
    factors = {"question": -ASKS * scope.asks.astype(np.float64)}
    if named:
        factors["speaker"] = SPEAKER * said.astype(np.float64)
    if _LATELY.search(query):
        factors["recency"] = LATELY * _recency(scope.rows)
    scores = np.zeros(scope.rows.height)
    for part in parts.values():
        scores += part
    for factor in factors.values():
        scores *= 1 + factor
    matches = own + before + after + names + said + dated > 0
    fitted = scope.semantics if len(terms) else None
    if fitted is not None:
        close = np.maximum(fitted.similarities(terms, _query_weights(scope, terms, weights)), 0)
        cosine = close.astype(np.float64)
        scores = (1 - SEMANTIC) * _share(scores) + SEMANTIC * _share(cosine)
        parts["meaning"] = cosine
    return Ranked(scores, matches, {**parts, **factors})


def fuse(lexical: Ranked, cosine: Floats | None, allowed: Flags, limit: int) -> Ranked:
    """Words with the meaning that an embedder gives.

    Meaning counts as far as it can be trusted here: its weight is the share of its best that the words find too,
    beyond what chance would give (two standard deviations of it). An embedder that knows nothing of these texts
    cannot push down what the words have found; what it alone has found then stands behind.
    """
    if cosine is None or not allowed.any():
        return lexical
    sought = lexical.matches & allowed
    top = min(max(limit, 20), int(allowed.sum()))
    near = _best(np.where(allowed, cosine, -np.inf), top)
    wide = min(5 * top, int(sought.sum()))
    found = _best(np.where(sought, lexical.scores, -np.inf), wide) if wide else near[:0]
    agreed = np.isin(near, found).mean()
    chance = wide / int(allowed.sum())
    luck = 2 * float(np.sqrt(chance * (1 - chance) / top))
    trust = max(0.0, (agreed - chance - luck) / (1 - chance)) if chance < 1 else float(agreed)
    weight = 1.0 if not wide else 0.5 * float(trust)
    by_word = _share(np.where(sought, lexical.scores, 0.0))
    scores = (1 - weight) * by_word + max(weight, 1e-6) * _share(np.maximum(cosine, 0))
    matches = lexical.matches.copy()
    matches[near] |= cosine[near] > 0
    return Ranked(scores, matches, {**lexical.parts, "embedding": cosine})


def order(ranked: Ranked, scope: Scope, allowed: Flags, limit: int) -> list[int]:
    """The places of the best, ties going to the later and then to the smaller id."""
    places = np.flatnonzero(ranked.matches & allowed & (ranked.scores > 0))
    scores = np.round(ranked.scores[places], 9)
    if len(places) > limit:
        # Only those that may be among the best are sorted; all that tie with the last are kept.
        worst = np.partition(scores, len(scores) - limit)[len(scores) - limit]
        places, scores = places[scores >= worst], scores[scores >= worst]
    found: list[int] = places[np.lexsort((scope.turn[places], -scores))][:limit].tolist()
    return found


def reranked(places: Sequence[int], relevance: Mapping[int, float]) -> list[int]:
    """The places in the order of their relevance, ties as they were.

    A place of which no relevance is known stays where it stands, and the others go around it.

    Args:
        places: Best first.
        relevance: By place, the larger the better.
    """
    best = iter(sorted((p for p in places if p in relevance), key=lambda p: -relevance[p]))
    return [next(best) if p in relevance else p for p in places]


def ranks(values: Floats, allowed: Flags, places: Sequence[int]) -> dict[int, int]:
    """The rank, from 1, that each of these places has among the allowed ones above 0."""
    scores = np.sort(values[allowed & (values > 0)])
    own = values[list(places)]
    above = len(scores) - np.searchsorted(scores, own, side="right")
    return {
        place: 1 + rank
        for place, rank, value in zip(places, above.tolist(), own.tolist(), strict=True)
        if value > 0
    }


def _best(values: Floats, count: int) -> np.ndarray:
    if count >= len(values):
        return np.arange(len(values))
    return np.argpartition(-values, count - 1)[:count]


def _share(values: Floats) -> Floats:
    most = float(values.max(initial=0.0))
    return values / most if most > 0 else values


def _query_weights(scope: Scope, terms: np.ndarray, counts: Floats) -> np.ndarray:
    found: np.ndarray = (np.log1p(counts) * scope.words.idf[terms]).astype(np.float32)
    return found


def _recency(rows: pl.DataFrame) -> Floats:
    """0 for the oldest to 1 for the newest, by rank."""
    ranks = rows["recorded_at"].rank("dense").to_numpy().astype(np.float64)
    most = ranks.max(initial=1.0)
    return (ranks - 1) / (most - 1) if most > 1 else np.zeros_like(ranks)


def _of_time(rows: pl.DataFrame, query: str) -> Floats:
    """1 for memories of a day or month that the query names."""
    wanted = [w for w in (_named(found) for found in _DATE.finditer(query)) if w is not None]
    if not wanted:
        return np.zeros(rows.height)
    when = pl.coalesce("valid_from", "recorded_at")
    held = pl.lit(value=False)
    for year, month, day in wanted:
        same = when.dt.month() == month
        if year is not None:
            same &= when.dt.year() == year
        if day is not None:
            same &= when.dt.day() == day
        held |= same
    return rows.select(held=held).fill_null(value=False)["held"].cast(pl.Float64).to_numpy()


def _named(found: re.Match[str]) -> tuple[int | None, int, int | None] | None:
    if found["iso"]:
        parts = [int(part) for part in found["iso"].split("-")]
        try:
            date(parts[0], parts[1], parts[2] if len(parts) > 2 else 1)
        except ValueError:
            return None
        return parts[0], parts[1], parts[2] if len(parts) > 2 else None
    day = found["day"] or found["day_after"]
    if found["month"].lower() == "may" and not (day or found["year"]):
        return None  # the verb
    month = _MONTHS.index(found["month"].lower()) + 1
    return (
        int(found["year"]) if found["year"] else None,
        month,
        int(day) if day and 1 <= int(day) <= 31 else None,
    )
