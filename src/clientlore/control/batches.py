"""Batches of questions that wait at a provider of models: noted before they are handed in, until they are settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.budgets import Reservation, Spent


@dataclass(frozen=True)
class Batch:
    """One batch.

    Attributes:
        batch_id: Our label.
        state: `submitting` until the vendor's number is noted: after a crash nobody knows whether it arrived.
        requests: Cache keys of the judgements that each request is about, in their order, by custom id.
    """

    batch_id: str
    provider: str
    model: str
    prompt: str
    state: Literal["submitting", "submitted", "done", "lost"]
    vendor_id: str | None
    requests: Mapping[str, Sequence[str]]
    spent_on: date
    reserved: Spent
    submitted_at: datetime

    @property
    def keys(self) -> set[str]:
        """Everything that it is about."""
        return {key for keys in self.requests.values() for key in keys}

    @property
    def reservation(self) -> Reservation:
        """The room that was made for it."""
        return Reservation(self.spent_on, self.reserved)


def open_batches(connection: Connection, tenant_id: str, provider: str) -> list[Batch]:
    """The batches of a tenant at a provider that are not settled, oldest first."""
    c = t.llm_batches.c
    rows = connection.execute(
        sa.select(t.llm_batches)
        .where(
            c.tenant_id == tenant_id,
            c.provider == provider,
            c.state.in_(("submitting", "submitted")),
        )
        .order_by(c.submitted_at, c.batch_id)
    ).mappings()
    return [
        Batch(
            row["batch_id"],
            row["provider"],
            row["model"],
            row["prompt"],
            row["state"],
            row["vendor_id"],
            row["requests"],
            row["spent_on"],
            Spent(row["reserved_calls"], row["reserved_tokens"], row["reserved_nano_usd"]),
            row["submitted_at"],
        )
        for row in rows
    ]


def begin(connection: Connection, tenant_id: str, batch: Batch) -> None:
    """Notes a batch that is about to be handed in."""
    connection.execute(
        sa.insert(t.llm_batches).values(
            tenant_id=tenant_id,
            batch_id=batch.batch_id,
            provider=batch.provider,
            model=batch.model,
            prompt=batch.prompt,
            state=batch.state,
            requests={k: list(v) for k, v in batch.requests.items()},
            spent_on=batch.spent_on,
            reserved_calls=batch.reserved.calls,
            reserved_tokens=batch.reserved.tokens,
            reserved_nano_usd=batch.reserved.nano_usd,
            submitted_at=batch.submitted_at,
        )
    )


def submitted(connection: Connection, tenant_id: str, batch_id: str, vendor_id: str) -> None:
    """Notes the vendor's name of a batch that arrived."""
    _set(connection, tenant_id, batch_id, state="submitted", vendor_id=vendor_id)


def ended(
    connection: Connection,
    tenant_id: str,
    batch_id: str,
    state: Literal["done", "lost"],
    now: datetime,
) -> None:
    """Notes that a batch is settled, or never arrived."""
    _set(connection, tenant_id, batch_id, state=state, ended_at=now)


def _set(connection: Connection, tenant_id: str, batch_id: str, **values: object) -> None:
    c = t.llm_batches.c
    connection.execute(
        sa.update(t.llm_batches)
        .where(c.tenant_id == tenant_id, c.batch_id == batch_id)
        .values(**values)
    )
