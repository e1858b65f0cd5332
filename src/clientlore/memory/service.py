"""The memory of one tenant, to tell it things, to look at it as of any instant, and to undo what was done to it.

Here: reading the log, asking what is to be done (`arrival`), appending. Not here: search (`store`), upkeep
(`maintenance`). An append is one transaction that reads what it decides on, so that two processes that are told the
same end with one memory.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import forgotten
from clientlore.control import tables as t
from clientlore.errors import BadDataError, ConfigurationError, NotFoundError
from clientlore.memory import arrival, log
from clientlore.memory.arrival import Arrived
from clientlore.memory.facts import Fact
from clientlore.memory.fold import NEEDED, alive, fold, holding, undone
from clientlore.memory.log import Operation
from clientlore.memory.settling import related
from clientlore.memory.standing import Standing
from clientlore.memory.statements import Statement, lookup_of
from clientlore.workspace import Workspace

MOST_KNOWN = 2_000
"""Facts of an owner that a sentence is compared with if rules do not take it apart: the newest ones."""


@dataclass(frozen=True)
class Told:
    """What became of what was told, in the order given."""

    origin: str
    memory_id: str
    outcome: str


class MemoryService:
    """The memory of a tenant.

    Args:
        workspace: The stores.
        tenant_id: Whose.
    """

    def __init__(self, workspace: Workspace, tenant_id: str) -> None:
        self.workspace = workspace
        self.tenant_id = tenant_id
        self._standing: Standing | None = None

    def remember(self, statements: Sequence[Statement]) -> list[Told]:
        """Tells memory something; committed when it returns.

        Said before, it reinforces; another value of a fact ends the old one; everything else is added.

        Raises:
            BadDataError: A statement cannot be; nothing of the batch was appended.
        """
        checked = [s.checked() for s in statements]
        if not checked:
            return []
        with self.workspace.control.write() as connection:
            self._alone(connection)
            gate = forgotten.gate(connection, self.tenant_id)
            for statement in checked:
                if gate.knows(statement.owner_id):
                    raise BadDataError(
                        f"The owner of memory '{statement.origin}' was forgotten",
                        "What was forgotten is not remembered again; nothing of this batch was.",
                    )
            arrived = self._arrive(connection, checked)
            log.append(connection, arrived.operations, self.workspace.clock.now())
        return [
            Told(s.origin, arrived.memory_ids[s.origin], arrived.outcomes[s.origin])
            for s in checked
        ]

    def state(self, as_of: datetime | None = None, owner: str | None = None) -> pl.DataFrame:
        """The living memories, as they are known now or were known at an instant; columns of `fold.STATE`.

        What was read is kept: to look again costs what was appended since.
        """
        kept = self._standing
        if kept is None or kept.owner not in {None, owner}:
            if as_of is not None:
                return alive(fold(self._needed(owner), as_of))
            kept = self._standing = Standing(self.tenant_id, owner)
        with self.workspace.control.read() as connection:
            living = kept.look(connection) if as_of is None else kept.as_of(connection, as_of)
        return living if kept.owner == owner else living.filter(owner_id=owner)

    def _needed(self, owner: str | None) -> pl.DataFrame:
        owners = None if owner is None else [owner]
        with self.workspace.control.read() as connection:
            return log.read(connection, self.tenant_id, owners=owners, only=NEEDED)

    @property
    def standing(self) -> Standing | None:
        """What was read of the whole log, where it was; to be looked at again it costs what was appended since."""
        kept = self._standing
        return kept if kept is not None and kept.owner is None else None

    def current(self, as_of: datetime | None = None, owner: str | None = None) -> pl.DataFrame:
        """What is known and holds, now or at an instant: closed intervals are left out."""
        return holding(self.state(as_of, owner), as_of or self.workspace.clock.now())

    def log(self, owner: str | None = None) -> pl.DataFrame:
        """The operations, oldest first; columns of `log.OPERATIONS`."""
        with self.workspace.control.read() as connection:
            return log.read(connection, self.tenant_id, owners=None if owner is None else [owner])

    def append(self, operations: Sequence[Operation]) -> int:
        """Appends operations; returns how many were new."""
        if not operations:
            return 0
        with self.workspace.control.write() as connection:
            self._alone(connection)
            return log.append(connection, operations, self.workspace.clock.now())

    def retract(self, memory_id: str, actor: str, reason: str) -> None:
        """Takes a memory back; it stays in the log and can be brought back.

        Raises:
            NotFoundError: There is no such memory.
        """
        with self.workspace.control.write() as connection:
            self._alone(connection)
            before = log.read(connection, self.tenant_id, memory_ids=[memory_id])
            found = alive(fold(before))
            if found.is_empty():
                raise _no_memory(memory_id)
            operation = Operation(
                tenant_id=self.tenant_id,
                owner_id=found["owner_id"][0],
                memory_id=memory_id,
                op="retract",
                kind=None,
                text=None,
                recorded_at=self.workspace.clock.now(),
                actor=actor,
                reason=reason,
                origin=f"retract:{memory_id}",
                generation=before.height,
            )
            log.append(connection, [operation], self.workspace.clock.now())
            self._mend(connection, before, actor)

    def undo(self, what: str, actor: str, reason: str = "undone") -> int:
        """Makes operations void: one by its id, or all of an origin, such as one consolidation.

        Facts get the intervals that follow from what is left. Undoing an undoing brings back what it took.

        Returns:
            How many operations were undone.

        Raises:
            NotFoundError: No operation has this id or origin.
        """
        now = self.workspace.clock.now()
        with self.workspace.control.write() as connection:
            self._alone(connection)
            ids = connection.execute(
                sa.select(t.memory_log.c.memory_id)
                .where(
                    t.memory_log.c.tenant_id == self.tenant_id,
                    sa.or_(t.memory_log.c.op_id == what, t.memory_log.c.origin == what),
                )
                .distinct()
            ).scalars()
            before = log.read(connection, self.tenant_id, memory_ids=set(ids))
            void = list(undone(before))
            chosen = before.filter(
                (pl.col("op_id") == what) | (pl.col("origin") == what),
                ~pl.col("op_id").is_in(void),
            )
            if chosen.is_empty():
                raise NotFoundError(
                    f"No operation of tenant '{self.tenant_id}' has the id or origin '{what}', or it is undone",
                    "`clientlore memory log` lists them.",
                )
            counts = dict(before.group_by("memory_id").len().iter_rows())
            operations = []
            for row in chosen.iter_rows(named=True):
                generation = counts[row["memory_id"]]
                counts[row["memory_id"]] = generation + 1
                operations.append(
                    Operation(
                        tenant_id=self.tenant_id,
                        owner_id=row["owner_id"],
                        memory_id=row["memory_id"],
                        op="undo",
                        kind=None,
                        text=None,
                        recorded_at=now,
                        actor=actor,
                        reason=reason,
                        origin=f"undo:{row['op_id']}",
                        generation=generation,
                        attributes={"undoes": row["op_id"]},
                    )
                )
            appended = log.append(connection, operations, now)
            self._mend(connection, before, actor)
        return appended

    def _mend(self, connection: Connection, before: pl.DataFrame, actor: str) -> None:
        lookups = set(before["lookup"].drop_nulls())
        if lookups:
            again = related(connection, self.tenant_id, lookups)
            now = self.workspace.clock.now()
            log.append(connection, arrival.mend(self.tenant_id, again, now, actor), now)

    def _arrive(self, connection: Connection, statements: Sequence[Statement]) -> Arrived:
        names = _names(connection, self.tenant_id, {s.owner_id for s in statements})
        facts = arrival.facts_in(statements, {}, names)
        unclear = {s.owner_id for s, fact in zip(statements, facts, strict=True) if fact is None}
        if unclear:
            known = _facts_known(connection, self.tenant_id, unclear)
            facts = arrival.facts_in(statements, known, names)
        lookups = {lookup_of(self.tenant_id, s, f) for s, f in zip(statements, facts, strict=True)}
        before = related(connection, self.tenant_id, lookups)
        stated = [
            s if f is None else replace(s, fact=f) for s, f in zip(statements, facts, strict=True)
        ]
        return arrival.arrive(self.tenant_id, before, stated, facts)

    def _alone(self, connection: Connection) -> None:
        """Whoever appends reads first what it decides on: nobody else appends to this tenant meanwhile."""
        known = connection.execute(
            sa.select(t.tenants.c.tenant_id)
            .where(t.tenants.c.tenant_id == self.tenant_id)
            .with_for_update()
        ).first()
        if known is None:
            raise ConfigurationError(
                f"There is no tenant '{self.tenant_id}'", "`clientlore tenant list` names them."
            )


def _names(connection: Connection, tenant_id: str, owners: Collection[str]) -> dict[str, list[str]]:
    rows = connection.execute(
        sa.select(t.clients.c.client_id, t.clients.c.name, t.clients.c.profile).where(
            t.clients.c.tenant_id == tenant_id, t.clients.c.client_id.in_(sorted(owners)[:10_000])
        )
    )
    return {row.client_id: [row.name, *(row.profile or {}).get("aliases", [])] for row in rows}


def _facts_known(
    connection: Connection, tenant_id: str, owners: Collection[str]
) -> dict[str, list[Fact]]:
    """By owner, the facts that were told last, the newest last."""
    found: dict[str, list[Fact]] = {}
    for owner in sorted(owners):
        rows = connection.execute(
            sa.select(t.memory_log.c.attributes)
            .where(
                t.memory_log.c.tenant_id == tenant_id,
                t.memory_log.c.owner_id == owner,
                t.memory_log.c.op.in_(["add", "reinforce"]),
                t.memory_log.c.lookup.is_not(None),
            )
            .order_by(t.memory_log.c.seq.desc())
            .limit(MOST_KNOWN)
        ).scalars()
        told = [a if isinstance(a, dict) else json.loads(a) for a in rows]
        found[owner] = [
            Fact(a["subject"], a["attribute"], a["value"]) for a in reversed(told) if "subject" in a
        ]
    return found


def _no_memory(memory_id: str) -> NotFoundError:
    return NotFoundError(
        f"There is no living memory '{memory_id}'",
        "`clientlore search` names memories with --json.",
    )
