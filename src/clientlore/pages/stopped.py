"""What did not reach people, and what stopped it: gates, full windows, quarantine, sources without an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl
import sqlalchemy as sa

from clientlore.control import tables as t
from clientlore.control.model import User
from clientlore.digests.matches import GATES, MATCHES
from clientlore.monitoring.events import EVENTS
from clientlore.workspace import Workspace

EXAMPLES = 3
NAMES: Mapping[str, str] = {
    "assigned": "about a client that is not theirs",
    "scored": "not scored yet",
    "threshold": "below their threshold",
    "category": "in a category they do not follow",
    "age": "too old",
    "over_cap": "over the number of items they want in a mail",
    "already_sent": "told to them before",
    "no_address": "no address to write to",
}


@dataclass(frozen=True)
class Example:
    """Something that was stopped for a person."""

    event_id: str
    title: str
    client: str
    score: float | None
    handle: str
    name: str
    reason: str


@dataclass(frozen=True)
class Gate:
    """A gate, how often it stopped something, and what came nearest to passing."""

    name: str
    label: str
    count: int
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Reach:
    """How far things came for a person: pairs of event and client.

    Attributes:
        judged: Everything that was judged on the days.
        stopped: Pairs by gate or decision.
        sent: Lines in their mails.
    """

    user: User
    judged: int
    stopped: Mapping[str, int]
    sent: int


@dataclass(frozen=True)
class Stopped:
    """What stopped the rest.

    Attributes:
        quarantined: Rows set aside by reason.
        silent: Sources without an answer: who, how often, the last error.
    """

    gates: tuple[Gate, ...]
    people: tuple[Reach, ...]
    quarantined: Mapping[str, int] = field(default_factory=dict)
    silent: tuple[tuple[str, int, str], ...] = ()


def stopped_of(
    workspace: Workspace, tenant_id: str, days: Sequence[date], users: Sequence[User]
) -> Stopped:
    """What was stopped on some days, for the people of a tenant."""
    lake = workspace.lake
    matches = lake.collect(MATCHES, lake.scan(MATCHES, [tenant_id], days))
    titles = dict(
        lake.collect(EVENTS, lake.scan(EVENTS, [tenant_id]).select("event_id", "title")).iter_rows()
    )
    n, q, c = t.notifications.c, t.quarantine.c, t.collections.c
    with workspace.control.read() as connection:
        decided = [
            dict(row)
            for row in connection.execute(
                sa.select(t.notifications)
                .where(n.tenant_id == tenant_id, n.day.in_(list(days)))
                .order_by(n.score.desc(), n.event_id)
            ).mappings()
        ]
        clients = {
            row.client_id: row.name
            for row in connection.execute(
                sa.select(t.clients.c.client_id, t.clients.c.name).where(
                    t.clients.c.tenant_id == tenant_id
                )
            )
        }
        aside = dict(
            connection.execute(
                sa.select(q.reason, sa.func.count())
                .where(q.tenant_id == tenant_id, q.day.in_(list(days)), q.state == "open")
                .group_by(q.reason)
                .order_by(q.reason)
            )
            .tuples()
            .all()
        )
        silent = connection.execute(
            sa.select(c.source_id, c.client_id, c.error)
            .where(c.tenant_id == tenant_id, c.day.in_(list(days)), c.outcome == "failed")
            .order_by(c.source_id, c.day)
        ).all()
    by_id = {user.user_id: user for user in users}
    # What one window had no room for, a later one may have had.
    sent = {(row["user_id"], row["event_id"]) for row in decided if row["decision"] == "sent"}
    decided = [
        row
        for row in decided
        if row["decision"] == "sent" or (row["user_id"], row["event_id"]) not in sent
    ]
    stops = _stops(matches, decided)
    return Stopped(
        gates=tuple(_gates(stops, by_id, titles, clients)),
        people=tuple(_reach(matches, decided, stops, user) for user in users),
        quarantined=aside,
        silent=tuple(_silent([(row[1] or row[0], str(row[2])) for row in silent])),
    )


def _stops(matches: pl.DataFrame, decided: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Whatever was stopped, by a gate or when a window closed: what came nearest first."""
    columns = ["event_id", "client_id", "user_id", "score", "gate", "reason"]
    by_gate = matches.filter(~pl.col("passed")).select(columns)
    by_window = pl.DataFrame(
        [
            {name: row[name] for name in columns if name != "gate"} | {"gate": row["decision"]}
            for row in decided
            if row["decision"] != "sent"
        ],
        schema=by_gate.schema,
    ).unique(["event_id", "user_id"], keep="last", maintain_order=True)
    return pl.concat([by_gate, by_window.select(columns)]).sort(
        pl.col("score") * -1, "event_id", "client_id", "user_id", nulls_last=True
    )


def _gates(
    stops: pl.DataFrame,
    users: Mapping[str, User],
    titles: Mapping[str, str],
    clients: Mapping[str, str],
) -> list[Gate]:
    found = []
    for name in (*GATES, "over_cap", "already_sent", "no_address"):
        mine = stops.filter(pl.col("gate") == name)
        if mine.is_empty():
            continue
        told = mine.filter(pl.col("user_id").is_in(list(users))).unique(
            "event_id", keep="first", maintain_order=True
        )
        examples = tuple(
            Example(
                event_id=row["event_id"],
                title=titles.get(row["event_id"], row["event_id"]),
                client=clients.get(row["client_id"], row["client_id"]),
                score=row["score"],
                handle=users[row["user_id"]].handle,
                name=users[row["user_id"]].name,
                reason=row["reason"],
            )
            for row in told.head(EXAMPLES).iter_rows(named=True)
        )
        found.append(Gate(name, NAMES[name], mine.height, examples))
    return found


def _reach(
    matches: pl.DataFrame,
    decided: Sequence[Mapping[str, object]],
    stops: pl.DataFrame,
    user: User,
) -> Reach:
    mine = stops.filter(pl.col("user_id") == user.user_id)
    return Reach(
        user=user,
        judged=matches.filter(pl.col("user_id") == user.user_id).height,
        stopped={
            name: count for name in NAMES if (count := mine.filter(pl.col("gate") == name).height)
        },
        sent=sum(row["user_id"] == user.user_id and row["decision"] == "sent" for row in decided),
    )


def _silent(rows: Sequence[tuple[str, str]]) -> list[tuple[str, int, str]]:
    last: dict[str, tuple[int, str]] = {}
    for who, error in rows:
        last[who] = (last.get(who, (0, ""))[0] + 1, error)
    return [(who, count, error) for who, (count, error) in sorted(last.items())]
