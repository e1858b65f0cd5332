"""When small files of the index are put together, and which of its old versions go.

So neither their number nor the time of a search grows with the number of writes, however fast they come.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

OPTIMIZE_ROWS = 1_000
"""Rows outside the indexes after which these are brought up to date; until then they are found by a scan."""
OPTIMIZE_WRITES = 50
"""Writes after which small files are put together, so that neither their number nor a search's time grows."""
KEEP_VERSIONS = timedelta(minutes=1)
"""How long a version that somebody may still read is kept at most: a search reads its rows in a second or less.

In a burst of writes it is kept until files are put together for the second time after it, so that what lies in the
folder is bounded by the number of writes, however fast they come. Who read for longer than that reads again.
"""


@dataclass(frozen=True)
class Mark:
    """Up to which operation the index has come.

    Attributes:
        optimized: The version at which its files were last put together.
        optimized_at: When that began, in seconds since 1970, by the system's clock: LanceDB stamps versions with it.
    """

    seq: int
    optimized: int
    optimized_at: float = 0.0


NO_MARK = Mark(0, 0)


def tidied(table: Any, mark: Mark) -> Mark:
    """Puts small files together where they have become many, and takes away versions that nobody reads any more.

    The caller holds the tenant's lock: nobody else writes to the table meanwhile, so that a file of no version is one
    that a writer left who died.

    Args:
        table: Of LanceDB, just written to.
        mark: Where it stood before.

    Returns:
        The mark, with when its files were last put together.
    """
    # A table that was written anew counts its versions from the beginning: it is younger than its mark.
    written = int(table.version) - mark.optimized
    if 0 <= written < OPTIMIZE_WRITES and _unindexed(table) < OPTIMIZE_ROWS:
        return mark
    now = time.time()
    since = timedelta(seconds=max(now - mark.optimized_at, 0.001))
    table.optimize(cleanup_older_than=min(KEEP_VERSIONS, since), delete_unverified=True)
    return replace(mark, optimized=int(table.version), optimized_at=now)


def _unindexed(table: Any) -> int:
    stats = [table.index_stats(index.name) for index in table.list_indices()]
    return max((int(s.num_unindexed_rows) for s in stats if s is not None), default=0)
