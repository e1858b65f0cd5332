"""Texts as hashed words, letters in a row, and outward form: what the classifier sees. Numpy over bytes, no loop.

Form is what reading small letters alone throws away: capitals, figures, marks, addresses, where a text begins and ends.
Newswires, press releases and posts about a share differ in it, and write about different things.

Hashes depend on the bytes alone, so a model that was trained elsewhere finds its weights here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

BITS = 18
"""A feature is one of 2 ** BITS buckets."""
LETTERS = (3, 4, 5)
READ_CHARS = 400
"""How much of a text is read: news says what it is about at its beginning, and more of it tells no better."""
FORM_RUN = 3
"""So many pieces of form in a row are a feature, and fewer."""
_SPACE = 32
_ADDRESS = "\x01"
# What a byte belongs to: letters of each kind run together, a mark stands alone; 0 is none, between pieces.
_MARK, _FIGURE, _CAPITAL, _SMALL, _FOREIGN = 1, 2, 3, 4, 5
_STEP = np.uint64(0x100000001B3)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_STIR = np.uint64(0xD6E8FEB86659FD93)
_LONGEST = 64
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&nbsp;": " "}

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """Features of texts, each (text, bucket) once, sorted by text.

    Attributes:
        text: Index of the text, shape (n,).
        bucket: The bucket, shape (n,).
        weight: 1 + log of how often it occurs there, shape (n,).
        texts: How many texts there are.
        length: How long the vector of a text is made, so how much this kind of feature counts beside others.
    """

    text: Integers
    bucket: Integers
    weight: Floats
    texts: int
    length: float = 1.0


def cleaned(texts: pl.Series) -> pl.Series:
    """Small letters, digits and a few telling marks, one space between words; addresses are left out."""
    return (
        texts.fill_null("")
        .str.slice(0, READ_CHARS)
        .str.replace_many(_ENTITIES)
        .str.normalize("NFKC")
        .str.to_lowercase()
        .str.replace_all(r"https?://\S+", " ")
        .str.replace_all(r"[\x{2019}']s\b", " s")
        .str.replace_all(r"([$%&!?])", " $1 ")
        .str.replace_all(r"[^\p{L}\p{N}$%&!?]+", " ")
        .str.strip_chars()
    )


def features(texts: pl.Series, form: float) -> tuple[Features, ...]:
    """Words and pairs of words; runs of letters within words; and runs of pieces of form, unless these count nothing.

    Args:
        texts: As they are written.
        form: How much form counts beside words (1) and letters (1).
    """
    told = word_and_letter_features(texts)
    return (*told, replace(form_features(texts), length=form)) if form else told


def form_features(texts: pl.Series) -> Features:
    """Runs of up to three pieces: a word by its capitals, a figure, a mark, an address, the beginning, the end."""
    plain = (
        texts.fill_null("")
        .str.slice(0, READ_CHARS)
        .str.replace_many({**_ENTITIES, "\u2019": "'", "\x02": " "})
        .str.replace_all(r"https?://\S+", _ADDRESS)
    )
    framed = [f" \x02 {text} \x02 ".encode() for text in plain]
    count = len(framed)
    if not count:
        return _counted(np.zeros(0, np.int64), np.zeros(0, np.uint64), 0)
    buffer = np.frombuffer(b"".join(framed), dtype=np.uint8)
    text = np.repeat(np.arange(count), [len(f) for f in framed])
    kind = _KINDS[buffer]
    # The later bytes of a letter belong to what its first one does.
    later = (buffer & 0xC0) == 0x80
    first = np.maximum.accumulate(np.where(later, 0, np.arange(buffer.size)))
    kind = kind[first]
    letters = (kind == _CAPITAL) | (kind == _SMALL)
    group = np.where(letters, _SMALL, kind).astype(np.int64)
    starts = np.flatnonzero((group > 0) & ((np.diff(group, prepend=0) != 0) | (group == _MARK)))
    starts = starts[~later[starts]]
    ends = np.append(starts[1:], buffer.size)
    capitals = np.concatenate(([0], np.cumsum(kind == _CAPITAL)))
    small = np.concatenate(([0], np.cumsum(kind == _SMALL)))
    # Which piece: a mark is itself; a word is small, capital, or begins so, and alone or not.
    begins = (kind[starts] == _CAPITAL).astype(np.int64)
    many = np.minimum(capitals[ends] - capitals[starts], 2)
    low = (small[ends] - small[starts] > 0).astype(np.int64)
    piece = np.where(
        kind[starts] == _MARK,
        buffer[starts].astype(np.int64),
        300 + 16 * group[starts] + np.where(letters[starts], 8 * begins + 2 * many + low, 0),
    )
    of, run = text[starts], np.zeros(len(starts), np.uint64)
    texts_of, hashes = [], []
    value = _stirred(piece.astype(np.uint64))
    with np.errstate(over="ignore"):
        for length in range(1, FORM_RUN + 1):
            left = len(starts) - length + 1
            run = run[:left] * _GOLDEN + value[length - 1 :]
            within = of[:left] == of[length - 1 :]
            texts_of.append(of[:left][within])
            hashes.append(_stirred(run[within] + np.uint64(length * 2_000_003)))
    return _counted(np.concatenate(texts_of), np.concatenate(hashes), count)


def word_and_letter_features(texts: pl.Series) -> tuple[Features, Features]:
    """Words and pairs of words; and runs of letters within words."""
    plain = cleaned(texts)
    framed = [f" {text} ".encode() for text in plain]
    count = len(framed)
    if not count:
        none = _counted(np.zeros(0, np.int64), np.zeros(0, np.uint64), 0)
        return none, none
    buffer = np.frombuffer(b"".join(framed), dtype=np.uint8)
    text = np.repeat(np.arange(count), [len(f) for f in framed])
    with np.errstate(over="ignore"):
        return _words(buffer, text, count), _letters(buffer, text, count)


def _words(buffer: NDArray[np.uint8], text: Integers, count: int) -> Features:
    inside = buffer != _SPACE
    starts = np.flatnonzero(inside & ~np.concatenate(([False], inside[:-1])))
    if not starts.size:
        return _counted(np.zeros(0, np.int64), np.zeros(0, np.uint64), count)
    # A text begins with a space, so nothing but that lies before the first word.
    lengths = np.diff(starts, append=buffer.size)
    place = np.zeros(buffer.size, np.int64)
    place[starts[0] :] = np.arange(buffer.size - starts[0]) - np.repeat(starts - starts[0], lengths)
    powers = np.cumprod(np.full(_LONGEST, _STEP))
    worth = (
        _stirred(buffer.astype(np.uint64) + np.uint64(1)) * powers[np.minimum(place, _LONGEST - 1)]
    )
    worth[~inside] = 0
    word = _stirred(np.add.reduceat(worth, starts))
    of = text[starts]
    pair = of[1:] == of[:-1]
    pairs = _stirred(word[:-1] * _GOLDEN + word[1:] + np.uint64(7))[pair]
    return _counted(
        np.concatenate((of, of[1:][pair])),
        np.concatenate((_stirred(word ^ np.uint64(11)), pairs)),
        count,
    )


def _letters(buffer: NDArray[np.uint8], text: Integers, count: int) -> Features:
    """Runs of bytes that lie in one word, the spaces around it among them."""
    inside = buffer != _SPACE
    spaces = np.cumsum(~inside)
    value = _stirred(buffer.astype(np.uint64) + np.uint64(1))
    texts, hashes = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)]
    for length in LETTERS:
        last = buffer.size - length + 1
        if last <= 0:
            continue
        run = np.zeros(last, np.uint64)
        for step in range(length):
            run = run * _STEP + value[step : last + step]
        within = (spaces[length - 2 : last + length - 2] == spaces[:last]) & (
            text[:last] == text[length - 1 :]
        )
        texts.append(text[:last][within])
        hashes.append(_stirred(run[within] + np.uint64(length * 1_000_003)))
    return _counted(np.concatenate(texts), np.concatenate(hashes), count)


def _stirred(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of each value spread over all of them."""
    mixed = (values ^ (values >> np.uint64(32))) * _STIR
    mixed = (mixed ^ (mixed >> np.uint64(32))) * _STIR
    return mixed ^ (mixed >> np.uint64(32))


def _counted(text: Integers, hashes: NDArray[np.uint64], count: int) -> Features:
    buckets = (hashes >> np.uint64(64 - BITS)).astype(np.int64)
    keys = (text << BITS) | buckets
    if count <= 1 << (32 - BITS):
        # Half as wide, they are sorted in half the time.
        keys = keys.astype(np.uint32)
    keys = pl.Series(keys).sort().to_numpy()
    first = np.flatnonzero(np.diff(keys, prepend=~keys[:1]))
    times = np.diff(first, append=len(keys))
    keys = keys[first].astype(np.int64)
    return Features(
        keys >> BITS,
        keys & ((1 << BITS) - 1),
        (1 + np.log(times)).astype(np.float32),
        count,
    )


def _kinds() -> NDArray[np.uint8]:
    kinds = np.full(256, _MARK, np.uint8)
    kinds[: _SPACE + 1] = 0
    kinds[1:3] = _MARK
    kinds[ord("0") : ord("9") + 1] = _FIGURE
    kinds[ord("A") : ord("Z") + 1] = _CAPITAL
    kinds[ord("a") : ord("z") + 1] = _SMALL
    kinds[0x80:0xE0] = _SMALL
    kinds[0xE0:] = _FOREIGN
    return kinds


_KINDS = _kinds()
