"""What a search looks through, taken apart: who said what in which session, and which words stand where.

A scope holds the rows that one search may see and no others, so that neither another owner's rows nor ones above the
asker's clearance bear on what comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clientlore.memory import semantics
from clientlore.memory.words import stems

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

K1, B = 1.2, 0.75
"""Of BM25 (Robertson, Zaragoza 2009)."""
FEW = 50
"""Rows up to which they are taken one by one."""


@dataclass(frozen=True)
class Postings:
    """Which units (memories or sessions) a term stands in, and how often."""

    starts: Ints
    units: Ints
    counts: Floats
    lengths: Floats

    @classmethod
    def of(cls, terms: Ints, units: Ints, lengths: Floats, vocabulary: int) -> Postings:
        """From one entry for each word of each unit."""
        height = max(len(lengths), 1)
        keys, counts = np.unique(terms * height + units, return_counts=True)
        starts = np.searchsorted(keys, np.arange(vocabulary + 1) * height)
        return cls(starts.astype(np.int64), keys % height, counts.astype(np.float64), lengths)

    @cached_property
    def idf(self) -> Floats:
        """Of each term; never negative."""
        held = np.diff(self.starts)
        found: Floats = np.log1p((len(self.lengths) - held + 0.5) / (held + 0.5))
        return found

    @cached_property
    def _norm(self) -> Floats:
        mean = float(self.lengths.mean()) if len(self.lengths) else 1.0
        return K1 * (1 - B + B * self.lengths / max(mean, 1e-9))

    def bm25(self, terms: Ints, weights: Floats) -> Floats:
        """The score of every unit."""
        scores = np.zeros(len(self.lengths))
        for term, weight in zip(terms, weights, strict=True):
            part = slice(self.starts[term], self.starts[term + 1])
            units, counts = self.units[part], self.counts[part]
            gain = weight * self.idf[term] * (K1 + 1)
            scores[units] += gain * counts / (counts + self._norm[units])
        return scores


@dataclass(frozen=True)
class Scope:
    """Memories to search through, in the order in which they happened within each session.

    Attributes:
        rows: The memories, with `stems`, their owner, session and speaker.
        vocabulary: The terms, and the number of each.
        words: Of each memory.
        sessions: Of each session as a whole; a memory outside any session is one by itself.
        session_of: The session of each memory.
        same: Whether a memory stands in one session with the one before it.
        asks: Whether it is a question within a conversation.
        speakers: Stems of each speaker's name.
        speaker_of: The speaker of each memory; -1 for nobody.
    """

    rows: pl.DataFrame
    vocabulary: dict[str, int]
    words: Postings
    sessions: Postings
    session_of: Ints
    same: Flags
    asks: Flags
    speakers: tuple[frozenset[str], ...]
    speaker_of: Ints
    vectors: NDArray[np.float32] | None

    @cached_property
    def semantics(self) -> semantics.Semantics | None:
        """Fitted when first asked for; None where the texts are too short or too few."""
        if not semantics.is_worthwhile(self.words.lengths):
            return None
        terms = np.repeat(np.arange(len(self.vocabulary)), np.diff(self.words.starts))
        return semantics.fit(
            self.words.units,
            terms,
            self.words.counts.astype(np.float32),
            self.words.idf.astype(np.float32),
            self.rows.height,
        )

    @cached_property
    def turn(self) -> Ints:
        """The place of each memory among equals: the later first, then the smaller id."""
        by = self.rows.select("recorded_at", "memory_id").with_row_index("place")
        first = by.sort("recorded_at", "memory_id", descending=[True, False])["place"].to_numpy()
        turns = np.empty(len(first), dtype=np.int64)
        turns[first] = np.arange(len(first))
        return turns

    def told(self, places: Sequence[int]) -> list[tuple[Any, ...]]:
        """Of each of these places id, owner, kind, text, when it was recorded, attributes and sources."""
        if len(places) > FEW:
            return self._told[list(places)].rows()
        # To gather them wakes the threads of Polars, which costs a small search more than what it looks for.
        return [self._told.row(place) for place in places]

    @cached_property
    def _told(self) -> pl.DataFrame:
        return self.rows.select(
            "memory_id", "owner_id", "kind", "text", "recorded_at", "attributes", "sources"
        )

    @cached_property
    def has_ends(self) -> bool:
        """Whether anything here holds up to an instant alone."""
        return self.rows["valid_to"].null_count() < self.rows.height

    @cached_property
    def size(self) -> int:
        """About how many bytes it takes."""
        vectors = 0 if self.vectors is None else self.vectors.nbytes
        return vectors + 32 * len(self.words.units) + int(self.rows.estimated_size())

    def terms(self, query: list[str]) -> tuple[Ints, Floats]:
        """The terms of a query that stand anywhere here, with how often each was asked for."""
        counts = Counter(self.vocabulary[stem] for stem in query if stem in self.vocabulary)
        numbers = sorted(counts)
        return np.array(numbers, dtype=np.int64), np.array([float(counts[n]) for n in numbers])

    def shifted(self, values: Floats, by: int) -> Floats:
        """The value of the memory that many places before (positive) or after, 0 where the session ends first."""
        out = np.zeros_like(values)
        near = self.session_of
        if by > 0:
            inside = near[by:] == near[:-by]
            out[by:] = np.where(inside, values[:-by], 0)
        else:
            inside = near[:by] == near[-by:]
            out[:by] = np.where(inside, values[-by:], 0)
        return out


def make_scope(
    rows: pl.DataFrame,
    vectors: NDArray[np.float32] | None = None,
    before: Scope | None = None,
) -> Scope:
    """Takes memories apart.

    Args:
        rows: Columns of the memory index, each memory once.
        vectors: One for each row, where there is an embedder.
        before: An earlier scope: what it has stemmed is not stemmed again.
    """
    told = pl.col("attributes").str.json_path_match
    frame = rows.with_row_index("place").with_columns(
        session=told("$.session"),
        speaker=told("$.speaker"),
        order=told("$.order").cast(pl.Int64, strict=False),
    )
    # A turn may bear its speaker in front of its words alone.
    leading = pl.col("text").str.extract(r"^(\p{Lu}[\p{L}.'\x{2019} -]{0,40}):\s", 1)
    frame = frame.with_columns(
        speaker=pl.coalesce("speaker", pl.when(pl.col("session").is_not_null()).then(leading))
    ).sort("owner_id", "session", "recorded_at", "order", "memory_id", nulls_last=True)
    if vectors is not None:
        vectors = vectors[frame["place"].to_numpy()]
    frame = _stemmed(frame.drop("place"), before)
    alone = pl.col("session").is_null()
    grouped = frame.select(
        session=pl.struct(
            "owner_id", "session", single=pl.when(alone).then(pl.col("memory_id"))
        ).rle_id(),
        asks=~alone & pl.col("text").str.contains(r"\?\W*$"),
        length=pl.col("stems").list.len(),
    )
    session_of = grouped["session"].cast(pl.Int64).to_numpy()
    lengths = grouped["length"].cast(pl.Float64).to_numpy()
    entries = (
        frame.lazy()
        .with_row_index("unit")
        .select(pl.col("unit").cast(pl.Int64), stem="stems")
        .explode("stem")
        .drop_nulls("stem")
        .collect()
    )
    known = entries["stem"].unique().sort()
    numbered = pl.DataFrame({"stem": known}).with_row_index("term")
    units = entries["unit"].to_numpy()
    terms = (
        entries.join(numbered, on="stem", how="left", maintain_order="left")["term"]
        .cast(pl.Int64)
        .to_numpy()
    )
    count = int(session_of[-1]) + 1 if len(session_of) else 0
    names = sorted(frame["speaker"].drop_nulls().unique().to_list())
    place = {name: n for n, name in enumerate(names)}
    return Scope(
        rows=frame,
        vocabulary=dict(zip(known.to_list(), range(len(known)), strict=True)),
        words=Postings.of(terms, units, lengths, len(known)),
        sessions=Postings.of(
            terms,
            session_of[units],
            np.bincount(session_of, lengths, count).astype(np.float64),
            len(known),
        ),
        session_of=session_of,
        same=np.r_[False, session_of[1:] == session_of[:-1]][: frame.height],
        asks=grouped["asks"].to_numpy(),
        speakers=tuple(frozenset(s) for s in stems(pl.Series(names, dtype=pl.String)).to_list()),
        speaker_of=frame["speaker"]
        .replace_strict(place, default=-1, return_dtype=pl.Int64)
        .fill_null(-1)
        .to_numpy(),
        vectors=vectors,
    )


def _stemmed(frame: pl.DataFrame, before: Scope | None) -> pl.DataFrame:
    # The name in front of a turn says who speaks, which counts by itself.
    spoken = pl.when(
        pl.col("speaker").is_not_null()
        & pl.col("text").str.starts_with(pl.format("{}: ", pl.col("speaker")))
    ).then(pl.col("text").str.slice(pl.col("speaker").str.len_chars() + 1))
    frame = frame.with_columns(said=pl.coalesce(spoken, "text"))
    if before is None or before.rows.is_empty():
        return frame.with_columns(stems=stems(frame["said"])).drop("said")
    held = before.rows.select("memory_id", "text", "speaker", "stems")
    joined = frame.join(
        held,
        on=["memory_id", "text", "speaker"],
        how="left",
        maintain_order="left",
        nulls_equal=True,
    )
    missing = joined["stems"].is_null()
    if missing.any():
        fresh = pl.DataFrame(
            {
                "memory_id": joined["memory_id"].filter(missing),
                "fresh": stems(joined["said"].filter(missing)),
            }
        )
        joined = (
            joined.join(fresh, on="memory_id", how="left", maintain_order="left")
            .with_columns(stems=pl.coalesce("stems", "fresh"))
            .drop("fresh")
        )
    return joined.drop("said")
