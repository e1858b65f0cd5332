"""`document`: files and mails that are kept, found and taken back."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from clientlore.cli.common import (
    audit_of,
    json_option,
    one_tenant,
    opened,
    say_json,
    say_table,
    tenant_option,
)

_where = click.option(
    "--where", "where", multiple=True, metavar="KEY=VALUE", help="Only with this metadata."
)
_types = click.option("--type", "types", multiple=True, help="Only of this type; may be repeated.")
_owner = click.option("--owner", help="Only about this owner.")
_instant = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%z"])


@click.group()
def document() -> None:
    """Documents and mails: kept as they came, read, and found by their passages."""


@document.command("add")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--owner", required=True, help="Whom they are about: a client, contact or user.")
@click.option(
    "--id", "origin", help="The id of a single file at its origin; its name if not given."
)
@click.option("--type", "kind", help="What they are; by the names of the files if not given.")
@click.option("--date", type=_instant, help="When they are from, in UTC if no zone is given.")
@click.option("--metadata", help="A JSON object that is kept with each.")
@click.option("--security", help="general, confidential, secret or ultra_secret.")
@click.option(
    "--extract", is_flag=True, help="Remember what they say, too; each memory cites its place."
)
@tenant_option
@json_option
def document_add(
    files: tuple[Path, ...],
    owner: str,
    origin: str | None,
    kind: str | None,
    date: Any,
    metadata: str | None,
    security: str | None,
    extract: bool,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Keep files: text, Markdown, HTML, code, .docx, .pdf, .eml, and every mail of an .mbox.

    The same owner and id again replace what was there. What is wrong with one file is told, and the others are kept;
    the status is 3 then.
    """
    from dataclasses import replace

    from clientlore.errors import BadDataError
    from clientlore.memory.documents import Added, NewDocument
    from clientlore.memory.documents.inbox import documents_in

    if origin is not None and len(files) > 1:
        message = "--id names one file"
        raise click.UsageError(message)
    told = _json_object(metadata)
    given: list[NewDocument] = []
    done: list[Added] = []
    for path in files:
        try:
            for one in documents_in(path, owner, path.name):
                changed = replace(
                    one,
                    id_at_origin=origin or one.id_at_origin,
                    type=kind or one.type,
                    date=_in_utc(date),
                    metadata=told,
                    security=security,
                )
                given.append(changed)
        except BadDataError as error:
            done.append(Added(owner, path.name, "failed", error=str(error)))
    with opened() as workspace:
        documents = _documents(workspace, tenant)
        done += documents.add_documents(given)
        said = _remembered(workspace, documents, done) if extract else None
    if as_json:
        say_json([asdict(one) for one in done])
    else:
        rows = [
            [d.id_at_origin, d.outcome, d.document_id, d.chunks_created, d.processing_time_ms, d.error]
            for d in done
        ]  # fmt: skip
        say_table("", ["id at origin", "outcome", "document", "passages", "ms", "error"], rows)
    if said is not None:
        counts = ", ".join(f"{count} {name}" for name, count in said.outcomes.items()) or "none"
        left = f"; the rules read {said.left_to_rules} of them" if said.left_to_rules else ""
        click.echo(f"Memories from {said.texts} passages: {counts}{left}", err=True)
    if any(one.error for one in done):
        sys.exit(1 if all(one.error for one in done) else 3)


@document.command("list")
@_owner
@_types
@_where
@click.option("--offset", default=0, show_default=True, type=click.IntRange(0))
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000))
@tenant_option
@json_option
def document_list(
    owner: str | None,
    types: tuple[str, ...],
    where: tuple[str, ...],
    offset: int,
    limit: int,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Show documents, those changed last first."""
    with opened() as workspace:
        page = _documents(workspace, tenant).list_documents(
            owner=owner, types=types, where=_pairs(where), offset=offset, limit=limit
        )
    if as_json:
        say_json(asdict(page))
        return
    rows = [
        [d.document_id, d.owner_id, d.name, d.type, d.date, d.chunks, d.changed_at]
        for d in page.documents
    ]
    say_table("", ["document", "owner", "name", "type", "date", "passages", "changed"], rows)
    click.echo(f"{len(rows)} of {page.total}", err=True)


@document.command("get")
@click.argument("document_id")
@click.option("--chunks", is_flag=True, help="Its passages too.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it as it came.")
@tenant_option
@json_option
def document_get(
    document_id: str, chunks: bool, out: Path | None, tenant: str | None, as_json: bool
) -> None:
    """Show one document; --out writes the file as it came."""
    from clientlore.storage.files import write_bytes

    with opened() as workspace:
        documents = _documents(workspace, tenant)
        found = documents.get_document(document_id)
        passages = documents.get_chunks(document_id) if chunks else []
        if out is not None:
            write_bytes(out, documents.original(document_id))
    told = asdict(found)
    if as_json:
        say_json({**told, **({"passages": [asdict(p) for p in passages]} if chunks else {})})
        return
    say_table(
        "", ["", found.name], [[k, _shown(v)] for k, v in told.items() if v not in (None, {})]
    )
    for passage in passages:
        click.echo(f"[{passage.number}] {passage.text}\n")


@document.command("delete")
@click.argument("document_ids", nargs=-1)
@_owner
@_types
@_where
@click.option("--yes", is_flag=True, help="Do not ask.")
@tenant_option
@json_option
def document_delete(
    document_ids: tuple[str, ...],
    owner: str | None,
    types: tuple[str, ...],
    where: tuple[str, ...],
    yes: bool,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Take documents back, by id or by a filter. `clientlore forget` is what wipes."""
    if not yes:
        click.confirm("Take these documents back?", abort=True)
    with opened() as workspace:
        gone = _documents(workspace, tenant).delete_documents(
            document_ids, owner=owner, types=types, where=_pairs(where)
        )
    if as_json:
        say_json({"deleted_count": len(gone), "deleted_document_ids": gone})
        return
    say_table("", ["deleted"], [[one] for one in gone])


@document.command("search")
@click.argument("query")
@_owner
@_types
@_where
@click.option("--from", "sender", help="Only mails from this address.")
@click.option("--since", type=_instant, help="Only dated from then on, included.")
@click.option("--until", type=_instant, help="Only dated up to then, a day alone to its end.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000))
@click.option("--sections", is_flag=True, help="Give the section around each passage.")
@tenant_option
@json_option
def document_search(
    query: str,
    owner: str | None,
    types: tuple[str, ...],
    where: tuple[str, ...],
    sender: str | None,
    since: Any,
    until: Any,
    limit: int,
    sections: bool,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Find documents by the best of their passages."""
    with opened() as workspace:
        hits = _documents(workspace, tenant).search(
            query,
            owners=[owner] if owner else None,
            types=types,
            where=_pairs(where),
            sender=sender,
            since=_day_or_instant(since),
            until=_day_or_instant(until),
            limit=limit,
            sections=sections,
        )
    if as_json:
        say_json([asdict(hit) for hit in hits])
        return
    if not hits:
        click.echo("No document says that.")
    for hit in hits:
        click.echo(f"{hit.score:6.2f}  {hit.document_name}  ({hit.document_type})  {hit.owner_id}")
        click.echo(f"        {hit.section or hit.content}")
        click.echo(f"        {hit.document_id}")


@document.command("inbox")
@tenant_option
@json_option
def document_inbox(tenant: str | None, as_json: bool) -> None:
    """Take what lies in the inbox now, whole or not; where the daemon runs, a sensor does and waits."""
    from clientlore.memory.documents import inbox

    with opened() as workspace:
        chosen = one_tenant(workspace, tenant).tenant_id
        taken = inbox.take(workspace, chosen, settled_seconds=0)
    if as_json:
        say_json(asdict(taken))
        return
    columns = ["tenant", "files", "added", "replaced", "known", "failed"]
    say_table("", columns, [list(asdict(taken).values())])


def _documents(workspace: Any, tenant: str | None) -> Any:
    from clientlore.memory.documents import Documents

    actor = audit_of(workspace, "documents").actor
    return Documents(workspace, one_tenant(workspace, tenant).tenant_id, actor)


def _remembered(workspace: Any, documents: Any, done: Any) -> Any:
    from clientlore.memory.extracting.remembering import remember_documents

    kept = [one.document_id for one in done if one.document_id is not None]
    return remember_documents(workspace, documents.tenant_id, kept, documents.actor)


def _pairs(where: tuple[str, ...]) -> dict[str, str]:
    found = dict(pair.partition("=")[::2] for pair in where)
    if not all("=" in pair for pair in where):
        message = "--where takes KEY=VALUE"
        raise click.UsageError(message)
    return found


def _json_object(text: str | None) -> dict[str, Any]:
    try:
        told = json.loads(text or "{}")
    except ValueError:
        told = None
    if not isinstance(told, dict):
        message = '--metadata takes a JSON object, such as \'{"project": "north"}\''
        raise click.UsageError(message)
    return told


def _day_or_instant(value: Any) -> Any:
    """A time without a zone was written as a day alone."""
    return value.date() if value is not None and value.tzinfo is None else value


def _in_utc(value: Any) -> Any:
    from datetime import UTC

    return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


def _shown(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
