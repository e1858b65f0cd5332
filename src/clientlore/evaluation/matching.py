"""Clients in items of a file: who is meant, in what role, how surely, and by which words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clientlore.control.model import Client
from clientlore.errors import BadDataError
from clientlore.evaluation.figures import Estimate, with_interval
from clientlore.evaluation.labelled import ClientSet
from clientlore.evaluation.lines import ClientLine, Line
from clientlore.monitoring.matching import SURE, match


@dataclass(frozen=True)
class Measured:
    """How good matching is on a set, each with its interval (over the clients).

    Attributes:
        pairs: How many pairs of item and client are labelled.
        f1: Of the labelled pairs: about the client, or about another with the same first word.
        recall: Of the items about or mentioning a client, the share that is found.
        wrongly: Of the items about others with the same first word, the share that is accepted.
        role: Of what is found, the share whose role is right.
    """

    pairs: int
    f1: Estimate
    recall: Estimate
    wrongly: Estimate
    role: Estimate


_SCHEMA = dict.fromkeys(("item_id", "title", "text", "url", "client_id"), pl.String)


@dataclass(frozen=True)
class Matched:
    """What was found, in the order of the items; each row with id, client_id, role, confidence and evidence.

    Attributes:
        accepted: The clients that are meant.
        ambiguous: Those that may be meant; each row has `doubt`, the reason.
    """

    accepted: list[dict[str, Any]]
    ambiguous: list[dict[str, Any]]


def match_items(items: Sequence[Line], clients: Sequence[ClientLine]) -> Matched:
    """Finds the clients in items.

    Raises:
        BadDataError: A client has neither a name nor a domain, or two have one id.
    """
    known = [_client(line) for line in clients]
    ids = [client.client_id for client in known]
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise BadDataError(
            f"client_id '{twice}' stands twice", "Give every client an id of its own."
        )
    frame = pl.DataFrame(
        {
            "item_id": [f"{n:010d}" for n in range(len(items))],
            "title": [item.title for item in items],
            "text": [item.body for item in items],
            "url": [item.url for item in items],
            "client_id": [None] * len(items),
        },
        schema=_SCHEMA,
    )
    place = {client.client_id: n for n, client in enumerate(known)}
    found = match(frame, known).with_columns(
        _place=pl.col("client_id").replace_strict(place, return_dtype=pl.Int64)
    )
    accepted, ambiguous = [], []
    for row in found.sort("item_id", "_place").iter_rows(named=True):
        item, client = items[int(row["item_id"])], clients[row["_place"]]
        told = {
            "id": item.id,
            "client_id": client.client_id,
            "role": role_of(row),
            "confidence": round(row["strength"], 4),
            "evidence": _evidence(item, row["found"]) or row["evidence"],
        }
        if row["strength"] >= SURE:
            accepted.append(told)
        else:
            ambiguous.append({**told, "doubt": row["doubt"] or "little speaks for it"})
    return Matched(accepted, ambiguous)


def measure_matching(found: ClientSet) -> Measured:
    """How well clients are found by their names."""
    roles: dict[tuple[int, int], str] = {
        (int(row["client_id"]), int(row["id"])): row["role"]
        for row in match_items(found.items, found.clients).accepted
    }
    counts = np.zeros((len(found.clients), 6), np.int64)
    for n, (subjects, mentions, others) in enumerate(
        zip(found.subjects, found.mentions, found.not_about, strict=True)
    ):
        hits = [item for item in subjects | mentions if (n, item) in roles]
        right = sum(
            (roles[n, item] == "subject") == (item in subjects)
            for item in hits
            if not (item in subjects and item in mentions)
        )
        wrong = sum((n, item) in roles for item in others)
        about = len(subjects | mentions)
        counts[n] = (len(hits), about - len(hits), wrong, about, len(others), right)

    def share(figure: Callable[[NDArray[np.int64]], float]) -> Estimate:
        return with_interval(lambda at: figure(counts[at].sum(0)), len(counts))

    return Measured(
        int(counts[:, 3:5].sum()),
        share(lambda c: float(2 * c[0] / max(2 * c[0] + c[1] + c[2], 1))),
        share(lambda c: float(c[0] / max(c[3], 1))),
        share(lambda c: float(c[2] / max(c[4], 1))),
        share(lambda c: float(c[5] / max(c[0], 1))),
    )


def role_of(row: dict[str, Any]) -> str:
    """`subject` where the client stands in the headline or the lead, or the page is its own; else `mention`."""
    return "subject" if row["in_title"] or row["in_lead"] or row["own_site"] else "mention"


def _client(line: ClientLine) -> Client:
    if not (line.name or line.domain):
        raise BadDataError(
            f"client '{line.client_id}' has neither a name nor a domain", "Give it one of them."
        )
    lists = {
        "aliases": line.aliases,
        "people": line.people,
        "places": line.places,
        "exclude": line.exclude,
    }
    return Client(
        "files",
        str(line.client_id),
        line.name or "",
        domain=line.domain or None,
        ticker=line.ticker or None,
        industry=line.industry,
        profile={key: values for key, values in lists.items() if values},
    )


def _evidence(item: Line, found: str | None) -> str | None:
    """The words as the item writes them, with what stands between them there."""
    if found is None:
        return item.url
    written = _as_written(found)
    for text in (item.title, item.body):
        hit = written.search(text or "")
        if hit is not None:
            return hit.group()
    return found


@cache
def _as_written(found: str) -> re.Pattern[str]:
    words = re.findall(r"[^\W_]+", found)
    return re.compile(
        r"(?<![^\W_])" + r"(?:['\u2019]s)?[\W_]+".join(map(re.escape, words)) + r"(?![^\W_])"
    )
