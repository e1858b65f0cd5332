"""One search of memory: which rows it may see, which of them it is narrowed to, and what it gives back.

How a hit is scored stands in `memory/ranking.py`; how rows come to be is not its business.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
from pydantic_core import from_json

from clientlore.errors import ConfigurationError
from clientlore.memory import ranking
from clientlore.memory.kinds import TIERS, Tier
from clientlore.memory.ranking import Ranked
from clientlore.memory.scope import Flags, Floats, Scope

Mode = Literal["hybrid", "lexical", "vector"]
MOST_HITS = 1_000
RERANKED = 50
"""How many of the best hits a reranker is asked about, if nothing else is said."""
Relevance = Callable[[str, pl.DataFrame], Mapping[int, float]]
"""From a question and rows with text and attributes to the relevance of each, by its place among them; those whose
place is missing stay where they stand."""
_KEY = re.compile(r"[\w-]+(\.[\w-]+)*")


@dataclass(frozen=True)
class Query:
    """What is looked for, and where.

    Attributes:
        text: Words, or a question.
        owners: Only memories about these; None for all of the tenant's.
        kinds: Only of these kinds.
        mode: By words and meaning, or by one of them.
        where: Only with this metadata: a value, or a list of values one of which must be there.
        ids: Only those that came with one of these ids of their origin.
        since: Only what happened from then on, that instant or day included.
        until: Only what happened up to then, that instant or day included.
        as_of: As it was known, and as it held, at this instant; None for now.
        clearance: Nothing above this security tier is seen, nor bears on what is; None for everything.
        closed: Also what no longer holds.
        by_session: Only the best of each session or document.
        context: How many memories of the same session or document before and after each hit to give with it.
        rerank: How many of the best a reranker puts in order, where there is one; 0 for none, at most 1,000.
        limit: At most this many, 1 to 1,000.
    """

    text: str
    owners: tuple[str, ...] | None = None
    kinds: tuple[str, ...] = ()
    mode: Mode = "hybrid"
    where: Mapping[str, Any] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    since: datetime | date | None = None
    until: datetime | date | None = None
    as_of: datetime | None = None
    clearance: Tier | None = None
    closed: bool = False
    by_session: bool = False
    context: int = 0
    rerank: int = RERANKED
    limit: int = 10

    def checked(self) -> Query:
        """Itself.

        Raises:
            ConfigurationError: It cannot be answered.
        """
        if not 1 <= self.limit <= MOST_HITS:
            raise ConfigurationError(
                f"A limit of {self.limit} cannot be", f"Ask for 1 to {MOST_HITS:,}."
            )
        if not 0 <= self.rerank <= MOST_HITS:
            raise ConfigurationError(
                f"{self.rerank} hits cannot be reranked", f"Ask for 0 to {MOST_HITS:,}."
            )
        if not self.text.strip():
            raise ConfigurationError("There is nothing to search for", "Give some words.")
        if self.mode not in get_args(Mode):
            raise ConfigurationError(
                f"There is no search mode '{self.mode}'", f"Use {', '.join(get_args(Mode))}."
            )
        if self.clearance is not None and self.clearance not in TIERS:
            raise ConfigurationError(
                f"There is no security tier '{self.clearance}'", f"Use {', '.join(TIERS)}."
            )
        for key in self.where:
            if not is_key(key):
                raise ConfigurationError(
                    f"'{key}' is no name of metadata", "Use letters, digits, - and _."
                )
        for instant in (self.as_of, self.since, self.until):
            if isinstance(instant, datetime) and instant.tzinfo is None:
                raise ConfigurationError(
                    f"{instant} has no time zone", "Write 2026-11-20T09:00:00Z, or a day alone."
                )
        return self


def is_key(key: str) -> bool:
    """Whether metadata may be filtered by this name; dots lead into what lies inside."""
    return _KEY.fullmatch(key) is not None


@dataclass(frozen=True)
class Hit:
    """A memory that was found.

    Attributes:
        score: The larger the better; comparable within one search only. A hit that a reranker moved has the score of
            the place it came to.
        legs: Rank in each leg of the search, and by the reranker, from 1.
        parts: What the score is made of, without what is 0 (`memory/ranking.py` has the formula).
        before: What stands before it in its session or document, as far as asked for.
        after: What stands after it.
    """

    memory_id: str
    owner_id: str
    kind: str
    text: str
    score: float
    recorded_at: datetime
    attributes: dict[str, Any]
    sources: tuple[str, ...]
    legs: dict[str, int]
    parts: dict[str, float] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """The answer of a search.

    Attributes:
        mode: `lexical`, `vector` or `hybrid`: what was really done.
        behind: Operations that the index has not caught up with yet, because somebody else was writing.
        reranked_by: The model that put the best hits in order; None where none did.
        not_reranked: Why it did not, where one is there: what happened, and what to do. The order is then that
            without it.
    """

    hits: tuple[Hit, ...]
    mode: str
    behind: int = 0
    reranked_by: str | None = None
    not_reranked: str | None = None


@dataclass(frozen=True)
class ScopeKey:
    """What decides which rows a search may see."""

    tenant_id: str
    owners: tuple[str, ...] | None
    as_of: datetime | None
    clearance: str | None
    edition: int = 0


class Scopes:
    """Scopes made lately, within a bound of memory; each belongs to a state of the log."""

    def __init__(self, most_bytes: int = 1 << 29) -> None:
        self._most = most_bytes
        self._held: OrderedDict[ScopeKey, tuple[int, Scope]] = OrderedDict()
        self._bytes = 0

    def get(
        self, key: ScopeKey, seq: int, is_same: Callable[[int], bool], make: Callable[..., Scope]
    ) -> Scope:
        """The scope as of a sequence number of the log.

        Args:
            key: Which.
            seq: How far the log has come.
            is_same: Whether nothing that this scope holds has changed since another sequence number.
            make: Makes it, given the one before, if any.
        """
        held = self._held.get(key)
        if held is not None and (held[0] == seq or is_same(held[0])):
            scope = held[1]
        else:
            scope = make(None if held is None else held[1])
            self._bytes += scope.size - (0 if held is None else held[1].size)
        self._held[key] = (seq, scope)
        self._held.move_to_end(key)
        while len(self._held) > 1 and self._bytes > self._most:
            self._bytes -= self._held.popitem(last=False)[1][1].size
        return scope


def answer(
    scope: Scope,
    query: Query,
    vector: Floats | None,
    now: datetime,
    relevance: Relevance | None = None,
) -> list[Hit]:
    """The hits of a query in a scope.

    Args:
        scope: What may be seen.
        query: What is looked for.
        vector: The query's, where there is an embedder; its cosine with each memory is the vector leg.
        now: What holds is what holds then, unless the query names an instant.
        relevance: Puts the best `query.rerank` of what was found in order; the rest follows as it was.
    """
    if scope.rows.is_empty():
        return []
    allowed = _allowed(scope, query, query.as_of or now)
    cosine = None
    if vector is not None and scope.vectors is not None:
        # Not a product of BLAS, whose threads wait for each other on a busy machine.
        cosine = np.vecdot(scope.vectors, vector.astype(np.float32)).astype(np.float64)
    if query.mode == "vector":
        assert cosine is not None
        near = np.maximum(cosine, 0)
        ranked = lexical = Ranked(near, near > 0, {"embedding": near})
    else:
        lexical = ranking.by_words(scope, query.text)
        ranked = lexical
        if query.mode == "hybrid":
            ranked = ranking.fuse(lexical, cosine, allowed, query.limit)
    depth = 0 if relevance is None else query.rerank
    wanted = scope.rows.height if query.by_session else max(query.limit, depth)
    places = ranking.order(ranked, scope, allowed, wanted)
    told: dict[int, float] = {}
    moved: dict[int, float] = {}
    if relevance is not None and places:
        best = scope.rows.select("text", "attributes")[places[:depth]]
        told = {places[n]: found for n, found in relevance(query.text, best).items()}
        scores = ranked.scores[places[:depth]].tolist()
        places = ranking.reranked(places, told)
        # Who sorts by the score gets this order too.
        moved = dict(zip(places, scores, strict=False))
    if query.by_session:
        places = _best_of_sessions(scope, places)
    places = places[: query.limit]
    legs: dict[str, dict[int, int]] = {}
    if query.mode != "vector":
        found = np.where(lexical.matches, lexical.scores, 0.0)
        legs["lexical"] = ranking.ranks(found, allowed, places)
    if cosine is not None:
        legs["vector"] = ranking.ranks(cosine, allowed, places)
    if told:
        legs["rerank"] = {
            p: 1 + sum(x > told[p] for x in told.values()) for p in places if p in told
        }
    own = zip(places, ranked.scores[places].tolist(), strict=True)
    scores_of = [moved.get(place, score) for place, score in own]
    parts = {name: part[places].tolist() for name, part in ranked.parts.items()}
    parts["rerank"] = [told.get(place, 0.0) for place in places]
    return _hits(scope, query, scores_of, parts, legs, places, allowed)


def _hits(
    scope: Scope,
    query: Query,
    scores: Sequence[float],
    parts_of: Mapping[str, Sequence[float]],
    legs: Mapping[str, Mapping[int, int]],
    places: Sequence[int],
    allowed: Flags,
) -> list[Hit]:
    before, after = range(-query.context, 0), range(1, query.context + 1)
    hits = []
    for n, (place, row) in enumerate(zip(places, scope.told(places), strict=True)):
        memory_id, owner_id, kind, text, recorded_at, attributes, sources = row
        hits.append(
            Hit(
                memory_id=memory_id,
                owner_id=owner_id,
                kind=kind,
                text=text,
                score=round(scores[n], 6),
                recorded_at=recorded_at,
                attributes=from_json(attributes),
                sources=tuple(sources or ()),
                legs={leg: ranks[place] for leg, ranks in legs.items() if place in ranks},
                parts={k: part for k, x in parts_of.items() if (part := round(x[n], 6))},
                before=_around(scope, place, before, allowed) if before else (),
                after=_around(scope, place, after, allowed) if after else (),
            )
        )
    return hits


def _allowed(scope: Scope, query: Query, at: datetime) -> Flags:
    """Which rows the query is narrowed to."""
    rows = scope.rows
    narrowed = query.kinds or query.ids or query.since or query.until or query.where
    if not narrowed and (query.closed or not scope.has_ends):
        return np.ones(rows.height, dtype=np.bool_)
    happened = pl.coalesce("valid_from", "recorded_at")
    wanted = [pl.lit(value=True)]
    if query.kinds:
        wanted.append(pl.col("kind").is_in(list(query.kinds)))
    if query.ids:
        wanted.append(
            pl.col("attributes").str.json_path_match("$.id").is_in(list(query.ids)).fill_null(False)
        )
    if query.since is not None:
        wanted.append(happened >= _instant(query.since, time.min))
    if query.until is not None:
        wanted.append(happened <= _instant(query.until, time.max))
    if not query.closed:
        wanted.append(pl.col("valid_to").is_null() | (pl.col("valid_to") > at))
    for key, value in query.where.items():
        said = [_as_text(one) for one in (value if isinstance(value, list | tuple) else [value])]
        found = pl.coalesce(
            pl.col("attributes").str.json_path_match(f"$.metadata.{key}"),
            pl.col("attributes").str.json_path_match(f"$.{key}"),
        )
        wanted.append(found.is_in(said).fill_null(value=False))
    mask = rows.select(keep=pl.all_horizontal(wanted))["keep"]
    found_mask: Flags = mask.to_numpy()
    return np.broadcast_to(found_mask, (rows.height,)).copy()


def seen(rows: pl.DataFrame, clearance: str | None) -> pl.DataFrame:
    """The rows that are not above a clearance."""
    return rows if clearance is None else rows.filter(not_above(clearance))


def not_above(clearance: str) -> pl.Expr:
    """Whether a row is of this tier or a more open one; without a tier it is general, with an unknown one never."""
    tier = pl.col("attributes").str.json_path_match("$.security").fill_null(TIERS[0])
    return tier.is_in(TIERS[: TIERS.index(clearance) + 1])


def _best_of_sessions(scope: Scope, places: Sequence[int]) -> list[int]:
    best: dict[int, int] = {}
    for place in places:
        best.setdefault(int(scope.session_of[place]), place)
    return list(best.values())


def _around(scope: Scope, place: int, steps: range, allowed: Flags) -> tuple[str, ...]:
    near = [place + step for step in steps if 0 <= place + step < scope.rows.height]
    return tuple(
        scope.rows["text"][n]
        for n in near
        if scope.session_of[n] == scope.session_of[place] and allowed[n]
    )


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _instant(value: datetime | date, of_day: time) -> datetime:
    if isinstance(value, datetime):
        return value
    return datetime.combine(value, of_day, UTC)
