"""Text as bytes: columns of text to plain words, and words to hashes of shingles. Nothing per row but a join.

What makes two texts the same is said in `normalise`; how alike two texts are, in `nearduplicates`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

SHINGLE = 3
"""Words in a row."""
VALUE_BITS = 40
"""Of a shingle's hash; what is below leaves room for the position of a text."""
SAMPLED = 4
"""One shingle in so many is a fingerprint (Broder 1997, sketches modulo m)."""
CHUNK = 600
"""Texts at a time, so that what is worked on stays in the cache."""
PAIRS = 1 << 13
"""Pairs of texts at a time, for the same reason."""

_ROW_BITS = 64 - VALUE_BITS
_SPACE, _LINE = 32, 10
_POSSESSIVE = r"(?:[\x{2019}']s)+([^\p{L}\p{N}]|$)"

U64 = np.ndarray[tuple[int], np.dtype[np.uint64]]
Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]
I64 = np.ndarray[tuple[int], np.dtype[np.int64]]


def _ascii_table() -> bytes:
    ascii_ = (ord(chr(n).lower()) if chr(n).isalnum() or n == _LINE else _SPACE for n in range(128))
    return bytes([*ascii_, *range(128, 256)])


def _random(count: int, seed: int) -> U64:
    """Odd numbers of 64 bits, always the same (SplitMix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        start = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        return _mix(start + np.uint64(seed)) | np.uint64(1)


def _mix(x: U64) -> U64:
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


_TABLE = _ascii_table()
_LONGEST = 64
"""Bytes of a word that are looked at; its length counts too."""
_MASKS = np.array([(1 << (8 * n)) - 1 for n in range(9)], np.uint64)
_TURNS = _random(SHINGLE, 3)


def plain(texts: pl.Series) -> pl.Series:
    """Each text as words: NFKC, lower case, letters and digits only, one space between; possessives lose their s."""
    texts = texts.cast(pl.String).fill_null("")
    if texts.is_empty():
        return texts
    odd = texts.str.len_bytes() != texts.str.len_chars()
    if odd.any():
        rare = texts.filter(odd).str.normalize("NFKC").str.to_lowercase()
        rare = rare.str.replace_all(_POSSESSIVE, "$1").str.replace_all(r"[^\p{L}\p{N}]+", " ")
        texts = texts.scatter(odd.arg_true(), rare)
    # Letters stay as they are here: the s of a possessive is one in capitals too.
    low = (
        texts.str.replace_all(r"(?i)(?:'s)+([^\p{L}\p{N}]|$)", "$1") if _any(texts, "'") else texts
    )
    chunks = (low[start : start + CHUNK] for start in range(0, len(low), CHUNK))
    return pl.concat([_plain_chunk(chunk) for chunk in chunks]).alias(texts.name)


def _any(texts: pl.Series, what: str) -> bool:
    return bool(texts.str.contains(what, literal=True).any())


def _plain_chunk(texts: pl.Series) -> pl.Series:
    joined: str = texts.str.replace_all("\n", " ", literal=True).str.join("\n").item()
    raw = np.frombuffer(joined.encode().translate(_TABLE), np.uint8)
    # Of spaces in a row the last stays, and before a line break none does.
    keep = np.ones(len(raw), bool)
    keep[:-1] = (raw[:-1] != _SPACE) | (raw[1:] > _SPACE)
    lines = pl.Series([raw[keep].tobytes().decode()]).str.split("\n")
    return lines.explode(empty_as_null=False).str.strip_chars(" ")


@dataclass(frozen=True)
class Shingles:
    """The distinct shingles of each text, in the order of their hashes.

    Attributes:
        offsets: Where each text starts in `values`; one more than there are texts.
        values: Hashes of `VALUE_BITS` bits.
    """

    offsets: I64
    values: U64

    def lengths(self) -> I64:
        """How many distinct shingles each text has."""
        return np.diff(self.offsets)


def shingles(words: pl.Series, *, sampled_from: int | None = None) -> Shingles:
    """The shingles of texts of words; of texts with `sampled_from` or more, one in `SAMPLED` of them.

    A shingle is in the sample of every text that has it or of none, so samples of a short text and of a long one
    that contains it agree: unlike minima, they show containment.
    """
    counts, parts = [np.zeros(1, np.int64)], []
    for start in range(0, len(words), CHUNK):
        chunk = words[start : start + CHUNK]
        rows, values = _hashes(chunk.fill_null("").to_list())
        values >>= np.uint64(_ROW_BITS)
        if sampled_from is not None:
            few = np.bincount(rows, minlength=len(chunk)) < sampled_from
            kept = in_sample(values) | few[rows]
            rows, values = rows[kept], values[kept]
        placed = (rows.astype(np.uint64) << np.uint64(VALUE_BITS)) | values
        keys = pl.Series(placed).sort().to_numpy()
        if len(keys):
            keys = keys[np.r_[True, keys[1:] != keys[:-1]]]
        mine = (keys >> np.uint64(VALUE_BITS)).astype(np.int64)
        counts.append(np.bincount(mine, minlength=len(chunk)))
        parts.append(keys & np.uint64((1 << VALUE_BITS) - 1))
    return Shingles(
        np.cumsum(np.concatenate(counts)), np.concatenate([np.empty(0, np.uint64), *parts])
    )


def in_sample(values: U64) -> Flags:
    """Which shingles are in the sample: it depends on the shingle alone."""
    found: Flags = np.equal(values & np.uint64(SAMPLED - 1), 0)
    return found


def _hashes(texts: list[str]) -> tuple[I64, U64]:
    """For each run of words: the text it is of, and its hash."""
    joined = "\n".join(texts).encode() + b"\n" + bytes(8)
    raw = np.frombuffer(joined, np.uint8)[:-8]
    ends = np.flatnonzero(raw <= _SPACE)
    starts = np.r_[0, ends[:-1] + 1]
    lines = raw[ends] == _LINE
    row = np.cumsum(lines) - lines
    full = ends > starts
    starts, ends, row = starts[full], ends[full], row[full]
    if not len(starts):
        return np.empty(0, np.int64), np.empty(0, np.uint64)
    with np.errstate(over="ignore"):
        word = _word_hashes(joined, starts, ends - starts)
        found = word[: 1 - SHINGLE] * _TURNS[0]
        for turn in range(1, SHINGLE):
            found = found + word[turn : len(word) + turn + 1 - SHINGLE] * _TURNS[turn]
    whole = row[: 1 - SHINGLE] == row[SHINGLE - 1 :]
    return row[: 1 - SHINGLE][whole].astype(np.int64), _mix(found[whole])


def _word_hashes(joined: bytes, starts: I64, lengths: I64) -> U64:
    """Eight bytes at a time, as little-endian numbers on any machine."""
    eights: U64 = np.ndarray((len(joined) - 7,), "<u8", joined, strides=(1,))
    made = _mix((eights[starts] & _MASKS[np.minimum(lengths, 8)]) + lengths.astype(np.uint64))
    longer = np.flatnonzero(lengths > 8)
    for at in range(8, _LONGEST, 8):
        if not len(longer):
            break
        left = lengths[longer] - at
        part = eights[starts[longer] + at] & _MASKS[np.minimum(left, 8)]
        made[longer] = _mix(made[longer] * np.uint64(31) + part)
        longer = longer[left > 8]
    return made


def together(texts: Shingles, one: I64, other: I64) -> I64:
    """How many shingles each pair of texts shares.

    Args:
        texts: The shingles.
        one: Position of a text, for each pair.
        other: That of the other text.
    """
    lengths = texts.lengths()
    fewer = lengths[one] <= lengths[other]
    short, long = np.where(fewer, one, other), np.where(fewer, other, one)
    known = (
        np.repeat(np.arange(len(lengths), dtype=np.uint64), lengths) << np.uint64(VALUE_BITS)
    ) | texts.values
    # Looked up in the order in which they stand, neighbours are found near each other.
    order = np.argsort(long, kind="stable")
    shared = np.zeros(len(one), np.int64)
    for start in range(0, len(one), PAIRS):
        pairs = order[start : start + PAIRS]
        asked = lengths[short[pairs]]
        before = np.cumsum(asked) - asked
        at = np.repeat(texts.offsets[short[pairs]] - before, asked) + np.arange(asked.sum())
        wanted = texts.values[at] | np.repeat(
            long[pairs].astype(np.uint64) << np.uint64(VALUE_BITS), asked
        )
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        found = np.repeat(np.arange(len(pairs)), asked)[known[place] == wanted]
        shared[pairs] = np.bincount(found, minlength=len(pairs))
    return shared
