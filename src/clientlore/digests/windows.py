"""Windows: which one a fire opens for whom, when its mail may arrive, and what is decided when it closes. Pure.

A window is (person, frequency, key). A scheduled one is keyed by the local date or ISO week of its due time in
the person's zone: a clock change neither skips nor doubles it. One by hand is keyed by its fire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo

from clientlore.control.model import Fire, Preferences
from clientlore.control.snapshots import Reader
from clientlore.ids import stable_id

WindowFrequency = Literal["instant", "daily", "weekly", "adhoc"]
Decision = Literal["sent", "over_cap", "already_sent", "no_address"]


@dataclass(frozen=True)
class Window:
    """One window of one person."""

    tenant_id: str
    user_id: str
    frequency: WindowFrequency
    key: str
    fire_id: str
    as_of_day: date

    @cached_property
    def window_id(self) -> str:
        """The id, from what makes it unique."""
        return stable_id(self.tenant_id, self.user_id, self.frequency, self.key)


def window_for(fire: Fire, preferences: Preferences) -> Window | None:
    """The window that a fire opens for a person; None where it opens none for them.

    A digest fire opens its own person's, one by hand everybody's (or one person's), a monitoring fire those of
    the people who want to be told at once.
    """
    if fire.user_id is not None and fire.user_id != preferences.user_id:
        return None
    frequency: WindowFrequency
    if fire.kind == "adhoc":
        frequency, key = "adhoc", fire.fire_id
    elif fire.kind == "monitor":
        if preferences.frequency != "instant":
            return None
        frequency, key = "instant", fire.fire_id
    else:
        if preferences.frequency == "instant":
            return None
        frequency = preferences.frequency
        key = window_key(preferences, fire.due_at)
    return Window(fire.tenant_id, preferences.user_id, frequency, key, fire.fire_id, fire.day)


def window_key(preferences: Preferences, due_at: datetime) -> str:
    """`2026-11-20` or `2026-W47`, in the person's zone: the local date, or the ISO week, that the fire is for."""
    day = _local_day(due_at, ZoneInfo(preferences.timezone), preferences.local_time)
    if preferences.frequency == "weekly":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    return day.isoformat()


def _local_day(due_at: datetime, zone: ZoneInfo, local_time: str) -> date:
    """The local date of a due time.

    Where the clock skips the end of a day, a time in the gap comes due as the next day begins, and is the skipped
    one's still.
    """
    local = due_at.astimezone(zone)
    before = (due_at - timedelta(microseconds=1)).astimezone(zone)
    skipped = local.utcoffset() != before.utcoffset()
    if skipped and local.time() < time.fromisoformat(local_time):
        return before.date()
    return local.date()


def not_before(now: datetime, preferences: Preferences) -> datetime:
    """When mail may arrive: now, or the end of the quiet hours in which now lies."""
    if preferences.quiet_from is None or preferences.quiet_to is None:
        return now
    zone = ZoneInfo(preferences.timezone)
    local = now.astimezone(zone)
    start, end = (
        time.fromisoformat(preferences.quiet_from),
        time.fromisoformat(preferences.quiet_to),
    )
    clock = local.time().replace(tzinfo=None)
    across_midnight = start > end
    quiet = (clock >= start or clock < end) if across_midnight else (start <= clock < end)
    if start == end or not quiet:
        return now
    until = local.date() if clock < end else local.date() + timedelta(days=1)
    ends = datetime.combine(until, end, tzinfo=zone)
    if ends.astimezone(UTC) <= now:
        # The clock was put back over the end: it comes once more.
        ends = ends.replace(fold=1)
    # An end that a clock change skips is read with the offset of before it, and so lies behind the gap,
    # where it may be quiet again already.
    found = ends.astimezone(UTC)
    return not_before(found, preferences) if found > now else now


@dataclass(frozen=True)
class Candidate:
    """An event that passed every stateless gate for a person.

    Attributes:
        story_id: What it goes on telling; its own id where that is not sure enough to be said.
        clients: The person's clients it is about, the best first.
        day: The earliest day on which it passed.
    """

    event_id: str
    story_id: str
    clients: tuple[str, ...]
    day: date
    score: float
    category: str
    published_at: datetime | None


@dataclass(frozen=True)
class Decided:
    """What closing a window decided about a candidate.

    Attributes:
        follows: The event of the same story and client that the person was told of before it, if there is one.
    """

    candidate: Candidate
    decision: Decision
    reason: str
    is_late: bool
    follows: str | None = None


def decide(
    candidates: Iterable[Candidate],
    *,
    sent: Mapping[str, str],
    stories: Mapping[tuple[str, str], str] | None = None,
    goes_on: Callable[[str, str], bool] = lambda _earlier, _later: True,
    cap: int,
    late_before: date | None,
    has_address: bool = True,
) -> list[Decided]:
    """Decides every candidate, the best first.

    Args:
        candidates: What passed the stateless gates.
        sent: Events that the person was told of before, by any of their ids, each with what it was.
            An event whose very id was decided before is left out without a word.
        stories: Stories and clients that the person was told of before, each with the event that told it. What goes
            on with one is told, and says so: of two events of a story the second is mostly news (see
            docs/quality.md).
        goes_on: Of two events of a story, the one that was told first: whether the other goes on with it.
        cap: The most a mail may hold.
        late_before: Days before this one were open to an earlier window: what comes from them is late.
        has_address: Without one, nothing can be sent, and nothing counts as sent.
    """
    decided: list[Decided] = []
    told = dict(stories or {})
    room = cap
    for candidate in sorted(candidates, key=_best_first):
        is_late = late_before is not None and candidate.day < late_before
        if sent.get(candidate.event_id) == candidate.event_id:
            continue
        before = sent.get(candidate.event_id)
        if before is not None:
            reason = f"told before as {before}"
            decided.append(Decided(candidate, "already_sent", reason, is_late))
        elif not has_address:
            reason = "the person has no mail address"
            decided.append(Decided(candidate, "no_address", reason, is_late))
        elif room > 0:
            room -= 1
            asked = [(candidate.story_id, client) for client in candidate.clients]
            before_it = dict.fromkeys(told[key] for key in asked if key in told)
            follows = next((e for e in before_it if goes_on(e, candidate.event_id)), None)
            told |= dict.fromkeys(asked, candidate.event_id)
            reason = "late: its day came in after an earlier mail" if is_late else "in this mail"
            if follows is not None:
                reason += f", as more on a story that was told as {follows}"
            decided.append(Decided(candidate, "sent", reason, is_late, follows))
        else:
            decided.append(
                Decided(candidate, "over_cap", f"below the {cap} best of this mail", is_late)
            )
    return decided


def readers_of_fire(fire: Fire, readers: Sequence[Reader]) -> list[tuple[Reader, Window]]:
    """For whom a fire opens windows."""
    pairs = [(reader, window_for(fire, reader.preferences)) for reader in readers]
    return [(reader, window) for reader, window in pairs if window is not None]


def _best_first(candidate: Candidate) -> tuple[float, float, str]:
    published = candidate.published_at.timestamp() if candidate.published_at else 0.0
    return (-candidate.score, -published, candidate.event_id)
