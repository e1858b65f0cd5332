"""The log of a tenant and its fold, kept up: what was appended since the last look is read and folded, nothing else.

Upkeep looks at the same memory a dozen times in a row; reading 100,000 operations each time would cost more than all of
its tasks. Not here: memory as of an earlier instant, which is folded anew.
"""

from __future__ import annotations

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
        self._forgotten: int | None = None
        self._log = pl.DataFrame()
        self._folded = pl.DataFrame()
        self._living = pl.DataFrame()

    def look(self, connection: Connection) -> pl.DataFrame:
        """The living memories now, columns of `fold.STATE`; the same frame as before where nothing was appended."""
        owners = None if self.owner is None else [self.owner]
        forgotten = _forgotten(connection, self.tenant_id)
        if forgotten is None or forgotten != self._forgotten:
            # Forgetting is the one thing that takes from the log: nothing that was read before it counts.
            self._log = log.read(connection, self.tenant_id, owners=owners, only=NEEDED)
            self._folded = fold(self._log)
        else:
            last = self._log["seq"].max()
            after = last if isinstance(last, int) else 0
            if log.head(connection, self.tenant_id) <= after:
                return self._living
            fresh = log.read(connection, self.tenant_id, owners=owners, after=after, only=NEEDED)
            if fresh.is_empty():
                return self._living
            self._log = pl.concat([self._log, fresh])
            changed = fresh.select("memory_id").unique()
            again = fold(self._log.join(changed, on="memory_id", how="semi"))
            others = self._folded.join(changed, on="memory_id", how="anti")
            self._folded = pl.concat([others, again]).sort("memory_id")
        self._forgotten = forgotten
        self._living = alive(self._folded)
        return self._living


def _forgotten(connection: Connection, tenant_id: str) -> int | None:
    """How often somebody was forgotten; None while that is being done."""
    rows = connection.execute(
        sa.select(t.forgettings.c.state).where(t.forgettings.c.tenant_id == tenant_id)
    ).scalars()
    states = list(rows)
    return None if "open" in states else len(states)
