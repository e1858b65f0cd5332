"""What stands in a digest: the lines, grouped by client, as frozen values. Reads the lake, decides nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import polars as pl

from clientlore.control.snapshots import Snapshot
from clientlore.digests.following import SURELY
from clientlore.digests.matches import MATCHES, days_for
from clientlore.digests.windows import Candidate, Decided
from clientlore.ids import short_ref
from clientlore.monitoring.events import EVENTS, MEMBERS, fullest
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.storage.lake import Lake


@dataclass(frozen=True)
class Line:
    """One line of a digest.

    Attributes:
        reference: What a reader quotes to have the line traced.
        also_in: How many further publishers told it.
        also_about: The reader's other clients that it is about: ids, and names once it stands in a section.
        is_more: Whether the reader was told of its story before.
        feedback: Links by which the reader says what it was worth, each with its words.
    """

    reference: str
    event_id: str
    item_id: str
    client_id: str
    title: str
    url: str | None
    publisher: str | None
    summary: str
    category: str
    score: float
    why: str
    published_at: datetime | None
    also_in: int
    also_about: tuple[str, ...]
    is_late: bool
    is_more: bool = False
    feedback: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Section:
    """The lines about one client."""

    client_id: str
    name: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Material:
    """Everything that windows of a tenant that close as of one day may need, read once.

    Attributes:
        matches: Rows of `MATCHES` that passed.
        relevance: Rows of `RELEVANCE` of those events.
        members: Rows of `MEMBERS` of those events, up to the day.
        aliases: The present event id for each id under which people were told something before.
        stories: Story ids by event id, of events that are surely of their story.
    """

    matches: pl.DataFrame
    relevance: pl.DataFrame
    members: pl.DataFrame
    aliases: Mapping[str, str]
    stories: Mapping[str, str]


def read_material(
    lake: Lake, snapshot: Snapshot, as_of: date, told_ids: Collection[str]
) -> Material:
    """Reads what may be mailed as of a day: the matches of its horizon, and what they point at.

    Args:
        lake: Where.
        snapshot: The configuration of the day.
        as_of: The last day whose matches count.
        told_ids: Ids of events under which people were told something before.
    """
    tenant = [snapshot.tenant_id]
    days = days_for(as_of, snapshot.setting("mail_horizon_days"))
    passed = lake.scan(MATCHES, tenant, days).filter(pl.col("passed"))
    if snapshot.mode == "live":
        passed = passed.filter(pl.col("source_mode") == "live")
    matches = lake.collect(MATCHES, passed)
    wanted = matches.select("event_id").unique().lazy()
    judged = lake.scan(RELEVANCE, tenant, days).join(wanted, on="event_id", how="semi")
    every = lake.scan(MEMBERS, tenant, days)
    told = (
        every.filter(pl.col("status") == "PROCESSED")
        .drop("words", "fingerprints", "canonical_url", "content_key")
        .join(wanted, on="event_id", how="semi")
    )
    relevance, members = lake.collect(RELEVANCE, judged), lake.collect(MEMBERS, told)
    # A day whose run died half way has matches of what is no longer there: they wait until it is made again.
    matches = matches.join(relevance, on=["event_id", "client_id"], how="semi").join(
        members, on="event_id", how="semi"
    )
    aliases = every.filter(pl.col("item_id").is_in(list(told_ids))).select("item_id", "event_id")
    surely = pl.col("story_similarity") >= SURELY
    stories = lake.scan(EVENTS, tenant, days).filter(surely).select("event_id", "story_id")
    return Material(
        matches=matches,
        relevance=relevance,
        members=members,
        aliases=dict(lake.collect(MEMBERS, aliases).iter_rows()),
        stories=dict(lake.collect(EVENTS, stories).iter_rows()),
    )


def candidates_for(material: Material, user_id: str) -> list[Candidate]:
    """The events that passed every stateless gate for a person."""
    published = material.members.group_by("event_id").agg(pl.col("published_at").min())
    rows = (
        material.matches.filter(pl.col("user_id") == user_id)
        .sort(pl.col("score") * -1, "client_id")
        .group_by("event_id", maintain_order=True)
        .agg(
            pl.col("client_id").alias("clients"),
            pl.col("day").min(),
            pl.col("score").first(),
            pl.col("category").first().cast(pl.String),
        )
        .join(published, on="event_id", how="left")
    )
    return [
        Candidate(
            event_id=row["event_id"],
            story_id=material.stories.get(row["event_id"], row["event_id"]),
            clients=tuple(row["clients"]),
            day=row["day"],
            score=row["score"],
            category=row["category"],
            published_at=row["published_at"],
        )
        for row in rows.iter_rows(named=True)
    ]


def lines_for(material: Material, window_id: str, decided: Iterable[Decided]) -> list[Line]:
    """The lines of what is sent, in the order in which it was decided."""
    chosen = [d for d in decided if d.decision == "sent"]
    ids = [d.candidate.event_id for d in chosen]
    told = material.members.filter(pl.col("event_id").is_in(ids))
    shown = {row["event_id"]: row for row in fullest(told).iter_rows(named=True)}
    publishers = dict(told.group_by("event_id").agg(pl.col("publisher").n_unique()).iter_rows())
    judged = {
        (row["event_id"], row["client_id"]): row
        for row in material.relevance.filter(pl.col("event_id").is_in(ids)).iter_rows(named=True)
    }
    lines = []
    for decision in chosen:
        candidate = decision.candidate
        copy, verdict = shown[candidate.event_id], judged[candidate.event_id, candidate.clients[0]]
        lines.append(
            Line(
                reference=short_ref(window_id, candidate.event_id),
                event_id=candidate.event_id,
                item_id=copy["item_id"],
                client_id=candidate.clients[0],
                title=copy["title"],
                url=copy["url"] if _is_web(copy["url"]) else None,
                publisher=copy["publisher"],
                summary="" if verdict["summary"] == copy["title"] else verdict["summary"],
                category=candidate.category,
                score=candidate.score,
                why=verdict["rationale"],
                published_at=copy["published_at"],
                also_in=max(0, publishers[candidate.event_id] - 1),
                also_about=candidate.clients[1:],
                is_late=decision.is_late,
                is_more=decision.follows is not None,
            )
        )
    return lines


def sections(lines: Sequence[Line], snapshot: Snapshot) -> list[Section]:
    """The lines by client: the client with the best line first, its lines from the best down."""
    names = {client.client_id: client.name for client in snapshot.clients}
    grouped: dict[str, list[Line]] = {}
    for line in lines:
        others = tuple(names.get(client_id, client_id) for client_id in line.also_about)
        grouped.setdefault(line.client_id, []).append(replace(line, also_about=others))
    return [
        Section(client_id, names.get(client_id, client_id), tuple(found))
        for client_id, found in grouped.items()
    ]


def _is_web(url: str | None) -> bool:
    """Only web addresses become links: whatever else stands in a feed is not followed from a mail."""
    return url is not None and url.startswith(("http://", "https://"))
