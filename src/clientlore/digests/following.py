"""Whether an event goes on with one that was told before, surely enough for a reader to be told so.

Being of one story is not enough: stories of one template are alike (two takeovers, two probes). Numbers and names must
not contradict each other either (see `monitoring.evidence`).
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from clientlore.monitoring.events import fullest
from clientlore.monitoring.evidence import signs, weighed
from clientlore.monitoring.normalise import words

SURELY = 0.45
"""From this similarity to its story on, an event is surely of it."""
MOST_NAMES = 0.34
"""So much of the names may contradict each other; of the numbers nothing may."""

GoesOn = Callable[[str, str], bool]


def follow_ups(members: pl.DataFrame) -> GoesOn:
    """Tells of two events, the earlier one first, whether the later one goes on with it.

    Args:
        members: Items of events that may be told: `event_id`, `title`, `text`, `published_at` and what `fullest` needs.
            An event that has none there is gone on with by nothing.
    """

    def goes_on(earlier: str, later: str) -> bool:
        both = fullest(members.filter(pl.col("event_id").is_in([earlier, later])))
        if both.height < 2:
            return False
        told = both.with_columns(
            _both=pl.col("title").fill_null("") + " " + pl.col("text").fill_null("")
        ).select("event_id", "title", "text", "published_at", words=words("_both"))
        clues = signs(told.with_columns(n=(pl.col("event_id") == later).cast(pl.Int64)))
        pair = pl.DataFrame({"earlier": [0], "later": [1], "containment": [0.0]})
        found = weighed(pair, clues).row(0, named=True)
        return bool(found["numbers"] == 0 and found["names"] <= MOST_NAMES)

    return goes_on
