"""A page of a table's rows, by tenant and state, and how many there are in all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def page_of(
    connection: Connection,
    table: sa.Table,
    order: Sequence[sa.ColumnElement[Any]],
    *,
    tenant_id: str | None,
    state: str | None,
    limit: int,
    offset: int,
) -> tuple[list[dict[str, Any]], int]:
    """Some rows of a table that has a tenant_id and a state, and how many there are in all.

    Args:
        connection: To read with.
        table: Of the control plane.
        order: In which the rows are counted; the same for the same rows, so that pages do not overlap.
        tenant_id: Of one tenant; None for all.
        state: In one state; None for all.
        limit: At most so many rows.
        offset: How many to pass over.
    """
    where: list[sa.ColumnElement[bool]] = [sa.true()]
    if tenant_id is not None:
        where.append(table.c.tenant_id == tenant_id)
    if state is not None:
        where.append(table.c.state == state)
    total = connection.execute(
        sa.select(sa.func.count()).select_from(table).where(*where)
    ).scalar_one()
    rows = connection.execute(
        sa.select(table).where(*where).order_by(*order).limit(limit).offset(offset)
    ).mappings()
    return [dict(row) for row in rows], int(total)
