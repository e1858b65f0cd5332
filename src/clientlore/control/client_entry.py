"""Clients put in one by one or from a CSV, outside the tenant file. `apply` leaves them alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError

from clientlore.control import clients, people, sources
from clientlore.control import tables as t
from clientlore.control.apply import (
    client_from,
    feed_source,
    mock_search_source,
)
from clientlore.control.audit import Audit
from clientlore.control.client_sources import search_sources
from clientlore.control.engine import ControlPlane
from clientlore.control.model import Tenant
from clientlore.control.rows import load_all
from clientlore.control.search_entry import SearchEntry
from clientlore.control.tenant_entries import ClientEntry
from clientlore.errors import BadDataError, ConfigurationError

_COLUMNS = {
    "name": ("name", "company", "client", "accountname"),
    "id": ("id", "clientid"),
    "domain": ("domain", "website"),
    "feed": ("feed", "feeds", "rss"),
    "aliases": ("aliases", "alias"),
    "ticker": ("ticker", "symbol"),
    "industry": ("industry", "sector"),
    "owner": ("owner", "owners"),
}


def entry_from(values: Mapping[str, Any], where: str) -> ClientEntry:
    """A checked client from loose values; those that are empty count as left out.

    Raises:
        ConfigurationError: One of them cannot be; the message names it.
    """
    given = {key: value for key, value in values.items() if value}
    try:
        return ClientEntry.model_validate(given)
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(str(p) for p in problem['loc'])}: {str(problem['msg']).removeprefix('Value error, ')}"
            for problem in error.errors(include_url=False)
        )
        raise ConfigurationError(f"{where}: {said}") from None


def add_clients(
    control: ControlPlane, audit: Audit, tenant: Tenant, entries: Sequence[ClientEntry]
) -> list[str]:
    """Watches the companies, in one transaction; returns their ids.

    A client that is there already keeps what is not given. Without an owner, everybody of the tenant looks after it.

    Raises:
        NotFoundError: An owner is no user.
    """
    with control.write() as connection:
        known = {
            c.client_id: c
            for c in clients.clients_of(connection, tenant.tenant_id, active_only=False)
        }
        everybody = [u.handle for u in people.users_of(connection, tenant.tenant_id)]
        for entry in entries:
            made = replace(client_from(tenant.tenant_id, entry), origin="cli")
            before = known.get(made.client_id)
            if before is not None:
                made = replace(
                    before,
                    is_active=True,
                    # What was switched off and is wanted again is the command line's.
                    origin=before.origin if before.is_active else "cli",
                    domain=made.domain or before.domain,
                    ticker=made.ticker or before.ticker,
                    industry=made.industry or before.industry,
                    profile={**before.profile, **made.profile},
                )
            clients.put_client(connection, audit, made)
            owners = entry.owners or (() if before is not None else tuple(everybody))
            for owner in owners:
                user = people.find_user(connection, tenant.tenant_id, owner)
                clients.assign(
                    connection,
                    audit,
                    tenant_id=tenant.tenant_id,
                    client_id=made.client_id,
                    user_id=user.user_id,
                    origin="cli",
                )
            found = [
                feed_source(tenant.tenant_id, feed, made.client_id, "cli") for feed in entry.feeds
            ]
            if tenant.mode == "mock":
                found.append(
                    replace(mock_search_source(tenant.tenant_id, made.client_id), origin="cli")
                )
            # As the tenant file has them, so that it also takes them away.
            searched = tenant.settings.get("search", ())
            found += search_sources(made, [SearchEntry.model_validate(s) for s in searched])
            _put_sources(connection, audit, tenant.tenant_id, found)
    return [entry.client_id for entry in entries]


def _put_sources(connection: Any, audit: Audit, tenant_id: str, found: Sequence[Any]) -> None:
    """Stores sources; one that the tenant file has put there already stays the file's."""
    ids = [source.source_id for source in found]
    rows = sa.select(t.sources).where(
        t.sources.c.tenant_id == tenant_id, t.sources.c.source_id.in_(ids)
    )
    held = (
        {s.source_id for s in load_all(connection, type(found[0]), rows) if s.is_active}
        if found
        else set()
    )
    for source in found:
        if source.source_id not in held:
            sources.put_source(connection, audit, source)


def read_csv(path: Path) -> tuple[list[ClientEntry], list[dict[str, Any]]]:
    """Clients of a CSV file, and the rows that could not be used, each with its line and reason.

    Raises:
        BadDataError: The file is no UTF-8 text, is empty, or has no column for names.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadDataError(f"{path.name} is not UTF-8 text", "Export it as UTF-8.") from None
    if not text.strip():
        raise BadDataError(f"{path.name} is empty", "Export it again.")
    separator = max(",;\t", key=text.splitlines()[0].count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise BadDataError(
            f"{path.name} after line {reader.line_num}: this is no CSV ({error})",
            "Look for an open quote.",
        ) from None
    headers = {
        "".join(c for c in h.lower() if c.isalnum()): h for h in reader.fieldnames or [] if h
    }
    mapping = {
        ours: next(headers[n] for n in names if n in headers)
        for ours, names in _COLUMNS.items()
        if any(n in headers for n in names)
    }
    if "name" not in mapping:
        raise BadDataError(
            f"{path.name} lacks the column name; it has {', '.join(headers.values()) or 'none'}",
            f"Accepted headers are {', '.join(_COLUMNS['name'])}.",
        )
    entries: dict[str, ClientEntry] = {}
    rejects: list[dict[str, Any]] = []
    for line, row in rows:
        values = {ours: (row.get(theirs) or "").strip() for ours, theirs in mapping.items()}
        if not any(values.values()):
            continue
        try:
            entry = entry_from(_spread(values), f"line {line}")
        except ConfigurationError as error:
            rejects.append({"line": line, "detail": str(error)})
            continue
        if entry.client_id in entries:
            detail = f"the id '{entry.client_id}' stands in an earlier line, which counts"
            rejects.append({"line": line, "detail": detail})
            continue
        entries[entry.client_id] = entry
    return list(entries.values()), rejects


def _spread(values: Mapping[str, str]) -> dict[str, Any]:
    """Lists from cells: parts are separated by semicolons or, for feeds, by blanks."""

    def parts(name: str) -> list[str]:
        return [p.strip() for p in values.get(name, "").split(";") if p.strip()]

    domain = values.get("domain", "").lower().split("://")[-1].split("/")[0].removeprefix("www.")
    return {
        "name": values.get("name"),
        "id": values.get("id"),
        "domain": domain,
        "ticker": values.get("ticker"),
        "industry": values.get("industry"),
        "aliases": parts("aliases"),
        "owners": parts("owner"),
        "feeds": list(dict.fromkeys(values.get("feed", "").replace(";", " ").split())),
    }
