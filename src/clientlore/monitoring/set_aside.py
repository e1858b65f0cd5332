"""One thing that was set aside, with what it points at: the stored response, or the stored row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from clientlore.control import quarantine
from clientlore.errors import BadDataError, NotFoundError
from clientlore.monitoring import raw
from clientlore.monitoring.replay import named_response
from clientlore.workspace import Workspace

SHOWN_BYTES = 2_000
_ITEM = "item:"


@dataclass(frozen=True)
class SetAside:
    """What was set aside.

    Attributes:
        row: Its row of the quarantine.
        position: Its place in the response, from 0; -1 for the whole response; None where it is no part of one.
        stored: What is known of what it points at; empty where that is gone.
        body: The response's bytes as they came, if it points at one.
        missing: Why what it points at cannot be shown, if so.
    """

    row: Mapping[str, Any]
    position: int | None = None
    stored: Mapping[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    missing: str | None = None

    @property
    def beginning(self) -> str:
        """The first bytes of the response, as text that no terminal obeys."""
        text = (self.body or b"")[:SHOWN_BYTES].decode("utf-8", "replace")
        return "".join(
            c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
        )


def find(workspace: Workspace, quarantine_id: str, tenant_id: str | None = None) -> SetAside:
    """What was set aside under an id.

    Args:
        workspace: The stores.
        quarantine_id: As `clientlore quarantine list` shows it.
        tenant_id: Only this tenant's.

    Raises:
        NotFoundError: There is no such row.
    """
    with workspace.control.read() as connection:
        row = quarantine.find(connection, quarantine_id, tenant_id)
    named = named_response(row["reference"])
    if named is not None:
        return _response(workspace, row, *named)
    if row["reference"].startswith(_ITEM):
        return _item(workspace, row)
    return SetAside(row)


def _response(
    workspace: Workspace, row: Mapping[str, Any], response_id: str, position: int
) -> SetAside:
    try:
        batch, response = raw.find_response(
            workspace.lake, row["tenant_id"], row["day"], response_id
        )
    except (BadDataError, NotFoundError) as error:
        return SetAside(row, position, missing=str(error))
    stored = {
        "provider": response.provider,
        "source": response.source_id,
        "client": response.client_id,
        "batch": batch.batch_id,
        "request": response.request,
        "status": response.status,
        "content type": response.headers.get("content-type"),
        "fetched at": response.fetched_at,
        "bytes": len(response.body),
        "sha256": response.body_sha,
    }
    return SetAside(row, position, stored, response.body)


def _item(workspace: Workspace, row: Mapping[str, Any]) -> SetAside:
    wanted = row["reference"].removeprefix(_ITEM)
    batch, _, position = wanted.partition("#")
    is_it = (
        pl.col("item_id") == wanted
        if not position
        else (pl.col("batch_id") == batch) & (pl.col("position").cast(pl.String) == position)
    )
    frame = workspace.lake.scan(raw.SEARCH_RESULTS, [row["tenant_id"]], [row["day"]]).filter(is_it)
    found = workspace.lake.collect(raw.SEARCH_RESULTS, frame.head(1)).to_dicts()
    if not found:
        return SetAside(row, missing="The row is not in the lake any more.")
    return SetAside(row, stored={k: v for k, v in found[0].items() if v is not None})
