"""The raw tables: responses as they came, and what was found in them. Appended batch by batch, never changed.

A batch is one collection of one tenant. Its responses are written first, then the rows found in them; if a
process dies between the two, collection reads the stored responses again (`unparsed`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import chain
from typing import Any

import polars as pl

from clientlore.errors import BadDataError, NotFoundError
from clientlore.ids import sha256, stable_id
from clientlore.providers.base import Account, Activity, Contact, Item, Owner, Parsed, Response
from clientlore.storage.lake import UTC_TIME, ColumnType, Lake, Table, columns

REMOVED = "clientlore-removed"
"""The header that a response has whose body had to go, with the day of its removal."""

_PROVENANCE: Mapping[str, ColumnType] = {
    "tenant_id": pl.String,
    "day": pl.Date,
    "batch_id": pl.String,
    "response_id": pl.String,
    "position": pl.Int32,
    "source_id": pl.String,
    "client_id": pl.String,
    "provider": pl.String,
    "request": pl.String,
    "source_mode": pl.String,
    "fetched_at": UTC_TIME,
    "collected_at": UTC_TIME,
    "run_id": pl.String,
    "content_hash": pl.String,
}

RESPONSES = Table(
    "raw",
    "responses",
    columns(
        {
            "tenant_id": pl.String,
            "day": pl.Date,
            "batch_id": pl.String,
            "response_id": pl.String,
            "source_id": pl.String,
            "client_id": pl.String,
            "provider": pl.String,
            "request": pl.String,
            "status": pl.Int32,
            "headers": pl.String,
            "body": pl.Binary,
            "body_sha256": pl.String,
            "source_mode": pl.String,
            "fetched_at": UTC_TIME,
            "collected_at": UTC_TIME,
            "run_id": pl.String,
        }
    ),
    ("response_id",),
    "A response as it came, byte for byte.",
)
SEARCH_RESULTS = Table(
    "raw",
    "search_results",
    columns(
        {
            **_PROVENANCE,
            "item_id": pl.String,
            "origin_id": pl.String,
            "url": pl.String,
            "title": pl.String,
            "text": pl.String,
            "author": pl.String,
            "publisher": pl.String,
            "language": pl.String,
            "published_at": UTC_TIME,
        }
    ),
    ("response_id", "position"),
    "A piece of news in a response, as its source tells it.",
)
CRM_ACCOUNTS = Table(
    "raw",
    "crm_accounts",
    columns(
        {
            **_PROVENANCE,
            "account_id": pl.String,
            "name": pl.String,
            "domain": pl.String,
            "ticker": pl.String,
            "industry": pl.String,
            "owner_email": pl.String,
            "aliases": pl.List(pl.String),
            "contact_name": pl.String,
            "contact_email": pl.String,
            "contact_role": pl.String,
            "owner_id": pl.String,
            "is_deleted": pl.Boolean,
        }
    ),
    ("response_id", "position"),
    "A company as the CRM knows it at the time of collection.",
)
CRM_CONTACTS = Table(
    "raw",
    "crm_contacts",
    columns(
        {
            **_PROVENANCE,
            "contact_id": pl.String,
            "account_id": pl.String,
            "name": pl.String,
            "email": pl.String,
            "phone": pl.String,
            "role": pl.String,
            "is_deleted": pl.Boolean,
        }
    ),
    ("response_id", "position"),
    "A person as the CRM knows them at the time of collection.",
)
CRM_OWNERS = Table(
    "raw",
    "crm_owners",
    columns(
        {
            **_PROVENANCE,
            "owner_id": pl.String,
            "email": pl.String,
            "name": pl.String,
        }
    ),
    ("response_id", "position"),
    "A user of the CRM, to whom accounts belong.",
)
CRM_ACTIVITIES = Table(
    "raw",
    "crm_activities",
    columns(
        {
            **_PROVENANCE,
            "activity_id": pl.String,
            "account_id": pl.String,
            "kind": pl.String,
            "subject": pl.String,
            "text": pl.String,
            "occurred_at": UTC_TIME,
            "owner_email": pl.String,
        }
    ),
    ("response_id", "position"),
    "Something people did with a client, as the CRM tells it.",
)
TABLES: Mapping[str, Table] = {t.name: t for t in (SEARCH_RESULTS, CRM_ACCOUNTS, CRM_ACTIVITIES)}
_BESIDE: Mapping[type[Any], Table] = {Contact: CRM_CONTACTS, Owner: CRM_OWNERS}
"""What a batch holds besides the rows of its own table."""


@dataclass(frozen=True)
class Batch:
    """One collection of one tenant into one table, or a part of a large one.

    `collected_at` is one instant for the whole collection: which of its items came first is not decided by the
    order in which servers happened to answer.
    """

    tenant_id: str
    day: date
    table: Table
    batch_id: str
    collected_at: datetime
    run_id: str

    @classmethod
    def new(
        cls,
        tenant_id: str,
        day: date,
        table: Table,
        collected_at: datetime,
        run_id: str,
        *,
        part: int = 0,
    ) -> Batch:
        """A batch whose id sorts by time and says what it is for; a large collection has several, from part 0 on."""
        parts = (part,) if part else ()
        token = stable_id(tenant_id, day, table.name, collected_at, run_id, *parts, size=4)
        return cls(
            tenant_id,
            day,
            table,
            f"{table.name}-{collected_at:%Y%m%dT%H%M%S%f}-{token}",
            collected_at,
            run_id,
        )


def store_responses(lake: Lake, batch: Batch, responses: Sequence[Response]) -> None:
    """Writes the responses of a batch: from here on nothing of them can be lost."""
    rows = [
        {
            "tenant_id": batch.tenant_id,
            "day": batch.day,
            "batch_id": batch.batch_id,
            "response_id": response.response_id(batch.batch_id),
            "source_id": response.source_id,
            "client_id": response.client_id,
            "provider": response.provider,
            "request": response.request,
            "status": response.status,
            "headers": json.dumps(dict(response.headers), sort_keys=True),
            "body": response.body,
            "body_sha256": response.body_sha,
            "source_mode": response.mode,
            "fetched_at": response.fetched_at,
            "collected_at": batch.collected_at,
            "run_id": batch.run_id,
        }
        for response in responses
    ]
    lake.append_raw(RESPONSES, batch.tenant_id, batch.day, batch.batch_id, RESPONSES.frame(rows))


def store_rows(
    lake: Lake,
    batch: Batch,
    parsed: Sequence[tuple[Response, Parsed]],
    *,
    of: Batch | None = None,
) -> int:
    """Writes what was found in the responses of a batch; returns how many rows.

    The file of the batch's own table comes last: that it is there says that all is.

    Args:
        lake: Where.
        batch: Under whose name the rows are kept.
        parsed: Responses with what is in them.
        of: The batch that the responses belong to, where that is another one.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for response, found in parsed:
        for table, row in _rows(of or batch, response, found):
            rows.setdefault(table.name, []).append({**row, "batch_id": batch.batch_id})
    for table in (*_BESIDE.values(), batch.table):
        if table.name in rows or table is batch.table:
            frame = table.frame(rows.get(table.name, ()))
            lake.append_raw(table, batch.tenant_id, batch.day, batch.batch_id, frame)
    return sum(len(found) for found in rows.values())


def seen_bodies(lake: Lake, tenant_id: str, day: date) -> set[tuple[str, str]]:
    """Which answers are already stored for a day: pairs of source and SHA-256."""
    frame = lake.scan(RESPONSES, [tenant_id], [day]).select("source_id", "body_sha256")
    return set(lake.collect(RESPONSES, frame).iter_rows())


def unparsed(lake: Lake, tenant_id: str, day: date) -> list[str]:
    """Batches whose responses are stored and whose rows are not: their process died in between."""
    done = {b for table in TABLES.values() for b in lake.batches(table, tenant_id, day)}
    return [b for b in lake.batches(RESPONSES, tenant_id, day) if b not in done]


def load_responses(
    lake: Lake, tenant_id: str, day: date, *, batch_id: str | None = None
) -> list[tuple[Batch, Response]]:
    """Stored responses with the batch each belongs to."""
    frame = lake.scan(RESPONSES, [tenant_id], [day])
    if batch_id is not None:
        frame = frame.filter(pl.col("batch_id") == batch_id)
    return [
        _restore(row)
        for row in lake.collect(RESPONSES, frame.sort("response_id")).iter_rows(named=True)
    ]


def find_response(
    lake: Lake, tenant_id: str, day: date, response_id: str
) -> tuple[Batch, Response]:
    """A stored response, checked against its SHA-256.

    Raises:
        NotFoundError: It is not in the lake.
        BadDataError: Its bytes are not those that were stored.
    """
    frame = lake.scan(RESPONSES, [tenant_id], [day]).filter(pl.col("response_id") == response_id)
    rows = lake.collect(RESPONSES, frame).to_dicts()
    if not rows:
        raise NotFoundError(
            f"The response {response_id} of {day} is not in the lake",
            "Restore raw from the backup.",
        )
    if sha256(rows[0]["body"]) != rows[0]["body_sha256"]:
        raise BadDataError(
            f"The bytes of response {response_id} are not those that were stored",
            "Restore raw from the backup.",
        )
    return _restore(rows[0])


def _restore(row: Mapping[str, Any]) -> tuple[Batch, Response]:
    batch = Batch(
        tenant_id=row["tenant_id"],
        day=row["day"],
        table=TABLES[row["batch_id"].split("-")[0]],
        batch_id=row["batch_id"],
        collected_at=row["collected_at"],
        run_id=row["run_id"],
    )
    response = Response(
        source_id=row["source_id"],
        client_id=row["client_id"],
        provider=row["provider"],
        request=row["request"],
        status=row["status"],
        headers=json.loads(row["headers"]),
        body=row["body"],
        fetched_at=row["fetched_at"],
        mode=row["source_mode"],
    )
    return batch, response


def _rows(
    batch: Batch, response: Response, found: Parsed
) -> Iterator[tuple[Table, dict[str, Any]]]:
    common = {
        "tenant_id": batch.tenant_id,
        "day": batch.day,
        "batch_id": batch.batch_id,
        "response_id": response.response_id(batch.batch_id),
        "source_id": response.source_id,
        "client_id": response.client_id,
        "provider": response.provider,
        "request": response.request,
        "source_mode": response.mode,
        "fetched_at": response.fetched_at,
        "collected_at": batch.collected_at,
        "run_id": batch.run_id,
    }
    things: Iterator[Item | Account | Contact | Owner | Activity] = chain(*found.things)
    for thing in things:
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(thing).items()}
        told = {k: v for k, v in values.items() if k != "position"}
        content = sha256(json.dumps(told, sort_keys=True, default=str).encode())
        row = {**common, **values, "content_hash": content}
        table = _BESIDE.get(type(thing), batch.table)
        if table is SEARCH_RESULTS:
            row["item_id"] = stable_id(
                batch.tenant_id, response.source_id, values["origin_id"], content
            )
        yield table, row
