"""What to look for in a text for each client: its name in the ways it is written. Not where it was found.

A name is looked for without its legal form, in words (see `normalise.plain_words`), and so are the ways in which
others write it: `and` for `&`, one word for two, the singular, the initials of three words or more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import polars as pl

from clientlore.control.model import Client
from clientlore.monitoring.normalise import plain_words
from clientlore.names import LEGAL_FORMS
from clientlore.storage.lake import columns

MIN_NAME = 3
LONG_WORD = 6
"""A word of so many letters may lose its last s and is still the same name."""
ACRONYM_LETTERS = (3, 5)
_FIRST = frozenset(["the", "nv", "bv", "ab", "kk", "inc", "corp", "ltd"])
SOFT_FORMS = frozenset(["group", "holding", "holdings"])
"""What is said of a company rather than part of its name."""

PATTERNS = columns(
    {
        "pattern": pl.String,
        "client_id": pl.String,
        "kind": pl.String,
        "as_written": pl.String,
        "strength": pl.Float64,
    }
)
STRENGTH = {
    "name": 0.95,
    "alias": 0.9,
    "ticker": 0.85,
    "variant": 0.85,
    "domain": 0.85,
    "short": 0.8,
    "word": 0.75,
    "acronym": 0.7,
    "person": 0.5,
}
"""How sure a hit of each kind makes us that the client is meant, before its surroundings are looked at."""


def core_name(name: str) -> str:
    """The name as words, without legal form: `"Acme Holdings, Inc."` is `"acme holdings"`."""
    parts = plain_words(name).split()
    while (form := _legal_form(parts)) > 0:
        parts = parts[:-form]
    while (start := _before_name(parts)) > 0:
        parts = parts[start:]
    return " ".join(parts)


def _before_name(parts: Sequence[str]) -> int:
    """Of how many words what stands before a name consists: `The`, `N.V.`; never the last word."""
    if len(parts) > 1 and parts[0] in _FIRST:
        return 1
    return 2 if len(parts) > 2 and "".join(parts[:2]) in {"nv", "bv", "coinc"} else 0


def _legal_form(parts: Sequence[str]) -> int:
    """Of how many words the legal form at the end consists; `S.p.A.` has three letters and is one form."""
    if len(parts) > 1 and parts[-1] in LEGAL_FORMS:
        return 1
    for letters in (2, 3, 4):
        end = parts[-letters:]
        if len(parts) > letters and max(map(len, end)) == 1 and "".join(end) in LEGAL_FORMS:
            return letters
    return 0


def patterns(clients: Iterable[Client]) -> pl.DataFrame:
    """What to look for, for every client: columns of `PATTERNS`. Two clients may share a pattern."""
    rows = [row for client in clients for row in _of_client(client)]
    frame = pl.DataFrame(rows, schema=PATTERNS, orient="row")
    return frame.sort("strength", descending=True, maintain_order=True).unique(
        ["pattern", "client_id"], keep="first", maintain_order=True
    )


def _of_client(client: Client) -> Iterator[tuple[str, str, str, str, float]]:
    found = [
        *_of_name(client.name, "name"),
        *(row for alias in client.profile.get("aliases", ()) for row in _of_name(alias, "alias")),
        *(
            (plain_words(person), "person", person)
            for person in client.profile.get("people", ())
            if " " in plain_words(person)
        ),
    ]
    if client.domain:
        if not core_name(client.name):
            label = client.domain.lower().removeprefix("www.").split(".", maxsplit=1)[0]
            found += _of_name(label, "alias")
        found.append((plain_words(client.domain), "domain", client.domain.lower()))
    for plain, kind, written in found:
        yield f" {plain} ", client.client_id, kind, written, STRENGTH[kind]


def _of_name(name: str, kind: str) -> Iterator[tuple[str, str, str]]:
    core = core_name(name)
    parts = core.split()
    if len(core) < MIN_NAME:
        # Two letters are a name only with what stands behind them: `HP Inc`.
        whole = plain_words(name)
        if parts and len(whole.split()) > len(parts) and len(core) > 1:
            yield whole, kind, name
        return
    if len(parts) == 1:
        yield core, "word", name
        return
    yield core, kind, name
    yield from ((variant, "variant", name) for variant in _variants(name, parts))
    if parts[-1] in SOFT_FORMS and len(short := " ".join(parts[:-1])) >= MIN_NAME:
        yield short, "short" if " " in short else "word", name
    initials = "".join(word[0] for word in parts)
    least, most = ACRONYM_LETTERS
    if least <= len(parts) <= most and all(len(word) > 1 and word.isalpha() for word in parts):
        yield initials, "acronym", initials.upper()


def _variants(name: str, parts: Sequence[str]) -> Iterator[str]:
    """Other ways to write a name of several words."""
    whole = " ".join(parts)
    for n, word in enumerate(parts):
        long = len(word) >= LONG_WORD
        if long and word.endswith("s") and not word.endswith("ss"):
            yield " ".join((*parts[:n], word[:-1], *parts[n + 1 :]))
        elif long and n == len(parts) - 1 and word.isalpha():
            yield f"{whole}s"
    for n, (left, right) in enumerate(pairwise(parts)):
        if len(left) > 1 and len(right) > 1 and "and" not in (left, right):
            yield " ".join((*parts[:n], left + right, *parts[n + 2 :]))
    if " and " in whole:
        yield whole.replace(" and ", " ")
    elif re.search(r"\w\s*&\s*\w", name):
        yield plain_words(re.sub(r"&", " and ", core_text(name)))


def core_text(name: str) -> str:
    """The name as it is written, without a legal form at its end."""
    parts = name.split()
    while len(parts) > 1 and re.sub(r"[\W_]", "", parts[-1]).lower() in LEGAL_FORMS:
        parts.pop()
    return " ".join(parts)
