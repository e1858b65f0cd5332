"""The log of a tenant and its fold, kept up: what was appended since the last look is read and folded, nothing else.

Upkeep looks at the same memory a dozen times in a row; reading 100,000 operations each time would cost more than all of
its tasks.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.memory import log
from clientlore.memory.fold import NEEDED, alive, fold


class Standing:
    """The living memories of a tenant, or of one owner, as they stand whenever they are looked at.

    Args:
        tenant_id: Whose.
        owner: Only memories about this owner; None for all.
    """

    def __init__(self, tenant_id: str, owner: str | None = None) -> None:
        self.tenant_id = tenant_id
        self.owner = owner
        self._read: tuple[int, int] | None = None
        self._log = pl.DataFrame()
        self._folded = pl.DataFrame()
        self._living = pl.DataFrame()

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return int(self._log.estimated_size() + self._folded.estimated_size())

    def look(self, connection: Connection) -> pl.DataFrame:
        """The living memories now, columns of `fold.STATE`; the same frame as before where nothing was appended."""
        self._catch_up(connection)
        return self._living

    def whole(self, connection: Connection) -> pl.DataFrame:
        """All memories now, those too that are not alive."""
        self._catch_up(connection)
        return self._folded

    def as_of(self, connection: Connection, instant: datetime) -> pl.DataFrame:
        """The living memories as they were known at an instant."""
        self._catch_up(connection)
        return alive(fold(self._log, instant))

    def _catch_up(self, connection: Connection) -> None:
        owners = None if self.owner is None else [self.owner]
        edition, head = log.reached(connection, self.tenant_id)
        forgotten = _forgotten(connection, self.tenant_id)
        here = None if forgotten is None else (edition, forgotten)
        if here is None or here != self._read:
            # What was taken from the log or changed in it: nothing that was read before counts.
            self._log = log.read(connection, self.tenant_id, owners=owners, only=NEEDED)
            self._folded = fold(self._log)
        else:
            last = self._log["seq"].max()
            after = last if isinstance(last, int) else 0
            if head <= after:
                return
            fresh = log.read(connection, self.tenant_id, owners=owners, after=after, only=NEEDED)
            if fresh.is_empty():
                return
            self._log = pl.concat([self._log, fresh])
            changed = fresh.select("memory_id").unique()
            again = fold(self._log.join(changed, on="memory_id", how="semi"))
            others = self._folded.join(changed, on="memory_id", how="anti")
            self._folded = pl.concat([others, again]).sort("memory_id")
        self._read = here
        self._living = alive(self._folded)


def _forgotten(connection: Connection, tenant_id: str) -> int | None:
    """How often somebody was forgotten; None while that is being done."""
    rows = connection.execute(
        sa.select(t.forgettings.c.state).where(t.forgettings.c.tenant_id == tenant_id)
    ).scalars()
    states = list(rows)
    return None if "open" in states else len(states)
