"""Trying again what was set aside: stored responses are read anew, and the days they belong to made again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from clientlore.control import quarantine
from clientlore.control.audit import Audit
from clientlore.errors import BadDataError, NotFoundError
from clientlore.ids import stable_id
from clientlore.monitoring import raw
from clientlore.monitoring.asking import parse
from clientlore.providers.base import Response
from clientlore.run_context import RunContext
from clientlore.storage.lake import Lake
from clientlore.workspace import Workspace

_RESPONSE = re.compile(r"^response:([0-9a-f]{32})#(-?\d+)$")
_TABLES = frozenset(table.key for table in raw.TABLES.values())


@dataclass(frozen=True)
class Replayed:
    """What a replay did.

    Attributes:
        ids: What was tried again.
        rows: Rows that could be read now.
        days: The (tenant, day) pairs to make again.
    """

    ids: tuple[str, ...]
    rows: int
    days: tuple[tuple[str, date], ...]

    def still_open(self, workspace: Workspace) -> list[str]:
        """Which of them are set aside again."""
        with workspace.control.read() as connection:
            rows, _ = quarantine.listed(connection, state="open", limit=10_000)
        return [row["quarantine_id"] for row in rows if row["quarantine_id"] in self.ids]


def replay(
    ctx: RunContext, audit: Audit, *, ids: Sequence[str] = (), tenant_id: str | None = None
) -> Replayed:
    """Reads again what was set aside.

    Args:
        ctx: Names the run under which it is done.
        audit: Who asks.
        ids: What to try again; everything that is open if none is named.
        tenant_id: Only this tenant's.

    Raises:
        NotFoundError: A named id is not open.
    """
    workspace = ctx.workspace
    with workspace.control.read() as connection:
        rows, _ = quarantine.listed(connection, tenant_id=tenant_id, state="open", limit=10_000)
    known = {row["quarantine_id"]: row for row in rows}
    missing = [i for i in ids if i not in known]
    if missing:
        raise NotFoundError(
            f"Nothing open is set aside under {missing[0]}",
            "`clientlore quarantine list` shows what is.",
        )
    chosen = [known[i] for i in ids] if ids else rows
    read = sum(_again(ctx, audit, row) for row in chosen)
    days = sorted({(row["tenant_id"], row["day"]) for row in chosen})
    return Replayed(tuple(row["quarantine_id"] for row in chosen), read, tuple(days))


def named_response(reference: str) -> tuple[str, int] | None:
    """The response that a reference points at and the place in it; None for what is no response."""
    match = _RESPONSE.match(reference)
    return None if match is None else (match[1], int(match[2]))


def _again(ctx: RunContext, audit: Audit, row: dict[str, Any]) -> int:
    """Reads one thing again; returns how many rows could be used.

    What lies in the rows themselves is judged anew when the day is made again.
    """
    named = named_response(row["reference"])
    read, rejects = 0, None
    if named is not None and row["stage"] in _TABLES:
        read, rejects = _read(ctx, row, *named)
    now = ctx.workspace.clock.now()
    with ctx.workspace.control.write() as connection:
        quarantine.mark_replayed(connection, audit, [row["quarantine_id"]])
        if rejects is not None:
            quarantine.resolve(connection, [row["quarantine_id"]], now)
            # What failed again is opened again.
            quarantine.put_rejects(
                connection,
                tenant_id=row["tenant_id"],
                day=row["day"],
                stage=row["stage"],
                rejects=rejects,
                run_id=ctx.run_id,
                now=now,
                complete=False,
            )
    return read


def _stored(lake: Lake, tenant_id: str, day: date, response_id: str) -> tuple[raw.Batch, Response]:
    """A stored response with its bytes.

    Raises:
        NotFoundError: It is not in the lake, or its bytes had to go.
        BadDataError: Its bytes are not those that were stored.
    """
    batch, response = raw.find_response(lake, tenant_id, day, response_id)
    if raw.REMOVED in response.headers:
        raise NotFoundError(
            f"The bytes of response {response_id} were removed on {response.headers[raw.REMOVED]}, as its provider's "
            "terms say",
            "Collect the day again, if the provider still gives it.",
        )
    return batch, response


def _read(
    ctx: RunContext, row: dict[str, Any], response_id: str, position: int
) -> tuple[int, list[quarantine.Reject]]:
    """Writes the rows that a stored response has at a position; returns how many, and what cannot be used still."""
    workspace = ctx.workspace
    try:
        batch, response = _stored(workspace.lake, row["tenant_id"], row["day"], response_id)
        parsed = parse(workspace.providers.get(response.provider), response, batch.day)
    except (BadDataError, NotFoundError) as error:
        reject = quarantine.Reject(row["reference"], row["reason"], str(error), row["source_id"])
        return 0, [reject]
    rejects = [
        reject
        for reject in parsed.as_rejects(response_id, row["source_id"])
        if position < 0 or reject.reference == row["reference"]
    ]
    found = parsed if position < 0 else parsed.at(position)
    if not found.count:
        return 0, rejects
    # Under an id made from what it holds: the same replay done twice adds nothing.
    again = replace(batch, batch_id=f"{batch.batch_id}-again-{stable_id(row['reference'], size=4)}")
    return raw.store_rows(workspace.lake, again, [(response, found)], of=batch), rejects
