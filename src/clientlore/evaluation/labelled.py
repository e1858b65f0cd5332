"""Labelled sets in a folder outside the project, read in place: texts with the product's categories.

A folder has `taxonomy_map.json` (the category of each set's labels; null leaves a label out) and one folder for each
set. Sets that are not there are left out.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from clientlore.errors import BadDataError
from clientlore.evaluation.lines import ClientLine, Line
from clientlore.monitoring.training import Labelled

MAP = "taxonomy_map.json"
TRAINING_SET = "twitter_financial_news_topic"
"""The one set whose licence (MIT) lets weights that were trained on it go wherever they like."""
_TAG = re.compile(r"\s*<[A-Z0-9.]+>")
_TRAINING_FILE = "train.jsonl.gz"
Map = Mapping[str, str | None]


@dataclass(frozen=True)
class Set:
    """Texts with their categories; each text has one."""

    name: str
    texts: pl.Series
    truth: tuple[str, ...]


def training_set(folder: Path) -> Labelled | None:
    """What the shipped model is trained on; None where it is not there.

    Raises:
        BadDataError: It is there and cannot be read.
    """
    file = folder / TRAINING_SET / _TRAINING_FILE
    if not file.is_file() or not (folder / MAP).is_file():
        return None
    mapped = _mapping(folder)[TRAINING_SET]
    rows = list(_lines(file))
    try:
        return Labelled(
            pl.Series([row["text"] for row in rows], dtype=pl.String),
            tuple(row["topic"] for row in rows),
            {row["topic"]: mapped[row["topic"]] for row in rows},
        )
    except KeyError as error:
        raise BadDataError(
            f"{file}: {error} is missing", "Each line needs text and a topic that the map knows."
        ) from None


def other_sets(folder: Path) -> list[Set]:
    """The sets that are only measured on."""
    if not (folder / MAP).is_file():
        return []
    mapped = _mapping(folder)
    found = []
    for name, (file, read) in _OTHERS.items():
        path = folder / name / file
        if path.is_file() and name in mapped:
            pairs = list(_single(_lines(path), read, mapped[name]))
            found.append(
                Set(
                    name,
                    pl.Series([t for t, _ in pairs], dtype=pl.String),
                    tuple(c for _, c in pairs),
                )
            )
    return found


def _single(
    rows: Iterator[dict[str, Any]],
    read: Callable[[dict[str, Any]], tuple[str, list[str]]],
    mapped: Map,
) -> Iterator[tuple[str, str]]:
    """Texts whose labels agree on one category; a text with a label that is left out is left out."""
    for row in rows:
        text, labels = read(row)
        if not labels or any(mapped.get(label) is None for label in labels):
            continue
        categories = {str(mapped[label]) for label in labels}
        if len(categories) == 1:
            yield text, categories.pop()


def _fiqa(row: dict[str, Any]) -> tuple[str, list[str]]:
    aspects = [aspect for info in row["info"] for aspect in info["aspects"]]
    return row["sentence"], ["/".join(aspect.split("/")[:2]) for aspect in aspects]


_OTHERS: Mapping[str, tuple[str, Callable[[dict[str, Any]], tuple[str, list[str]]]]] = {
    "sentivent": ("silver.jsonl.gz", lambda row: (row["text"], row["types"])),
    "sentifm": ("holdin.jsonl.gz", lambda row: (row["text"], row["types"])),
    "fiqa2018_task1": ("train.jsonl.gz", _fiqa),
}


def _mapping(folder: Path) -> Mapping[str, Map]:
    try:
        return json.loads((folder / MAP).read_bytes())  # type: ignore[no-any-return]
    except (OSError, ValueError) as error:
        raise BadDataError(
            f"{folder / MAP} cannot be read ({type(error).__name__})",
            "Put the map of labels there.",
        ) from None


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)
    except (OSError, ValueError) as error:
        raise BadDataError(
            f"{path} cannot be read ({type(error).__name__})",
            "It should hold JSON lines, packed by gzip.",
        ) from None


@dataclass(frozen=True)
class ClientSet:
    """Articles, and which of them are about which client; what is in neither set of a client is not judged.

    Attributes:
        items: The articles, without the ticker tags that the labels were read from.
        clients: By name alone, as a CRM has them.
        subjects: For each client, the ids of articles about it.
        mentions: For each client, the ids of articles that mention it.
        not_about: For each client, the ids of articles with the first word of its name that are about others.
    """

    items: tuple[Line, ...]
    clients: tuple[ClientLine, ...]
    subjects: tuple[frozenset[int], ...]
    mentions: tuple[frozenset[int], ...]
    not_about: tuple[frozenset[int], ...]


def client_set(folder: Path) -> ClientSet | None:
    """Articles and clients of Reuters-21578; None where they are not there."""
    articles = folder / "reuters21578" / "train_and_unused.jsonl.gz"
    labels = folder / "reuters_clients" / "clients.jsonl.gz"
    if not (articles.is_file() and labels.is_file()):
        return None
    items = tuple(
        Line(
            id=row["newid"],
            title=_TAG.sub("", row["title"] or ""),
            body=_TAG.sub("", row["body"] or ""),
        )
        for row in _lines(articles)
    )
    there = {item.id for item in items}
    rows = list(_lines(labels))

    def ids(key: str) -> tuple[frozenset[int], ...]:
        return tuple(frozenset(there.intersection(row[key])) for row in rows)  # type: ignore[arg-type]

    return ClientSet(
        items,
        tuple(ClientLine(client_id=n, name=row["name"]) for n, row in enumerate(rows)),
        ids("relevant_primary"),
        ids("relevant_mention"),
        ids("hard_negative_same_first_word"),
    )
